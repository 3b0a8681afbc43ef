"""Whatever a row or a record holds: values, or problems in words; never another error."""

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random

import pytest

from hub.mapping import RowError, compile
from hub.mapping.laws import check_laws
from tests.mapping.conftest import CUSTOMER, document
from tests.mapping.test_laws import ROWS

ODD = [
    None, "", " ", "0", "x" * 3000, "\x00", "\ud800", "٣", "1e999999999", "-1e-999999999", "1_0",
    "NaN", "Infinity", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00", "2025-13-01",
    "0000-00-00", "24:00", "+", "@", "a@b@c", "{value}", "%s", "🙂" * 50, "a|b\\c", "\n",
    0, 1, -1, 2**63, 10**400, -(10**5000), 0.1, -0.0, 1e308, 1e-320, float("nan"), float("inf"),
    True, False, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+999999"),
    Decimal("1E-999999"), Decimal("-0"), date.min, date.max, datetime.min, datetime.max,
    datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), b"", b"\xff\x00",
    [], [None], [[]], [{}], [1, "a"], {}, {"a": {}}, {"no": None}, [{"no": 1}, {"no": 1}],
    (1, 2), {"b": [1, {"c": "x"}]}, object(), str, [float("nan")], {1: 2}, {None: 1}, frozenset("a"),
]  # fmt: skip
COLUMNS = ("x", "a", "b", "t", "type", "net")


def all_rows():
    return {name: compile(document(f"- {row}"), CUSTOMER) for name, row in ROWS.items()}


@pytest.mark.parametrize("name", ROWS)
def test_any_row_gives_values_or_problems(name):
    mapping, rng = compile(document(f"- {ROWS[name]}"), CUSTOMER), Random(name)

    for n in range(4 * len(ODD)):
        odd = ODD[n % len(ODD)]
        row = {c: rng.choice(ODD) for c in COLUMNS if rng.random() < 0.7} | {"x": odd}
        candidate = mapping.get(row)
        for problem in candidate.problems:
            assert str(problem)
            assert problem.to_json()
        mapping.covers(row)
        for field, value in candidate.values.items():
            assert mapping.equal(field, value, value)


@pytest.mark.parametrize("name", ROWS)
def test_any_record_over_any_row_is_written_or_told(name):
    mapping, rng = compile(document(f"- {ROWS[name]}"), CUSTOMER), Random(name)
    seen = [mapping.get({c: rng.choice(ODD) for c in COLUMNS}).values for _ in range(200)]

    for n, values in enumerate(seen):
        old = {c: rng.choice(ODD) for c in COLUMNS} if n % 2 else None
        try:
            mapping.put(values, old)
        except RowError as e:
            assert str(e)
            assert all(str(p) for p in e.problems)


@pytest.mark.parametrize("name", ROWS)
def test_the_laws_hold_on_any_rows(name):
    rng = Random(name)
    rows = [{"id": n, **{c: rng.choice(ODD) for c in COLUMNS}} for n in range(100)]

    for problem in check_laws(compile(document(f"- {ROWS[name]}"), CUSTOMER), rows, count=1):
        assert str(problem)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_any_key_is_an_id_or_told(odd):
    mapping = compile(document("- {field: name, from: n}", "modified: m"), CUSTOMER)

    try:
        assert mapping.external_id({"id": odd})
    except ValueError as e:
        assert str(e)
    assert isinstance(mapping.get({"n": "A", "m": odd}).problems, list)
