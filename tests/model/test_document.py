"""Totals of documents: the worked examples of the model, and what always holds."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.document import check_totals, totals


def line(price, qty="1", rate=None, **more):
    taxes = {"taxes": [{"category": "S", "rate": rate}]} if rate else {}
    return {"line_type": "item", "qty": qty, "unit_price": price, **taxes, **more}


EXAMPLE = {
    "currency": "CNY",
    "tax_included": False,
    "tax_rounding": "per_group",
    "lines": [
        line("199.9", "3", "13", line_no=1, discounts=[{"pct": "10"}]),
        line("1000", "2", "13", line_no=2, discounts=[{"amount": "100"}]),
        line("500", "1", "6", line_no=3),
    ],
    "allowances_charges": [
        {"kind": "allowance", "percent": "5"},
        {"kind": "charge", "amount": "50", "tax_rate": "13"},
    ],
}


def test_the_worked_example_gives_every_step():
    result = totals(EXAMPLE)

    assert [li["gross_amount"] for li in result["lines"]] == ["599.7", "2000", "500"]
    assert [li["discount_amount"] for li in result["lines"]] == ["59.97", "100", "0"]
    assert [li["net_amount"] for li in result["lines"]] == ["539.73", "1900", "500"]
    assert result["subtotal"] == "2939.73"
    assert result["allowances_total"] == "146.99"
    assert result["charges_total"] == "50"
    assert [(t["rate"], t["base"], t["amount"]) for t in result["taxes"]] == [
        ("13", "2367.74", "307.81"),
        ("6", "475", "28.5"),
    ]
    assert result["tax_total"] == "336.31"
    assert result["untaxed_total"] == "2842.74"
    assert result["grand_total"] == "3179.05"
    assert result["amount_due"] == "3179.05"


def test_a_gross_price_gives_net_price_tax_and_net_by_subtraction():
    order = {"currency": "CNY", "tax_included": True, "lines": [line("10", "10", "13")]}

    result = totals(order)
    (only,) = result["lines"]

    assert only["net_unit_price"] == "8.849558"
    assert (only["total_amount"], only["tax_amount"], only["net_amount"]) == ("100", "11.5", "88.5")
    assert (result["grand_total"], result["tax_total"], result["untaxed_total"]) == (
        "100",
        "11.5",
        "88.5",
    )


@pytest.mark.parametrize(("rounding", "tax"), [("per_line", "3.93"), ("per_group", "3.92")])
def test_tax_is_rounded_per_line_or_per_group(rounding, tax):
    order = {"currency": "CNY", "tax_rounding": rounding, "lines": [line("10.05", rate="13")] * 3}

    assert totals(order)["tax_total"] == tax


def test_tax_is_kept_per_line_unless_said_otherwise():
    assert (
        totals({"currency": "CNY", "lines": [line("10.05", rate="13")] * 3})["tax_total"] == "3.93"
    )


def test_included_tax_per_group_is_taken_out_of_the_groups_sum():
    order = {"currency": "CNY", "tax_included": True, "lines": [line("10.05", rate="13")] * 3}

    per_line = totals(order)
    per_group = totals(order | {"tax_rounding": "per_group"})

    assert (per_line["tax_total"], per_group["tax_total"]) == ("3.48", "3.47")
    assert per_line["grand_total"] == per_group["grand_total"] == "30.15"


def test_amounts_of_a_currency_without_minor_unit_are_whole():
    result = totals({"currency": "JPY", "lines": [line("100.5", rate="10")]})

    assert (result["subtotal"], result["tax_total"], result["grand_total"]) == ("101", "10", "111")


def test_several_percentages_apply_in_sequence_each_rounded():
    order = {"currency": "CNY", "lines": [line("9.99", discounts=[{"pct": "10"}, {"pct": "5"}])]}

    assert totals(order)["line_discounts"] == "1.45"  # 1.00, then 5 % of 8.99: 0.45


def test_charges_of_a_line_are_taxed_with_it():
    order = {"currency": "CNY", "lines": [line("100", rate="13", charges=[{"amount": "10"}])]}

    result = totals(order)

    assert (result["subtotal"], result["tax_total"]) == ("110", "14.3")


def test_a_price_may_be_per_several_units():
    order = {"currency": "CNY", "lines": [line("720", "60", price_per_qty="72")]}

    assert totals(order)["subtotal"] == "600"


def test_headings_and_notes_cost_nothing():
    order = {
        "currency": "CNY",
        "lines": [{"line_type": "section", "unit_price": "5"}, {"line_type": "note"}, line("1")],
    }

    assert totals(order)["subtotal"] == "1"
    assert len(totals(order)["lines"]) == 1


def test_several_taxes_of_a_line_are_each_a_group():
    taxes = [{"category": "S", "rate": "5"}, {"category": "S", "rate": "9.975"}]
    order = {"currency": "CAD", "lines": [line("100", taxes=taxes)]}

    assert [(t["rate"], t["amount"]) for t in totals(order)["taxes"]] == [
        ("5", "5"),
        ("9.975", "9.98"),
    ]


def test_a_prepayment_and_a_rounding_change_what_is_due():
    order = {
        "currency": "CNY",
        "lines": [line("10.04")],
        "rounding_adjustment": "-0.04",
        "prepaid": "3",
    }

    result = totals(order)

    assert (result["grand_total"], result["amount_due"]) == ("10", "7")


def test_an_order_without_lines_is_nothing():
    assert totals({"currency": "CNY"})["grand_total"] == "0"


def test_a_tax_of_minus_everything_is_refused():
    with pytest.raises(ValueError, match="takes more than the price"):
        totals({"currency": "CNY", "lines": [line("1", rate="-100")]})


amounts = st.decimals(0, 10**7, places=4).map(str)
rates = st.sampled_from([None, "6", "9", "13", "19", "7.7"])
lines = st.builds(
    lambda price, qty, rate, pct: line(price, qty, rate, discounts=[{"pct": pct}] if pct else []),
    amounts,
    st.decimals(0, 1000, places=3).map(str),
    rates,
    st.sampled_from([None, "5", "33.333"]),
)
orders = st.fixed_dictionaries(
    {
        "currency": st.sampled_from(["CNY", "JPY", "KWD"]),
        "tax_included": st.booleans(),
        "tax_rounding": st.sampled_from(["per_line", "per_group"]),
        "lines": st.lists(lines, min_size=1, max_size=6),
        "allowances_charges": st.lists(
            st.fixed_dictionaries(
                {"kind": st.sampled_from(["allowance", "charge"]), "percent": st.just("3")},
                optional={"tax_rate": st.sampled_from(["6", "13"])},
            ),
            max_size=2,
        ),
    }
)


@given(orders)
def test_net_and_tax_always_add_up_and_the_result_agrees_with_itself(order):
    result = totals(order)

    number = {k: Decimal(v) for k, v in result.items() if isinstance(v, str)}
    assert number["untaxed_total"] + number["tax_total"] == number["grand_total"]
    assert sum(Decimal(t["amount"]) for t in result["taxes"]) == number["tax_total"]
    assert sum(Decimal(li["net_amount"]) for li in result["lines"]) == number["subtotal"]
    for each in result["lines"]:
        net, tax = Decimal(each["net_amount"]), Decimal(each["tax_amount"])
        assert net + tax == Decimal(each["total_amount"])
    if not order["tax_included"]:
        changed = number["charges_total"] - number["allowances_total"]
        assert number["subtotal"] + changed == number["untaxed_total"]
    stated = order | {k: v for k, v in result.items() if k not in ("lines", "taxes")}
    checked = check_totals(stated)
    assert (dict(checked.differences), checked.mismatch) == ({}, False)


# ------------------------------------------------------------------------------- check on import


def stated(**more):
    return {"currency": "CNY", "lines": [line("10.05", rate="13")] * 3, **more}


def test_a_difference_of_a_cent_per_line_is_rounding():
    checked = check_totals(stated(untaxed_total="30.15", tax_total="3.92", grand_total="34.07"))

    assert not checked.mismatch
    assert checked.differences == {"tax_total": "-0.01", "grand_total": "-0.01"}
    assert checked.rounding_adjustment == "0"


def test_a_rounded_grand_total_is_explained_by_an_adjustment():
    checked = check_totals(stated(untaxed_total="30.15", tax_total="3.93", grand_total="34.1"))

    assert not checked.mismatch
    assert checked.rounding_adjustment == "0.02"


def test_a_larger_difference_is_a_mismatch_and_says_how_much():
    checked = check_totals(stated(tax_total="3.93", grand_total="34.5"))

    assert checked.mismatch
    assert checked.problem is not None
    assert str(checked.problem) == (
        "grand_total: the totals differ from the sum of the lines by '0.42', more than 0.03"
    )


def test_many_lines_do_not_excuse_more_than_one_in_all():
    order = {"currency": "CNY", "lines": [line("1")] * 500}

    assert not check_totals(order | {"grand_total": "501"}).mismatch
    assert check_totals(order | {"grand_total": "501.01"}).mismatch


def test_a_source_without_totals_is_not_judged():
    checked = check_totals(stated())

    assert (checked.differences, checked.mismatch) == ({}, False)
