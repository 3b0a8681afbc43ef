"""Fxiaoke and a shop, two ways through the hub: created, changed on both sides, referred to, deleted."""

from datetime import timedelta

import pytest

from hub.connectors.fxiaoke import Fxiaoke
from tests.connectors.fakes import LiveWorld
from tests.connectors.stories import at_rest, beside

from .fake import USER, FakeFxiaoke
from .test_contract import settings


@pytest.fixture
def story(tmp_path):
    world = LiveWorld(f"sqlite:///{tmp_path}/hub.db")
    with FakeFxiaoke(world.clock) as crm:
        config = settings(crm)
        world.live("fxiaoke", crm, lambda: Fxiaoke(config))
        beside(world, "fxiaoke", "customer", "product", "sales_order")
        yield world, crm, world.systems["shop"]
    world.store.close()


def only(system, stream):
    (row,) = system.rows(stream).values()
    return row


def test_a_customer_goes_both_ways_and_edits_of_both_sides_survive(story):
    world, crm, shop = story
    first = crm.put(
        "AccountObj", name="上海浦东", account_no="C1", tel="021-50801234", owner=[USER]
    )
    shop.put("customers", {"code": "C2", "name": "Alfreds"})

    world.sync()

    assert crm.by("AccountObj", account_no="C2")["owner"] == [USER]
    assert {r["code"] for r in shop.rows("customers").values()} == {"C1", "C2"}
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    crm.put("AccountObj", first, name="上海浦东软件园")
    mine = next(r for r in shop.rows("customers").values() if r["code"] == "C1")
    shop.put("customers", {"id": mine["id"], "street": "郭守敬路498号"})
    world.sync()

    record = crm.record("AccountObj", first)
    assert (record["name"], record["address"]) == ("上海浦东软件园", "郭守敬路498号")
    assert shop.rows("customers")[mine["id"]]["name"] == "上海浦东软件园"
    at_rest(world)


def test_an_order_arrives_with_its_lines_which_are_then_changed_one_by_one(story):
    world, crm, shop = story
    customer = crm.put("AccountObj", name="Ada", account_no="C1", owner=[USER])
    crm.put("ProductObj", name="Chai", product_code="P1", owner=[USER])
    shop.put("products", {"code": "P2", "name": "Chang"})
    world.sync()
    ids = {r["code"]: r["id"] for r in shop.rows("products").values()}
    lines = [
        {"line_no": 1, "product": ids["P1"], "qty": "2.5", "price": "11.3"},
        {"line_no": 2, "product": ids["P2"], "qty": "1", "price": "20"},
    ]
    order = {"number": "O-1", "customer": only(shop, "customers")["id"], "date": "2026-01-05"}
    shop.put("orders", {**order, "currency": "CNY", "lines": lines})

    world.sync()

    record = crm.by("SalesOrderObj", name="O-1")
    assert (record["account_id"], record["order_time"]) == (customer, 1767542400000)
    first, second = crm.lines(record["_id"])
    assert (first["quantity"], second["sales_price"]) == ("2.5", "20")
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    mine = only(shop, "orders")
    shop.put("orders", {"id": mine["id"], "lines": [{**lines[0], "qty": "3"}]})
    writes = crm.writes
    world.sync()

    (line,) = crm.lines(record["_id"])
    assert (line["_id"], line["quantity"]) == (first["_id"], "3")
    assert crm.writes == writes + 3  # one changed, one invalidated and deleted
    at_rest(world)


def test_a_conflict_is_decided_and_both_sides_agree(story):
    world, crm, shop = story
    first = crm.put("AccountObj", name="Ada", account_no="C1", owner=[USER])
    world.sync()
    world.clock.sleep(timedelta(minutes=5))
    shop.put("customers", {"id": only(shop, "customers")["id"], "name": "Second"})
    crm.put("AccountObj", first, name="First")

    world.sync()

    assert crm.record("AccountObj", first)["name"] == only(shop, "customers")["name"]
    assert world.rows("conflict", state="decided")
    at_rest(world)


def test_a_lost_answer_to_a_create_makes_no_second_record(story):
    world, crm, shop = story
    shop.put("customers", {"code": "C1", "name": "Ada"})
    crm.drop_next(applied=True)

    world.sync()
    world.clock.sleep(timedelta(hours=2))
    world.sync()

    assert [r["account_no"] for r in crm.tables["AccountObj"].values()] == ["C1"]
    at_rest(world)


def test_an_invalidated_record_is_gone_after_a_complete_read(story):
    world, crm, _ = story
    ids = [
        crm.put("AccountObj", name=f"Ada {n}", account_no=f"C{n}", owner=[USER]) for n in range(3)
    ]
    world.sync()
    crm.put("AccountObj", ids[1], life_status="invalid")

    whole = world.sync("fxiaoke-customer", full=True)["fxiaoke-customer"]

    assert whole["deleted"] == 1


def test_a_token_that_ends_in_the_middle_is_renewed_once(story):
    world, crm, _ = story
    for n in range(3):
        crm.put("AccountObj", name=f"Ada {n}", account_no=f"C{n}", owner=[USER])
    world.sync()
    tokens = crm.tokens
    ended = iter([True])
    crm.before = lambda call: "data/query" in call.path and next(ended, None) and crm.end_tokens()

    run = world.sync("fxiaoke-customer")["fxiaoke-customer"]

    assert run["state"] == "done"
    assert crm.tokens <= tokens + 3
