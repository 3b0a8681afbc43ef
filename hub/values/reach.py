"""E-mail addresses and countries in normal form."""

import re
import unicodedata
from functools import lru_cache

from email_validator import validate_email

from hub.values import countries
from hub.values.texts import fold, table_rows

NOT_EMAIL = "not an e-mail address: {value!r}"
NOT_COUNTRY = "not a country: {value!r}"

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
