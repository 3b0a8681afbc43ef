"""The journal is complete: folded to now it is the tables, folded to an instant it is what they were."""

import copy
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hub.model import ENTITIES
from hub.store import records
from hub.sync import history, listing, steward
from hub.sync.journal import Proposal, apply
from hub.testing.world import CUSTOMER
from hub.values.moments import moment_of

CODED = CUSTOMER + "match: [[code]]\n"
PRODUCT = """
entity: product
stream: products
key: id
modified: modified
rows:
- {field: code, from: code}
- {field: name, from: name}
"""


def tables(world, entity="party"):
    table = world.store.tables[entity]
    with world.store.read() as c:
        ids = [row[0] for row in c.execute(table.select().with_only_columns(table.c.id))]
        return records.load(c, world.store, entity, ids)


def folded(world, entity="party", at=None):
    with world.store.read() as c:
        lines = history.lines_of(c, world.store, list(tables(world, entity)), at=at)
    return {id_: history.fold(world.store, found) for id_, found in lines.items()}


def drawn_history(world, seed, on_step):
    """Two systems whose users make, edit and delete rows, with syncs between."""
    rng = random.Random(seed)
    erp, crm = world.system("erp"), world.system("crm", normalise=shout)
    world.flow("erp-customers", "erp", CODED, deletes=deletes(rng))
    world.flow("crm-customers", "crm", CODED, policy=rng.choice(["latest", "hub", "fill"]))
    for _ in range(6):
        for system in (erp, crm):
            keys = list(system.rows("customers"))
            for _ in range(rng.randrange(3)):
                key = rng.choice([None, *keys])
                row = {"id": key} if key else {"code": f"C{rng.randrange(1000)}", "name": "New"}
                for name in rng.sample(["name", "email", "phone", "city", "credit_limit"], 2):
                    row[name] = value(rng, name)
                row["tags"] = rng.choice([None, ["a"], ["b", "a"]])
                system.put("customers", row)
            if keys and rng.random() < 0.3:
                system.remove("customers", rng.choice(keys))
        world.sync(full=rng.random() < 0.5)
        on_step()
        world.clock.sleep(timedelta(seconds=rng.randrange(1, 5000)))


def shout(row):
    return {**row, "name": (row.get("name") or "").upper()}


def deletes(rng):
    from hub.settings import Deletes

    return Deletes(inbound=rng.choice(["archive", "delete", "detach", "ignore"]))


def value(rng, name):
    if name == "credit_limit":
        return str(rng.randrange(10**6) / 100)
    if name == "email":
        return rng.choice(["", "ada@example.com", "Bob@Example.com"])
    return rng.choice([None, "", "Ada", "张三", "e\u0301", 'O\'Hara; "x"', f"n{rng.randrange(99)}"])


@pytest.mark.parametrize("seed", range(3))
def test_the_journal_folds_to_the_tables_and_to_every_earlier_state(world, seed):
    snapshots = []

    def snap():
        snapshots.append((now(world), copy.deepcopy(tables(world))))

    drawn_history(world, seed, snap)

    assert len(tables(world)) > 1
    assert folded(world) == tables(world)
    for at, then in snapshots:
        with world.store.read() as c:
            assert history.records_at(c, world.store, "party", list(tables(world)), at) == then
        assert folded(world, at=at) == then


def now(world):
    from hub.store.tables import stamp

    return stamp(world.clock.now())


def test_the_lists_of_an_order_are_as_they_were(world):
    """Items live in a table of their own; the journal has the whole list."""
    entity = ENTITIES["product"]
    record = records.Record(world.env.ids.new(), "product")
    first = [{"sku": "A", "name": "One"}, {"sku": "B", "name": "Two"}]
    propose(world, record, {"code": "P1", "name": "Thing", "variants": first}, op="create")
    then = now(world)
    world.clock.sleep(timedelta(seconds=5))
    propose(world, record, {"variants": [first[1]]})
    propose(world, record, {"variants": None})

    with world.store.read() as c:
        (was,) = history.records_at(c, world.store, "product", [record.id], then).values()
    assert [v["sku"] for v in was.values["variants"]] == ["A", "B"]
    assert folded(world, "product") == tables(world, "product")
    assert "variants" not in tables(world, "product")[record.id].values
    assert entity.field["variants"].rows


def propose(world, record, changes, **options):
    with world.env.work("test", "user:ada") as work:
        refused = apply(work, [Proposal(record, ENTITIES[record.entity], changes, **options)])
    assert not refused, refused[0].problems


def test_a_record_is_shown_as_of_an_instant_also_under_its_old_code(world):
    erp = world.system("erp")
    world.flow("erp-customers", "erp", CODED)
    erp.put("customers", {"id": "7", "code": "OLD", "name": "Ada"})
    world.sync()
    then = now(world)
    world.clock.sleep(timedelta(hours=1))
    erp.put("customers", {"id": "7", "code": "NEW", "name": "Ada L."})
    world.sync()

    shown = steward.show_at(world.env, ENTITIES["customer"], "OLD", then)

    assert shown["record"]["name"] == "Ada" and shown["record"]["code"] == "OLD"
    assert [link["external_id"] for link in shown["links"]] == ["7"]
    assert steward.show_at(world.env, ENTITIES["customer"], "NEW", then)["record"]["code"] == "OLD"


def test_lists_are_filtered_and_paged_now_and_then(world):
    erp = world.system("erp")
    world.flow("erp-customers", "erp", CODED)
    for n in range(7):
        row = {"code": f"C{n}", "name": f"Name {n}", "city": "Berlin" if n % 2 else "Bonn"}
        erp.put("customers", {**row, "credit_limit": str(n * 100)})
    world.sync()
    then = now(world)
    world.clock.sleep(timedelta(hours=1))
    erp.put("customers", {"id": "1", "city": "Berlin"})
    erp.put("customers", {"code": "C9", "name": "Later", "city": "Berlin"})
    world.sync()

    def codes(*where, **options):
        found = listing.listed(world.env, ENTITIES["customer"], where=where, **options)
        return [r["code"] for r in found["records"]], found["next"]

    assert codes("address.city=berlin")[0] == ["C0", "C1", "C3", "C5", "C9"]
    assert codes("address.city=berlin", at=then)[0] == ["C1", "C3", "C5"]
    assert codes("credit_limit>=500")[0] == ["C5", "C6"]
    assert codes("name~later")[0] == ["C9"] and codes("name~later", at=then)[0] == []
    first, after = codes("address.city=Berlin", limit=2, at=then)
    assert first == ["C1", "C3"] and codes("address.city=Berlin", after=after, at=then)[0] == ["C5"]
    assert codes("code=c3")[0] == ["C3"]


NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h ago", "2026-03-10T10:00:00+00:00"),
        ("1d 12h ago", "2026-03-09T00:00:00+00:00"),
        ("2小时前", "2026-03-10T10:00:00+00:00"),
        ("3 天前", "2026-03-07T12:00:00+00:00"),
        ("昨天", "2026-03-09T15:59:59.999000+00:00"),
        ("yesterday 09:30", "2026-03-09T01:30:00+00:00"),
        ("昨天9:30", "2026-03-09T01:30:00+00:00"),
        ("today", "2026-03-10T12:00:00+00:00"),
        ("2026-01-31", "2026-01-31T15:59:59.999000+00:00"),
        ("2026-01-31T09:30", "2026-01-31T01:30:00+00:00"),
        ("2026-01-31 09:30-05:00", "2026-01-31T14:30:00+00:00"),
        ("now", "2026-03-10T12:00:00+00:00"),
    ],
)
def test_instants_are_understood_as_people_give_them(text, expected):
    assert moment_of(text, now=NOW, zone=SHANGHAI).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-02-30", "2h", "ago", "25:00", "2 moons ago", "9" * 400]
)
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(ValueError, match="not an instant"):
        moment_of(text, now=NOW, zone=SHANGHAI)


def test_the_future_is_not_known():
    with pytest.raises(ValueError, match="still to come"):
        moment_of("2026-03-11T00:00", now=NOW, zone=SHANGHAI)
