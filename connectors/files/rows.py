"""Values as text in a cell and back, the formula guard, conditions, and a row's version."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

import xxhash

from hub.connector import Row
from hub.errors import ConfigError

# A spreadsheet program takes a cell that begins so for a formula; numbers are harmless
DANGEROUS = "=+\\-@\t\r＝＋－＠"
NEEDS_GUARD = re.compile(f"'*[{DANGEROUS}]")
GUARDED = re.compile(f"''*[{DANGEROUS}]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


def guard(text: str) -> str:
    """The text with a `'` before it where a spreadsheet program would compute it.

    `unguard(guard(text)) == text` for every text: what begins with `'` and then such a sign gets
    one more, so that taking one away is always right.
    """
    if NEEDS_GUARD.match(text) and not NUMBER.match(text):
        return "'" + text
    return text


def unguard(text: str) -> str:
    return text[1:] if GUARDED.match(text) else text


def to_text(value: Any) -> str:
    """A value as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return json_text(value) if isinstance(value, list | dict) else str(value)


def json_text(value: Any) -> str:
    """One line of JSON in which decimals keep their digits; `json` knows no Decimal."""
    if isinstance(value, Mapping):
        parts = (f"{json_text(str(k))}: {json_text(v)}" for k, v in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | time | bytes):
        value = to_text(value)
    return json.dumps(value, ensure_ascii=False)


def version_of(row: Row) -> str:
    """The same as long as the row is."""
    text = json.dumps(row, default=to_text, sort_keys=True, ensure_ascii=False)
    return xxhash.xxh3_64(text.encode("utf-8", "surrogatepass")).hexdigest()


def comparable(value: Any) -> str | None:
    """The same text for values that are the same in cells that may hold only text."""
    if isinstance(value, Decimal) and value.is_finite():
        return format(value.normalize(), "f")
    return None if value is None else to_text(value)


def same(stored: Any, wanted: Any) -> bool:
    """Whether a cell holds this value, where cells may hold only text."""
    return bool(stored == wanted) or comparable(stored) == comparable(wanted)


# -------------------------------------------------------------------------------------- conditions

Test = Callable[[Row], bool]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": same,
    "ne": lambda stored, wanted: not same(stored, wanted),
    "gt": lambda stored, wanted: _order(stored, wanted) > 0,
    "ge": lambda stored, wanted: _order(stored, wanted) >= 0,
    "lt": lambda stored, wanted: _order(wanted, stored) > 0,
    "le": lambda stored, wanted: _order(wanted, stored) >= 0,
    "in": lambda stored, wanted: any(same(stored, one) for one in wanted),
    "not_in": lambda stored, wanted: not any(same(stored, one) for one in wanted),
}


def condition(where: Mapping[str, Any]) -> Test | None:
    """`{column: value}`, `{column: [values]}` or `{column: {operator: value}}`; all must hold."""
    tests: list[tuple[str, Callable[[Any, Any], bool], Any]] = []
    for name, told in where.items():
        several = isinstance(told, list | tuple)
        asked = told if isinstance(told, Mapping) else {"in" if several else "eq": told}
        for operator, wanted in asked.items():
            if operator not in OPERATORS:
                raise ConfigError(
                    "files: the condition on {name!r} has an unknown operator {operator!r}",
                    name=name,
                    operator=operator,
                    hint="There are: {known}.",
                    known=", ".join(OPERATORS),
                )
            tests.append((name, OPERATORS[operator], wanted))
    if not tests:
        return None
    return lambda row: all(test(row.get(name), wanted) for name, test, wanted in tests)


def _order(a: Any, b: Any) -> int:
    """1, 0 or -1 as a is more or less than b, as numbers where both are; -1 where one is null."""
    if a is None or b is None:
        return -1
    numbers = [_number(a), _number(b)]
    x, y = numbers if None not in numbers else [to_text(a), to_text(b)]
    return (x > y) - (x < y)  # type: ignore[operator]


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal | float):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def missing_key(row: Row, key: Sequence[str]) -> str:
    """The first key column without a value; "" when all have one."""
    return next((column for column in key if row.get(column) in (None, "")), "")
