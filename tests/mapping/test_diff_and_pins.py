from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from hub.errors import ConfigError
from hub.mapping import diff, make_pin, read_pins, run_pins, write_pins
from hub.mapping.diff import needs_rebase
from hub.mapping.pins import pins_path
from tests.mapping.conftest import document

ROWS = (
    "- {field: name, from: n}\n- {field: phone, from: tel, owner: crm}\n"
    "- {field: status, from: s, codes: {A: active, B: blocked}}\n"
    "- field: lines\n  from: l\n  list: {key: line_no}\n  rows:\n"
    "  - {field: line_no, from: no}\n  - {field: qty, from: q}\n"
)


def changes(before, after, head=""):
    return [str(d) for d in diff(document(before), document(after, head))]


def test_the_same_documents_do_not_differ():
    noted = ROWS.replace("from: n}", "from: n, note: why}")

    assert changes(ROWS, noted, "note: about") == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("owner: crm", "owner: erp", "phone: owner crm → erp"),
        (", owner: crm", "", "phone: owner crm → —"),
        ("from: tel", "from: mobile", "phone: from tel → mobile"),
        ("B: blocked", "C: blocked", "status: codes.C — → blocked"),
        ("from: q", "from: qty", "lines.qty: from q → qty"),
        ("- {field: name, from: n}\n", "", "name: −"),
        ("- {field: name, from: n}\n", "- {field: name, from: n}\n- {field: note, from: x}\n",
         "note: +"),
    ],
)  # fmt: skip
def test_a_difference_is_said_in_terms_of_fields(old, new, said):
    assert said in changes(ROWS, ROWS.replace(old, new))


def test_a_change_of_identity_needs_a_new_base():
    before = document(ROWS)

    found = diff(before, document(ROWS, "match: [phone]\npolicy: hub"))

    assert [d.what for d in needs_rebase(found)] == ["match"]
    assert str(found[0]) in ("mapping: match — → phone", "mapping: match — → [phone]")


ROW = {
    "id": 7,
    "n": "Acme",
    "tel": "+86 138 0013 8000",
    "s": "A",
    "l": [{"no": 1, "q": Decimal("2.50")}],
    "d": date(2025, 3, 1),
    "t": datetime(2025, 3, 1, tzinfo=UTC),
    "b": b"\x00",
    "f": 0.1,
}


def test_a_pinned_record_is_a_test(mapped, tmp_path):
    rows = [line for line in ROWS.split("\n- ")]
    rows[0] = rows[0].removeprefix("- ")
    m = mapped(*(r.rstrip() for r in rows))
    path = tmp_path / "customer.pins.yaml"
    path.write_text(write_pins([make_pin(m, ROW)]), encoding="utf-8")

    (pin,) = read_pins(path)

    assert pin.row == ROW
    assert type(pin.row["l"][0]["q"]) is Decimal
    assert run_pins(m, [pin]) == []
    assert write_pins([pin]) == path.read_text(encoding="utf-8")


def test_a_pin_that_breaks_is_told_in_words(mapped):
    pin = make_pin(
        mapped("{field: name, from: n}", "{field: status, from: s, codes: {A: active}}"), ROW
    )
    other = mapped("{field: name, from: n, text: {case: upper}}",
                   "{field: status, from: s, codes: {B: active}}")  # fmt: skip

    found = [str(p) for p in run_pins(other, [pin])]

    assert found[0] == "name: pinned record 7: 'name' becomes 'ACME', and was 'Acme'"
    assert "status: pinned record 7: 'status' becomes None, and was 'active'" in found
    assert "status: pinned record 7: 'status' becomes 'unknown-code', and was None" in found
    assert "s: pinned record 7: the column 's' is written as None, and was 'A'" in found


def test_pins_stand_beside_their_mapping(tmp_path):
    path = pins_path(tmp_path / "erp" / "customer.yaml")

    assert path == tmp_path / "erp" / "customer.pins.yaml"
    assert read_pins(path) == []


@pytest.mark.parametrize("text", ["[", "pins: 1", "a: 1", "pins: [{x: 1}]", "pins: [1]"])
def test_what_are_no_pins_is_told(text):
    with pytest.raises(ConfigError, match="these are no pinned records"):
        read_pins(text)
