"""Value rules: text in, normal form out, as pure functions.

The normal forms are those of `hub.entity`.  Every function takes any JSON value and raises nothing
but `ValueError`, whose message is a template over `{value!r}`: a constant, so that it can be
translated and never carries the value into a format string.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
from email_validator import validate_email

from hub.model import countries, currencies
from hub.model.identifiers import compact_identifier, valid_identifier
from hub.model.names import name_key, person_key
from hub.model.texts import clean_text, fold

__all__ = [
    "clean_text",
    "compact_identifier",
    "country_code",
    "currency_code",
    "currency_digits",
    "date_text",
    "decimal_text",
    "distribute",
    "email_address",
    "fold",
    "instant_from_epoch_ms",
    "instant_text",
    "money_round",
    "name_key",
    "parse_decimal",
    "partial_date",
    "person_key",
    "phone_number",
    "round_half_up",
    "valid_identifier",
]

# -------------------------------------------------------------------------------------- decimals

MAX_PLACES = 64
"""Digits a decimal may have on either side of the point: twice the widest column."""

_EXACT = Context(prec=4 * MAX_PLACES)
_is_normal_decimal = re.compile(
    r"-?(?:[1-9][0-9]{0,63}(?:\.[0-9]{0,63}[1-9])?|0\.[0-9]{0,63}[1-9])|0"
).fullmatch
_is_decimal = re.compile(
    r"[+-]?(?:[0-9]{1,200}(?:\.[0-9]{0,200})?|\.[0-9]{1,200})(?:[eE][+-]?[0-9]{1,9})?"
).fullmatch

NOT_DECIMAL = "not a decimal number: {value!r}"
TOO_LONG = "a decimal number with too many digits: {value!r}"


def decimal_text(value: str | int | float | Decimal) -> str:
    """The number in plain notation: no exponent, no trailing zeros, no "-0".

    A float counts as what it prints as (0.1 is "0.1").  Thousands separators are refused: only a
    mapping knows which sign they are.
    """
    kind = type(value)
    if kind is str:
        if _is_normal_decimal(value):  # type: ignore[arg-type]
            return value  # type: ignore[return-value]
    elif kind is int and -_SMALL < value < _SMALL:  # type: ignore[operator]
        return str(value)
    return _plain(_decimal(value))


_SMALL = 10**18


def parse_decimal(text: str) -> Decimal:
    """The number a text in normal form, or any text `decimal_text` takes, stands for."""
    return _decimal(text)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError(NOT_DECIMAL)
    if isinstance(value, str):
        text = value.strip() if len(value) < 1000 else value
        if not _is_decimal(text):
            raise ValueError(NOT_DECIMAL)
        number = Decimal(text)
    elif isinstance(value, float):
        number = Decimal(repr(float(value)))
    elif isinstance(value, Decimal):
        number = value
    elif isinstance(value, int) and value.bit_length() <= 4 * MAX_PLACES:
        number = Decimal(int(value))
    else:
        raise ValueError(TOO_LONG if isinstance(value, int) else NOT_DECIMAL)
    if not number.is_finite():
        raise ValueError(NOT_DECIMAL)
    return _bounded(number)


def _bounded(number: Decimal) -> Decimal:
    if not number:
        return Decimal(0)
    if not -MAX_PLACES <= number.adjusted() < MAX_PLACES:
        raise ValueError(TOO_LONG)
    if _places(number) > MAX_PLACES:
        short = _EXACT.normalize(number)
        if short != number or _places(short) > MAX_PLACES:
            raise ValueError(TOO_LONG)
        return short
    return number


def _places(number: Decimal) -> int:
    return -int(number.as_tuple().exponent)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def round_half_up(value: Decimal, digits: int) -> Decimal:
    """*value* to *digits* places after the point, halves away from zero; never "-0"."""
    try:
        rounded = value.quantize(Decimal((0, (1,), -digits)), ROUND_HALF_UP, _EXACT)
    except (InvalidOperation, AttributeError, TypeError) as e:
        raise ValueError(TOO_LONG) from e
    if not rounded.is_finite():
        raise ValueError(NOT_DECIMAL)
    return rounded if rounded else abs(rounded)


def distribute(total: Decimal, weights: Sequence[Decimal], digits: int) -> list[Decimal]:
    """*total* in parts proportional to *weights* that add up exactly: largest remainder.

    Ties go by order.  If all weights are zero the parts are equal.  ValueError when *total* has
    more than *digits* places, when there is nothing to give it to, or when weights cancel out.
    """
    units = Fraction(total) * 10**digits
    if units.denominator != 1:
        raise ValueError("an amount with too many places to be distributed: {value!r}")
    if not weights:
        if units:
            raise ValueError("nothing to distribute the amount over: {value!r}")
        return []
    shares = [Fraction(w) for w in weights]
    whole = sum(shares)
    if not whole:
        if any(shares):
            raise ValueError("the weights of a distribution cancel out: {value!r}")
        shares, whole = [Fraction(1)] * len(shares), Fraction(len(shares))
    exact = [abs(units) * s / whole for s in shares]
    parts = [e.numerator // e.denominator for e in exact]
    rest = int(abs(units) - sum(parts))
    by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for i in by_remainder[:rest]:
        parts[i] += 1
    sign = -1 if units < 0 else 1
    return [Decimal(sign * p).scaleb(-digits, _EXACT) for p in parts]


# ----------------------------------------------------------------------------------------- money

NOT_CURRENCY = "not a currency: {value!r}"


def currency_digits(code: str) -> int:
    """The places after the point that amounts of this currency have (ISO 4217)."""
    return currencies.DIGITS.get(code, 2) if isinstance(code, str) else 2


def money_round(value: Decimal, currency: str) -> Decimal:
    return round_half_up(value, currency_digits(currency))


def currency_code(text: str) -> str:
    """The ISO 4217 code of a currency given by code or by one of its usual names."""
    if not isinstance(text, str):
        raise ValueError(NOT_CURRENCY)
    code = currency_codes().get(text) or currency_codes().get(fold(text[:200]))
    if code is None:
        raise ValueError(NOT_CURRENCY)
    return code


@lru_cache(1)
def currency_codes() -> dict[str, str]:
    """Code by code and by folded name."""
    known: dict[str, str] = {}
    for code, *names in _table(currencies.ROWS):
        known |= {code: code, fold(code): code} | {fold(n): code for n in names}
    return known


@lru_cache(2)
def _table(rows: str) -> list[list[str]]:
    """The rows of a table of names; an indented line continues the one before."""
    return [r.split("|") for r in rows.strip().replace("\n  ", "").split("\n")]


# ----------------------------------------------------------------------------------------- times

NOT_DATE = "not a date: {value!r}"
NOT_INSTANT = "not a date and time: {value!r}"
NO_ZONE = "a time without zone, and no zone is set for the source: {value!r}"
BAD_ZONE = "the time zone of the source does not exist; the value was {value!r}"
NO_SUCH_TIME = "a local time that does not exist (clocks were put forward): {value!r}"

_date_match = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0{1,9})?)?)?"
).fullmatch
_instant_match = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,]([0-9]{1,9}))?"
    r" ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
).fullmatch
_partial_match = re.compile(r"(?:([0-9]{4})|-)-([0-9]{2})(?:-([0-9]{2}))?").fullmatch


def date_text(value: str | date | datetime) -> str:
    """The date as "2025-03-01", from a date, or from a naive time at midnight.

    A time that has a zone, or is not midnight, is an instant and refused: a date is never made
    from an instant silently.
    """
    if isinstance(value, str):
        return _date_of_text(value)
    if isinstance(value, datetime):
        if value.tzinfo is not None or (value.hour, value.minute, value.second) != (0, 0, 0):
            raise ValueError(NOT_DATE)
        if value.microsecond:
            raise ValueError(NOT_DATE)
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(NOT_DATE)


@lru_cache(8192)
def _date_of_text(text: str) -> str:
    found = _date_match(text.strip())
    if not found:
        raise ValueError(NOT_DATE)
    try:
        return date.fromisoformat(found[1]).isoformat()
    except ValueError as e:
        raise ValueError(NOT_DATE) from e


def partial_date(text: str) -> str:
    """A date of which year or day may be unknown: "1990-05-17", "1990-05" or "--05-17"."""
    found = _partial_match(text.strip()) if isinstance(text, str) else None
    if not found:
        raise ValueError(NOT_DATE)
    year, month, day = found.groups()
    if year is None and day is None:
        raise ValueError(NOT_DATE)
    _date_of_text(f"{year or '2000'}-{month}-{day or '01'}")
    return found[0]


def instant_text(value: str | datetime, zone: str | None = None) -> str:
    """The instant in UTC, "2025-03-01T00:30:00Z", with as much of a fraction as it has.

    A naive value is local time in *zone* (an IANA name); a time that occurs twice when clocks are
    put back is the first.  Digits beyond the microsecond are cut.
    """
    if isinstance(value, str):
        return _instant_of_text(value, zone)
    if not isinstance(value, datetime):
        raise ValueError(NOT_INSTANT)
    return _instant(value, zone)


@lru_cache(8192)
def _instant_of_text(text: str, zone: str | None) -> str:
    found = _instant_match(text.strip())
    if not found:
        raise ValueError(NOT_INSTANT)
    day, time, seconds, fraction, offset = found.groups()
    moment = f"{day}T{time}{seconds or ':00'}"
    if fraction:
        moment += f".{fraction[:6]:0<6}"
    if offset:
        moment += "+00:00" if offset in "Zz" else _offset(offset)
    try:
        return _instant(datetime.fromisoformat(moment), zone)
    except ValueError as e:
        raise e if e.args[0] in _TIME_FAULTS else ValueError(NOT_INSTANT) from e


_TIME_FAULTS = (NOT_INSTANT, NO_ZONE, BAD_ZONE, NO_SUCH_TIME)


def _offset(text: str) -> str:
    digits = text[1:].replace(":", "")
    return f"{text[0]}{digits[:2]}:{digits[2:] or '00'}"


def _instant(moment: datetime, zone: str | None) -> str:
    offset = moment.utcoffset()
    if offset is None:
        offset = _local_offset(moment, zone)
    try:
        return _instant_form(moment.replace(tzinfo=None) - offset)
    except OverflowError as e:
        raise ValueError(NOT_INSTANT) from e


def _instant_form(utc: datetime) -> str:
    """*utc* is naive."""
    text = utc.isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def _local_offset(moment: datetime, zone: str | None) -> timedelta:
    """What local time is ahead of UTC; of two answers, the one before the clocks were changed.

    Put forward, they show a time that never was: the offset before is then the smaller one.
    """
    if zone is None:
        raise ValueError(NO_ZONE)
    local = moment.replace(tzinfo=_zone(zone), fold=0)
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    if before is None or after is None:
        raise ValueError(BAD_ZONE)
    if before < after:
        raise ValueError(NO_SUCH_TIME)
    return before


@lru_cache(256)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as e:
        raise ValueError(BAD_ZONE) from e


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def instant_from_epoch_ms(value: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(NOT_INSTANT)
    try:
        return _instant_form(_EPOCH + timedelta(milliseconds=value))
    except OverflowError as e:
        raise ValueError(NOT_INSTANT) from e


# -------------------------------------------------------------------------- phone, mail, country

NOT_PHONE = "not a phone number: {value!r}"
LOCAL_PHONE = "a phone number without area or country code: {value!r}"
NOT_EMAIL = "not an e-mail address: {value!r}"
NOT_COUNTRY = "not a country: {value!r}"

# Mobiles of China and numbers of North America in E.164: long enough to leave nothing to parse.
# 179xx is a carrier prefix in China, not a mobile.
_e164_match = re.compile(r"\+86(?!179)1[3-9][0-9]{9}|\+1[2-9][0-9]{2}[2-9][0-9]{6}").fullmatch
_cn_mobile_match = re.compile(r"(?!179)1[3-9][0-9]{9}").fullmatch
_extension_words = re.compile(r"\s*(?:转接|轉接|转|轉|分机号?|分機號?)\s*[:：]?\s*(?=[0-9])")
# 021-58881234-801: the third part is an extension in China, and libphonenumber does not know.
_cn_dashed = re.compile(r"(0[0-9]{2,3}-[0-9]{7,8})-([0-9]{1,6})").fullmatch


def phone_number(text: str, region: str | None) -> str:
    """The number in E.164, its extension behind: "+862158881234;ext=801".

    *region* (ISO 3166 alpha-2) is where a number without country code is dialled.  A number that
    lacks its area code is refused, as it means another line elsewhere.
    """
    if not isinstance(text, str):
        raise ValueError(NOT_PHONE)
    if _e164_match(text):
        return text
    if region == "CN" and _cn_mobile_match(text):
        return "+86" + text
    return _phone(text, region)


@lru_cache(65536)
def _phone(text: str, region: str | None) -> str:
    written = unicodedata.normalize("NFKC", text[:300]).strip()
    written = _extension_words.sub(" ext. ", written)
    if region == "CN" and (dashed := _cn_dashed(written)):
        written = f"{dashed[1]} ext. {dashed[2]}"
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException as e:
        raise ValueError(NOT_PHONE) from e
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        local = possible == phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY
        raise ValueError(LOCAL_PHONE if local else NOT_PHONE)
    if number.country_code == 86 and (number.national_number or 0) < 10**8:
        raise ValueError(LOCAL_PHONE)  # what libphonenumber calls possible has no area code
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{plain};ext={number.extension}" if number.extension else plain


_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_LABEL = r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_plain_email = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})+)").fullmatch


def email_address(text: str) -> str:
    """The address with its domain in lower-case ASCII (IDNA); the part before the @ as given.

    Form only: intranet domains (`.local`) pass, a domain without a dot does not.
    """
    if not isinstance(text, str):
        raise ValueError(NOT_EMAIL)
    text = text.strip()
    if len(text) <= 254 and (plain := _plain_email(text)) and len(plain[1]) <= 64:
        return f"{plain[1]}@{plain[2].lower()}"
    return _email(text)


@lru_cache(8192)
def _email(text: str) -> str:
    try:
        mail = validate_email(text[:400], check_deliverability=False, globally_deliverable=False)
    except ValueError as e:
        raise ValueError(NOT_EMAIL) from e
    domain = mail.ascii_domain.lower()
    if "." not in domain or len(text) > 400:
        raise ValueError(NOT_EMAIL)
    return f"{mail.local_part}@{domain}"


def country_code(text: str) -> str:
    """The ISO 3166-1 alpha-2 code of a country given by code (2 or 3 letters) or usual name."""
    if not isinstance(text, str):
        raise ValueError(NOT_COUNTRY)
    code = country_codes().get(text) or _country(text)
    if code is None:
        raise ValueError(NOT_COUNTRY)
    return code


@lru_cache(4096)
def _country(text: str) -> str | None:
    key = _country_key(text[:200])
    known = country_codes()
    return known.get(key) or (known.get(key[3:]) if key.startswith("the") else None)


@lru_cache(1)
def country_codes() -> dict[str, str]:
    """Code by code and by name, as `_country_key` writes it."""
    known: dict[str, str] = {}
    for code, *names in _table(countries.ROWS):
        known |= {code: code} | {_country_key(n): code for n in (code, *names)}
    return known


def _country_key(text: str) -> str:
    """Letters only, without accents: "Côte d'Ivoire" and "COTE D’IVOIRE" are one."""
    letters = unicodedata.normalize("NFKD", fold(text))
    return "".join(c for c in letters if c.isalnum() or unicodedata.category(c) == "Mc")
