"""Checks canonical values against their entity, and derives the API's marshmallow schema from it.

`check` is compiled once per entity: a predicate per field for the hot path, and a slow pass that
writes the reasons for values that failed it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from hub.entity import Entity, Field
from hub.errors import Problem, fill
from hub.model.kinds import (
    DUPLICATE,
    NOT_LIST,
    NOT_OBJECT,
    REQUIRED,
    UNKNOWN,
    UNKNOWN_HINT,
    Test,
    explain,
    is_object,
    is_plain_text,
    normalise,
    problem,
    shown,
    size_of,
    test_of,
)
from hub.values.texts import is_clean


def check(entity: Entity, values: Mapping[str, Any], *, partial: bool) -> list[Problem]:
    """What is wrong with these canonical values; all of it, in the order of the values.

    *partial*: an absent field is left alone, so a required one may be missing; it may never be
    null or blank.  `ext` (custom fields) is not looked into.
    """
    shape = _shape(entity)
    return [] if shape.holds(values, partial) else list(shape.problems(values, partial, ""))


def check_stored(entity: Entity, values: Mapping[str, Any], *, partial: bool) -> list[Problem]:
    """The same for values under the names of the stored entity; those that the view lacks are left
    alone."""
    if _shape(entity, stored=True).holds(values, partial):
        return []
    names = entity.from_column
    return check(entity, {names[c]: v for c, v in values.items() if c in names}, partial=partial)


_SHAPES: dict[tuple[int, bool], tuple[Entity, "_Shape"]] = {}


def _shape(entity: Entity, *, stored: bool = False) -> "_Shape":
    known = _SHAPES.get((id(entity), stored))
    if known is None:  # the entity is kept too, so that its id stays its own
        if stored:
            parts = tuple(replace(f, name=entity.column(f.name)) for f in entity.fields)
            shape = _Shape(parts, ignore_unknown=True)
        else:
            shape = _Shape(entity.fields, allow_ext=True)
        known = _SHAPES[id(entity), stored] = entity, shape
    return known[1]


class _Shape:
    """The fields of an entity, object or list item, compiled."""

    def __init__(
        self,
        parts: tuple[Field, ...],
        *,
        key: str = "",
        allow_ext: bool = False,
        ignore_unknown: bool = False,
    ) -> None:
        self.ignore_unknown = ignore_unknown
        self.fields = {f.name: f for f in parts}
        self.key = key
        self.nested = {f.name: _Shape(f.fields, key=f.key) for f in parts if f.fields}
        self.tests = {f.name: self.test_of(f) for f in parts}
        self.partial_tests = {f.name: self.test_of(f, partial=True) for f in parts}
        if allow_ext:
            self.tests["ext"] = self.partial_tests["ext"] = is_object
        self.sizes = {f.name: size_of(f) for f in parts if is_plain_text(f)}
        self.required = frozenset(f.name for f in parts if f.required and f.name != "ext")
        needed = frozenset(f.name for f in parts if f.required and f.default is None)
        self.present = needed | ({key} if key else frozenset())
        self.present_partial = frozenset({key} if key else ())

    def test_of(self, field: Field, *, partial: bool = False) -> Test:
        shape = self.nested.get(field.name)
        if shape is None:
            return test_of(field)
        if field.kind == "object":
            return lambda value: type(value) is dict and shape.holds(value, partial)
        return lambda value: type(value) is list and shape.all_hold(value, partial)

    def holds(self, values: Mapping[str, Any], partial: bool) -> bool:
        tests, size_of_text = self.partial_tests if partial else self.tests, self.sizes.get
        texts: list[str] = []
        try:
            for name, value in values.items():
                size = size_of_text(name)
                if size is not None and value.__class__ is str:
                    if len(value) > size:
                        return False
                    texts.append(value)
                elif (test := tests.get(name)) is None:
                    if not self.ignore_unknown:
                        return False
                elif value is None:
                    if name in self.required:
                        return False
                elif not test(value):
                    return False
        except TypeError:
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
                if not is_object(value):
                    yield problem("type", NOT_OBJECT, where, value)
            elif name not in self.fields:
                yield problem("unknown-field", UNKNOWN, where, value, hint=UNKNOWN_HINT)
            else:
                yield from self._field_problems(self.fields[name], value, partial, where)
        for name in sorted((self.present_partial if partial else self.present) - values.keys()):
            yield problem("required", REQUIRED, f"{at}{name}", None)

    def _field_problems(
        self, field: Field, value: Any, partial: bool, at: str
    ) -> Iterator[Problem]:
        shape = self.nested.get(field.name)
        if value is None:
            if field.required or field.name == self.key:
                yield problem("required", REQUIRED, at, None)
        elif shape is None:
            found = explain(field, value, at)
            if found:
                yield found
        elif field.kind == "object":
            if type(value) is dict:
                yield from shape.problems(value, partial, f"{at}.")
            else:
                yield problem("type", NOT_OBJECT, at, value)
        else:
            yield from shape.item_problems(value, partial, at)

    def item_problems(self, items: Any, partial: bool, at: str) -> Iterator[Problem]:
        if type(items) is not list:
            yield problem("type", NOT_LIST, at, items)
            return
        seen: set[Any] = set()
        for i, item in enumerate(items):
            if type(item) is not dict:
                yield problem("type", NOT_OBJECT, f"{at}[{i}]", item)
                continue
            yield from self.problems(item, partial, f"{at}[{i}].")
            key = item.get(self.key) if self.key else None
            if isinstance(key, str | int):
                if key in seen:
                    yield problem("duplicate", DUPLICATE, f"{at}[{i}].{self.key}", key)
                seen.add(key)


# ------------------------------------------------------------------------------------ marshmallow


class _Canonical(fields.Field[Any]):
    """A marshmallow field that loads into normal form, by the same rules as `check`."""

    declared: Field

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            value = normalise(self.declared, value)
        except ValueError as e:
            raise ValidationError(fill(str(e), {"value": shown(value)})) from e
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
