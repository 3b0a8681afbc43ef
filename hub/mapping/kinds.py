"""What a canonical kind takes from a remote value, and how it is written back in the remote's type.

A reader gets a value that is neither absent, null nor "" (but text readers do get ""), and gives
the normal form.  A writer gets a canonical value that is not null and the old remote value, of
which it keeps the *type* and style only.  With no old value decimals are written as `Decimal`,
dates as `date`, instants as aware `datetime`.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from hub import values as rules
from hub.entity import Field
from hub.mapping.paths import MISSING
from hub.mapping.problems import LensError
from hub.values import clean_text, date_text, decimal_text, instant_text

Reader = Callable[[Any], Any]
Writer = Callable[[Any, Any], Any]

TEXTUAL = ("text", "choice", "ref")
SAYS_EMPTY = ("text",)
"""Kinds in which "" is a value of its own; in all others it says the same as null."""

NO_ZONE = "a time without zone, and no zone is set for the source: {value!r}"
NOT_A_TEXT = "no text: {value!r}"
NOT_UTF8 = "bytes that are not UTF-8 text: {value!r}"
NOT_INTEGER = "not a whole number: {value!r}"
NOT_BOOLEAN = "neither true nor false: {value!r}"
NOT_CHOICE = "the code {value!r} has no meaning here; known are {known}"
NOT_OBJECT = "not an object of named values: {value!r}"
NOT_LIST = "not a list: {value!r}"
NOT_SET = "not a list of texts: {value!r}"
CODES_HINT = "Add a row for it to `codes` of this field."
BOOL_HINT = "Say with `bool: {true: …, false: …}` how the system writes it."
SPLIT_HINT = "Use `split` if the system keeps several in one text."


@dataclass(frozen=True, slots=True)
class Defaults:
    """What lenses fall back to: the zone of naive times, where phones are dialled, the currency."""

    zone: str | None = None
    region: str | None = None
    currency: str | None = None


def reader(field: Field, defaults: Defaults) -> Reader:
    return _READERS[field.kind](field, defaults)


def writer(field: Field, defaults: Defaults) -> Writer:
    return _WRITERS[field.kind](field, defaults)


# ----------------------------------------------------------------------------------------- text


def as_text(value: Any, zone: str | None = None) -> str:
    """The text that any scalar stands for."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return instant_text(value, zone)
    if isinstance(value, date):
        return date_text(value)
    if isinstance(value, bytes):
        try:
            return clean_text(value.decode())
        except UnicodeDecodeError as e:
            raise LensError(NOT_UTF8, value=value) from e
    raise LensError(NOT_A_TEXT, value=value)


def _text_reader(field: Field, defaults: Defaults) -> Reader:
    zone = defaults.zone
    if field.normal:
        return _normal_reader(field, defaults)

    def read(value: Any) -> str:
        return clean_text(value) if value.__class__ is str else as_text(value, zone)

    return read


def is_plain_text(field: Field) -> bool:
    """A text whose normal form is itself, cleaned."""
    return field.kind == "text" and not field.normal


# Others are kept as given when they have no normal form: a record is not worth less for a bad
# phone number (hub.model.schema).
_ENFORCED = ("country_code", "currency_code", "partial_date")


def _normal_reader(field: Field, defaults: Defaults) -> Reader:
    normal = normal_form(field.normal, defaults.region)
    enforced, zone = field.normal in _ENFORCED, defaults.zone

    def read(value: Any) -> str:
        text = clean_text(value) if value.__class__ is str else as_text(value, zone)
        if not text:
            return text
        try:
            return normal(text)
        except ValueError:
            if enforced:
                raise
            return text

    return read


@cache
def normal_form(name: str, region: str | None) -> Callable[[str], str]:
    """The function of `hub.values` called *name*, dialled from *region* where it takes one."""
    rule: Callable[..., str] = getattr(rules, name)
    if len(inspect.signature(rule).parameters) == 1:
        return rule
    return partial(rule, region=region)


def write_as(text: str, old: Any) -> Any:
    """The text in the type of the old value, if it is the same text there."""
    if isinstance(old, bool):
        return text == "true" if text in ("true", "false") else text
    if isinstance(old, int | float | Decimal):
        return _number_like(text, old)
    return text


def _number_like(text: str, old: float | Decimal) -> Any:
    try:
        number = Decimal(text)
        if decimal_text(number) != text:
            return text
    except (ValueError, ArithmeticError):
        return text
    return number_as(number, old)


def _text_writer(field: Field, defaults: Defaults) -> Writer:
    def write(value: Any, old: Any) -> Any:
        return value if old is MISSING or type(old) is str else write_as(value, old)

    return write


def _ref_reader(field: Field, defaults: Defaults) -> Reader:
    def read(value: Any) -> str | None:
        return None if value is False else as_text(value) or None

    return read


def _choice_reader(field: Field, defaults: Defaults) -> Reader:
    choices = frozenset(field.choices)

    def read(value: Any) -> str:
        text = value if type(value) is str else as_text(value)
        if text not in choices:
            raise unknown_code(text, field.choices)
        return text

    return read


def unknown_code(value: Any, known: Any) -> LensError:
    names = ", ".join(map(str, list(known)[:20]))
    return LensError(NOT_CHOICE, code="unknown-code", hint=CODES_HINT, value=value, known=names)


# -------------------------------------------------------------------------------------- numbers


def _integer_reader(field: Field, defaults: Defaults) -> Reader:
    def read(value: Any) -> int:
        if type(value) is int:
            return value
        if isinstance(value, bool):
            raise LensError(NOT_INTEGER, value=value)
        number = rules.parse_decimal(decimal_text(value))
        if number != number.to_integral_value():
            raise LensError(NOT_INTEGER, value=value)
        return int(number)

    return read


def _decimal_reader(field: Field, defaults: Defaults) -> Reader:
    scale = field.precision[1] if field.precision else None

    def read(value: Any) -> str:
        kind = type(value)
        if kind is Decimal:
            return number_text(value)
        return decimal_text(value) if kind is not float else float_text(value, scale)

    return read


def number_text(value: Decimal) -> str:
    """`decimal_text`, with a short way for numbers of ordinary size."""
    text = f"{value:f}"
    if len(text) > 60 or not text[-1:].isdigit():
        return decimal_text(value)
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text != "-0" else "0"


def float_text(value: float, scale: int | None) -> str:
    """Binary fractions are inexact as they come: digits behind the field's last are noise."""
    text = decimal_text(value)
    if scale is None or len(text.partition(".")[2]) <= scale:
        return text
    return rounded(text, scale)


def rounded(text: str, places: int) -> str:
    return decimal_text(rules.round_half_up(Decimal(text), places))


def number_as(number: Decimal, old: Any) -> Any:
    """The number in the type of the old value, as long as that type holds it exactly."""
    if old is MISSING or old is None or isinstance(old, Decimal):
        return number
    if isinstance(old, str):
        return decimal_text(number)
    if isinstance(old, int):
        return int(number) if number == number.to_integral_value() else number
    if isinstance(old, float):
        inexact = Decimal(repr(float(number))) != number
        return number if inexact else float(number)
    return number


def _decimal_writer(field: Field, defaults: Defaults) -> Writer:
    return lambda value, old: number_as(Decimal(value), old)


def _integer_writer(field: Field, defaults: Defaults) -> Writer:
    def write(value: Any, old: Any) -> Any:
        if old is MISSING or old is None or type(old) is int:
            return value
        return number_as(Decimal(value), old)

    return write


def retyped(value: Any, old: Any) -> Any:
    """The result of a formula as the system had it before."""
    if isinstance(value, bool) or isinstance(old, bool):
        return value
    if isinstance(value, int | Decimal):
        return number_as(rules.parse_decimal(decimal_text(value)), old)
    if isinstance(value, date) and isinstance(old, str):
        return as_text(value, "UTC")
    return write_as(value, old) if isinstance(value, str) else value


# ------------------------------------------------------------------------------------- booleans

_WORDS = (("true", "false"), ("1", "0"), ("yes", "no"), ("y", "n"), ("t", "f"), ("是", "否"))
_TRUTH: Mapping[str, bool] = {w: w == pair[0] for pair in _WORDS for w in pair}
_OPPOSITE: Mapping[str, str] = {a: b for yes, no in _WORDS for a, b in ((yes, no), (no, yes))}


def _boolean_reader(field: Field, defaults: Defaults) -> Reader:
    def read(value: Any) -> bool:
        if value is True or value is False:
            return bool(value)
        if isinstance(value, str):
            known = _TRUTH.get(value.strip().lower())
        else:
            number = isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite())
            known = value == 1 if number and value in (0, 1) else None
        if known is None:
            raise LensError(NOT_BOOLEAN, hint=BOOL_HINT, value=value)
        return known

    return read


def _boolean_writer(field: Field, defaults: Defaults) -> Writer:
    def write(value: Any, old: Any) -> Any:
        if old is MISSING or old is None or isinstance(old, bool):
            return value
        if isinstance(old, int):
            return int(value)
        if isinstance(old, Decimal):
            return Decimal(int(value))
        word = old.strip().lower() if isinstance(old, str) else ""
        if word not in _TRUTH:
            return value
        if _TRUTH[word] is value:
            return old
        other = _OPPOSITE[word]
        return other.upper() if old.isupper() else other.title() if old.istitle() else other

    return write


# ---------------------------------------------------------------------------------------- times


def _date_reader(field: Field, defaults: Defaults) -> Reader:
    return date_text


def date_as(value: str, old: Any) -> Any:
    """The date in the type of the old value; its time of day and zone stay."""
    if isinstance(old, str):
        return value + old.strip()[10:]
    day = date.fromisoformat(value)
    if isinstance(old, datetime):
        return datetime.combine(day, old.timetz())
    return day


def _date_writer(field: Field, defaults: Defaults) -> Writer:
    return date_as


def _datetime_reader(field: Field, defaults: Defaults) -> Reader:
    zone = defaults.zone
    return lambda value: instant_text(value, zone)


def _datetime_writer(field: Field, defaults: Defaults) -> Writer:
    zone = defaults.zone
    return lambda value, old: instant_as(value, old, zone)


_written = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ])\d\d:\d\d(:\d\d)?(?:([.,])(\d+))?( ?)([Zz]|[+-]\d\d(?::?\d\d)?)?"
).fullmatch


def instant_as(value: str, old: Any, zone: str | None) -> Any:
    """The instant in the type, zone and notation of the old value."""
    moment = datetime.fromisoformat(value)
    if isinstance(old, datetime):
        return _moved(moment, old.tzinfo, zone)
    if not isinstance(old, str) or not (style := _written(old.strip())):
        return moment
    sep, seconds, point, fraction, space, offset = style.groups()
    if offset is None:
        moment = _moved(moment, None, zone)
    elif offset not in "Zz":
        moment = moment.astimezone(
            datetime.fromisoformat(old.strip().replace(" ", "T", 1).replace(" ", "")).tzinfo
        )
    text = f"{moment:%Y-%m-%d}{sep}{moment:%H:%M}"
    if seconds or moment.second or moment.microsecond:
        text += f"{moment:%S}".join((":", ""))
    digits = _fraction(moment, len(fraction or ""))
    return text + ((point or ".") + digits if digits else "") + _offset(moment, space, offset)


def _moved(moment: datetime, to: Any, zone: str | None) -> datetime:
    if to is not None:
        return moment.astimezone(to)
    if zone is None:
        raise LensError(NO_ZONE, code="zone")
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def _fraction(moment: datetime, width: int) -> str:
    digits = f"{moment.microsecond:06d}"
    return digits.rstrip("0").ljust(width, "0")


def _offset(moment: datetime, space: str, style: str | None) -> str:
    if style is None:
        return ""
    if style in "Zz":
        return space + style
    offset = f"{moment:%z}"[:5]
    if ":" in style:
        return f"{space}{offset[:3]}:{offset[3:]}"
    return space + (offset if len(style) == 5 or offset[3:] != "00" else offset[:3])


# --------------------------------------------------------------------------- objects, lists, sets


def _object_reader(field: Field, defaults: Defaults) -> Reader:
    parts = {f.name: _nullable(reader(f, defaults), f) for f in field.fields}
    if not parts:
        return plain

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise LensError(NOT_OBJECT, value=value)
        return {name: read(value[name]) for name, read in parts.items() if name in value}

    return read


def _nullable(read: Reader, field: Field) -> Reader:
    says_empty = field.kind in SAYS_EMPTY

    def read_or_null(value: Any) -> Any:
        if value is None or (value == "" and not says_empty):
            return None
        return read(value)

    return read_or_null


def _list_reader(field: Field, defaults: Defaults) -> Reader:
    read = _object_reader(field, defaults) if field.fields else plain

    def read_all(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise LensError(NOT_LIST, value=value)
        return [read(item) for item in value]

    return read_all


def _set_reader(field: Field, defaults: Defaults) -> Reader:
    def read(value: Any) -> list[str]:
        if not isinstance(value, list | tuple | set | frozenset):
            raise LensError(NOT_SET, value=value, hint=SPLIT_HINT)
        return as_set(value)

    return read


def as_set(values: Any) -> list[str]:
    return sorted({as_text(v) for v in values if v is not None} - {""})


def plain(value: Any) -> Any:
    """Any value as JSON in normal form."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {as_text(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return as_text(value)


def _object_writer(field: Field, defaults: Defaults) -> Writer:
    parts = {f.name: writer(f, defaults) for f in field.fields}
    if not parts:
        return lambda value, old: value

    def write(value: Any, old: Any) -> dict[str, Any]:
        before = old if isinstance(old, Mapping) else {}
        written = {
            name: parts[name](v, before.get(name, MISSING)) if v is not None else None
            for name, v in value.items()
            if name in parts
        }
        return {**before, **written}

    return write


def _list_writer(field: Field, defaults: Defaults) -> Writer:
    if not field.fields:
        return lambda value, old: value
    write, key = _object_writer(field, defaults), field.key

    def write_all(value: Any, old: Any) -> list[Any]:
        before = old if isinstance(old, list | tuple) and key else ()
        known = {i.get(key): i for i in before if isinstance(i, Mapping)}
        return [write(item, known.get(item.get(key), MISSING)) for item in value]

    return write_all


def _set_writer(field: Field, defaults: Defaults) -> Writer:
    return in_order_of


def in_order_of(texts: list[str], old: Any) -> list[Any]:
    """The texts as a list, those known before in their old order and type."""
    before = list(old) if isinstance(old, list | tuple) else []
    kept = [v for v in before if v is not None and as_text(v) in texts]
    there = {as_text(v) for v in kept}
    return kept + [t for t in texts if t not in there]


_READERS: Mapping[str, Callable[[Field, Defaults], Reader]] = {
    "text": _text_reader,
    "choice": _choice_reader,
    "ref": _ref_reader,
    "integer": _integer_reader,
    "decimal": _decimal_reader,
    "boolean": _boolean_reader,
    "date": _date_reader,
    "datetime": _datetime_reader,
    "object": _object_reader,
    "list": _list_reader,
    "set": _set_reader,
}

_WRITERS: Mapping[str, Callable[[Field, Defaults], Writer]] = {
    "text": _text_writer,
    "choice": _text_writer,
    "ref": _text_writer,
    "integer": _integer_writer,
    "decimal": _decimal_writer,
    "boolean": _boolean_writer,
    "date": _date_writer,
    "datetime": _datetime_writer,
    "object": _object_writer,
    "list": _list_writer,
    "set": _set_writer,
}
