"""See before it happens: a plan says what a sync then does, writes nothing, and is applied to the letter."""

import json

import pytest
from sqlalchemy import select

from hub.connector import Capabilities
from hub.errors import HubError, UnavailableError
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"
ORDER = """
entity: sales_order
stream: orders
key: id
modified: modified
rows:
- {field: number, from: number}
- {field: customer, from: customer, ref: customer}
- {field: doc_date, from: date, date: true}
- {field: currency, from: currency}
"""
OWN = {"plan", "plan_step"}


@pytest.fixture
def pair(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED)
    return world, erp, crm


def customers(system):
    return system.rows("customers")


def everything(world):
    """All that the hub has stored, but for plans."""
    with world.store.read() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(table)).all()))
            for name, table in world.store.metadata.tables.items()
            if name not in OWN
        }


def kinds(plan):
    return sorted((s["system"], s["direction"], s["kind"]) for s in plan["shown"])


def test_a_plan_shows_what_comes_in_and_what_that_leads_to_elsewhere(pair):
    world, erp, _crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada", "city": "Berlin"})

    plan = world.plan("erp-customers")

    assert kinds(plan) == [("crm", "out", "create"), ("erp", "in", "create")]
    incoming, outgoing = plan["shown"]
    assert incoming["changes"]["name"] == [None, "Ada"]
    assert outgoing["changes"]["city"] == [None, "Berlin"]
    assert outgoing["title"] == "C1 Ada"


def test_a_plan_changes_nothing_anywhere(pair):
    world, erp, crm = pair
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada"})
    world.sync()
    erp.put("customers", {"id": "7", "name": "Ada Lovelace"})
    crm.put("customers", {"code": "C2", "credit_limit": "much"})
    before, writes = everything(world), world.writes

    plan = world.plan(full=True)

    assert plan["matching"] == 3
    assert everything(world) == before
    assert world.writes == writes


def test_a_plan_leaves_no_copy_behind(pair, tmp_path):
    world, erp, _crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada"})

    world.plan()

    assert not (tmp_path / "copies").exists()
    if world.store.dialect == "postgresql":
        with world.store.read() as connection:
            found = connection.exec_driver_sql(
                "SELECT nspname FROM pg_namespace WHERE nspname ~ '^hub'"
            )
            assert not found.all()


def test_what_a_sync_would_refuse_is_in_the_plan_with_its_reasons(pair):
    world, erp, _crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada", "credit_limit": "much"})

    (step,) = world.plan()["shown"]

    assert (step["kind"], step["fields"]) == ("quarantine", ["credit_limit"])
    assert step["reasons"][0]["value"] == "much"


def test_a_conflict_is_in_the_plan_with_both_values(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED, policy="review")
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada"})
    world.sync()
    (key,) = customers(crm)
    erp.put("customers", {"id": "7", "name": "First"})
    crm.put("customers", {"id": key, "name": "Second"})

    plan = world.plan()

    (conflict,) = [s for s in plan["shown"] if s["kind"] == "conflict"]
    assert conflict["changes"] == {"name": ["First", "Second"]}
    done = world.apply(plan["plan"])
    assert not done["shown"]
    assert len(world.rows("conflict", state="open")) == 1


def test_apply_does_what_the_plan_says_and_a_second_time_nothing(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada", "credit_limit": "1.5"})
    crm.put("customers", {"code": "C2", "name": "Bob", "credit_limit": "much"})
    plan = world.plan()

    first = world.apply(plan["plan"])
    writes = world.writes
    second = world.apply(plan["plan"])

    assert first["progress"] == {"applied": 3} == second["progress"]
    assert world.writes == writes == 1
    assert {r["name"] for r in customers(crm).values()} == {"Ada", "Bob"}
    assert world.customer("C1")["credit_limit"] == "1.5"
    assert len(world.rows("parked", state="open")) == 1
    world.sync()
    assert world.writes == writes


@pytest.mark.parametrize("where", ["row", "hub row", "target"])
def test_apply_skips_exactly_what_moved(pair, where):
    world, erp, crm = pair
    for n in range(5):
        erp.put("customers", {"id": str(n), "code": f"C{n}", "name": f"Name {n}"})
    world.sync()
    there = {r["code"]: key for key, r in customers(crm).items()}
    for n in range(5):
        erp.put("customers", {"id": str(n), "name": f"New {n}"})
    plan = world.plan()
    if where == "row":
        erp.put("customers", {"id": "2", "name": "Moved"})
    elif where == "hub row":
        world.flow("web", "erp", CODED.replace("customers", "others"), direction="in")
        erp.put("others", {"id": "x", "code": "C2", "name": "Name 2", "phone": "1"})
        world.sync("web")
    else:
        crm.put("customers", {"id": there["C2"], "name": "Moved"})

    done = world.apply(plan["plan"])

    reasons = {
        "row": {("erp", "row-changed"), ("crm", "record-changed")},
        "hub row": {("erp", "record-changed"), ("crm", "differs")},  # the same version, by chance
        "target": {("crm", "row-changed")},
    }
    assert {(s["system"], s["why"]["code"]) for s in done["shown"]} == reasons[where]
    assert all("C2" in s["title"] for s in done["shown"])
    names = {code: customers(crm)[key]["name"] for code, key in there.items()}
    others = {code: name for code, name in names.items() if code != "C2"}
    assert others == {"C0": "New 0", "C1": "New 1", "C3": "New 3", "C4": "New 4"}
    assert names["C2"] == ("Moved" if where == "target" else "Name 2")


def test_a_row_made_by_hand_meanwhile_is_not_made_twice(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada"})
    plan = world.plan()
    crm.put("customers", {"code": "C1", "name": "Ada"})

    done = world.apply(plan["plan"])

    assert [s["why"]["code"] for s in done["shown"]] == ["row-there"]
    assert len(customers(crm)) == 1


def test_references_to_rows_that_the_plan_makes_are_followed(pair):
    world, erp, crm = pair
    world.flow("erp-orders", "erp", ORDER)
    world.flow("crm-orders", "crm", ORDER)
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada"})
    erp.put(
        "orders",
        {"id": "1", "number": "O1", "customer": "7", "date": "2026-01-05", "currency": "EUR"},
    )
    plan = world.plan()

    done = world.apply(plan["plan"])

    assert done["progress"] == {"applied": 4}, done["shown"]
    (order,) = crm.rows("orders").values()
    assert order["customer"] in customers(crm)


def test_deletes_are_planned_and_applied_unless_the_row_is_back(pair):
    world, erp, _crm = pair
    for n in range(3):
        erp.put("customers", {"id": str(n), "code": f"C{n}", "name": f"Name {n}"})
    world.sync()
    erp.remove("customers", "1")
    erp.remove("customers", "2")
    plan = world.plan("erp-customers", full=True)
    assert [s["kind"] for s in plan["shown"] if s["direction"] == "in"] == ["archive", "archive"]
    erp.put("customers", {"id": "2", "code": "C2", "name": "Name 2"})

    done = world.apply(plan["plan"])

    assert [(s["row"], s["why"]["code"]) for s in done["shown"] if s["direction"] == "in"] == [
        ("2", "row-back")
    ]
    assert world.customer("C1")["status"] == "inactive"
    assert world.customer("C2")["status"] == "active"


def test_an_interrupted_apply_goes_on_where_it_stopped(pair):
    world, erp, crm = pair
    for n in range(30):
        erp.put("customers", {"code": f"C{n}", "name": f"Name {n}"})
    crm.capabilities = Capabilities(write_batch=10)
    world.flow("crm-customers", "crm", CODED)
    plan = world.plan()
    crm.fail = []
    answers = iter([None, UnavailableError("the line is down", may_have_acted=True)])
    whole = crm.normalise

    def breaks(row):
        failure = next(answers, None)
        if failure is not None:
            crm.normalise = whole
            raise failure
        return whole(row)

    crm.normalise = breaks
    with pytest.raises(HubError):
        world.apply(plan["plan"])

    world.clock.sleep(world.env.settings.breaker.open)
    done = world.apply(plan["plan"])

    assert sorted(r["code"] for r in customers(crm).values()) == sorted(
        f"C{n}" for n in range(30)
    ), done


def test_a_plan_made_under_another_mapping_is_refused(pair):
    world, erp, _crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada"})
    plan = world.plan()
    world.flow("crm-customers", "crm", CODED + "# changed\n" + "where: {kind: a}\n")

    with pytest.raises(HubError, match="was changed after the plan"):
        world.apply(plan["plan"])

    assert world.writes == 0


def test_the_steps_can_be_chosen_by_system_kind_and_field(pair):
    from hub.sync import plans
    from hub.sync.plans import Filter

    world, erp, _crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada", "phone": "1"})
    erp.put("customers", {"code": "C2", "name": "Bob", "credit_limit": "much"})
    plan = world.plan()

    def chosen(**only):
        return [s["step"] for s in plans.show(world.env, plan["plan"], Filter(**only))["shown"]]

    assert chosen(system="crm") == [3]
    assert chosen(kind="quarantine") == [2]
    assert chosen(field="phone") == [1, 3]
    assert chosen(field="pho") == []
    assert json.dumps(plan)
