"""Dates and instants in normal form."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

NOT_DATE = "not a date: {value!r}"
NOT_INSTANT = "not a date and time: {value!r}"
NO_ZONE = "a time without zone, and no zone is set for the source: {value!r}"
BAD_ZONE = "the time zone of the source does not exist; the value was {value!r}"
NO_SUCH_TIME = "a local time that does not exist (clocks were put forward): {value!r}"

_date_match = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0{1,9})?)?)?"
).fullmatch
_instant_match = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,]([0-9]{1,9}))?"
    r" ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
).fullmatch
_normal_instant_match = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
).fullmatch
_partial_match = re.compile(r"(?:([0-9]{4})|-)-([0-9]{2})(?:-([0-9]{2}))?").fullmatch


def date_text(value: str | date | datetime) -> str:
    """The date as "2025-03-01", from a date, or from a naive time at midnight.

    A time that has a zone, or is not midnight, is an instant and refused: a date is never made
    from an instant silently.
    """
    if isinstance(value, str):
        return _date_of_text(value)
    if isinstance(value, datetime):
        if value.tzinfo is not None or (value.hour, value.minute, value.second) != (0, 0, 0):
            raise ValueError(NOT_DATE)
        if value.microsecond:
            raise ValueError(NOT_DATE)
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(NOT_DATE)


@lru_cache(8192)
def _date_of_text(text: str) -> str:
    found = _date_match(text.strip())
    if not found:
        raise ValueError(NOT_DATE)
    try:
        return date.fromisoformat(found[1]).isoformat()
    except ValueError as e:
        raise ValueError(NOT_DATE) from e


def partial_date(text: str) -> str:
    """A date of which year or day may be unknown: "1990-05-17", "1990-05" or "--05-17"."""
    found = _partial_match(text.strip()) if isinstance(text, str) else None
    if not found:
        raise ValueError(NOT_DATE)
    year, month, day = found.groups()
    if year is None and day is None:
        raise ValueError(NOT_DATE)
    _date_of_text(f"{year or '2000'}-{month}-{day or '01'}")
    return found[0]


def instant_text(value: str | datetime, zone: str | None = None) -> str:
    """The instant in UTC, "2025-03-01T00:30:00Z", with as much of a fraction as it has.

    A naive value is local time in *zone* (an IANA name); a time that occurs twice when clocks are
    put back is the first.  Digits beyond the microsecond are cut.
    """
    if isinstance(value, str):
        return value if _is_normal_instant(value) else _instant_of_text(value, zone)
    if not isinstance(value, datetime):
        raise ValueError(NOT_INSTANT)
    return _instant(value, zone)


def _is_normal_instant(text: str) -> bool:
    """Whether it is like "2025-03-01T00:30:00Z" and exists."""
    if not _normal_instant_match(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


@lru_cache(8192)
def _instant_of_text(text: str, zone: str | None) -> str:
    found = _instant_match(text.strip())
    if not found:
        raise ValueError(NOT_INSTANT)
    day, time, seconds, fraction, offset = found.groups()
    moment = f"{day}T{time}{seconds or ':00'}"
    if fraction:
        moment += f".{fraction[:6]:0<6}"
    if offset:
        moment += "+00:00" if offset in "Zz" else _offset(offset)
    try:
        return _instant(datetime.fromisoformat(moment), zone)
    except ValueError as e:
        raise e if e.args[0] in _TIME_FAULTS else ValueError(NOT_INSTANT) from e


_TIME_FAULTS = (NOT_INSTANT, NO_ZONE, BAD_ZONE, NO_SUCH_TIME)


def _offset(text: str) -> str:
    digits = text[1:].replace(":", "")
    return f"{text[0]}{digits[:2]}:{digits[2:] or '00'}"


def _instant(moment: datetime, zone: str | None) -> str:
    offset = moment.utcoffset()
    if offset is None:
        offset = _local_offset(moment, zone)
    try:
        return _instant_form(moment.replace(tzinfo=None) - offset)
    except OverflowError as e:
        raise ValueError(NOT_INSTANT) from e


def _instant_form(utc: datetime) -> str:
    """*utc* is naive."""
    text = utc.isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def _local_offset(moment: datetime, zone: str | None) -> timedelta:
    """What local time is ahead of UTC; of two answers, the one before the clocks were changed.

    Put forward, they show a time that never was: the offset before is then the smaller one.
    """
    if zone is None:
        raise ValueError(NO_ZONE)
    local = moment.replace(tzinfo=_zone(zone), fold=0)
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    if before is None or after is None:
        raise ValueError(BAD_ZONE)
    if before < after:
        raise ValueError(NO_SUCH_TIME)
    return before


@lru_cache(256)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as e:
        raise ValueError(BAD_ZONE) from e


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def instant_from_epoch_ms(value: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(NOT_INSTANT)
    try:
        return _instant_form(_EPOCH + timedelta(milliseconds=value))
    except OverflowError as e:
        raise ValueError(NOT_INSTANT) from e
