"""S-3 to S-5: the funnel, the velocity and the weighted pipeline, and moving an opportunity along.

An opportunity has reached a stage if it ever was in it or a later one: skipping counts, going back
does not undo, and won counts as having reached all.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from hub.api import Field, Hub, Params, Record, fields

from .figures import ZERO, ratio, rounded, velocity
from .settings import WON, Stage

Rows = list[dict[str, Any]]
FUNNEL = (
    Field.text("stage", "阶段", "Stage"),
    Field.decimal("probability", "赢率", "Probability"),
    Field.integer("reached", "到达", "Reached"),
    Field.decimal("conversion", "转化率", "To the next"),
    Field.integer("open", "当前数量", "Open now"),
    Field.decimal("amount", "当前金额", "Amount now"),
    Field.decimal("days_mean", "平均停留(天)", "Mean days"),
    Field.list("ids", (), "记录", "Records"),
)
TOTALS = (
    Field.integer("open", "进行中", "Open"),
    Field.integer("won", "赢单", "Won"),
    Field.integer("lost", "输单", "Lost"),
    Field.decimal("overall", "总转化率", "Overall"),
    Field.decimal("win_rate", "赢单率", "Win rate"),
    Field.decimal("value_win_rate", "金额赢单率", "Win rate by value"),
    Field.decimal("velocity", "销售速度(每天)", "Velocity a day"),
)
WEIGHTED = (
    Field.text("category", "预测类别", "Category"),
    Field.integer("count", "数量", "Count"),
    Field.decimal("amount", "金额", "Amount"),
    Field.decimal("weighted", "加权金额", "Weighted"),
    Field.list("ids", (), "记录", "Records"),
)
OVERDUE = (
    Field.text("code", "商机编号", "Number"),
    Field.text("name", "商机名称", "Name"),
    Field.date("expected_close_on", "预计成交", "Expected close"),
    Field.decimal("amount", "金额", "Amount"),
    Field.text("owner", "负责人", "Owner"),
)


class PeriodParams(Params):
    """Opportunities opened in the period; without one, all."""

    start = fields.Date(load_default=None, data_key="from")
    end = fields.Date(load_default=None, data_key="to")
    owner = fields.String(load_default="")


class WindowParams(Params):
    as_of = fields.Date(required=True)
    window_days = fields.Integer(load_default=180)


class CloseParams(Params):
    """Open opportunities expected to close in the period."""

    start = fields.Date(required=True, data_key="from")
    end = fields.Date(required=True, data_key="to")


class AsOfParams(Params):
    as_of = fields.Date(required=True)


class StageParams(Params):
    stage = fields.String(required=True)


class LoseParams(Params):
    reason = fields.String(required=True)


# --------------------------------------------------------------------------------------- actions


def advance(hub: Hub, record: Record, *, stage: str) -> Record:
    """Move it to another stage, forwards or back."""
    return hub.update("opportunity", record["id"], {"stage": stage})


def win(hub: Hub, record: Record) -> Record:
    return hub.update("opportunity", record["id"], {"status": "won"})


def lose(hub: Hub, record: Record, *, reason: str) -> Record:
    return hub.update("opportunity", record["id"], {"status": "lost", "lost_reason": reason})


# --------------------------------------------------------------------------------------- reports


def funnel_report(stages: Mapping[str, Stage]) -> Callable[..., Rows]:
    order = {code: n for n, code in enumerate(stages)}
    following = dict(zip(stages, [*list(stages)[1:], ""], strict=True))

    def funnel(hub: Hub, *, start: date | None, end: date | None, owner: str) -> Rows:
        """A row per stage: how many ever reached it, how many are in it now, how long they stay."""
        found = _opportunities(hub, start, end, owner)
        steps = _steps(hub, found)
        furthest = [_furthest(r, steps[r["id"]], order) for r in found.values()]
        reached = {code: sum(f >= place for f in furthest) for code, place in order.items()}
        stays = _stays(steps)
        rows = []
        for code, stage in stages.items():
            here = [r for r in found.values() if _is_in(r, code)]
            days, after = stays.get(code, []), following[code]
            rows.append(
                {
                    "stage": code,
                    "probability": stage.probability,
                    "reached": reached[code],
                    "conversion": ratio(reached[after], reached[code]) if after else None,
                    "open": len(here),
                    "amount": sum((_base(r) for r in here), ZERO),
                    "days_mean": rounded(sum(days, ZERO) / len(days), 2) if days else None,
                    "ids": [r["id"] for r in here],
                }
            )
        return rows

    return funnel


def _furthest(record: Mapping[str, Any], steps: Rows, order: Mapping[str, int]) -> int:
    if record["status"] == "won":
        return len(order) - 1
    return max((order[s["to_stage"]] for s in steps if s["to_stage"] in order), default=0)


def _is_in(record: Mapping[str, Any], stage: str) -> bool:
    """Whether it stands in the stage now; what is lost stands in none."""
    return bool(record["stage"] == stage and (record["status"] == "open" or stage == WON.code))


def totals(hub: Hub, *, as_of: date, window_days: int) -> Rows:
    """Won, lost and their rates in the window that ends on `as_of`, and the velocity from them."""
    since = as_of - timedelta(days=window_days)
    found = _opportunities(hub, None, None, "").values()
    ended = [r for r in found if r.get("closed_at") and since < _day(r["closed_at"]) <= as_of]
    won = [r for r in ended if r["status"] == "won"]
    lost = [r for r in ended if r["status"] == "lost"]
    opened = [r for r in found if _day(r["opened_at"]) <= as_of]
    n_open = sum(r["status"] == "open" for r in opened)
    amounts = [_base(r) for r in won]
    cycles = [(_day(r["closed_at"]) - _day(r["opened_at"])).days for r in won]
    decided = sum(amounts, ZERO) + sum((_base(r) for r in lost), ZERO)
    return [
        {
            "open": n_open,
            "won": len(won),
            "lost": len(lost),
            "overall": ratio(len(won), len(opened)),
            "win_rate": ratio(len(won), len(won) + len(lost)),
            "value_win_rate": ratio(sum(amounts, ZERO), decided),
            "velocity": velocity(n_open, amounts, cycles, len(lost)),
        }
    ]


def weighted(hub: Hub, *, start: date, end: date) -> Rows:
    """Amounts by forecast category, and in all (`total`), each times its probability."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for r in _opportunities(hub, None, None, "").values():
        closes = r.get("expected_close_on")
        if r["status"] == "open" and closes and start.isoformat() <= closes <= end.isoformat():
            for name in (r["forecast_category"], "total"):
                groups.setdefault(name, []).append(r)
    names = ("commit", "best_case", "pipeline", "omitted", "total")
    return [_weighted(name, groups[name]) for name in names if name in groups]


def overdue(hub: Hub, *, as_of: date) -> Rows:
    """Open opportunities whose expected close has passed: listed, never rolled over in silence."""
    late = [
        r
        for r in _opportunities(hub, None, None, "").values()
        if r["status"] == "open" and (r.get("expected_close_on") or "9999") < as_of.isoformat()
    ]
    return sorted(late, key=lambda r: (r["expected_close_on"], r["id"]))


def _weighted(name: str, group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    value = sum((_base(r) * Decimal(r.get("probability") or 0) for r in group), ZERO)
    return {
        "category": name,
        "count": len(group),
        "amount": sum((_base(r) for r in group), ZERO),
        "weighted": rounded(value, 2),
        "ids": [r["id"] for r in group],
    }


# --------------------------------------------------------------------------------------- reading


def _opportunities(
    hub: Hub, start: date | None, end: date | None, owner: str
) -> dict[str, dict[str, Any]]:
    table = hub.table("opportunity")
    names = (
        *("id", "code", "name", "stage", "status", "amount", "exchange_rate", "probability"),
        *("forecast_category", "expected_close_on", "opened_at", "closed_at", "owner"),
    )
    query = select(*(table.c[name] for name in names)).where(
        table.c.deleted_at.is_(None), table.c.status != "cancelled"
    )
    if owner:
        query = query.where(table.c.owner == owner)
    return {
        r["id"]: r
        for r in hub.rows(query.order_by(table.c.id))
        if (start is None or _day(r["opened_at"]) >= start)
        and (end is None or _day(r["opened_at"]) <= end)
    }


def _steps(hub: Hub, found: Mapping[str, Any]) -> dict[str, Rows]:
    table = hub.table("opportunity_stages")
    query = select(table.c.record_id, table.c.at, table.c.to_stage).order_by(
        table.c.record_id, table.c.position
    )
    steps: dict[str, Rows] = {record_id: [] for record_id in found}
    for row in hub.rows(query):
        if row["record_id"] in steps:
            steps[row["record_id"]].append(row)
    return steps


def _stays(steps: Mapping[str, Rows]) -> dict[str, list[Decimal]]:
    """Completed stays in every stage, in days."""
    stays: dict[str, list[Decimal]] = {}
    for history in steps.values():
        for step, after in pairwise(history):
            seconds = (_moment(after["at"]) - _moment(step["at"])).total_seconds()
            stays.setdefault(step["to_stage"], []).append(Decimal(int(seconds)) / 86400)
    return stays


def _base(record: Mapping[str, Any]) -> Decimal:
    """The amount in company currency, at the record's own rate."""
    return Decimal(record.get("amount") or 0) * Decimal(record.get("exchange_rate") or 1)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _day(text: str) -> date:
    return _moment(text).date()
