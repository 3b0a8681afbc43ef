"""Tryton's typed JSON: `{"__class__": "Decimal", "decimal": "10.50"}` and its kin, both ways."""

import base64
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

DATE = ("year", "month", "day")
TIME = ("hour", "minute", "second", "microsecond")


def decode(value: Any) -> Any:
    """Plain Python; datetimes, which Tryton keeps in UTC without saying so, are aware."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    match value.get("__class__"):
        case "Decimal":
            return Decimal(value["decimal"])
        case "date":
            return date(*(value[k] for k in DATE))
        case "datetime":
            return datetime(*(value[k] for k in (*DATE, *TIME)), tzinfo=UTC)
        case "time":
            return time(*(value[k] for k in TIME)).isoformat()
        case "timedelta":
            return str(value["seconds"])
        case "bytes":
            return base64.b64decode(value["base64"])
    return {k: decode(v) for k, v in value.items()}


def encode(value: Any) -> Any:
    """The inverse; a `Decimal` is always typed, see `number` for Tryton's floats."""
    match value:
        case list() | tuple():
            return [encode(v) for v in value]
        case dict():
            return {k: encode(v) for k, v in value.items()}
        case Number():
            return value.value
        case Decimal():
            return {"__class__": "Decimal", "decimal": f"{value:f}"}
        case datetime():
            moment = value.astimezone(UTC) if value.tzinfo else value
            return {"__class__": "datetime"} | {k: getattr(moment, k) for k in (*DATE, *TIME)}
        case date():
            return {"__class__": "date"} | {k: getattr(value, k) for k in DATE}
        case timedelta():
            return {"__class__": "timedelta", "seconds": value.total_seconds()}
        case bytes():
            return {"__class__": "bytes", "base64": base64.b64encode(value).decode("ascii")}
    return value


class Number:
    """A decimal that travels as a plain JSON number, digit by digit: what float fields want."""

    __slots__ = ("value",)

    def __init__(self, value: Decimal) -> None:
        self.value = value
