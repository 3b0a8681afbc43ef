import dataclasses

import pytest

from hub.connector import Column, Stream
from hub.mapping import check
from tests.mapping.conftest import CUSTOMER, document

NAME = "- {field: name, from: name}\n- {field: code, from: id}\n"
COLUMNS = {
    "id": Column("integer", required=True, writable=False),
    "name": Column("text", required=True),
    "note": Column("text", size=20),
    "status": Column("text", choices=("A", "B", "C")),
    "total": Column("integer"),
    "json": Column("json"),
    "must": Column("text", required=True),
    "calc": Column("decimal", writable=False),
    "lines": Column("rows", columns={"no": Column("integer"), "qty": Column("decimal")}),
}
STREAM = Stream("customers", key=("id",), columns=COLUMNS)


def found(rows, head="", **options):
    problems = check(document(rows, head), CUSTOMER, count=50, **options)
    return {(p.code, p.field): p for p in problems}


def test_a_good_mapping_has_no_problem():
    assert found(NAME) == {}


def test_a_required_field_must_be_mapped():
    problem = found("- {field: code, from: id}\n")[("unmapped", "name")]

    assert str(problem) == "name: the required field 'name' is not mapped"
    assert problem.values["level"] == "error"


def test_a_mapping_that_only_writes_needs_no_required_field():
    assert found("- {field: code, from: id, direction: out}\n") == {}


def test_an_identity_is_needed():
    entity = dataclasses.replace(CUSTOMER, match=(), code="code")

    problems = check(document("- {field: name, from: n}\n"), entity, count=10)

    assert [p.code for p in problems] == ["no-identity"]
    assert not check(document(NAME), entity, count=10)


def test_items_need_their_key_and_required_parts():
    rows = NAME + ("- field: lines\n  from: l\n  list: true\n  rows:\n  - {field: qty, from: q}\n")

    assert {("no-item-key", "lines"), ("unmapped", "lines.line_no")} <= set(found(rows))


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ("{field: note, from: notes}", "unknown-column", "note"),
        ("{field: total, formula: 'totl * 2', direction: in}", "unknown-column", "total"),
        ("{field: total, from: calc}", "read-only", "total"),
        ("{field: note, from: json}", "kind", "note"),
        ("{field: tags, from: note}", "kind", "tags"),
        ("{field: total, from: total}", "lossy", "total"),
        ("{field: note, from: note}", "lossy", "note"),
        ("{field: status, from: status, codes: {A: active, B: blocked}}", "unmapped-code", "status"),
        ("{field: status, from: status, codes: {A: active, Z: blocked}}", "strange-code", "status"),
        ("{field: note, from: note, text: {max: 20}}", "unfilled", "must"),
        ("{field: lines, from: lines, list: {key: no},"
         " rows: [{field: line_no, from: nr}]}", "unknown-column", "lines.line_no"),
    ],
)  # fmt: skip
def test_a_mapping_is_held_against_the_system(row, code, field):
    rows = "- {field: name, from: name}\n- {field: code, from: id, direction: in}\n"

    assert (code, field) in found(f"{rows}- {row}\n", stream=STREAM)


def test_a_misspelt_column_has_a_suggestion():
    problem = found(f"{NAME}- {{field: note, from: notes}}\n", stream=STREAM)[
        ("unknown-column", "note")
    ]

    assert str(problem) == "note: the stream 'customers' has no column 'notes'"
    assert problem.hint.format(**problem.values) == "Did you mean 'note'?"


def test_key_and_cursor_must_exist():
    text = NAME.replace("from: id", "from: id, direction: in")

    problems = found(text, "modified: changed", stream=STREAM)

    assert ("unknown-column", "modified") in problems


def test_a_stream_that_does_not_say_its_columns_is_trusted():
    assert found(NAME, stream=Stream("customers")) == {}


def test_real_rows_give_each_problem_once_with_its_number():
    rows = [{"id": n, "name": "" if n < 3 else "A", "t": "x"} for n in range(5)]

    problems = found(f"{NAME}- {{field: total, from: t}}\n", samples=rows)

    missing = problems[("missing", "name")]
    assert str(missing).startswith("name: 3 of 5 records: a value is required")
    assert problems[("invalid", "total")].values["count"] == 5


def test_errors_come_first():
    problems = check(
        document(f"{NAME}- {{field: note, from: note}}\n- {{field: total, from: calc}}\n"),
        CUSTOMER,
        STREAM,
        count=10,
    )

    levels = [p.values["level"] for p in problems]
    assert levels == sorted(levels)
    assert {"error", "warning"} == set(levels)


def test_broken_laws_are_errors():
    rows = f"{NAME}- {{field: note, from: note, text: {{case: upper}}, law: lossless}}\n"

    assert found(rows)[("law", "note")].values["level"] == "error"
