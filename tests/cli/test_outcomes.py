"""What every command has in common: exit codes, languages, JSON, errors."""

import json
import os
import subprocess
import sys

import pytest

from hub import errors
from hub.cli.app import root
from hub.cli.base import Group, State
from hub.cli.screen import Screen, clean
from hub.connector import SecretText
from hub.errors import (
    AuthError,
    BusyError,
    ConfigError,
    HubError,
    NotFoundError,
    RejectedError,
    StorageError,
    UnavailableError,
)
from hub.secrets import redactor

MISSING = NotFoundError(
    "there is no flow {name!r}", name="x", hint="There are: {known}.", known="a"
)


def commands(group=root, path=()):
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, Group):
            yield from commands(command, (*path, name))


ALL = dict(commands())


# ------------------------------------------------------------------------------------------ help


@pytest.mark.parametrize("path", [(), *ALL], ids=" ".join)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_has_help_in_both_languages(hub, path, language):
    ran = hub("--lang", language, *path, "--help")

    assert ran.code == 0 and ran.err == ""
    assert any("\u4e00" <= c <= "\u9fff" for c in ran.out) == (language == "zh")


def test_help_takes_its_language_from_wherever_it_is_given(hub, home, monkeypatch):
    (home / "config" / "local.yaml").write_text("language: zh\n")
    assert "用法" in hub("--help").out
    monkeypatch.setenv("HUB_LANG", "en")
    assert "Usage" in hub("--help").out
    assert "用法" in hub("--help", "--lang=zh").out


def test_help_lists_the_exit_codes(hub):
    out = hub("--help").out

    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 130):
        assert f"\n  {code} " in out


def test_help_is_quick_to_import():
    """Nothing heavy may be imported before a command runs: that is what makes --help fast."""
    code = "import hub.cli, sys; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    heavy = ("rich", "marshmallow", "yaml", "sqlalchemy", "flask", "cryptography", "babel")
    assert set(ran.stdout.split()).isdisjoint(heavy)


def test_the_version_is_shown(hub):
    assert hub("--version").out.startswith("hub ")


# ----------------------------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HubError("x"), 1),
        (NotFoundError("x"), 1),
        (StorageError("x"), 1),
        (ConfigError("x"), 4),
        (AuthError("x"), 5),
        (UnavailableError("x"), 6),
        (RejectedError("x"), 6),
        (BusyError("x"), 8),
        (KeyboardInterrupt(), 130),
        (RuntimeError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_has_its_exit_code(hub, fake, error, code):
    fake.answers["status"] = error

    assert hub("status").code == code
    assert hub("status", "--json").code == code


def test_every_error_class_has_a_documented_exit_code():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, HubError)]

    assert {c.exit_code for c in classes} <= {1, 4, 5, 6, 8}


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("sync", "--fulk"),
        ("show", "customer"),
        ("runs", "--limit", "x"),
        ("--lang", "fr", "status"),
        ("--set", "x", "status"),
        ("quarantine", "replay"),
        ("conflicts", "resolve", "c1", "value"),
        ("conflicts", "resolve", "c1", "ours", "x"),
        ("quarantine", "fix", "q1", "name"),
        ("quarantine", "fix", "q1", "name:={"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_2(hub, fake, args):
    ran = hub(*args)

    assert ran.code == 2 and ran.out == "" and "Error: " in ran.err
    as_json = hub("--json", *args)
    assert as_json.code == 2
    assert as_json.json["error"]["code"] == "usage"
    assert not [c for c in fake.calls if c[0] == "open"]


def test_a_wrong_command_line_is_said_in_the_language(hub):
    assert "没有" in hub("--lang", "zh", "sync", "--fulk").err


# --------------------------------------------------------------------------------------- errors


def test_an_error_is_one_line_and_what_to_do(hub, fake):
    fake.answers["status"] = MISSING

    ran = hub("status")

    assert ran.err == "✗ there is no flow 'x'\n→ There are: a.\n"
    assert ran.out == ""


def test_an_error_is_said_in_the_language(hub, fake):
    fake.answers["status"] = MISSING

    assert "'x'" in hub("status", "--lang", "zh").err
    assert "there is" not in hub("status", "--lang", "zh").err


def test_an_unexpected_error_is_one_line_with_a_code(hub, fake, home):
    fake.answers["status"] = KeyError("x\ny")

    ran = hub("status")

    assert ran.err.splitlines()[0].startswith("✗ unexpected error HUB-")
    assert len(ran.err.splitlines()) == 2
    assert "Traceback" in (home / "data" / "hub.log").read_text()
    code = ran.err.split()[3].rstrip(":")
    assert code in (home / "data" / "hub.log").read_text()
    fake.answers["status"] = KeyError("another")
    assert code in hub("status").err


def test_with_v_an_unexpected_error_shows_where_it_came_from(hub, fake):
    fake.answers["status"] = KeyError("x")

    assert "Traceback" in hub("status", "-v").err


def test_without_a_home_nothing_is_written(hub, fake, tmp_path):
    fake.answers["status"] = KeyError("x")

    ran = hub("status", "--home", tmp_path / "nowhere")

    assert "-v" in ran.err
    assert not (tmp_path / "nowhere").exists()


def test_no_error_shows_a_secret(hub, fake, home):
    redactor.add(SecretText("SECRET-CANARY-cli"))
    fake.answers["status"] = RuntimeError("cannot sign in with SECRET-CANARY-cli")

    ran = hub("status", "-v")

    text = ran.out + ran.err + (home / "data" / "hub.log").read_text()
    assert "SECRET-CANARY-cli" not in text


# ----------------------------------------------------------------------------------------- JSON


JSON_COMMANDS = [
    ("status",),
    ("runs",),
    ("sync",),
    ("show", "customer", "C1"),
    ("flows", "list"),
    ("flows", "resume", "customers"),
    ("connections", "list"),
    ("connections", "check"),
    ("connections", "discover", "erp"),
    ("connections", "discover", "erp", "customer"),
    ("mappings", "list"),
    ("mappings", "show", "erp/customer"),
    ("mappings", "check"),
    ("mappings", "try", "erp/customer", "--rows", "1"),
    ("mappings", "pin", "erp/customer", "17"),
    ("mappings", "diff", "erp/customer", "shop/order"),
    ("mappings", "suggest", "erp", "customer", "customer"),
    ("mappings", "export", "erp/customer"),
    ("config", "show"),
    ("config", "check"),
    ("config", "docs"),
    ("config", "secrets"),
    ("db", "status"),
    ("db", "check"),
    ("db", "upgrade"),
    ("doctor",),
    ("quarantine", "list"),
    ("quarantine", "show", "q1"),
    ("quarantine", "fix", "q1", "a=b"),
    ("quarantine", "replay", "q1"),
    ("quarantine", "dismiss", "q1", "--reason", "old"),
    ("conflicts", "list"),
    ("conflicts", "resolve", "c1", "ours"),
]


@pytest.mark.parametrize("args", JSON_COMMANDS, ids=" ".join)
def test_json_has_one_shape_wherever_the_option_stands(hub, args):
    ran = hub(*args, "--json")

    document = ran.json
    assert list(document) == ["hub", "command", "result", "error"]
    assert document["hub"] == 1 and document["error"] is None
    assert " ".join(args).startswith(document["command"]) and document["command"]
    assert hub("--json", *args).json["command"] == document["command"]


@pytest.mark.parametrize("args", JSON_COMMANDS, ids=" ".join)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_shows_its_result_to_people(hub, args, language):
    ran = hub(*args, "--lang", language)

    assert ran.code == 0
    assert ran.out and "Traceback" not in ran.out
    assert "{" not in ran.out or args[0] in ("config", "quarantine", "show", "mappings")


def test_an_error_as_json_goes_to_stdout(hub, fake):
    fake.answers["status"] = MISSING

    ran = hub("status", "--json")

    assert ran.json["error"] == {
        "code": "not-found",
        "message": "there is no flow 'x'",
        "hint": "There are: a.",
        "exit_code": 1,
    }
    assert ran.json["result"] is None and ran.err == ""


def test_stored_errors_in_a_result_are_said_in_the_language(hub):
    problem = hub("quarantine", "list", "--json").json["result"][0]["problems"][0]

    assert problem["message"] == "there is no entity 'x'"
    assert problem["hint"] == "There are: a, b."


# --------------------------------------------------------------------------------------- options


def test_the_home_may_stand_before_or_after_the_command(hub, fake, tmp_path):
    hub("--home", tmp_path, "status")
    hub("status", "--home", tmp_path)

    assert [c[1] for c in fake.calls if c[0] == "open"] == [tmp_path, tmp_path]


def test_settings_can_be_overridden_for_one_command(hub, fake):
    hub("--set", "engine.batch=5", "status", "--set", "web.port=1")

    assert fake.calls[0][2] == {"engine.batch": "5", "web.port": "1"}


def test_the_hub_is_closed_also_after_an_error(hub, fake):
    fake.answers["status"] = MISSING

    hub("status")

    assert fake.calls[-1] == ("closed",)


def test_a_pipe_gets_whole_values_without_colour(hub, fake):
    long = "x" * 300
    fake.answers["show"] = {**fake.show("customer", "C1"), "record": {"name": long}}

    out = hub("show", "customer", "C1").out

    assert long in out and "\x1b" not in out


def test_control_characters_from_other_systems_are_shown_not_obeyed(hub, fake):
    assert clean("a\x1b[2Jb\u202ec") == "a\\x1b[2Jb\\x202ec"
    fake.answers["runs"] = [{**fake.runs()[0], "flow": "\x1b]0;owned\x07"}]

    assert "\x1b" not in hub("runs").out


def test_colour_is_for_terminals_that_want_it(monkeypatch, tmp_path):
    class Terminal:
        encoding = "utf-8"

        def __init__(self):
            self.text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    Screen(State(tmp_path)).mark("fail", "no")
    monkeypatch.setattr(sys, "stdout", plain := Terminal())
    Screen(State(tmp_path, color=False)).mark("fail", "no")

    assert "\x1b[31m" in shown.text
    assert "\x1b[31m" not in plain.text and "✗ no" in plain.text


def test_the_whole_command_runs_as_a_process(home):
    """The real entry point: exit code, streams, and output that a narrow encoding cannot write."""
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "HUB_HOME": str(home)}
    command = [sys.executable, "-m", "hub", "config", "check", "--json"]

    ran = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["result"]["ok"] is True
