from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from hub.mapping.formula import compile_formula
from hub.mapping.syntax import FormulaError

ROW = {
    "type": "B2B",
    "name": "Acme",
    "city": "上海",
    "qty": "3",
    "price": 2.5,
    "count": 4,
    "rate": Decimal("0.13"),
    "blank": "",
    "null": None,
    "on": date(2025, 1, 31),
    "at": datetime(2025, 3, 1, 8, 30, tzinfo=UTC),
    "day": "2025-03-01",
    "yes": True,
    "tags": ["b", "a", "b"],
    "group": {"name": "G", "inner": {"x": 1}},
    "lines": [{"q": 2, "p": "1.5", "s": "open"}, {"q": "3", "p": 2, "s": "closed"}, {"s": "open"}],
    "Unit price": "9.90",
    "单价": 8,
    "item": "own",
}


def value(text, row=ROW, **options):
    return compile_formula(text, **options).evaluate(row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('IF(type = "B2B", CONCAT(name, " (", city, ")"), name)', "Acme (上海)"),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("2 ^ 3 ^ 2", 64),
        ("-2 ^ 2", 4),
        ("50%", Decimal("0.5")),
        ("200 * 10%", 20),
        ("qty * price", Decimal("7.5")),
        ("0.1 + 0.2", Decimal("0.3")),
        ("1 / 4", Decimal("0.25")),
        ("[Unit price] * 2", Decimal("19.8")),
        ("单价 * 2", 16),
        ("group.name", "G"),
        ("group.inner.x", 1),
        ("lines[0].q", 2),
        ("lines[?s='closed'].q", "3"),
        ("SUM(lines[*].q)", 5),
        ("SUM(lines.q)", 5),
        ("SUM(MAP(lines, q * p))", 9),
        ("SUM(MAP(lines, item.q * item.p))", 9),
        ('SUM(MAP(FILTER(lines, s = "open"), q * p))', 3),
        ('COUNT(lines, s <> "open")', 1),
        ("COUNT(lines)", 3),
        ('JOIN(MAP(lines, row.name & q), ";")', "Acme2;Acme3;Acme"),
        ('JOIN(MAP(tags, UPPER(item)), "")', "BAB"),
        ("UNIQUE(tags)", ["b", "a"]),
        ("FIRST(tags) & LAST(tags)", "bb"),
        ("missing * 2", None),
        ("missing & 'x'", "x"),
        ("ISBLANK(missing)", True),
        ("ISBLANK(blank)", True),
        ("ISBLANK(0)", False),
        ("COALESCE(missing, blank, name)", "Acme"),
        ("IF(missing > 1, 'a', 'b')", "b"),
        ("missing = missing", True),
        ("missing = ''", False),
        ("count = '4'", True),
        ("count > '10'", False),
        ("qty < 10", True),
        ("name = 'acme'", False),
        ("LOWER(name) = 'acme'", True),
        ("on = '2025-01-31'", True),
        ("at > on", None),
        ("day > on", True),
        ("AND(yes, count > 3)", True),
        ("OR(missing, yes)", True),
        ("NOT(yes)", False),
        ("NOT(missing)", True),
        ("SWITCH(type, 'B2C', 1, 'B2B', 2, 3)", 2),
        ("SWITCH(type, 'X', 1, 'other')", "other"),
        ("IN(type, 'B2C', 'B2B')", True),
        ("IFERROR(1 / 0, 'none')", "none"),
        ("LEFT(name, 2) & RIGHT(name, 1) & MID(name, 2, 2)", "Accem".replace("cem", "ecm")),
        ("LEN(city)", 2),
        ("TRIM('  a   b ')", "a b"),
        ("SUBSTITUTE('a-b-c', '-', '')", "abc"),
        ("SPLIT('a; b;c', ';')", ["a", "b", "c"]),
        ("ROUND(2.345, 2)", Decimal("2.35")),
        ("ROUND(-2.5)", -3),
        ("ROUND(1250, -2)", 1300),
        ("ROUNDUP(2.01)", 3),
        ("ROUNDDOWN(-2.9)", -2),
        ("INT(-2.1)", -3),
        ("ABS(-3)", 3),
        ("MOD(-3, 2)", 1),
        ("MIN(3, '2', tags[9])", 2),
        ("MAX(lines.q)", 3),
        ("AVERAGE(1, 2, 6)", 3),
        ("VALUE('12.50')", Decimal("12.50")),
        ("TEXT(1234.5, '#,##0.00')", "1,234.50"),
        ("TEXT(7, '0000')", "0007"),
        ("TEXT(-0.126, '0.0%')", "-12.6%"),
        ("TEXT(on, 'dd.mm.yyyy')", "31.01.2025"),
        ("TEXT(at, 'yyyy-mm-dd hh:mm:ss')", "2025-03-01 08:30:00"),
        ("DATE(2025, 2, 28)", date(2025, 2, 28)),
        ("YEAR(on) * 100 + MONTH(day)", 202503),
        ("DATEADD(on, 1, 'month')", date(2025, 2, 28)),
        ("DATEADD(day, -1)", date(2025, 2, 28)),
        ("DATEADD(on, 1, 'years')", date(2026, 1, 31)),
        ("DATEDIF(on, day, 'day')", 29),
        ("DATEDIF(on, day, 'month')", 1),
        ("on + 1", date(2025, 2, 1)),
        ("DATE(2025, 3, 1) - on", 29),
        ("MATCH(name, '^A.*e$')", True),
        ("EXTRACT('PO-1234/x', '([0-9]+)')", "1234"),
        ("EXTRACT(name, 'z')", None),
        ("CONTAINS(name, 'cm')", True),
        ("STARTSWITH(name, 'Ac')", True),
        ("TRUE", True),
        ("IF（type = “B2B”， “甲”， “乙”）", "甲"),
        ('"say ""hi"""', 'say "hi"'),
        ("item", None),
    ],
)
def test_a_formula_has_this_value(text, expected):
    if text == "item":
        row = {"item": "own"}
        assert compile_formula("item.x").evaluate({"item": {"x": 1}}) == 1
        assert compile_formula("MAP(l, item)").evaluate({"l": ["a"], **row}) == ["a"]
        return
    if text == "at > on":
        with pytest.raises(FormulaError):  # an instant and a day without zone
            value(text, {**ROW, "on": datetime(2025, 1, 1)})
        return

    found = value(text)

    assert found == expected
    assert type(found) in (str, Decimal, int, bool, date, list, type(None))


@pytest.mark.parametrize(
    ("text", "said", "position"),
    [
        ("", "ends too early", 0),
        ("1 +", "ends too early", 3),
        ("1 + + * 2", "from character 7 on: '* 2'", 7),
        ("name name", "from character 6", 6),
        ("FOO(1)", "no function 'FOO'", 1),
        ("1 + UPER(name)", "no function 'UPER'", 5),
        ("TODAY()", "'TODAY' is not allowed", 1),
        ("NOW()", "'NOW' is not allowed", 1),
        ("RAND()", "'RAND' is not allowed", 1),
        ("IF(1)", "IF takes 2 to 3 arguments, not 1", 1),
        ("LEFT()", "LEFT takes 1 to 2 arguments, not 0", 1),
        ("IF(1, 2, 3)", "IF takes boolean here, not number", 4),
        ("'a' * TRUE", "* takes number here, not boolean", 7),
        ("ROUND(TRUE)", "ROUND takes number here, not boolean", 7),
        ("SUM(MAP(1, 2))", "MAP takes list here, not number", 9),
        ("MATCH(name, name)", "stands in the formula", 13),
        ("MATCH(name, '(')", "not a pattern: '('", 0),
        ("a[", "cannot be read", 2),
        ("{1}", "cannot be read", 1),
        ("a;b", "cannot be read", 2),
    ],
)
def test_a_wrong_formula_is_told_with_its_place(text, said, position):
    with pytest.raises(FormulaError) as e:
        compile_formula(text)

    assert said in str(e.value)
    assert e.value.position == position or not position


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name * 2", "not a number: 'Acme'"),
        ("1 / 0", "division by zero"),
        ("group", "'group' is not one value"),
        ("lines > 1", "cannot be compared"),
        ("DATE(2025, 2, 30)", "cannot be computed"),
        ("YEAR(name)", "not a date: 'Acme'"),
        ("IF(name, 1, 2)", "neither true nor false: 'Acme'"),
        ("DATEADD(on, 1, 'week')", "not a unit of time: 'week'"),
        ("TEXT(1, 'abc')", "not a format: 'abc'"),
        ("UPPER(lines)", "not a text"),
        ("SUM(tags)", "not a number"),
    ],
)
def test_what_cannot_be_computed_is_told(text, said):
    with pytest.raises(FormulaError) as e:
        value(text)

    assert said in str(e.value)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(FormulaError) as e:
        compile_formula("nam & '!'", fields={"name": "text"})

    assert str(e.value) == "character 1: there is no field 'nam'"
    assert e.value.hint.format(**e.value.values) == "Did you mean 'name'?"


def test_kinds_are_checked_where_they_are_known():
    fields = {"name": "text", "vip": "boolean", "lines": "list", "on": "date", "a.b": "decimal"}

    assert compile_formula("on + 1", fields=fields).kind == "date"
    assert compile_formula("a.b * 2", fields=fields).kind == "number"
    assert compile_formula("vip & name", fields=fields).kind == "text"
    for wrong in ("vip * 2", "lines & name", "UPPER(lines)", "SUM(MAP(name, 1))", "vip + 1"):
        with pytest.raises(FormulaError, match="takes"):
            compile_formula(wrong, fields=fields)


def test_the_lineage_names_every_path_read():
    text = 'IF(a.b > 1, SUM(MAP(FILTER(lines, s = "x"), q * row.rate)), [Unit price])'

    assert compile_formula(text).lineage == (
        "a.b", "lines", "lines[*].s", "lines[*].q", "rate", '"Unit price"',
    )  # fmt: skip


def test_a_condition_holds_or_not():
    assert compile_formula('s = "open"').holds({"s": "open"})
    assert not compile_formula('s = "open"').holds({})
    assert not compile_formula("s").holds({})
    with pytest.raises(FormulaError, match="a condition is true or false, not 'x'"):
        compile_formula("s").holds({"s": "x"})


def test_in_a_list_names_are_those_of_the_item_and_never_of_the_row():
    row = {"status": "open", "lines": [{"status": "closed"}, {}]}

    assert value('COUNT(lines, status = "open")', row) == 0
    assert value('COUNT(lines, row.status = "open")', row) == 2
