"""Units of measure: exact conversion by rational ratios.

A unit's ratio is how many reference units of its dimension it is: `ratio_num / ratio_den`.  The
ratio of a product's own unit (12 pieces to the box) counts in the product's base unit.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any, Literal

from hub.entity import QUANTITY
from hub.values import parse_decimal

PLACES = QUANTITY[1]
_EXACT = Context(prec=256)

BAD_RATIO = "the ratio of the unit is not a positive number: {value!r}"
OTHER_DIMENSION = "the units measure different things: {value!r}"


def ratio(unit: Mapping[str, Any]) -> Fraction:
    """The ratio of a `uom` record or of an item of a product's `uoms`; 1 where it has none."""
    top, bottom = (parse_decimal(unit.get(n) or "1") for n in ("ratio_num", "ratio_den"))
    if top <= 0 or bottom <= 0:
        raise ValueError(BAD_RATIO)
    return Fraction(top) / Fraction(bottom)


def convert(quantity: Decimal, source: Fraction, target: Fraction) -> Decimal:
    """The quantity counted in another unit of the same dimension, to 10 places."""
    return to_decimal(Fraction(quantity) * source / target)


def convert_between(
    quantity: Decimal, source: Mapping[str, Any], target: Mapping[str, Any]
) -> Decimal:
    """The quantity from one `uom` record to another; ValueError across dimensions."""
    if source.get("dimension") != target.get("dimension"):
        raise ValueError(OTHER_DIMENSION)
    return convert(quantity, ratio(source), ratio(target))


def price(price: Decimal, per: Fraction, target: Fraction) -> Fraction:
    """The exact price of one *target* unit, given the price per another unit."""
    return Fraction(price) * target / per


def to_decimal(number: Fraction, places: int = PLACES) -> Decimal:
    """The nearest decimal with at most that many places, halves away from zero."""
    scaled = abs(number) * 10**places
    units = int(scaled + Fraction(1, 2))
    nearest = Decimal(units if number >= 0 else -units).scaleb(-places, _EXACT)
    return nearest.normalize(_EXACT) if nearest else Decimal(0)


def round_to(
    quantity: Decimal, step: Decimal, mode: Literal["HALF_UP", "UP"] = "HALF_UP"
) -> Decimal:
    """The quantity in whole steps of a unit's `rounding`; "UP" for requirements, never too little.

    Only for the moment of a stock movement: what a document says is kept as it is.
    """
    if step <= 0:
        return quantity
    rule = ROUND_HALF_UP if mode == "HALF_UP" else ROUND_CEILING
    steps = _EXACT.divide(quantity, step).to_integral_value(rule, _EXACT)
    return _EXACT.multiply(steps, step)
