"""The formulas of sales, on plain numbers.  Rates keep 4 decimals; nothing over nothing is None."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from .settings import Band

ZERO = Decimal(0)


def ratio(part: Decimal | int, whole: Decimal | int, places: int = 4) -> Decimal | None:
    """part ÷ whole; None where the whole is 0."""
    if not whole:
        return None
    return rounded(Fraction(part) / Fraction(whole), places)


def rounded(value: Fraction | Decimal, places: int) -> Decimal:
    """Half up, as invoices are."""
    exact = Fraction(value)
    sign, exact = (-1, -exact) if exact < 0 else (1, exact)
    scaled = exact * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(sign * whole).scaleb(-places)


def velocity(
    n_open: int, won_amounts: Sequence[Decimal], cycles_days: Sequence[int], n_lost: int
) -> Decimal | None:
    """Value won per day: open × average won amount × win rate ÷ average cycle."""
    n_won = len(won_amounts)
    if not n_won or not sum(cycles_days):
        return None
    average = Fraction(sum(won_amounts, ZERO)) / n_won
    win_rate = Fraction(n_won, n_won + n_lost)
    cycle = Fraction(sum(cycles_days), len(cycles_days))
    return rounded(n_open * average * win_rate / cycle, 2)


def ranks(values: Iterable[Decimal]) -> list[int]:
    """Standard competition ranking, best first: 1, 1, 3."""
    found = list(values)
    return [1 + sum(other > value for other in found) for value in found]


def commission(
    amount: Decimal, quota: Decimal, bands: Sequence[Band], *, marginal: bool = True
) -> Decimal:
    """Commission on an amount.  Marginal: each band's rate on the part inside it; else one rate."""
    if not marginal:
        reached = [b for b in bands if amount >= b.start * quota]
        return (amount * reached[-1].rate if reached else ZERO).quantize(Decimal("0.01"))
    total = ZERO
    for band, following in zip(bands, [*bands[1:], None], strict=True):
        low = band.start * quota
        high = following.start * quota if following else max(amount, low)
        total += max(ZERO, min(amount, high) - low) * band.rate
    return total.quantize(Decimal("0.01"), ROUND_HALF_UP)


def smoothed(series: Sequence[Decimal], alpha: Decimal) -> Decimal | None:
    """The next value by simple exponential smoothing; None without any."""
    if not series:
        return None
    level = series[0]
    for value in series[1:]:
        level = alpha * value + (1 - alpha) * level
    return level.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def wape(actual: Sequence[Decimal], forecast: Sequence[Decimal]) -> Decimal | None:
    """Σ|actual − forecast| ÷ Σ|actual|."""
    missed = sum((abs(a - f) for a, f in zip(actual, forecast, strict=True)), ZERO)
    return ratio(missed, sum((abs(a) for a in actual), ZERO))


def median(values: Sequence[int]) -> Decimal | None:
    ordered = sorted(values)
    if not ordered:
        return None
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Decimal(ordered[middle])
    return Decimal(ordered[middle - 1] + ordered[middle]) / 2


def percentile(values: Sequence[int], share: Fraction) -> int | None:
    """Nearest rank: the smallest value with at least this share at or below it."""
    ordered = sorted(values)
    return ordered[max(0, -(-share * len(ordered) // 1) - 1)] if ordered else None


def concentration(amounts: Iterable[Decimal]) -> Decimal | None:
    """Herfindahl–Hirschman index: Σ share²."""
    found = list(amounts)
    total = sum(found, ZERO)
    if not total:
        return None
    return rounded(sum(((Fraction(a) / Fraction(total)) ** 2 for a in found), Fraction(0)), 4)
