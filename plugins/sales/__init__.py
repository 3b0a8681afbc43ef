"""Sales management: leads, opportunities, targets, and the figures that sales is led by.

`hub_declare` lists everything this module adds.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.api import Action, Declaration, Report, Rule, hookimpl

from . import leads, performance, pipeline
from .entities import LEAD, OPPORTUNITY, SPLITS, TARGET
from .rules import lead_is_reachable, opportunity_rule
from .settings import Band, SalesSettings, Stage, bands_of, stages_of

TITLE = {"zh": "销售管理", "en": "Sales management"}
SETTINGS = SalesSettings
READ = "sales:read"
WRITE = "sales:write"


@hookimpl
def hub_declare(settings: Mapping[str, Any]) -> Iterator[Declaration]:
    stages, bands = stages_of(settings), bands_of(settings)
    yield from (LEAD, OPPORTUNITY, TARGET, SPLITS)
    yield Rule("sales.lead", "lead", lead_is_reachable, "线索须可联系", "A lead can be reached")
    yield Rule(
        "sales.opportunity",
        "opportunity",
        opportunity_rule(stages),
        "商机阶段与状态一致",
        "Stage and status of an opportunity agree",
    )
    for action in ACTIONS:
        yield Action(*action)
    for report in _reports(stages, bands):
        yield Report(*report)


ACTIONS = (
    (
        *("sales.convert", leads.convert, "转化线索", "Convert the lead"),
        *(WRITE, "lead", leads.ConvertParams),
    ),
    (
        *("sales.advance", pipeline.advance, "推进阶段", "Move to a stage"),
        *(WRITE, "opportunity", pipeline.StageParams),
    ),
    ("sales.win", pipeline.win, "赢单", "Won", WRITE, "opportunity"),
    ("sales.lose", pipeline.lose, "输单", "Lost", WRITE, "opportunity", pipeline.LoseParams),
)


def _reports(stages: Mapping[str, Stage], bands: Sequence[Band]) -> Iterator[tuple[Any, ...]]:
    """Name, function, columns, titles, scope, parameters, and the column to drill down by."""
    funnel, ranking = pipeline.funnel_report(stages), performance.ranking_report(bands)
    yield (
        *("sales.funnel", funnel, pipeline.FUNNEL, "销售漏斗", "Sales funnel"),
        *(READ, pipeline.PeriodParams, "ids"),
    )
    yield (
        *("sales.totals", pipeline.totals, pipeline.TOTALS, "赢单率与销售速度", "Win rates"),
        *(READ, pipeline.WindowParams),
    )
    yield (
        *("sales.weighted", pipeline.weighted, pipeline.WEIGHTED, "加权预测", "Weighted pipeline"),
        *(READ, pipeline.CloseParams, "ids"),
    )
    yield (
        *("sales.overdue", pipeline.overdue, pipeline.OVERDUE, "逾期商机", "Overdue"),
        *(READ, pipeline.AsOfParams),
    )
    yield (
        *("sales.attainment", performance.attainment, performance.ATTAINMENT),
        *("目标达成", "Targets and attainment", READ, performance.AsOfParams),
    )
    yield (
        *("sales.ranking", ranking, performance.RANKING, "业绩排名", "Performance ranking"),
        *(READ, performance.RankingParams, "ids"),
    )
    yield (
        *("sales.channels", performance.channels, performance.CHANNELS),
        *("渠道分布", "Sales by channel", READ, performance.PeriodParams),
    )
    yield (
        *("sales.forecast", performance.forecast, performance.FORECAST),
        *("销售预测", "Sales forecast", READ, performance.ForecastParams),
    )
