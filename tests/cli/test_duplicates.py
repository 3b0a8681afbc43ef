"""duplicates, merge and unmerge on the command line, over a real hub in a folder."""

import json

import pytest

from hub.cli import app
from hub.context import Hub
from hub.store.records import Record
from hub.sync import journal
from hub.sync.journal import Proposal

ADA = {"name": "Ada Lovelace Ltd", "email": "ada@engines.example", "address": {"city": "London"}}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("USER", "ann")
    assert app.run(["--home", str(tmp_path), "init"]) == 0
    with Hub.open(tmp_path, {}) as hub:
        party = hub.entities["customer"]
        with hub.env.work("test", "user:ann") as work:
            proposals = [
                Proposal(
                    Record(id_, "party"),
                    party,
                    {**values, "customer_code": code},
                    op="create",
                )
                for id_, (code, values) in zip(
                    work.ids.batch(3),
                    [
                        ("C1", ADA),
                        ("C2", {**ADA, "name": "Ada Lovelace", "phone": "+14155550101"}),
                        ("C3", {"name": "Bob"}),
                    ],
                    strict=True,
                )
            ]
            assert not journal.apply(work, proposals)
    return tmp_path


@pytest.fixture
def hub(home, capsys):
    def call(*args, code=0, lang="en"):
        capsys.readouterr()
        assert app.run(["--home", str(home), "--lang", lang, *args]) == code
        return capsys.readouterr()

    return call


def result(shown):
    return json.loads(shown.out)["result"]


def test_an_empty_queue_says_what_to_do_next(hub):
    shown = hub("duplicates", "list")

    assert "No pair waits" in shown.out and "hub duplicates scan" in shown.err
    assert result(hub("duplicates", "list", "--json")) == []
    assert result(hub("duplicates", "next", "--json")) is None


def test_a_scan_a_look_and_a_merge(hub):
    scanned = result(hub("duplicates", "scan", "customer", "--json"))
    (pair,) = result(hub("duplicates", "list", "--json"))
    shown = hub("duplicates", "show", pair["id"])
    listed = hub("duplicates", "list")

    assert (scanned["records"], scanned["raised"]) == (3, 1)
    assert "C1 Ada Lovelace Ltd" in listed.out
    assert "≠" in shown.out and "ada@engines.example" in shown.out and "+9.81" in shown.out
    merged = result(hub("duplicates", "merge", pair["id"], "--keep", "left", "--json"))
    assert merged["survivor"] == pair["left"]["id"]
    assert "No pair waits" in hub("duplicates", "next").out


def test_what_was_said_of_a_pair_is_remembered_and_can_be_taken_back(hub):
    hub("duplicates", "scan", "customer")
    (pair,) = result(hub("duplicates", "list", "--json"))

    hub("duplicates", "distinct", pair["id"])

    assert result(hub("duplicates", "list", "--json")) == []
    refused = hub("merge", "customer", "C1", "C2", code=1)
    assert "user:ann said" in refused.err and "--anyway" in refused.err
    hub("duplicates", "reopen", pair["id"])
    hub("duplicates", "later", pair["id"])
    assert result(hub("duplicates", "next", "--json"))["state"] == "later"


def test_merge_show_and_unmerge_of_two_records(hub):
    merged = hub("merge", "customer", "C1", "C2", "--keep", "C1", "--take", "name=C2")
    shown = hub("show", "customer", "C2")
    split = hub("unmerge", "customer", "C2")

    assert "hub unmerge customer" in merged.err and "chosen" in merged.out
    assert "was merged into this record" in shown.err and "+14155550101" in shown.out
    assert "two again" in split.out
    assert result(hub("show", "customer", "C2", "--json"))["record"]["name"] == "Ada Lovelace"


def test_a_value_of_ones_own_and_a_choice_that_cannot_be_read(hub):
    merged = result(hub("merge", "customer", "C1", "C2", "--value", "name=Countess", "--json"))

    assert merged["changes"]["name"][1] == "Countess"
    assert "FIELD=VALUE" in hub("merge", "customer", "C1", "C3", "--take", "name", code=2).err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("merge", "customer", "C1", "C9"), "no customer"),
        (("merge", "customer", "C1", "C1"), "one record already"),
        (("merge", "customer", "C1", "C2", "--keep", "C3"), "neither of the two"),
        (("unmerge", "customer", "C1"), "nothing was merged"),
        (("merge", "starship", "C1", "C2"), "no entity"),
        (("duplicates", "show", "nothing"), "no match candidate"),
        (("duplicates", "merge", "nothing"), "no match candidate"),
        (("duplicates", "distinct", "nothing"), "no match candidate"),
        (("duplicates", "scan", "uom"), "nothing to be compared by"),
    ],
)
def test_what_cannot_be_done_says_why(hub, args, words):
    assert words in hub(*args, code=1).err


def test_two_records_can_be_compared_without_being_a_pair(hub):
    shown = hub("duplicates", "compare", "customer", "C1", "C3")

    assert "different" in shown.out and "-2.31" in shown.out
    compared = result(hub("duplicates", "compare", "customer", "C1", "C2", "--json"))
    assert round(sum(p["bits"] for p in compared["explanation"]["parts"]), 2) == compared["score"]


def test_weights_are_shown_in_chinese_too(hub):
    shown = hub("duplicates", "train", "customer", lang="zh")

    assert "email" in shown.out and "+9.81" in shown.out and "相同" in shown.out
