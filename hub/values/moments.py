"""Instants as people give them: "2h ago", "昨天", "2026-01-31", "2026-01-31 09:30+08:00".

A time without zone is local time in *zone*, None for that of this machine.  A day stands for its
end, today for now: a list as of the 31st holds what was entered on the 31st.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

UNKNOWN = "not an instant: {value!r}"
FUTURE = "this instant is still to come: {value!r}"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds", "seconds": "seconds", "秒": "seconds",
    "m": "minutes", "min": "minutes", "minute": "minutes", "minutes": "minutes", "分钟": "minutes",
    "h": "hours", "hour": "hours", "hours": "hours", "小时": "hours",
    "d": "days", "day": "days", "days": "days", "天": "days",
    "w": "weeks", "week": "weeks", "weeks": "weeks", "周": "weeks", "星期": "weeks",
}  # fmt: skip
_NOW = frozenset({"now", "现在", "此刻"})
_DAYS = {"today": 0, "今天": 0, "yesterday": 1, "昨天": 1, "前天": 2}
_AGO = re.compile(r"(.+?)\s*(?:ago|前|之前|以前)")
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*个?\s*([a-z]+|分钟|小时|星期|秒|天|周)")
_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_DAY_TIME = re.compile(r"(\S+?)[\sT]*(\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)")


def moment_of(text: str, *, now: datetime, zone: tzinfo | None) -> datetime:
    """The instant that *text* means; ValueError, with a template over `value`, for anything else."""
    try:
        found = _moment(text.strip(), now, zone)
    except (ValueError, OverflowError) as e:
        raise ValueError(UNKNOWN) from e
    if found > now:
        raise ValueError(FUTURE)
    return max(found, LONG_AGO)


def _moment(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    plain = text.lower()
    if plain in _NOW:
        return now
    if ago := _AGO.fullmatch(plain):
        return now - _span(ago[1])
    today = now.astimezone(zone).date()
    if plain in _DAYS:
        return _end_of(today - timedelta(days=_DAYS[plain]), now, zone)
    if (parts := _DAY_TIME.fullmatch(plain)) and parts[1] in _DAYS:
        clock = time.fromisoformat(f"{parts[2]:0>5}")
        return _at(datetime.combine(today - timedelta(days=_DAYS[parts[1]]), clock), zone)
    if _DAY.fullmatch(text):
        return _end_of(date.fromisoformat(text), now, zone)
    return _at(datetime.fromisoformat(text), zone)


def _span(text: str) -> timedelta:
    span, at = timedelta(), 0
    while at < len(text):
        part = _PART.match(text, at)
        if not part or part[2] not in _UNITS:
            raise ValueError(text)
        span += timedelta(**{_UNITS[part[2]]: float(part[1])})
        at = part.end()
    return span


def _at(moment: datetime, zone: tzinfo | None) -> datetime:
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def _end_of(day: date, now: datetime, zone: tzinfo | None) -> datetime:
    """The last instant of the day that the engine's stamps can tell; now, if it is not over."""
    start = _at(datetime.combine(day, time()), zone)
    end = _at(datetime.combine(day + timedelta(days=1), time()), zone) - timedelta(milliseconds=1)
    return now if start <= now <= end else end
