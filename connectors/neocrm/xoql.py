"""Conditions of XOQL.  Literals are quoted here and nowhere else."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hub.errors import ConfigError

from .fields import STAMP


def literal(value: Any) -> str:
    """How a quote inside a text is written is in no source: it is doubled, as SQL has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    if "\\" in str(value):  # it might hide the quote behind it
        raise ConfigError(
            "Neocrm: a filter with a backslash is not possible: {value!r}", value=value
        )
    return "'" + str(value).replace("'", "''") + "'"


def equal(name: str, value: Any) -> str:
    """Rows that carry the value, or more: the caller compares what comes."""
    if value is None:
        return f"{name} is null"
    before, backslash, _ = str(value).partition("\\")
    if backslash:
        return f"{name} like {literal(before + '%')}"
    return f"{name} = {literal(value)}"


def among(name: str, values: Sequence[Any]) -> str:
    return f"{name} in ({', '.join(map(literal, values))})"


def both(*conditions: str) -> str:
    return " and ".join(c for c in conditions if c)


def behind(moment: Any, row_id: Any, *, timed: bool) -> list[str]:
    """What lies behind a place, asked for in turn: the same moment behind the id, then later ones."""
    if not timed:
        return ["" if row_id is None else f"id > {int(row_id)}"]
    if moment is None:
        return [""]
    if row_id is None:
        return [f"{STAMP} >= {int(moment)}"]
    return [f"{STAMP} = {int(moment)} and id > {int(row_id)}", f"{STAMP} > {int(moment)}"]
