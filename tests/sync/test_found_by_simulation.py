"""Histories in which the simulator once broke a promise, told as short as they can be.

The seeds themselves stay too: tests/simulation.
"""

from datetime import timedelta

import pytest

from hub.connector import Capabilities, WriteResult
from hub.jobs import runs
from hub.sync import steward
from hub.testing.memory import Wire
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"
IDEMPOTENT = Capabilities(idempotent_writes=True, deletes=True)


def only(system):
    (row,) = system.rows("customers").values()
    return row


def pair(world, **crm):
    systems = world.system("erp"), world.system("crm", **crm)
    for name in ("erp", "crm"):
        world.flow(f"{name}-customers", name, CODED)
    return systems


class Refusing(Wire):
    """Refuses every write."""

    def write(self, batch, apply):
        return [WriteResult.rejected(c.key, code="busy", message="not now") for c in batch]


def test_a_create_refused_when_it_is_sent_again_may_have_been_made_before(world):
    erp, crm = pair(world, capabilities=IDEMPOTENT)
    key = erp.put("customers", {"code": "C1", "name": "Ada"})
    crm.lose_answers, perfect = 1, crm.wire
    world.sync("erp-customers")
    jobs = world.jobs()
    runs.request(world.env, world.flows["crm-customers"], trigger="manual", full=False)
    while not crm.rows("customers"):
        jobs.step(world.clock.now(), schedules=False)
    crm.wire = Refusing()
    world.clock.sleep(timedelta(minutes=1))
    world.sync("crm-customers")
    crm.wire = perfect
    erp.put("customers", {"id": key, "name": "Ada Lovelace"})

    world.sync()
    world.sync()

    assert only(crm)["name"] == "Ada Lovelace"
    assert not world.rows("intent", state="open")


@pytest.mark.parametrize("tells_version", [True, False])
def test_the_first_write_to_a_row_that_was_read_does_not_wipe_what_came_after(world, tells_version):
    can = Capabilities(conditional_writes=True, patches=False)
    erp, crm = pair(world, capabilities=can, tells_version=tells_version)
    key = crm.put("customers", {"code": "C1", "name": "Ada", "phone": "1"})
    world.sync()
    erp.put("customers", {"id": only(erp)["id"], "name": "Ada Lovelace"})
    world.sync("erp-customers")
    runs.request(world.env, world.flows["crm-customers"], trigger="manual", full=False)
    jobs = world.jobs()
    jobs.step(world.clock.now(), schedules=False)  # reads
    crm.put("customers", {"id": key, "phone": "2"})

    world.sync()

    assert (only(crm)["name"], only(crm)["phone"]) == ("Ada Lovelace", "2")
    assert only(erp)["phone"] == "2"


def test_a_row_somebody_else_made_is_not_taken_for_our_lost_create(world):
    erp, crm = pair(world)
    erp.put("customers", {"code": "C1", "name": "Ada", "phone": "1"})
    world.sync("erp-customers")
    lost = Refusing()
    lost.write = lambda batch, apply: []  # no result, and nothing done
    perfect, crm.wire = crm.wire, lost
    jobs = world.jobs()
    runs.request(world.env, world.flows["crm-customers"], trigger="manual", full=False)
    for _ in range(2):
        jobs.step(world.clock.now(), schedules=False)
    crm.wire = perfect
    crm.put("customers", {"code": "C1", "name": "Grace", "phone": "2"})
    world.clock.sleep(timedelta(minutes=1))

    world.sync()

    told = {(c.field, c.ours, c.theirs) for c in world.rows("conflict")}
    assert {("name", '"Ada"', '"Grace"'), ("phone", '"1"', '"2"')} <= told


def test_a_row_deleted_there_while_an_edit_was_on_its_way_is_for_a_person_to_decide(world):
    erp, crm = pair(world)
    key = erp.put("customers", {"code": "C1", "name": "Ada"})
    world.sync()
    crm.remove("customers", only(crm)["id"])
    erp.put("customers", {"id": key, "name": "Ada Lovelace"})

    world.sync()

    (conflict,) = world.rows("conflict", state="open")
    assert conflict.kind == "delete"
    steward.conflict_resolve(world.env, conflict.id, "ours", None, by="user:ada")
    world.sync()
    assert only(crm)["name"] == "Ada Lovelace"


def test_a_conflict_about_a_part_of_an_object_changes_that_part_alone(world):
    erp, crm = world.system("erp"), world.system("crm")
    document = CODED.replace("from: city}", "from: city, policy: review}")
    street = "- {field: address.street, from: street}\n"
    for name in ("erp", "crm"):
        world.flow(f"{name}-customers", name, document.replace("match:", street + "match:"))
    key = erp.put("customers", {"code": "C1", "name": "Ada", "city": "Berlin", "street": "A 1"})
    world.sync()
    erp.put("customers", {"id": key, "city": "Bonn"})
    crm.put("customers", {"id": only(crm)["id"], "city": "Köln"})
    world.sync()
    (conflict,) = world.rows("conflict", state="open")

    steward.conflict_resolve(world.env, conflict.id, "theirs", None, by="user:ada")
    world.sync()

    assert only(erp)["city"] == only(crm)["city"] == "Köln"
    assert only(erp)["street"] == only(crm)["street"] == "A 1"
    assert world.rows("conflict")[0].ours == '"Bonn"'


def test_a_source_that_is_really_empty_can_be_approved(world):
    erp, _ = pair(world)
    key = erp.put("customers", {"code": "C1", "name": "Ada"})
    world.sync()
    erp.remove("customers", key)
    assert world.sync(full=True)["erp-customers"]["state"] == "failed"

    runs.resume(world.env, "erp-customers", approved=1)

    assert world.sync(full=True)["erp-customers"]["deleted"] == 1
    assert world.sync(full=True)["erp-customers"]["state"] == "done"


def test_a_flow_whose_writes_are_stuck_goes_on_reading(world):
    erp, _ = pair(world)
    erp.put("customers", {"code": "C1", "name": "Ada"})
    flow, jobs = world.flows["erp-customers"], world.jobs()
    first = runs.request(world.env, flow, trigger="schedule", full=False)
    jobs.step(world.clock.now(), schedules=False)
    (run,) = world.rows("run", id=first)
    assert run.phase == "push"

    again = runs.request(world.env, flow, trigger="schedule", full=False)

    assert again != first
    assert world.rows("run", id=first)[0].state == "superseded"


def test_a_full_schedule_comes_although_ordinary_runs_come_more_often(world):
    erp = world.system("erp")
    world.flow("erp-customers", "erp", CODED, schedule="every 1m", full_schedule="every 3m")
    erp.put("customers", {"code": "C1", "name": "Ada"})
    jobs, end = world.jobs(), world.clock.now() + timedelta(minutes=8)

    while world.clock.moment < end:
        wake_at = jobs.step(world.clock.now(), schedules=True)
        if wake_at is not None:
            world.clock.moment = max(world.clock.moment, wake_at)

    assert sum(1 for run in world.rows("run") if run.full_read) == 2


def test_a_link_is_journalled_with_the_version_its_record_has_by_then(world):
    erp, crm = pair(world)
    key = erp.put("customers", {"code": "C1", "name": "Ada"})
    world.sync("erp-customers")
    changed = crm.wire.answer

    def answer(kind):
        changed(kind)
        if kind == "write":
            erp.put("customers", {"id": key, "name": "Ada Lovelace"})
            runs.request(world.env, world.flows["erp-customers"], trigger="manual", full=False)
            world.jobs("other").step(world.clock.now(), schedules=False)

    crm.wire.answer = answer
    world.sync("crm-customers")

    versions = [line.version for line in world.rows("journal")]
    assert versions == sorted(versions)


def test_what_was_changed_while_a_row_was_gone_reaches_it_when_it_comes_back(world):
    erp, crm = pair(world)
    key = erp.put("customers", {"code": "C1", "name": "Ada"})
    erp.put("customers", {"code": "C2", "name": "Bob"})
    world.sync()
    other = next(k for k, row in crm.rows("customers").items() if row["code"] == "C1")
    erp.remove("customers", key)
    world.sync(full=True)
    crm.put("customers", {"id": other, "city": "Berlin"})
    world.sync()
    erp.put("customers", {"id": key, "code": "C1", "name": "Ada"})

    world.sync()

    assert erp.rows("customers")[key]["city"] == "Berlin"
    assert world.customer("C1")["status"] == "active"
