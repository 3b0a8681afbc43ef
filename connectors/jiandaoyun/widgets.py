"""What a form is made of, and how the value of each kind of widget is read and written.

Source: the vendor's help pages on the interfaces, as three independent clients use them.
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
    "number": "decimal",
    "datetime": "datetime",
    "dept": "integer",
    "subform": "rows",
    **dict.fromkeys(["checkboxgroup", "combocheck", "address", "location"], "json"),
    **dict.fromkeys(["usergroup", "deptgroup", "image", "upload", "signature", "linkdata"], "json"),
}
"""Kind of widget → kind of column; all others are texts."""
READ_ONLY = {
    *("sn", "linkdata", "separator", "signature", "aggregation", "formula"),
    *("image", "upload"),  # written by uploading a file first, which the hub does not do
}
FILTERED = {
    **dict.fromkeys(["text", "textarea", "radiogroup", "combo", "sn", "lookup"], "eq"),
    **dict.fromkeys(["number", "datetime", "user", "dept"], "eq"),
    "phone": "like",
}
SYSTEM = {
    "_id": Column("text", writable=False),
    "createTime": Column("datetime", writable=False, label="提交时间"),
    "updateTime": Column("datetime", writable=False, label="更新时间"),
    "creator": Column("text", writable=False, label="提交人"),
    "flowState": Column("integer", writable=False, label="流程状态"),
}
NOT_CLEARED = {"datetime"}
BAD_VALUE = "a value that is no {kind}"


@dataclass(frozen=True, slots=True)
class Widget:
    name: str
    type: str
    label: str = ""
    parts: Mapping[str, "Widget"] = field(default_factory=dict)

    @property
    def column(self) -> Column:
        kind = KINDS.get(self.type, "text")
        inner = {n: w.column for n, w in self.parts.items()}
        if kind == "rows":
            inner = {"_id": Column("text", writable=False), **inner}
        writable = self.type not in READ_ONLY
        return Column(kind, writable=writable, label=self.label, columns=inner)


def parse(answer: Any) -> dict[str, Widget]:
    """The widgets of a form by alias, or by id where no alias is set."""
    match answer:
        case {"widgets": [*said]}:
            return {w.name: w for w in map(_widget, said) if w.type != "separator"}
    raise ProtocolError("Jiandaoyun: the answer names no widgets")


def _widget(said: Any) -> Widget:
    match said:
        case {"name": str(name), "type": str(kind), **rest}:
            items = rest.get("items")
            inner = map(_widget, items) if isinstance(items, list) else ()
            parts = {w.name: w for w in inner if w.type != "separator"}
            return Widget(name, kind, str(rest.get("label") or ""), parts)
    raise ProtocolError("Jiandaoyun: a widget without name or type")


# ------------------------------------------------------------------------------------- reading


def row_of(form: Mapping[str, Widget], said: Any, place: str) -> Row | BadRow:
    """A record as a row; one with a value that cannot be is set aside."""
    if not isinstance(said, Mapping) or not isinstance(said.get("_id"), str):
        raise ProtocolError("Jiandaoyun {place}: a record without an id", place=place)
    row: dict[str, Any] = {"_id": said["_id"]}
    at = ""
    try:
        for at in ("createTime", "updateTime"):
            row[at] = moment(said.get(at))
        at, creator = "creator", said.get("creator")
        row[at] = _name(creator)
        at = "flowState"
        row[at] = None if said.get(at) is None else int(said[at])
        for at, widget in form.items():
            if at in said:
                row[at] = decode(widget, said[at])
    except (ValueError, TypeError, ArithmeticError):
        kind = form[at].type if at in form else "datetime"
        where = f"{place} {said['_id']}"
        return BadRow(where, dict(said), BAD_VALUE, values={"kind": kind, "column": at})
    return row


def decode(widget: Widget, value: Any) -> Any:
    if widget.type == "subform":
        return [_line(widget, line) for line in value or []]
    if value is None or value == "" or (value == [] and widget.type != "subform"):
        return None  # an empty widget and none are the same there
    match widget.type:
        case "number":
            if isinstance(value, bool):
                raise ValueError(value)
            return Decimal(str(value))
        case "datetime":
            return moment(value)
        case "user":
            return _name(value)
        case "phone":
            return _part(value, "phone")
        case "dept":
            number = _part(value, "dept_no")
            return None if number is None else int(number)
        case "usergroup":
            return [_name(v) for v in value]
        case "deptgroup":
            return [int(_part(v, "dept_no")) for v in value]
    if KINDS.get(widget.type, "text") == "text":
        if isinstance(value, list | Mapping):
            raise ValueError(value)
        return str(value)
    return value


def _line(widget: Widget, said: Any) -> dict[str, Any]:
    if not isinstance(said, Mapping):
        raise ValueError(said)
    values = {n: decode(part, said[n]) for n, part in widget.parts.items() if n in said}
    return {"_id": said.get("_id"), **values}


def _part(value: Any, name: str) -> Any:
    return (value.get(name) or None) if isinstance(value, Mapping) else value


def _name(value: Any) -> str | None:
    name = _part(value, "username")
    return None if name is None else str(name)


def moment(value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000, UTC)
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------- writing


def encode(widget: Widget, value: Any, zone: ZoneInfo) -> Any:
    """What is put under "value".  Lines are whole: a line with a known `_id` keeps it."""
    match widget.type:
        case "subform":
            return [_encoded_line(widget, line, zone) for line in value or []]
        case "phone":
            return {"phone": value or ""}
        case "datetime":
            return _iso(value, zone)
        case "checkboxgroup" | "combocheck" | "usergroup" | "deptgroup":
            return value or []
    if value is None and KINDS.get(widget.type, "text") == "text":
        return ""
    return value


def _encoded_line(widget: Widget, line: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    values = {
        name: {"value": encode(part, line[name], zone)}
        for name, part in widget.parts.items()
        if name in line and part.type not in READ_ONLY and sendable(part, line[name])
    }
    return {"_id": {"value": line["_id"]}, **values} if line.get("_id") else values


def sendable(widget: Widget, value: Any) -> bool:
    return value is not None or widget.type not in NOT_CLEARED


def _iso(value: Any, zone: ZoneInfo) -> Any:
    """In UTC; a day is its first moment in the zone, as a date widget keeps it."""
    if isinstance(value, str) and len(value) == len("2026-01-05"):
        value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=zone)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
