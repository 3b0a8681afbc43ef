"""A new flow only plans; a run that would do more than its limits stops before it does."""

import pytest

from hub.connector import Capabilities
from hub.jobs import runs
from hub.settings import Brake, Deletes, Limits
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"


def world_with(world, *, out=None, page=5, **brake):
    can = Capabilities(deletes=True, read_page=page, write_batch=page)
    erp, crm = world.system("erp", capabilities=can), world.system("crm", capabilities=can)
    world.flow("erp", "erp", CODED, brake=Brake(**brake), direction="in")
    world.flow("crm", "crm", CODED, brake=Brake(out=out or Limits(field_share=1.0)))
    return erp, crm


def fill(system, count, **values):
    for n in range(count):
        system.put("customers", {"id": f"{n:02}", "code": f"C{n}", "name": f"Name {n}", **values})


def test_an_observing_flow_plans_until_it_is_promoted(world):
    erp, crm = world_with(world)
    world.flow("crm", "crm", CODED, mode="observe")
    fill(erp, 3)

    first = world.sync()

    assert (first["erp"]["state"], first["crm"]["state"]) == ("done", "planned")
    assert world.writes == 0 and len(world.rows("party")) == 3
    planned = world.plan_of(first["crm"])
    assert {(s["system"], s["kind"]) for s in planned["shown"]} == {("crm", "create")}
    runs.promote(world.env, world.flows["crm"], mode="live")
    world.sync()
    assert len(crm.rows("customers")) == 3


def test_observing_flows_are_planned_together(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp", "erp", CODED, mode="observe")
    world.flow("crm", "crm", CODED, mode="observe")
    fill(erp, 2)

    done = world.sync()

    assert done["erp"]["plan"] == done["crm"]["plan"]
    assert not world.rows("party") and not crm.rows("customers")


@pytest.mark.parametrize(
    ("brake", "change", "kind", "most"),
    [
        ({"creates": 12}, "create", "creates", 12),
        ({"updates": 12}, "update", "updates", 12),
        ({"count": 3, "field_share": 0.5}, "update", "field", 15),
        ({"count": 3, "share": 0.1}, "delete", "deletes", 0),
    ],
)
def test_a_run_stops_before_it_goes_beyond_a_limit_of_the_hub(world, brake, change, kind, most):
    erp, _crm = world_with(world)
    if change != "create":
        fill(erp, 30)
        world.sync()
    world_with(world, **brake) if not erp.rows("customers") else world.flow(
        "erp", "erp", CODED, brake=Brake(**brake), direction="in"
    )
    erp = world.systems["erp"]
    before = max((r.seq for r in world.rows("journal")), default=0)
    if change == "delete":
        for n in range(20):
            erp.remove("customers", f"{n:02}")
    else:
        fill(erp, 30, phone="1") if change == "update" else fill(erp, 30)

    done = world.sync("erp", full=True)["erp"]

    assert (done["state"], done["error"]["code"]) == ("paused", "brake")
    assert done["error"]["values"]["kind"] == kind
    changed = [r for r in world.rows("journal") if r.seq > before]
    assert len(changed) <= most
    (plan,) = world.rows("plan", kind="brake")
    shown = world.plan_of({"plan": plan.id})
    extent = 20 if change == "delete" else 30
    mine = [s for s in shown["shown"] if s["direction"] == "in"]
    assert len(mine) + len(changed) == extent

    world.apply(plan.id)

    total = [r for r in world.rows("journal", external_id=None) if r.seq > before]
    assert not total
    moved = {r.record_id for r in world.rows("journal") if r.seq > before and r.source_id == 1}
    assert len(moved) == extent
    assert world.sync("erp")["erp"]["state"] == "done"


@pytest.mark.parametrize("kind", ["creates", "updates", "deletes"])
def test_a_run_stops_before_it_writes_beyond_a_limit_of_the_system(world, kind):
    limits = {"deletes": Limits(count=3, share=0.1)}.get(kind) or Limits(**{kind: 12})
    erp, crm = world_with(world, out=limits)
    if kind != "creates":
        open_ = Limits()
        world.flow("crm", "crm", CODED, brake=Brake(out=open_))
        fill(erp, 30)
        world.sync()
        deletes = {"deletes": Deletes("delete", "delete")} if kind == "deletes" else {}
        world.flow("crm", "crm", CODED, brake=Brake(out=limits), **deletes)
        world.flow("erp", "erp", CODED, direction="in", brake=Brake(100, 1, 1), **deletes)
    before = crm.writes
    if kind == "deletes":
        for n in range(20):
            erp.remove("customers", f"{n:02}")
    else:
        fill(erp, 30, phone="1")

    done = world.sync(full=True)["crm"]

    assert (done["state"], done["error"]["values"]["kind"]) == ("paused", kind)
    assert crm.writes - before <= 12
    (plan,) = world.rows("plan", kind="brake")
    extent = 20 if kind == "deletes" else 30
    world.apply(plan.id)
    assert crm.writes - before == extent
