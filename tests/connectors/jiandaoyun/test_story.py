"""Jiandaoyun and a shop, two ways through the hub: created, changed on both sides, referred to, deleted."""

from datetime import timedelta

import pytest

from hub.connectors.jiandaoyun import Jiandaoyun
from tests.connectors.fakes import LiveWorld
from tests.connectors.stories import at_rest, beside

from .fake import FakeJiandaoyun
from .test_contract import settings


@pytest.fixture
def story(tmp_path):
    world = LiveWorld(f"sqlite:///{tmp_path}/hub.db")
    with FakeJiandaoyun(world.clock) as jdy:
        config = settings(jdy)
        world.live("jiandaoyun", jdy, lambda: Jiandaoyun(config))
        beside(world, "jiandaoyun", "customer", "product", "sales_order")
        yield world, jdy, world.systems["shop"]
    world.store.close()


def only(system, stream):
    (row,) = system.rows(stream).values()
    return row


def test_a_customer_goes_both_ways_and_edits_of_both_sides_survive(story):
    world, jdy, shop = story
    first = jdy.put("customer", code="C1", name="上海浦东", phone={"phone": "021-50801234"})
    shop.put("customers", {"code": "C2", "name": "Alfreds", "currency": "USD"})

    world.sync()

    assert jdy.by("customer", code="C2")["currency"] == "USD"
    assert {r["code"] for r in shop.rows("customers").values()} == {"C1", "C2"}
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    jdy.put("customer", first, name="上海浦东软件园")
    mine = next(r for r in shop.rows("customers").values() if r["code"] == "C1")
    shop.put("customers", {"id": mine["id"], "street": "郭守敬路498号"})
    world.sync()

    record = jdy.record("customer", first)
    assert (record["name"], record["address"]["detail"]) == ("上海浦东软件园", "郭守敬路498号")
    assert shop.rows("customers")[mine["id"]]["name"] == "上海浦东软件园"
    at_rest(world)


def test_an_order_arrives_with_its_customer_and_products(story):
    world, jdy, shop = story
    customer = jdy.put("customer", code="C1", name="Ada")
    shop.put("products", {"code": "P1", "name": "Chai"})
    world.sync()
    line = {"line_no": 1, "product": only(shop, "products")["id"], "qty": "2.5", "price": "11.3"}
    order = {
        "number": "O-1",
        "customer": only(shop, "customers")["id"],
        "date": "2026-01-05",
        "currency": "CNY",
        "lines": [line],
    }
    shop.put("orders", order)

    world.sync()

    record = jdy.by("sales_order", number="O-1")
    assert (record["customer"], record["doc_date"]) == (customer, "2026-01-04T16:00:00.000Z")
    assert record["lines"][0]["product"] == jdy.by("product", code="P1")["_id"]
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    lines = [{**record["lines"][0], "qty": 3.0}]
    jdy.put("sales_order", record["_id"], lines=lines)
    world.sync()

    assert only(shop, "orders")["lines"][0]["qty"] in ("3", 3)
    at_rest(world)


def test_a_conflict_is_decided_and_both_sides_agree(story):
    world, jdy, shop = story
    first = jdy.put("customer", code="C1", name="Ada")
    world.sync()
    world.clock.sleep(timedelta(minutes=5))
    shop.put("customers", {"id": only(shop, "customers")["id"], "name": "Second"})
    jdy.put("customer", first, name="First")

    world.sync()

    assert jdy.record("customer", first)["name"] == only(shop, "customers")["name"]
    assert world.rows("conflict", state="decided")
    at_rest(world)


def test_a_lost_answer_to_a_create_makes_no_second_record(story):
    world, jdy, shop = story
    shop.put("customers", {"code": "C1", "name": "Ada"})
    jdy.drop_next(applied=True)

    world.sync()
    world.clock.sleep(timedelta(hours=2))
    world.sync()

    assert [r["code"] for r in jdy.forms["customer"].records.values()] == ["C1"]
    at_rest(world)


def test_a_deletion_there_is_found_by_a_complete_read_only(story):
    world, jdy, _ = story
    ids = [jdy.put("customer", code=f"C{n}", name=f"Ada {n}") for n in (1, 2, 3)]
    world.sync()
    jdy.remove("customer", ids[1])

    part = world.sync("jiandaoyun-customer")["jiandaoyun-customer"]
    whole = world.sync("jiandaoyun-customer", full=True)["jiandaoyun-customer"]

    assert (part["deleted"], whole["deleted"]) == (0, 1)
