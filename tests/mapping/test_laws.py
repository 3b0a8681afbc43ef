"""The promises of every lens over many values, and mistakes that must be found."""

from decimal import Decimal
from random import Random

import pytest

from hub.errors import fill
from hub.mapping import LensError, check_laws, compile, lens
from hub.mapping.lens import LENSES, LOSSLESS, Lens, register
from tests.mapping.conftest import CUSTOMER, document

MANY = 10_000

ROWS = {
    "copy text": "{field: name, from: x}",
    "copy decimal": "{field: total, from: x}",
    "copy integer": "{field: staff, from: x}",
    "copy boolean": "{field: vip, from: x}",
    "copy date": "{field: since, from: x}",
    "copy datetime": "{field: seen_at, from: x}",
    "copy choice": "{field: status, from: x}",
    "copy ref": "{field: owner, from: x}",
    "copy set": "{field: tags, from: x}",
    "copy object": "{field: address, from: x}",
    "copy list": "{field: banks, from: x}",
    "copy deep": "{field: address.city, from: 'a.b[1].c'}",
    "copy found": "{field: phone, from: \"a[?type='work'].number\"}",
    "const": "{field: name, const: x}",
    "default": "{field: note, from: x, default: none}",
    "codes": "{field: status, from: x, codes: {1: active, B: blocked}}",
    "codes n:1": "{field: status, from: x, codes: {A: active, C: active, '': blocked}}",
    "codes truth": "{field: status, from: x, codes: {true: active, false: blocked}}",
    "bool": "{field: vip, from: x, bool: {true: J, false: N}}",
    "bool many": "{field: vip, from: x, bool: {true: [Y, '1'], false: [N, '']}}",
    "decimal": "{field: total, from: x, decimal: true}",
    "decimal scale": "{field: total, from: x, decimal: {scale: 2}}",
    "decimal group": "{field: total, from: x, decimal: {group: '.', point: ','}}",
    "decimal factor": "{field: total, from: x, decimal: {factor: 0.01}}",
    "money": "{field: total, from: x, money: {currency: CNY}}",
    "money minor": "{field: total, from: x, money: {currency: KWD, minor: true}}",
    "money yen": "{field: total, from: x, money: {currency: JPY, minor: true}}",
    "quantity": "{field: total, from: x, quantity: true}",
    "unit": "{field: total, from: x, unit: {from: g, to: kg}}",
    "date of time": "{field: since, from: x, date: true}",
    "date form": "{field: since, from: x, date: {format: '%d.%m.%Y'}}",
    "date compact": "{field: since, from: x, date: {format: '%Y%m%d', never: ['99991231']}}",
    "date zone": "{field: since, from: x, date: {zone: Asia/Shanghai}}",
    "datetime": "{field: seen_at, from: x, datetime: {zone: Asia/Shanghai}}",
    "datetime form": "{field: seen_at, from: x, datetime: {format: '%Y-%m-%d %H:%M', zone: UTC}}",
    "epoch ms": "{field: seen_at, from: x, datetime: {epoch: ms}}",
    "epoch s": "{field: seen_at, from: x, datetime: {epoch: s}}",
    "text trim": "{field: name, from: x, text: {trim: true, max: 80}}",
    "text case": "{field: name, from: x, text: {case: upper}}",
    "text pad": "{field: code, from: x, text: {pad: 10}}",
    "text max": "{field: name, from: x, text: {max: 20}}",
    "text cut": "{field: name, from: x, text: {max: 20, cut: true}, direction: out}",
    "phone": "{field: phone, from: x, phone: {region: CN}}",
    "email": "{field: email, from: x, email: true}",
    "country": "{field: address.country, from: x, country: {write: {DE: Germany}}}",
    "join": "{field: name, from: [a, b], join: {by: ' '}}",
    "split": "{field: tags, from: x, split: {by: ';'}}",
    "ref": "{field: owner, from: x, ref: {type: integer}}",
    "ref parts": "{field: owner, from: [a, b], ref: party}",
    "pick": "{field: phone, from: x, pick: first}",
    "pick last": "{field: note, from: x, pick: last}",
    "pick where": "{field: note, from: x, pick: {where: {type: work}, take: no}}",
    "table": "{field: note, from: x, table: {rows: {SH: 上海, BJ: 北京}}}",
    "table else": "{field: note, from: x, table: {rows: {SH: 上海}, else: keep}}",
    "table n:1": "{field: note, from: x, table: {rows: {SH: 上海, S: 上海}}, direction: in}",
    "when": "{field: note, from: x, when: 'type = \"B\"'}",
    "when codes": "{field: status, from: x, when: {if: 't = 1', codes: {A: active, C: active}}}",
    "formula": "{field: total, formula: 'x * 2', direction: in}",
    "inverse": "{field: total, from: x, formula: 'x * 2', inverse: 'total / 2'}",
    "list": "field: contacts\n  from: x\n  list: {key: no}\n  rows:\n  - {field: name, from: n}",
}


def mapping_of(row):
    return compile(document(f"- {row}"), CUSTOMER)


def test_every_lens_is_tried():
    used = " ".join(ROWS.values())

    assert [name for name in LENSES if name != "copy" and f"{name}:" not in used] == []


@pytest.mark.parametrize("name", ROWS)
def test_a_lens_keeps_its_promise_on_many_values(name):
    assert [str(p) for p in check_laws(mapping_of(ROWS[name]), count=MANY)] == []


@pytest.mark.parametrize("name", ROWS)
def test_a_generated_value_is_one_the_lens_reads(name):
    for cell in mapping_of(ROWS[name]).cells.all:
        if not cell.lens.needs_source or name.startswith(("copy", "list")):
            continue
        read = 0
        for raw in cell.lens.generate(Random(1), 200):
            try:
                cell.lens.read_parts(raw) if name == "ref parts" else cell.lens.get(raw)
                read += 1
            except ValueError:
                continue
        assert read > 150


def told(row, rows=(), count=2000):
    return [
        fill(p.message, {"value": p.value, **p.values})
        for p in check_laws(mapping_of(row), rows, count=count)
    ]


def test_upper_case_declared_lossless_is_found():
    found = told("{field: name, from: x, text: {case: upper}, law: lossless}")

    assert "'a' becomes 'A' on the way back" in found[0].replace("'x'", "'a'").replace("'X'", "'A'")


def test_several_codes_of_one_meaning_declared_lossless_are_found():
    found = told(
        "{field: status, from: x, codes: {A: active, C: active, B: blocked}, law: lossless}"
    )

    assert found[0].startswith("'C' becomes 'A' on the way back: ")


def test_a_third_is_found():
    found = told("{field: total, from: x, unit: {ratio: 1/3}}")

    assert any("on the way back" in text for text in found)


def test_cents_in_binary_fractions_are_found(lenses):
    class Cents(Lens):
        def read(self, value):
            return str(int(value) / 100).removesuffix(".0")

        def write(self, value, old):
            return int(float(value) * 100)

        def remotes(self, rng):
            return rng.randrange(100)

    register("cents", Cents)

    found = told("{field: total, from: x, cents: true}")

    assert found[0].startswith("29 becomes 28 on the way back: ")


def test_truncation_is_found(lenses):
    class Short(Lens):
        def write(self, value, old):
            return value[:5]

    register("short", Short)

    found = told("{field: name, from: x, short: true}")

    assert any("on the way back" in text for text in found)
    assert told("{field: name, from: x, text: {max: 5, cut: true}, direction: in}") == []


def test_a_lossy_date_is_found(lenses):
    class Month(Lens):
        def read(self, value):
            return f"{str(value)[:7]}-01"

    register("month", Month)

    assert any("on the way back" in t for t in told("{field: since, from: x, month: true}"))


def test_a_lens_that_gives_no_normal_form_is_found(lenses):
    class Raw(Lens):
        law = lens.ONE_WAY

        def read(self, value):
            return Decimal(str(value))

    register("raw", Raw)

    assert (
        "is no value of the field" in told("{field: total, from: x, raw: true, direction: in}")[0]
    )


def test_a_lens_that_breaks_is_found(lenses):
    class Broken(Lens):
        def read(self, value):
            return value.nothing

    register("broken", Broken)

    assert "breaks the lens: AttributeError" in told("{field: name, from: x, broken: true}")[0]


def test_a_lens_that_does_not_keep_what_it_promises_to_keep_is_found(lenses):
    class Forgets(Lens):
        law = lens.KEEPING

        def read(self, value):
            return str(value).strip()

        def keeps(self, value, old):
            return False

        def write(self, value, old):
            return f"{value} "

    register("forgets", Forgets)

    assert told("{field: name, from: x, forgets: true}") == []  # the cell keeps what says the same


def test_a_wrong_inverse_is_found():
    found = told("{field: total, from: x, formula: 'x * 2', inverse: 'ROUND(total / 2)'}")

    assert any("on the way back" in text for text in found)


def test_real_rows_give_the_smallest_counter_example_and_their_number():
    rows = [{"id": n, "x": "long text" if n % 3 else "A"} for n in range(9)]
    rows += [{"id": 9, "x": "a"}]

    found = told("{field: name, from: x, text: {case: upper}, law: lossless}", rows)

    assert "'a' becomes 'A' on the way back: 7 of 10 records" in found


def test_rows_written_back_unedited_stay(mapped):
    m = mapped("{field: name, from: n}", "{field: since, from: d, date: true}",
               "{field: phone, from: p, phone: {region: CN}}",
               "{field: tags, from: t, split: {by: ';'}}")  # fmt: skip
    rows = [{"id": 1, "n": " A ", "d": "2025-03-01T08:30:00", "p": "138 0013 8000", "t": "b;a;b"}]

    assert check_laws(m, rows, count=10) == []


def test_a_taken_name_is_refused(lenses):
    with pytest.raises(LensError, match="exists already"):
        register("codes", type("Other", (Lens,), {}))


@pytest.fixture
def lenses():
    before = dict(LENSES)
    yield
    LENSES.clear()
    LENSES.update(before)


def test_the_law_of_a_lens_follows_its_options():
    def law(row):
        return mapping_of(row).cells.all[0].lens.law

    assert law(ROWS["codes"]) == LOSSLESS
    assert law(ROWS["codes n:1"]) == lens.KEEPING
    assert law(ROWS["table"]) == LOSSLESS
    assert law(ROWS["table n:1"]) == lens.ONE_WAY
    assert law(ROWS["text max"]) == LOSSLESS
    assert law(ROWS["text cut"]) == lens.ONE_WAY
    assert law(ROWS["formula"]) == lens.ONE_WAY
    assert law(ROWS["inverse"]) == LOSSLESS
