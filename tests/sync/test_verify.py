"""Verify is silent on every honest history, and names every planted corruption."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, update

from hub.store.types import dump
from hub.sync import verify as verifying
from hub.sync.verify import findings, remote, verify
from hub.testing.world import CUSTOMER, World
from tests.sync.test_history import drawn_history

CODED = CUSTOMER + "match: [[code]]\n"
ORDER = """
entity: sales_order
stream: orders
key: id
modified: modified
rows:
- {field: number, from: no}
- {field: customer, from: customer, ref: customer}
- {field: currency, from: currency}
- {field: doc_date, from: day}
"""


@pytest.fixture
def settled(tmp_path):
    made = World(f"sqlite:///{tmp_path / 'hub.db'}")
    yield settle(made)
    made.store.close()


def settle(world):
    """Two systems, one customer in both, at rest."""
    erp, _crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED)
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada", "credit_limit": "12.50"})
    world.sync()
    assert list(findings(world.env)) == []
    return world


def spoil(world, statement):
    with world.store.write() as c:
        c.execute(statement)


def table(world, name):
    return world.store.metadata.tables[name]


def found(world):
    return {f.problem.code: f for f in findings(world.env)}


@pytest.mark.parametrize("seed", range(10, 12))
def test_no_honest_history_is_complained_of(world, seed):
    drawn_history(world, seed, lambda: None)

    complaints = [f for f in findings(world.env) if f.problem.code != "never-offered"]

    assert complaints == [], complaints


def spoil_party(**values):
    return lambda w: update(table(w, "party")).values(**values)


def spoil_link(**values):
    def statement(w):
        link, source = table(w, "link"), w.flows["crm-customers"].source_id
        return update(link).where(link.c.source_id == source).values(**values)

    return statement


def change_of(w, name):
    return next(iter(w.rows(name)))


MARK = {"version": 1, "due_at": "2026-01-01T00:00:00.000Z", "attempts": 0}
NOBODY = "00000000-0000-7000-8000-000000000000"
PLANTED = {
    "differs": (spoil_party(name="Eve"), "journal", True),
    "no-journal": (lambda w: delete(table(w, "journal")), "journal", False),
    "lost-record": (lambda w: delete(table(w, "party")), "journal", True),
    "link-to-nothing": (lambda w: update(table(w, "link")).values(record_id=NOBODY + ""), "links", True),
    "unreadable": (spoil_link(shadow="{"), "links", True),
    "link-lost": (lambda w: delete(table(w, "link")), "links", True),
    "link-unsaid": (spoil_link(external_id="99"), "links", True),
    "unsent": (
        spoil_link(
            shadow=dump({"name": "Old", "code": "C1"}),
            sent=None,
            row=dump({"name": "Old", "code": "C1", "id": "1"}),
        ),
        "outbox",
        True,
    ),
    "mark-of-no-flow": (
        lambda w: insert(table(w, "outbox")).values(
            flow="gone", record_id=change_of(w, "party").id, state="due", **MARK
        ),
        "outbox",
        True,
    ),
    "mark-of-no-record": (
        lambda w: insert(table(w, "outbox")).values(
            flow="crm-customers", record_id=NOBODY, state="due", **MARK
        ),
        "outbox",
        True,
    ),
    "waits-for-nothing": (
        lambda w: insert(table(w, "outbox")).values(
            flow="crm-customers", record_id=change_of(w, "party").id, state="waiting",
            waits_for=NOBODY, **MARK
        ),
        "outbox",
        True,
    ),
    "parked-unsaid": (
        lambda w: insert(table(w, "outbox")).values(
            flow="crm-customers", record_id=change_of(w, "party").id, state="parked", **MARK
        ),
        "outbox",
        True,
    ),
    "open-forgotten": (
        lambda w: update(table(w, "intent")).values(state="open"),
        "intents",
        True,
    ),
    "lost-count": (lambda w: update(table(w, "run")).values(counts='{"read": 5}'), "runs", False),
    "cursor-unreadable": (
        lambda w: update(table(w, "flow_state")).values(cursor="[1"), "cursors", True
    ),
    "cursor-of-another": (
        lambda w: update(table(w, "flow_state")).values(source_id=77), "cursors", True
    ),
    "lease-far": (
        lambda w: update(table(w, "source")).values(
            lease_owner="other:1:1", lease_until="2099-01-01T00:00:00.000Z"
        ),
        "leases",
        True,
    ),
    "merge-circle": (
        lambda w: update(table(w, "party")).values(merged_into=table(w, "party").c.id),
        "merges",
        False,
    ),
    "merge-lost": (spoil_party(merged_into=NOBODY), "merges", False),
}  # fmt: skip


@pytest.mark.parametrize("code", PLANTED)
def test_a_planted_corruption_is_found_named_and_mended(settled, code):
    planted(settled, code)


def test_the_same_on_both_databases(world):
    settle(world)
    for code in ("differs", "unsent", "waits-for-nothing", "link-lost"):
        planted(world, code)
        world.sync()


def planted(world, code):
    statement, check, mends = PLANTED[code]
    spoil(world, statement(world))

    known = found(world)

    assert code in known, sorted(known)
    finding = known[code]
    assert finding.check == check
    assert "{" not in str(finding.problem), str(finding.problem)
    assert finding.problem.hint
    assert (finding.repair is not None) == mends
    if mends:
        verify(world.env, jobs=world.jobs(), repair=True)
        assert code not in found(world)


def test_a_value_that_does_not_hold_is_found(settled):
    spoil(settled, update(table(settled, "party")).values(email="not\x07clean"))

    assert found(settled)["differs"]


def test_a_line_that_was_cut_out_of_the_journal_is_found(settled):
    world, erp = settled, settled.systems["erp"]
    for name in ("Ada L.", "Ada Lovelace"):
        world.clock.sleep(timedelta(minutes=5))
        erp.put("customers", {"id": "7", "name": name})
        world.sync()
    log = table(world, "journal")
    cut = next(r.seq for r in world.rows("journal") if '"Ada L."' in r.changes)
    spoil(world, delete(log).where(log.c.seq == cut))

    finding = found(world)["broken-chain"]

    assert '"Ada"' in str(finding.problem) and '"Ada L."' in str(finding.problem)


def test_repair_puts_the_record_back_through_the_one_door(settled):
    world = settled
    spoil(world, spoil_party(name="Eve")(world))

    done = verify(world.env, jobs=world.jobs(), repair=True)

    assert done["ok"] and done["mended"] == done["count"]
    assert world.customer("C1")["name"] == "Ada"
    assert any(r.reason == "verify" for r in world.rows("journal"))
    assert verify(world.env)["count"] == 0
    world.sync()
    assert {r["name"] for s in world.systems.values() for r in s.rows("customers").values()} == {
        "Ada"
    }


def test_a_lost_mark_is_made_again_and_the_system_told(settled):
    world = settled
    world.systems["erp"].put("customers", {"id": "7", "name": "Ada L."})
    world.sync("erp-customers")
    spoil(world, delete(table(world, "outbox")))
    world.sync()
    crm = world.systems["crm"]
    assert [r["name"] for r in crm.rows("customers").values()] == ["Ada"]

    verify(world.env, jobs=world.jobs(), repair=True)
    world.sync()

    assert [r["name"] for r in crm.rows("customers").values()] == ["Ada L."]


def test_a_row_that_waits_for_what_is_there_goes_on(world):
    shop = world.system("shop")
    world.flow("shop-customers", "shop", CUSTOMER)
    world.flow("shop-orders", "shop", ORDER, direction="in")
    shop.put(
        "orders", {"id": "9", "no": "O1", "customer": "1", "currency": "CNY", "day": "2026-01-02"}
    )
    world.sync("shop-orders")
    shop.put("customers", {"id": "1", "code": "C1", "name": "Ada"})
    world.sync("shop-customers")
    parked = table(world, "parked")
    spoil(world, delete(table(world, "sales_order")))
    spoil(
        world,
        delete(table(world, "journal")).where(table(world, "journal").c.entity == "sales_order"),
    )
    spoil(world, delete(table(world, "link")).where(table(world, "link").c.entity == "sales_order"))
    spoil(world, update(parked).values(state="open"))

    assert set(found(world)) == {"waits-for-what-is-there"}
    verify(world.env, jobs=world.jobs(), repair=True)

    assert len(world.rows("sales_order")) == 1
    assert found(world) == {}


def test_every_kind_of_difference_can_be_told_apart_and_is_listed(settled):
    spoil(settled, spoil_party(name="Eve")(settled))

    report = verify(settled.env)

    assert not report["ok"]
    (kind,) = [k for k in report["found"] if k["kind"] == "differs"]
    assert kind["count"] == 1 and kind["remedy"] and kind["examples"][0]["values"]["record"] == "C1"
    assert set(report["checks"]) == set(verifying.CHECKS)


def test_the_systems_are_compared_row_by_row(settled):
    world, erp = settled, settled.systems["erp"]
    erp.put("customers", {"id": "9", "code": "C9", "name": "Bob"})
    world.sync()
    erp.put("customers", {"id": "8", "code": "C8", "name": "Unread"})
    erp.put("customers", {"id": "7", "name": "Ada there"})
    crm = world.systems["crm"]
    (there,) = (k for k, r in crm.rows("customers").items() if r["code"] == "C9")
    crm.remove("customers", there)

    told = {f.problem.code: f for f in remote.compare(world.env, world._open, {})}

    assert set(told) == {"never-read", "changed-there", "gone-there"}
    assert "'8'" in str(told["never-read"].problem)
    assert "name" in str(told["changed-there"].problem)
    assert all("hub sync" in f.problem.hint for f in told.values())
    world.sync(full=True)
    world.sync()
    assert list(remote.compare(world.env, world._open, {})) == []


PARTIAL = """
entity: customer
stream: customers
key: id
modified: modified
match: [[code]]
rows:
- {field: code, from: code}
- {field: name, from: name}
- {field: address.city, from: city}
"""


def test_what_the_columns_of_a_system_cannot_hold_is_no_difference(tmp_path):
    """The CRM has no street: our address says more than its own ever can."""
    world = World(f"sqlite:///{tmp_path / 'hub.db'}")
    erp, crm = world.system("erp"), world.system("crm")
    whole = CUSTOMER.replace(
        "- {field: phone", "- {field: address.street, from: street}\n- {field: phone"
    )
    world.flow("erp-customers", "erp", whole + "match: [[code]]\n")
    world.flow("crm-customers", "crm", PARTIAL)
    crm.put("customers", {"code": "C1", "name": "Ada", "city": "Bonn"})
    erp.put("customers", {"code": "C1", "name": "Ada", "city": "Bonn", "street": "Am Markt 1"})
    world.sync()

    assert world.customer("C1")["address"] == {"city": "Bonn", "street": "Am Markt 1"}
    assert found(world) == {}
    world.store.close()
