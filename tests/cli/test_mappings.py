"""The mapping commands, on a real hub over a real database."""

import sqlite3

import pytest

from hub.cli import app
from hub.context import Hub
from tests.cli.conftest import Ran

CONFIG = """\
connections:
  erp:
    connector: sql
    settings:
      url: "sqlite:///{home}/erp.db"
      streams: {{customers: {{key: [id], cursor_column: changed}}}}
flows:
  customers: {{connection: erp, mapping: erp/customer, mode: live, create: false}}
"""
DOCUMENT = """\
entity: customer
stream: customers
key: id
rows:
- {field: code, from: id}
- {field: name, from: name}
- {field: email, from: mail, email: true}
"""
BROKEN = (
    "entity: customer\nstream: customer\nkey: id\nrows:\n- {field: nmae, from: n}\n- {field: x}\n"
)


@pytest.fixture
def home(home):
    (home / "config" / "hub.yaml").write_text(CONFIG.format(home=home), encoding="utf-8")
    with sqlite3.connect(home / "erp.db") as erp:
        erp.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, mail TEXT, since DECIMAL,"
            " changed TIMESTAMP)"
        )
        rows = [(17, "Ada", "a@b.cn", 1.5, None), (18, "Bob", "no mail", None, None)]
        erp.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", rows)
    erp.close()
    write(home, "erp/customer", DOCUMENT)
    Hub.open(home, upgrade=True).__exit__()
    return home


def write(home, name, text):
    path = home / "mappings" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def hub(home, capsys, monkeypatch):
    monkeypatch.setenv("HUB_HOME", str(home))

    def command(*args):
        code = app.run([str(a) for a in args])
        return Ran(code, *capsys.readouterr())

    return command


def test_show_tells_which_field_comes_from_which_column(hub):
    lines = [line.split() for line in hub("mappings", "show", "erp/customer").out.splitlines()]

    assert ["email", "mail", "email", "both", "—"] in lines


def test_an_unknown_mapping_is_an_error_that_names_the_nearest(hub):
    for command in ("show", "check", "export", "try", "diff"):
        ran = hub("mappings", command, "erp/custommer")
        assert ran.code == 1
        assert "Did you mean 'erp/customer'?" in ran.err


# ----------------------------------------------------------------------------------------- check


def test_check_says_everything_that_is_wrong_with_a_document(hub, home):
    write(home, "erp/bad", BROKEN)

    ran = hub("mappings", "check")

    assert ran.code == 4
    assert ran.out.count("✗ erp/bad: ") > 1 and "line 5: " in ran.out
    assert "✓ erp/customer" in ran.out


def test_check_takes_names(hub, home):
    write(home, "erp/bad", BROKEN)

    assert hub("mappings", "check", "erp/customer").code == 0


def test_check_asks_the_system_for_its_columns(hub, home):
    write(home, "erp/customer", DOCUMENT.replace("from: mail", "from: mial"))

    ran = hub("mappings", "check", "erp/customer")

    assert ran.code == 4
    assert "email: the stream 'customers' has no column 'mial'" in ran.out
    assert "→ Did you mean 'mail'?" in ran.out
    assert hub("mappings", "check", "erp/customer", "--offline").code == 0


def test_check_names_a_stream_that_the_system_does_not_have(hub, home):
    write(home, "erp/customer", DOCUMENT.replace("stream: customers", "stream: kunden"))

    ran = hub("mappings", "check", "erp/customer")

    assert ran.code == 4 and "connection 'erp' has no stream 'kunden'" in ran.out


def test_a_system_that_does_not_answer_is_a_warning(hub, home):
    (home / "erp.db").write_bytes(b"not a database" * 100)

    ran = hub("mappings", "check", "erp/customer")

    assert ran.code == 0
    assert "! erp/customer: the system 'erp' was not asked for its columns: " in ran.out


def test_check_tries_the_rows_that_the_hub_has_taken(hub, home):
    assert hub("sync").code == 3
    write(
        home, "erp/customer", DOCUMENT.replace("from: mail, email: true", "from: name, email: true")
    )

    ran = hub("mappings", "check", "erp/customer")

    assert "1 of 1 records: not an e-mail address: 'Ada'" in ran.out


# ------------------------------------------------------------------------------------------ pins


def test_a_pinned_row_that_becomes_something_else_fails_the_check(hub, home):
    assert hub("mappings", "pin", "erp/customer", "17").code == 0
    assert hub("mappings", "check", "erp/customer").code == 0

    write(home, "erp/customer", DOCUMENT.replace("from: name", "from: mail"))
    ran = hub("mappings", "check", "erp/customer")

    assert ran.code == 4
    assert "pinned record 17: 'name' becomes 'a@b.cn', and was 'Ada'" in ran.out


def test_a_mapping_that_breaks_a_pin_runs_no_flow(hub, home):
    hub("sync")
    hub("mappings", "pin", "erp/customer", "17")
    write(home, "erp/customer", DOCUMENT.replace("from: name", "from: mail"))

    ran = hub("sync")

    assert ran.code == 4
    assert "flow 'customers': its mapping 'erp/customer' breaks 1 of the pinned records" in ran.err
    assert hub("status", "--json").json["result"]["flows"][0]["last_run"]["state"] == "partial"
    assert hub("show", "customer", "17", "--json").json["result"]["record"]["name"] == "Ada"

    write(home, "erp/customer", DOCUMENT)
    assert hub("sync").code == 3


def test_the_scheduler_pauses_only_the_flow_whose_pin_breaks(hub, home):
    hub("mappings", "pin", "erp/customer", "17")
    write(home, "erp/customer", DOCUMENT.replace("from: name", "from: mail"))

    with Hub.open(home) as opened:
        jobs = opened.jobs()
        jobs.step(opened.env.clock.now(), schedules=True)

    ran = hub("--lang", "zh", "status")
    assert "customers" in ran.out and "已暂停" in ran.out
    assert "'Ada'" in ran.out and "breaks" not in ran.out


def test_a_pin_keeps_numbers_exact_and_replaces_itself(hub, home):
    hub("mappings", "pin", "erp/customer", "17")
    hub("mappings", "pin", "erp/customer", "17")

    text = (home / "mappings/erp/customer.pins.yaml").read_text(encoding="utf-8")
    assert text.count("row:") == 1
    assert '{$decimal: "1.5"}' in text.replace("'", '"')


def test_a_row_that_is_not_there_cannot_be_pinned(hub):
    ran = hub("mappings", "pin", "erp/customer", "99")

    assert ran.code == 1 and "has no row '99' in 'customers'" in ran.err


@pytest.mark.parametrize("text", ["- 5", "a: b", "pins: [1]", "["])
def test_damaged_pins_are_named(hub, home, text):
    write(home, "erp/customer.pins", text)

    ran = hub("mappings", "check", "erp/customer")

    assert ran.code == 4 and "these are no pinned records" in ran.out


# ------------------------------------------------------------------------------------------- try


def test_try_shows_both_directions_and_every_problem(hub):
    ran = hub("mappings", "try", "erp/customer")

    assert ran.code == 3
    assert "email: not an e-mail address: 'no mail'" in ran.out
    assert "Columns that are not mapped: since, changed" in ran.out
    assert "nothing would change there" in ran.out
    assert "A new record with these values would be written there as:" in ran.out


def test_try_shows_what_writing_back_would_change(hub, home):
    with sqlite3.connect(home / "erp.db") as erp:
        erp.execute("UPDATE customers SET mail = '  A@B.CN '")
    erp.close()

    (first, _second) = hub("mappings", "try", "erp/customer", "--json").json["result"]

    assert first["values"]["email"] == "A@b.cn"
    assert first["created"] == {"id": "17", "name": "Ada", "mail": "A@b.cn"}


def test_try_reads_as_many_rows_as_asked(hub):
    assert len(hub("mappings", "try", "erp/customer", "--rows", 1, "--json").json["result"]) == 1


def test_a_mapping_without_a_flow_needs_a_connection(hub, home):
    write(home, "x/y", DOCUMENT)

    ran = hub("mappings", "try", "x/y")

    assert ran.code == 4 and "--connection" in ran.err
    assert hub("mappings", "try", "x/y", "--connection", "erp").code == 3


def test_a_system_without_rows_says_so(hub, home):
    with sqlite3.connect(home / "erp.db") as erp:
        erp.execute("DELETE FROM customers")
    erp.close()

    assert "The system gave no row." in hub("mappings", "try", "erp/customer").out


# ------------------------------------------------------------------------- diff, suggest, export


def test_diff_is_by_field(hub, home):
    write(
        home, "shop/customer", DOCUMENT.replace("from: name", "from: title").replace("id\n", "no\n")
    )

    found = hub("mappings", "diff", "shop/customer", "erp/customer", "--json").json["result"]

    assert {"field": "name", "what": "from", "before": "name", "after": "title"} in found["changes"]
    assert found["rebase"] == ["key"]


def test_diff_takes_a_file_and_falls_back_to_what_the_hub_came_with(hub, home, tmp_path):
    (tmp_path / "new.yaml").write_text(DOCUMENT, encoding="utf-8")

    assert "the same" in hub("mappings", "diff", "erp/customer", tmp_path / "new.yaml").out
    assert "the same" in hub("mappings", "diff", "sample/customer").out
    assert hub("mappings", "diff", "erp/customer").code == 1


def test_suggest_writes_a_document_that_loads_and_reads(hub, home):
    ran = hub("mappings", "suggest", "erp", "customers", "customer")

    write(home, "erp/new", ran.out)
    assert hub("mappings", "check", "erp/new").code == 0
    assert "{field: name, from: name}" in ran.out
    assert "{field: email, from: mail, email: true}" in ran.out
    assert "Columns without a suggestion: " in ran.err


def test_suggest_leaves_out_what_is_mapped_already(hub):
    ran = hub("mappings", "suggest", "erp", "customers", "customer", "--beside", "erp/customer")

    assert "from: name" not in ran.out and "from: mail" not in ran.out


def test_suggest_names_the_nearest_of_what_is_not_there(hub):
    for stream, entity, near in (
        ("customers", "custmer", "customer"),
        ("custmers", "customer", "customers"),
    ):
        ran = hub("mappings", "suggest", "erp", stream, entity)
        assert ran.code == 1 and f"Did you mean '{near}'?" in ran.err


def test_export_gives_what_loads_as_the_same_mapping(hub, home):
    text = hub("mappings", "export", "erp/customer").out
    before = hub("mappings", "show", "erp/customer", "--json").json["result"]["version"]

    write(home, "erp/customer", text)

    assert hub("mappings", "show", "erp/customer", "--json").json["result"]["version"] == before
    assert hub("mappings", "export", "erp/customer").out == text
