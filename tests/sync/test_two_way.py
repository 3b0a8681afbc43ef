"""Two systems and the hub between them: nothing lost, nothing made twice, no write at rest."""

from datetime import timedelta

import pytest

from hub.connector import Capabilities
from hub.errors import AuthError, RateLimitError, UnavailableError
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"


@pytest.fixture
def pair(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED)
    return world, erp, crm


def only(system):
    (row,) = system.rows("customers").values()
    return row


def test_a_new_row_arrives_in_the_other_system_once(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada", "city": "Berlin", "credit_limit": "12.50"})

    first = world.sync()
    second = world.sync()

    assert first["erp-customers"]["created"] == 1
    assert first["crm-customers"]["written"]["created"] == 1
    assert only(crm)["name"] == "Ada" and only(crm)["city"] == "Berlin"
    assert world.writes == 1
    assert second["erp-customers"]["read"] == second["erp-customers"]["unchanged"]
    assert world.customer("C1")["credit_limit"] == "12.5"


@pytest.mark.parametrize("code", ["Ä-1", "ÇA", "Ω", "客户1"])
def test_a_key_is_the_same_key_whatever_its_letters_are(pair, code):
    world, erp, crm = pair
    for system in (erp, crm):
        system.put("customers", {"code": code, "name": "Ada"})

    world.sync()

    assert len(world.rows("party")) == 1


def test_edits_of_different_fields_on_two_sides_both_survive(pair):
    world, erp, crm = pair
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada", "phone": "1"})
    world.sync()
    erp.put("customers", {"id": "7", "name": "Ada Lovelace"})
    crm.put("customers", {"id": only(crm)["id"], "phone": "2"})

    world.sync()

    assert (only(erp)["name"], only(erp)["phone"]) == ("Ada Lovelace", "2")
    assert (only(crm)["name"], only(crm)["phone"]) == ("Ada Lovelace", "2")
    writes = world.writes
    world.sync()
    assert world.writes == writes


@pytest.mark.parametrize(
    ("policy", "expected"), [("latest", "Second"), ("hub", "First"), ("remote", "Second")]
)
def test_the_same_field_on_both_sides_follows_the_policy(world, policy, expected):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED, policy=policy)
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada"})
    world.sync()
    erp.put("customers", {"id": "7", "name": "First"})
    crm.put("customers", {"id": only(crm)["id"], "name": "Second"})

    world.sync()

    assert only(erp)["name"] == only(crm)["name"] == expected
    decided = world.rows("conflict", state="decided")
    assert [(c.field, c.choice) for c in decided]


def test_review_parks_the_field_and_lets_the_others_go_on(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED, policy="review")
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada", "phone": "1"})
    world.sync()
    erp.put("customers", {"id": "7", "name": "First"})
    crm.put("customers", {"id": only(crm)["id"], "name": "Second", "phone": "2"})

    result = world.sync()

    assert result["crm-customers"]["conflicted"] == 1
    assert only(crm)["name"] == "Second" and only(erp)["name"] == "First"
    assert only(erp)["phone"] == "2"
    assert len(world.rows("conflict", state="open")) == 1


@pytest.mark.parametrize(("choice", "expected"), [("ours", "First"), ("theirs", "Second")])
def test_a_decided_conflict_brings_both_sides_together(world, choice, expected):
    from hub.sync import steward

    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED, policy="review")
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada"})
    world.sync()
    erp.put("customers", {"id": "7", "name": "First"})
    crm.put("customers", {"id": only(crm)["id"], "name": "Second"})
    world.sync()
    (conflict,) = world.rows("conflict", state="open")

    steward.conflict_resolve(world.env, conflict.id, choice, None, by="user:ada")
    world.sync()

    assert only(erp)["name"] == only(crm)["name"] == expected
    assert not world.rows("conflict", state="open")


def test_two_systems_that_normalise_differently_come_to_rest(world):
    erp = world.system("erp", normalise=lambda r: {**r, "name": r["name"].upper()})
    crm = world.system("crm", normalise=lambda r: {**r, "name": r["name"].lower()[:12]})
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED)
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada Lovelace & Sons"})
    world.sync()
    writes = world.writes

    for _ in range(4):
        world.sync()

    assert world.writes == writes
    assert only(erp)["name"] == "ADA LOVELACE & SONS"
    assert world.customer("C1")["name"] == "ADA LOVELACE & SONS"
    crm.put("customers", {"id": only(crm)["id"], "name": "Grace"})
    world.sync()
    assert only(erp)["name"] == "GRACE"


def test_a_lost_answer_to_a_create_makes_no_second_row(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada"})
    crm.lose_answers = 1

    world.sync()

    assert len(crm.rows("customers")) == 1
    assert not world.rows("intent", state="open")
    assert [i.state for i in world.rows("intent")] == ["adopted"]


def test_a_lost_answer_to_an_update_is_not_taken_for_an_edit(pair):
    world, erp, crm = pair
    erp.put("customers", {"id": "7", "code": "C1", "name": "N0"})
    world.sync()
    erp.put("customers", {"id": "7", "name": "N1"})
    crm.lose_answers = 1
    world.sync("erp-customers")
    run = world.sync("crm-customers")
    erp.put("customers", {"id": "7", "name": "N2"})

    world.sync()

    assert run["crm-customers"]["state"] in ("done", "failed")
    assert only(crm)["name"] == only(erp)["name"] == "N2"


def test_an_orphan_edited_before_it_is_adopted_keeps_the_edit(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada", "phone": "1"})
    crm.lose_answers = 1
    world.clock.sleep(timedelta(seconds=1))
    original = crm.put

    def put_and_edit(stream, row):
        key = original(stream, row)
        crm.put = original
        original(stream, {"id": key, "phone": "2"})
        return key

    crm.put = put_and_edit

    world.sync()
    world.sync()

    assert len(crm.rows("customers")) == 1
    assert only(crm)["phone"] == only(erp)["phone"] == "2"


def test_a_refused_write_is_quarantined_alone(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", "name": "refuse me"})
    erp.put("customers", {"code": "C2", "name": "Bob"})

    result = world.sync()

    assert result["crm-customers"]["written"]["rejected"] == 1
    assert result["crm-customers"]["state"] == "partial"
    assert [r["name"] for r in crm.rows("customers").values()] == ["Bob"]
    (parked,) = world.rows("parked", state="open")
    assert parked.direction == "out" and "this name is refused" in parked.problems


def test_a_refused_record_goes_out_once_it_is_corrected(pair):
    world, erp, crm = pair
    key = erp.put("customers", {"code": "C1", "name": "refuse me"})
    world.sync()
    erp.put("customers", {"id": key, "name": "Ada"})

    world.sync()

    assert only(crm)["name"] == "Ada"
    assert not world.rows("parked", state="open")


def test_records_of_both_sides_with_one_key_become_one(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada", "phone": "1"})
    crm.put("customers", {"code": "C1", "name": "Ada", "email": "ada@a.example"})

    world.sync()

    assert only(crm)["phone"] == "1" and only(erp)["email"] == "ada@a.example"
    assert len(world.rows("party")) == 1


def test_a_row_of_two_possible_records_waits_for_a_person(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CUSTOMER + "match: [[code]]\n", direction="in")
    world.flow("crm-customers", "crm", CUSTOMER + "match: [[email]]\n", direction="in")
    for code in ("C1", "C2"):
        erp.put("customers", {"code": code, "name": "Ada", "email": "ada@a.example"})
    world.sync("erp-customers")
    crm.put("customers", {"code": "X", "name": "Ada", "email": "ada@a.example"})

    result = world.sync("crm-customers")

    assert result["crm-customers"]["quarantined"] == 1
    assert '"code":"ambiguous"' in world.rows("parked", state="open")[0].problems


def test_a_delete_is_taken_only_from_a_complete_read(pair):
    world, erp, _ = pair
    keys = [erp.put("customers", {"code": f"C{n}", "name": f"N{n}"}) for n in range(30)]
    world.sync()
    erp.remove("customers", keys[3])

    assert world.sync()["erp-customers"]["deleted"] == 0
    assert world.sync(full=True)["erp-customers"]["deleted"] == 1
    assert world.customer("C3")["status"] == "inactive"
    ghosts = world.rows("link", state="ghost")
    assert [g.external_id for g in ghosts] == [keys[3]]


def test_a_row_that_comes_back_revives_its_record(pair):
    world, erp, _ = pair
    keys = [erp.put("customers", {"code": f"C{n}", "name": f"N{n}"}) for n in range(12)]
    world.sync()
    erp.remove("customers", keys[3])
    world.sync(full=True)
    erp.put("customers", {"id": keys[3], "code": "C3", "name": "back"})

    world.sync()

    assert world.customer("C3")["name"] == "back"
    assert not world.rows("link", state="ghost")
    assert len(world.rows("party")) == 12


def test_a_mass_delete_stops_at_the_brake(pair):
    world, erp, _ = pair
    keys = [erp.put("customers", {"code": f"C{n}", "name": f"N{n}"}) for n in range(40)]
    world.sync()
    for key in keys[:20]:
        erp.remove("customers", key)

    result = world.sync(full=True)

    assert result["erp-customers"]["state"] == "paused"
    assert result["erp-customers"]["error"]["code"] == "brake"
    assert not world.rows("link", state="ghost")


def test_an_empty_read_of_a_full_stream_deletes_nothing(pair):
    world, erp, _ = pair
    for n in range(3):
        erp.put("customers", {"code": f"C{n}", "name": f"N{n}"})
    world.sync()
    erp.streams["customers"] = {}

    result = world.sync(full=True)

    assert result["erp-customers"]["state"] == "failed"
    assert not world.rows("link", state="ghost")


@pytest.mark.parametrize("page", range(4))
def test_a_read_that_breaks_off_after_any_page_deletes_nothing(world, page):
    erp = world.system("erp", capabilities=Capabilities(read_page=5))
    world.flow("erp-customers", "erp", CODED, direction="in")
    for n in range(20):
        erp.put("customers", {"code": f"C{n}", "name": f"N{n}"})
    world.sync()
    seen = 0

    def break_off():
        nonlocal seen
        seen += 1
        if seen > page:
            erp.fail = [UnavailableError("gone")] * 50

    erp.on_page = break_off
    result = world.sync(full=True)

    assert result["erp-customers"]["state"] == "failed"
    assert not world.rows("link", state="ghost")
    erp.on_page, erp.fail = (lambda: None), []
    world.clock.sleep(timedelta(minutes=5))
    assert world.sync(full=True)["erp-customers"]["state"] == "done"


def test_a_row_edited_while_it_is_read_is_not_lost(world):
    erp = world.system("erp", capabilities=Capabilities(read_page=3))
    world.flow("erp-customers", "erp", CODED, direction="in")
    keys = [erp.put("customers", {"code": f"C{n}", "name": "old"}) for n in range(9)]
    erp.on_page = lambda: (
        erp.put("customers", {"id": keys[0], "name": "new"})
        and setattr(erp, "on_page", lambda: None)
    )

    world.sync()

    assert world.customer("C0")["name"] == "new"


def test_a_wrong_password_pauses_the_flow_and_keeps_its_marks(pair):
    world, erp, crm = pair
    erp.put("customers", {"code": "C1", "name": "Ada"})
    world.sync("erp-customers")
    crm.fail = [AuthError("login refused")]

    result = world.sync("crm-customers")

    assert result["crm-customers"]["state"] == "failed"
    assert result["crm-customers"]["error"]["code"] == "auth"
    assert len(world.rows("outbox")) == 1
    world.sync("crm-customers")
    assert only(crm)["name"] == "Ada"


def test_a_rate_limit_is_waited_for_and_counts_as_no_attempt(pair):
    world, erp, _ = pair
    erp.put("customers", {"code": "C1", "name": "Ada"})
    erp.fail = [RateLimitError("slow", retry_after=timedelta(seconds=40))] * 5

    result = world.sync("erp-customers")

    assert result["erp-customers"]["state"] == "done"
    assert result["erp-customers"]["created"] == 1


def test_many_edits_between_two_pushes_become_one_call(pair):
    world, erp, crm = pair
    key = erp.put("customers", {"code": "C1", "name": "Ada"})
    world.sync()
    before = crm.writes
    for n in range(5):
        erp.put("customers", {"id": key, "name": f"Ada {n}"})
        world.sync("erp-customers")

    world.sync("crm-customers")

    assert crm.writes == before + 1
    assert only(crm)["name"] == "Ada 4"


def test_a_stale_version_is_read_merged_and_tried_again(world):
    can = Capabilities(conditional_writes=True)
    erp, crm = world.system("erp"), world.system("crm", capabilities=can)
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED)
    key = erp.put("customers", {"code": "C1", "name": "Ada", "phone": "1"})
    world.sync()
    erp.put("customers", {"id": key, "name": "Ada Lovelace"})
    world.sync("erp-customers")
    original = crm.capabilities
    assert original.conditional_writes
    crm.on_page = lambda: None
    row = only(crm)
    row["version"] += 1
    row["phone"] = "2"

    world.sync("crm-customers", "erp-customers")

    assert (only(crm)["name"], only(crm)["phone"]) == ("Ada Lovelace", "2")


def test_every_row_read_is_counted(pair):
    world, erp, _ = pair
    erp.put("customers", {"code": "C1", "name": "Ada"})
    erp.put("customers", {"code": "C2", "name": ""})
    erp.put("customers", {"code": "C3", "name": "Bob", "credit_limit": "n/a"})

    run = world.sync("erp-customers")["erp-customers"]

    assert run["read"] == 3 == run["created"] + run["quarantined"]
    assert run["quarantined"] == 2
    again = world.sync("erp-customers", full=True)["erp-customers"]
    assert (again["unchanged"], again["quarantined"]) == (1, 2)
    assert len(world.rows("parked", state="open")) == 2


def test_a_quarantined_row_arrives_once_it_is_mended_at_the_source(pair):
    world, erp, _ = pair
    key = erp.put("customers", {"code": "C2", "name": ""})
    world.sync("erp-customers")
    erp.put("customers", {"id": key, "name": "Bob"})

    run = world.sync("erp-customers")["erp-customers"]

    assert run["created"] == 1
    assert not world.rows("parked", state="open")


def test_a_row_that_was_corrected_in_quarantine_can_be_written(world):
    """The system still has the uncorrected row: that is how we last saw it, not a change there."""
    from hub.sync import steward

    erp = world.system("erp")
    world.flow("erp-customers", "erp", CODED)
    erp.put("customers", {"id": "7", "code": "C1", "name": None})
    world.sync()
    (entry,) = world.rows("parked", state="open")
    assert steward.quarantine_fix(
        world.env, world.jobs(), entry.id, {"name": "Ada"}, by="user:ada"
    )["fixed"]
    with world.env.work("edit", "user:ada") as work:
        from hub.model import ENTITIES
        from hub.store import records
        from hub.sync.journal import Proposal, apply

        (party,) = world.rows("party")
        (record,) = records.load(work.connection, world.store, "party", [party.id]).values()
        apply(work, [Proposal(record, ENTITIES["customer"], {"phone": "1"})])

    written = world.sync()["erp-customers"]["written"]

    assert written["updated"] == 1 and written["retry"] == 0
    assert only(erp)["phone"] == "1"
