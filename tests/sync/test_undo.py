"""What a run did is taken back, in the systems too, wherever nobody changed it since."""

import random
from datetime import timedelta

import pytest

from hub.connector import Capabilities
from hub.errors import HubError, NotFoundError
from hub.model import ENTITIES
from hub.settings import Brake, Deletes
from hub.store import records
from hub.sync.undo import Target, plan, undo
from hub.sync.verify import findings
from hub.testing.world import CUSTOMER, World
from tests.sync.test_history import drawn_history, propose, tables

CODED = CUSTOMER + "match: [[code]]\n"


@pytest.fixture
def world(tmp_path):
    made = World(f"sqlite:///{tmp_path / 'hub.db'}")
    yield made
    made.store.close()


@pytest.fixture
def pair(world):
    return joined(world)


@pytest.fixture
def on_both(database_url):
    made = World(database_url)
    yield joined(made)
    made.store.close()


def joined(world, **crm):
    world.system("erp"), world.system("crm", **crm)
    calm = Brake(field_share=1.0)
    world.flow("erp-customers", "erp", CODED, brake=calm)
    world.flow("crm-customers", "crm", CODED, brake=calm)
    put(world, "erp", id="7", code="C1", name="Ada", phone="1", city="Bonn", tags=["a"])
    world.sync()
    return world


def put(world, system, **row):
    world.clock.sleep(timedelta(minutes=10))
    world.systems[system].put("customers", row)


def names(world, field="name"):
    """The field in the hub and in both systems."""
    there = {
        s: [r[field] for r in world.systems[s].rows("customers").values()] for s in ("erp", "crm")
    }
    return [world.customer("C1").get(field), *there["erp"], *there["crm"]]


def edit(world, **row):
    """An edit in the ERP, and the run that takes it."""
    put(world, "erp", id="7", **row)
    return world.sync()["erp-customers"]["run"]


def take_back(world, run, *fields, **options):
    return undo(
        world.env, Target(run), fields, by="user:ada", progress=lambda event: None, **options
    )


def sound(world):
    found = [f for f in findings(world.env) if f.problem.code != "never-offered"]
    assert not found, [(str(f.problem), f.about) for f in found]
    return True


def test_an_update_goes_back_everywhere_and_so_does_its_undo(on_both):
    world = on_both
    run = edit(world, name="Eve", phone="2")
    assert names(world) == ["Eve", "Eve", "Eve"]

    done = take_back(world, run)
    world.sync()

    assert done["records"] == 1 and done["fields"] == 2 and done["refused"] == 0
    assert names(world) == ["Ada", "Ada", "Ada"] and names(world, "phone") == ["1", "1", "1"]
    assert take_back(world, run)["already"] == 2
    again = take_back(world, done["undo"])
    world.sync()
    assert again["fields"] == 2 and names(world) == ["Eve", "Eve", "Eve"]
    third = take_back(world, run)
    world.sync()
    assert third["fields"] == 2 and names(world) == ["Ada", "Ada", "Ada"]
    assert sound(world)


def test_what_was_edited_since_stays_and_is_named(pair):
    world = pair
    run = edit(world, name="Eve", phone="2")
    edit(world, name="Grace")

    shown = plan(world.env, Target(run))
    done = take_back(world, run)
    world.sync()

    for told in (shown, done):
        (refused,) = told["steps"][0]["refused"]
        assert refused["field"] == "name" and refused["values"]["origin"] == "flow:erp-customers"
        assert told["fields"] == 1 and told["refused"] == 1
    assert names(world) == ["Grace"] * 3 and names(world, "phone") == ["1"] * 3


def test_an_edit_back_to_the_same_value_is_an_edit(pair):
    world = pair
    run = edit(world, name="Eve")
    edit(world, name="Grace")
    edit(world, name="Eve")

    assert take_back(world, run)["refused"] == 1
    assert names(world) == ["Eve"] * 3


def test_a_plan_writes_nothing(pair):
    world = pair
    run = edit(world, name="Eve")
    before = tables(world), len(world.rows("journal")), world.rows("outbox"), world.rows("run")

    shown = plan(world.env, Target(run))

    assert (
        tables(world),
        len(world.rows("journal")),
        world.rows("outbox"),
        world.rows("run"),
    ) == before
    assert shown["undo"] is None and shown["systems"] == {
        "erp": {"written": 1},
        "crm": {"written": 1},
    }
    (step,) = shown["steps"]
    assert step["record"] == "C1"
    assert step["fields"] == [{"field": "name", "now": "Eve", "back": "Ada"}]


def test_only_the_fields_asked_for(pair):
    world = pair
    run = edit(world, name="Eve", phone="2")

    assert take_back(world, run, "phone")["fields"] == 1
    world.sync()

    assert names(world) == ["Eve"] * 3 and names(world, "phone") == ["1"] * 3


def test_one_line_of_the_journal(pair):
    world = pair
    edit(world, name="Eve")
    line = next(r for r in world.rows("journal") if '"Eve"' in r.changes)

    done = undo(world.env, Target(seq=line.seq), by="user:ada", progress=lambda e: None)
    world.sync()

    assert done["fields"] == 1 and names(world) == ["Ada"] * 3


def test_parts_of_an_object_and_members_of_a_set_go_back_beside_later_edits(pair):
    world = pair
    run = edit(world, city="Berlin", tags=["a", "b"])
    edit(world, tags=["a", "b", "c"])

    done = take_back(world, run)
    world.sync()

    assert done["refused"] == 0
    assert names(world, "city") == [None, "Bonn", "Bonn"]
    assert world.customer("C1")["address"] == {"city": "Bonn"}
    assert names(world, "tags") == [["a", "c"]] * 3


def test_items_of_a_list_go_back_beside_later_edits_of_others(world):
    record = records.Record(world.env.ids.new(), "product")
    first = [{"sku": "A", "name": "One"}, {"sku": "B", "name": "Two"}]
    propose(world, record, {"code": "P1", "name": "Thing", "variants": first}, op="create")
    run = world.env.ids.new()
    with world.env.work("test", "flow:x", run) as work:
        from hub.sync.journal import Proposal, apply

        changed = [{"sku": "A", "name": "Uno"}, {"sku": "C", "name": "Three"}]
        assert not apply(work, [Proposal(record, ENTITIES["product"], {"variants": changed})])
    now = [{"sku": "A", "name": "Uno"}, {"sku": "C", "name": "Three"}, {"sku": "D", "name": "Four"}]
    propose(world, record, {"variants": now})

    done = take_back(world, run)

    assert done["refused"] == 0 and done["fields"] == 1
    stored = tables(world, "product")[record.id].values["variants"]
    assert {v["sku"]: v["name"] for v in stored} == {"A": "One", "B": "Two", "D": "Four"}
    propose(world, record, {"variants": [{"sku": "A", "name": "Ein"}, *stored[1:]]})
    assert take_back(world, done["undo"])["refused"] == 1


def test_a_record_that_a_run_made_is_put_away_and_comes_back(on_both):
    world = on_both
    put(world, "erp", id="8", code="C8", name="Wrong")
    run = world.sync()["erp-customers"]["run"]

    done = take_back(world, run)
    world.sync(full=True)

    (record,) = [r for r in tables(world).values() if r.values["name"] == "Wrong"]
    assert not record.active and record.deleted_at is None
    assert done["systems"]["erp"] == {"left-out": 1}
    assert "8" in world.systems["erp"].rows("customers")
    assert [link.state for link in world.rows("link", external_id="8")] == ["ignored"]
    put(world, "erp", id="8", name="Still wrong")
    counts = world.sync()["erp-customers"]
    assert counts["skipped"] == 1 and not counts["created"]
    assert sound(world)

    take_back(world, done["undo"])
    world.sync(full=True)
    (record,) = [r for r in tables(world).values() if r.id == record.id]
    assert record.active and record.values["name"] == "Still wrong"
    assert [link.state for link in world.rows("link", external_id="8")] == ["active"]
    assert sound(world)


def test_a_row_made_elsewhere_is_deleted_there_where_the_policy_says_so(world):
    world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED, deletes=Deletes(inbound="delete"))
    world.flow("crm-customers", "crm", CODED, deletes=Deletes(outbound="delete"))
    put(world, "erp", id="8", code="C8", name="Wrong")
    run = world.sync()["erp-customers"]["run"]
    assert len(world.systems["crm"].rows("customers")) == 1

    done = take_back(world, run)
    world.sync()

    assert done["systems"]["crm"] == {"deleted-there": 1}
    assert world.systems["crm"].rows("customers") == {}
    assert list(world.systems["erp"].rows("customers")) == ["8"]
    take_back(world, done["undo"])
    world.sync()
    assert [r["name"] for r in world.systems["crm"].rows("customers").values()] == ["Wrong"]
    assert sound(world)


def test_a_delete_is_taken_back_and_the_row_made_again_if_asked(pair):
    world = pair
    put(world, "erp", id="8", code="C8", name="Stays")
    world.sync()
    world.clock.sleep(timedelta(hours=1))
    world.systems["erp"].remove("customers", "7")
    run = world.sync("erp-customers", full=True)["erp-customers"]["run"]
    assert not next(r for r in tables(world).values() if r.values["name"] == "Ada").active

    done = take_back(world, run)
    world.sync()

    assert done["systems"]["erp"] == {"gone-there": 1}
    assert next(r for r in tables(world).values() if r.values["name"] == "Ada").active
    assert list(world.systems["erp"].rows("customers")) == ["8"]
    again = take_back(world, done["undo"])
    assert again["records"] == 1
    take_back(world, run, remake=True)
    world.sync()
    there = sorted(r["name"] for r in world.systems["erp"].rows("customers").values())
    assert there == ["Ada", "Stays"]
    assert sound(world)


def test_systems_that_cannot_be_put_back_are_named_beforehand(world):
    joined(world, capabilities=Capabilities(updates=False))
    run = edit(world, name="Eve")

    assert plan(world.env, Target(run))["systems"] == {
        "erp": {"written": 1},
        "crm": {"no-updates": 1},
    }


def test_an_undo_that_was_killed_goes_on_where_it_stopped(tmp_path):
    class Killed(BaseException):
        pass

    world = World(f"sqlite:///{tmp_path / 'h.db'}")
    joined(world)
    for n in range(450):
        world.systems["erp"].put("customers", {"id": f"x{n:03}", "code": f"X{n}", "name": "Old"})
    world.sync("erp-customers")
    world.clock.sleep(timedelta(hours=1))
    for n in range(450):
        world.systems["erp"].put("customers", {"id": f"x{n:03}", "name": "New"})
    run = world.sync("erp-customers")["erp-customers"]["run"]
    seen = []

    def kill(name):
        seen.append(name)
        if name == "undo:before-commit" and seen.count(name) == 3:
            raise Killed

    world.fault = kill
    with pytest.raises(Killed):
        take_back(world, run)
    world.fault = lambda name: None
    done = take_back(world, run)

    undos = [r for r in world.rows("run") if r.trigger == "undo"]
    assert len(undos) == 1 and undos[0].state == "done"
    assert done["already"] == 200 and done["records"] == 250
    assert {r.values["name"] for r in tables(world).values()} == {"Old", "Ada"}
    assert sound(world)
    world.store.close()


def test_what_is_not_there_is_named(world):
    with pytest.raises(NotFoundError, match="no run"):
        plan(world.env, Target("nothing"))
    with pytest.raises(NotFoundError, match="no line 9"):
        plan(world.env, Target(seq=9))


def test_a_run_that_is_at_work_is_not_taken_back(pair):
    from hub.jobs import runs

    run = runs.request(pair.env, pair.flows["erp-customers"], trigger="manual", full=False)

    with pytest.raises(HubError, match="still at work"):
        plan(pair.env, Target(run))


@pytest.mark.parametrize("seed", range(20, 25))
def test_undoing_every_run_of_a_drawn_history_in_reverse_gives_back_every_state(tmp_path, seed):
    """The strongest law: each undo, in reverse order, restores what was before its run."""
    world = World(f"sqlite:///{tmp_path / 'h.db'}")
    drawn_history(world, seed, lambda: None)
    journaled = [r.run_id for r in world.rows("journal") if r.run_id]
    order = sorted(
        set(journaled), key=lambda run: -max(i for i, r in enumerate(journaled) if r == run)
    )
    rng = random.Random(seed)
    undone = []
    for run in order[: rng.randrange(3, 7)]:
        undone.append(take_back(world, run)["undo"])
        assert sound(world)
    after = {i: r.values for i, r in tables(world).items()}
    for run in reversed(undone):
        take_back(world, run)
        assert sound(world)
    for run in order[: len(undone)]:
        take_back(world, run)
    assert {i: r.values for i, r in tables(world).items()} == after
    world.store.close()
