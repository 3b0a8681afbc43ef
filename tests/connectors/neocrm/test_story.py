"""Neocrm and a shop, two ways through the hub: created, changed on both sides, referred to, deleted."""

from datetime import timedelta
from decimal import Decimal

import pytest

from hub.connectors.neocrm import Neocrm
from tests.connectors.fakes import LiveWorld
from tests.connectors.stories import at_rest, beside

from .fake import FakeNeocrm
from .test_contract import settings


@pytest.fixture
def story(tmp_path):
    world = LiveWorld(f"sqlite:///{tmp_path}/hub.db")
    with FakeNeocrm(world.clock) as crm:
        config = settings(crm, key_column="hubKey__c")
        world.live("neocrm", crm, lambda: Neocrm(config))
        beside(world, "neocrm", "customer", "product", "sales_order")
        yield world, crm, world.systems["shop"]
    world.store.close()


def only(system, stream):
    (row,) = system.rows(stream).values()
    return row


def account(crm, n, name):
    return crm.put("account", accountName=name, code__c=f"C{n}", entityType=11)


def test_a_customer_goes_both_ways_and_edits_of_both_sides_survive(story):
    world, crm, shop = story
    first = account(crm, 1, "上海浦东")
    shop.put("customers", {"code": "C2", "name": "Alfreds"})

    world.sync()

    assert crm.by("account", code__c="C2")["entityType"] == 11
    assert {r["code"] for r in shop.rows("customers").values()} == {"C1", "C2"}
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    crm.put("account", first, accountName="上海浦东软件园")
    mine = next(r for r in shop.rows("customers").values() if r["code"] == "C1")
    shop.put("customers", {"id": mine["id"], "street": "郭守敬路498号"})
    world.sync()

    record = crm.record("account", first)
    assert (record["accountName"], record["address"]) == ("上海浦东软件园", "郭守敬路498号")
    assert shop.rows("customers")[mine["id"]]["name"] == "上海浦东软件园"
    at_rest(world)


def test_an_order_arrives_with_its_lines_which_are_then_changed_one_by_one(story):
    world, crm, shop = story
    customer = account(crm, 1, "Ada")
    crm.put("product", productName="Chai", code__c="P1")
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

    record = crm.by("order", po="O-1")
    assert (record["accountId"], record["effectiveDate"]) == (customer, 1767542400000)
    first, second = crm.tables["orderProduct"].values()
    assert (first["quantity"], second["unitPrice"]) == (Decimal("2.5"), 20)
    at_rest(world)

    world.clock.sleep(timedelta(minutes=5))
    shop.put("orders", {"id": only(shop, "orders")["id"], "lines": [{**lines[0], "qty": "3"}]})
    writes = crm.writes
    world.sync()

    (line,) = crm.tables["orderProduct"].values()
    assert (line["id"], line["quantity"]) == (first["id"], 3)
    assert crm.writes == writes + 2
    at_rest(world)


def test_a_conflict_is_decided_and_both_sides_agree(story):
    world, crm, shop = story
    first = account(crm, 1, "Ada")
    world.sync()
    world.clock.sleep(timedelta(minutes=5))
    shop.put("customers", {"id": only(shop, "customers")["id"], "name": "Second"})
    crm.put("account", first, accountName="First")

    world.sync()

    assert crm.record("account", first)["accountName"] == only(shop, "customers")["name"]
    assert world.rows("conflict", state="decided")
    at_rest(world)


def test_a_lost_answer_to_a_create_makes_no_second_record(story):
    world, crm, shop = story
    shop.put("customers", {"code": "C1", "name": "Ada"})
    crm.drop_next(applied=True)

    world.sync()
    world.clock.sleep(timedelta(hours=1))
    world.sync()

    assert [r["code__c"] for r in crm.tables["account"].values()] == ["C1"]
    at_rest(world)


def test_a_deletion_there_is_found_by_a_complete_read_only(story):
    world, crm, _ = story
    ids = [account(crm, n, f"Ada {n}") for n in range(3)]
    world.sync()
    del crm.tables["account"][ids[1]]

    part = world.sync("neocrm-customer")["neocrm-customer"]
    whole = world.sync("neocrm-customer", full=True)["neocrm-customer"]

    assert (part["deleted"], whole["deleted"]) == (0, 1)


def test_an_order_whose_lines_were_cut_off_is_found_and_completed(story):
    world, crm, shop = story
    account(crm, 1, "Ada")
    crm.put("product", productName="Chai", code__c="P1")
    world.sync()
    product = only(shop, "products")["id"]
    lines = [{"line_no": n, "product": product, "qty": str(n), "price": "5"} for n in (1, 2)]
    order = {"number": "O-1", "customer": only(shop, "customers")["id"], "date": "2026-01-05"}
    shop.put("orders", {**order, "currency": "CNY", "lines": lines})
    cut = iter([False, True])  # the second line
    crm.before = lambda call: (
        call.path.endswith("orderProduct") and next(cut, False) and crm.drop_next(applied=False)
    )

    world.sync()
    world.clock.sleep(timedelta(minutes=10))
    world.sync()

    assert len(crm.tables["order"]) == 1
    assert [e["quantity"] for e in crm.tables["orderProduct"].values()] == [1, 2]
    at_rest(world)


def test_changed_lines_that_were_cut_off_are_gone_on_with(story):
    world, crm, shop = story
    account(crm, 1, "Ada")
    crm.put("product", productName="Chai", code__c="P1")
    world.sync()
    product = only(shop, "products")["id"]
    lines = [{"line_no": n, "product": product, "qty": str(n), "price": "5"} for n in (1, 2, 3)]
    order = {"number": "O-1", "customer": only(shop, "customers")["id"], "date": "2026-01-05"}
    shop.put("orders", {**order, "currency": "CNY", "lines": lines})
    world.sync()
    world.clock.sleep(timedelta(minutes=10))
    changed = [{**line, "qty": str(int(line["qty"]) + 5)} for line in lines]
    shop.put("orders", {"id": only(shop, "orders")["id"], "lines": changed})
    cut = iter([False, True])
    crm.before = lambda call: (
        call.method == "PATCH" and next(cut, False) and crm.drop_next(applied=False)
    )

    world.sync()
    world.clock.sleep(timedelta(minutes=10))
    world.sync()

    assert [e["quantity"] for e in crm.tables["orderProduct"].values()] == [6, 7, 8]
    assert [e["qty"] for e in only(shop, "orders")["lines"]] == ["6", "7", "8"]
    at_rest(world)
