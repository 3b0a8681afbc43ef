"""Checks canonical values against their entity, and derives the API's marshmallow schema from it.

`check` is compiled once per entity: a predicate per field for the hot path, and a slow pass that
writes the reasons for values that failed it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from hub import values as rules
from hub.entity import Entity, Field
from hub.errors import Problem, fill
from hub.values.texts import is_clean

Test = Callable[[Any], Any]
"""True or truthy for a value that is right; a TypeError counts as false."""

MAX_REF = 255
_INTEGERS = range(-(2**63), 2**63)

# Normal forms that are enforced.  Phone numbers, e-mail and web addresses that cannot be brought
# into normal form are kept as given: a record is not worth less for a bad phone number.
_ENFORCED = ("country_code", "currency_code", "partial_date")


def check(entity: Entity, values: Mapping[str, Any], *, partial: bool) -> list[Problem]:
    """What is wrong with these canonical values; all of it, in the order of the values.

    *partial*: an absent field is left alone, so a required one may be missing; it may never be
    null or blank.  `ext` (custom fields) is not looked into.
    """
    shape = _shape(entity)
    return [] if shape.holds(values, partial) else list(shape.problems(values, partial, ""))


_SHAPES: dict[int, tuple[Entity, "_Shape"]] = {}


def _shape(entity: Entity) -> "_Shape":
    known = _SHAPES.get(id(entity))
    if known is None:  # the entity is kept too, so that its id stays its own
        known = _SHAPES[id(entity)] = entity, _Shape(entity.fields, allow_ext=True)
    return known[1]


class _Shape:
    """The fields of an entity, object or list item, compiled."""

    def __init__(self, parts: tuple[Field, ...], *, key: str = "", allow_ext: bool = False) -> None:
        self.fields = {f.name: f for f in parts}
        self.key = key
        self.nested = {f.name: _Shape(f.fields, key=f.key) for f in parts if f.fields}
        self.tests = {f.name: self._test(f) for f in parts}
        self.partial_tests = {f.name: self._test(f, partial=True) for f in parts}
        if allow_ext:
            self.tests["ext"] = self.partial_tests["ext"] = _is_object
        self.sizes = {f.name: _size(f) for f in parts if _is_plain_text(f)}
        self.required = frozenset(f.name for f in parts if f.required and f.name != "ext")
        needed = frozenset(f.name for f in parts if f.required and f.default is None)
        self.present = needed | ({key} if key else frozenset())
        self.present_partial = frozenset({key} if key else ())

    def _test(self, field: Field, *, partial: bool = False) -> Test:
        shape = self.nested.get(field.name)
        if shape is None:
            return _test(field)
        if field.kind == "object":
            return lambda value: type(value) is dict and shape.holds(value, partial)
        return lambda value: type(value) is list and shape.all_hold(value, partial)

    def holds(self, values: Mapping[str, Any], partial: bool) -> bool:
        tests, sizes = self.partial_tests if partial else self.tests, self.sizes
        texts: list[str] = []
        try:
            for name, value in values.items():
                if type(value) is str and name in sizes:
                    if len(value) > sizes[name]:
                        return False
                    texts.append(value)
                elif value is None:
                    if name in self.required or name not in tests:
                        return False
                elif not tests[name](value):
                    return False
        except (KeyError, TypeError):
            return False
        # One look at all texts: a space joins no normal forms.
        if not is_clean(" ".join(texts)) or ("" in texts and self._has_blank(values)):
            return False
        return (self.present_partial if partial else self.present) <= values.keys()

    def _has_blank(self, values: Mapping[str, Any]) -> bool:
        return any(values.get(name) == "" for name in self.required)

    def all_hold(self, items: list[Any], partial: bool) -> bool:
        for item in items:
            if type(item) is not dict or not self.holds(item, partial):
                return False
        key = self.key
        return not key or len({item[key] for item in items}) == len(items)

    def problems(self, values: Mapping[str, Any], partial: bool, at: str) -> Iterator[Problem]:
        """Every reason why the values do not hold, with paths below *at*."""
        for name, value in values.items():
            where = f"{at}{name}"
            if name == "ext" and name in self.tests:
                if not _is_object(value):
                    yield _problem("type", NOT_OBJECT, where, value)
            elif name not in self.fields:
                yield _problem("unknown-field", UNKNOWN, where, value, hint=UNKNOWN_HINT)
            else:
                yield from self._field_problems(self.fields[name], value, partial, where)
        for name in sorted((self.present_partial if partial else self.present) - values.keys()):
            yield _problem("required", REQUIRED, f"{at}{name}", None)

    def _field_problems(
        self, field: Field, value: Any, partial: bool, at: str
    ) -> Iterator[Problem]:
        shape = self.nested.get(field.name)
        if value is None:
            if field.required or field.name == self.key:
                yield _problem("required", REQUIRED, at, None)
        elif shape is None:
            problem = explain(field, value, at)
            if problem:
                yield problem
        elif field.kind == "object":
            if type(value) is dict:
                yield from shape.problems(value, partial, f"{at}.")
            else:
                yield _problem("type", NOT_OBJECT, at, value)
        else:
            yield from shape.item_problems(value, partial, at)

    def item_problems(self, items: Any, partial: bool, at: str) -> Iterator[Problem]:
        if type(items) is not list:
            yield _problem("type", NOT_LIST, at, items)
            return
        seen: set[Any] = set()
        for i, item in enumerate(items):
            if type(item) is not dict:
                yield _problem("type", NOT_OBJECT, f"{at}[{i}]", item)
                continue
            yield from self.problems(item, partial, f"{at}[{i}].")
            key = item.get(self.key) if self.key else None
            if isinstance(key, str | int):
                if key in seen:
                    yield _problem("duplicate", DUPLICATE, f"{at}[{i}].{self.key}", key)
                seen.add(key)


# ------------------------------------------------------------------------------- tests per kind


def _test(field: Field) -> Test:
    make = _TESTS.get(field.kind)
    if make is None:
        raise ValueError(f"field {field.name!r}: no check for the kind {field.kind!r}")
    return make(field)


def _is_plain_text(field: Field) -> bool:
    return field.kind == "text" and field.normal not in _ENFORCED


def _size(field: Field) -> int:
    return 2**31 if field.size is None else field.size


def _text_test(field: Field) -> Test:
    least, most = int(field.required), _size(field)
    if field.normal in _ENFORCED:
        return _in_normal_form(field.normal)

    def test(value: Any) -> bool:
        return type(value) is str and least <= len(value) <= most and is_clean(value)

    return test


@lru_cache(64)
def _in_normal_form(name: str) -> Test:
    normal = _rule(name)

    @lru_cache(4096)
    def test(value: Any) -> bool:
        try:
            return type(value) is str and normal(value) == value
        except ValueError:
            return False

    return test


def _decimal_test(field: Field) -> Test:
    """Normal form and precision in one regular expression."""
    digits, places = field.precision or (2 * rules.MAX_PLACES, rules.MAX_PLACES)
    whole = rf"[1-9][0-9]{{0,{digits - places - 1}}}" if digits > places else "(?!)"
    part = rf"\.[0-9]{{0,{places - 1}}}[1-9]" if places else "(?!)"
    return re.compile(rf"-?(?:{whole}(?:{part})?|0{part})|0").fullmatch


_instant = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{0,5}[1-9])?Z"
).fullmatch


@lru_cache(16384)
def _is_date(value: Any) -> bool:
    try:
        return type(value) is str and len(value) == 10 and date.fromisoformat(value) is not None
    except ValueError:
        return False


def _is_instant(value: Any) -> bool:
    return type(value) is str and _instant(value) is not None and _is_date(value[:10])


def _is_integer(value: Any) -> bool:
    return type(value) is int and value in _INTEGERS


def _is_boolean(value: Any) -> bool:
    return value is True or value is False


def _is_ref(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_REF and is_clean(value)


def _is_set(value: Any) -> bool:
    if type(value) is not list:
        return False
    if not all(type(v) is str and v and is_clean(v) for v in value):
        return False
    return all(a < b for a, b in pairwise(value))


def _is_object(value: Any) -> bool:
    return type(value) is dict


_TESTS: dict[str, Callable[[Field], Test]] = {
    "text": _text_test,
    "decimal": _decimal_test,
    "integer": lambda field: _is_integer,
    "boolean": lambda field: _is_boolean,
    "date": lambda field: _is_date,
    "datetime": lambda field: _is_instant,
    "choice": lambda field: frozenset(field.choices).__contains__,
    "ref": lambda field: _is_ref,
    "set": lambda field: _is_set,
}

# ------------------------------------------------------------------------------------- reasons

REQUIRED = "a value is required"
UNKNOWN = "the entity has no such field"
UNKNOWN_HINT = "Check the spelling, or declare a custom field and write to ext."
DUPLICATE = "two items of the list have this key: {value!r}"
NOT_OBJECT = "not an object of named values: {value!r}"
NOT_LIST = "not a list: {value!r}"
TOO_LONG = "longer than {size} characters: {value!r}"
BAD_CHOICE = "not one of {choices}: {value!r}"
BAD_PRECISION = "does not fit into {digits} digits with {places} after the point: {value!r}"
NOT_NORMAL = "not in normal form: {value!r}"

_KINDS = {
    "text": "not a text: {value!r}",
    "decimal": "not a decimal number in plain text: {value!r}",
    "integer": "not a whole number: {value!r}",
    "boolean": "neither true nor false: {value!r}",
    "date": "not a date like 2025-03-01: {value!r}",
    "datetime": "not an instant like 2025-03-01T00:30:00Z: {value!r}",
    "choice": BAD_CHOICE,
    "ref": "not the id of a record: {value!r}",
    "set": "not a sorted list of different texts: {value!r}",
}


def explain(field: Field, value: Any, at: str = "") -> Problem | None:
    """Why *value* is not right for *field*, which has no parts; None when it is."""
    try:
        right = bool(_test(field)(value))
    except TypeError:
        right = False
    if right:
        return None
    return _reason(field, value, at or field.name)


def _reason(field: Field, value: Any, at: str) -> Problem:
    if field.kind == "choice":
        return _problem("choice", BAD_CHOICE, at, value, choices=", ".join(field.choices))
    if field.kind == "decimal" and isinstance(value, str):
        return _decimal_reason(field, value, at)
    if field.kind != "text" or not isinstance(value, str):
        return _problem("type", _KINDS[field.kind], at, value)
    if field.required and not value:
        return _problem("required", REQUIRED, at, value)
    if field.size is not None and len(value) > field.size:
        return _problem("too-long", TOO_LONG, at, value, size=field.size)
    return _problem("not-normal", NOT_NORMAL, at, value)


def _decimal_reason(field: Field, value: str, at: str) -> Problem:
    try:
        normal = rules.decimal_text(value)
    except ValueError:
        return _problem("type", _KINDS["decimal"], at, value)
    if normal != value:
        return _problem("not-normal", NOT_NORMAL, at, value)
    digits, places = field.precision or (2 * rules.MAX_PLACES, rules.MAX_PLACES)
    return _problem("precision", BAD_PRECISION, at, value, digits=digits, places=places)


def _problem(
    code: str, message: str, at: str, value: Any, *, hint: str = "", **values: Any
) -> Problem:
    return Problem(code, message, _storable(at), _shown(value), hint, values)


def _shown(value: Any) -> Any:
    """The value as a problem may keep it: short, and storable as JSON in UTF-8."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, int):
        return value if value in _INTEGERS else "…"
    return _storable(repr(value)) if isinstance(value, float) else f"<{type(value).__name__}>"


def _storable(text: str) -> str:
    short = text if len(text) <= 200 else text[:200] + "…"
    return short.encode("utf-8", "backslashreplace").decode()


# --------------------------------------------------------------------------------- normal forms


def normalise(field: Field, value: Any) -> Any:
    """*value* in the normal form of *field*, which has no parts; ValueError if there is none.

    For what people and API clients send.  Numbers for decimals come as text or integers, never as
    binary fractions; instants with their offset.
    """
    if value is None:
        return None
    make = _NORMAL.get(field.kind)
    return make(field, value) if make else value


def _normal_text(field: Field, value: Any) -> str:
    text = rules.clean_text(value)
    if not field.normal or not text:
        return text
    try:
        return _rule(field.normal)(text)
    except ValueError:
        if field.normal in _ENFORCED:
            raise
        return text


@lru_cache(64)
def _rule(name: str) -> Callable[[str], str]:
    if name == "phone_number":  # where it is dialled is not known here
        return lambda text: rules.phone_number(text, None)
    rule: Callable[[str], str] = getattr(rules, name)
    return rule


def _normal_decimal(field: Field, value: Any) -> str:
    if isinstance(value, float):
        raise ValueError(_KINDS["decimal"])
    return rules.decimal_text(value)


def _normal_set(field: Field, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(_KINDS["set"])
    return sorted({rules.clean_text(v) for v in value} - {""})


_NORMAL: dict[str, Callable[[Field, Any], Any]] = {
    "text": _normal_text,
    "ref": lambda field, value: rules.clean_text(value),
    "decimal": _normal_decimal,
    "date": lambda field, value: rules.date_text(value),
    "datetime": lambda field, value: rules.instant_text(value),
    "set": _normal_set,
}


# ------------------------------------------------------------------------------------ marshmallow


class _Canonical(fields.Field[Any]):
    """A marshmallow field that loads into normal form, by the same rules as `check`."""

    declared: Field

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            value = normalise(self.declared, value)
        except ValueError as e:
            raise ValidationError(fill(str(e), {"value": _shown(value)})) from e
        problem = explain(self.declared, value)
        if problem:
            raise ValidationError(fill(problem.message, {"value": problem.value, **problem.values}))
        return value

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value


class _Text(_Canonical, fields.String):
    pass


class _Decimal(_Canonical, fields.String):
    """On the wire a decimal is text."""


class _Integer(_Canonical, fields.Integer):
    pass


class _Boolean(_Canonical, fields.Boolean):
    pass


class _Date(_Canonical, fields.Date):
    pass


class _DateTime(_Canonical, fields.DateTime):
    pass


class _Set(_Canonical):
    pass


_FIELDS: dict[str, type[_Canonical]] = {
    "text": _Text,
    "choice": _Text,
    "ref": _Text,
    "decimal": _Decimal,
    "integer": _Integer,
    "boolean": _Boolean,
    "date": _Date,
    "datetime": _DateTime,
    "set": _Set,
}


class _Strict(Schema):
    class Meta:
        unknown = RAISE


_SCHEMAS: dict[tuple[int, bool], tuple[Entity, type[Schema]]] = {}


def marshmallow_schema(entity: Entity, *, partial: bool = False) -> type[Schema]:
    """The schema of the API: loads into normal form, refuses unknown and derived fields.

    *partial*: for a patch, where an absent field is left alone.  What it loads passes `check`.
    """
    known = _SCHEMAS.get((id(entity), partial))
    if known is None:
        declared = {f.name: _field(f, partial) for f in entity.fields}
        declared["ext"] = fields.Dict(keys=fields.String())
        known = _SCHEMAS[id(entity), partial] = entity, _schema(entity.name, declared)
    return known[1]


def _schema(name: str, declared: Mapping[str, Any]) -> type[Schema]:
    return type(f"{name}_schema", (_Strict,), dict(declared))


def _field(field: Field, partial: bool, *, key: str = "") -> fields.Field[Any]:
    is_key = field.name == key
    needed = is_key or (field.required and field.default is None and not partial)
    options: dict[str, Any] = {
        "required": needed,
        "allow_none": not (field.required or is_key),
        "dump_only": field.derived and not needed,
        "metadata": {"zh": field.zh, "en": field.en},
    }
    if not field.fields:
        made: _Canonical = _FIELDS[field.kind](**options)
        made.declared = field
        return made
    parts = {f.name: _field(f, partial, key=field.key) for f in field.fields}
    nested = fields.Nested(_schema(field.name, parts), **({} if field.kind == "list" else options))
    if field.kind == "object":
        return nested
    return fields.List(nested, validate=_distinct(field.key), **options)


def _distinct(key: str) -> Callable[[list[dict[str, Any]]], None]:
    def validate(items: list[dict[str, Any]]) -> None:
        keys = [item.get(key) for item in items] if key else []
        if len(set(keys)) < len(keys):
            twice = next(k for k in keys if keys.count(k) > 1)
            raise ValidationError(fill(DUPLICATE, {"value": twice}))

    return validate
