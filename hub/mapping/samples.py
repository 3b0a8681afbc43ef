"""Values to try lenses on: of every kind, with the corners where conversions break.

All randomness comes from the generator given, so that a counter-example can be found again.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from hub.entity import Field

WORDS = (
    *("Acme", "acme GmbH", "上海测试有限公司", "Ünïcode", "O'Brien", 'say "hi"', "a|b", "x;y", "1"),
    *(
        "007",
        "0",
        "-1.5",
        "true",
        "null",
        "N/A",
        "line\nbreak",
        "tab\there",
        "  padded  ",
        "é",
        "李雷",
    ),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.,/&中文系统客户"
_FIRST = date(1900, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(rng: Random, most: int = 60) -> str:
    """A text with something in it."""
    if rng.random() < 0.2:
        return rng.choice(WORDS)[:most] or "x"
    length = rng.choice((1, 2, 3, 5, 8, 13, 30, most))
    return "".join(rng.choices(_LETTERS, k=min(length, most))).strip() or "x"


def number(rng: Random, precision: tuple[int, int] | None) -> Decimal:
    """A number of at most these digits; money-like more often than not."""
    digits, places = precision or (18, 6)
    shape = rng.random()
    if shape < 0.15:
        return Decimal(rng.choice((0, 1, -1, 3, 10, 100)))
    places = min(places, rng.choice((0, 1, 2, 2, 2, 3, places)))
    whole = rng.choice((1, 2, 3, 5, max(1, digits - places)))
    top = 10 ** (min(whole, digits - places) + places)
    value = Decimal(rng.randrange(top)).scaleb(-places)
    return -value if shape > 0.9 else value


def day(rng: Random) -> date:
    if rng.random() < 0.2:
        return rng.choice((date(2024, 2, 29), date(1999, 12, 31), date(2000, 1, 1), _FIRST))
    return _FIRST + timedelta(days=rng.randrange(70_000))


def moment(rng: Random) -> datetime:
    seconds = timedelta(seconds=rng.randrange(2_000_000_000))
    if rng.random() < 0.2:
        seconds += timedelta(microseconds=rng.choice((1, 1000, 999_999, 500_000)))
    return _EPOCH + seconds


def instant(value: datetime) -> str:
    plain = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (plain.rstrip("0") if "." in plain else plain) + "Z"


def plain_text(value: Decimal) -> str:
    shown = f"{value:f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown in ("-0", "") else shown


def canonical(field: Field, rng: Random) -> Any:
    """A canonical value of the field, in normal form."""
    return _CANONICAL[field.kind](field, rng)


def remote(field: Field, rng: Random) -> Any:
    """A value as a system may give it for the field."""
    return _REMOTE[field.kind](field, rng)


def _choice(field: Field, rng: Random) -> str:
    return rng.choice(field.choices or ("x",))


def _set(field: Field, rng: Random) -> list[str]:
    return sorted({text(rng, 12) for _ in range(rng.randrange(1, 5))})


def _parts(make: Callable[[Field, Random], Any]) -> Callable[[Field, Random], dict[str, Any]]:
    def parts(field: Field, rng: Random) -> dict[str, Any]:
        return {f.name: make(f, rng) for f in field.fields}

    return parts


def _items(make: Callable[[Field, Random], Any]) -> Callable[[Field, Random], list[Any]]:
    def items(field: Field, rng: Random) -> list[Any]:
        found = [_parts(make)(field, rng) for _ in range(rng.randrange(4))]
        return list({str(i.get(field.key)): i for i in found}.values()) if field.key else found

    return items


def _remote_number(field: Field, rng: Random) -> Any:
    value = number(rng, field.precision)
    shape = rng.randrange(4)
    if shape == 0:
        return str(value)
    if shape == 1 and value == value.to_integral_value():
        return int(value)
    return value


def _remote_date(field: Field, rng: Random) -> Any:
    value = day(rng)
    return rng.choice((value, value.isoformat(), f"{value.isoformat()}T00:00:00"))


def _remote_moment(field: Field, rng: Random) -> Any:
    value = moment(rng)
    return rng.choice((value, instant(value), value.isoformat()))


def _remote_truth(field: Field, rng: Random) -> Any:
    return rng.choice((True, False, 1, 0, "true", "false", "Y", "N"))


Makers = Mapping[str, Callable[[Field, Random], Any]]

_CANONICAL: Makers = {
    "text": lambda field, rng: text(rng, field.size or 60),
    "choice": _choice,
    "ref": lambda field, rng: text(rng, 20),
    "integer": lambda field, rng: rng.choice((0, 1, -1, 42, 2**53 + 1, rng.randrange(10**9))),
    "decimal": lambda field, rng: plain_text(number(rng, field.precision)),
    "boolean": lambda field, rng: rng.random() < 0.5,
    "date": lambda field, rng: day(rng).isoformat(),
    "datetime": lambda field, rng: instant(moment(rng)),
    "set": _set,
    "object": _parts(canonical),
    "list": _items(canonical),
}

_REMOTE: Makers = {
    **_CANONICAL,
    "decimal": _remote_number,
    "integer": lambda field, rng: rng.choice((0, 7, 2**53 + 1, "12", Decimal(30))),
    "boolean": _remote_truth,
    "date": _remote_date,
    "datetime": _remote_moment,
    "ref": lambda field, rng: rng.choice((text(rng, 20), rng.randrange(10**6))),
    "object": _parts(remote),
    "list": _items(remote),
}
