"""Values between driver and row: what is read is plain, what is written is what the driver takes.

Reading is lenient, because SQLite keeps any value in any column: a text in a numeric column comes
through as that text.  Floats become the decimal that prints like them.  A time without zone is an
aware instant where the connection's `timezone` is set, and else the text the database would print.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one column of one database spells its values."""

    kind: str
    dialect: str
    zone: ZoneInfo | None = None
    aware: bool = False
    """The column itself keeps an instant (`timestamptz`)."""
    native: str = ""
    """`array`, `json` or `uuid`, where the driver takes Python's own; `bit`; `text`, where SQLite
    keeps nothing but text."""


# --------------------------------------------------------------------------------- driver → row


def reader(spelling: Spelling) -> Convert | None:
    """The function from driver value to row value; None where they are the same."""
    kind, loose = spelling.kind, spelling.dialect == "sqlite"
    if kind == "datetime":
        return lambda value: _read_datetime(value, spelling.zone)
    if kind == "text" and (not loose or spelling.native == "text"):
        return None if spelling.native == "text" else _plain_text
    if kind in ("date", "integer") and not loose:
        return None
    known: dict[str, Convert] = {
        "decimal": _read_decimal,
        "boolean": _read_boolean,
        "json": _read_json,
    }
    found: Convert = known.get(kind, _plain)
    return found


PLAIN = (str, int, bytes)


def _plain(value: Any) -> Any:
    """A JSON value, Decimal, date or bytes, for whatever a driver may give."""
    if value is None or isinstance(value, PLAIN):
        return value
    if isinstance(value, float | Decimal):
        return _read_decimal(value)
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    if isinstance(value, datetime):
        return _read_datetime(value, None)
    if isinstance(value, date):
        return value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return _plain_text(value)


def _plain_text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return ",".join(sorted(map(str, value)))
    return _clock(value) if isinstance(value, timedelta) else str(value)


def _clock(value: timedelta) -> str:
    """MySQL's TIME comes as a duration: -838:59:59 to 838:59:59."""
    sign, seconds = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, second = divmod(seconds // timedelta(seconds=1), 60)
    fraction = f".{seconds.microseconds:06d}" if seconds.microseconds else ""
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{fraction}"


def _read_decimal(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        value = Decimal(repr(value))
    elif isinstance(value, int):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value if value.is_finite() else str(value)
    return _plain(value)


def _read_boolean(value: Any) -> Any:
    if isinstance(value, bytes) and len(value) == 1:  # MySQL's BIT(1)
        value = value[0]
    return bool(value) if isinstance(value, int) and value in (0, 1) else _plain(value)


def _read_json(value: Any) -> Any:
    if not isinstance(value, str):
        return _plain(value)
    try:
        return json.loads(value, parse_float=Decimal)
    except ValueError:
        return value


def _read_datetime(value: Any, zone: ZoneInfo | None) -> Any:
    if isinstance(value, str):
        parsed = _moment(value) if zone else None
        return value if parsed is None else _read_datetime(parsed, zone)
    if not isinstance(value, datetime):
        return _plain(value)
    if value.tzinfo is None and zone is None:
        return value.isoformat()
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


# --------------------------------------------------------------------------------- row → driver


def writer(spelling: Spelling) -> Convert:
    """The function from row value to driver value.

    What does not fit the column passes as it is, for the database to refuse in its own words.
    ValueError: writing it would change its meaning.
    """
    known: dict[str, Callable[[Any, Spelling], Any]] = {
        "text": _write_text,
        "integer": _write_integer,
        "decimal": _write_decimal,
        "boolean": _write_boolean,
        "date": _write_date,
        "datetime": _write_datetime,
        "json": _write_json,
    }
    write = known.get(spelling.kind) or _write_as_it_is
    return lambda value: None if value is None else write(value, spelling)


def _write_as_it_is(value: Any, spelling: Spelling) -> Any:
    return value


def _write_text(value: Any, spelling: Spelling) -> Any:
    if spelling.native == "uuid":
        return UUID(str(value))
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, list | dict):
        return json_text(value)
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _write_integer(value: Any, spelling: Spelling) -> Any:
    if isinstance(value, bool):
        return int(value)
    number = _number(value)
    return value if number is None or number != number.to_integral_value() else int(number)


def _write_decimal(value: Any, spelling: Spelling) -> Any:
    number = _number(value)
    if number is None:
        return value
    # sqlite3 cannot bind a Decimal; the column's affinity makes a number of the text
    return format(number, "f") if spelling.dialect == "sqlite" else number


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 400 else None


def _write_boolean(value: Any, spelling: Spelling) -> Any:
    if spelling.native == "bit":
        return b"\x01" if value else b"\x00"
    return bool(value) if isinstance(value, int) and value in (0, 1) else value


def _write_date(value: Any, spelling: Spelling) -> Any:
    if isinstance(value, datetime):
        value = value.date()
    if spelling.dialect == "sqlite":
        return value.isoformat() if isinstance(value, date) else value
    return _date(value) if isinstance(value, str) else value


def _date(text: str) -> Any:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _write_datetime(value: Any, spelling: Spelling) -> Any:
    moment = _moment(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        return value.isoformat() if isinstance(value, date) else value
    if spelling.aware:
        return moment.replace(tzinfo=spelling.zone) if not moment.tzinfo else moment
    if isinstance(value, str) and not moment.tzinfo and spelling.dialect == "sqlite":
        return value
    naive = _in_zone(moment, spelling.zone)
    return naive.isoformat(sep=" ") if spelling.dialect == "sqlite" else naive


def _in_zone(moment: datetime, zone: ZoneInfo | None) -> datetime:
    if moment.tzinfo is None:
        return moment
    if zone is None:
        raise ValueError(
            f"{moment.isoformat()} is an instant, the column keeps no zone: set `timezone`"
        )
    return moment.astimezone(zone).replace(tzinfo=None)


def _write_json(value: Any, spelling: Spelling) -> Any:
    if spelling.native in ("array", "json"):
        return value
    return json_text(value)


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def from_id(text: str, spelling: Spelling) -> Any:
    """The driver value of a key column from its text in an id.  ValueError: no row has this id."""
    if spelling.kind == "integer":
        return int(text)
    if spelling.kind == "decimal":
        return _write_decimal(Decimal(text), spelling)
    if spelling.kind == "binary":
        return bytes.fromhex(text) if not text.startswith("b'") else _bytes(text)
    if spelling.kind == "boolean":
        return _write_boolean(text in ("True", "1"), spelling)
    return writer(spelling)(text)


def _bytes(text: str) -> bytes:
    """Back from `str(bytes)`, which is what a joined key makes of a binary column."""
    return text[2:-1].encode("ascii").decode("unicode_escape").encode("latin-1")


# --------------------------------------------------------------------------------------- cursors


def to_json(value: Any) -> Any:
    """A driver value as JSON that `from_json` gives back exactly, type and all."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, timedelta):
        return {"timedelta": value // timedelta(microseconds=1)}
    name = next(n for n, (kind, _) in _TYPED.items() if isinstance(value, kind))
    iso = isinstance(value, date | time)
    return {name: value.isoformat() if iso else repr(value) if name == "float" else str(value)}


def from_json(stored: Any) -> Any:
    if not isinstance(stored, dict):
        return stored
    [(name, text)] = stored.items()
    if name == "bytes":
        return bytes.fromhex(text)
    if name == "timedelta":
        return timedelta(microseconds=text)
    return _TYPED[name][1](text)


_TYPED: dict[str, tuple[type, Callable[[str], Any]]] = {
    "float": (float, float),
    "decimal": (Decimal, Decimal),
    "datetime": (datetime, datetime.fromisoformat),
    "date": (date, date.fromisoformat),
    "time": (time, time.fromisoformat),
    "uuid": (UUID, UUID),
    "text": (object, str),
}


def rewind(value: Any, overlap: timedelta) -> Any:
    """Where to begin so that rows committed late are seen.  Numbers have no lateness."""
    if not overlap:
        return value
    if isinstance(value, datetime):
        return value - overlap
    if isinstance(value, date):
        return value - max(overlap, timedelta(days=1))
    moment = _moment(value) if isinstance(value, str) and len(value) >= 10 else None
    if moment is None:
        return value
    # a text that is a prefix sorts before all that begin with it: cut to whole seconds
    earlier = (moment - overlap).replace(tzinfo=None)
    return earlier.isoformat(sep=value[10:11] or " ", timespec="seconds")[: min(len(value), 19)]
