"""Conversion of quantities is exact."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.units import convert, convert_between, price, ratio, round_to, to_decimal

PIECE = {"dimension": "count"}
BOX = {"dimension": "count", "ratio_num": "12", "ratio_den": "1"}
CARTON = {"dimension": "count", "ratio_num": "72"}
KILOGRAM = {"dimension": "mass"}
POUND = {"dimension": "mass", "ratio_num": "45359237", "ratio_den": "100000000"}


def test_cartons_boxes_and_pieces_add_up_in_pieces():
    parts = [(Decimal(2), CARTON), (Decimal(5), BOX), (Decimal(3), PIECE)]

    assert sum(convert_between(q, unit, PIECE) for q, unit in parts) == 207


def test_ten_pounds_are_exact_kilograms():
    assert convert_between(Decimal(10), POUND, KILOGRAM) == Decimal("4.5359237")


def test_a_price_per_carton_gives_the_amount_for_boxes():
    each = price(Decimal("720.00"), ratio(CARTON), ratio(BOX))

    assert to_decimal(each * 5) == Decimal("600")


def test_a_unit_of_a_product_may_join_two_dimensions():
    piece_in_kg = ratio({"ratio_num": "2.5"})

    assert convert(Decimal(3), piece_in_kg, Fraction(1)) == Decimal("7.5")


def test_units_of_different_dimensions_are_not_converted():
    with pytest.raises(ValueError, match="measure different things"):
        convert_between(Decimal(1), BOX, POUND)


@pytest.mark.parametrize("bad", ["0", "-1", "x"])
def test_a_ratio_is_a_positive_number(bad):
    with pytest.raises(ValueError, match="number"):
        ratio({"ratio_num": bad})


def test_a_third_is_kept_to_ten_places():
    assert convert(Decimal(1), Fraction(1), Fraction(3)) == Decimal("0.3333333333")
    assert convert(Decimal(-2), Fraction(1), Fraction(3)) == Decimal("-0.6666666667")


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**4))
def test_whole_units_come_back_unchanged(quantity, factor):
    there = convert(Decimal(quantity), Fraction(factor), Fraction(1))

    assert convert(there, Fraction(1), Fraction(factor)) == quantity


def test_stock_is_rounded_to_steps_and_requirements_upwards():
    assert round_to(Decimal("2.5"), Decimal(1)) == 3
    assert round_to(Decimal("2.1"), Decimal(1)) == 2
    assert round_to(Decimal("2.1"), Decimal(1), "UP") == 3
    assert round_to(Decimal("1.26"), Decimal("0.05")) == Decimal("1.25")
    assert round_to(Decimal("1.26"), Decimal(0)) == Decimal("1.26")
