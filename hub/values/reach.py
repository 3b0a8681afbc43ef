"""Phone numbers, e-mail addresses and countries in normal form."""

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from email_validator import validate_email

from hub.values import countries
from hub.values.texts import fold, table_rows

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
    for code, *names in table_rows(countries.ROWS):
        known |= {code: code} | {_country_key(n): code for n in (code, *names)}
    return known


def _country_key(text: str) -> str:
    """Letters only, without accents: "Côte d'Ivoire" and "COTE D’IVOIRE" are one."""
    letters = unicodedata.normalize("NFKD", fold(text))
    return "".join(c for c in letters if c.isalnum() or unicodedata.category(c) == "Mc")
