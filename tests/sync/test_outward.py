"""Flows that only write, and what a system refuses."""

import pytest

from hub.errors import UnavailableError
from hub.settings import Deletes
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"


@pytest.fixture
def outward(world):
    erp, shop = world.system("erp"), world.system("shop")
    world.flow("erp-customers", "erp", CODED, direction="in")
    world.flow("shop-customers", "shop", CODED, direction="out")
    return world, erp, shop


@pytest.mark.parametrize("applied", [True, False])
def test_an_update_whose_answer_is_lost_arrives_once(outward, applied):
    world, erp, shop = outward
    key = erp.put("customers", {"code": "C1", "name": "Ada", "phone": "1"})
    world.sync()
    erp.put("customers", {"id": key, "phone": "2"})
    if applied:
        shop.lose_answers = 1
    else:
        shop.fail = [UnavailableError("the shop is closed")]

    world.sync()

    (row,) = shop.rows("customers").values()
    assert row["phone"] == "2"
    assert shop.writes == 2
    assert not world.rows("outbox") and not world.rows("intent", state="open")


def test_a_record_that_is_refused_again_is_on_the_list_once(outward):
    world, erp, _ = outward
    key = erp.put("customers", {"code": "C1", "name": "refuse me", "phone": "1"})
    world.sync()
    erp.put("customers", {"id": key, "phone": "2"})

    world.sync()

    assert len(world.rows("parked", state="open")) == 1
    assert len(world.rows("parked", state="replaced")) == 1


def test_a_delete_whose_answer_is_lost_is_no_conflict(world):
    keeps = Deletes(inbound="delete", outbound="delete")
    erp, shop = world.system("erp"), world.system("shop")
    world.flow("erp-customers", "erp", CODED, direction="in", deletes=keeps)
    world.flow("shop-customers", "shop", CODED, deletes=keeps)
    keys = [erp.put("customers", {"code": f"C{n}", "name": "Ada"}) for n in (1, 2)]
    world.sync()
    erp.remove("customers", keys[0])
    shop.lose_answers = 1

    world.sync(full=True)

    assert [r["code"] for r in shop.rows("customers").values()] == ["C2"]
    assert shop.writes == 3
    assert not world.rows("conflict") and not world.rows("intent", state="open")
    assert len(world.rows("link", state="ghost")) == 2
