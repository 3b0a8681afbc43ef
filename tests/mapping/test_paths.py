import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mapping.paths import MISSING, PathError, column_path, parse_path


@pytest.mark.parametrize(
    ("text", "row", "value"),
    [
        ("a", {"a": 1}, 1),
        ("a", {}, MISSING),
        ("a", {"a": None}, None),
        ("a.b", {"a": {"b": 0}}, 0),
        ("a.b", {"a": {}}, MISSING),
        ("a.b", {"a": None}, None),
        ("a.b", {"a": False}, None),
        ("a.b", {"a": ""}, None),
        ("a[1]", {"a": [1, 2]}, 2),
        ("a[5]", {"a": [1]}, None),
        ("a[0].b", {"a": [{"b": 2}]}, 2),
        ("a[?t='x'].v", {"a": [{"t": "y", "v": 1}, {"t": "x", "v": 2}]}, 2),
        ("a[?t='x'].v", {"a": []}, None),
        ("a[?t='1'].v", {"a": [{"t": 1, "v": 2}]}, 2),
        ("a[*].b", {"a": [{"b": 1}, {}, {"b": None}]}, [1, None]),
        ("a[*].b[*]", {"a": [{"b": [1, 2]}, {"b": [3]}]}, [1, 2, 3]),
        ("客户 名称", {"客户 名称": "x"}, "x"),
        ('"No."', {"No.": 7}, 7),
        ("a[?t='it''s']", {"a": [{"t": "it's"}]}, {"t": "it's"}),
    ],
)
def test_a_path_reads_what_is_there(text, row, value):
    assert parse_path(text).get(row) == value


def test_a_path_through_a_value_is_told():
    with pytest.raises(PathError, match=r"'a\.b' leads through a value without parts: 'text'"):
        parse_path("a.b").get({"a": "text"})


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[-1]", "a[x]", "a[?x]", "a]b", "a[1000]"]
)
def test_what_is_no_path_is_refused(text):
    with pytest.raises(PathError, match=r"path"):
        parse_path(text)


def test_a_path_of_too_many_steps_is_refused():
    with pytest.raises(PathError):
        parse_path(".".join("a" * 100))


@pytest.mark.parametrize(
    ("text", "row", "value", "after"),
    [
        ("a", {}, 1, {"a": 1}),
        ("a.b.c", {}, 1, {"a": {"b": {"c": 1}}}),
        ("a.b", {"a": {"x": 1}}, 2, {"a": {"x": 1, "b": 2}}),
        ("a[1].b", {"a": [{"x": 1}]}, 2, {"a": [{"x": 1}, {"b": 2}]}),
        ("a[?t='x'].v", {"a": [{"t": "y"}]}, 2, {"a": [{"t": "y"}, {"t": "x", "v": 2}]}),
        ("a[?t='x'].v", {"a": [{"t": "x", "o": 1}]}, 2, {"a": [{"t": "x", "o": 1, "v": 2}]}),
        ("a[*].b", {"a": [{"b": 1, "o": 1}, {"b": 2, "o": 2}]}, [2, 3],
         {"a": [{"b": 2, "o": 2}, {"b": 3}]}),
    ],
)  # fmt: skip
def test_a_path_is_written_with_what_lies_on_the_way(text, row, value, after):
    before = copy.deepcopy(row)

    assert parse_path(text).put(row, value) == after
    assert row == before


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1)


@given(names, st.integers())
def test_any_column_name_has_a_path(name, value):
    path = parse_path(column_path(name))

    assert path.get({name: value}) == value
    assert path.put({}, value) == {name: value}


steps = st.lists(
    st.sampled_from(["a", "b", "[0]", "[2]", "[?k='v'].b"]), min_size=1, max_size=6
).map(lambda s: "x" + "".join(p if p[0] == "[" else f".{p}" for p in s) + ".z")
rows = st.recursive(
    st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abkx"), inner),
)


@given(steps, st.dictionaries(st.sampled_from("abx"), rows), st.integers())
def test_what_is_written_is_read_again_and_the_old_row_stays(text, row, value):
    path, before = parse_path(text), copy.deepcopy(row)

    assert path.get(path.put(row, value)) == value
    assert row == before


def test_missing_is_one_thing_and_false():
    assert copy.deepcopy(MISSING) is MISSING
    assert not MISSING
    assert repr(MISSING) == "MISSING"
