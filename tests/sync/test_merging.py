"""Two records become one and two again: links, references and pending writes follow."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from hub.errors import HubError
from hub.model import ENTITIES
from hub.store import records
from hub.store.records import Record
from hub.sync import journal, leases, steward
from hub.sync.identity import merge_records, unmerge_records
from hub.sync.identity.survival import Choice
from hub.sync.journal import Proposal
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"
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
PARTY = ENTITIES["customer"]


@pytest.fixture
def shop(world):
    """Customers and orders in an ERP and a CRM; each knows Ada under a code of its own."""
    erp, crm = world.system("erp"), world.system("crm")
    for name in ("erp", "crm"):
        world.flow(f"{name}-customers", name, CODED)
        world.flow(f"{name}-orders", name, ORDER)
    return SimpleNamespace(world=world, erp=erp, crm=crm)


def put(system, code, **values):
    return system.put("customers", {"code": code, **values})


def order(system, number, customer):
    values = {"number": number, "customer": customer, "date": "2026-01-31", "currency": "EUR"}
    return system.put("orders", values)


def id_of(world, code):
    (row,) = [r for r in stored(world, "party").values() if r.values.get("customer_code") == code]
    return row.id


def stored(world, entity):
    with world.store.read() as c:
        ids = [r.id for r in c.execute(world.store.tables[entity].select())]
        return records.load(c, world.store, entity, ids)


def merge(world, one, other, **options):
    return merge_records(world.env, PARTY, one, other, by="user:ann", **options)


def unmerge(world, merged, **options):
    return unmerge_records(world.env, merged.merge_id, by="user:ann", **options)


def links(world):
    return {
        (r.source_id, r.external_id): (r.record_id, r.state, r.shadow) for r in world.rows("link")
    }


def at_rest(world):
    """Sync until nothing is written any more; how many writes it took."""
    before = world.writes
    world.sync()
    world.sync()
    after = world.writes
    world.sync(full=True)
    assert world.writes == after, "still writing at rest"
    return after - before


def two_adas(shop):
    """Ada as C1 in the ERP and as C2 in the CRM only, each with an order: two records so far."""
    world = shop.world
    put(shop.erp, "C1", name="Ada", phone="1", city="Berlin")
    put(shop.crm, "C2", name="Ada Lovelace", email="ada@example.com")
    world.sync()
    return id_of(world, "C1"), id_of(world, "C2")


def test_all_links_move_and_a_second_row_of_a_source_stays_known(shop):
    one, other = two_adas(shop)

    done = merge(shop.world, one, other, keep=one)

    now = shop.world.rows("link")
    assert {r.record_id for r in now} == {one}
    assert sorted(r.state for r in now) == ["active", "active", "merged", "merged"]
    assert (done.survivor, done.loser) == (one, other)
    loser = stored(shop.world, "party")[other]
    assert (loser.merged_into, loser.active, loser.deletion_reason) == (one, False, "merged")


def test_after_a_merge_all_systems_agree_and_nothing_is_written_at_rest(shop):
    one, other = two_adas(shop)
    merge(shop.world, one, other, keep=one, choices={"phone": Choice("survivor")})

    at_rest(shop.world)

    survivor = stored(shop.world, "party")[one].values
    assert (survivor["email"], survivor["phone"]) == ("ada@example.com", "1")
    for system in (shop.erp, shop.crm):
        row = next(r for r in system.rows("customers").values() if r["code"] == "C1")
        assert (row["email"], row["phone"], row["name"]) == (
            "ada@example.com",
            "1",
            survivor["name"],
        )


def test_orders_of_the_merged_customer_follow_in_every_system(shop):
    one, other = two_adas(shop)
    of_other = next(k for k, r in shop.erp.rows("customers").items() if r["code"] == "C2")
    of_one = next(k for k, r in shop.erp.rows("customers").items() if r["code"] == "C1")
    made = order(shop.erp, "SO1", of_other)
    shop.world.sync()

    done = merge(shop.world, one, other, keep=one)
    at_rest(shop.world)

    (record,) = stored(shop.world, "sales_order").values()
    assert record.values["customer"] == one and done.references == 1
    assert shop.erp.rows("orders")[made]["customer"] == of_one


def test_a_moved_row_needs_no_write_of_the_orders_that_refer_to_it(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED, direction="in")
    world.flow("erp-orders", "erp", ORDER)
    world.flow("crm-customers", "crm", CODED, direction="in")
    key = put(erp, "C1", name="Ada")
    put(crm, "C2", name="Ada")
    order(erp, "SO1", key)
    world.sync()

    merge(world, id_of(world, "C1"), id_of(world, "C2"), keep=id_of(world, "C2"))

    assert at_rest(world) == 0
    (record,) = stored(world, "sales_order").values()
    assert record.values["customer"] == id_of(world, "C2")


def test_merge_then_unmerge_is_the_identity(shop):
    one, other = two_adas(shop)
    order(shop.erp, "SO1", "2")
    shop.world.sync()
    put(shop.erp, "C1", id="1", phone="2")
    before = picture(shop.world)

    done = merge(shop.world, one, other)
    split = unmerge(shop.world, done)

    assert picture(shop.world) == before
    assert split.edits == []
    at_rest(shop.world)
    customers = sorted(r["code"] for r in shop.crm.rows("customers").values())
    assert customers == ["C1", "C2"]


def picture(world):
    """Records, links and references, without versions and times."""
    return {
        "records": {
            name: {
                i: (r.values, r.active, r.deleted_at, r.deletion_reason, r.merged_into)
                for i, r in stored(world, name).items()
            }
            for name in ("party", "sales_order")
        },
        "links": links(world),
        "intents": [(r.record_id, r.state) for r in world.rows("intent")],
        "conflicts": [(r.record_id, r.state) for r in world.rows("conflict")],
    }


def test_a_merge_again_after_an_unmerge_works(shop):
    one, other = two_adas(shop)
    first = merge(shop.world, one, other, keep=one)
    unmerge(shop.world, first)

    merge(shop.world, one, other, keep=one)

    at_rest(shop.world)
    assert stored(shop.world, "party")[other].merged_into == one
    with pytest.raises(HubError, match="no merge"):
        unmerge(shop.world, first)


def test_an_edit_after_the_merge_stays_with_the_survivor_and_is_reported(shop):
    one, other = two_adas(shop)
    done = merge(shop.world, one, other, keep=one)
    at_rest(shop.world)
    row = next(k for k, r in shop.erp.rows("customers").items() if r["code"] == "C1")
    put(shop.erp, "C1", id=row, phone="99")
    shop.world.sync()

    split = unmerge(shop.world, done)
    at_rest(shop.world)

    assert [(e.field, e.value, e.stays) for e in split.edits] == [("phone", "99", "survivor")]
    assert stored(shop.world, "party")[one].values["phone"] == "99"


def test_an_edit_of_the_losers_row_goes_with_the_loser(shop):
    one, other = two_adas(shop)
    done = merge(shop.world, one, other, keep=one)
    at_rest(shop.world)
    row = next(k for k, r in shop.crm.rows("customers").items() if r["code"] == "C2")
    put(shop.crm, "C2", id=row, phone="77")
    shop.world.sync()
    assert stored(shop.world, "party")[one].values["phone"] == "77"

    split = unmerge(shop.world, done)
    at_rest(shop.world)

    assert [(e.field, e.stays) for e in split.edits] == [("phone", "loser")]
    assert stored(shop.world, "party")[one].values["phone"] == "1"
    assert stored(shop.world, "party")[other].values["phone"] == "77"
    assert shop.crm.rows("customers")[row]["phone"] == "77"


def test_an_order_that_came_after_the_merge_goes_where_its_row_says(shop):
    one, other = two_adas(shop)
    done = merge(shop.world, one, other, keep=one)
    at_rest(shop.world)
    of_other = next(k for k, r in shop.crm.rows("customers").items() if r["code"] == "C2")
    order(shop.crm, "SO9", of_other)
    shop.world.sync("crm-orders")
    split = unmerge(shop.world, done)

    (record,) = stored(shop.world, "sales_order").values()
    assert (record.values["customer"], split.references) == (other, 1)
    at_rest(shop.world)


def test_rows_that_users_merged_in_their_system_are_one_record_there_too(shop):
    one, other = two_adas(shop)
    merge(shop.world, one, other, keep=one)
    at_rest(shop.world)
    of_one = next(k for k, r in shop.erp.rows("customers").items() if r["code"] == "C1")
    shop.erp.remove("customers", of_one)

    shop.world.sync(full=True)

    assert stored(shop.world, "party")[one].active
    (live,) = shop.world.rows("link", source_id=1, state="active")
    assert live.record_id == one and live.external_id != of_one
    at_rest(shop.world)


def test_the_code_of_a_merged_record_leads_to_the_survivor(shop):
    one, other = two_adas(shop)
    merge(shop.world, one, other, keep=one)

    for key in ("C2", other):
        shown = steward.show(shop.world.env, PARTY, key)
        assert (shown["id"], shown["asked_for"]) == (one, other)
        assert [m["loser"] for m in shown["merges"]] == [other]


def test_a_worker_in_the_middle_of_its_work_keeps_the_merge_waiting(shop):
    one, other = two_adas(shop)
    store, source = shop.world.store, shop.world.flows["erp-customers"].source_id
    now, length = shop.world.clock.now(), timedelta(seconds=7)
    with store.write() as connection:
        assert leases.acquire(connection, store, source, owner="w", now=now, length=length)

    with pytest.raises(HubError, match="being synced"):
        merge(shop.world, one, other)

    assert stored(shop.world, "party")[other].merged_into is None


def test_a_merged_record_cannot_be_merged_with_itself_or_with_nothing(shop):
    one, other = two_adas(shop)
    merge(shop.world, one, other)

    with pytest.raises(HubError, match="one record already"):
        merge(shop.world, one, other)
    with pytest.raises(HubError, match="no customer"):
        merge(shop.world, one, "nobody")


def test_a_create_whose_outcome_is_unknown_has_to_be_settled_first(shop):
    put(shop.erp, "C1", name="Ada")
    put(shop.erp, "C2", name="Ada")
    shop.crm.lose_answers = 1
    shop.world.sync("erp-customers")
    jobs = shop.world.jobs()
    one, other = id_of(shop.world, "C1"), id_of(shop.world, "C2")
    with shop.world.env.work("test", "test") as work:
        work.connection.execute(
            shop.world.store.metadata.tables["intent"].insert(),
            [
                {
                    "id": f"i{n}",
                    "flow": "crm-customers",
                    "source_id": shop.world.flows["crm-customers"].source_id,
                    "record_id": record_id,
                    "version": 1,
                    "op": "create",
                    "external_id": "",
                    "sent": "{}",
                    "at": work.at,
                    "state": "open",
                }
                for n, record_id in enumerate((one, other))
            ],
        )
    assert jobs

    with pytest.raises(HubError, match="not known yet"):
        merge(shop.world, one, other)


def make(world, entity, **values):
    """A record made in the hub itself."""
    with world.env.work("test", "user:ann") as work:
        record = Record(work.ids.new(), entity)
        proposal = Proposal(record, ENTITIES[entity], values, op="create")
        assert not journal.apply(work, [proposal]), proposal.problems
    return record.id


def test_lines_that_refer_to_a_merged_product_follow_and_go_back(world):
    one, other = (make(world, "product", name=n, sku=n) for n in ("A", "B"))
    lines = [{"line_no": 1, "product": other}, {"line_no": 2, "product": one}]
    order_id = make(
        world, "sales_order", number="1", doc_date="2026-01-31", currency="EUR", lines=lines
    )
    product = ENTITIES["product"]

    done = merge_records(world.env, product, one, other, by="user:ann", keep=one)

    of = stored(world, "sales_order")[order_id].values["lines"]
    assert [line["product"] for line in of] == [one, one]
    unmerge(world, done)
    of = stored(world, "sales_order")[order_id].values["lines"]
    assert [line["product"] for line in of] == [other, one]


def test_a_branch_that_is_merged_with_its_parent_is_not_its_own(world):
    head = make(world, "party", name="Head")
    branch = make(world, "party", name="Branch", parent=head)

    done = merge(world, branch, head, keep=branch)

    assert "parent" not in stored(world, "party")[branch].values
    unmerge(world, done)
    assert stored(world, "party")[branch].values["parent"] == head


@pytest.mark.parametrize("point", ["merge:before-commit", "unmerge:before-commit"])
def test_a_crash_in_the_middle_leaves_all_as_it_was(shop, point):
    one, other = two_adas(shop)
    done = merge(shop.world, one, other) if point.startswith("un") else None
    before = picture(shop.world)

    def crash(name):
        if name == point:
            raise ConnectionError("the power went")

    shop.world.fault = crash
    with pytest.raises(ConnectionError):
        unmerge(shop.world, done) if done else merge(shop.world, one, other)

    assert picture(shop.world) == before


def test_the_journal_says_what_was_merged_and_folds_to_the_records(shop):
    one, other = two_adas(shop)
    done = merge(shop.world, one, other)
    unmerge(shop.world, done)
    merge(shop.world, one, other)

    folded = {}
    for row in sorted(shop.world.rows("journal", entity="party"), key=lambda r: r.seq):
        values = folded.setdefault(row.record_id, {})
        for name, (old, new) in __import__("json").loads(row.changes).items():
            assert values.get(name, {"$active": True}.get(name)) == old
            values[name] = new

    for record in stored(shop.world, "party").values():
        values = {k: v for k, v in folded[record.id].items() if v is not None}
        assert values.pop("$active", True) == record.active
        assert values.pop("$merged_into", None) == record.merged_into
        assert {k: v for k, v in values.items() if not k.startswith("$")} == record.values
    ops = [r.op for r in shop.world.rows("journal") if r.op in ("merge", "unmerge")]
    assert ops == ["merge", "merge", "unmerge", "unmerge", "merge", "merge"]
