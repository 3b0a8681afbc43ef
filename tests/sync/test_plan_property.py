"""What a plan says is what the sync that follows does: record by record, field by field."""

import json
import random

import pytest
from sqlalchemy import select

from hub.sync.capture import is_foreseen
from hub.testing.world import CUSTOMER, World

CODED = CUSTOMER + "match: [[code]]\n"
POLICIES = ("latest", "hub", "remote", "fill", "review")
NAMES = ("Ada", "Bob", "Zoë", "王晓雪", "", None, "x" * 30, "a\tb")
LIMITS = ("1", "2.50", "much", None, "-3", "99999999999999999999")


def edit(rng, system):
    """What a user of the system does: a new row, an edit, a delete."""
    rows = system.rows("customers")
    if rows and rng.random() < 0.15:
        system.remove("customers", rng.choice(sorted(rows)))
        return
    row = {"name": rng.choice(NAMES), "credit_limit": rng.choice(LIMITS)}
    row["city"] = rng.choice(("Bonn", "Köln", None))
    if rows and rng.random() < 0.6:
        chosen = rng.sample(sorted(row), rng.randint(1, 3))
        system.put("customers", {"id": rng.choice(sorted(rows)), **{k: row[k] for k in chosen}})
    else:
        system.put("customers", {"code": f"C{rng.randint(1, 12)}", **row})


def world_of(seed, url):
    rng = random.Random(seed)
    world = World(url, seed=seed)
    for name in ("erp", "crm", "shop"):
        world.system(name)
        world.flow(
            name,
            name,
            CODED,
            policy=rng.choice(POLICIES),
            direction=rng.choice(("both", "both", "both", "in") if name != "erp" else ("both",)),
        )
    for _ in range(rng.randint(0, 3)):
        for _ in range(rng.randint(1, 6)):
            edit(rng, rng.choice(list(world.systems.values())))
        world.sync(full=rng.random() < 0.3)
    for _ in range(rng.randint(1, 8)):
        edit(rng, rng.choice(list(world.systems.values())))
    return world, rng


def contents(world):
    return {
        name: {
            key: {k: v for k, v in row.items() if k not in ("modified", "version")}
            for key, row in system.rows("customers").items()
        }
        for name, system in world.systems.items()
    }


def planned(plan, skipped=()):
    """(into the hub, out of it, set aside, in conflict), without ids that are given later."""
    steps = [s for s in plan["shown"] if s["step"] not in skipped]
    hub = [s for s in steps if s["direction"] == "in"]
    kinds = ("create", "update", "echo", "archive", "delete", "link", "revive", "unlink")
    taken = [s for s in hub if s["kind"] in kinds and not is_foreseen(s["row"])]
    written = {}
    for s in (s for s in steps if s["direction"] == "out" and s["kind"] in kinds):
        # a row that is written twice: what it was before, what it is in the end
        first = written.setdefault((s["system"], s["row"]), (s["kind"], {}))
        for column, (old, new) in s["changes"].items():
            first[1][column] = [first[1].get(column, [old])[0], new]
    return (
        sorted(
            _text(s["kind"].replace("echo", "update"), s["flow"], s["row"], _timeless(s["changes"]))
            for s in taken
        ),
        sorted(
            _text(kind, system, "" if kind == "create" else row, changes)
            for (system, row), (kind, changes) in written.items()
        ),
        sorted(
            _text(s["kind"], s["flow"], s["row"], [p["code"] for p in s["reasons"]])
            for s in steps
            if s["kind"] in ("quarantine", "waiting")
        ),
        sorted(_text(s["flow"], s["row"], s["fields"]) for s in steps if s["kind"] == "conflict"),
    )


def done(world, before, seq, parked, conflicts):
    """The same of what really happened: from the journal, the rows of the systems, the tables."""
    entity = world.flows["erp"].entity
    tables = world.store.metadata.tables
    with world.store.read() as connection:
        journal = connection.execute(
            select(tables["journal"]).where(tables["journal"].c.seq > seq)
        ).all()
        aside = [
            r
            for r in connection.execute(select(tables["parked"])).all()
            if r.id not in parked and r.state == "open" and _content(r) not in parked.values()
        ]
        disputed = [
            r
            for r in connection.execute(select(tables["conflict"])).all()
            if r.id not in conflicts and r.state == "open"
        ]
    made = {
        (name, key)
        for name, rows in contents(world).items()
        for key in rows
        if key not in before[name]
    }
    hub = [
        _text(
            r.op,
            r.origin.partition(":")[2],
            r.external_id,
            _timeless(
                {entity.from_column.get(c, c): pair for c, pair in json.loads(r.changes).items()}
            ),
        )
        for r in journal
        if (r.origin.partition(":")[2], r.external_id) not in made
    ]
    return (
        sorted(hub),
        sorted(_remote_changes(before, contents(world))),
        sorted(
            _text(r.kind, r.flow, r.external_id, [p["code"] for p in json.loads(r.problems)])
            for r in aside
        ),
        sorted(_text(r.flow, r.external_id, [r.field]) for r in disputed),
    )


def _remote_changes(before, after):
    for name, rows in after.items():
        for key, row in rows.items():
            old = before[name].get(key)
            if old is None:
                yield _text("create", name, "", {c: [None, v] for c, v in row.items() if c != "id"})
            elif old != row:
                changes = {c: [old.get(c), v] for c, v in row.items() if old.get(c) != v}
                yield _text("update", name, key, changes)
        for key, row in before[name].items():
            if key not in rows:
                yield _text("delete", name, key, {c: [v, None] for c, v in row.items()})


def _timeless(changes):
    return {k: v for k, v in changes.items() if k != "$deleted_at"}


def _text(*parts):
    return json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)


def ids(world, table):
    return {r.id for r in world.rows(table)}


def aside_in(world):
    """What is set aside, by id; met again as it is, it is no news."""
    return {r.id: _content(r) if r.state == "open" else None for r in world.rows("parked")}


def _content(row):
    return (row.flow, row.external_id, row.row_hash, row.kind)


def last(world):
    return max((r.seq for r in world.rows("journal")), default=0)


@pytest.mark.parametrize("way", ["sync", "apply"])
@pytest.mark.parametrize("seeds", [range(8), range(8, 16)], ids=["a", "b"])
def test_a_plan_says_what_a_sync_does_and_apply_does_what_the_plan_says(tmp_path, seeds, way):
    effects = 0
    for seed in seeds:
        world, rng = world_of(seed, f"sqlite:///{tmp_path / f'{seed}.db'}")
        full = rng.random() < 0.5
        before, writes = contents(world), world.writes
        plan, skipped = world.plan(full=full), set()
        assert contents(world) == before and world.writes == writes
        start = last(world), aside_in(world), ids(world, "conflict")

        if way == "sync":
            world.sync(full=full)
        else:
            left = world.apply(plan["plan"])["shown"]
            # a create beside a row like it, which the sync makes: the row is in quarantine there
            assert all(s["why"]["code"] == "row-there" for s in left), (seed, left)
            skipped = {s["step"] for s in left}

        assert done(world, before, *start) == planned(plan, skipped), seed
        effects += plan["matching"]
        world.store.close()
    assert effects > 20
