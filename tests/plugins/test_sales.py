"""Sales management: every acceptance check of its features, with its numbers."""

from datetime import timedelta
from decimal import Decimal as D

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from hub.api import HubError, RefusedError
from hub.plugins.sales import figures
from hub.plugins.sales.performance import progress
from hub.plugins.sales.settings import Band

QPN = {
    "stages": [
        {"code": "Q", "probability": 0.1},
        {"code": "P", "probability": 0.3},
        {"code": "N", "probability": 0.6},
    ],
    "commission": [
        {"from": 0, "rate": 0.04},
        {"from": 0.8, "rate": 0.05},
        {"from": 1, "rate": 0.07},
        {"from": 1.25, "rate": 0.09},
    ],
}
BANDS = [Band(D(a), D(b)) for a, b in ((0, "0.04"), ("0.8", "0.05"), (1, "0.07"), ("1.25", "0.09"))]


@pytest.fixture
def hub(open_hub, database_url):
    return open_hub("sales", database_url, QPN)


def opportunity(hub, *moves, **values):
    """An opportunity that went through these stages; `lost` as the last one loses it."""
    given = {"amount": "1000", "expected_close_on": "2025-06-30", **values}
    record = hub.create("opportunity", {"name": "deal", **given})
    for move in moves:
        if move == "lost":
            record = hub.act("sales.lose", record["id"], {"reason": "price"})
        else:
            record = hub.act("sales.advance", record["id"], {"stage": move})
    return record


def order(hub, day, total, **values):
    given = {"doc_date": day, "currency": "CNY", "status": "confirmed", "grand_total": total}
    with hub.changes() as changes:
        draft = changes.create("sales_order", {**given, "status": "draft", **values})
        return changes.update("sales_order", draft["id"], {"status": "confirmed"})


@pytest.mark.filterwarnings("ignore:autogenerate skipping", "ignore:Skipped unsupported reflection")
def test_the_migrations_make_the_tables_that_the_entities_declare(hub):
    options = {"version_table": "alembic_version_sales", "compare_type": False}
    with hub.store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        found = compare_metadata(context, hub.store.metadata)
    assert [d for d in found if "alembic_version" not in str(d)] == []


# S-2


def lead(hub, **values):
    return hub.create("lead", {"name": "Needs valves", "contact_name": "李雷", **values})


def test_a_converted_lead_becomes_customer_contact_and_opportunity_once(hub):
    made = lead(hub, company_name="上海阀门有限公司", email="li@example.com", budget="5000")

    first = hub.act("sales.convert", made["id"])
    second = hub.act("sales.convert", made["id"])

    assert first == second
    assert all(first.values())
    assert hub.get("contact", first["contact"])["account"] == first["customer"]
    assert hub.get("opportunity", first["opportunity"])["amount"] == "5000"
    assert hub.get("lead", made["id"])["status"] == "converted"
    assert len(hub.rows(select(hub.table("opportunity").c.id))) == 1


def test_a_lead_of_a_known_company_adds_a_contact_and_no_second_company(hub):
    known = hub.create("customer", {"name": "Valves Ltd", "tax_id": "91310000MA1FL0000X"})
    made = lead(hub, company_name="VALVES", tax_id="91310000MA1FL0000X", phone="13800138000")

    became = hub.act("sales.convert", made["id"], {"opportunity": "false"})

    assert became["customer"] == known["id"]
    assert became["opportunity"] is None
    assert hub.get("contact", became["contact"])["account"] == known["id"]


def test_a_conversion_that_cannot_be_finished_leaves_nothing_behind(hub):
    made = lead(hub, company_name="X", owner="a", email="li@example.com")
    hub.update("lead", made["id"], {"status": "unqualified", "unqualified_reason": "spam"})

    with pytest.raises(RefusedError, match="cannot go from unqualified to 'qualified'"):
        hub.act("sales.convert", made["id"])

    assert hub.rows(select(hub.table("customer").c.id)) == []


def test_a_lead_that_nobody_can_reach_is_refused(hub):
    with pytest.raises(RefusedError, match="a lead needs a company, a person, a phone"):
        hub.create("lead", {"name": "?"})


def test_a_lead_that_is_none_needs_a_reason(hub):
    made = lead(hub)

    with pytest.raises(RefusedError, match="needs a reason"):
        hub.update("lead", made["id"], {"status": "unqualified"})


# S-3


def test_the_funnel_counts_what_ever_reached_a_stage(hub):
    opportunity(hub, "P", "N", "won")
    opportunity(hub, "P", "lost")
    opportunity(hub, "won")
    four = opportunity(hub)
    five = opportunity(hub, "P", "N")
    six = opportunity(hub, "P", "Q")

    rows = {row["stage"]: row for row in hub.report("sales.funnel")}

    assert [row["reached"] for row in rows.values()] == [6, 5, 3, 2]
    conversions = [row["conversion"] for row in rows.values()]
    assert conversions == [D("0.8333"), D("0.6000"), D("0.6667"), None]
    assert set(rows["Q"]["ids"]) == {four["id"], six["id"]}
    assert rows["P"]["open"] == 0
    assert rows["N"]["ids"] == [five["id"]]
    (totals,) = hub.report("sales.totals", {"as_of": "2099-01-01", "window_days": "99999"})
    assert totals["win_rate"] == D("0.6667")
    assert totals["overall"] == D("0.3333")


def test_the_stage_history_says_when_and_by_whom(hub, clock):
    made = opportunity(hub)
    clock.sleep(timedelta(days=3))
    moved = hub.acting_as("user:li").act("sales.advance", made["id"], {"stage": "P"})

    first, second = moved["stages"]
    assert first["to_stage"] == "Q"
    assert (second["from_stage"], second["to_stage"], second["by"]) == ("Q", "P", "user:li")
    assert {r["stage"]: r["days_mean"] for r in hub.report("sales.funnel")}["Q"] == D("3.00")


def test_a_stage_that_does_not_exist_is_refused_with_those_that_do(hub):
    made = opportunity(hub)

    with pytest.raises(RefusedError, match="there is no stage 'X'") as refused:
        hub.act("sales.advance", made["id"], {"stage": "X"})

    assert refused.value.problems[0].values["known"] == "Q, P, N, won"


def test_winning_needs_an_amount_and_a_date_and_makes_it_certain(hub):
    bare = hub.create("opportunity", {"name": "deal"})
    with pytest.raises(RefusedError, match="amount: an opportunity that is won needs this"):
        hub.act("sales.win", bare["id"])

    won = hub.act("sales.win", opportunity(hub)["id"])

    assert (won["stage"], won["probability"], won["forecast_category"]) == ("won", "1", "closed")
    assert won["closed_at"]


def test_losing_needs_a_reason(hub):
    made = opportunity(hub)

    with pytest.raises(RefusedError, match="lost needs a reason"):
        hub.update("opportunity", made["id"], {"status": "lost"})
    with pytest.raises(HubError, match="setting 'reason'"):
        hub.act("sales.lose", made["id"])


def test_what_was_won_by_mistake_goes_back_to_its_last_stage(hub):
    won = opportunity(hub, "N", "won")

    again = hub.update("opportunity", won["id"], {"status": "open"})

    assert (again["stage"], again["probability"], again.get("closed_at")) == ("N", "0.6", None)


# S-4


def test_velocity(hub, clock):
    for amount, days in (("20000", 20), ("30000", 30), ("10000", 40), ("40000", 30)):
        opened = (clock.now() - timedelta(days=days)).isoformat()
        opportunity(hub, "won", amount=amount, opened_at=opened)
    for _ in range(6):
        opportunity(hub, "lost")
    for _ in range(12):
        opportunity(hub)

    (row,) = hub.report("sales.totals", {"as_of": clock.now().date().isoformat()})

    assert row["win_rate"] == D("0.4000")
    assert row["velocity"] == D("4000.00")


# S-5


def test_weighted_pipeline_in_company_currency(hub):
    for amount, rate, probability in (
        ("100000", "1", "0.4"),
        ("20000", "7.2", "0.25"),
        ("50000", "1", "0.8"),
    ):
        opportunity(
            hub, amount=amount, exchange_rate=rate, probability=probability,
            probability_manual=True, forecast_category="commit",
        )  # fmt: skip
    opportunity(hub, expected_close_on="2025-07-01")

    rows = hub.report("sales.weighted", {"from": "2025-06-01", "to": "2025-06-30"})

    assert [row["category"] for row in rows] == ["commit", "total"]
    assert rows[-1]["weighted"] == D("116000.00")
    assert rows[-1]["amount"] == D("294000")
    assert figures.ratio(D(294000), D(500000) - D(300000), 2) == D("1.47")


def test_an_overdue_close_is_listed(hub):
    late = opportunity(hub, code="O1")
    opportunity(hub, expected_close_on="2025-07-15")

    rows = hub.report("sales.overdue", {"as_of": "2025-07-01"})

    assert [row["code"] for row in rows] == [late["code"]]


# S-6


def test_attainment_pace_projection_and_what_is_left():
    from datetime import date

    found = progress(D(1200000), D(540000), date(2025, 1, 1), date(2025, 12, 31), date(2025, 6, 30))

    assert found["attainment"] == D("0.4500")
    assert found["time_gone"] == D("0.4959")
    assert found["pace"] == D("0.9075")
    assert found["projection"] == D("1088950.28")
    assert found["required_per_day"] == D("3586.96")


def test_attainment_from_orders_with_growth_and_what_is_not_distributed(hub):
    year = {"period_start": "2025-01-01", "period_end": "2025-12-31"}
    hub.create(
        "sales_target", {"code": "T", "subject_kind": "company", "target": "1200000", **year}
    )
    for n, part in enumerate(("400000", "500000", "200000")):
        child = {"code": f"T{n}", "subject_kind": "user", "subject": f"u{n}", "target": part}
        hub.create("sales_target", {**child, "parent": "T", **year})
    order(hub, "2025-03-01", "1300000", salesperson="u0")
    order(hub, "2024-03-01", "1000000")

    rows = {r["code"]: r for r in hub.report("sales.attainment", {"as_of": "2025-12-31"})}

    assert rows["T"]["undistributed"] == D(100000)
    assert rows["T"]["growth"] == D("0.3000")
    assert rows["T0"]["actual"] == D("1300000.00")
    assert rows["T1"]["actual"] == D(0)


# S-7


def test_ranking_ties_by_amount_and_by_attainment(hub):
    sold = {"A": "120000", "B": "90000", "C": "100000", "D": "120000"}
    targets = {"A": "100000", "B": "75000", "C": "125000", "D": "150000"}
    period = {"from": "2025-06-01", "to": "2025-06-30"}
    for name, amount in sold.items():
        order(hub, "2025-06-10", amount, salesperson=name)
        hub.create(
            "sales_target",
            {
                "subject_kind": "user", "subject": name, "target": targets[name],
                "period_start": period["from"], "period_end": period["to"],
            },
        )  # fmt: skip

    by_amount = hub.report("sales.ranking", period)
    by_share = hub.report("sales.ranking", {**period, "by": "attainment"})

    assert [(r["salesperson"], r["rank"]) for r in by_amount] == [
        ("A", 1), ("D", 1), ("C", 3), ("B", 4)
    ]  # fmt: skip
    assert [(r["salesperson"], r["rank"], r["attainment"]) for r in by_share] == [
        ("A", 1, D("1.2000")), ("B", 1, D("1.2000")), ("C", 3, D("0.8000")), ("D", 3, D("0.8000"))
    ]  # fmt: skip


def test_a_shared_order_counts_for_each_in_their_part(hub):
    splits = [{"user": "A", "percent": "60"}, {"user": "C", "percent": "40"}]
    order(hub, "2025-06-10", "10000", salesperson="Z", **{"ext.sales.splits": splits})

    rows = hub.report("sales.ranking", {"from": "2025-06-01", "to": "2025-06-30"})

    assert {r["salesperson"]: r["amount"] for r in rows} == {"A": D(6000), "C": D(4000)}


# S-9


def test_forecast_by_smoothing(hub):
    for month, amount in enumerate((100, 110, 105, 120, 130), start=1):
        order(hub, f"2025-{month:02}-15", str(amount))

    rows = hub.report("sales.forecast", {"from": "2025-01-01", "to": "2025-05-31"})

    assert rows[-1] == {"month": "2025-06", "actual": None, "forecast": D("114.9640")}
    actual = [D(n) for n in (100, 110, 105)]
    assert figures.wape(actual, [D(n) for n in (90, 115, 105)]) == D("0.0476")


# S-11


def test_medians_and_percentiles():
    from fractions import Fraction

    cycles = [4, 6, 3, 9, 5, 7, 4]
    assert figures.median(cycles) == 5
    assert figures.percentile(cycles, Fraction(9, 10)) == 9


# S-13


def test_commission_by_bands():
    assert figures.commission(D(150000), D(100000), BANDS) == D("8200.00")
    assert figures.commission(D(140000), D(100000), BANDS) == D("7300.00")
    assert figures.commission(D(150000), D(100000), BANDS, marginal=False) == D("13500.00")
    assert figures.commission(D(0), D(100000), BANDS) == D("0.00")


def test_the_ranking_shows_the_commission(hub):
    order(hub, "2025-06-10", "150000", salesperson="A")
    hub.create(
        "sales_target",
        {
            "subject_kind": "user", "subject": "A", "target": "100000",
            "period_start": "2025-06-01", "period_end": "2025-06-30",
        },
    )  # fmt: skip

    (row,) = hub.report("sales.ranking", {"from": "2025-06-01", "to": "2025-06-30"})

    assert row["commission"] == D("8200.00")


# S-14


def test_channels_and_their_concentration(hub):
    for channel, amount in (("direct", "500000"), ("dealer", "300000"), ("shop", "200000")):
        order(hub, "2025-06-10", amount, sales_channel=channel)

    rows = hub.report("sales.channels", {"from": "2025-06-01", "to": "2025-06-30"})

    assert [r["share"] for r in rows] == [D("0.5000"), D("0.3000"), D("0.2000")]
    assert rows[0]["hhi"] == D("0.3800")


def test_nothing_over_nothing_is_no_number(hub):
    (row,) = hub.report("sales.totals", {"as_of": "2025-06-30"})

    assert (row["win_rate"], row["velocity"]) == (None, None)
    assert hub.report("sales.ranking", {"from": "2025-06-01", "to": "2025-06-30"}) == []
