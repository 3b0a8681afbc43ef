"""The functions of formulas: pure, bounded, total but for `FormulaError`.

Values are `Decimal` (or a small `int`), text, date, datetime, boolean, list and absent (None).
A function is strict unless it says otherwise: with an absent argument its result is absent.
"""

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Any

import re2

from hub.mapping.syntax import FormulaError
from hub.values import clean_text, decimal_text

MAX_TEXT = 100_000
MAX_OUTPUT = 500_000
MAX_STEPS = 50_000
MAX_MATCHED = 10_000
MAX_PATTERN = 200

NUMBERS = Context(
    prec=60,
    rounding=ROUND_HALF_UP,
    Emin=-200,
    Emax=200,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)

BUDGET = "the formula takes more than {most} steps on this record"
LONG_TEXT = "the formula makes a text of more than {most} characters"
NOT_NUMBER = "not a number: {value!r}"
NOT_DATE = "not a date: {value!r}"
NOT_TEXT = "not a text: {value!r}"
NOT_LIST = "not a list: {value!r}"
NOT_BOOLEAN = "neither true nor false: {value!r}"
NOT_COMPARABLE = "{left!r} and {right!r} cannot be compared"
BAD_UNIT = "not a unit of time: {value!r}; known are day, month, year"
BAD_FORMAT = "not a format: {value!r}"
BAD_PATTERN = "not a pattern: {value!r} ({reason})"
TOO_BIG = "a number too large to compute with"
FORMAT_HINT = 'Formats are like "0.00", "#,##0.00", "0000", "yyyy-mm-dd", "hh:mm:ss".'


class Run:
    """The budget of one evaluation, and the row that `row.…` speaks of."""

    __slots__ = ("output", "row", "steps")

    def __init__(self, row: Any) -> None:
        self.row = row
        self.steps = MAX_STEPS
        self.output = MAX_OUTPUT

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise FormulaError(BUDGET, most=MAX_STEPS)

    def make_room(self, length: int) -> None:
        """Called before a text of this length is made."""
        self.output -= length
        if length > MAX_TEXT or self.output < 0:
            raise FormulaError(LONG_TEXT, most=MAX_TEXT)


# -------------------------------------------------------------------------------------- coercion

_LIMIT = 10**60
_numeric = re.compile(r"\s*([+-]?[0-9]{1,60}(?:\.[0-9]{1,60})?)\s*").fullmatch


def to_number(value: Any) -> Any:
    """A Decimal or small int; a text counts as the number it shows, as in a spreadsheet."""
    kind = type(value)
    if kind is Decimal:
        return value
    if kind is str:
        if len(value) < 60 and value.isascii() and value.replace(".", "", 1).isdigit():
            return Decimal(value)
        found = _numeric(value)
        if found:
            return Decimal(found[1])
    elif kind is int and -_LIMIT < value < _LIMIT:
        return value
    raise FormulaError(NOT_NUMBER, value=value)


def to_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise FormulaError(NOT_TEXT, value=value)


def to_date(value: Any) -> date:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and 10 <= len(value) <= 40:
        try:
            return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError as e:
            raise FormulaError(NOT_DATE, value=value) from e
    raise FormulaError(NOT_DATE, value=value)


def to_boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    if value is None:
        return False
    raise FormulaError(NOT_BOOLEAN, value=value)


def to_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise FormulaError(NOT_LIST, value=value)


def to_int(value: Any) -> int:
    number = to_number(value)
    if not -100_000 < number < 100_000:
        raise FormulaError(TOO_BIG)
    return int(number)


def is_blank(value: Any) -> bool:
    return value is None or value in ("", [])


def _is_number(value: Any) -> bool:
    return isinstance(value, Decimal | int) and not isinstance(value, bool)


# ------------------------------------------------------------------------------------- comparing


def equal(a: Any, b: Any) -> bool:
    if type(a) is type(b):
        return bool(a == b)
    if a is None or b is None:
        return False
    try:
        a, b = _alike(a, b)
    except FormulaError:
        return False
    return bool(a == b)


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as numbers, or both as dates, if one of them is."""
    if _is_number(a) or _is_number(b):
        return to_number(a), to_number(b)
    if isinstance(a, date) or isinstance(b, date):
        return _alike_dates(to_date(a), to_date(b))
    if type(a) is type(b):
        return a, b
    raise FormulaError(NOT_COMPARABLE, left=a, right=b)


def _alike_dates(a: date, b: date) -> tuple[date, date]:
    a_time, b_time = isinstance(a, datetime), isinstance(b, datetime)
    if a_time and not b_time:
        return a, datetime.combine(b, time(), a.tzinfo if isinstance(a, datetime) else None)
    if b_time and not a_time:
        return _alike_dates(b, a)[::-1]
    return a, b


def order(a: Any, b: Any) -> int | None:
    """-1, 0 or 1; absent if either is."""
    if a is None or b is None:
        return None
    if isinstance(a, bool | list) or isinstance(b, bool | list):
        raise FormulaError(NOT_COMPARABLE, left=a, right=b)
    a, b = _alike(a, b)
    return 0 if a == b else -1 if a < b else 1


# ------------------------------------------------------------------------------------- functions


@dataclass(frozen=True, slots=True)
class Function:
    """`takes`: the kinds of the arguments, the last one repeated if `more`; `least` of them needed.

    `call` gets the run and the arguments.  `lazy`: it gets closures instead (see `formula`).
    """

    takes: tuple[str, ...]
    gives: str
    call: Callable[..., Any] | None = None
    least: int = -1
    more: bool = False
    strict: bool = True

    @property
    def needed(self) -> int:
        return self.least if self.least >= 0 else len(self.takes)

    def kind_of(self, argument: int) -> str:
        return self.takes[min(argument, len(self.takes) - 1)]


def _concat(run: Run, *values: Any) -> str:
    texts = [to_text(v) for v in values]
    run.make_room(sum(map(len, texts)))
    return "".join(texts)


def _join(run: Run, items: list[Any], sep: str) -> str:
    run.spend(len(items))
    texts = [to_text(v) for v in items if not is_blank(v)]
    run.make_room(sum(map(len, texts)) + len(sep) * len(texts))
    return sep.join(texts)


def _split(run: Run, text: str, sep: str) -> list[str]:
    pieces = text.count(sep) if sep else 0
    run.spend(pieces)
    run.make_room(len(text))
    return [p.strip() for p in text.split(sep)] if sep else [text]


def _substitute(run: Run, text: str, old: str, new: str) -> str:
    if not old:
        return text
    run.make_room(max(0, len(text) + text.count(old) * (len(new) - len(old))))
    return text.replace(old, new)


def _left(run: Run, text: str, count: Any = 1) -> str:
    return text[: max(0, to_int(count))]


def _right(run: Run, text: str, count: Any = 1) -> str:
    n = max(0, to_int(count))
    return text[-n:] if n else ""


def _mid(run: Run, text: str, start: Any, count: Any) -> str:
    first = max(1, to_int(start)) - 1
    return text[first : first + max(0, to_int(count))]


def _sized(change: Callable[[str], str]) -> Callable[[Run, str], str]:
    def call(run: Run, text: str) -> str:
        run.make_room(len(text))
        return change(text)

    return call


def _round(rounding: str) -> Callable[..., Decimal]:
    def call(run: Run, value: Any, digits: Any = 0) -> Decimal:
        return rounded(value, quantum(digits), rounding)

    return call


def quantum(digits: Any) -> Decimal:
    """One unit of the last of so many digits behind the point."""
    places = to_int(digits)
    if not -40 <= places <= 40:
        raise FormulaError(TOO_BIG)
    return Decimal((0, (1,), -places))


def rounded(value: Any, unit: Decimal, rounding: str) -> Decimal:
    number = value if type(value) is Decimal else NUMBERS.create_decimal(value)
    try:
        return number.quantize(unit, rounding, NUMBERS)
    except InvalidOperation:
        _, _, exponent = number.as_tuple()
        if isinstance(exponent, int) and exponent >= int(unit.as_tuple().exponent):
            return number  # nothing to round, and no room for more zeros
        raise


def _numbers(run: Run, values: tuple[Any, ...]) -> list[Any]:
    """All numbers in the arguments and in lists among them; absent and "" count as nothing."""
    found: list[Any] = []
    for value in values:
        for v in value if isinstance(value, list) else (value,):
            if type(v) is Decimal:
                found.append(v)
            elif not is_blank(v):
                found.append(to_number(v))
    run.spend(len(found))
    return found


def _sum(run: Run, *values: Any) -> Any:
    total: Any = Decimal(0)
    add = NUMBERS.add
    for number in _numbers(run, values):
        total = add(total, number)
    return total


def _extreme(choose: Callable[[Any], Any]) -> Callable[..., Any]:
    def call(run: Run, *values: Any) -> Any:
        flat = [v for a in values for v in (a if isinstance(a, list) else (a,)) if not is_blank(v)]
        run.spend(len(flat))
        if flat and all(isinstance(v, date) for v in flat):
            return choose(flat)
        numbers = [to_number(v) for v in flat]
        return choose(numbers) if numbers else None

    return call


def _average(run: Run, *values: Any) -> Any:
    numbers = _numbers(run, values)
    return NUMBERS.divide(_sum(run, numbers), Decimal(len(numbers))) if numbers else None


def _date(run: Run, year: Any, month: Any, day: Any) -> date:
    return date(to_int(year), to_int(month), to_int(day))


def _date_of(run: Run, value: Any) -> date:
    found = to_date(value)
    return found.date() if isinstance(found, datetime) else found


def _date_add(run: Run, value: Any, count: Any, unit: str = "day") -> date:
    start, n = to_date(value), to_int(count)
    match unit.lower().rstrip("s"):
        case "day" | "d":
            return start + timedelta(days=n)
        case "month" | "m":
            return _months_later(start, n)
        case "year" | "y":
            return _months_later(start, 12 * n)
    raise FormulaError(BAD_UNIT, value=unit)


def _months_later(start: date, months: int) -> date:
    """The same day of a later month, or its last day."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    if not 1 <= year <= 9999:
        raise FormulaError(NOT_DATE, value=year)
    last = calendar.monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(start.day, last))


def _date_dif(run: Run, first: Any, last: Any, unit: str = "day") -> Decimal:
    a, b = _date_of(run, first), _date_of(run, last)
    months = (b.year - a.year) * 12 + b.month - a.month - (b.day < a.day)
    match unit.lower().rstrip("s"):
        case "day" | "d":
            return Decimal((b - a).days)
        case "month" | "m":
            return Decimal(months)
        case "year" | "y":
            return Decimal(int(months / 12))
    raise FormulaError(BAD_UNIT, value=unit)


_number_format = re.compile(r"(#,##)?(0{1,20})(?:\.(0{1,20}))?(%)?").fullmatch
_time_part = re.compile(r"yyyy|yy|mm|m|dd|d|hh|ss|[^a-z]+").match


def _text(run: Run, value: Any, form: str = "") -> str:
    if not form:
        return to_text(value)
    if isinstance(value, date):
        return _format_time(value, form.lower())
    found = _number_format(form)
    if not found:
        raise FormulaError(BAD_FORMAT, hint=FORMAT_HINT, value=form)
    comma, whole, places, percent = found.groups()
    number = to_number(value) if not percent else NUMBERS.multiply(to_number(value), 100)
    rounded = _round(ROUND_HALF_UP)(run, number, len(places or ""))
    text = f"{rounded.copy_abs():,f}" if comma else f"{rounded.copy_abs():f}"
    head, _, tail = text.partition(".")
    tail = tail.ljust(len(places), "0")[: len(places)] if places else ""
    sign = "-" if rounded < 0 else ""
    return sign + head.rjust(len(whole), "0") + (f".{tail}" if tail else "") + (percent or "")


def _format_time(value: date, form: str) -> str:
    """`mm` is minutes after `hh` and months elsewhere."""
    if len(form) > 60:
        raise FormulaError(BAD_FORMAT, hint=FORMAT_HINT, value=form[:60])
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    out, at, after_hour = "", 0, False
    while at < len(form):
        found = _time_part(form, at)
        if not found:
            raise FormulaError(BAD_FORMAT, hint=FORMAT_HINT, value=form)
        part, at = found[0], found.end()
        out += _time_text(moment, part, after_hour)
        after_hour = part == "hh" or (after_hour and not part[0].isalpha())
    return out


def _time_text(t: datetime, part: str, after_hour: bool) -> str:
    match part:
        case "yyyy":
            return f"{t.year:04d}"
        case "yy":
            return f"{t.year % 100:02d}"
        case "mm" if after_hour:
            return f"{t.minute:02d}"
        case "mm":
            return f"{t.month:02d}"
        case "m":
            return str(t.month)
        case "dd":
            return f"{t.day:02d}"
        case "d":
            return str(t.day)
        case "hh":
            return f"{t.hour:02d}"
        case "ss":
            return f"{t.second:02d}"
    return part


def compile_pattern(text: str) -> Any:
    """A pattern whose matching takes linear time and little memory, whatever it says."""
    if len(text) > MAX_PATTERN:
        raise FormulaError(BAD_PATTERN, value=text[:40], reason="too long")
    options = re2.Options()
    options.max_mem = 1 << 18
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as e:
        raise FormulaError(BAD_PATTERN, value=text, reason=_reason(e)) from e


def _reason(e: Exception) -> str:
    first = e.args[0] if e.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def _search(run: Run, text: str, pattern: Any) -> Any:
    if len(text) > MAX_MATCHED:
        raise FormulaError(LONG_TEXT, most=MAX_MATCHED)
    run.spend(1 + len(text) // 10)
    return pattern.search(clean_text(text))


def _match(run: Run, text: str, pattern: Any) -> bool:
    return _search(run, text, pattern) is not None


def _extract(run: Run, text: str, pattern: Any) -> str | None:
    found = _search(run, text, pattern)
    if found is None:
        return None
    value = found.group(1) if pattern.groups else found.group(0)
    return value if value is None else str(value)


def _is_in(run: Run, value: Any, *choices: Any) -> bool:
    flat = [c for choice in choices for c in (choice if isinstance(choice, list) else (choice,))]
    run.spend(len(flat))
    return any(equal(value, c) for c in flat)


def _unique(run: Run, items: list[Any]) -> list[Any]:
    run.spend(len(items))
    seen: dict[Any, Any] = {}
    for item in items:
        if isinstance(item, str | Decimal | int | date):
            seen.setdefault((isinstance(item, bool), item), item)
        elif item is not None:
            raise FormulaError(NOT_TEXT, value=item)
    return list(seen.values())


def _mod(run: Run, value: Any, by: Any) -> Any:
    """The remainder has the sign of the divisor, as in a spreadsheet."""
    whole = NUMBERS.divide(value, by).to_integral_value(ROUND_FLOOR)
    return NUMBERS.subtract(value, NUMBERS.multiply(by, whole))


T, N, D, B, L, A = "text", "number", "date", "boolean", "list", "any"

FUNCTIONS: Mapping[str, Function] = {
    # chosen by the compiler itself, because they do not evaluate all their arguments
    "IF": Function((B, A, A), A, least=2),
    "AND": Function((B,), B, more=True),
    "OR": Function((B,), B, more=True),
    "IFERROR": Function((A, A), A),
    "COALESCE": Function((A,), A, more=True),
    "SWITCH": Function((A, A, A), A, least=3, more=True),
    "MAP": Function((L, A), L),
    "FILTER": Function((L, B), L),
    "COUNT": Function((L, B), N, least=1),
    # plain ones
    "NOT": Function((B,), B, lambda run, v: not to_boolean(v), strict=False),
    "ISBLANK": Function((A,), B, lambda run, v: is_blank(v), strict=False),
    "IN": Function((A, A), B, _is_in, more=True, strict=False),
    "CONCAT": Function((A,), T, _concat, more=True, strict=False),
    "TEXT": Function((A, T), T, _text, least=1),
    "LEFT": Function((T, N), T, _left, least=1),
    "RIGHT": Function((T, N), T, _right, least=1),
    "MID": Function((T, N, N), T, _mid),
    "LEN": Function((T,), N, lambda run, t: Decimal(len(t))),
    "TRIM": Function((T,), T, _sized(lambda t: " ".join(t.split()))),
    "UPPER": Function((T,), T, _sized(str.upper)),
    "LOWER": Function((T,), T, _sized(str.lower)),
    "SUBSTITUTE": Function((T, T, T), T, _substitute),
    "SPLIT": Function((T, T), L, _split),
    "JOIN": Function((L, T), T, _join),
    "CONTAINS": Function((T, T), B, lambda run, t, part: part in t),
    "STARTSWITH": Function((T, T), B, lambda run, t, part: t.startswith(part)),
    "ENDSWITH": Function((T, T), B, lambda run, t, part: t.endswith(part)),
    "MATCH": Function((T, "pattern"), B, _match),
    "EXTRACT": Function((T, "pattern"), T, _extract),
    "VALUE": Function((A,), N, lambda run, v: None if v == "" else to_number(v)),
    "SUM": Function((A,), N, _sum, more=True, strict=False),
    "ROUND": Function((N, N), N, _round(ROUND_HALF_UP), least=1),
    "ROUNDEVEN": Function((N, N), N, _round(ROUND_HALF_EVEN), least=1),
    "ROUNDUP": Function((N, N), N, _round(ROUND_UP), least=1),
    "ROUNDDOWN": Function((N, N), N, _round(ROUND_DOWN), least=1),
    "INT": Function((N,), N, _round(ROUND_FLOOR)),
    "CEILING": Function((N,), N, _round(ROUND_CEILING)),
    "ABS": Function((N,), N, lambda run, v: NUMBERS.abs(v)),
    "MOD": Function((N, N), N, _mod),
    "MIN": Function((A,), A, _extreme(min), more=True, strict=False),
    "MAX": Function((A,), A, _extreme(max), more=True, strict=False),
    "AVERAGE": Function((A,), N, _average, more=True, strict=False),
    "DATE": Function((N, N, N), D, _date),
    "DATEVALUE": Function((A,), D, _date_of),
    "YEAR": Function((D,), N, lambda run, d: Decimal(d.year)),
    "MONTH": Function((D,), N, lambda run, d: Decimal(d.month)),
    "DAY": Function((D,), N, lambda run, d: Decimal(d.day)),
    "DATEADD": Function((D, N, T), D, _date_add, least=2),
    "DATEDIF": Function((D, D, T), N, _date_dif, least=2),
    "FIRST": Function((L,), A, lambda run, items: items[0] if items else None),
    "LAST": Function((L,), A, lambda run, items: items[-1] if items else None),
    "UNIQUE": Function((L,), L, _unique),
}

REFUSED = {
    name: "Formulas give the same result at any time; take the date from a field."
    for name in ("TODAY", "NOW", "RAND", "RANDBETWEEN")
}
