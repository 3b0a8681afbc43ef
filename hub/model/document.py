"""Totals of an order, quotation or invoice: round each line first, then add the rounded values.

The shape is that of EN 16931 / UBL.  Rates and percentages are percent.  What a source says about
its own totals is authoritative: `check_totals` compares, nothing is overwritten.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from functools import partial
from typing import Any

from hub.errors import Problem
from hub.values import (
    currency_digits,
    decimal_text,
    distribute,
    money_round,
    parse_decimal,
    round_half_up,
)

SILENT_LINES = ("section", "note", "subtotal")
ZERO = Decimal(0)
HUNDRED = Decimal(100)
_EXACT = Context(prec=200)
UNIT_PRICE_DIGITS = 6

Group = tuple[str, Decimal]
"""Tax category, and rate in percent."""

BAD_RATE = "a tax rate that takes more than the price: {value!r}"
MISMATCH = "the totals differ from the sum of the lines by {value!r}, more than {limit}"
MISMATCH_HINT = "The values of the source are kept. Correct the order there, or accept them here."


@dataclass
class _Line:
    """One priced line.  In a tax-included document its amounts include tax until `net` is taken."""

    line_no: Any
    gross: Decimal
    discount: Decimal
    charges: Decimal
    rates: dict[Group, Decimal]
    unit_price: Decimal
    shares: Decimal = ZERO
    tax: Decimal = ZERO
    taxes: list[dict[str, str]] = field(default_factory=list)

    @property
    def amount(self) -> Decimal:
        return self.gross - self.discount + self.charges

    @property
    def base(self) -> Decimal:
        """The amount with its share of the document's allowances and charges."""
        return self.amount + self.shares


@dataclass
class _Document:
    currency: str
    included: bool
    per_line: bool
    lines: list[_Line]
    allowances: Decimal = ZERO
    charges: Decimal = ZERO
    extra: list[tuple[Group, Decimal]] = field(default_factory=list)
    """Allowances (negative) and charges that name their own tax group."""

    def round(self, value: Decimal) -> Decimal:
        return money_round(value, self.currency)

    @property
    def digits(self) -> int:
        return currency_digits(self.currency)


def totals(order: Mapping[str, Any]) -> dict[str, Any]:
    """The flat totals of the order, its `taxes` by group, and the computed amounts of its `lines`.

    All as decimals in normal form.  Every line that is priced gives gross, discount, net, tax and
    total amount, before allowances and charges of the document; sections, notes and subtotals give
    nothing.  With `tax_included` the unit prices, discounts, allowances and charges include tax,
    and the tax is taken out of what remains, so that net and tax always add up to what is paid.

    Raises:
        ValueError: a number cannot be read.
    """
    with localcontext(_EXACT):  # the usual 28 digits are fewer than quantity times price can have
        document = _read(order)
        _spread(document, order)
        groups = _taxes(document)
        return _result(document, order, groups)


# -------------------------------------------------------------------------------------- reading


def _number(values: Mapping[str, Any], name: str, default: Decimal = ZERO) -> Decimal:
    value = values.get(name)
    return default if value is None else parse_decimal(value)


def _read(order: Mapping[str, Any]) -> _Document:
    currency = order.get("currency") or ""
    included = bool(order.get("tax_included"))
    priced = [li for li in order.get("lines") or () if li.get("line_type") not in SILENT_LINES]
    per_line = order.get("tax_rounding") != "per_group"
    lines = [_line(li, currency, included=included) for li in priced]
    return _Document(currency, included, per_line, lines)


def _line(line: Mapping[str, Any], currency: str, *, included: bool) -> _Line:
    money = partial(money_round, currency=currency)
    price = _unit_price(line, included=included)
    quantity = _number(line, "qty", Decimal(1))
    per = _number(line, "price_per_qty") or Decimal(1)
    gross = money(quantity * price / per)
    rest = gross
    discounts = line.get("discounts") or ()
    for pct in (_number(d, "pct") for d in discounts):
        rest -= money(rest * pct / HUNDRED)
    rest -= sum((money(_number(d, "amount")) for d in discounts), ZERO)
    charges = sum((money(_number(c, "amount")) for c in line.get("charges") or ()), ZERO)
    return _Line(line.get("line_no"), gross, gross - rest, charges, _rates(line), price)


def _unit_price(line: Mapping[str, Any], *, included: bool) -> Decimal:
    """In the document's tax mode, which `unit_price` always is."""
    if line.get("unit_price") is not None:
        return _number(line, "unit_price")
    return _number(line, "tax_incl_unit_price" if included else "net_unit_price")


def _rates(line: Mapping[str, Any]) -> dict[Group, Decimal]:
    rates: dict[Group, Decimal] = {}
    for tax in line.get("taxes") or ():
        rate = _number(tax, "rate")
        rates[tax.get("category") or "", rate] = rate
    if sum(rates.values()) <= -HUNDRED:
        raise ValueError(BAD_RATE)
    return rates


# ---------------------------------------------------------- allowances and charges of the document


def _spread(document: _Document, order: Mapping[str, Any]) -> None:
    """Give allowances and charges to the tax group they name, or else to the lines by amount."""
    base = sum((line.amount for line in document.lines), ZERO)
    for each in order.get("allowances_charges") or ():
        amount = _amount(each, document, base)
        sign = -1 if each.get("kind") == "allowance" else 1
        if sign < 0:
            document.allowances += amount
        else:
            document.charges += amount
        group = _group_of(each)
        if group:
            document.extra.append((group, sign * amount))
        elif document.lines:
            _share_out(document, sign * amount)


def _amount(each: Mapping[str, Any], document: _Document, base: Decimal) -> Decimal:
    if each.get("amount") is not None:
        return document.round(_number(each, "amount"))
    return document.round(_number(each, "base_amount", base) * _number(each, "percent") / HUNDRED)


def _group_of(each: Mapping[str, Any]) -> Group | None:
    if each.get("tax_rate") is None:
        return None
    rate = _number(each, "tax_rate")
    if rate <= -HUNDRED:
        raise ValueError(BAD_RATE)
    return each.get("tax_category") or "", rate


def _share_out(document: _Document, amount: Decimal) -> None:
    weights = [line.amount for line in document.lines]
    if not sum(weights):
        weights = [ZERO] * len(weights)
    for line, share in zip(
        document.lines, distribute(amount, weights, document.digits), strict=True
    ):
        line.shares += share


# ------------------------------------------------------------------------------------------ taxes


@dataclass
class _Sum:
    base: Decimal = ZERO
    tax: Decimal = ZERO


def _taxes(document: _Document) -> dict[Group, _Sum]:
    """Base and tax by group, in the order in which groups occur."""
    groups: dict[Group, _Sum] = {}
    for line in document.lines:
        _tax_line(line, document)
        taken = _split(line.base, line.rates, document)
        for group, (base, tax) in taken.items():
            _add(groups, group, base, tax)
    for stated, amount in document.extra:
        group = _named(stated, groups)
        base, tax = _split(amount, {group: group[1]}, document)[group]
        _add(groups, group, base, tax)
    if not document.per_line:
        _round_by_group(groups, document)
    return groups


def _named(group: Group, groups: Iterable[Group]) -> Group:
    """A group given by its rate alone is the one with that rate."""
    same = [g for g in groups if g[1] == group[1]]
    return same[0] if same and not group[0] else group


def _add(groups: dict[Group, _Sum], group: Group, base: Decimal, tax: Decimal) -> None:
    total = groups.setdefault(group, _Sum())
    total.base += base
    total.tax += tax


def _split(
    amount: Decimal, rates: Mapping[Group, Decimal], document: _Document
) -> dict[Group, tuple[Decimal, Decimal]]:
    """Base and tax of one amount for each of its groups.

    With tax included and several rates, the tax is taken out at their sum and shared by rate.
    """
    if not document.included:
        return {g: (amount, document.round(amount * r / HUNDRED)) for g, r in rates.items()}
    rate = sum(rates.values(), ZERO)
    if not rate:
        return {g: (amount, ZERO) for g in rates}
    tax = document.round(amount * rate / (HUNDRED + rate))
    parts = distribute(tax, list(rates.values()), document.digits)
    return {g: (amount - tax, part) for g, part in zip(rates, parts, strict=True)}


def _round_by_group(groups: dict[Group, _Sum], document: _Document) -> None:
    """Tax once per group, instead of the sum of what each line gave.

    Where lines with several taxes include them, groups overlap, and each line's rounding stays.
    """
    if document.included and any(len(line.rates) > 1 for line in document.lines):
        return
    for (_, rate), total in groups.items():
        if document.included:
            whole = total.base + total.tax
            total.tax = document.round(whole * rate / (HUNDRED + rate))
            total.base = whole - total.tax
        else:
            total.tax = document.round(total.base * rate / HUNDRED)


def _tax_line(line: _Line, document: _Document) -> None:
    """The line's own tax, on its amount without what the document adds or takes."""
    for (category, rate), (base, tax) in _split(line.amount, line.rates, document).items():
        line.tax += tax
        line.taxes.append(_tax(category, rate, base, tax, included=document.included))


def _tax(
    category: str, rate: Decimal, base: Decimal, tax: Decimal, *, included: bool
) -> dict[str, Any]:
    named = {"category": category} if category else {}
    amounts = {"rate": rate, "base": base, "amount": tax}
    return named | {k: decimal_text(v) for k, v in amounts.items()} | {"included": included}


# ----------------------------------------------------------------------------------------- result


def _result(
    document: _Document, order: Mapping[str, Any], groups: Mapping[Group, _Sum]
) -> dict[str, Any]:
    lines = document.lines
    tax = sum((total.tax for total in groups.values()), ZERO)
    subtotal = sum((_net(line, document) for line in lines), ZERO)
    before = sum((line.amount for line in lines), ZERO) - document.allowances + document.charges
    untaxed = before - tax if document.included else before
    rounding, prepaid = _number(order, "rounding_adjustment"), _number(order, "prepaid")
    grand = untaxed + tax + rounding
    amounts = {
        "lines_gross": sum((line.gross for line in lines), ZERO),
        "line_discounts": sum((line.discount for line in lines), ZERO),
        "subtotal": subtotal,
        "allowances_total": document.allowances,
        "charges_total": document.charges,
        "untaxed_total": untaxed,
        "tax_total": tax,
        "rounding_adjustment": rounding,
        "grand_total": grand,
        "prepaid": prepaid,
        "amount_due": grand - prepaid,
    }
    flat: dict[str, Any] = {name: decimal_text(amount) for name, amount in amounts.items()}
    included = document.included
    flat["taxes"] = [_tax(c, r, t.base, t.tax, included=included) for (c, r), t in groups.items()]
    flat["lines"] = [_line_result(line, document) for line in lines]
    return flat


def _net(line: _Line, document: _Document) -> Decimal:
    return line.amount - line.tax if document.included else line.amount


def _line_result(line: _Line, document: _Document) -> dict[str, Any]:
    net = _net(line, document)
    net_price, full_price = _unit_prices(line, included=document.included)
    amounts = {
        "gross_amount": line.gross,
        "discount_amount": line.discount,
        "net_amount": net,
        "tax_amount": line.tax,
        "total_amount": net + line.tax,
        "net_unit_price": net_price,
        "tax_incl_unit_price": full_price,
    }
    named = {"line_no": line.line_no} if line.line_no is not None else {}
    return named | {k: decimal_text(v) for k, v in amounts.items()} | {"taxes": line.taxes}


def _unit_prices(line: _Line, *, included: bool) -> tuple[Decimal, Decimal]:
    """Without and with tax; the one that was not entered has 6 places."""
    factor = HUNDRED + sum(line.rates.values(), ZERO)
    if included:
        return _price(line.unit_price * HUNDRED / factor), line.unit_price
    return line.unit_price, _price(line.unit_price * factor / HUNDRED)


def _price(value: Decimal) -> Decimal:
    return round_half_up(value, UNIT_PRICE_DIGITS)


# ------------------------------------------------------------------------------- check on import


@dataclass(frozen=True, slots=True)
class TotalsCheck:
    """`differences`: stated minus computed, by field, where both exist and differ.

    `rounding_adjustment`: what makes the stated grand total the sum of its parts; store it when
    it is not "0".  `problem`: set when the order is to carry `totals_mismatch`.
    """

    differences: Mapping[str, str]
    rounding_adjustment: str
    problem: Problem | None

    @property
    def mismatch(self) -> bool:
        return self.problem is not None


COMPARED = ("subtotal", "untaxed_total", "tax_total", "grand_total")


def check_totals(order: Mapping[str, Any]) -> TotalsCheck:
    """Compare the totals a source states with those of its lines.

    Differences of up to one smallest unit of the currency per line, and 100 in all, are rounding.
    """
    computed = totals(order)
    differences = {
        name: parse_decimal(order[name]) - parse_decimal(computed[name])
        for name in COMPARED
        if order.get(name) is not None
    }
    worst = max((abs(d) for d in differences.values()), default=ZERO)
    limit = _limit(order, len(computed["lines"]))
    problem = None
    if worst > limit:
        problem = Problem(
            "totals-mismatch",
            MISMATCH,
            next(name for name, d in differences.items() if abs(d) == worst),
            decimal_text(worst),
            MISMATCH_HINT,
            {"limit": decimal_text(limit)},
        )
    shown = {name: decimal_text(d) for name, d in differences.items() if d}
    return TotalsCheck(shown, decimal_text(_adjustment(order, differences)), problem)


def _limit(order: Mapping[str, Any], lines: int) -> Decimal:
    unit = Decimal(1).scaleb(-currency_digits(order.get("currency") or ""))
    return unit * min(lines, 100)


def _adjustment(order: Mapping[str, Any], differences: Mapping[str, Decimal]) -> Decimal:
    if order.get("rounding_adjustment") is not None or "grand_total" not in differences:
        return _number(order, "rounding_adjustment")
    parts: Sequence[str] = ("untaxed_total", "tax_total")
    if all(name in differences for name in parts):
        return _number(order, "grand_total") - sum((_number(order, n) for n in parts), ZERO)
    return differences["grand_total"]
