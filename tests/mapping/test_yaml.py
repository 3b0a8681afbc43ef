import pytest

from hub.mapping.yamltext import YamlError, read_yaml, write_yaml


def test_only_true_and_false_are_booleans_and_codes_stay_texts():
    text = "a: no\nb: 010\nc: 2025-03-01\nd: 12:30\ne: true\nf: ~\ng: 1_000\nh: 1.50\ni: on\n"

    assert read_yaml(text, "x") == {
        "a": "no", "b": "010", "c": "2025-03-01", "d": "12:30", "e": True, "f": None,
        "g": "1_000", "h": 1.5, "i": "on",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("a: 1\na: 2", "the key {key!r} stands twice"),
        ("a: &x [1]\nb: *x", "aliases are not allowed: write it out"),
        ("a: !!python/object/apply:os.system [ls]", "the tag {tag!r} is not allowed"),
        ("a: !thing x", "the tag {tag!r} is not allowed"),
        ("[" * 50_000, "nested deeper than {most} levels"),
        ("a: " + "x" * 300_000, "longer than {most} characters"),
        ("? [a]\n: 1", "a key must be a single value"),
        ("a: [1", "{why}"),
        ("a: \x00", "{why}"),
    ],
)
def test_what_is_dangerous_or_broken_is_refused(text, template):
    with pytest.raises(YamlError) as e:
        read_yaml(text, "x")

    assert e.value.template == template


def test_a_block_knows_its_line():
    tree = read_yaml("a: 1\nrows:\n- {x: 1}\n- x: 2\n", "file.yaml")

    assert [row.line for row in tree["rows"]] == [3, 4]
    assert tree["rows"][0].place == "file.yaml"


def test_what_is_written_is_read_again():
    tree = {"a": "no", "b": "010", "c": None, "d": True, "rows": [{"x": "1", "y": {"1": "a b"}}]}

    assert read_yaml(write_yaml(tree), "x") == tree
