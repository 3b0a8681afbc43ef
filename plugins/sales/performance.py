"""S-6, S-7, S-9, S-13, S-14: targets, ranking, forecast, commission and channels, from orders.

An order counts in `confirmed`, `completed` or `closed`, on its document date, in company currency.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import select

from hub.api import Field, Hub, Params, fields, validate

from .entities import SUBJECTS
from .figures import ZERO, commission, concentration, ranks, ratio, rounded, smoothed
from .settings import Band

Rows = list[dict[str, Any]]
COUNTS = ("confirmed", "completed", "closed")
ATTAINMENT = (
    Field.text("code", "目标编号", "Target"),
    Field.text("subject", "对象", "Whose"),
    Field.decimal("target", "目标", "Target amount"),
    Field.decimal("actual", "实际", "Actual"),
    Field.decimal("attainment", "达成率", "Attained"),
    Field.decimal("time_gone", "时间进度", "Time gone"),
    Field.decimal("pace", "进度比", "Pace"),
    Field.decimal("projection", "预计完成", "Projection"),
    Field.decimal("required_per_day", "每日需完成", "Needed a day"),
    Field.decimal("growth", "同比增长", "On last year"),
    Field.decimal("undistributed", "未分解", "Not distributed"),
)
RANKING = (
    Field.integer("rank", "名次", "Rank"),
    Field.text("salesperson", "销售员", "Salesperson"),
    Field.decimal("amount", "金额", "Amount"),
    Field.decimal("target", "目标", "Target"),
    Field.decimal("attainment", "达成率", "Attained"),
    Field.decimal("commission", "提成", "Commission"),
    Field.list("ids", (), "记录", "Records"),
)
CHANNELS = (
    Field.text("channel", "渠道", "Channel"),
    Field.decimal("amount", "金额", "Amount"),
    Field.decimal("share", "占比", "Share"),
    Field.decimal("hhi", "集中度", "Concentration"),
)
FORECAST = (
    Field.text("month", "月份", "Month"),
    Field.decimal("actual", "实际", "Actual"),
    Field.decimal("forecast", "预测", "Forecast"),
)


class AsOfParams(Params):
    as_of = fields.Date(required=True)


class PeriodParams(Params):
    start = fields.Date(required=True, data_key="from")
    end = fields.Date(required=True, data_key="to")


class RankingParams(PeriodParams):
    by = fields.String(load_default="amount", validate=validate.OneOf(("amount", "attainment")))


class ForecastParams(PeriodParams):
    alpha = fields.Decimal(load_default=Decimal("0.3"), validate=validate.Range(0, 1))


# --------------------------------------------------------------------------------------- reports


def attainment(hub: Hub, *, as_of: date) -> Rows:
    """Every target whose period has begun on `as_of`, with what was attained up to it."""
    table = hub.table("sales_target")
    query = select(table).where(table.c.deleted_at.is_(None)).order_by(table.c.code, table.c.id)
    targets = hub.rows(query)
    children: dict[str, Decimal] = {}
    for t in targets:
        if t["parent"]:
            children[t["parent"]] = children.get(t["parent"], ZERO) + Decimal(t["target"])
    return [
        {
            "code": t["code"],
            "subject": t["subject"] or t["subject_kind"],
            **_attained(hub, t, as_of),
            "undistributed": Decimal(t["target"]) - children[t["code"]]
            if t["code"] in children
            else None,
        }
        for t in targets
        if date.fromisoformat(t["period_start"]) <= as_of
    ]


def _attained(hub: Hub, t: Mapping[str, Any], as_of: date) -> dict[str, Decimal | None]:
    start, end = date.fromisoformat(t["period_start"]), date.fromisoformat(t["period_end"])
    until = min(end, as_of)
    actual = _actual(hub, t, start, until)
    before = _actual(hub, t, _year_before(start), _year_before(until))
    growth = ratio(actual - before, before) if before else None
    return {**progress(Decimal(t["target"]), actual, start, end, as_of), "growth": growth}


def progress(
    target: Decimal, actual: Decimal, start: date, end: date, as_of: date
) -> dict[str, Decimal | None]:
    """How far a target is on a day, and what is left to do on each day that remains."""
    days = (end - start).days + 1
    elapsed = min((as_of - start).days + 1, days)
    attained = Fraction(actual) / Fraction(target) if target else None
    left = days - elapsed
    needed = (
        (Fraction(target) - Fraction(actual)) / left if left and target > actual else Fraction(0)
    )
    return {
        "target": target,
        "actual": actual,
        "attainment": ratio(actual, target),
        "time_gone": ratio(elapsed, days),
        "pace": None if attained is None else rounded(attained / Fraction(elapsed, days), 4),
        "projection": rounded(Fraction(actual) / elapsed * days, 2),
        "required_per_day": rounded(needed, 2),
    }


def ranking_report(bands: Sequence[Band]) -> Callable[..., Rows]:
    def ranking(hub: Hub, *, start: date, end: date, by: str) -> Rows:
        """Salespeople by what they sold, or by how far it is to their target; splits respected."""
        amounts, ids = _by_salesperson(_orders(hub, start, end))
        targets = _targets(hub, start, end)
        rows = []
        for name, amount in amounts.items():
            quota = targets.get(name)
            rows.append(
                {
                    "salesperson": name,
                    "amount": amount,
                    "target": quota,
                    "attainment": ratio(amount, quota) if quota else None,
                    "commission": commission(amount, quota, bands) if quota and bands else None,
                    "ids": ids[name],
                }
            )
        figures: list[Any] = [row[by] for row in rows]
        places = ranks(Decimal(-1) if figure is None else figure for figure in figures)
        ranked = [{"rank": place, **row} for place, row in zip(places, rows, strict=True)]
        return sorted(ranked, key=lambda row: (row["rank"], row["salesperson"]))

    return ranking


def channels(hub: Hub, *, start: date, end: date) -> Rows:
    """Sales by channel, with shares; the concentration (HHI) stands on every row."""
    amounts: dict[str, Decimal] = {}
    for order in _orders(hub, start, end):
        name = order["sales_channel"] or ""
        amounts[name] = amounts.get(name, ZERO) + order["base"]
    total, hhi = sum(amounts.values(), ZERO), concentration(amounts.values())
    ordered = sorted(amounts.items(), key=lambda one: (-one[1], one[0]))
    return [
        {"channel": name or "—", "amount": amount, "share": ratio(amount, total), "hhi": hhi}
        for name, amount in ordered
    ]


def forecast(hub: Hub, *, start: date, end: date, alpha: Decimal) -> Rows:
    """Order amount per month of the period, and the month after it, by exponential smoothing."""
    amounts = {month: ZERO for month in _months(start, end)}
    for order in _orders(hub, start, end):
        amounts[order["doc_date"][:7]] += order["base"]
    rows: Rows = []
    seen: list[Decimal] = []
    for month, amount in amounts.items():
        rows.append({"month": month, "actual": amount, "forecast": smoothed(seen, alpha)})
        seen.append(amount)
    following = (end.replace(day=1) + timedelta(days=32)).strftime("%Y-%m")
    return [*rows, {"month": following, "actual": None, "forecast": smoothed(seen, alpha)}]


# --------------------------------------------------------------------------------------- reading


def _orders(hub: Hub, start: date, end: date) -> Rows:
    """The orders of the period, with `base`: the amount in company currency."""
    table = hub.table("sales_order")
    names = (
        *("id", "doc_date", "customer", "department", "salesperson", "sales_team"),
        *("sales_channel", "grand_total", "grand_total_base", "exchange_rate", "ext"),
    )
    query = select(*(table.c[name] for name in names)).where(
        table.c.deleted_at.is_(None),
        table.c.status.in_(COUNTS),
        table.c.doc_date.between(start.isoformat(), end.isoformat()),
    )
    found = hub.rows(query.order_by(table.c.doc_date, table.c.id))
    return [{**order, "base": _base(order)} for order in found]


def _base(order: Mapping[str, Any]) -> Decimal:
    if order["grand_total_base"] is not None:
        return Decimal(order["grand_total_base"])
    rate = Decimal(order["exchange_rate"] or 1)
    return rounded(Decimal(order["grand_total"] or 0) * rate, 2)


def _by_salesperson(
    orders: Iterable[Mapping[str, Any]],
) -> tuple[dict[str, Decimal], dict[str, list[str]]]:
    """What each sold, and the ids of the orders behind it."""
    amounts: dict[str, Decimal] = {}
    ids: dict[str, list[str]] = {}
    for order in orders:
        for name, amount in _shares(order):
            amounts[name] = amounts.get(name, ZERO) + amount
            ids.setdefault(name, []).append(order["id"])
    return amounts, ids


def _shares(order: Mapping[str, Any]) -> list[tuple[str, Decimal]]:
    """Whose the order is, in parts that add up to it to the cent."""
    splits = (order["ext"] or {}).get("sales.splits") or ()
    if not splits:
        return [(order["salesperson"], order["base"])] if order["salesperson"] else []
    parts, left = [], order["base"]
    for split in splits[:-1]:
        part = rounded(order["base"] * Decimal(split["percent"]) / 100, 2)
        parts.append((split["user"], part))
        left -= part
    return [*parts, (splits[-1]["user"], left)]


def _actual(hub: Hub, target: Mapping[str, Any], start: date, end: date) -> Decimal:
    orders = _orders(hub, start, end)
    column, subject = SUBJECTS[target["subject_kind"]], target["subject"]
    counted = target["metric"] == "order_count"
    if target["subject_kind"] == "user":
        amounts, ids = _by_salesperson(orders)
        return Decimal(len(ids.get(subject, ()))) if counted else amounts.get(subject, ZERO)
    mine = [o for o in orders if not column or o[column] == subject]
    return Decimal(len(mine)) if counted else sum((o["base"] for o in mine), ZERO)


def _targets(hub: Hub, start: date, end: date) -> dict[str, Decimal]:
    """The targets of people for exactly this period."""
    table = hub.table("sales_target")
    query = select(table.c.subject, table.c.target).where(
        table.c.subject_kind == "user",
        table.c.metric == "order_amount",
        table.c.period_start == start.isoformat(),
        table.c.period_end == end.isoformat(),
        table.c.deleted_at.is_(None),
    )
    return {row["subject"]: Decimal(row["target"]) for row in hub.rows(query)}


def _year_before(day: date) -> date:
    leap = day.month == 2 and day.day == 29
    return day.replace(year=day.year - 1, day=28 if leap else day.day)


def _months(start: date, end: date) -> list[str]:
    found, day = [], start.replace(day=1)
    while day <= end:
        found.append(day.strftime("%Y-%m"))
        day = (day + timedelta(days=32)).replace(day=1)
    return found
