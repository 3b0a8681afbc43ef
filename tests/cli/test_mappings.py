"""The mapping commands."""

import pytest
import yaml

from hub.cli.mapping_tools import suggestions
from hub.connector import BadRow, Column, Stream
from hub.entity import Entity, Field
from tests.cli.conftest import DOCUMENTS, ROWS

BROKEN = (
    "entity: customer\nstream: customer\nkey: id\nrows:\n- {field: nmae, from: n}\n- {field: x}\n"
)


def test_show_tells_which_field_comes_from_which_column(hub):
    lines = [line.split() for line in hub("mappings", "show", "erp/customer").out.splitlines()]

    assert ["email", "mail", "email", "both", "—"] in lines


def test_an_unknown_mapping_is_an_error(hub):
    for command in ("show", "check", "export", "try"):
        assert hub("mappings", command, "erp/nothing").code == 1


# ----------------------------------------------------------------------------------------- check


def test_check_says_everything_that_is_wrong_with_a_document(hub, fake):
    fake.answers["documents"] = {"erp/bad": BROKEN, **DOCUMENTS}

    ran = hub("mappings", "check")

    assert ran.code == 4
    assert ran.out.count("✗ erp/bad: ") > 1 and "line 5: " in ran.out
    assert "✓ erp/customer" in ran.out


def test_check_takes_names(hub, fake):
    fake.answers["documents"] = {"erp/bad": BROKEN, **DOCUMENTS}

    assert hub("mappings", "check", "erp/customer").code == 0


def test_a_pinned_row_that_becomes_something_else_fails_the_check(hub, fake, home):
    assert hub("mappings", "pin", "erp/customer", "17").code == 0
    assert hub("mappings", "check", "erp/customer").code == 0

    changed = DOCUMENTS["erp/customer"].replace("from: name", "from: mail")
    fake.answers["documents"] = {"erp/customer": changed}
    ran = hub("mappings", "check", "erp/customer")

    assert ran.code == 4
    assert "pinned row 17: name becomes 'a@b.cn', and was 'Ada'" in ran.out


def test_a_pin_keeps_numbers_exact_and_replaces_itself(hub, home):
    hub("mappings", "pin", "erp/customer", "17")
    hub("mappings", "pin", "erp/customer", "17")

    pins = yaml.safe_load((home / "mappings/erp/customer.pins.yaml").read_text())
    assert len(pins) == 1
    assert pins[0]["row"]["since"] == {"$decimal": "1.50"}


def test_a_row_that_is_not_there_cannot_be_pinned(hub):
    ran = hub("mappings", "pin", "erp/customer", "99")

    assert ran.code == 1 and "has no row '99' in 'customer'" in ran.err


@pytest.mark.parametrize("text", ["- 5", "a: b", "- {row: {}}", "["])
def test_damaged_pins_are_named(hub, home, text):
    path = home / "mappings/erp/customer.pins.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)

    ran = hub("mappings", "check", "erp/customer")

    assert ran.code == 4 and "these are no pins" in ran.out


# ------------------------------------------------------------------------------------------- try


def test_try_shows_both_directions_and_every_problem(hub):
    ran = hub("mappings", "try", "erp/customer")

    assert ran.code == 3
    assert "email: not an e-mail address: 'no mail'" in ran.out
    assert "Columns that are not mapped: since" in ran.out
    assert "nothing would change there" in ran.out


def test_try_shows_what_writing_back_would_change(hub, fake):
    fake.answers["rows"] = [{"id": 17, "name": "Ada", "mail": "  A@B.CN "}]

    ran = hub("mappings", "try", "erp/customer", "--json")

    assert ran.json["result"][0]["values"]["email"] != "  A@B.CN "


def test_try_reads_as_many_rows_as_asked_and_passes_over_broken_ones(hub, fake):
    fake.answers["rows"] = [BadRow("line 1", "x", "broken"), *ROWS, *ROWS]

    assert len(hub("mappings", "try", "erp/customer", "--rows", 4, "--json").json["result"]) == 3


def test_try_uses_the_flow_or_the_connection_named(hub, fake):
    hub("mappings", "try", "erp/customer")
    hub("mappings", "try", "erp/customer", "--connection", "shop")

    assert [c[1] for c in fake.calls if c[0] == "opened"] == ["erp", "shop"]


def test_a_mapping_without_a_flow_needs_a_connection(hub, fake):
    fake.answers["documents"] = {"x/y": DOCUMENTS["erp/customer"]}

    ran = hub("mappings", "try", "x/y")

    assert ran.code == 4 and "--connection" in ran.err


def test_a_system_without_rows_says_so(hub, fake):
    fake.answers["rows"] = []

    assert "The system gave no row." in hub("mappings", "try", "erp/customer").out


# ------------------------------------------------------------------------- diff, suggest, export


def test_diff_is_by_field(hub):
    found = hub("mappings", "diff", "erp/customer", "shop/order", "--json").json["result"]

    assert {"field": "name", "what": "from", "before": "name", "after": "title"} in found
    assert {"field": "email", "what": "from", "before": "mail", "after": None} in found
    assert not [one for one in found if one["field"] == "code"]


def test_a_mapping_does_not_differ_from_itself(hub):
    assert "the same" in hub("mappings", "diff", "erp/customer", "erp/customer").out


def test_suggest_writes_a_document_that_loads(hub, fake):
    ran = hub("mappings", "suggest", "erp", "customer", "customer")

    fake.answers["documents"] = {"erp/new": ran.out}
    assert hub("mappings", "check").code == 0
    assert "{field: name, from: name}" in ran.out
    assert "group" in ran.err


def test_suggest_knows_both_languages_and_the_ways_of_writing_names():
    entity = Entity("e", (Field.text("name", "名称", "Name"), Field.date("born_on", "出生日期")))
    stream = Stream(
        "s",
        columns={
            "F1": Column("text", label="名称"),
            "BornOn": Column("date"),
            "bornon": Column("boolean"),
        },
    )

    assert suggestions(entity, stream) == [
        {"field": "born_on", "from": "BornOn", "score": 1.0},
        {"field": "name", "from": "F1", "score": 1.0},
    ]


def test_suggest_names_the_nearest_of_what_is_not_there(hub):
    assert (
        "Did you mean 'customer'?" in hub("mappings", "suggest", "erp", "customer", "custmer").err
    )
    assert (
        "Did you mean 'customer'?" in hub("mappings", "suggest", "erp", "custmer", "customer").err
    )


def test_export_gives_what_loads_as_the_same_mapping(hub, fake):
    text = hub("mappings", "export", "erp/customer").out

    version = fake.mapping("erp/customer").version
    fake.answers["documents"] = {"erp/customer": text}
    assert fake.mapping("erp/customer").version == version
    assert hub("mappings", "export", "erp/customer").out == text
