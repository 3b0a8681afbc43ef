"""Kingdee and a shop, two ways through the hub: created, changed on both sides, referred to, deleted."""

from datetime import timedelta
from decimal import Decimal

import pytest

from hub.connectors.kingdee_k3cloud import KingdeeK3Cloud
from tests.connectors.fakes import LiveWorld
from tests.connectors.stories import at_rest, beside

from .fake import FakeKingdee
from .test_contract import settings

CREATE = {
    "BD_MATERIAL": {"SubHeadEntity": {"FBaseUnitId": {"FNumber": "Pcs"}}},
    "SAL_SaleOrder": {
        "FBillTypeID": {"FNumber": "XSDD01_SYS"},
        "FSaleOrderEntry": {"FUnitID": {"FNumber": "Pcs"}},
    },
}


@pytest.fixture
def story(tmp_path):
    world = LiveWorld(f"sqlite:///{tmp_path}/hub.db")
    with FakeKingdee(world.clock) as erp:
        config = settings(erp, auth="secret", create=CREATE)
        world.live("kingdee_k3cloud", erp, lambda: KingdeeK3Cloud(config))
        beside(world, "kingdee_k3cloud", "customer", "product", "sales_order")
        yield world, erp, world.systems["shop"]
    world.store.close()


def only(system, stream):
    (row,) = system.rows(stream).values()
    return row


def test_a_customer_goes_both_ways_and_edits_of_both_sides_survive(story):
    world, erp, shop = story
    erp.put(
        "BD_Customer", FNumber="C1", FName="上海浦东", FTEL="021-50801234", FTRADINGCURRID="PRE001"
    )
    shop.put("customers", {"code": "C2", "name": "Alfreds", "currency": "USD"})

    world.sync()

    assert erp.row("BD_Customer", "C2")["FTRADINGCURRID"] == {"FNumber": "PRE007"}
    assert {r["code"] for r in shop.rows("customers").values()} == {"C1", "C2"}
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    erp.put("BD_Customer", FNumber="C2", FName="Alfreds Futterkiste")
    mine = next(r for r in shop.rows("customers").values() if r["code"] == "C2")
    shop.put("customers", {"id": mine["id"], "street": "Obere Str. 57"})
    world.sync()

    row = erp.row("BD_Customer", "C2")
    assert (row["FName"], row["FADDRESS"]) == ("Alfreds Futterkiste", "Obere Str. 57")
    assert shop.rows("customers")[mine["id"]]["name"] == "Alfreds Futterkiste"
    at_rest(world)


def test_an_order_arrives_with_its_customer_and_products(story):
    world, erp, shop = story
    erp.put("BD_Customer", FNumber="C1", FName="Ada")
    erp.put("BD_MATERIAL", FNumber="M1", FName="Chai", FBaseUnitId="Pcs")
    shop.put("products", {"code": "M2", "name": "Chang"})
    world.sync()
    ids = {
        s: {r["code"]: r["id"] for r in shop.rows(s).values()} for s in ("customers", "products")
    }
    lines = [
        {"line_no": 1, "product": ids["products"]["M1"], "qty": "2.5", "price": "11.30"},
        {"line_no": 2, "product": ids["products"]["M2"], "qty": "1", "price": "20"},
    ]
    shop.put(
        "orders",
        {
            "number": "O-1",
            "customer": ids["customers"]["C1"],
            "date": "2026-01-05",
            "currency": "CNY",
            "lines": lines,
        },
    )

    world.sync()

    order = erp.row("SAL_SaleOrder", "O-1")
    assert order["FCustId"] == {"FNumber": "C1"}
    assert [e["FMaterialId"]["FNumber"] for e in order["FSaleOrderEntry"]] == ["M1", "M2"]
    assert order["FBillAllAmount"] == Decimal("48.25")
    assert order["FSaleOrderEntry"][0]["FUnitID"] == {"FNumber": "Pcs"}
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    mine = only(shop, "orders")
    shop.put("orders", {"id": mine["id"], "lines": [{**lines[0], "qty": "3"}]})
    world.sync()

    (line,) = erp.row("SAL_SaleOrder", "O-1")["FSaleOrderEntry"]
    assert (line["FQty"], line["FUnitID"]["FNumber"]) == (3, "Pcs")
    assert line["FEntryID"] == order["FSaleOrderEntry"][0]["FEntryID"]
    at_rest(world)


def test_the_same_field_on_both_sides_is_a_conflict_that_the_policy_decides(story):
    world, erp, shop = story
    erp.put("BD_Customer", FNumber="C1", FName="Ada")
    world.sync()
    world.clock.sleep(timedelta(minutes=5))
    shop.put("customers", {"id": only(shop, "customers")["id"], "name": "Second"})
    world.clock.sleep(timedelta(seconds=5))
    erp.put("BD_Customer", FNumber="C1", FName="First")

    world.sync()

    assert erp.row("BD_Customer", "C1")["FName"] == only(shop, "customers")["name"]
    assert world.rows("conflict", state="decided")
    at_rest(world)


def test_a_lost_answer_to_a_create_makes_no_second_customer(story):
    world, erp, shop = story
    shop.put("customers", {"code": "C1", "name": "Ada"})
    erp.drop_next(applied=True)

    world.sync()
    world.clock.sleep(timedelta(minutes=5))
    world.sync()

    assert [r["FNumber"] for r in erp.tables["BD_Customer"].values()] == ["C1"]
    at_rest(world)


def test_a_deletion_there_is_found_by_a_complete_read_only(story):
    world, erp, _ = story
    for n in (1, 2, 3):
        erp.put("BD_Customer", FNumber=f"C{n}", FName=f"Ada {n}")
    world.sync()
    erp.remove("BD_Customer", "C2")

    part = world.sync("kingdee_k3cloud-customer")["kingdee_k3cloud-customer"]
    whole = world.sync("kingdee_k3cloud-customer", full=True)["kingdee_k3cloud-customer"]

    assert (part["deleted"], whole["deleted"]) == (0, 1)


def test_a_session_that_ends_in_the_middle_is_signed_in_to_once(story):
    world, erp, _ = story
    for n in range(5):
        erp.put("BD_Customer", FNumber=f"C{n}", FName=f"Ada {n}")
    world.sync()
    logins = erp.logins
    ended = iter([True])
    erp.before = lambda call: next(ended, None) and erp.end_sessions()
    erp.put("BD_Customer", FNumber="C1", FName="Changed")

    world.sync("kingdee_k3cloud-customer")

    assert world.customer("C1")["name"] == "Changed"
    assert erp.logins <= logins + 2
