"""Decimals in normal form, rounding, distribution, currencies."""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any

from hub.values import currencies
from hub.values.texts import fold, table_rows

MAX_PLACES = 64
"""Digits a decimal may have on either side of the point: twice the widest column."""

_EXACT = Context(prec=4 * MAX_PLACES)
_is_plain_decimal = re.compile(r"-?(?:[1-9][0-9]{0,40}|0)(?:\.[0-9]{1,20})?").fullmatch
_is_decimal = re.compile(
    r"[+-]?(?:[0-9]{1,200}(?:\.[0-9]{0,200})?|\.[0-9]{1,200})(?:[eE][+-]?[0-9]{1,9})?"
).fullmatch

NOT_DECIMAL = "not a decimal number: {value!r}"
TOO_LONG = "a decimal number with too many digits: {value!r}"


def decimal_text(value: str | int | float | Decimal) -> str:
    """The number in plain notation: no exponent, no trailing zeros, no "-0".

    A float counts as what it prints as (0.1 is "0.1").  Thousands separators are refused: only a
    mapping knows which sign they are.
    """
    kind = type(value)
    if kind is str:
        if _is_plain_decimal(value):  # type: ignore[arg-type]
            return _without_zeros(value)  # type: ignore[arg-type]
    elif kind is int and -_SMALL < value < _SMALL:  # type: ignore[operator]
        return str(value)
    return _plain(_decimal(value))


_SMALL = 10**18


def parse_decimal(text: str) -> Decimal:
    """The number a text in normal form, or any text `decimal_text` takes, stands for."""
    return _decimal(text)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError(NOT_DECIMAL)
    if isinstance(value, str):
        text = value.strip() if len(value) < 1000 else value
        if not _is_decimal(text):
            raise ValueError(NOT_DECIMAL)
        number = Decimal(text)
    elif isinstance(value, float):
        number = Decimal(repr(float(value)))
    elif isinstance(value, Decimal):
        number = value
    elif isinstance(value, int) and value.bit_length() <= 4 * MAX_PLACES:
        number = Decimal(int(value))
    else:
        raise ValueError(TOO_LONG if isinstance(value, int) else NOT_DECIMAL)
    if not number.is_finite():
        raise ValueError(NOT_DECIMAL)
    return _bounded(number)


def _bounded(number: Decimal) -> Decimal:
    if not number:
        return Decimal(0)
    if not -MAX_PLACES <= number.adjusted() < MAX_PLACES:
        raise ValueError(TOO_LONG)
    if _places(number) > MAX_PLACES:
        short = _EXACT.normalize(number)
        if short != number or _places(short) > MAX_PLACES:
            raise ValueError(TOO_LONG)
        return short
    return number


def _places(number: Decimal) -> int:
    return -int(number.as_tuple().exponent)


def _plain(number: Decimal) -> str:
    return _without_zeros(f"{number:f}")


def _without_zeros(text: str) -> str:
    """Plain notation without what says nothing: 12.50, 12.0 and -0."""
    if text[-1] != "0":
        return text
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text != "-0" else "0"


def round_half_up(value: Decimal, digits: int) -> Decimal:
    """*value* to *digits* places after the point, halves away from zero; never "-0"."""
    try:
        rounded = value.quantize(Decimal((0, (1,), -digits)), ROUND_HALF_UP, _EXACT)
    except (InvalidOperation, AttributeError, TypeError) as e:
        raise ValueError(TOO_LONG) from e
    if not rounded.is_finite():
        raise ValueError(NOT_DECIMAL)
    return rounded if rounded else abs(rounded)


def distribute(total: Decimal, weights: Sequence[Decimal], digits: int) -> list[Decimal]:
    """*total* in parts proportional to *weights* that add up exactly: largest remainder.

    Ties go by order.  If all weights are zero the parts are equal.  ValueError when *total* has
    more than *digits* places, when there is nothing to give it to, or when weights cancel out.
    """
    units = Fraction(total) * 10**digits
    if units.denominator != 1:
        raise ValueError("an amount with too many places to be distributed: {value!r}")
    if not weights:
        if units:
            raise ValueError("nothing to distribute the amount over: {value!r}")
        return []
    shares = [Fraction(w) for w in weights]
    whole = sum(shares)
    if not whole:
        if any(shares):
            raise ValueError("the weights of a distribution cancel out: {value!r}")
        shares, whole = [Fraction(1)] * len(shares), Fraction(len(shares))
    exact = [abs(units) * s / whole for s in shares]
    parts = [e.numerator // e.denominator for e in exact]
    rest = int(abs(units) - sum(parts))
    by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for i in by_remainder[:rest]:
        parts[i] += 1
    sign = -1 if units < 0 else 1
    return [Decimal(sign * p).scaleb(-digits, _EXACT) for p in parts]


NOT_CURRENCY = "not a currency: {value!r}"


def currency_digits(code: str) -> int:
    """The places after the point that amounts of this currency have (ISO 4217)."""
    return currencies.DIGITS.get(code, 2) if isinstance(code, str) else 2


def money_round(value: Decimal, currency: str) -> Decimal:
    return round_half_up(value, currency_digits(currency))


def currency_code(text: str) -> str:
    """The ISO 4217 code of a currency given by code or by one of its usual names."""
    if not isinstance(text, str):
        raise ValueError(NOT_CURRENCY)
    code = currency_codes().get(text) or currency_codes().get(fold(text[:200]))
    if code is None:
        raise ValueError(NOT_CURRENCY)
    return code


@lru_cache(1)
def currency_codes() -> dict[str, str]:
    """Code by code and by folded name."""
    known: dict[str, str] = {}
    for code, *names in table_rows(currencies.ROWS):
        known |= {code: code, fold(code): code} | {fold(n): code for n in names}
    return known
