"""U8 and a shop, two ways through the hub: created, changed on both sides, referred to; orders once."""

from datetime import timedelta

import pytest

from hub.connectors.yonyou_u8 import YonyouU8
from tests.connectors.fakes import LiveWorld
from tests.connectors.stories import at_rest, beside

from .fake import FakeU8
from .test_contract import settings


@pytest.fixture
def story(tmp_path):
    world = LiveWorld(f"sqlite:///{tmp_path}/hub.db")
    with FakeU8(world.clock) as erp:
        config = settings(erp)
        world.live("yonyou_u8", erp, lambda: YonyouU8(config))
        beside(world, "yonyou_u8", "customer", "product", "sales_order")
        yield world, erp, world.systems["shop"]
    world.store.close()


def only(system, stream):
    (row,) = system.rows(stream).values()
    return row


def test_a_customer_goes_both_ways_and_edits_of_both_sides_survive(story):
    world, erp, shop = story
    erp.put("customer", code="C1", name="上海浦东", sort_code="02", self_define1="kept")
    shop.put("customers", {"code": "C2", "name": "Alfreds"})

    world.sync()

    assert erp.record("customer", "C2")["sort_code"] == "01"
    assert {r["code"] for r in shop.rows("customers").values()} == {"C1", "C2"}
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    erp.put("customer", code="C1", name="上海浦东软件园")
    mine = next(r for r in shop.rows("customers").values() if r["code"] == "C1")
    shop.put("customers", {"id": mine["id"], "street": "郭守敬路498号"})
    world.sync()

    record = erp.record("customer", "C1")
    assert (record["name"], record["address"]) == ("上海浦东软件园", "郭守敬路498号")
    assert (record["sort_code"], record["self_define1"]) == ("02", "kept")
    assert shop.rows("customers")[mine["id"]]["name"] == "上海浦东软件园"
    at_rest(world)


def test_an_order_is_created_once_and_its_change_is_set_aside(story):
    world, erp, shop = story
    erp.put("customer", code="C1", name="Ada", sort_code="01")
    erp.put("inventory", code="I1", name="Chai", sort_code="01")
    world.sync()
    line = {"line_no": 1, "product": only(shop, "products")["id"], "qty": "2.5", "price": "11.3"}
    order = {"number": "O-1", "customer": only(shop, "customers")["id"], "date": "2026-01-05"}
    shop.put("orders", {**order, "currency": "CNY", "lines": [line]})

    world.sync()

    record = erp.record("saleorder", "O-1")
    assert (record["custcode"], str(record["sum"])) == ("C1", "28.25")
    assert record["entry"][0]["bgift"] == 0
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    mine = only(shop, "orders")
    shop.put("orders", {"id": mine["id"], "lines": [{**line, "qty": "3"}]})
    run = world.sync()["yonyou_u8-sales_order"]

    assert run["written"]["rejected"] == 1
    assert erp.record("saleorder", "O-1")["entry"][0]["quantity"] != 3


def test_a_conflict_is_decided_and_both_sides_agree(story):
    world, erp, shop = story
    erp.put("customer", code="C1", name="Ada", sort_code="01")
    world.sync()
    world.clock.sleep(timedelta(minutes=5))
    shop.put("customers", {"id": only(shop, "customers")["id"], "name": "Second"})
    erp.put("customer", code="C1", name="First")

    world.sync()

    assert erp.record("customer", "C1")["name"] == only(shop, "customers")["name"]
    assert world.rows("conflict", state="decided")
    at_rest(world)


def test_a_lost_answer_to_a_create_makes_no_second_order(story):
    world, erp, shop = story
    erp.put("customer", code="C1", name="Ada", sort_code="01")
    erp.put("inventory", code="I1", name="Chai", sort_code="01")
    world.sync()
    line = {"line_no": 1, "product": only(shop, "products")["id"], "qty": "1", "price": "2"}
    order = {"customer": only(shop, "customers")["id"], "date": "2026-01-05"}
    shop.put("orders", {**order, "currency": "CNY", "lines": [line]})  # U8 gives the number
    erp.drop_next(applied=True)

    world.sync()
    world.clock.sleep(timedelta(minutes=10))
    world.sync()

    assert len(erp.tables["saleorder"]) == 1
    at_rest(world)


def test_a_deletion_there_is_found_by_a_complete_read_only(story):
    world, erp, _ = story
    for n in range(3):
        erp.put("customer", code=f"C{n}", name=f"Ada {n}", sort_code="01")
    world.sync()
    del erp.tables["customer"]["C1"]

    part = world.sync("yonyou_u8-customer")["yonyou_u8-customer"]
    whole = world.sync("yonyou_u8-customer", full=True)["yonyou_u8-customer"]

    assert (part["deleted"], whole["deleted"]) == (0, 1)


def test_a_relay_that_is_offline_is_waited_for(story):
    world, erp, shop = story
    shop.put("customers", {"code": "C1", "name": "Ada"})
    erp.offline = True
    world.sync()
    erp.offline = False
    world.clock.sleep(timedelta(minutes=30))

    world.sync()

    assert list(erp.tables["customer"]) == ["C1"]
    at_rest(world)
