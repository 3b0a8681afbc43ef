"""The kinds of value a field can have: the test for each, the reason it fails, the normal form."""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Any

from hub import values as rules
from hub.entity import Field
from hub.errors import Problem
from hub.values.texts import is_clean

Test = Callable[[Any], Any]
"""True or truthy for a value that is right; a TypeError counts as false."""

MAX_REF = 255
_INTEGERS = range(-(2**63), 2**63)

# Normal forms that are enforced.  Phone numbers, e-mail and web addresses that cannot be brought
# into normal form are kept as given: a record is not worth less for a bad phone number.
ENFORCED = ("country_code", "currency_code", "partial_date")


def test_of(field: Field) -> Test:
    make = _TESTS.get(field.kind)
    if make is None:
        raise AssertionError(f"field {field.name!r}: no check for the kind {field.kind!r}")
    return make(field)


def is_plain_text(field: Field) -> bool:
    return field.kind == "text" and field.normal not in ENFORCED


def size_of(field: Field) -> int:
    return 2**31 if field.size is None else field.size


def _text_test(field: Field) -> Test:
    least, most = int(field.required), size_of(field)
    if field.normal in ENFORCED:
        return _in_normal_form(field.normal)

    def test(value: Any) -> bool:
        return type(value) is str and least <= len(value) <= most and is_clean(value)

    return test


@lru_cache(64)
def _in_normal_form(name: str) -> Test:
    normal = _rule(name)

    @lru_cache(4096)
    def test(value: Any) -> bool:
        try:
            return type(value) is str and normal(value) == value
        except ValueError:
            return False

    return test


def _decimal_test(field: Field) -> Test:
    """Normal form and precision in one regular expression."""
    digits, places = field.precision or (2 * rules.MAX_PLACES, rules.MAX_PLACES)
    whole = rf"[1-9][0-9]{{0,{digits - places - 1}}}" if digits > places else "(?!)"
    part = rf"\.[0-9]{{0,{places - 1}}}[1-9]" if places else "(?!)"
    return re.compile(rf"-?(?:{whole}(?:{part})?|0{part})|0").fullmatch


_instant = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{0,5}[1-9])?Z"
).fullmatch


@lru_cache(16384)
def _is_date(value: Any) -> bool:
    try:
        return type(value) is str and len(value) == 10 and date.fromisoformat(value) is not None
    except ValueError:
        return False


def _is_instant(value: Any) -> bool:
    return type(value) is str and _instant(value) is not None and _is_date(value[:10])


def _is_integer(value: Any) -> bool:
    return type(value) is int and value in _INTEGERS


def _is_boolean(value: Any) -> bool:
    return value is True or value is False


def _is_ref(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_REF and is_clean(value)


def _is_set(value: Any) -> bool:
    if type(value) is not list:
        return False
    if not all(type(v) is str and v and is_clean(v) for v in value):
        return False
    return all(a < b for a, b in pairwise(value))


def is_object(value: Any) -> bool:
    return type(value) is dict


_TESTS: dict[str, Callable[[Field], Test]] = {
    "text": _text_test,
    "decimal": _decimal_test,
    "integer": lambda field: _is_integer,
    "boolean": lambda field: _is_boolean,
    "date": lambda field: _is_date,
    "datetime": lambda field: _is_instant,
    "choice": lambda field: frozenset(field.choices).__contains__,
    "ref": lambda field: _is_ref,
    "set": lambda field: _is_set,
}

# ------------------------------------------------------------------------------------- reasons

REQUIRED = "a value is required"
UNKNOWN = "the entity has no such field"
UNKNOWN_HINT = "Check the spelling, or declare a custom field and write to ext."
DUPLICATE = "two items of the list have this key: {value!r}"
NOT_OBJECT = "not an object of named values: {value!r}"
NOT_LIST = "not a list: {value!r}"
TOO_LONG = "longer than {size} characters: {value!r}"
BAD_CHOICE = "not one of {choices}: {value!r}"
BAD_PRECISION = "does not fit into {digits} digits with {places} after the point: {value!r}"
NOT_NORMAL = "not in normal form: {value!r}"

NOT_OF_KIND = {
    "text": "not a text: {value!r}",
    "decimal": "not a decimal number in plain text: {value!r}",
    "integer": "not a whole number: {value!r}",
    "boolean": "neither true nor false: {value!r}",
    "date": "not a date like 2025-03-01: {value!r}",
    "datetime": "not an instant like 2025-03-01T00:30:00Z: {value!r}",
    "choice": BAD_CHOICE,
    "ref": "not the id of a record: {value!r}",
    "set": "not a sorted list of different texts: {value!r}",
}


def explain(field: Field, value: Any, at: str = "") -> Problem | None:
    """Why *value* is not right for *field*, which has no parts; None when it is."""
    try:
        right = bool(test_of(field)(value))
    except TypeError:
        right = False
    if right:
        return None
    return _reason(field, value, at or field.name)


def _reason(field: Field, value: Any, at: str) -> Problem:
    if field.kind == "choice":
        return problem("choice", BAD_CHOICE, at, value, choices=", ".join(field.choices))
    if field.kind == "decimal" and isinstance(value, str):
        return _decimal_reason(field, value, at)
    if field.kind != "text" or not isinstance(value, str):
        return problem("type", NOT_OF_KIND[field.kind], at, value)
    if field.required and not value:
        return problem("required", REQUIRED, at, value)
    if field.size is not None and len(value) > field.size:
        return problem("too-long", TOO_LONG, at, value, size=field.size)
    return problem("not-normal", NOT_NORMAL, at, value)


def _decimal_reason(field: Field, value: str, at: str) -> Problem:
    try:
        normal = rules.decimal_text(value)
    except ValueError:
        return problem("type", NOT_OF_KIND["decimal"], at, value)
    if normal != value:
        return problem("not-normal", NOT_NORMAL, at, value)
    digits, places = field.precision or (2 * rules.MAX_PLACES, rules.MAX_PLACES)
    return problem("precision", BAD_PRECISION, at, value, digits=digits, places=places)


def problem(
    code: str, message: str, at: str, value: Any, *, hint: str = "", **values: Any
) -> Problem:
    return Problem(code, message, _storable(at), shown(value), hint, values)


def shown(value: Any) -> Any:
    """The value as a problem may keep it: short, and storable as JSON in UTF-8."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, int):
        return value if value in _INTEGERS else "…"
    return _storable(repr(value)) if isinstance(value, float) else f"<{type(value).__name__}>"


def _storable(text: str) -> str:
    short = text if len(text) <= 200 else text[:200] + "…"
    return short.encode("utf-8", "backslashreplace").decode()


# --------------------------------------------------------------------------------- normal forms


def normalise(field: Field, value: Any) -> Any:
    """*value* in the normal form of *field*, which has no parts; ValueError if there is none.

    For what people and API clients send.  Numbers for decimals come as text or integers, never as
    binary fractions; instants with their offset.
    """
    if value is None:
        return None
    make = _NORMAL.get(field.kind)
    return make(field, value) if make else value


def _normal_text(field: Field, value: Any) -> str:
    text = rules.clean_text(value)
    if not field.normal or not text:
        return text
    try:
        return _rule(field.normal)(text)
    except ValueError:
        if field.normal in ENFORCED:
            raise
        return text


@lru_cache(64)
def _rule(name: str) -> Callable[[str], str]:
    if name == "phone_number":  # where it is dialled is not known here
        return lambda text: rules.phone_number(text, None)
    rule: Callable[[str], str] = getattr(rules, name)
    return rule


def _normal_decimal(field: Field, value: Any) -> str:
    if isinstance(value, float):
        raise ValueError(NOT_OF_KIND["decimal"])
    return rules.decimal_text(value)


def _normal_set(field: Field, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(NOT_OF_KIND["set"])
    return sorted({rules.clean_text(v) for v in value} - {""})


_NORMAL: dict[str, Callable[[Field, Any], Any]] = {
    "text": _normal_text,
    "ref": lambda field, value: rules.clean_text(value),
    "decimal": _normal_decimal,
    "date": lambda field, value: rules.date_text(value),
    "datetime": lambda field, value: rules.instant_text(value),
    "set": _normal_set,
}
