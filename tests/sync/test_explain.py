"""Why a field is as it is, why a row did not arrive, and why a record is not there."""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from hub.cli.base import State
from hub.cli.commands.explain import _sentence
from hub.cli.screen import Screen
from hub.errors import ConfigError, NotFoundError, UnavailableError
from hub.model import ENTITIES
from hub.settings import FlowSettings
from hub.sync import steward
from hub.sync.explain import explain
from hub.sync.undo import Target, undo
from hub.sync.why_not import why_not_record, why_not_row
from hub.testing.world import CUSTOMER, World
from tests.sync.test_undo import CODED, edit, joined, put, take_back
from tests.sync.test_verify import ORDER


@pytest.fixture
def world(tmp_path):
    made = World(f"sqlite:///{tmp_path / 'hub.db'}")
    yield made
    made.store.close()


@pytest.fixture
def on_both(database_url):
    made = World(database_url)
    yield made
    made.store.close()


CUSTOMERS = ENTITIES["customer"]


def story(world, path, key="C1"):
    (found,) = explain(world.env, CUSTOMERS, key, path)["fields"]
    return found


def told(found, language, tmp_path):
    return _sentence(Screen(State(home=tmp_path, language=language, color=False)), found["clauses"])


def test_a_field_says_who_when_by_which_rule_and_who_has_it(on_both, tmp_path):
    world = on_both
    joined(world, normalise=lambda r: {**r, "name": r["name"].upper()})
    run = edit(world, name="Eve")

    found = story(world, "name")

    assert (found["value"], found["before"]) == ("Eve", "Ada")
    assert (found["connection"], found["row"], found["run"]) == ("erp", "7", run)
    assert found["mapping_version"] == world.flows["erp-customers"].mapping.version
    held = {s["connection"]: (s["state"], s["value"]) for s in found["systems"]}
    assert held == {"erp": ("same", "Eve"), "crm": ("spelled", "EVE")}
    english, chinese = told(found, "en", tmp_path), told(found, "zh", tmp_path)
    for text in (english, chinese):
        for part in ("Eve", "Ada", "erp", "7", run, "crm", "EVE", "C1"):
            assert part in text
        assert "{" not in text and "\n" not in text
    assert english.endswith(".") and chinese.endswith("。") and "nobody else" in english


def test_the_value_that_lost_is_told_with_the_policy(world):
    world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED, policy="remote")
    put(world, "erp", id="7", code="C1", name="Ada")
    world.sync()
    put(world, "erp", id="7", name="First")
    put(world, "crm", id="1", name="Second")
    world.sync()

    found = story(world, "name")

    assert found["value"] == "Second"
    assert "policy" in found["rule"]["message"] and found["rule"]["values"]["policy"] == "remote"
    (lost,) = found["lost"]
    assert (lost["value"], lost["whose"], lost["state"]) == ("First", "hub", "decided")


def test_an_open_conflict_and_a_persons_decision_are_told(world):
    world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED, policy="review")
    put(world, "erp", id="7", code="C1", name="Ada")
    world.sync()
    put(world, "erp", id="7", name="First")
    put(world, "crm", id="1", name="Second")
    world.sync()

    open_ = story(world, "name")
    (conflict,) = world.rows("conflict", state="open")
    steward.conflict_resolve(world.env, conflict.id, "theirs", None, by="user:ada")
    decided = story(world, "name")

    assert open_["value"] == "First" and open_["lost"][0]["state"] == "open"
    crm = next(s for s in open_["systems"] if s["connection"] == "crm")
    assert crm["state"] == "differs" and crm["why"][0]["code"] == "conflict"
    assert decided["value"] == "Second" and decided["by"] == "user:ada"
    assert conflict.id in decided["rule"]["values"]["name"]


def test_parts_custom_names_undo_and_merge_by_key_are_told(world):
    joined(world)
    run = edit(world, city="Berlin")
    assert (story(world, "address.city")["value"], story(world, "address.city")["before"]) == (
        "Berlin",
        "Bonn",
    )
    take_back(world, run)
    found = story(world, "address.city")
    assert found["value"] == "Bonn" and found["by"] == "user:ada"
    assert "taken back" in found["rule"]["message"]
    assert {f["field"] for f in explain(world.env, CUSTOMERS, "C1")["fields"]} >= {"code", "name"}


def test_a_match_is_told_by_its_rule(world):
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED)
    world.flow("crm-customers", "crm", CODED)
    erp.put("customers", {"id": "7", "code": "C1", "name": "Ada"})
    crm.put("customers", {"id": "1", "code": "C1", "name": "Ada", "email": "a@example.com"})
    world.sync()

    assert "code" in story(world, "email")["rule"]["values"]["name"]


@pytest.mark.parametrize(
    ("entity", "key", "path", "error"),
    [("customer", "C9", "", NotFoundError), ("customer", "C1", "colour", ConfigError)],
)
def test_what_is_not_there_is_named_in_explanations(world, entity, key, path, error):
    joined(world)

    with pytest.raises(error, match=key if error is NotFoundError else path):
        explain(world.env, ENTITIES[entity], key, path)


# ---------------------------------------------------------------------------------------- why-not


def codes(found):
    return [r["code"] for flow in found["flows"] for r in flow["reasons"]]


def row(world, key, connection="erp", **options):
    return why_not_row(world.env, {}, connection, key, **options)


def test_a_row_that_arrived_is_said_to_have(world):
    joined(world)

    assert codes(row(world, "7")) == ["arrived"]
    assert row(world, "7")["flows"][0]["reasons"][0]["values"]["record"] == "C1"


def test_every_reason_why_a_row_did_not_arrive(world):
    shop = world.system("shop")
    world.flow("customers", "shop", CUSTOMER + "where: {kind: customer}\n")
    world.flow("orders", "shop", ORDER, direction="in")
    assert codes(row(world, "1", "shop")) == ["never-read", "never-run"] * 2
    shop.put("customers", {"id": "1", "code": "C1", "name": None, "kind": "customer"})
    shop.put(
        "customers", {"id": "2", "code": "C2", "name": "Two", "kind": "customer", "email": "no"}
    )
    shop.put(
        "orders", {"id": "9", "no": "O1", "customer": "44", "currency": "CNY", "day": "2026-01-02"}
    )
    world.sync()
    shop.put("customers", {"id": "3", "code": "C3", "name": "Three", "kind": "supplier"})
    shop.put("customers", {"id": "4", "code": "C4", "name": "Four", "kind": "customer"})

    assert "waiting" in codes(row(world, "9", "shop"))
    quarantined = [c for c in codes(row(world, "1", "shop")) if c != "never-read"]
    assert quarantined and "arrived" not in quarantined
    look = {"look": world._open}
    assert "filtered" in codes(row(world, "3", "shop", **look))
    assert "will-be-read" in codes(row(world, "4", "shop", **look))
    assert codes(row(world, "5", "shop", **look)).count("not-there") == 2
    (entry,) = world.rows("parked", external_id="1", state="open")
    steward.quarantine_dismiss(world.env, [entry.id], "not ours", by="user:ada")
    assert "dismissed" in codes(row(world, "1", "shop"))
    shop.fail = [UnavailableError("down")] * 9
    assert {"no-look", "unavailable"} <= set(codes(row(world, "4", "shop", **look)))
    for flow in row(world, "1", "shop")["flows"]:
        for reason in flow["reasons"]:
            assert reason["hint"] or reason["code"] == "there"


def test_flows_that_stand_still_say_so(world):
    joined(world)
    from hub.jobs import runs

    with world.env.work("pause", "hub") as work:
        error = UnavailableError("no answer", hint="Wait.")
        runs.pause(work, world.flows["erp-customers"], error)
    off = {"nightly": FlowSettings(connection="erp", mapping="m", name="nightly", enabled=False)}

    found = why_not_row(world.env, off, "erp", "99")

    assert codes(found) == ["disabled", "never-read", "paused", "unavailable"]
    with pytest.raises(NotFoundError, match="'nowhere'"):
        row(world, "1", "nowhere")


def test_a_row_that_an_undo_took_out_is_told_how_to_come_back(world):
    joined(world)
    put(world, "erp", id="8", code="C8", name="Wrong")
    take_back(world, world.sync()["erp-customers"]["run"])

    assert codes(row(world, "8"))[0] == "link-ignored"
    assert "hub undo" in row(world, "8")["flows"][0]["reasons"][0]["hint"]


def record(world, key="C1", connection="crm", declared=None):
    return why_not_record(world.env, declared or {}, connection, CUSTOMERS, key)


def test_every_reason_why_a_record_did_not_go_out(world):
    joined(world)
    crm = world.systems["crm"]
    assert codes(record(world)) == ["there"]
    put(world, "erp", id="7", name="Eve")
    world.sync("erp-customers")
    assert codes(record(world)) == ["due"]
    crm.fail = [UnavailableError("down")] * 3
    world.sync("crm-customers")
    assert codes(record(world))[0] in ("tried", "due", "unknown-outcome")
    crm.fail = []
    put(world, "erp", id="7", name="please refuse")
    world.clock.sleep(timedelta(hours=2))
    world.sync()
    (refused,) = record(world)["flows"][0]["reasons"]
    assert (refused["code"].startswith("remote:") and "quarantine" in refused["hint"]) or refused[
        "hint"
    ]
    crm.remove("customers", "1")
    assert codes(record(world, connection="erp")) == ["there"]


def test_a_flow_that_makes_no_rows_says_so(world):
    world.system("erp"), world.system("crm")
    world.flow("erp-customers", "erp", CODED, direction="in")
    world.flow("crm-customers", "crm", CODED, create=False)
    put(world, "erp", id="7", code="C1", name="Ada")
    world.sync()

    assert codes(record(world)) == ["no-create"]
    with world.env.work("test", "user:ada") as work:
        work.connection.execute(delete(world.store.metadata.tables["link"]))
    assert codes(record(world, connection="erp")) == ["only-read"]


def test_one_line_can_be_taken_back_and_explained(world):
    joined(world)
    edit(world, name="Eve")
    line = story(world, "name")["line"]

    undo(world.env, Target(seq=line), by="user:ada", progress=lambda e: None)

    assert f"#{line}" in story(world, "name")["rule"]["values"]["name"]
