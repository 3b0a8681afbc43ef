"""The other commands."""

import io
import json
import signal
import sqlite3
import stat
import sys
from contextlib import closing

import pytest

from hub.cli import home as homes
from hub.cli.base import State
from hub.errors import AuthError, NotFoundError, UnavailableError
from hub.secrets import Secrets
from hub.settings import load_settings
from tests.cli.conftest import CONFLICT, PARKED

# ------------------------------------------------------------------------------------------ init


def test_init_makes_a_home_and_its_database(hub, fake, tmp_path):
    ran = hub("init", tmp_path / "new" / "hub")

    made = tmp_path / "new" / "hub"
    assert ran.code == 0
    assert {p.name for p in made.iterdir()} == {"config", "mappings", "data", ".gitignore"}
    assert stat.S_IMODE((made / "data").stat().st_mode) == 0o700
    assert load_settings(made, {}, {}).flows == {}
    assert ("open", made, {}, True) in fake.calls
    assert str(made / "config" / "hub.yaml") in ran.out


def test_init_changes_nothing_the_second_time(hub, fake, tmp_path):
    hub("init", tmp_path)
    (tmp_path / "config" / "hub.yaml").write_text("language: zh\n")
    key = (tmp_path / "data" / "secret.key").read_text()

    ran = hub("init", tmp_path, "--json", "--lang", "en")

    assert ran.json["result"]["created"] == []
    assert (tmp_path / "config" / "hub.yaml").read_text() == "language: zh\n"
    assert (tmp_path / "data" / "secret.key").read_text() == key


def test_init_where_nothing_can_be_written_says_so(hub, fake, tmp_path):
    (tmp_path / "file").write_text("")

    ran = hub("init", tmp_path / "file" / "hub")

    assert ran.code == 1
    assert "cannot make" in ran.err and "Choose a folder" in ran.err


def test_the_files_git_must_not_see_are_ignored(tmp_path):
    homes.create_home(tmp_path)

    assert "data/" in (tmp_path / ".gitignore").read_text()


# ---------------------------------------------------------------------------------------- doctor


def findings(ran):
    return {f["check"]: f for f in ran.json["result"]["checks"]}


def test_doctor_finds_nothing_wrong(hub):
    ran = hub("doctor", "--json")

    found = findings(ran)
    assert ran.code == 0 and ran.json["result"]["ok"]
    assert {f["state"] for f in found.values()} == {"ok"}
    assert {"python", "sqlite", "disk", "config", "database", "mappings"} < set(found)
    assert found["connection erp"]["message"] == "erp: ERP 1.0 as ada"


def test_doctor_names_every_error_of_the_configuration(hub, home):
    (home / "config" / "local.yaml").write_text("engine: {batch: 0, lease: x}\n")

    ran = hub("doctor")

    assert ran.code == 4
    assert ran.out.count("✗") == 2 and ran.out.count("→") == 2


def test_doctor_without_a_hub_says_how_to_make_one(hub, tmp_path):
    ran = hub("--home", tmp_path, "doctor")

    assert ran.code == 1
    assert f"There is no hub in {tmp_path}" in ran.out and "hub init" in ran.out


def test_doctor_reports_a_system_that_refuses_and_goes_on(hub, fake):
    fake.answers["check"] = {"erp": AuthError("refused", hint="Sign in again."), "shop": "fine"}

    ran = hub("doctor", "--json")

    assert ran.code == 5
    assert findings(ran)["connection erp"]["remedy"] == "Sign in again."
    assert findings(ran)["connection shop"]["state"] == "ok"


def test_doctor_offline_calls_no_system(hub, fake):
    hub("doctor", "--offline")

    assert not [c for c in fake.calls if c[0] == "check"]


def test_doctor_asks_for_an_upgrade(hub, fake):
    fake.answers["schema_state"] = {"current": "0001", "head": "0002", "ok": False}

    ran = hub("doctor")

    assert ran.code == 1 and "hub db upgrade" in ran.out


def test_doctor_says_when_no_flow_is_enabled(hub, fake, home):
    (home / "config" / "local.yaml").write_text(
        "flows: {customers: {enabled: false}, orders: {enabled: false}}"
    )
    fake.settings = load_settings(home, {}, {})

    assert "! No flow is enabled." in hub("doctor").out


def test_doctor_tries_the_secrets_that_connections_refer_to(hub, home):
    (home / "config" / "local.yaml").write_text(
        "connections: {erp: {settings: {password: {secret: 'env:HUB_TEST_NOT_SET'}}}}"
    )

    ran = hub("doctor")

    assert ran.code == 4 and "HUB_TEST_NOT_SET is not set" in ran.out


# ---------------------------------------------------------------------------------------- config


def test_config_show_gives_values_and_places(hub, home):
    ran = hub("config", "show", "--origin", "--json")

    assert ran.json["result"]["connections.erp.connector"] == {
        "value": "sql",
        "origin": "config/hub.yaml:2",
    }


def test_config_show_hides_whatever_may_be_a_secret(hub, home, monkeypatch):
    canary = "SECRET-CANARY-show"
    (home / "config" / "local.yaml").write_text(
        f"database: {{url: 'postgresql://hub:{canary}@db/hub'}}\n"
        f"connections: {{erp: {{settings: {{api_key: {canary}, ref: {{secret: 'env:A'}}}}}}}}\n"
    )
    monkeypatch.setenv("HUB__CONNECTIONS__ERP__SETTINGS__PIN", canary)

    for args in (["--json"], [], ["--origin"]):
        ran = hub("config", "show", *args)
        assert canary not in ran.out and "••••••" in ran.out and "env:A" in ran.out


def test_config_check_shows_every_error(hub, home):
    (home / "config" / "local.yaml").write_text("engine:\n  batch: 0\n  laese: x\n")

    ran = hub("config", "check")

    assert ran.code == 4
    assert "config/local.yaml:2" in ran.out and "Did you mean 'lease'?" in ran.out


def test_config_check_asks_the_connectors_about_their_settings(hub, home):
    (home / "config" / "local.yaml").write_text(
        "connections:\n  erp: {settings: {urll: x}}\n  crm:\n    connector: rset\n"
    )

    ran = hub("config", "check")

    assert ran.code == 4
    assert "connection 'erp': setting 'urll'" in ran.out
    assert "there is no connector 'rset'" in ran.out


def test_a_file_that_is_no_yaml_is_4(hub, home):
    (home / "config" / "local.yaml").write_text("a: [")

    assert hub("config", "check").code == 4
    assert hub("config", "show").code == 4


def test_config_docs_describes_every_setting(hub):
    assert "engine.retry.attempts" in hub("config", "docs").out
    assert hub("config", "docs", "--yaml").out.startswith("# Every setting")
    row = next(
        r
        for r in hub("config", "docs", "--json").json["result"]
        if r["path"] == "flows.<name>.policy"
    )
    assert row["default"] == "latest" and "owner" in row["choices"]


def test_a_secret_is_read_from_standard_input(hub, home, monkeypatch):
    homes.create_home(home)
    monkeypatch.setattr(sys, "stdin", io.StringIO("SECRET-CANARY-stdin\n"))

    ran = hub("config", "set-secret", "erp")

    assert ran.code == 0 and "SECRET-CANARY" not in ran.out + ran.err
    assert '{secret: "store:erp"}' in ran.err
    assert Secrets(home, {}).get("erp").reveal() == "SECRET-CANARY-stdin"
    assert "erp" in hub("config", "secrets").out


def test_a_secret_is_asked_for_on_a_terminal_without_showing_it(hub, home, monkeypatch):
    homes.create_home(home)
    asked = []
    monkeypatch.setattr(sys, "stdin", terminal := io.StringIO())
    terminal.isatty = lambda: True
    monkeypatch.setattr(
        "click.prompt", lambda text, **options: asked.append((text, options)) or "s3cret"
    )

    assert hub("config", "set-secret", "erp").code == 0
    assert asked == [("Secret erp", {"hide_input": True, "err": True})]


def test_a_secret_cannot_be_given_on_the_command_line(hub):
    assert hub("config", "set-secret", "erp", "text").code == 2


def test_the_key_is_rotated(hub, home):
    homes.create_home(home)
    Secrets(home, {}).set("erp", "text")

    ran = hub("config", "rotate-key")

    assert "1 secrets are under a new key" in ran.out
    assert Secrets(home, {}).get("erp").reveal() == "text"


# -------------------------------------------------------------------------------------------- db


def test_db_check_fails_where_db_status_only_tells(hub, fake):
    fake.answers["schema_state"] = {"current": None, "head": "0002", "ok": False}

    assert hub("db", "status").code == 0
    assert hub("db", "check").code == 1


def test_db_upgrade_lists_its_steps(hub, fake):
    assert "✓ 0001" in hub("db", "upgrade").out
    fake.answers["upgrade"] = []
    assert "up to date already" in hub("db", "upgrade").out


# ----------------------------------------------------------------------------------- connections


def test_connections_are_listed_with_their_flows(hub):
    lines = hub("connections", "list").out.splitlines()

    assert lines[1].split() == ["erp", "sql", "Our", "ERP", "customers"]


def test_connections_are_checked_by_name_or_all(hub, fake):
    assert hub("connections", "check", "erp").out == "✓ erp: ERP 1.0 as ada\n"
    assert hub("connections", "check").out.count("✓") == 2


def test_a_system_that_cannot_be_reached_is_6_and_the_others_are_tried(hub, fake):
    fake.answers["check"] = {"erp": UnavailableError("no answer", hint="Wait."), "shop": "fine"}

    ran = hub("connections", "check")

    assert ran.code == 6
    assert ran.out == "✗ erp: no answer\n  → Wait.\n✓ shop: fine\n"


def test_discover_shows_streams_and_columns(hub):
    assert "Customers" in hub("connections", "discover", "erp").out
    columns = hub("connections", "discover", "erp", "customer").out
    assert "text(80)" in columns and "integer → customer_group" in columns


def test_a_stream_that_is_not_there_is_refused(hub):
    ran = hub("connections", "discover", "erp", "nothing")

    assert ran.code == 1 and "has no stream 'nothing'" in ran.err


# --------------------------------------------------------------------------------------- records


def test_show_gives_fields_links_and_journal(hub, fake):
    out = hub("show", "customer", "C1").out

    assert ("show", "customer", "C1") in fake.calls
    for text in ("张三", "C1", "erp", "17", "flow:customers", '["a"]'):
        assert text in out


def test_a_record_nobody_holds_says_so(hub, fake):
    fake.answers["show"] = {**fake.show("customer", "C1"), "links": [], "journal": []}

    assert "No system holds this record yet." in hub("show", "customer", "C1").out


def test_quarantine_list_tells_the_reason_and_the_count_of_others(hub, fake):
    problems = PARKED["problems"] * 3
    fake.answers["quarantine_list"] = [{**PARKED, "problems": problems}]

    out = hub("quarantine", "list", "--flow", "customers", "--code", "required", "--limit", 1).out

    assert ("quarantine_list", "customers", "required", 1) in fake.calls
    assert "name: there is no entity 'x' (+2)" in out


def test_quarantine_list_shows_the_place_of_a_row_without_id(hub, fake):
    row = {**PARKED, "external_id": "", "place": "a.csv line 3", "problems": []}
    fake.answers["quarantine_list"] = [row]

    assert "a.csv line 3" in hub("quarantine", "list").out


def test_an_empty_quarantine_is_good_news(hub, fake):
    fake.answers["quarantine_list"] = []

    assert "✓ Nothing is set aside." in hub("quarantine", "list").out


def test_quarantine_show_gives_reasons_remedies_and_the_row(hub):
    out = hub("quarantine", "show", "q1").out

    assert "✗ name: there is no entity 'x'\n  → There are: a, b.\n" in out
    assert '"id": 17' in out


def test_quarantine_fix_tells_text_from_json(hub, fake):
    hub("quarantine", "fix", "q1", "phone=0123", "size:=5", "price:=1.50", "note:=null", "a=b=c")

    changes = {"phone": "0123", "size": 5, "price": "1.50", "note": None, "a": "b=c"}
    assert ("quarantine_fix", "q1", changes) in fake.calls


def test_a_record_that_is_still_refused_is_3(hub, fake):
    fake.answers["quarantine_fix"] = {"id": "q1", "fixed": False, "counts": {"quarantined": 1}}

    ran = hub("quarantine", "fix", "q1", "a=b")

    assert ran.code == 3 and "hub quarantine show q1" in ran.out


def test_quarantine_replay_takes_ids_or_a_flow(hub, fake):
    hub("quarantine", "replay", "q1", "q2")
    hub("quarantine", "replay", "--flow", "customers")

    assert [c[1:] for c in fake.calls if c[0] == "quarantine_replay"] == [
        (("q1", "q2"), None),
        ((), "customers"),
    ]
    fake.answers["quarantine_replay"] = {"quarantined": 1}
    assert hub("quarantine", "replay", "q1").code == 3


def test_dismissing_needs_a_reason(hub, fake):
    assert hub("quarantine", "dismiss", "q1").code == 2
    assert "2 records" in hub("quarantine", "dismiss", "q1", "q2", "--reason", "tests").out
    assert ("quarantine_dismiss", ("q1", "q2"), "tests") in fake.calls


def test_conflicts_show_both_sides(hub):
    out = hub("conflicts", "list").out

    assert CONFLICT["ours"] in out and CONFLICT["theirs"] in out and CONFLICT["base"] in out


def test_no_conflicts_is_good_news(hub, fake):
    fake.answers["conflicts_list"] = []

    assert "There are no conflicts." in hub("conflicts", "list").out


def test_a_conflict_is_decided(hub, fake):
    hub("conflicts", "resolve", "c1", "theirs")
    hub("conflicts", "resolve", "c1", "value", "Ada")
    hub("conflicts", "resolve", "c1", "value", "5", "--json-value")

    assert [c[1:] for c in fake.calls if c[0] == "conflict_resolve"] == [
        ("c1", "theirs", None),
        ("c1", "value", "Ada"),
        ("c1", "value", 5),
    ]


# ------------------------------------------------------------------------------------ run, serve


def test_run_stops_in_order_at_the_first_signal(hub, fake):
    before = signal.getsignal(signal.SIGTERM)

    def forever(stop):
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop()

    fake.run_forever = forever

    assert hub("run").code == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_run_stopped_by_hand_is_130(hub, fake):
    fake.run_forever = lambda stop: signal.raise_signal(signal.SIGINT)

    assert hub("run").code == 130


def test_a_second_ctrl_c_breaks_off(hub, fake):
    def forever(stop):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

    fake.run_forever = forever

    assert hub("run").code == 130


def test_serve_uses_the_settings_or_the_options_and_warns_of_an_open_address(
    hub, fake, monkeypatch
):
    served = []

    def serve(app, host, port, stop, announce):
        served.append((host, port))
        announce(f"http://{host}:{port}/")

    monkeypatch.setattr("hub.web.serve_forever", serve)

    assert "http://127.0.0.1:8765/" in hub("serve").err
    assert "no password" in hub("serve", "--host", "0.0.0.0", "--port", 80).err
    assert served == [("127.0.0.1", 8765), ("0.0.0.0", 80)]


# ------------------------------------------------------------------------------ the real facade


def test_the_state_opens_the_hub_of_its_home(home, monkeypatch):
    from hub import context

    opened = []
    monkeypatch.setattr(
        context.Hub, "open", lambda home, overrides, *, upgrade: opened.append((home, upgrade))
    )

    State(home, overrides={"web.port": "1"}).hub(upgrade=True)

    assert opened == [(home, True)]


@pytest.mark.parametrize("command", ["status", "db check", "sync"])
def test_a_folder_that_is_no_home_is_left_alone(tmp_path, capsys, command):
    from hub.cli import app

    assert app.run(["--lang", "en", "--home", str(tmp_path), *command.split()]) == 4
    assert "hub init" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_real_hub_from_init_to_quarantine(tmp_path, capsys):
    """Everything real: a hub, a system, a sync with one bad row, and what is said of it."""
    from hub.cli import app

    def real(*args):
        code = app.run(["--lang", "en", "--home", str(tmp_path), *args])
        return code, capsys.readouterr().out

    assert real("init")[0] == 0
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
        shop.execute("create table customers(id integer primary key, name text, mail text)")
        rows = [(1, "张三", "a@b.cn"), (2, "Bob", "no mail")]
        shop.executemany("insert into customers values(?, ?, ?)", rows)
    (tmp_path / "config" / "hub.yaml").write_text(
        f"connections: {{shop: {{connector: sql, settings: {{url: 'sqlite:///{tmp_path}/shop.db'}}}}}}\n"
        "flows: {customers: {connection: shop, mapping: shop/customer, mode: live}}\n"
    )
    (tmp_path / "mappings" / "shop").mkdir()
    (tmp_path / "mappings" / "shop" / "customer.yaml").write_text(
        "entity: customer\nstream: customers\nkey: id\nrows:\n- {field: code, from: id}\n"
        "- {field: name, from: name}\n- {field: party_type, const: person}\n"
        "- {field: email, from: mail, email: true}\n"
    )

    assert real("doctor")[0] == 0
    assert real("mappings", "try", "shop/customer")[0] == 3
    code, out = real("sync")
    assert code == 3 and out.splitlines()[1].split()[:3] == ["customers", "2", "1"]
    assert "张三" in real("show", "customer", "1")[1]
    aside = json.loads(real("quarantine", "list", "--json")[1])["result"][0]
    assert real("quarantine", "show", aside["id"])[0] == 0
    assert real("quarantine", "fix", aside["id"], "mail=bob@b.cn")[0] == 0
    assert "bob@b.cn" in real("show", "customer", "2")[1]
    assert "Nothing is set aside" in real("quarantine", "list")[1]
    assert real("status")[0] == real("runs")[0] == real("conflicts", "list")[0] == 0


def test_what_is_not_there_is_said_by_the_facade(hub, fake):
    fake.answers["resume"] = NotFoundError("there is no flow {name!r}", name="x", hint="")

    assert hub("flows", "resume", "x").err == "✗ there is no flow 'x'\n"
