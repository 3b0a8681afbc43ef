"""Identifiers of parties and products: their compact form, and whether they can be right.

Sources: GB 32100-2015 (cn_uscc), GB 11714 (cn_org_code), GB 11643 (cn_id_card), GS1 General
Specifications (gtin, gln, sscc), ISO 13616 (iban), ISO 9362 (bic), ISO 17442 (lei).
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import lru_cache

NOT_IDENTIFIER = "not an identifier: {value!r}"
MAX_LENGTH = 100


def compact_identifier(scheme: str, value: str) -> str:
    """Upper-case letters and digits only; a GTIN is padded to 14 digits.

    ValueError for what is no text or longer than any identifier.
    """
    if not isinstance(value, str) or not isinstance(scheme, str) or len(value) > MAX_LENGTH:
        raise ValueError(NOT_IDENTIFIER)
    return _compact(scheme, value)


def valid_identifier(scheme: str, value: str) -> bool | None:
    """Whether the identifier has the form and check digits of its scheme; None: unknown scheme."""
    if not isinstance(scheme, str):
        return None
    check = _check_of(scheme)
    if check is None:
        return None
    try:
        return check(compact_identifier(scheme, value))
    except ValueError:
        return False


@lru_cache(16384)
def _compact(scheme: str, value: str) -> str:
    if value.isascii():
        compact = "".join(filter(str.isalnum, value)).upper()
    else:
        compact = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", value).upper()))
        compact = unicodedata.normalize("NFKC", compact)
    if scheme == "gtin" and len(compact) in (8, 12, 13) and _digits(compact):
        return compact.rjust(14, "0")
    return compact


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _form(pattern: str) -> Callable[[str], bool]:
    match = re.compile(pattern).fullmatch
    return lambda text: match(text) is not None


# ----------------------------------------------------------------------------------------- China

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUE = {c: i for i, c in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))
_is_uscc = _form(rf"[{_USCC_ALPHABET}]{{2}}[0-9]{{6}}[{_USCC_ALPHABET}]{{10}}")


def _uscc(text: str) -> bool:
    if not _is_uscc(text):
        return False
    total = sum(_USCC_VALUE[c] * w for c, w in zip(text, _USCC_WEIGHTS, strict=False))
    return text[17] == _USCC_ALPHABET[-total % 31]


_is_org_code = _form(r"[0-9A-Z]{8}[0-9X]")


def _org_code(text: str) -> bool:
    if not _is_org_code(text):
        return False
    total = sum(int(c, 36) * w for c, w in zip(text, (3, 7, 9, 10, 5, 8, 4, 2), strict=False))
    return text[8] == "0123456789X0"[11 - total % 11]


_is_id_card = _form(r"[1-9][0-9]{16}[0-9X]")


def _id_card(text: str) -> bool:
    if not _is_id_card(text):
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(text[:17]))
    return text[17] == "10X98765432"[total % 11]


# ------------------------------------------------------------------------------------- worldwide


def _gs1(*lengths: int) -> Callable[[str], bool]:
    """GS1 modulo 10: weights 3, 1, 3 … from the digit before the check digit leftwards."""

    def check(text: str) -> bool:
        if len(text) not in lengths or not _digits(text):
            return False
        return gs1_check_digit(text[:-1]) == text[-1]

    return check


def gs1_check_digit(digits: str) -> str:
    """The digit to append to *digits* to make a GTIN, GLN or SSCC."""
    total = sum(int(c) * (1 if i % 2 else 3) for i, c in enumerate(reversed(digits)))
    return str(-total % 10)


def _mod_97(text: str) -> int:
    return int("".join(str(int(c, 36)) for c in text)) % 97


_is_iban = _form(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_is_lei = _form(r"[A-Z0-9]{18}[0-9]{2}")
_is_vat = _form(r"[A-Z]{2}[0-9A-Z]{2,13}")
_is_de_vat = _form(r"DE[1-9][0-9]{8}")
_is_fr_vat = _form(r"FR[0-9A-HJ-NP-Z]{2}[0-9]{9}")


def _iban(text: str) -> bool:
    return _is_iban(text) and _mod_97(text[4:] + text[:4]) == 1


def _lei(text: str) -> bool:
    return _is_lei(text) and _mod_97(text) == 1


def _de_vat(text: str) -> bool:
    """ISO 7064 MOD 11, 10."""
    if not _is_de_vat(text):
        return False
    product = 10
    for c in text[2:10]:
        product = ((int(c) + product) % 10 or 10) * 2 % 11
    return text[10] == str((11 - product) % 10)


def _fr_vat(text: str) -> bool:
    """Numeric keys are derived from the SIREN; keys with letters are checked in form only."""
    if not _is_fr_vat(text):
        return False
    key = text[2:4]
    return not key.isdigit() or int(key) == (12 + 3 * (int(text[4:]) % 97)) % 97


def _eu_vat(text: str) -> bool:
    return _VAT.get(text[:2], _is_vat)(text)


_VAT: dict[str, Callable[[str], bool]] = {"DE": _de_vat, "FR": _fr_vat}

_CHECKS: dict[str, Callable[[str], bool]] = {
    "bic": _form(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?"),
    "cn_id_card": _id_card,
    "cn_org_code": _org_code,
    "cn_taxpayer_15": _form(r"[0-9A-Z]{15}|[0-9A-Z]{17}|[0-9A-Z]{18}|[0-9A-Z]{20}"),
    "cn_uscc": _uscc,
    "cnaps": _form(r"[0-9]{12}"),
    "duns": _form(r"[0-9]{9}"),
    "eu_vat": _eu_vat,
    "gb_crn": _form(r"[0-9]{8}|[A-Z]{2}[0-9]{6}"),
    "gln": _gs1(13),
    "gtin": _gs1(14),
    "iban": _iban,
    "lei": _lei,
    "sscc": _gs1(18),
    "us_ein": _form(r"[0-9]{9}"),
}
SCHEMES = tuple(_CHECKS)


@lru_cache(256)
def _check_of(scheme: str) -> Callable[[str], bool] | None:
    """`de_vat` and its like are `eu_vat` of one country, with or without its prefix."""
    if scheme in _CHECKS or not re.fullmatch(r"[a-z]{2}_vat", scheme):
        return _CHECKS.get(scheme)
    country = scheme[:2].upper()
    return lambda text: _eu_vat(text if text.startswith(country) else country + text)
