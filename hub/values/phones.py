"""Phone numbers in normal form, by the rules of libphonenumber.

Parsing takes that library 50 times as long as all else that is done to a number.  So a number that
is written plainly (digits, spaces, dashes, brackets, points) is put together from the same metadata in
a few steps, as long as none of the library's special cases can apply to it; the tests compare both.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import phonenumbers

NOT_PHONE = "not a phone number: {value!r}"
LONG = 60
LOCAL_PHONE = "a phone number without area or country code: {value!r}"

# Mobiles of China and numbers of North America in E.164: long enough to leave nothing to parse.
# 179xx is a carrier prefix in China, not a mobile.
_e164_match = re.compile(r"\+86(?!179)1[3-9][0-9]{9}|\+1[2-9][0-9]{2}[2-9][0-9]{6}").fullmatch
_cn_mobile_match = re.compile(r"(?!179)1[3-9][0-9]{9}").fullmatch
_national_match = re.compile(r"0[1-9][0-9]*(?:[ -][0-9]+)?").fullmatch
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
    number = _number(text, region)
    if _national_part(number)[:1] == "0" and _number(number, None) != number:
        raise ValueError(NOT_PHONE)  # zeros that the library takes for prefixes, one at a time
    return number


def _number(text: str, region: str | None) -> str:
    if text[:1] == "+":
        return text if _e164_match(text) else _plain_international(text) or _parsed(text, region)
    if region == "CN" and _cn_mobile_match(text):
        return "+86" + text
    return (region and _plain_national(text, region)) or _parsed(text, region)


def _national_part(number: str) -> str:
    """What follows the country code."""
    for length in (2, 3, 4):
        if int(number[1:length]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return number[length:]
    return ""


# ------------------------------------------------------------------------------- written plainly


def _plain_international(text: str) -> str | None:
    """+86 21 4642-5096; None where the number needs a closer look, ValueError where it is none."""
    digits = text[1:].replace(" ", "").replace("-", "")
    if not digits.isdigit():
        digits = digits.replace("(", "").replace(")", "").replace(".", "")
    if not digits.isdigit() or digits[0] == "0" or len(text) > LONG or not digits.isascii():
        return None
    for length in (1, 2, 3):
        plan = _plan_of_code(digits[:length])
        if plan is not None:
            return plan.international(digits[length:])
    return None


def _plain_national(text: str, region: str) -> str | None:
    """021-46425096: a national prefix and a number with its area code."""
    if not _national_match(text):
        return None
    plan = _plan_of_region(region)
    digits = text.replace(" ", "").replace("-", "")
    return None if plan is None or plan.abroad(digits) else plan.without_prefix(digits)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the library knows of the numbers behind one country code."""

    code: str
    lengths: frozenset[int]
    local_lengths: frozenset[int]
    prefix: Callable[[str], Any]
    transforms: bool
    """What the prefix becomes is more than nothing."""
    whole: Callable[[str], Any]
    abroad: Callable[[str], Any]

    def international(self, number: str) -> str | None:
        if self.prefix(number):
            return self.without_prefix(number)
        length = len(number)
        if length in self.lengths:
            return f"+{self.code}{number}"
        if not 2 < length < 18 or self.code == "86":
            return None
        raise ValueError(LOCAL_PHONE if length in self.local_lengths else NOT_PHONE)

    def without_prefix(self, number: str) -> str | None:
        """The number behind its national prefix; None where it is not sure that it has one."""
        found = self.prefix(number)
        if not found or self.transforms or self.whole(number):
            return None
        rest = number[found.end() :]
        return f"+{self.code}{rest}" if len(rest) in self.lengths else None


@cache
def _plan_of_code(code: str) -> _Plan | None:
    """None: there is no such code, or it belongs to no country."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code)) if code else None
    return _plan(regions[0]) if regions and regions[0] != "001" else None


@cache
def _plan_of_region(region: str) -> _Plan | None:
    """Only where the region's own metadata is what its country code goes by."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    plan = _plan_of_code(str(metadata.country_code)) if metadata else None
    main = plan and phonenumbers.region_code_for_country_code(int(plan.code))
    return plan if main == region else None


def _plan(region: str) -> _Plan:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    general = metadata.general_desc
    assert general is not None
    local_lengths = frozenset(general.possible_length_local_only)
    lengths = frozenset(general.possible_length) - local_lengths
    if metadata.country_code == 86:  # what libphonenumber calls possible has no area code
        lengths = frozenset(n for n in lengths if n > 8)
    return _Plan(
        str(metadata.country_code),
        lengths,
        local_lengths,
        re.compile(metadata.national_prefix_for_parsing or "(?!)").match,
        bool(metadata.national_prefix_transform_rule),
        re.compile(general.national_number_pattern or "(?!)").fullmatch,
        re.compile(metadata.international_prefix or "(?!)").match,
    )


# -------------------------------------------------------------------------------- by the library


@lru_cache(4096)
def _parsed(text: str, region: str | None) -> str:
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
