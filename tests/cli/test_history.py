"""The commands that look back: verify, list, export, history; undo, explain and why-not."""

import pytest

from hub.values.moments import UNKNOWN
from tests.cli.conftest import DIFFERENT


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
