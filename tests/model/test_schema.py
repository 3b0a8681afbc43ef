"""What `check` refuses and says, and that the API's schema agrees with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from hub.entity import Entity, Field
from hub.errors import Problem
from hub.model import ENTITIES
from hub.model.kinds import normalise
from hub.model.schema import check, marshmallow_schema

CUSTOMER = ENTITIES["customer"]
ORDER = ENTITIES["sales_order"]

CUSTOMER_VALUES = {
    "code": "C1",
    "name": "深圳市华信科技有限公司",
    "party_type": "organization",
    "status": "active",
    "phone": "+8675588888888",
    "address": {"country": "CN", "city": "深圳市", "latitude": "22.54286"},
    "addresses": [{"id": "a", "usage": ["billing", "shipping"]}, {"id": "b"}],
    "credit_limit": "100000.5",
    "credit_days": 30,
    "prices_include_tax": True,
    "currency": "CNY",
    "claimed_at": "2025-03-01T00:30:00.5Z",
    "tags": ["a", "b"],
    "parent": None,
    "note": "two\nlines",
}
ORDER_VALUES = {
    "number": "SO1",
    "doc_date": "2025-03-01",
    "currency": "CNY",
    "customer": "0195-1",
    "lines": [
        {"line_no": 1, "qty": "3", "unit_price": "199.9", "discounts": [{"pct": "10"}]},
        {"line_no": 2, "qty": "-0.5", "taxes": [{"rate": "13", "category": "S"}]},
    ],
}


@pytest.mark.parametrize("partial", [True, False])
def test_values_in_normal_form_have_no_problem(partial):
    assert check(CUSTOMER, CUSTOMER_VALUES, partial=partial) == []
    assert check(ORDER, ORDER_VALUES, partial=partial) == []


@pytest.mark.parametrize(
    ("change", "field", "code", "message"),
    [
        ({"name": None}, "name", "required", "name: a value is required"),
        ({"name": ""}, "name", "required", "name: a value is required"),
        ({"name": 7}, "name", "type", "name: not a text: 7"),
        ({"name": "x" * 256}, "name", "too-long", "name: longer than 255 characters: 'xxx"),
        ({"name": "a\x00"}, "name", "not-normal", "name: not in normal form: 'a\\x00'"),
        ({"name": "e\u0301"}, "name", "not-normal", "name: not in normal form"),
        ({"note": "\ud800"}, "note", "not-normal", "note: not in normal form"),
        ({"nmae": "x"}, "nmae", "unknown-field", "nmae: the entity has no such field"),
        ({"status": "gone"}, "status", "choice", "status: not one of active, inactive, blocked"),
        ({"status": []}, "status", "choice", "status: not one of"),
        ({"credit_limit": "1.50"}, "credit_limit", "not-normal", "credit_limit: not in normal"),
        ({"credit_limit": "1e3"}, "credit_limit", "not-normal", "credit_limit: not in normal"),
        ({"credit_limit": 1.5}, "credit_limit", "type", "credit_limit: not a decimal number in"),
        ({"credit_limit": "ten"}, "credit_limit", "type", "credit_limit: not a decimal number in"),
        (
            {"credit_limit": "0.1234567"},
            "credit_limit",
            "precision",
            "credit_limit: does not fit into 20 digits with 6 after the point: '0.1234567'",
        ),
        ({"credit_limit": "1" * 15}, "credit_limit", "precision", "credit_limit: does not fit"),
        ({"credit_days": True}, "credit_days", "type", "credit_days: not a whole number: True"),
        ({"credit_days": "30"}, "credit_days", "type", "credit_days: not a whole number: '30'"),
        ({"credit_days": 2**63}, "credit_days", "type", "credit_days: not a whole number"),
        ({"prices_include_tax": 1}, "prices_include_tax", "type", "neither true nor false: 1"),
        ({"claimed_at": "2025-02-30T00:00:00Z"}, "claimed_at", "type", "not an instant like"),
        ({"claimed_at": "2025-03-01T08:30:00"}, "claimed_at", "type", "not an instant like"),
        ({"claimed_at": "2025-03-01T00:30:00.10Z"}, "claimed_at", "type", "not an instant like"),
        ({"currency": "RMB"}, "currency", "not-normal", "currency: not in normal form: 'RMB'"),
        ({"address": []}, "address", "type", "address: not an object of named values: '<list>'"),
        ({"address": {"country": "XX"}}, "address.country", "not-normal", "not in normal form"),
        ({"address": {"town": "x"}}, "address.town", "unknown-field", "no such field"),
        ({"addresses": {}}, "addresses", "type", "addresses: not a list: '<dict>'"),
        ({"addresses": [1]}, "addresses[0]", "type", "not an object of named values: 1"),
        ({"addresses": [{"city": "x"}]}, "addresses[0].id", "required", "a value is required"),
        ({"addresses": [{"id": None}]}, "addresses[0].id", "required", "a value is required"),
        (
            {"addresses": [{"id": "a"}, {"id": "a"}]},
            "addresses[1].id",
            "duplicate",
            "addresses[1].id: two items of the list have this key: 'a'",
        ),
        ({"tags": ["b", "a"]}, "tags", "type", "tags: not a sorted list of different texts"),
        ({"tags": ["a", "a"]}, "tags", "type", "tags: not a sorted list of different texts"),
        ({"tags": "a"}, "tags", "type", "tags: not a sorted list of different texts: 'a'"),
        ({"parent": ""}, "parent", "type", "parent: not the id of a record: ''"),
        ({"parent": 5}, "parent", "type", "parent: not the id of a record: 5"),
        ({"ext": "x"}, "ext", "type", "ext: not an object of named values: 'x'"),
    ],
)
@pytest.mark.parametrize("partial", [True, False])
def test_a_problem_names_field_value_and_reason(change, field, code, message, partial):
    found = check(CUSTOMER, CUSTOMER_VALUES | change, partial=partial)

    assert [(p.field, p.code) for p in found] == [(field, code)]
    assert message in str(found[0])


def test_a_date_is_a_day_that_exists():
    for bad in ("2025-02-29", "20250301", "2025-03-01T00:00:00", "2025-3-1", 20250301, [], ""):
        found = check(ORDER, {"doc_date": bad}, partial=True)
        assert [str(p).split(":")[0] for p in found] == ["doc_date"]


def test_all_problems_are_told_at_once():
    values = {"name": "", "status": "x", "address": {"country": "YY", "zip": 1}, "tags": 1}

    found = check(CUSTOMER, values, partial=True)

    assert [p.field for p in found] == ["name", "status", "address.country", "address.zip", "tags"]


def test_a_required_field_may_be_missing_from_a_part_but_not_from_the_whole():
    assert check(CUSTOMER, {"phone": "1"}, partial=True) == []
    assert [p.field for p in check(CUSTOMER, {"phone": "1"}, partial=False)] == ["name"]
    assert [p.field for p in check(ORDER, {}, partial=False)] == ["currency", "doc_date"]


def test_an_item_of_a_list_always_has_its_key():
    line = {"qty": "1"}

    assert [p.field for p in check(ORDER, {"lines": [line]}, partial=True)] == ["lines[0].line_no"]


def test_custom_fields_are_left_to_their_own_rules():
    assert check(CUSTOMER, {"ext": {"crm.score": 5}}, partial=True) == []


def test_a_number_too_long_for_the_column_is_refused_even_in_a_list():
    found = check(ORDER, {"lines": [{"line_no": 1, "qty": "1" * 19}]}, partial=True)

    assert [(p.field, p.code) for p in found] == [("lines[0].qty", "precision")]


any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20)
    | st.sampled_from(["2025-03-01", "1.5", "CNY", "CN", "active", "\ud800", "1" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
LINE = st.dictionaries(
    st.sampled_from(["line_no", "qty", "taxes", "serials", "x"]), any_json, max_size=4
)


@pytest.mark.parametrize("name", ["customer", "sales_order", "product"])
def test_no_input_breaks_the_check_and_every_problem_can_be_stored(name):
    entity = ENTITIES[name]
    names = st.sampled_from([*entity.field, "ext", "nothing"])

    @given(st.dictionaries(names, any_json | st.lists(LINE, max_size=3), max_size=6))
    def run(values):
        for partial in (True, False):
            for found in check(entity, values, partial=partial):
                stored = json.dumps(found.to_json(), allow_nan=False, ensure_ascii=False).encode()
                assert Problem.from_json(json.loads(stored)) == found
                assert str(found)

    run()


# ------------------------------------------------------------------------------- marshmallow


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize(
    ("entity", "values"), [(CUSTOMER, CUSTOMER_VALUES), (ORDER, ORDER_VALUES)], ids=["c", "o"]
)
def test_values_in_normal_form_are_loaded_and_dumped_unchanged(entity, values, partial):
    schema = marshmallow_schema(entity, partial=partial)()

    assert schema.load(values) == values
    assert schema.dump(values) == values


def test_what_people_write_is_loaded_into_normal_form():
    written = {
        "name": "e\u0301",
        "email": " Ada@Example.COM ",
        "currency": "人民币",
        "credit_limit": "1e3",
        "address": {"country": "Germany"},
        "claimed_at": "2025-03-01T08:30:00+08:00",
        "tags": ["b", "a", "b"],
        "phone": "no number",
    }

    loaded = marshmallow_schema(CUSTOMER)().load(written)

    assert loaded == {
        "name": "é",
        "email": "Ada@example.com",
        "currency": "CNY",
        "credit_limit": "1000",
        "address": {"country": "DE"},
        "claimed_at": "2025-03-01T00:30:00Z",
        "tags": ["a", "b"],
        "phone": "no number",
    }
    assert check(CUSTOMER, loaded, partial=False) == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "deal_status": "dealt"}, "deal_status"),
        ({"name": "x", "credit_limit": 1.5}, "credit_limit"),
        ({"name": "x", "credit_limit": "0.1234567"}, "credit_limit"),
        ({"name": "x", "credit_days": "30"}, "credit_days"),
        ({"name": "x", "prices_include_tax": "yes"}, "prices_include_tax"),
        ({"name": "x", "claimed_at": "2025-03-01T08:30:00"}, "claimed_at"),
        ({"name": "x", "addresses": [{"id": "a"}, {"id": "a"}]}, "addresses"),
        ({"name": "x", "address": {"country": "Atlantis"}}, "address"),
        ({"name": "x", "status": "gone"}, "status"),
        ({"name": "x", "tags": ["a", 1]}, "tags"),
    ],
)
def test_the_api_refuses_what_has_no_normal_form(values, field):
    with pytest.raises(ValidationError) as refused:
        marshmallow_schema(CUSTOMER)().load(values)

    assert list(refused.value.normalized_messages()) == [field]


def test_messages_of_the_api_carry_the_value():
    with pytest.raises(ValidationError, match="not a whole number: '30'"):
        marshmallow_schema(CUSTOMER)().load({"name": "x", "credit_days": "30"})


PLAIN = Entity(
    "thing",
    (
        Field.text("name", "名", "Name", size=5, required=True),
        Field.decimal("price", "价", "Price", precision=(5, 2)),
        Field.integer("count", "数", "Count"),
        Field.boolean("flag", "旗", "Flag"),
        Field.date("day", "日", "Day"),
        Field.datetime("at", "时", "At"),
        Field.choice("kind", ("a", "b"), "类", "Kind"),
        Field.ref("other", "thing", "他", "Other"),
        Field.set("tags", "签", "Tags"),
        Field.object("box", (Field.text("in", "内", "In", size=3),), "盒", "Box"),
        Field.list("rows", (Field.integer("no", "号", "No"),), "行", "Rows", key="no"),
    ),
)
SAMPLES = {
    "name": ["a", "abcdef", "", None, 1, "\x00"],
    "price": ["1.5", "1.50", "0.125", "123.45", "1234", 1, 1.5, "x", None, True],
    "count": [1, "1", 1.0, True, None, 2**70],
    "flag": [True, False, 0, "true", None],
    "day": ["2025-03-01", "2025-02-30", 5, None, ""],
    "at": ["2025-03-01T00:00:00Z", "2025-03-01T00:00:00", 5, None],
    "kind": ["a", "c", "", None, [], 1],
    "other": ["x", "", None, 1],
    "tags": [[], ["a", "b"], ["b", "a"], "a", None, [1]],
    "box": [{}, {"in": "x"}, {"in": "abcd"}, {"out": 1}, [], None],
    "rows": [[], [{"no": 1}], [{"no": 1}, {"no": 1}], [{}], {}, [None], None],
}


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, sample in SAMPLES.items() for v in sample], ids=repr
)
def test_check_and_schema_agree(name, value, partial):
    values = {"name": "x"} | {name: value}
    schema = marshmallow_schema(PLAIN, partial=partial)()
    try:
        loaded = schema.load(values)
    except ValidationError:
        assert check(PLAIN, values, partial=partial) != []
        return

    assert check(PLAIN, loaded, partial=partial) == []
    right = check(PLAIN, values, partial=partial) == []
    assert right == (loaded == values and json.dumps(loaded) == json.dumps(values))


def test_normal_forms_are_made_for_each_kind():
    fields = PLAIN.field

    assert normalise(fields["price"], "1.50") == "1.5"
    assert normalise(fields["day"], "2025-03-01T00:00:00") == "2025-03-01"
    assert normalise(fields["at"], None) is None
    assert normalise(fields["tags"], ["b", "", "a"]) == ["a", "b"]
    with pytest.raises(ValueError, match="not a decimal number"):
        normalise(fields["price"], 1.5)
