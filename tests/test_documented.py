"""What the documents say is so: the guide runs as it stands, and every code and connector is explained."""

import re
import shlex
import sqlite3
from importlib import import_module
from pathlib import Path

import pytest

from hub import errors
from hub.cli import app
from hub.extensions import connector_names, manifest
from hub.testing.messages import ROOT

DOCS = ROOT / "docs"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(name):
    return BLOCK.findall((DOCS / name).read_text(encoding="utf-8"))


def carry_out(kind, text):
    """Do what a reader of the guide does with a block; the codes of its commands."""
    if kind == "sql":
        with sqlite3.connect("erp.db") as erp:
            erp.executescript(text)
        erp.close()
    elif kind == "yaml":
        path = Path(text.splitlines()[0].removeprefix("# "))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    else:
        return [(line, app.run(shlex.split(line)[1:])) for line in text.strip().splitlines()]
    return []


def test_the_guide_to_the_first_flow_works_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HUB_HOME", raising=False)

    done = [step for kind, text in blocks("first-flow.md") for step in carry_out(kind, text)]

    said = capsys.readouterr()
    assert [line for line, code in done if code] == [], said.err
    assert len(done) >= 10
    assert "+441134960123" in said.out


@pytest.mark.parametrize("name", ["first-flow"])
def test_the_chinese_guide_gives_the_same_commands_and_files(name):
    assert blocks(f"{name}.zh.md") == blocks(f"{name}.md")


def codes():
    """The codes of all errors that the hub raises deliberately."""
    for path in sorted((ROOT / "hub").rglob("*.py")):
        if "testing" not in path.parts:
            yield from re.findall(r'^    code = "([a-z-]+)"', path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", ["errors.md", "errors.zh.md"])
def test_every_error_code_is_explained(page):
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d) \|", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    explained = {code: int(exit_code) for code, exit_code in rows}

    assert set(codes()) - {"error"} <= set(explained)
    for known in vars(errors).values():
        if isinstance(known, type) and issubclass(known, errors.HubError) and known.code != "error":
            assert explained[known.code] == known.exit_code, known.code


@pytest.mark.parametrize("page", ["errors.md", "errors.zh.md"])
def test_every_reason_of_the_engine_is_explained(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    made = set()
    for path in (ROOT / "hub" / "sync").glob("*.py"):
        made |= set(re.findall(r'Problem\(\s*"([a-z-]+)"', path.read_text(encoding="utf-8")))

    # What `hub mappings check` says of a mapping is no reason of a record, nor is a part of the
    # sentence that `hub explain` gives.
    made -= {"not-asked", "no-stream", "clause"}
    assert [code for code in sorted(made) if f"`{code}`" not in text] == []


@pytest.mark.parametrize("name", connector_names())
def test_every_connector_has_text_an_entry_and_tests(name):
    text = import_module(f"hub.connectors.{name}").__doc__ or ""
    known = manifest(name)

    assert len(text) > 200, "say what it speaks to, times, money and limits"
    assert {"zh", "en"} <= set(known["title"]) and known["versions"]
    assert list((ROOT / "tests" / "connectors" / name).glob("test_*.py"))
    for readme in ("README.md", "README.zh.md"):
        assert f"[`{name}`]" in (ROOT / readme).read_text(encoding="utf-8")
