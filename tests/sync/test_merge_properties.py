"""Whatever happened before, a merge taken back leaves no trace, and everything comes to rest."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import HubError
from hub.model import ENTITIES
from hub.store import records
from hub.sync.identity import merge_records, unmerge_records
from hub.sync.verify import findings
from hub.testing.world import CUSTOMER, World

CODED = CUSTOMER + "match: [[code]]\n"
ENTITY = ENTITIES["customer"]
ORDER = """
entity: sales_order
stream: orders
key: id
modified: modified
rows:
- {field: number, from: number}
- {field: doc_date, from: date}
- {field: currency, from: currency}
- {field: customer, from: customer, ref: customer}
match: [[number]]
"""
FIELDS = {
    "name": st.sampled_from(["Ada", "Ada Lovelace", "Bob"]),
    "phone": st.sampled_from(["1", "2", None]),
    "email": st.sampled_from(["a@x.example", "b@x.example", None]),
    "tags": st.sampled_from([["vip"], ["vip", "new"], None]),
}
ROWS = st.fixed_dictionaries(
    {"name": FIELDS["name"]}, optional={k: v for k, v in FIELDS.items() if k != "name"}
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["erp", "crm"]), st.sampled_from(["C1", "C2"]), ROWS), max_size=3
)


def world_of(first, second, steps, *, synced):
    """C1 from the ERP, C2 from the CRM, both in both, orders of both; then some edits."""
    world = World("sqlite://")
    for name in ("erp", "crm"):
        world.system(name)
        world.flow(f"{name}-customers", name, CODED)
        world.flow(f"{name}-orders", name, ORDER)
    world.systems["erp"].put("customers", {"code": "C1", **first})
    world.systems["crm"].put("customers", {"code": "C2", **second})
    world.sync()
    for name, system in world.systems.items():
        for number, row in enumerate(list(system.rows("customers").values())):
            values = {"number": f"{name}-{number}", "customer": row["id"]}
            system.put("orders", {**values, "date": "2026-01-31", "currency": "EUR"})
    world.sync()
    for name, code, row in steps:
        edit(world, name, code, row)
        if synced:
            world.sync(f"{name}-customers")
    return world


def edit(world, name, code, row):
    system = world.systems[name]
    for key, known in system.rows("customers").items():
        if known["code"] == code:
            system.put("customers", {"id": key, **row})


def stored(world, entity):
    with world.store.read() as c:
        ids = [r.id for r in c.execute(world.store.tables[entity].select())]
        return records.load(c, world.store, entity, ids)


def picture(world):
    """Everything a merge touches, without versions and times of change."""
    return {
        "records": {
            name: {
                i: (r.values, r.active, r.deleted_at, r.deletion_reason, r.merged_into)
                for i, r in stored(world, name).items()
            }
            for name in ("party", "sales_order")
        },
        "links": {
            (r.source_id, r.external_id): (r.record_id, r.state, r.shadow, r.sent, r.row)
            for r in world.rows("link")
        },
        "pending": {
            name: sorted((r.id, r.record_id, r.state) for r in world.rows(name))
            for name in ("intent", "conflict", "parked")
        },
    }


def marks(world):
    return {(r.flow, r.record_id) for r in world.rows("outbox")}


def pair(world):
    by_code = {r.values["customer_code"]: r.id for r in stored(world, "party").values()}
    return by_code["C1"], by_code["C2"]


def rests(world):
    for _ in range(3):
        world.sync()
    before = world.writes
    world.sync(full=True)
    assert world.writes == before, "still writing at rest"


def agree(world):
    """Every system holds what the hub holds, for every link that is live."""
    parties = stored(world, "party")
    for link in world.rows("link", state="active", entity="customer"):
        system = world.systems["erp" if link.source_id == 1 else "crm"]
        row = system.rows("customers")[link.external_id]
        for name in ("name", "phone", "email"):
            assert (row.get(name) or None) == parties[link.record_id].values.get(name), name


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROWS, ROWS, STEPS, st.booleans(), st.sampled_from(["", "C1", "C2"]))
def test_merge_then_unmerge_is_the_identity(first, second, steps, synced, keep):
    world = world_of(first, second, steps, synced=synced)
    one, other = pair(world)
    before, marked = picture(world), marks(world)

    done = merge_records(
        world.env, ENTITY, one, other, by="user:ann", keep={"C1": one, "C2": other}.get(keep, "")
    )
    assert stored(world, "party")[done.loser].merged_into == done.survivor
    split = unmerge_records(world.env, done.merge_id, by="user:ann")

    assert picture(world) == before
    assert split.edits == [] and marks(world) >= marked
    rests(world)
    agree(world)
    assert len(stored(world, "party")) == 2
    assert list(findings(world.env)) == []
    world.store.close()


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROWS, ROWS, STEPS, STEPS, st.booleans())
def test_after_a_merge_every_system_comes_to_rest_and_agrees(first, second, before, after, again):
    world = world_of(first, second, before, synced=False)
    one, other = pair(world)
    done = merge_records(world.env, ENTITY, one, other, by="user:ann")
    for name, code, row in after:
        edit(world, name, code, row)
        world.sync()

    rests(world)
    agree(world)
    assert {r.values["customer"] for r in stored(world, "sales_order").values()} == {done.survivor}
    if again:
        unmerge_records(world.env, done.merge_id, by="user:ann")
        rests(world)
        agree(world)
        customers = {r.values["customer"] for r in stored(world, "sales_order").values()}
        assert customers == {done.survivor, done.loser}
    assert list(findings(world.env)) == []
    world.store.close()


@pytest.mark.parametrize("key", ["nobody", ""])
def test_a_merge_with_a_record_that_is_not_there_changes_nothing(key):
    world = world_of({"name": "Ada"}, {"name": "Ada"}, [], synced=False)
    one, _ = pair(world)
    before = picture(world)

    with pytest.raises(HubError):
        merge_records(world.env, ENTITY, one, key, by="user:ann")

    assert picture(world) == before
    world.store.close()
