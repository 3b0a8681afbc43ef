"""The commands that look back: verify, list, export, history; undo, explain and why-not."""

import pytest

from hub.values.moments import UNKNOWN
from tests.cli.conftest import DIFFERENT, UNDO


def test_verify_says_what_it_checked(hub, fake):
    ran = hub("verify")

    assert ran.code == 0
    assert ran.out.count("✓") == 3
    assert ("verify", False, False) in fake.calls


@pytest.mark.parametrize(("language", "word"), [("en", "would be done"), ("zh", "会做什么")])
def test_verify_names_each_difference_with_its_remedy(hub, fake, language, word):
    fake.answers["verify"] = DIFFERENT

    plain = hub("verify", "--lang", language)
    plan = hub("verify", "--repair", "--lang", language)

    assert plain.code == plan.code == 1
    assert "7 (differs)" in plain.out and "party C\\x1b[1m1" in plain.out
    assert word in plan.out and "hub verify --repair --yes" in plan.out
    assert [c[1] for c in fake.calls if c[0] == "verify"] == [False, False]


def test_verify_mends_only_with_yes(hub, fake):
    fake.answers["verify"] = {**DIFFERENT, "ok": True, "mended": 7}

    ran = hub("verify", "--repair", "--yes", "--remote")

    assert ran.code == 0 and "7 of 7" in ran.out
    assert ("verify", True, True) in fake.calls
    assert hub("verify", "--yes").code == 2


def test_verify_speaks_json(hub, fake):
    fake.answers["verify"] = DIFFERENT

    result = hub("verify", "--json", "--lang", "zh").json["result"]

    assert result["count"] == 7 and result["found"][0]["kind"] == "differs"
    assert "{" not in result["found"][0]["examples"][0]["message"]


def test_an_instant_that_is_none_is_named(real, capsys):
    ran = real("list", "customer", "--at", "2 moons ago")

    assert ran.code == 4 and "2 moons ago" in ran.err and "2h ago" in ran.err
    assert UNKNOWN.startswith("not an instant")


def test_an_empty_hub_has_empty_lists(real, tmp_path):
    assert "no such record" in real("list", "customer").out
    assert real("export", "customer", "--out", tmp_path / "c.csv").code == 0
    assert (tmp_path / "c.csv").read_bytes().startswith(b"\xef\xbb\xbfcode,")
    assert real("list", "nothing").code == 1
    assert real("history", "customer", "C1").code == 1
    assert real("verify").code == 0


def test_filters_that_are_none_are_named(real):
    ran = real("list", "customer", "--where", "colour=red", "--lang", "zh")

    assert ran.code == 4 and "colour" in ran.err and "name" in ran.err
    assert real("list", "customer", "--where", "red").code == 4
    assert real("export", "customer", "--format", "xlsx").code == 2


def test_undo_shows_its_plan_and_does_nothing_unasked(hub, fake):
    ran = hub("undo", "r1")

    assert ran.code == 7
    assert "Ada" in ran.out and "Eve" in ran.out and "edited" not in ran.out
    assert "crm: 1 rows: put back" in ran.out and "✗ C2 name: changed since" in ran.out
    assert [c[0] for c in fake.calls if c[0].startswith("undo")] == ["undo_plan"]
    assert hub("undo", "r1", "--dry-run").code == 0


@pytest.mark.parametrize(("language", "word"), [("en", "are back"), ("zh", "已恢复")])
def test_undo_does_what_it_is_told(hub, fake, language, word):
    ran = hub("undo", "r1", "--yes", "--field", "name", "--lang", language)

    assert ran.code == 3 and word in ran.out and "hub undo u1" in ran.err
    assert ("undo", "r1", None, ("name",), False) in fake.calls


def test_undo_wants_a_run_or_a_line(hub, fake):
    assert hub("undo").code == 2
    assert hub("undo", "r1", "--change", "7").code == 2
    assert hub("undo", "--change", "7", "--dry-run").code == 0
    assert ("undo_plan", None, 7, (), False) in fake.calls


def test_an_undo_that_is_done_says_so(hub, fake):
    fake.answers["undo_plan"] = {**UNDO, "records": 0, "refused": 0, "already": 3, "steps": []}

    assert "taken back already" in hub("undo", "r1").out
    fake.answers["undo_plan"] = {**UNDO, "records": 0, "refused": 0, "already": 0, "steps": []}
    assert "nothing to take back" in hub("undo", "r1").out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_explain_is_one_sentence(hub, fake, language):
    ran = hub("explain", "customer", "C1", "name", "--lang", language)

    assert ran.code == 0 and ran.out.count("\n") == 1
    assert ran.out.strip().endswith("." if language == "en" else "。")
    assert "\\x1b" in ran.out and "\x1b" not in ran.out
    told = hub("explain", "customer", "C1", "name", "--json", "--lang", language).json["result"]
    assert told["fields"][0]["sentence"] in ran.out and "clauses" not in told["fields"][0]


def test_why_not_gives_a_reason_and_a_remedy(hub, fake):
    ran = hub("why-not", "erp", "17", "--look")

    assert (
        ran.code == 0 and "has never run" in ran.out and "→ Run it: hub sync customers" in ran.out
    )
    assert ("why_not", "erp", "17", True) in fake.calls
    assert hub("why-not", "erp", "--record", "customer", "C1").code == 0
    assert ("why_not_record", "erp", "customer", "C1") in fake.calls
    assert hub("why-not", "erp").code == 2


def test_history_is_a_table(hub, fake):
    assert "C1" in hub("history", "customer", "C1").out
    assert hub("list", "customer").out.count("\n") == 2


def test_what_is_unknown_is_named(real):
    for command in (
        ("explain", "customer", "C1"),
        ("explain", "nothing", "C1"),
        ("why-not", "erp", "1"),
        ("undo", "r1", "--yes"),
        ("undo", "--change", "7"),
        ("undo", "r1", "--field", "colour"),
        ("history", "customer", "C1"),
        ("show", "customer", "C1", "--at", "yesterday"),
    ):
        ran = real(*command)
        assert ran.code == 1 and ran.err.startswith("✗") and "→" in ran.err, (command, ran.err)


def test_a_file_that_cannot_be_written_is_named(real, tmp_path):
    (tmp_path / "file").write_text("")

    ran = real("export", "customer", "--out", tmp_path / "file" / "c.csv")

    assert ran.code == 1 and "cannot be written" in ran.err
