"""Value rules: text in, normal form out, as pure functions.

The normal forms are those of `hub.entity`.  Every function takes any JSON value and raises nothing
but `ValueError`, whose message is a template over `{value!r}`: a constant, so that it can be
translated and never carries the value into a format string.
"""

from hub.values.identifiers import compact_identifier, valid_identifier
from hub.values.names import name_key, person_key
from hub.values.numbers import (
    MAX_PLACES,
    currency_code,
    currency_codes,
    currency_digits,
    decimal_text,
    distribute,
    money_round,
    parse_decimal,
    round_half_up,
)
from hub.values.phones import phone_number
from hub.values.reach import country_code, country_codes, email_address
from hub.values.texts import clean_text, fold
from hub.values.times import date_text, instant_from_epoch_ms, instant_text, partial_date

__all__ = [
    "MAX_PLACES",
    "clean_text",
    "compact_identifier",
    "country_code",
    "country_codes",
    "currency_code",
    "currency_codes",
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
