"""What `get` and `put` promise: kinds of nothing, types, objects, lists, references, directions."""

import copy
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from hub.errors import HubError
from hub.mapping import Ref, RowError, Rule
from hub.mapping.paths import MISSING

NAME = "{field: name, from: name}"


def values(mapping, row):
    candidate = mapping.get(row)
    assert not candidate.problems, [str(p) for p in candidate.problems]
    return candidate.values


def problem(mapping, row):
    (found,) = mapping.get(row).problems
    return found


# ------------------------------------------------------------------------- three kinds of nothing


def test_absent_null_and_empty_are_kept_apart(mapped):
    m = mapped(NAME, "{field: note, from: note}", "{field: total, from: total}")

    assert values(m, {"name": "A"}) == {"name": "A"}
    assert values(m, {"name": "A", "note": None}) == {"name": "A", "note": None}
    assert values(m, {"name": "A", "note": ""}) == {"name": "A", "note": ""}
    assert values(m, {"name": "A", "total": ""}) == {"name": "A", "total": None}
    assert values(m, {"name": "A", "total": 0}) == {"name": "A", "total": "0"}


def test_false_and_zero_are_values(mapped):
    m = mapped(NAME, "{field: vip, from: v}", "{field: staff, from: s}")

    assert values(m, {"name": "A", "v": False, "s": 0}) == {"name": "A", "vip": False, "staff": 0}


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_blank_that_is_ignored_is_absent(mapped, blank):
    m = mapped(NAME, "{field: note, from: note, blank: ignore, text: {trim: true}}",
               "{field: address.city, from: city, blank: ignore}",
               "{field: total, formula: 'VALUE(TRIM(note))', direction: in, blank: ignore}")  # fmt: skip

    found = values(m, {"name": "A", "note": blank, "city": blank if blank != "  " else None})

    assert found == {"name": "A"}


@pytest.mark.parametrize("row", [{}, {"name": None}, {"name": ""}])
def test_a_required_value_that_is_missing_is_told(mapped, row):
    found = problem(mapped(NAME), row)

    assert (found.code, found.field) == ("missing", "name")
    assert str(found) == "name: a value is required, and column 'name' has none"


def test_a_row_can_require_what_the_entity_does_not(mapped):
    m = mapped(NAME, "{field: note, from: note, required: true}")

    assert problem(m, {"name": "A"}).field == "note"


def test_a_blank_does_not_beat_the_default_of_a_required_field(mapped):
    m = mapped(NAME, "{field: party_type, from: t}")

    assert values(m, {"name": "A", "t": None}) == {"name": "A"}


def test_a_value_that_cannot_be_read_is_told_once_and_left_out(mapped):
    m = mapped(NAME.replace("from: name", "from: a.b"), "{field: total, from: t}")

    candidate = m.get({"a": "text", "t": "abc"})

    assert candidate.values == {}
    assert [(p.field, p.code) for p in candidate.problems] == [
        ("name", "invalid"), ("total", "invalid"),
    ]  # fmt: skip
    assert "'abc'" in str(candidate.problems[1])


# ------------------------------------------------------------------------------------------ types


@pytest.mark.parametrize(
    ("field", "raw", "canonical"),
    [
        ("code", 7, "7"),
        ("code", 2**60, str(2**60)),
        ("code", Decimal("7.00"), "7"),
        ("code", True, "true"),
        ("code", b"x", "x"),
        ("code", "e\u0301", "é"),
        ("total", "12.50", "12.5"),
        ("total", Decimal("1E+2"), "100"),
        ("total", 0.1 + 0.2, "0.3"),
        ("total", 5, "5"),
        ("total", "-0", "0"),
        ("staff", "12", 12),
        ("staff", Decimal("12.0"), 12),
        ("staff", 2**53 + 1, 2**53 + 1),
        ("vip", "Y", True),
        ("vip", 0, False),
        ("vip", "是", True),
        ("since", date(2025, 3, 1), "2025-03-01"),
        ("since", datetime(2025, 3, 1), "2025-03-01"),
        ("since", "2025-03-01T00:00:00", "2025-03-01"),
        ("seen_at", datetime(2025, 3, 1, 8, tzinfo=timezone(timedelta(hours=8))), "2025-03-01T00:00:00Z"),
        ("seen_at", "2025-03-01 08:00:00+08:00", "2025-03-01T00:00:00Z"),
        ("owner", 42, "42"),
        ("owner", False, None),
        ("tags", ["b", "a", "b", "", None], ["a", "b"]),
        ("address", {"city": "Bonn", "other": 1}, {"city": "Bonn"}),
        ("address", {"city": "Bonn", "country": "Germany"}, {"city": "Bonn", "country": "DE"}),
        ("banks", [{"iban": 1, "x": 2}], [{"iban": "1"}]),
        ("phone", "nonsense", "nonsense"),
        ("email", "Ann@EXAMPLE.com", "Ann@example.com"),
    ],
)  # fmt: skip
def test_the_plain_copy_reads_by_the_canonical_kind(mapped, field, raw, canonical):
    m = mapped(NAME, f"{{field: {field}, from: x}}")

    assert values(m, {"name": "A", "x": raw})[field] == canonical


@pytest.mark.parametrize(
    ("field", "raw", "said"),
    [
        ("total", "1,200", "not a decimal number"),
        ("total", True, "not a decimal number"),
        ("total", float("nan"), "not a decimal number"),
        ("staff", "1.5", "not a whole number"),
        ("staff", True, "not a whole number"),
        ("vip", "maybe", "neither true nor false"),
        ("since", datetime(2025, 3, 1, 8), "not a date"),
        ("since", "01.03.2025", "not a date"),
        ("since", "20211417", "not a date"),
        ("seen_at", datetime(2025, 3, 1), "no zone is set"),
        ("seen_at", "2025-03-01 08:00:00", "no zone is set"),
        ("status", "gone", "known are active, blocked"),
        ("code", {"a": 1}, "no text"),
        ("code", b"\xff", "not UTF-8"),
        ("tags", "a;b", "not a list of texts"),
        ("address", "Bonn", "not an object"),
        ("banks", {"a": 1}, "not a list"),
        ("address", {"country": "Atlantis"}, "not a country"),
    ],
)
def test_what_is_not_of_the_kind_is_told(mapped, field, raw, said):
    m = mapped(NAME, f"{{field: {field}, from: x}}")

    found = problem(m, {"name": "A", "x": raw})

    assert found.field == field
    assert said in str(found)


def test_a_naive_time_is_in_the_zone_of_the_document(mapped):
    m = mapped(NAME, "{field: seen_at, from: x}", head="defaults: {zone: Asia/Shanghai}")

    assert values(m, {"name": "A", "x": "2025-03-01 08:00:00"})["seen_at"] == "2025-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("field", "old", "canonical", "written"),
    [
        ("total", Decimal("1.00"), "2.5", Decimal("2.5")),
        ("total", 1, "2", 2),
        ("total", 1, "2.5", Decimal("2.5")),
        ("total", 1.5, "2.5", 2.5),
        ("total", "1.00", "2.5", "2.5"),
        ("total", MISSING, "2.5", Decimal("2.5")),
        ("staff", "7", 8, "8"),
        ("staff", Decimal(7), 8, Decimal(8)),
        ("code", 7, "8", 8),
        ("code", 7, "08", "08"),
        ("code", 7, "x", "x"),
        ("vip", "Y", False, "N"),
        ("vip", "yes", False, "no"),
        ("vip", 1, False, 0),
        ("vip", MISSING, True, True),
        ("since", date(2025, 1, 1), "2025-03-01", date(2025, 3, 1)),
        ("since", datetime(2025, 1, 1), "2025-03-01", datetime(2025, 3, 1)),
        ("since", "2025-01-01T00:00:00", "2025-03-01", "2025-03-01T00:00:00"),
        ("since", MISSING, "2025-03-01", date(2025, 3, 1)),
        ("seen_at", "2025-01-01T00:00:00Z", "2025-03-01T00:00:00Z", "2025-03-01T00:00:00Z"),
        ("seen_at", "2025-01-01 00:00:00", "2025-03-01T00:00:00Z", "2025-03-01 08:00:00"),
        ("seen_at", "2025-01-01T00:00:00+01:00", "2025-03-01T00:00:00Z", "2025-03-01T01:00:00+01:00"),
        ("seen_at", "2025-01-01T00:00:00.000Z", "2025-03-01T00:00:00Z", "2025-03-01T00:00:00.000Z"),
        ("seen_at", datetime(2025, 1, 1), "2025-03-01T00:00:00Z", datetime(2025, 3, 1, 8)),
        ("seen_at", MISSING, "2025-03-01T00:00:00Z", datetime(2025, 3, 1, tzinfo=UTC)),
        ("owner", 1, "42", 42),
        ("owner", MISSING, "42", "42"),
        ("tags", ["b", "a"], ["a", "b", "c"], ["b", "a", "c"]),
        ("address", {"city": "A", "id": 7}, {"city": "B"}, {"city": "B", "id": 7}),
    ],
)  # fmt: skip
def test_what_is_written_has_the_type_that_was_there(mapped, field, old, canonical, written):
    m = mapped(NAME, f"{{field: {field}, from: x}}", head="defaults: {zone: Asia/Shanghai}")
    row = {"name": "A"} if old is MISSING else {"name": "A", "x": old}

    found = m.put({field: canonical}, row)

    assert found == {"x": written}
    assert type(found["x"]) is type(written)


# -------------------------------------------------------------------------------------------- put


def test_a_create_writes_every_column_that_has_a_value(mapped):
    m = mapped(NAME, "{field: total, from: a.b}", "{field: note, from: note}",
               "{from: org, const: '100', direction: out}")  # fmt: skip

    made = m.put({"name": "A", "total": "1.5", "note": None})

    assert made == {"name": "A", "a": {"b": Decimal("1.5")}, "org": "100"}


def test_an_update_writes_only_columns_that_differ(mapped):
    m = mapped(NAME, "{field: total, from: a.b}", "{field: note, from: note}",
               "{from: org, const: '100', direction: out}")  # fmt: skip
    row = {"name": "A", "a": {"b": "1.50", "c": 1}, "note": "x", "other": 1}
    before = copy.deepcopy(row)

    assert m.put({"name": "A", "total": "1.5", "note": "x"}, row) == {}
    assert m.put({"name": "A", "total": "2", "note": None}, row) == {
        "a": {"b": "2", "c": 1}, "note": None,
    }  # fmt: skip
    assert row == before


def test_fields_limit_what_is_written(mapped):
    m = mapped(NAME, "{field: note, from: note}")

    assert m.put({"name": "B", "note": "y"}, {"name": "A"}, fields={"note"}) == {"note": "y"}


def test_a_field_without_a_value_is_left_alone(mapped):
    assert mapped(NAME, "{field: note, from: n}").put({"name": "B"}, {"name": "A", "n": 1}) == {
        "name": "B"
    }


def test_a_spelling_that_means_the_value_is_kept(mapped):
    m = mapped(NAME, "{field: phone, from: tel, phone: {region: CN}}",
               "{field: address.country, from: land, country: true}")  # fmt: skip
    row = {"name": "A", "tel": "138-0013-8000", "land": "Germany"}

    assert m.put(values(m, row), row) == {}
    assert m.put({"address": {"country": "FR"}}, row) == {"land": "FR"}


def test_directions_are_kept(mapped):
    m = mapped(
        "{field: name, from: name, direction: in}", "{field: note, from: note, direction: out}"
    )

    assert (m.fields_in, m.fields_out) == (("name",), ("note",))
    assert values(m, {"name": "A", "note": "x"}) == {"name": "A"}
    assert m.put({"name": "B", "note": "y"}, {"name": "A"}) == {"note": "y"}


def test_everything_that_cannot_be_written_is_told(mapped):
    m = mapped("{field: name, from: name, text: {max: 3}}",
               "{field: status, from: s, codes: {A: active}}")  # fmt: skip

    with pytest.raises(RowError) as e:
        m.put({"name": "Acme", "status": "blocked"})

    assert [(p.field, p.code) for p in e.value.problems] == [
        ("name", "too-long"), ("status", "unknown-code"),
    ]  # fmt: skip
    assert isinstance(e.value, ValueError)
    assert isinstance(e.value, HubError)
    assert str(e.value) == "name: longer than the 3 characters that the system takes: 'Acme'"


# ---------------------------------------------------------------------------------------- objects


def test_rows_build_an_object_part_by_part(mapped):
    m = mapped(NAME, "{field: address.city, from: city}", "{field: address.street, from: s.t}")

    assert m.parts == {"address": ("city", "street")}
    assert values(m, {"name": "A", "city": "Bonn"})["address"] == {"city": "Bonn"}
    assert "address" not in values(m, {"name": "A"})
    assert m.put({"address": {"city": "Ulm", "street": "x"}}) == {"city": "Ulm", "s": {"t": "x"}}


def test_a_part_that_an_object_lacks_is_cleared(mapped):
    m = mapped(NAME, "{field: address.city, from: city}", "{field: address.street, from: street}")
    row = {"name": "A", "city": "Bonn", "street": "x"}

    assert m.put({"address": {"city": "Bonn"}}, row) == {"street": None}
    assert m.put({"address": None}, row) == {"city": None, "street": None}


def test_custom_fields_stand_under_their_flat_name(mapped):
    m = mapped(NAME, "{field: ext.sales.tier, from: tier}")

    assert values(m, {"name": "A", "tier": 3})["ext.sales.tier"] == "3"
    assert m.put({"ext.sales.tier": "4"}, {"tier": 3}) == {"tier": 4}


# ------------------------------------------------------------------------------------------ lists

LINES = """\
field: lines
  from: rows
  list: {%s}
  rows:
  - {field: line_no, from: no}
  - {field: qty, from: q}
  - {field: product, from: p.id, ref: product}"""


def lines(mapped, options="key: line_no"):
    return mapped(NAME, LINES % options)


ROWS = [
    {"no": "1", "q": "2.0", "p": {"id": 7}, "kept": "a"},
    {"no": "2", "q": 3, "p": {"id": 8}, "kept": "b"},
]
ITEMS = [{"line_no": "1", "qty": "2", "product": "7"}, {"line_no": "2", "qty": "3", "product": "8"}]


def test_a_list_is_read_in_its_order(mapped):
    assert values(lines(mapped), {"name": "A", "rows": ROWS})["lines"] == ITEMS


def test_a_list_is_absent_null_or_has_items(mapped):
    m = lines(mapped)

    assert "lines" not in values(m, {"name": "A"})
    assert values(m, {"name": "A", "rows": None})["lines"] is None
    assert values(m, {"name": "A", "rows": []})["lines"] is None


def put_lines(m, items, rows=ROWS):
    return m.put({"lines": items}, {"name": "A", "rows": rows}).get("rows", "unchanged")


def test_items_are_merged_by_key_and_keep_what_is_not_mapped(mapped):
    m = lines(mapped)

    assert put_lines(m, ITEMS) == "unchanged"
    assert put_lines(m, [{**ITEMS[1], "qty": "9"}, ITEMS[0]]) == [
        {"no": "2", "q": 9, "p": {"id": 8}, "kept": "b"}, ROWS[0],
    ]  # fmt: skip


def test_items_are_added_and_removed(mapped):
    m = lines(mapped)
    new = {"line_no": "3", "qty": "1", "product": "9"}

    assert put_lines(m, [ITEMS[0], new]) == [
        ROWS[0], {"no": "3", "q": Decimal(1), "p": {"id": "9"}},
    ]  # fmt: skip
    assert put_lines(m, []) == []
    assert put_lines(m, None) == []


def test_items_the_hub_does_not_know_are_left_if_told(mapped):
    m = lines(mapped, "key: line_no, missing: leave")

    assert put_lines(m, [{**ITEMS[1], "qty": "9"}])[0] == ROWS[0]


def test_a_part_cleared_in_an_item_is_cleared_there(mapped):
    m = lines(mapped)

    assert put_lines(m, [{"line_no": "1", "product": "7"}, ITEMS[1]])[0]["q"] is None


def test_items_that_are_not_ours_stay_in_place(mapped):
    m = lines(mapped, "key: line_no, where: 'kind <> \"x\"'")
    other = {"kind": "x", "no": "2", "q": 1}
    rows = [other, ROWS[0], other, ROWS[1]]

    assert values(m, {"name": "A", "rows": rows})["lines"] == ITEMS
    assert put_lines(m, ITEMS, rows) == "unchanged"
    assert put_lines(m, [ITEMS[0]], rows) == [other, ROWS[0], other]
    assert put_lines(m, [{**ITEMS[0], "line_no": "0"}, *ITEMS], rows)[:2] == [
        other, {"no": "0", "q": Decimal(2), "p": {"id": "7"}},
    ]  # fmt: skip


def test_the_filter_of_a_list_may_ask_the_row(mapped):
    m = lines(mapped, "key: line_no, where: 'no = row.main'")

    assert values(m, {"name": "A", "main": "2", "rows": ROWS})["lines"] == [ITEMS[1]]


def test_a_list_may_name_the_column_of_its_key(mapped):
    m = mapped(
        NAME, "field: contacts\n  from: c\n  list: {key: no}\n  rows:\n  - {field: name, from: n}"
    )

    found = values(m, {"name": "A", "c": [{"no": 5, "n": "Ann"}]})

    assert found["contacts"] == [{"code": "5", "name": "Ann"}]
    assert m.rules["contacts"].key == "code"
    assert m.put({"contacts": [{"code": "5", "name": "Bob"}]}, {"c": [{"no": 5, "n": "Ann", "x": 1}]}) == {
        "c": [{"no": 5, "n": "Bob", "x": 1}]
    }  # fmt: skip


def test_a_list_without_key_is_one_value(mapped):
    m = mapped(NAME, "field: banks\n  from: b\n  list: true\n  rows:\n  - {field: iban, from: i}")
    row = {"name": "A", "b": [{"i": "1", "x": "a"}, {"i": "2", "x": "b"}]}

    assert m.put({"banks": [{"iban": "2"}, {"iban": "1"}]}, row)["b"] == row["b"][::-1]
    assert m.put({"banks": [{"iban": "1"}, {"iban": "3"}]}, row)["b"] == [
        {"i": "1", "x": "a"}, {"i": "3", "x": "b"},
    ]  # fmt: skip
    assert m.put({"banks": [{"iban": "3"}]}, row)["b"] == [{"i": "3"}]


def test_what_is_wrong_in_an_item_names_its_place_and_leaves_the_list_out(mapped):
    candidate = lines(mapped).get({"name": "A", "rows": [ROWS[0], {"no": "2", "q": "x"}, {"q": 1}]})

    assert "lines" not in candidate.values
    assert [(p.field, p.code) for p in candidate.problems] == [
        ("lines[1].qty", "invalid"), ("lines[2].line_no", "missing"),
    ]  # fmt: skip


@pytest.mark.parametrize(("raw", "said"), [([1], "not an object"), ("x", "not a list")])
def test_a_list_of_something_else_is_told(mapped, raw, said):
    assert said in str(problem(lines(mapped), {"name": "A", "rows": raw}))


def test_two_items_of_one_key_are_told(mapped):
    found = problem(lines(mapped), {"name": "A", "rows": [ROWS[0], ROWS[0]]})

    assert (found.code, found.field, found.value) == ("duplicate-item", "lines[1].line_no", "1")


def test_lists_stand_in_lists(mapped):
    m = mapped(
        NAME,
        LINES % "key: line_no"
        + "\n  - field: serials\n    from: sn\n    list: {key: no}\n    rows:\n    - {field: no, from: n}",
    )
    row = {"name": "A", "rows": [{**ROWS[0], "sn": [{"n": "x", "o": 1}]}]}

    items = values(m, row)["lines"]

    assert items == [{**ITEMS[0], "serials": [{"no": "x"}]}]
    items[0]["serials"].append({"no": "y"})
    assert m.put({"lines": items}, row)["rows"][0]["sn"] == [{"n": "x", "o": 1}, {"n": "y"}]


def test_a_set_of_texts(mapped):
    m = mapped(NAME, "{field: tags, from: t, list: set}", "{field: note, from: n}")

    assert values(m, {"name": "A", "t": ["b", "a"]})["tags"] == ["a", "b"]


def test_a_text_split_into_a_set(mapped):
    m = mapped(NAME, "{field: tags, from: t, split: {by: ';'}, list: set}")

    assert values(m, {"name": "A", "t": "b; a;b"})["tags"] == ["a", "b"]
    assert m.put({"tags": ["a", "b"]}, {"t": "b; a;b"}) == {}
    assert m.put({"tags": ["a", "b", "c"]}, {"t": "b; a"}) == {"t": "b;a;c"}


# ------------------------------------------------------------------- references, identity, rules


def test_references_are_named_with_their_paths(mapped):
    m = mapped(
        NAME,
        "{field: owner, from: [a, b], ref: {stream: staff}}",
        "{field: payment_term, from: term, ref: {entity: payment_term, by: code}}",
        LINES % "key: line_no",
    )

    assert m.refs == (
        Ref(("owner",), "party", "staff"),
        Ref(("payment_term",), "payment_term", "", "code"),
        Ref(("lines", "*", "product"), "product"),
    )


def test_a_reference_by_several_columns_is_their_joined_key(mapped):
    m = mapped(NAME, "{field: owner, from: [a, b], ref: party}")
    row = {"name": "A", "a": "x|y", "b": 7}

    assert values(m, row)["owner"] == "x\\|y|7"
    assert values(m, {**row, "b": None})["owner"] is None
    assert "owner" not in values(m, {"name": "A", "a": "x"})
    assert m.put({"owner": "x\\|y|8"}, row) == {"b": 8}
    with pytest.raises(RowError, match="does not have 2 parts"):
        m.put({"owner": "x"}, row)


def test_a_row_is_known_by_its_key(mapped):
    m = mapped(NAME, head="modified: changed")

    assert m.external_id({"id": 7}) == "7"
    assert m.external_id({"id": Decimal("7.0")}) == "7"
    assert m.external_id({"id": "a|b"}) == "a\\|b"
    for row in ({}, {"id": None}, {"id": ""}):
        with pytest.raises(RowError, match=r"the key column is None|the key column is ''"):
            m.external_id(row)


def test_the_time_of_change_is_an_instant(mapped):
    m = mapped(NAME, head="modified: changed\ndefaults: {zone: Asia/Shanghai}")

    assert m.modified_at({"changed": "2025-03-01 08:00:00"}) == "2025-03-01T00:00:00Z"
    assert m.modified_at({"changed": 17}) is None
    assert m.modified_at({}) is None
    assert m.get({"name": "A", "changed": "2025-03-01 08:00:00"}).modified_at is not None


def test_rules_say_who_wins_and_how_values_compare(mapped):
    m = mapped(
        NAME,
        "{field: phone, from: tel, owner: crm, compare: trimmed}",
        "{field: total, from: t, compare: {rounded: 2}, policy: fill, blank: ignore}",
        LINES % "missing: leave",
        head="policy: hub\nmatch: [[name, phone], code]",
    )

    assert m.rules["name"] == Rule("hub", required=True)
    assert m.rules["phone"] == Rule("", "crm", "trimmed")
    assert m.rules["total"] == Rule("fill", "", "rounded", 2, blank="ignore")
    assert (m.rules["lines"].key, m.rules["lines"].missing) == ("line_no", "leave")
    assert m.match == (("name", "phone"), ("code",))


@pytest.mark.parametrize(
    ("compare", "a", "b", "same"),
    [
        ("exact", "A", "a", False),
        ("casefold", "ACME  Gmbh", "acme gmbh", True),
        ("trimmed", " x ", "x", True),
        ("trimmed", "x", "X", False),
        ("{rounded: 2}", "1.005", "1.01", True),
        ("{rounded: 2}", "1.01", "1.02", False),
        ("{rounded: 2}", "abc", "abd", False),
        ("exact", None, "", True),
        ("exact", None, [], True),
        ("exact", None, "0", False),
        ("exact", None, 0, False),
        ("exact", None, False, False),
    ],
)
def test_values_compare_as_the_row_says(mapped, compare, a, b, same):
    m = mapped(NAME, f"{{field: note, from: note, compare: {compare}}}")

    assert m.equal("note", a, b) is same
    assert m.equal("note", b, a) is same


def test_objects_and_lists_compare_by_their_parts(mapped):
    m = mapped(NAME, "{field: address.city, from: c, compare: casefold}", LINES % "key: line_no")

    assert m.equal("address", {"city": "BONN"}, {"city": "Bonn", "street": None})
    assert not m.equal("address", {"city": "Bonn"}, {"city": "Bonn", "street": "x"})
    assert m.equal("address", None, {"city": None})
    assert m.equal("lines", ITEMS, [{**i, "amount": None} for i in ITEMS[::-1]])
    assert not m.equal("lines", ITEMS, ITEMS[:1])
    assert not m.equal("lines", ITEMS, [ITEMS[0], {**ITEMS[1], "qty": "4"}])


def test_every_column_of_a_row_has_a_fate(mapped):
    m = mapped(
        NAME,
        "{field: ext.a.b, from: own}",
        "{field: total, formula: 'SUM(MAP(rows, q * factor))', direction: in}",
        head="kept: [junk]\nrefused: {secret: not ours}\nmodified: changed",
    )

    names = ("id", "changed", "name", "own", "rows", "junk", "secret", "new")

    assert m.covers(dict.fromkeys(names)) == {
        "id": "mapped", "changed": "mapped", "name": "mapped", "own": "custom", "rows": "mapped",
        "junk": "kept", "secret": "refused", "new": "unknown",
    }  # fmt: skip


def test_a_formula_with_its_inverse_goes_both_ways(mapped):
    m = mapped(NAME, "{field: total, from: net, formula: 'net * 2', inverse: 'total / 2'}")

    assert values(m, {"name": "A", "net": 4})["total"] == "8"
    assert m.put({"total": "10"}, {"net": 4}) == {"net": 5}
    assert m.put({"total": "8"}, {"net": 4}) == {}


def test_a_formula_that_is_only_written_sees_the_record(mapped):
    m = mapped(
        NAME,
        '{from: label, formula: \'CONCAT(name, "/", ext.a.b, "/", address.city)\', direction: out}',
    )
    record = {"name": "A", "ext.a.b": "x", "address": {"city": "Ulm"}}

    assert m.put(record) == {"name": "A", "label": "A/x/Ulm"}
    assert m.put(record, {"label": "A/x/Ulm"}, fields={"note"}) == {}
    assert m.put(record, {"label": "old"}, fields={"note"}) == {}
    assert m.put(record, {"label": "old", "name": "A"}, fields={"name"}) == {"label": "A/x/Ulm"}
    assert "label" not in m.fields_out


def test_rows_that_are_given_are_never_changed(mapped):
    m = mapped(NAME, LINES % "key: line_no", "{field: address.city, from: a.b.c}")
    row = {"name": "A", "rows": copy.deepcopy(ROWS), "a": {"b": {"c": "x"}}}
    before = copy.deepcopy(row)

    m.put({"name": "B", "lines": [{**ITEMS[0], "qty": "7"}], "address": {"city": "y"}}, row)

    assert row == before
