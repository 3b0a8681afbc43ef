"""sync, status, runs, flows."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from hub.cli.base import State
from hub.cli.commands.sync import exit_code, unaccounted
from hub.cli.progress import Bars, Lines, progress
from hub.cli.screen import Screen
from tests.cli.conftest import flow_status, run

BRAKE = {
    "code": "brake",
    "message": "flow {flow!r}: {why}",
    "hint": "Look at the source.",
    "values": {"flow": "customers", "why": "12 rows are gone"},
}


def error(code):
    return {"code": code, "message": "m", "hint": ""}


# ------------------------------------------------------------------------------------ exit codes


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ([], 0),
        ([run()], 0),
        ([run(waiting=2), run(conflicted=1)], 0),
        ([run(quarantined=1, state="partial")], 3),
        ([run(), run(written={"rejected": 1})], 3),
        ([run(state="failed", error=error("config"))], 4),
        ([run(state="failed", error=error("auth"))], 5),
        ([run(state="failed", error=error("unavailable"))], 6),
        ([run(state="failed", error=error("rate-limit"))], 6),
        ([run(state="failed", error=error("protocol"))], 6),
        ([run(state="paused", error=BRAKE)], 7),
        ([run(state="failed", error=error("busy"))], 8),
        ([run(state="failed", error=error("storage"))], 1),
        ([run(state="failed", error=error("something"))], 1),
        ([run(state="failed")], 1),
        ([run(state="paused", error=BRAKE), run(state="failed", error=error("auth"))], 5),
        ([run(quarantined=1), run(state="paused", error=BRAKE)], 7),
        ([run(read=99)], 1),
    ],
)
def test_the_gravest_outcome_is_the_exit_code(hub, fake, runs, code):
    fake.answers["sync"] = runs

    assert exit_code(runs) == code
    assert hub("sync").code == code


def test_every_row_read_is_in_one_count():
    assert unaccounted(run()) == 0
    assert unaccounted(run(read=9)) == 3


# ------------------------------------------------------------------------------------------ sync


def test_sync_runs_the_flows_that_are_named(hub, fake):
    hub("sync", "customers", "orders", "--full")
    hub("sync")

    assert [c[1:] for c in fake.calls if c[0] == "sync"] == [
        (("customers", "orders"), True),
        ((), False),
    ]


def test_the_table_accounts_for_what_was_read_and_written(hub, fake):
    fake.answers["sync"] = [run(), run("orders", quarantined=1, direction="in", state="partial")]

    lines = [line.split() for line in hub("sync").out.splitlines() if line]

    assert lines[0][:3] == ["In", "Read", "Created"]
    assert lines[1] == ["customers", "6", "1", "2", "3", "0", "0", "0", "0", "0", "2.0"]
    assert lines[2] == ["orders", "7", "1", "2", "3", "1", "0", "0", "0", "0", "2.0"]
    assert lines[3][:4] == ["Total", "13", "2", "4"]
    assert lines[4][:2] == ["Out", "Created"]
    assert lines[5] == ["customers", "4", "0", "0", "0", "0", "0", "0", "2.0"]


def test_what_is_to_be_done_next_is_said_on_stderr(hub, fake):
    fake.answers["sync"] = [run(quarantined=1, state="partial"), run("orders", conflicted=2)]

    err = hub("sync").err

    assert "hub quarantine list --flow customers" in err
    assert "hub conflicts list" in err


def test_a_brake_is_explained_with_the_way_on(hub, fake):
    fake.answers["sync"] = [run(state="paused", error=BRAKE)]

    err = hub("sync").err

    assert "✗ customers: flow 'customers': 12 rows are gone\n→ Look at the source.\n" in err
    assert "hub flows resume customers" in err


def test_a_row_in_no_count_is_called_a_fault(hub, fake):
    fake.answers["sync"] = [run(read=9)]

    assert "customers: 3 rows are in no count" in hub("sync").err


def test_without_flows_sync_says_so(hub, fake):
    fake.answers["sync"] = []

    assert "No flow is enabled" in hub("sync").out


# -------------------------------------------------------------------------------------- progress


def event(done, total=1000, flow="customers", phase="pull"):
    return {"flow": flow, "phase": phase, "done": done, "total": total}


def test_without_a_terminal_there_is_a_line_every_few_seconds(tmp_path, capsys):
    now = [0.0]
    lines = Lines(Screen(State(tmp_path)), lambda: now[0])
    for second in range(0, 13):
        now[0] = float(second)
        lines(event(100 * second))

    assert capsys.readouterr().err == (
        "customers reading: 500 of 1000, 100/s, 0:00:05 left\n"
        "customers reading: 1000 of 1000, 100/s, 0:00:00 left\n"
    )


def test_without_a_total_the_line_has_no_remaining_time(tmp_path, capsys):
    now = [0.0]
    lines = Lines(Screen(State(tmp_path, language="en")), lambda: now[0])
    lines(event(0, None, phase="push"))
    now[0] = 10.0
    lines(event(50, None, phase="push"))

    assert capsys.readouterr().err == "customers writing: 50, 5/s\n"


def test_on_a_terminal_there_are_bars(tmp_path, monkeypatch):
    screen = Screen(State(tmp_path))
    screen.err = Console(file=(file := io.StringIO()), force_terminal=True, width=100)
    with progress(screen) as bars:
        assert isinstance(bars, Bars)
        bars(event(10))
        bars(event(1000))
        bars(event(5, None, phase="push"))
        bars._bars.refresh()

    assert "customers reading" in file.getvalue() and "1000/1000" in file.getvalue()


def test_json_has_no_bars(tmp_path):
    screen = Screen(State(tmp_path, json=True))
    screen.err = Console(file=io.StringIO(), force_terminal=True)

    assert isinstance(progress(screen), Lines)


# --------------------------------------------------------------------------------- status, runs


def test_status_has_a_row_per_flow_and_the_records(hub):
    out = hub("status").out

    row = next(line for line in out.splitlines() if line.startswith("customers"))
    assert " ".join(row.split()) == (
        "customers erp both ways active 2025-03-01 00:30:02 1 2 3 4 2025-03-01 00:35:00"
    )
    assert out.splitlines()[-1].split() == ["customer", "7"]


def test_a_paused_flow_is_explained(hub, fake):
    paused = flow_status(state="paused", paused_reason=BRAKE)
    fake.answers["status"] = {"flows": [paused], "records": {}}

    ran = hub("status")

    assert "Flow customers is paused: flow 'customers': 12 rows are gone" in ran.out
    assert "hub flows resume customers" in ran.err


def test_a_flow_that_never_ran_has_dashes(hub, fake):
    new = flow_status(state="new", last_run=None, next_due_at=None)
    fake.answers["status"] = {"flows": [new], "records": {}}

    assert "never run" in hub("status").out


def test_without_flows_status_says_what_to_do(hub, fake):
    fake.answers["status"] = {"flows": [], "records": {}}

    assert "No flows yet" in hub("status").out


def test_runs_are_limited_and_of_one_flow(hub, fake):
    out = hub("runs", "customers", "--limit", 5).out

    assert ("runs", "customers", 5) in fake.calls
    assert "2025-03-01 00:30:00" in out and "done" in out


def test_without_runs_the_first_step_is_named(hub, fake):
    fake.answers["runs"] = []

    assert "hub sync" in hub("runs").out


# ----------------------------------------------------------------------------------------- flows


def test_a_flow_is_resumed_with_what_was_approved(hub, fake):
    hub("flows", "resume", "customers")
    hub("flows", "resume", "customers", "--approve", 12)

    assert [c[1:] for c in fake.calls if c[0] == "resume"] == [("customers", 0), ("customers", 12)]


def test_the_flows_are_listed(hub):
    out = hub("flows", "list").out

    assert "orders" in out and "shop/order" in out and "every 5m" in out


@pytest.mark.parametrize(("width", "is_table"), [(60, False), (80, False), (120, True)])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_value_is_cut_off_where_the_terminal_is_narrow(tmp_path, language, width, is_table):
    screen = Screen(State(home=tmp_path, language=language))
    screen.out = Console(
        file=(file := io.StringIO()), force_terminal=True, width=width, color_system=None
    )
    name, sentence = "深圳市百川电子有限公司", "waits for another record " * 3
    row = ["01a20e91-42b1-7a61-af5b", name, 17, sentence, "2026-11-24 17:18:50"]

    screen.table(["Id", "Flow", "Read", "Reason", "Since"], [row])

    shown = file.getvalue()
    assert all(value in shown for value in (row[0], name, "17", row[4]))
    assert shown.count("another") == 3 and "…" not in shown
    assert ("─" in shown) is is_table
    if is_table:
        assert max(map(cell_len, shown.splitlines())) <= width
