"""What each lens makes of values, both ways."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from hub.mapping import RowError
from hub.mapping.paths import MISSING
from tests.mapping.test_mapping import NAME, problem, values

NOTHING = {"name": "A"}


@pytest.mark.parametrize(
    ("row", "raw", "canonical"),
    [
        ("{field: note, from: x, text: {trim: true, case: upper}}", " ab ", "AB"),
        ("{field: note, from: x, text: {trim: true}}", "   ", ""),
        ("{field: code, from: x, text: {pad: 6}}", "000123", "123"),
        ("{field: code, from: x, text: {pad: 6}}", "A00123", "A00123"),
        ("{field: status, from: x, codes: {'1': active, '2': blocked}}", 1, "active"),
        ("{field: status, from: x, codes: {1: active, 2: blocked}}", "2", "blocked"),
        ("{field: status, from: x, codes: {A: active, null: blocked}}", None, "blocked"),
        ("{field: status, from: x, codes: {A: active, '': blocked}}", "", "blocked"),
        ("{field: status, from: x, codes: {A: active}}", "", None),
        ("{field: status, from: x, codes: {true: active, false: blocked}}", 0, "blocked"),
        ("{field: status, from: x, codes: {A: active, B: null}}", "B", None),
        ("{field: vip, from: x, bool: {true: J, false: N}}", "N", False),
        ("{field: vip, from: x, bool: {true: 1, false: [0, '']}}", "", False),
        ("{field: total, from: x, decimal: {group: '.', point: ','}}", "1.234,50", "1234.5"),
        ("{field: total, from: x, decimal: {factor: 0.01}}", 1250, "12.5"),
        ("{field: total, from: x, decimal: {factor: -1}}", "5", "-5"),
        ("{field: total, from: x, money: {currency: JPY, minor: true}}", 1250, "1250"),
        ("{field: total, from: x, money: {currency: CNY, minor: true}}", 1250, "12.5"),
        ("{field: total, from: x, unit: {from: g, to: kg}}", "1500", "1.5"),
        ("{field: total, from: x, unit: 1/3}", 10, "3.333333"),
        ("{field: since, from: x, date: true}", "2025-03-01T08:30:00", "2025-03-01"),
        ("{field: since, from: x, date: true}", datetime(2025, 3, 1, 8), "2025-03-01"),
        ("{field: since, from: x, date: {format: '%Y%m%d'}}", 20250301, "2025-03-01"),
        ("{field: since, from: x, date: {never: ['9999-12-31']}}", "9999-12-31", None),
        ("{field: since, from: x, date: {never: ['0000-00-00']}}", "0000-00-00", None),
        ("{field: since, from: x, date: {zone: Asia/Shanghai}}", "2025-02-28T16:00:00Z", "2025-03-01"),
        ("{field: seen_at, from: x, datetime: {zone: Asia/Shanghai}}", "2025-03-01 08:00:00",
         "2025-03-01T00:00:00Z"),
        ("{field: seen_at, from: x, datetime: {epoch: ms}}", 1740787200123, "2025-03-01T00:00:00.123Z"),
        ("{field: seen_at, from: x, datetime: {epoch: s}}", "1740787200", "2025-03-01T00:00:00Z"),
        ("{field: seen_at, from: x, datetime: {format: '%d.%m.%Y %H:%M', zone: UTC}}",
         "01.03.2025 00:00", "2025-03-01T00:00:00Z"),
        ("{field: phone, from: x, phone: {region: CN}}", "13800138000", "+8613800138000"),
        ("{field: phone, from: x, phone: {strict: false}}", "ask", "ask"),
        ("{field: email, from: x, email: true}", " a@B.com", "a@b.com"),
        ("{field: address.country, from: x, country: true}", "Germany", {"country": "DE"}),
        ("{field: tags, from: x, split: {by: ','}}", "b, a,,b", ["a", "b"]),
        ("{field: tags, from: x, split: ','}", ["b", "a"], ["a", "b"]),
        ("{field: owner, from: x, ref: party}", 7, "7"),
        ("{field: owner, from: x, ref: party}", False, None),
        ("{field: note, from: x, default: none}", "", "none"),
        ("{field: note, from: x, default: none}", MISSING, "none"),
        ("{field: total, const: 1.50}", MISSING, "1.5"),
        ("{field: note, from: x, pick: first}", ["a", "b"], "a"),
        ("{field: note, from: x, pick: last}", ["a", "b"], "b"),
        ("{field: note, from: x, pick: first}", [], None),
        ("{field: note, from: x, pick: {where: {t: w}, take: n}}",
         [{"t": "h", "n": "1"}, {"t": "w", "n": "2"}], "2"),
        ("{field: note, from: x, table: {rows: {SH: 上海}}}", "SH", "上海"),
        ("{field: note, from: x, table: {rows: {SH: 上海}, else: keep}}", "BJ", "BJ"),
        ("{field: note, from: x, when: 'LEN(x) > 1'}", "ab", "ab"),
        ("{field: note, from: x, when: 'LEN(x) > 1'}", "a", MISSING),
        ("{field: status, from: x, when: {if: 'TRUE', codes: {A: active}}}", "A", "active"),
        ("{field: total, formula: 'x / 3', direction: in}", 1, "0.333333"),
        ("{field: since, formula: 'DATEADD(x, 1)', direction: in}", "2025-03-01", "2025-03-02"),
        ("{field: vip, formula: 'x > 1', direction: in}", 2, True),
        ("{field: tags, formula: 'SPLIT(x, \" \")', direction: in}", "b a", ["a", "b"]),
        ("{field: note, formula: 'x', direction: in}", None, None),
    ],
)  # fmt: skip
def test_a_lens_reads(mapped, row, raw, canonical):
    m = mapped(NAME, row)
    source = NOTHING if raw is MISSING else {**NOTHING, "x": raw}

    found = values(m, source)

    field = row.split(":")[1].split(",")[0].strip().split(".")[0]
    assert found.get(field, MISSING) == canonical


@pytest.mark.parametrize(
    ("row", "raw", "said"),
    [
        (
            "{field: status, from: x, codes: {A: active}}",
            "Z",
            "'Z' has no meaning here; known are A",
        ),
        ("{field: vip, from: x, bool: {true: J, false: N}}", "Y", "'Y' has no meaning"),
        (
            "{field: total, from: x, unit: {from: g, to: t}}",
            "1.5",
            "more than the 6 decimal places",
        ),
        ("{field: since, from: x, date: {format: '%Y%m%d'}}", "20211417", "not a date of the form"),
        (
            "{field: since, from: x, date: {format: '%Y-%m-%d'}}",
            "2021-1-4",
            "not a date of the form",
        ),
        ("{field: since, from: x, date: true}", "2025-03-01 noon", "not a date and time"),
        ("{field: seen_at, from: x, datetime: {format: '%Y%m%d'}}", "20250301", "no zone is set"),
        ("{field: seen_at, from: x, datetime: {epoch: ms}}", 10**30, "not a date and time"),
        ("{field: phone, from: x, phone: {region: CN}}", "ask", "not a phone number"),
        ("{field: email, from: x, email: true}", "ask", "not an e-mail address"),
        ("{field: address.country, from: x, country: true}", "Atlantis", "not a country"),
        ("{field: note, from: x, table: {rows: {SH: 上海}}}", "BJ", "'BJ' has no meaning"),
        ("{field: total, formula: 'x * 2', direction: in}", "many", "not a number: 'many'"),
        ("{field: note, from: x, when: 'x'}", "many", "a condition is true or false"),
    ],
)
def test_a_lens_says_what_it_cannot_read(mapped, row, raw, said):
    assert said in str(problem(mapped(NAME, row), {**NOTHING, "x": raw}))


@pytest.mark.parametrize(
    ("row", "canonical", "old", "written"),
    [
        ("{field: note, from: x, text: {trim: true}}", "ab", " ab ", MISSING),
        ("{field: note, from: x, text: {trim: true}}", "abc", " ab ", "abc"),
        ("{field: note, from: x, text: {case: upper}}", "AB", "ab", MISSING),
        ("{field: note, from: x, text: {max: 2, cut: true}, direction: out}", "abc", "x", "ab"),
        ("{field: code, from: x, text: {pad: 6}}", "123", "000001", "000123"),
        ("{field: status, from: x, codes: {A: active, C: active, B: blocked}}", "active", "C", MISSING),
        ("{field: status, from: x, codes: {A: active, C: active, B: blocked}}", "active", "B", "A"),
        ("{field: status, from: x, codes: {1: active, 2: blocked}}", "blocked", "1", "2"),
        ("{field: status, from: x, codes: {1: active, 2: blocked}}", "blocked", 1, 2),
        ("{field: status, from: x, codes: {'1': active, '2': blocked}}", "blocked", 1, 2),
        ("{field: status, from: x, codes: {'1': active, '2': blocked}}", "blocked", MISSING, "2"),
        ("{field: status, from: x, codes: {A: active, N: null}}", None, "A", "N"),
        ("{field: status, from: x, codes: {A: active, null: blocked}}", "blocked", "A", None),
        ("{field: status, from: x, codes: {true: active, false: blocked}}", "active", False, True),
        ("{field: vip, from: x, bool: {true: [J, Y], false: N}}", True, "Y", MISSING),
        ("{field: vip, from: x, bool: {true: [J, Y], false: N}}", True, "N", "J"),
        ("{field: total, from: x, decimal: {group: '.', point: ','}}", "-1234.5", "1", "-1.234,5"),
        ("{field: total, from: x, decimal: {scale: 2}}", "1.005", MISSING, Decimal("1.01")),
        ("{field: total, from: x, money: {currency: CNY, minor: true}}", "12.5", 1, 1250),
        ("{field: total, from: x, unit: {from: g, to: kg}}", "1.5", Decimal(1), Decimal(1500)),
        ("{field: since, from: x, date: true}", "2025-03-02", "2025-03-01T08:30:00",
         "2025-03-02T08:30:00"),
        ("{field: since, from: x, date: true}", "2025-03-01", "2025-03-01T08:30:00", MISSING),
        ("{field: since, from: x, date: {format: '%Y%m%d'}}", "2025-03-02", 20250301, 20250302),
        ("{field: since, from: x, date: {format: '%Y%m%d'}}", "2025-03-02", MISSING, "20250302"),
        ("{field: since, from: x, date: {never: ['9999-12-31']}}", None, "9999-12-31", MISSING),
        ("{field: since, from: x, date: {zone: Asia/Shanghai}}", "2025-03-02",
         "2025-02-28T16:00:00Z", "2025-03-01T16:00:00Z"),
        ("{field: since, from: x, date: true}", "2025-03-02", MISSING, date(2025, 3, 2)),
        ("{field: seen_at, from: x, datetime: {epoch: ms}}", "2025-03-01T00:00:00.123Z", MISSING,
         1740787200123),
        ("{field: seen_at, from: x, datetime: {epoch: s}}", "2025-03-01T00:00:00Z", "1", "1740787200"),
        ("{field: seen_at, from: x, datetime: true}", "2025-03-01T00:00:00Z", MISSING,
         datetime(2025, 3, 1, tzinfo=UTC)),
        ("{field: address.country, from: x, country: {write: {DE: Germany}}}", {"country": "DE"},
         "FR", "Germany"),
        ("{field: owner, from: x, ref: {type: integer}}", "42", MISSING, 42),
        ("{field: note, from: x, default: none}", "none", "", MISSING),
        ("{field: note, from: x, default: none}", "new", "", "new"),
        ("{field: note, from: x, pick: first}", "c", ["a", "b"], ["c", "b"]),
        ("{field: note, from: x, pick: last}", "c", ["a", "b"], ["a", "c"]),
        ("{field: note, from: x, pick: first}", "c", MISSING, ["c"]),
        ("{field: note, from: x, pick: {where: {t: w}, take: n}}", "3",
         [{"t": "h"}, {"t": "w", "n": "2", "o": 1}], [{"t": "h"}, {"t": "w", "n": "3", "o": 1}]),
        ("{field: note, from: x, pick: {where: {t: w}, take: n}}", "3", [], [{"t": "w", "n": "3"}]),
        ("{field: note, from: x, when: 'kind = 1'}", "b", "a", MISSING),
        ("{field: note, from: x, table: {rows: {SH: 上海, BJ: 北京}}}", "北京", "SH", "BJ"),
        ("{field: note, const: k, from: x}", "k", "old", MISSING),
        ("{field: note, const: k, from: x}", "k", MISSING, "k"),
    ],
)  # fmt: skip
def test_a_lens_writes(mapped, row, canonical, old, written):
    m = mapped(row)
    field = row.split(":")[1].split(",")[0].strip().split(".")[0]
    source = {} if old is MISSING else {"x": old}

    found = m.put({field: canonical}, source)

    assert found.get("x", MISSING) == written
    assert type(found.get("x", MISSING)) is type(written)


@pytest.mark.parametrize(
    ("row", "canonical", "said"),
    [
        ("{field: note, from: x, text: {max: 2}}", "abc", "longer than the 2 characters"),
        ("{field: status, from: x, codes: {A: active}}", "blocked", "no code of the system means"),
        ("{field: vip, from: x, bool: {true: J}}", False, "no code of the system means"),
        ("{field: tags, from: x, split: {by: ';'}}", ["a;b"], "holds the separator ';'"),
        ("{field: note, from: x, table: {rows: {SH: 上海}}}", "北京", "no code of the system"),
        ("{field: seen_at, from: x, datetime: {format: '%Y%m%d'}}", "2025-03-01T00:00:00Z", "zone"),
    ],
)
def test_a_lens_says_what_it_cannot_write(mapped, row, canonical, said):
    field = row.split(":")[1].split(",")[0].strip()

    with pytest.raises(RowError, match=said):
        mapped(row).put({field: canonical})


def test_columns_are_joined_and_split(mapped):
    m = mapped("{field: name, from: [first, last], join: {by: ' '}}")

    assert values(m, {"first": "Ann", "last": "van Dyk"})["name"] == "Ann van Dyk"
    assert values(m, {"first": "Ann", "last": ""})["name"] == "Ann"
    assert m.put({"name": "Ann van Dyk"}, {"first": "Ann", "last": "van Dyk"}) == {}
    assert m.put({"name": "Bob van Dyk"}, {"first": "Ann", "last": "van Dyk"}) == {"first": "Bob"}
    assert m.put({"name": "Bob"}, {"first": "Ann", "last": "Lee"}) == {"first": "Bob", "last": None}
    assert m.put({"name": "Bob"}) == {"first": "Bob"}
    assert m.put({"name": None}, {"first": "Ann", "last": ""}) == {"first": None}


def test_a_condition_asks_the_row(mapped):
    m = mapped(NAME, "{field: note, from: x, when: 'kind = \"B\"'}")

    assert values(m, {"name": "A", "kind": "B", "x": "y"})["note"] == "y"
    assert "note" not in values(m, {"name": "A", "kind": "C", "x": "y"})
    assert m.put({"note": "z"}, {"kind": "B", "x": "y"}) == {"x": "z"}
    assert m.put({"note": "z"}, {"kind": "C", "x": "y"}) == {}


def test_a_table_may_stand_in_the_head(mapped):
    m = mapped(NAME, "{field: note, from: x, table: regions}", head="tables: {regions: {SH: 上海}}")

    assert values(m, {"name": "A", "x": "SH"})["note"] == "上海"
