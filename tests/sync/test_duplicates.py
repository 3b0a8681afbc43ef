"""Records that look alike: found as rows come in, by a scan, explained, decided, remembered."""

from datetime import timedelta

import pytest

from hub.errors import HubError
from hub.model import ENTITIES
from hub.settings import Deletes, Likeness
from hub.store import records
from hub.sync import duplicates, leases, steward
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"
ENTITY = ENTITIES["customer"]
ADA = {"name": "Ada Lovelace Ltd", "email": "ada@engines.example", "city": "London"}


@pytest.fixture
def pair(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED, direction="in")
    return world, erp, crm


def with_mode(world, **options):
    world.flow("crm-customers", "crm", CODED, direction="in", duplicates=Likeness(**options))


def parties(world):
    with world.store.read() as c:
        ids = [r.id for r in c.execute(world.store.tables["party"].select())]
        return records.load(c, world.store, "party", ids)


def queue(world, state="open"):
    return steward.duplicates_list(world.env, None, state, 100)


def test_a_row_that_looks_like_a_record_becomes_its_own_and_is_shown_to_a_person(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", **ADA})
    world.sync()
    crm.put("customers", {"code": "X9", **ADA, "name": "ADA LOVELACE LIMITED"})

    world.sync()

    assert len(parties(world)) == 2
    (found,) = queue(world)
    assert found["score"] > 15 and {found["left"]["code"], found["right"]["code"]} == {"C1", "X9"}


def test_beyond_doubt_it_is_taken_for_that_record_where_the_flow_says_so(pair):
    world, erp, crm = pair
    with_mode(world, mode="auto")
    erp.put("customers", {"code": "C1", **ADA})
    world.sync()
    crm.put("customers", {"code": "X9", **ADA})

    counts = world.sync()["crm-customers"]

    (record,) = parties(world).values()
    assert counts["created"] == 0 and queue(world) == []
    assert len(world.rows("link", record_id=record.id)) == 2


def test_between_the_thresholds_a_person_decides_even_then(pair):
    world, erp, crm = pair
    with_mode(world, mode="auto", auto=30.0)
    erp.put("customers", {"code": "C1", **ADA})
    world.sync()
    crm.put("customers", {"code": "X9", **ADA})

    world.sync()

    assert len(parties(world)) == 2 and len(queue(world)) == 1


def test_where_only_keys_count_nothing_is_compared(pair):
    world, erp, crm = pair
    with_mode(world, mode="keys")
    erp.put("customers", {"code": "C1", **ADA})
    world.sync()
    crm.put("customers", {"code": "X9", **ADA})

    world.sync("crm-customers")

    assert queue(world) == [] and world.rows("match_feature") == []


def test_two_records_that_both_look_like_the_row_are_left_to_a_person(pair):
    world, erp, crm = pair
    with_mode(world, mode="auto")
    erp.put("customers", {"code": "C1", **ADA})
    erp.put("customers", {"code": "C2", **ADA})
    world.sync()
    crm.put("customers", {"code": "X9", **ADA})

    world.sync()

    assert len(parties(world)) == 3 and len(queue(world)) == 2


def test_a_row_that_is_fetched_because_an_order_refers_to_it_is_compared_too(world):
    orders = """
entity: sales_order
stream: orders
key: id
modified: modified
rows:
- {field: number, from: number}
- {field: doc_date, from: date}
- {field: currency, from: currency}
- {field: customer, from: customer, ref: customer}
"""
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED, direction="in")
    world.flow("crm-orders", "crm", orders, direction="in")
    world.flow("crm-customers", "crm", CODED, direction="in")
    erp.put("customers", {"code": "C1", **ADA})
    world.sync()
    key = crm.put("customers", {"code": "X9", **ADA})
    crm.put("orders", {"number": "1", "date": "2026-01-31", "currency": "EUR", "customer": key})

    world.sync("crm-orders")

    assert len(parties(world)) == 2 and len(queue(world)) == 1


def test_an_empty_hub_is_loaded_without_an_index(pair):
    world, erp, _ = pair
    erp.put("customers", {"code": "C1", **ADA})

    world.sync("erp-customers")

    assert world.rows("match_key") == [] and world.rows("match_state") == []


def test_different_tax_numbers_rule_a_match_out(world):
    document = CODED + "- {field: tax_id, from: tax_id}\n"
    document = CUSTOMER + "- {field: tax_id, from: tax_id}\nmatch: [[code]]\n"
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", document)
    world.flow("crm-customers", "crm", document, direction="in", duplicates=Likeness("auto"))
    erp.put("customers", {"code": "C1", "tax_id": "91110000600037341L", **ADA})
    world.sync()
    crm.put("customers", {"code": "X9", "tax_id": "914403001922038216", **ADA})

    world.sync()

    assert len(parties(world)) == 2 and queue(world) == []


def test_a_scan_finds_what_is_in_one_system_twice_and_raises_it_once(pair):
    world, erp, _ = pair
    erp.put("customers", {"code": "C1", **ADA})
    erp.put("customers", {"code": "C2", **ADA, "name": "Ada Lovelace"})
    erp.put("customers", {"code": "C3", "name": "Bob", "city": "London"})
    world.sync()
    events = []

    first = steward.duplicates_scan(world.env, ENTITY, events.append)
    second = steward.duplicates_scan(world.env, ENTITY, events.append)

    assert (first["records"], first["likely"], first["raised"]) == (3, 1, 1)
    assert second["raised"] == 0 and len(queue(world)) == 1
    assert {e["phase"] for e in events} >= {"scan"}


def test_the_parts_of_a_score_add_up_to_it(pair):
    world, erp, _ = pair
    erp.put("customers", {"code": "C1", **ADA, "phone": "+14155550101"})
    erp.put("customers", {"code": "C2", **ADA, "phone": "+14155550102"})
    world.sync()
    steward.duplicates_scan(world.env, ENTITY, lambda event: None)

    shown = steward.duplicates_next(world.env)

    parts = shown["explanation"]["parts"]
    assert round(sum(p["bits"] for p in parts), 2) == shown["score"]
    assert {p["trait"]: p["level"] for p in parts}["phone"] == "different"
    differing = {f["field"] for f in shown["fields"] if f["differs"]}
    assert differing == {"customer_code", "phone"}
    assert shown["left"]["links"][0]["connection"] == "erp"


def test_a_verdict_is_remembered_by_later_scans_and_blocks_a_merge(pair):
    world, erp, _ = pair
    for code in ("C1", "C2"):
        erp.put("customers", {"code": code, **ADA})
    world.sync()
    steward.duplicates_scan(world.env, ENTITY, lambda event: None)
    (found,) = queue(world)

    steward.duplicates_decide(world.env, found["id"], "distinct", by="user:ann")

    assert steward.duplicates_scan(world.env, ENTITY, lambda event: None)["raised"] == 0
    assert queue(world) == [] and steward.duplicates_next(world.env) is None
    with pytest.raises(HubError, match="not the same"):
        steward.merge(world.env, ENTITY, ("C1", "C2"), by="user:bob")
    steward.merge(world.env, ENTITY, ("C1", "C2"), by="user:bob", anyway=True)


def test_a_merge_that_would_join_two_that_were_called_distinct_is_blocked(pair):
    world, erp, _ = pair
    for code in ("C1", "C2", "C3"):
        erp.put("customers", {"code": code, **ADA})
    world.sync()
    steward.distinct(world.env, ENTITY, ("C1", "C2"), by="user:ann")
    steward.merge(world.env, ENTITY, ("C1", "C3"), by="user:ann", keep="C3")

    with pytest.raises(HubError, match="user:ann said"):
        steward.merge(world.env, ENTITY, ("C3", "C2"), by="user:ann")

    scanned = steward.duplicates_scan(world.env, ENTITY, lambda event: None)
    assert scanned["raised"] == 0


def test_a_verdict_outlives_the_records_it_was_made_of(pair):
    world, erp, crm = pair
    with_mode(world, mode="auto")
    erp.put("customers", {"id": "1", "code": "C1", **ADA})
    crm.put("customers", {"id": "7", "code": "X9", "name": "Ada Lovelace", "city": "London"})
    world.sync()
    steward.distinct(world.env, ENTITY, ("C1", "X9"), by="user:ann")
    with world.store.write() as c:  # the CRM's side is made anew: a rebuilt stream, say
        gone = world.rows("link", source_id=2)[0].record_id
        c.execute(
            world.store.metadata.tables["link"]
            .delete()
            .where(world.store.metadata.tables["link"].c.source_id == 2)
        )
        c.execute(
            world.store.tables["party"].delete().where(world.store.tables["party"].c.id == gone)
        )
    crm.put("customers", {"id": "7", "code": "X9", **ADA})

    world.sync()

    assert len(parties(world)) == 2


def test_a_pair_put_off_comes_last(pair):
    world, erp, _ = pair
    for code, name in (("C1", "Ada"), ("C2", "Ada"), ("D1", "Bob Dylan"), ("D2", "Bob Dylan")):
        erp.put(
            "customers", {"code": code, "name": name, "city": "X", "email": f"{name[:3]}@b.example"}
        )
    world.sync()
    steward.duplicates_scan(world.env, ENTITY, lambda event: None)
    first = steward.duplicates_next(world.env)

    steward.duplicates_decide(world.env, first["id"], "later", by="user:ann")

    second = steward.duplicates_next(world.env)
    assert second["id"] != first["id"]
    steward.duplicates_decide(world.env, second["id"], "distinct", by="user:ann")
    assert steward.duplicates_next(world.env)["id"] == first["id"]
    assert steward.duplicates_count(world.env) == {
        "open": 0, "later": 1, "distinct": 1, "merged": 0,
    }  # fmt: skip


def test_merging_a_pair_decides_it_and_an_unmerge_opens_it_again(pair):
    world, erp, _ = pair
    for code in ("C1", "C2"):
        erp.put("customers", {"code": code, **ADA})
    world.sync()
    steward.duplicates_scan(world.env, ENTITY, lambda event: None)
    (found,) = queue(world)

    done = steward.duplicates_merge(world.env, found["id"], by="user:ann", keep="left")

    assert queue(world) == [] and len(queue(world, "merged")) == 1
    assert done["survivor"] == found["left"]["id"]
    steward.unmerge(world.env, ENTITY, done["loser"], by="user:ann")
    assert len(queue(world)) == 1


def test_a_persons_choices_of_fields_win(pair):
    world, erp, _ = pair
    erp.put("customers", {"code": "C1", **ADA, "phone": "1"})
    erp.put("customers", {"code": "C2", **ADA, "phone": "2"})
    world.sync()

    done = steward.merge(
        world.env, ENTITY, ("C1", "C2"), by="user:ann", keep="C1",
        choices={"phone": "C1", "name": {"value": "Countess Lovelace"}, "code": "C2"},
    )  # fmt: skip

    values = parties(world)[done["survivor"]].values
    assert (values["phone"], values["name"], values["customer_code"]) == (
        "1", "Countess Lovelace", "C2",
    )  # fmt: skip
    assert done["reasons"]["phone"] == "chosen"


@pytest.mark.parametrize(
    ("choices", "message"),
    [({"colour": "C1"}, "no field"), ({"phone": "C9"}, "neither of the two")],
)
def test_a_choice_that_makes_no_sense_is_refused(pair, choices, message):
    world, erp, _ = pair
    for code in ("C1", "C2"):
        erp.put("customers", {"code": code, **ADA})
    world.sync()

    with pytest.raises(HubError, match=message):
        steward.merge(world.env, ENTITY, ("C1", "C2"), by="user:ann", choices=choices)


def test_the_index_follows_the_journal(pair):
    world, erp, _ = pair
    key = erp.put("customers", {"code": "C1", **ADA})
    world.sync()
    duplicates.catch_up(world.env, ENTITIES["party"])
    erp.put("customers", {"id": key, "name": "Grace Hopper"})
    world.sync()

    duplicates.catch_up(world.env, ENTITIES["party"])

    (row,) = world.rows("match_feature")
    assert "grace hopper" in row.features and row.version == 2
    erp.remove("customers", key)
    world.sync(full=True)


def test_weights_are_learnt_from_the_hubs_own_records(pair):
    world, erp, _ = pair
    words = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gum", "Hazel", "Ivy", "Juniper")
    for n in range(60):  # every firm twice, once in another city
        firm = {
            "name": f"{words[n // 2 % 10]} {words[n // 6]} Works",
            "email": f"f{n // 2}@m.example",
        }
        city = ("London", "Paris", "Rome", "Oslo")[(n // 2 + (n % 10 == 0)) % 4]
        erp.put("customers", {"code": f"C{n}", **firm, "city": city})
    world.sync()

    learnt = steward.duplicates_train(world.env, ENTITY, lambda event: None)
    again = steward.duplicates_train(world.env, ENTITY, lambda event: None, reset=True)

    assert learnt["learnt"]["pairs"] > 0 and learnt["weights"]["city"]["same"] != 3.25
    assert again["weights"]["city"]["same"] == 3.25 and again["learnt"] == {}


def test_a_pair_of_which_one_was_deleted_waits_for_nobody(pair):
    world, erp, _ = pair
    world.flow("erp-customers", "erp", CODED, deletes=Deletes(inbound="delete"))
    for code in ("C1", "C2"):
        erp.put("customers", {"code": code, **ADA})
    world.sync()
    steward.duplicates_scan(world.env, ENTITY, lambda event: None)
    (found,) = queue(world)
    erp.remove("customers", "1")

    world.sync(full=True)

    assert queue(world) == [] and steward.duplicates_next(world.env) is None
    with pytest.raises(HubError, match="was deleted"):
        steward.duplicates_show(world.env, found["id"])
    duplicates.catch_up(world.env, ENTITIES["party"])
    assert len(world.rows("match_feature")) == 1


def test_a_merge_waits_for_a_worker_to_finish(pair):
    world, erp, _ = pair
    for code in ("C1", "C2"):
        erp.put("customers", {"code": code, **ADA})
    world.sync()
    with world.store.write() as c:  # of a worker that died: it runs out after seven seconds
        leases.acquire(
            c, world.store, 1, owner="w", now=world.clock.now(), length=timedelta(seconds=7)
        )

    done = steward.merge(world.env, ENTITY, ("C1", "C2"), by="user:ann")

    assert parties(world)[done["loser"]].merged_into == done["survivor"]


def test_entities_without_traits_say_so(world):
    with pytest.raises(HubError, match="compared by"):
        steward.duplicates_scan(world.env, ENTITIES["uom"], lambda event: None)
