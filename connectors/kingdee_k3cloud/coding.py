"""Values as Kingdee spells them: local time without a zone, blanks for nothing, base data by number."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from hub.connector import BadRow, Row

from .forms import Form, Kind, Kinds

NEVER = "0001-01-01"  # what an empty date is in .NET
BAD_VALUE = "a value that is no {kind}"


def asked(key: str, kind: Kind) -> str:
    """The key to ask a query for: base data by its number."""
    return f"{key}.FNumber" if kind.name == "ref" else key


def decode(kind: Kind, value: Any, zone: ZoneInfo) -> Any:
    """ValueError for what cannot be such a value."""
    if kind.name == "ref":
        number = _blank(value)
        return None if number is None else {"FNumber": number}
    if value is None or kind.name == "any":
        return value
    match kind.name:
        case "text":
            return _blank(value)
        case "decimal" | "integer":
            amount = _number(value)
            return amount if amount is None or kind.name == "decimal" else int(amount)
        case "flag":
            return value if isinstance(value, bool) else str(value).strip().lower() in {"1", "true"}
    moment = _blank(value)
    if moment is None or moment.startswith(NEVER):
        return None
    if kind.name == "date":
        return date.fromisoformat(moment[:10])
    return datetime.fromisoformat(moment.replace(" ", "T")).replace(tzinfo=zone)


def _blank(value: Any) -> str | None:
    """Kingdee keeps no blanks around a text, and one blank for none."""
    if isinstance(value, list | dict):
        raise ValueError(value)
    return (str(value).strip() or None) if value is not None else None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool | list | dict):
        raise ValueError(value)
    try:
        return Decimal(str(value)) if str(value).strip() else None
    except InvalidOperation as e:
        raise ValueError(value) from e


def encode(kind: Kind, value: Any, zone: ZoneInfo) -> Any:
    """A value for a model.  None clears: an empty text, a reference to nothing."""
    match kind.name:
        case "ref":
            number = value.get("FNumber") if isinstance(value, Mapping) else value
            return {"FNumber": "" if number is None else number}
        case "text":
            return "" if value is None else value
        case "datetime" if isinstance(value, datetime):
            return local(value, zone)
        case "flag" if isinstance(value, bool):
            return "true" if value else "false"
    return value


def local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def earlier(stamp: str, overlap: timedelta) -> str:
    """A local time some time before, in the same spelling."""
    moment = datetime.fromisoformat(stamp.replace(" ", "T"))
    try:
        return (moment - overlap).isoformat(sep=" ")
    except OverflowError:
        return stamp


def row_of(
    form: Form, cells: Mapping[str, Any], lists: Mapping[str, list[dict[str, Any]]], zone: ZoneInfo
) -> Row | BadRow:
    """A row nested as a model is; one with a value that cannot be is set aside with its number."""
    row: dict[str, Any] = {form.pk: cells[form.pk]}
    at = ""
    try:
        for key, (part, kind) in form.heads.items():
            at = key
            place = row.setdefault(part, {}) if part else row
            place[key] = decode(kind, cells[asked(key, kind)], zone)
        for name, (child, kinds) in form.lists.items():
            at = name
            row[name] = [_entry(child, kinds, entry, zone) for entry in lists.get(name, [])]
    except (ValueError, OverflowError):
        broken = form.kind_of(at)
        return BadRow(
            place=f"{form.name} {cells.get(form.number) or cells[form.pk]}",
            raw=dict(cells),
            message=BAD_VALUE,
            values={"kind": broken.name if broken else "list", "column": at},
        )
    return row


def _entry(child: str, kinds: Kinds, cells: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    values = {k: decode(kind, cells[k], zone) for k, kind in kinds.items()}
    return {child: cells[child], **values}


def model_of(form: Form, values: Row, zone: ZoneInfo) -> dict[str, Any]:
    """The model, in the order of the form: the server applies values in sequence."""
    model: dict[str, Any] = {}
    for key, kind in form.columns.items():
        if key in values and not kind.computed:
            model[key] = encode(kind, values[key], zone)
    for part, kinds in form.parts.items():
        if isinstance(values.get(part), Mapping):
            model[part] = _encoded(kinds, values[part], zone)
    for name, (child, kinds) in form.lists.items():
        if name in values:
            model[name] = [
                {**({child: e[child]} if e.get(child) else {}), **_encoded(kinds, e, zone)}
                for e in values[name] or []
            ]
    return model


def _encoded(kinds: Kinds, values: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    return {
        key: encode(kind, values[key], zone)
        for key, kind in kinds.items()
        if key in values and not kind.computed
    }


def written(form: Form, model: Mapping[str, Any]) -> list[str]:
    """The keys an update names, so that nothing else is touched: columns, parts and what is in them."""
    keys: list[str] = []
    for key, value in model.items():
        keys.append(key)
        if key in form.parts:
            keys += value
        elif key in form.lists:
            keys += [k for entry in value for k in entry]
    return list(dict.fromkeys(keys))
