"""What an installation decides about its sales: stages, commission bands, windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hub.api import Settings, fields, validate

from .entities import CATEGORIES


@dataclass(frozen=True, slots=True)
class Stage:
    code: str
    zh: str
    en: str
    probability: Decimal
    category: str = "pipeline"


@dataclass(frozen=True, slots=True)
class Band:
    """A rate that holds from one attainment of the quota to the next band's."""

    start: Decimal
    rate: Decimal


class StageSection(Settings):
    code = fields.String(required=True)
    zh = fields.String(load_default="")
    en = fields.String(load_default="")
    probability = fields.Decimal(required=True)
    category = fields.String(load_default="pipeline", validate=validate.OneOf(CATEGORIES))


class BandSection(Settings):
    start = fields.Decimal(required=True, data_key="from")
    rate = fields.Decimal(required=True)


STAGES = (
    Stage("qualification", "初步接洽", "Qualification", Decimal("0.10")),
    Stage("proposal", "方案报价", "Proposal", Decimal("0.30"), "best_case"),
    Stage("negotiation", "商务谈判", "Negotiation", Decimal("0.60"), "commit"),
)
WON = Stage("won", "赢单", "Won", Decimal(1), "closed")


class SalesSettings(Settings):
    stages = fields.List(
        fields.Nested(StageSection),
        load_default=list,
        metadata={"help": "The open stages in order: code, zh, en, probability, category."},
    )
    commission = fields.List(
        fields.Nested(BandSection),
        load_default=list,
        metadata={"help": "Commission: `from` (share of the quota) and `rate` of every band."},
    )


def stages_of(settings: Mapping[str, Any]) -> dict[str, Stage]:
    """The stages by code, in order; `won` is the last."""
    found = [Stage(**given) for given in settings["stages"]] or list(STAGES)
    return {stage.code: stage for stage in (*found, WON)}


def bands_of(settings: Mapping[str, Any]) -> tuple[Band, ...]:
    return tuple(Band(given["start"], given["rate"]) for given in settings["commission"])
