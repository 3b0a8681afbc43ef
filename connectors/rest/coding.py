"""Values as the API spells them ↔ rows: what the declared columns say, and nothing else."""

import base64
from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.connector import BadRow, Column, Row

from .spec import ColumnSpec

NONE = ColumnSpec()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(path: str, value: Any) -> Any:
    """The value at a dotted path ("data.rows", "errors.0.field"); None where there is none."""
    for part in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def decode_row(
    columns: Mapping[str, ColumnSpec], raw: Any, place: str, zone: tzinfo
) -> Row | BadRow:
    """The row; a `BadRow` that names the column where a value is not of the declared kind."""
    if not isinstance(raw, Mapping):
        return BadRow(place, raw, "{place}: not an object: {value!r}", _said(place, raw))
    try:
        return _decode_columns(columns, raw, zone)
    except _Undecodable as e:
        message = "{place}: column {column!r} is not of kind {kind}: {value!r}"
        values = {**_said(place, e.value), "column": e.name, "kind": e.kind}
        return BadRow(place, raw, message, values)


class _Undecodable(Exception):
    def __init__(self, name: str, kind: str, value: Any) -> None:
        super().__init__(name)
        self.name, self.kind, self.value = name, kind, value


def _said(place: str, value: Any) -> dict[str, Any]:
    return {"place": place, "value": str(value)[:80]}


def _decode_columns(
    columns: Mapping[str, ColumnSpec], raw: Mapping[str, Any], zone: tzinfo
) -> dict[str, Any]:
    row = dict(raw)
    for name, column in columns.items():
        if row.get(name) is None:
            continue
        try:
            row[name] = decode(column, row[name], zone)
        except (ValueError, TypeError, ArithmeticError):
            raise _Undecodable(name, column.kind, row[name]) from None
    return row


def decode(column: ColumnSpec, value: Any, zone: tzinfo = UTC) -> Any:
    """What the API said, as the declared kind.  ValueError where it is not of that kind."""
    match column.kind:
        case "text":
            return value if isinstance(value, str) else _text(value)
        case "integer":
            return _integer(value)
        case "decimal":
            return None if value == "" else _decimal(value)
        case "boolean":
            return _boolean(value, column.format)
        case "date":
            return None if value == "" else _date(value, column.format)
        case "datetime":
            return None if value == "" else _datetime(value, column.format, zone)
        case "binary":
            return base64.b64decode(value, validate=True)
        case "rows":
            return [_decode_columns(column.columns, part, zone) for part in value]
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        raise ValueError("not a text")
    return str(value)


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        raise ValueError("not an integer")
    if value == "":
        return None
    number = _decimal(value)
    if number != number.to_integral_value():
        raise ValueError("not an integer")
    return int(number)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool | float):
        raise ValueError("not a decimal")
    number = Decimal(value)
    if not number.is_finite():
        raise InvalidOperation
    return number


def _boolean(value: Any, words: str) -> bool:
    yes, _, no = (words or "true/false").partition("/")
    if value in (True, yes) or str(value) == yes:
        return True
    if value in (False, no) or str(value) == no:
        return False
    raise ValueError("not a boolean")


def _date(value: Any, pattern: str) -> date:
    if pattern:
        return datetime.strptime(value, pattern).date()  # noqa: DTZ007 - a date has no zone
    return date.fromisoformat(value[:10])


def _datetime(value: Any, pattern: str, zone: tzinfo) -> datetime:
    match pattern:
        case "epoch" | "epoch_ms":
            return _from_epoch(_decimal(value), 1000 if pattern == "epoch_ms" else 1)
        case "" | "iso":
            moment = datetime.fromisoformat(value)
        case _:
            moment = datetime.strptime(value, pattern)  # noqa: DTZ007 - the zone follows
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _from_epoch(number: Decimal, per_second: int) -> datetime:
    seconds = number / per_second
    whole = int(seconds // 1)
    moment = datetime.fromtimestamp(whole, UTC)
    return moment.replace(microsecond=int((seconds - whole) * 1_000_000))


def encode(column: ColumnSpec, value: Any, zone: tzinfo = UTC) -> Any:
    """The value as the API wants it; what JSON can say is left to the client."""
    match value:
        case None:
            return None
        case bool() if column.format:
            yes, _, no = column.format.partition("/")
            return yes if value else no
        case datetime():
            return _moment(value, column.format, zone)
        case date() if column.format:
            return value.strftime(column.format)
        case Decimal() if column.format == "text":
            return f"{value:f}"
        case list() if column.kind == "rows":
            return [encode_row(column.columns, part, zone) for part in value]
    return value


def _moment(value: datetime, pattern: str, zone: tzinfo) -> Any:
    match pattern:
        case "epoch":
            return int((value - EPOCH).total_seconds())
        case "epoch_ms":
            return (value - EPOCH) // (EPOCH.resolution * 1000)
        case "" | "iso":
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.astimezone(zone).strftime(pattern)


def encode_row(
    columns: Mapping[str, ColumnSpec], row: Mapping[str, Any], zone: tzinfo = UTC
) -> dict[str, Any]:
    return {name: encode(columns.get(name, NONE), value, zone) for name, value in row.items()}


# ------------------------------------------------------------------------------------- columns


def declared(spec: ColumnSpec) -> Column:
    return Column(
        spec.kind,
        required=spec.required,
        writable=spec.writable,
        size=spec.size or None,
        scale=spec.scale or None,
        choices=spec.choices,
        target=spec.target,
        label=spec.label,
        columns={name: declared(part) for name, part in spec.columns.items()}
        or ({"value": Column("json")} if spec.kind == "rows" else {}),
    )


def inferred(rows: list[Row]) -> dict[str, Column]:
    """Columns as the rows show them: for those that are not declared."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {n: _infer([r[n] for r in rows if r.get(n) is not None]) for n in names}


def _infer(values: list[Any]) -> Column:
    if values and all(isinstance(v, list) for v in values):
        parts = [part for value in values for part in value]
        if parts and all(isinstance(part, Mapping) for part in parts):
            return Column("rows", columns=inferred(parts))
        return Column("json")
    kinds = {_kind(v) for v in values}
    if kinds == {"integer", "decimal"}:
        return Column("decimal")
    return Column(kinds.pop() if len(kinds) == 1 else "json" if kinds else "text")


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case Decimal():
            return "decimal"
        case datetime():
            return "datetime"
        case date():
            return "date"
        case str():
            return "text"
    return "json"
