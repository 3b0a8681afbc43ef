"""The fields of an object, as its description tells them, and how their values are spelt.

Source: four independent clients (ids as text or number, times in milliseconds, pick lists as numbers).
        The names of field types are those of the vendor's own front-end library and assumed to be all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hub.connector import BadRow, Column, Row
from hub.errors import ProtocolError

KINDS = {
    **dict.fromkeys(["real", "currency", "percent"], "decimal"),
    "integer": "integer",
    "long": "integer",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "multipicklist": "json",
    "checkbox": "json",
    "multitag": "json",
}
STAMP = "updatedAt"
COMPUTED = {
    "id",
    "createdAt",
    "updatedAt",
    "createdBy",
    "updatedBy",
    "lockStatus",
    "approvalStatus",
}
BAD_VALUE = "a value that is no {kind}"


@dataclass(frozen=True, slots=True)
class Field:
    """A pick list is read and written by its code, as text: labels may be changed by anybody."""

    name: str
    type: str
    label: str = ""
    required: bool = False
    writable: bool = True
    target: str = ""
    codes: Mapping[str, str] = field(default_factory=dict)

    @property
    def column(self) -> Column:
        return Column(
            KINDS.get(self.type, "text"),
            required=self.required and self.writable,
            writable=self.writable,
            target=self.target,
            label=self.label,
            choices=tuple(self.codes),
        )


Fields = Mapping[str, Field]


def parse(answer: Any, name: str) -> dict[str, Field]:
    match answer:
        case {"data": {"fields": [*said]}}:
            pass
        case _:
            raise ProtocolError("Neocrm: the answer describes no fields of {name}", name=name)
    found = {STAMP: Field(STAMP, "datetime", writable=False)}
    for f in said:
        if isinstance(f, Mapping) and str(f.get("apiKey") or "").strip():
            made = _field(f)
            found[made.name] = made
    return {"id": Field("id", "text", writable=False), **found}


def _field(said: Mapping[str, Any]) -> Field:
    name = str(said["apiKey"]).strip()
    refers = said.get("referTo")
    options = said.get("selectitem") or said.get("checkitem")
    codes = {
        str(o.get("value")): str(o.get("label") or "")
        for o in (options if isinstance(options, list) else [])
        if isinstance(o, Mapping) and o.get("value") is not None
    }
    changeable = said.get("createable") is not False and said.get("updateable") is not False
    kind = "datetime" if name in {"createdAt", STAMP} else str(said.get("type") or "").lower()
    return Field(
        name,
        kind,
        str(said.get("label") or ""),
        said.get("required") is True,
        changeable and name not in COMPUTED,
        str(refers.get("apiKey") or "") if isinstance(refers, Mapping) else "",
        codes,
    )


def id_of(said: Any, place: str) -> str:
    """Ids are 64 bits: text in one call, a number in another."""
    found = said.get("id") if isinstance(said, Mapping) else None
    text = str(found) if isinstance(found, int | str) and not isinstance(found, bool) else ""
    if not text.isdigit():
        raise ProtocolError("Neocrm {place}: a record without an id", place=place)
    return text


def row_of(fields: Fields, said: Mapping[str, Any], zone: ZoneInfo, place: str) -> Row | BadRow:
    row: dict[str, Any] = {"id": id_of(said, place)}
    at = ""
    try:
        for at, spec in fields.items():
            if at != "id":
                row[at] = decode(spec, said.get(at), zone)
    except (ValueError, TypeError, ArithmeticError, OSError):
        values = {"kind": fields[at].column.kind, "column": at}
        return BadRow(f"{place} {row['id']}", dict(said), BAD_VALUE, values)
    return row


def decode(spec: Field, value: Any, zone: ZoneInfo) -> Any:
    if value is None or value == "":
        return None
    match KINDS.get(spec.type, "text"):
        case "decimal":
            if isinstance(value, bool):
                raise ValueError(value)
            return Decimal(str(value))
        case "integer":
            return int(str(value))
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() in {"1", "true"}
        case "datetime":
            return _moment(value)
        case "date":
            return _moment(value).astimezone(zone).date()
        case "json":
            return [str(v) for v in value] if isinstance(value, list) else [str(value)]
    if isinstance(value, Mapping):
        value = value.get("value", value.get("id"))
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | Mapping):
        raise ValueError(value)
    return str(value)


def _moment(value: Any) -> datetime:
    return datetime.fromtimestamp(int(str(value)) / 1000, UTC)


def encode(spec: Field, value: Any, zone: ZoneInfo) -> Any:
    if value is None:
        return None
    kind = KINDS.get(spec.type, "text")
    if kind in {"date", "datetime"}:
        if isinstance(value, str):
            value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=zone)
        return round(value.timestamp() * 1000) if isinstance(value, datetime) else value
    if kind == "json":
        return [int(v) if str(v).isdigit() else v for v in value]
    if (spec.codes or spec.target) and str(value).isdigit():
        return int(value)  # codes and ids are numbers there
    return value


def data_of(fields: Fields, values: Row, zone: ZoneInfo) -> dict[str, Any]:
    return {
        name: encode(fields[name], value, zone)
        for name, value in values.items()
        if name in fields and fields[name].writable
    }
