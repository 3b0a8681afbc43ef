"""The fields of an object, as `describe` tells them, and how their values are spelt.

Source: values from four clients (times in milliseconds, amounts as text, references as id, employees
        as a list).  The names of field types are assumed from the vendor's own descriptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hub.connector import BadRow, Column, Row
from hub.errors import ProtocolError

KINDS = {
    **dict.fromkeys(["number", "currency", "percentile", "count"], "decimal"),
    **dict.fromkeys(["select_many", "employee", "department", "image", "file_attachment"], "json"),
    **dict.fromkeys(
        ["location", "employee_many", "department_many", "object_reference_many"], "json"
    ),
    "date": "date",
    "date_time": "datetime",
    "true_or_false": "boolean",
}
"""Type of field → kind of column; all others are texts."""
COMPUTED_TYPES = {"formula", "count", "auto_number", "quote"}
COMPUTED = {
    *("_id", "create_time", "last_modified_time", "created_by", "last_modified_by", "version"),
    *("life_status", "lock_status", "is_deleted"),
}
STAMP = "last_modified_time"
BAD_VALUE = "a value that is no {kind}"


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str
    label: str = ""
    required: bool = False
    target: str = ""
    choices: tuple[str, ...] = ()
    active: bool = True

    @property
    def writable(self) -> bool:
        return self.name not in COMPUTED and self.type not in COMPUTED_TYPES

    @property
    def column(self) -> Column:
        return Column(
            KINDS.get(self.type, "text"),
            required=self.required and self.writable,
            writable=self.writable,
            target=self.target,
            label=self.label,
            choices=self.choices,
        )


Fields = Mapping[str, Field]


def parse(answer: Any, name: str) -> dict[str, Field]:
    match answer:
        case {"data": {"describe": {"fields": {**said}}}}:
            found = {str(k): _field(str(k), f) for k, f in said.items() if isinstance(f, Mapping)}
            found = {k: f for k, f in found.items() if f.active}
            stamps = {STAMP: Field(STAMP, "date_time"), "_id": Field("_id", "text")}
            return {**stamps, **found}
    raise ProtocolError("Fxiaoke: the answer describes no fields of {name}", name=name)


def _field(name: str, said: Mapping[str, Any]) -> Field:
    options = said.get("options")
    values = (
        [o.get("value") for o in options if isinstance(o, Mapping)]
        if isinstance(options, list)
        else []
    )
    return Field(
        name,
        "date_time" if name in (STAMP, "create_time") else str(said.get("type") or ""),
        str(said.get("label") or ""),
        said.get("is_required") is True,
        str(said.get("target_api_name") or ""),
        tuple(str(v) for v in values if v is not None),
        said.get("is_active") is not False,
    )


def row_of(fields: Fields, said: Any, zone: ZoneInfo, place: str) -> Row | BadRow:
    """A record as a row.  Empty fields are left out of answers: they are null."""
    if not isinstance(said, Mapping) or not isinstance(said.get("_id"), str) or not said["_id"]:
        raise ProtocolError("Fxiaoke {place}: a record without an id", place=place)
    row: dict[str, Any] = {}
    at = ""
    try:
        for at, field in fields.items():
            row[at] = decode(field, said.get(at), zone)
    except (ValueError, TypeError, ArithmeticError, OSError):
        kind = fields[at].column.kind
        raw = dict(said)
        return BadRow(f"{place} {said['_id']}", raw, BAD_VALUE, {"kind": kind, "column": at})
    return row


def decode(field: Field, value: Any, zone: ZoneInfo) -> Any:
    if value is None or value == "":
        return None
    match KINDS.get(field.type, "text"):
        case "decimal":
            if isinstance(value, bool):
                raise ValueError(value)
            return Decimal(str(value))
        case "datetime":
            return _moment(value)
        case "date":
            return _moment(value).astimezone(zone).date()
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "json":
            return value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | Mapping):
        raise ValueError(value)
    return str(value)


def _moment(value: Any) -> datetime:
    return datetime.fromtimestamp(int(str(value)) / 1000, UTC)


def encode(field: Field, value: Any, zone: ZoneInfo) -> Any:
    """Amounts as text, digit by digit; a day is its first moment in the zone."""
    kind = KINDS.get(field.type, "text")
    if value is None:
        return [] if kind == "json" else ""
    if kind == "decimal":
        return f"{Decimal(str(value)):f}"
    if kind in {"date", "datetime"} and isinstance(value, str):
        value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=zone)
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


def data_of(fields: Fields, values: Row, zone: ZoneInfo) -> dict[str, Any]:
    return {
        name: encode(fields[name], value, zone)
        for name, value in values.items()
        if name in fields and fields[name].writable
    }
