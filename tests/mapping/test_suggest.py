import pytest

from hub.connector import Column, Stream
from hub.mapping import suggest
from tests.mapping.conftest import CUSTOMER, document


def stream(**columns):
    return Stream("s", columns={k.replace("__", " "): v for k, v in columns.items()})


def pairs(made, **options):
    return {s.field: s.column for s in suggest(CUSTOMER, made, **options)}


TEXT = Column("text")


@pytest.mark.parametrize(
    ("column", "label", "field"),
    [
        ("FName", "", "name"),
        ("cCusPhone", "", "phone"),
        ("telephone", "", "phone"),
        ("E_Mail", "", "email"),
        ("_widget_17", "电话", "phone"),
        ("客户名称", "", "name"),
        ("remark", "", "note"),
        ("备注", "", "note"),
        ("creditLimit", "", "credit_limit"),
        ("信用额度", "", "credit_limit"),
        ("address_city", "", "address.city"),
        ("Bill City", "", "address.city"),
        ("F_Since", "", "since"),
    ],
)
def test_columns_are_found_by_their_names_in_both_languages(column, label, field):
    declared = next(f for f in CUSTOMER.fields if f.name == field.split(".")[0])
    kind = {"decimal": "decimal", "date": "date"}.get(declared.kind, "text")
    made = Stream("s", columns={column: Column(kind, label=label)})

    best = suggest(CUSTOMER, made)[0]

    assert (best.field, best.score >= 0.45) == (field, True)


def test_the_kind_must_fit():
    assert "total" not in pairs(stream(total=Column("boolean")))
    assert pairs(stream(total=Column("decimal")))["total"] == "total"


def test_codes_and_values_tell_more_than_names():
    made = stream(
        zustand=Column("text", choices=("active", "blocked")), x1=Column("text"), x2=Column("text")
    )
    samples = [{"x1": "Acme", "x2": "ann@example.com"}, {"x1": "Beta", "x2": "bob@example.com"}]
    records = [{"name": "ACME"}, {"name": "beta"}]

    found = pairs(made, samples=samples, records=records)

    assert found["status"] == "zustand"
    assert found["name"] == "x1"


def test_what_is_mapped_is_not_suggested_again():
    made = stream(name=TEXT, phone=TEXT, Tel=TEXT)
    mapped = document("- {field: name, from: name}\n")

    assert pairs(made, document=mapped) == {"phone": "phone"}


def test_every_field_and_column_is_used_once_and_the_best_come_first():
    made = stream(phone=TEXT, Phone1=TEXT, tel=TEXT)

    found = suggest(CUSTOMER, made)

    assert len({s.field for s in found}) == len(found) == len({s.column for s in found})
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    assert all(0 <= s.score <= 1 and "name" in s.reasons for s in found)


def test_a_column_with_a_dot_is_suggested_as_a_path():
    assert pairs(Stream("s", columns={"Cust. name": TEXT}))["name"] == '"Cust. name"'


def test_nothing_is_suggested_for_strange_names():
    assert pairs(stream(qqq=TEXT, zzz9=TEXT)) == {}
