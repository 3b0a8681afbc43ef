"""Value rules: the vectors of the model, and what no input may do."""

import random
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import phonenumbers
import pytest
from babel import Locale
from email_validator import validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from hub import values
from hub.values import (
    clean_text,
    compact_identifier,
    country_code,
    currency_code,
    currency_digits,
    date_text,
    decimal_text,
    distribute,
    email_address,
    fold,
    identifiers,
    instant_from_epoch_ms,
    instant_text,
    money_round,
    name_key,
    numbers,
    parse_decimal,
    partial_date,
    person_key,
    phone_number,
    phones,
    reach,
    round_half_up,
    texts,
    times,
    valid_identifier,
)

# ------------------------------------------------------------------------------ any input at all

any_text = st.text(st.characters(exclude_categories=()), max_size=60)
number_like = st.from_regex(r"[+-]?[0-9]{0,25}\.?[0-9]{0,12}(e[+-]?[0-9]{1,12})?", fullmatch=True)
date_like = st.from_regex(
    r"[0-9]{4}-[0-3][0-9]-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    fullmatch=True,
)
phone_like = st.text("+0123456789 -()/extx;=.#转分机", max_size=30)
mail_like = st.from_regex(r"[a-zA-Z0-9.+_ü'-]{0,8}@[a-zA-Z0-9.üß中-]{0,20}", fullmatch=True)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)
hostile = (
    any_json
    | number_like
    | date_like
    | phone_like
    | mail_like
    | st.sampled_from(["\x00", "\ud800", "NaN", "1e999999", "9" * 5000, 10**5000, {}, []])
)

RULES = {
    "clean_text": clean_text,
    "cn_uscc": lambda v: compact_identifier("cn_uscc", v),
    "country_code": country_code,
    "currency_code": currency_code,
    "date_text": date_text,
    "decimal_text": decimal_text,
    "email_address": email_address,
    "fold": fold,
    "gtin": lambda v: compact_identifier("gtin", v),
    "instant_text": instant_text,
    "instant_text in a zone": lambda v: instant_text(v, "Asia/Shanghai"),
    "name_key": name_key,
    "partial_date": partial_date,
    "person_key": person_key,
    "phone_number": lambda v: phone_number(v, None),
    "phone_number of China": lambda v: phone_number(v, "CN"),
    "phone_number of the US": lambda v: phone_number(v, "US"),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_raises_nothing_but_value_error_and_its_result_is_a_fixed_point(rule):
    @given(hostile)
    @example("1e999999")
    @example(float("inf"))
    @example("0" * 300)
    @example("+54000000000000")
    @example(10**5000)
    @example("\ud83d\ude00")
    @example("深圳市市县市市")
    @example("0001-01-01T00:00:00+14:00")
    @example("ΐ\u0345ß")
    def check(value):
        try:
            once = rule(value)
        except ValueError as e:
            assert e.args[0] in TEMPLATES
            return
        assert rule(once) == once
        once.encode()

    check()


TEMPLATES = {
    text
    for module in (identifiers, numbers, phones, reach, texts, times)
    for text in vars(module).values()
    if isinstance(text, str) and text.count("{") == 1 and "{value!r}" in text
}


@given(st.sampled_from(["cn_uscc", "gtin", "iban", "eu_vat", "de_vat", "cn_id_card", "x"]), hostile)
def test_the_check_of_an_identifier_never_raises(scheme, value):
    assert valid_identifier(scheme, value) in (True, False, None)


@given(st.integers() | st.booleans() | st.floats())
def test_an_epoch_gives_an_instant_or_value_error(value):
    try:
        text = instant_from_epoch_ms(value)
    except ValueError:
        return
    assert instant_text(text) == text


# -------------------------------------------------------------------------------------- decimals


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1234.50", "1234.5"),
        ("-0.00", "0"),
        ("1e3", "1000"),
        ("+.5", "0.5"),
        (" 7 ", "7"),
        ("5.", "5"),
        (0.1, "0.1"),
        (1e22, "10000000000000000000000"),
        (7, "7"),
        (-12, "-12"),
        (Decimal("1E+2"), "100"),
        (10**30, "1" + "0" * 30),
        ("0e999999", "0"),
    ],
)
def test_a_decimal_has_one_plain_text(value, expected):
    assert decimal_text(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *[
            True,
            None,
            "",
            "1,000",
            "1_000",
            "１２",
            "NaN",
            "inf",
            float("nan"),
            float("inf"),
            "1e65",
        ],
        *["1e-65", "1e999999", 10**80, Decimal("sNaN"), [], "0x10", "1 2", "--1"],
    ],
)
def test_what_is_no_decimal_is_refused(value):
    with pytest.raises(ValueError, match=r"decimal number.*\{value!r\}"):
        decimal_text(value)


@given(st.decimals(-(10**20), 10**20, places=10))
def test_a_decimal_keeps_its_value(number):
    assert parse_decimal(decimal_text(number)) == number


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        ("1.3065", 2, "1.31"),
        ("2.345", 2, "2.35"),
        ("-2.345", 2, "-2.35"),
        ("-0.001", 2, "0"),
        ("1234567890123456789012345678901234567890.125", 2, None),
    ],
)
def test_halves_are_rounded_away_from_zero(value, digits, expected):
    rounded = round_half_up(Decimal(value), digits)

    assert decimal_text(rounded) == (expected or "1234567890123456789012345678901234567890.13")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+999999", "-1E+400"])
def test_what_cannot_be_rounded_is_a_value_error(value):
    with pytest.raises(ValueError, match="decimal number"):
        round_half_up(Decimal(value), 2)


def test_the_currency_says_how_many_places_an_amount_has():
    assert money_round(Decimal("100.5"), "JPY") == Decimal(101)
    assert money_round(Decimal("1.0005"), "KWD") == Decimal("1.001")
    assert money_round(Decimal("1.005"), "CNY") == Decimal("1.01")
    assert [currency_digits(c) for c in ("JPY", "KWD", "CNY", "CLF")] == [0, 3, 2, 4]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *[("RMB", "CNY"), ("人民币", "CNY"), ("PRE001", "CNY"), ("cny", "CNY"), ("CNY", "CNY")],
        *[("美元", "USD"), ("US Dollar", "USD"), ("欧元", "EUR"), ("港幣", "HKD"), ("€", "EUR")],
    ],
)
def test_a_currency_is_known_by_code_and_by_name(text, code):
    assert currency_code(text) == code


@pytest.mark.parametrize("text", ["$", "¥", "元", "dollar", "ABC", "", None, 1])
def test_a_name_that_several_currencies_share_is_refused(text):
    with pytest.raises(ValueError, match="not a currency"):
        currency_code(text)


def test_100_over_three_equal_parts_adds_up():
    parts = distribute(Decimal("100.00"), [Decimal(1)] * 3, 2)

    assert [str(p) for p in parts] == ["33.34", "33.33", "33.33"]


def test_a_document_discount_goes_to_the_largest_remainders():
    weights = [Decimal("539.73"), Decimal("1900.00"), Decimal("500.00")]

    assert [str(p) for p in distribute(Decimal("146.99"), weights, 2)] == [
        "26.99",
        "95.00",
        "25.00",
    ]


def test_without_any_weight_the_parts_are_equal():
    assert distribute(Decimal("0.03"), [Decimal(0)] * 3, 2) == [Decimal("0.01")] * 3


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.decimals(0, 10**9, places=4), min_size=1, max_size=20),
    st.integers(0, 6),
)
def test_parts_always_add_up_and_are_near_their_share(units, weights, digits):
    total = Decimal(units).scaleb(-digits)

    parts = distribute(total, weights, digits)

    assert sum(parts) == total
    whole = sum(weights)
    if whole:
        unit = Decimal(1).scaleb(-digits)
        assert all(
            abs(p - total * w / whole) < unit * 2 for p, w in zip(parts, weights, strict=True)
        )


@pytest.mark.parametrize(
    ("total", "weights", "message"),
    [("1.005", [1], "too many places"), ("1", [], "nothing"), ("1", [1, -1], "cancel out")],
)
def test_what_cannot_be_distributed_is_refused(total, weights, message):
    with pytest.raises(ValueError, match=message):
        distribute(Decimal(total), [Decimal(w) for w in weights], 2)


# ------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x00b\x1fc\x85d", "abcd"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("e\u0301", "é"),
        ("\ud83d\ude00", "😀"),
        ("x\ud800y", "x\ufffdy"),
        ("Ａ１", "Ａ１"),
    ],
)
def test_text_is_nfc_without_control_characters(text, expected):
    assert clean_text(text) == expected


def test_the_comparison_key_ignores_case_width_and_white_space():
    assert fold("  ＡＣＭＥ\u3000 Straße\n") == "acme strasse"
    assert fold("Acme  Ltd") == "acme ltd"


# ----------------------------------------------------------------------------------------- times


@pytest.mark.parametrize(
    "value",
    [
        *["2025-03-01", "2025-03-01T00:00:00", "2025-03-01 00:00:00.000", "2025-03-01T00:00"],
        *[date(2025, 3, 1), datetime(2025, 3, 1)],
    ],
)
def test_a_date_comes_from_a_date_or_a_naive_midnight(value):
    assert date_text(value) == "2025-03-01"


@pytest.mark.parametrize(
    "value",
    [
        *["2025-02-29", "20250301", "2025-W09-6", "01/03/2025", "2025-03-01T00:30:00", "", None, 1],
        *["2025-03-01T00:00:00Z", datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 1, 0, 0, 1)],
        *["0000-01-01", "２０２５-03-01"],
    ],
)
def test_an_instant_is_never_taken_for_a_date(value):
    with pytest.raises(ValueError, match="not a date"):
        date_text(value)


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2025-03-01T08:30:00", "Asia/Shanghai", "2025-03-01T00:30:00Z"),
        ("2025-03-01 08:30:00.1230000", "Asia/Shanghai", "2025-03-01T00:30:00.123Z"),
        ("2025-03-01T00:30:00Z", None, "2025-03-01T00:30:00Z"),
        ("2025-03-01T08:30+08:00", None, "2025-03-01T00:30:00Z"),
        ("2025-03-01T08:30:00+0800", "Europe/Berlin", "2025-03-01T00:30:00Z"),
        ("2025-03-01T00:30:00.1234567Z", None, "2025-03-01T00:30:00.123456Z"),
        ("2025-03-01T00:30:00.000Z", None, "2025-03-01T00:30:00Z"),
        (datetime(2025, 3, 1, 8, 30), "Asia/Shanghai", "2025-03-01T00:30:00Z"),
        (datetime(2025, 3, 1, 0, 30, tzinfo=UTC), None, "2025-03-01T00:30:00Z"),
        (
            datetime(2025, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=8))),
            None,
            "2025-03-01T00:30:00Z",
        ),
        ("2025-10-26T02:30:00", "Europe/Berlin", "2025-10-26T00:30:00Z"),
        ("2025-11-02T01:30:00", "America/New_York", "2025-11-02T05:30:00Z"),
    ],
)
def test_an_instant_is_written_in_utc_and_of_two_the_first(value, zone, expected):
    assert instant_text(value, zone) == expected


@pytest.mark.parametrize(
    ("value", "zone", "message"),
    [
        ("2025-03-01T08:30:00", None, "without zone"),
        (datetime(2025, 3, 1), None, "without zone"),
        ("2025-03-01T08:30:00", "Mars/Olympus", "does not exist"),
        ("2025-03-01T08:30:00", "", "does not exist"),
        ("2025-03-01T08:30:00", "../etc/passwd", "does not exist"),
        ("2025-03-30T02:30:00", "Europe/Berlin", "put forward"),
        ("2025-03-01", "Asia/Shanghai", "not a date and time"),
        ("2025-03-01T25:00:00Z", None, "not a date and time"),
        ("9999-12-31T23:59:59-14:00", None, "not a date and time"),
        (date(2025, 3, 1), "Asia/Shanghai", "not a date and time"),
        (1735660800000, None, "not a date and time"),
    ],
)
def test_what_names_no_instant_is_refused(value, zone, message):
    with pytest.raises(ValueError, match=message):
        instant_text(value, zone)


def test_epoch_milliseconds_are_an_instant():
    assert instant_from_epoch_ms(1735660800000) == "2024-12-31T16:00:00Z"
    assert instant_from_epoch_ms(-1) == "1969-12-31T23:59:59.999Z"
    with pytest.raises(ValueError, match="not a date and time"):
        instant_from_epoch_ms(10**18)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), st.timezones())
def test_a_naive_time_that_exists_means_what_python_says(moment, zone):
    local = moment.replace(tzinfo=zone)
    exists = local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
    try:
        text = instant_text(moment, str(zone))
    except ValueError:
        assert not exists
        return
    assert exists
    assert datetime.fromisoformat(text) == local.astimezone(UTC)


@pytest.mark.parametrize("text", ["1990-05-17", "1990-05", "--05-17", "--02-29"])
def test_a_birthday_may_lack_year_or_day(text):
    assert partial_date(text) == text


@pytest.mark.parametrize("text", ["--05", "1990", "1990-13", "1990-02-30", "--02-30", "", None])
def test_a_birthday_has_two_of_year_month_and_day(text):
    with pytest.raises(ValueError, match="not a date"):
        partial_date(text)


# -------------------------------------------------------------------------- phone, mail, country


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("13800138000", "CN", "+8613800138000"),
        ("138 0013-8000", "CN", "+8613800138000"),
        ("+86 138 0013 8000", None, "+8613800138000"),
        ("0086 13800138000", "CN", "+8613800138000"),
        ("021-58881234", "CN", "+862158881234"),
        ("021-58881234转801", "CN", "+862158881234;ext=801"),
        ("021-58881234 分机 801", "CN", "+862158881234;ext=801"),
        ("021-58881234-801", "CN", "+862158881234;ext=801"),
        ("+862158881234;ext=801", None, "+862158881234;ext=801"),
        ("400-820-8820", "CN", "+864008208820"),
        ("030-0074321", "DE", "+49300074321"),
        ("(415) 555-2671 x12", "US", "+14155552671;ext=12"),
        ("+39 06 1234567", None, "+39061234567"),
    ],
)
def test_a_phone_number_becomes_e164(text, region, expected):
    assert phone_number(text, region) == expected


@pytest.mark.parametrize(
    ("text", "region", "message"),
    [
        ("58881234", "CN", "without area"),
        ("555-4729", "US", "without area"),
        ("13800138000", None, "not a phone number"),
        ("12", "CN", "not a phone number"),
        ("call me", "CN", "not a phone number"),
        ("13800138000", "XX", "not a phone number"),
        ("9" * 400, "CN", "not a phone number"),
    ],
)
def test_what_cannot_be_dialled_from_anywhere_is_refused(text, region, message):
    with pytest.raises(ValueError, match=message):
        phone_number(text, region)


def by_the_library(text, region):
    try:
        return phones._parsed.__wrapped__(text, region)
    except ValueError as e:
        return e.args


def digits(rng, length):
    """Any, or such as prefixes are made of; now and then with a space or dash between."""
    some = rng.choice(("0123456789", "0123456789", "0115"))
    between = (" ", "-", "", "", "", " - ", ".", "(0)", ") ", "--")
    return "".join(rng.choice(some) + (rng.choice(between) if rng.random() < 0.15 else "")
                   for _ in range(length))  # fmt: skip


def goes_short(text, region):
    try:
        if text[0] == "+":
            return phones._plain_international(text)
        return region and phones._plain_national(text, region)
    except ValueError:
        return True


def test_numbers_put_together_without_the_library_are_what_it_makes_of_them():
    rng, short = random.Random(7), {"+": 0, "0": 0}
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    written = [f"+{code} {digits(rng, length)}" for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
               for length in range(4, 13) for _ in range(4)]  # fmt: skip
    written += [f"0{digits(rng, length)}" for length in range(5, 13) for _ in range(900)]
    written += [f"1{rng.randrange(2, 10)}{digits(rng, 9)}" for _ in range(900)]
    for text in written:
        region = rng.choice([None, "CN", "US", *regions])
        try:
            found = phones._number(text, region)
        except ValueError as e:
            found = e.args
        assert found == by_the_library(text, region), (text, region)
        short[text[0]] = short.get(text[0], 0) + bool(goes_short(text, region))
    assert short["+"] > 1000, "the short way for international numbers was hardly gone"
    assert short["0"] > 300, "the short way for national numbers was hardly gone"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Ada.Lovelace@Example.COM ", "Ada.Lovelace@example.com"),
        ("a+b@mail.example.org", "a+b@mail.example.org"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("用户@例子.公司", "用户@xn--fsqu00a.xn--55qx5d"),
        ("root@erp.local", "root@erp.local"),
    ],
)
def test_an_email_address_has_an_ascii_domain_in_lower_case(text, expected):
    assert email_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *["", "a", "a@b", "a@@b.c", "a b@c.de", ".a@b.cd", "a.@b.cd", "a@-b.cd", "a@b..cd", None],
        *["A <a@b.cd>", "a@[127.0.0.1]", "a@b_c.de", "a@" + "b" * 64 + ".cd", 3],
    ],
)
def test_what_is_no_email_address_is_refused(text):
    with pytest.raises(ValueError, match="not an e-mail address"):
        email_address(text)


@given(
    st.from_regex(r"[a-zA-Z0-9!#+_.'-]{1,8}@[a-zA-Z0-9.-]{1,12}\.[a-z0-9-]{1,4}", fullmatch=True)
)
def test_the_fast_path_of_email_addresses_agrees_with_the_library(text):
    try:
        mail = validate_email(text, check_deliverability=False, globally_deliverable=False)
        expected = f"{mail.local_part}@{mail.ascii_domain}"
    except ValueError:
        expected = None
    try:
        got = email_address(text)
    except ValueError:
        got = None

    assert got == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *[("CN", "CN"), ("cn", "CN"), ("CHN", "CN"), ("中国", "CN"), ("中國", "CN")],
        *[("P.R. China", "CN"), ("USA", "US"), ("U.S.A.", "US"), ("United States", "US")],
        *[("UK", "GB"), ("Great Britain", "GB"), ("Germany", "DE"), ("德国", "DE")],
        *[("Deutschland", "DE"), ("the Netherlands", "NL"), ("COTE D’IVOIRE", "CI")],
        *[("Venezuela", "VE"), ("Korea, Republic of", "KR"), ("台湾", "TW"), ("日本", "JP")],
        *[
            ("Россия", "RU"),
            ("Brasil", "BR"),
            ("México", "MX"),
            ("Taiwan, Province of China", "TW"),
        ],
    ],
)
def test_a_country_is_known_by_code_and_by_name(text, code):
    assert country_code(text) == code


@pytest.mark.parametrize("text", ["XX", "", "Atlantis", "ZZ", "EU", "Province of China", None, 86])
def test_an_unknown_country_is_refused(text):
    with pytest.raises(ValueError, match="not a country"):
        country_code(text)


@pytest.mark.parametrize("language", ["en", "zh_Hans_CN", "zh_Hant_TW"])
def test_every_country_is_known_by_its_english_and_chinese_name(language):
    names = Locale.parse(language).territories
    codes = {code for code in values.country_codes().values()}

    assert len(codes) == 250
    assert {code: country_code(names[code]) for code in codes} == {c: c for c in codes}


@pytest.mark.parametrize("language", ["en", "zh_Hans_CN"])
def test_every_current_currency_is_known_by_its_english_and_chinese_name(language):
    names = Locale.parse(language).currencies
    named = [code for code in set(values.currency_codes().values()) if code in names]

    assert len(named) > 160
    assert {code: currency_code(names[code]) for code in named} == {c: c for c in named}


# ----------------------------------------------------------------------------------- identifiers


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        *[("cn_uscc", "91110000600037341L"), ("cn_uscc", "914403001922038216")],
        *[("cn_uscc", "9144030071526726XG"), ("cn_uscc", "91330100799655058B")],
        *[("cn_uscc", "91110000802100433B"), ("cn_uscc", "N2110101MF00012341")],
        *[("cn_uscc", " 91110000600037341l "), ("cn_uscc", "９１１１００００６０００３７３４１Ｌ")],
        *[
            ("cn_org_code", "600037341"),
            ("cn_org_code", "19220382-1"),
            ("cn_org_code", "71526726X"),
        ],
        *[("cn_id_card", "11010519491231002X"), ("cn_taxpayer_15", "110108123456789")],
        *[("gtin", "6901234567892"), ("gtin", "6291041500213"), ("gtin", "8904000210037")],
        *[("gtin", "96385074"), ("gtin", "012345678905"), ("gln", "4006381333931")],
        *[("sscc", "106141411234567897"), ("iban", "DE89 3704 0044 0532 0130 00")],
        *[("lei", "213800KUD8LAJWSQ9D15"), ("bic", "DEUTDEFF"), ("bic", "DEUTDEFF500")],
        *[("duns", "15-048-3782"), ("eu_vat", "DE136695976"), ("eu_vat", "FR40303265045")],
        *[("de_vat", "136695976"), ("eu_vat", "NL 8599.12.345.B01"), ("cnaps", "102100099996")],
    ],
)
def test_a_right_identifier_is_valid(scheme, value):
    assert valid_identifier(scheme, value) is True


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        *[("cn_uscc", "91310000MA1FL0AR8X"), ("cn_uscc", "52110000500021466F"), ("cn_uscc", "91")],
        *[("cn_uscc", "9111000O600037341L"), ("cn_org_code", "600037342")],
        *[("cn_id_card", "110105194912310021"), ("cn_id_card", "11010519491331002X")],
        *[("gtin", "6901234567891"), ("gtin", "123"), ("gln", "4006381333930"), ("sscc", "1")],
        *[("iban", "DE89370400440532013001"), ("lei", "213800KUD8LAJWSQ9D16"), ("bic", "DEUT")],
        *[("eu_vat", "DE136695975"), ("eu_vat", "FR41303265045"), ("duns", "12"), ("gtin", None)],
        *[("gtin", "9" * 5000), ("iban", "\ud800")],
    ],
)
def test_a_wrong_identifier_is_invalid(scheme, value):
    assert valid_identifier(scheme, value) is False


def test_an_unknown_scheme_is_not_judged():
    assert valid_identifier("club_card", "1") is None
    assert valid_identifier(None, "1") is None


@pytest.mark.parametrize(
    ("value", "right"), [("91310000MA1FL0AR8X", "2"), ("52110000500021466F", "E")]
)
def test_the_check_character_of_a_uscc_is_the_one_computed(value, right):
    assert valid_identifier("cn_uscc", value[:17] + right) is True


@pytest.mark.parametrize(
    "value", ["91110000600037341L", "914403001922038216", "9144030071526726XG"]
)
def test_a_uscc_contains_the_organisation_code(value):
    assert valid_identifier("cn_org_code", value[8:17]) is True


def test_a_gtin_is_padded_to_14_digits():
    assert compact_identifier("gtin", "690-1234-567892") == "06901234567892"
    assert compact_identifier("gtin", "12345") == "12345"


# ------------------------------------------------------------------------------------ match keys


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("深圳市华信科技有限公司", "深圳华信科技"),
        ("深圳华信科技有限责任公司", "深圳华信科技"),
        ("深圳市華信科技（有限公司）", "深圳华信科技"),
        ("广东省深圳市华信科技股份有限公司", "广东深圳华信科技"),
        ("华信（集团）有限公司", "华信"),
        ("华信科技（深圳）有限公司", "华信科技深圳"),
        ("北京市政路桥集团", "北京市政路桥"),
        ("上海市场营销有限公司", "上海市场营销"),
        ("长兴县恒达建材厂", "长兴恒达建材"),
        ("有限公司", "有限公司"),
        ("Acme, Inc.", "acme"),
        ("ACME  Co., Ltd", "acme"),
        ("Müller GmbH & Co. KG", "müller"),
        ("Bar Sp. z o.o.", "bar"),
        ("Comercial S.L.", "comercial"),
        ("Société Générale S.A.", "société générale"),
        ("Ltd", "ltd"),
        ("...", ""),
    ],
)
def test_spellings_of_one_organisation_have_one_key(name, key):
    assert name_key(name) == key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Müller, Jörg", "jorg muller"),
        ("Jörg MÜLLER", "jorg muller"),
        ("O'Neil Ann", "ann oneil"),
        ("张 伟", "张伟"),
        ("張偉", "張偉"),
    ],
)
def test_spellings_of_one_person_have_one_key(name, key):
    assert person_key(name) == key
