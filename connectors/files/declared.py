"""What the setting `streams` may say about a stream of files, checked."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from hub.connector import first_problem
from hub.errors import ConfigError, quoted

FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
FORMATS |= {".xlsx": "xlsx", ".xlsm": "xlsx"}
NAME = fields.String(validate=validate.Length(min=1))
NAMES = fields.List(NAME, validate=validate.Length(min=1))


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows lie in a file."""

    file: str
    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    empty: str = "null"
    skip_rows: int = 0
    sheet: str = ""
    guard_formulas: bool = True
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def is_pattern(self) -> bool:
        return any(sign in self.file for sign in "*?[")


@dataclass(frozen=True, slots=True)
class Child:
    """Rows of another file that belong to a row: `parent` maps their columns to the row's."""

    layout: Layout
    parent: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Declared:
    name: str
    layout: Layout
    cursor_column: str = ""
    children: Mapping[str, Child] = field(default_factory=dict)


class _Names(fields.Field[tuple[str, ...]]):
    """One name or a list of names."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> tuple[str, ...]:
        names = NAMES.deserialize([value] if isinstance(value, str) else value)
        return tuple(str(name) for name in names)


class _LayoutSchema(Schema):
    class Meta:
        unknown = RAISE

    file = fields.String(required=True, validate=validate.Length(min=1))
    format = fields.String(validate=validate.OneOf(["csv", "jsonl", "xlsx"]))
    encoding = fields.String()
    delimiter = fields.String(validate=validate.Length(equal=1))
    empty = fields.String(validate=validate.OneOf(["null", "text"]))
    skip_rows = fields.Integer(strict=True, validate=validate.Range(min=0))
    sheet = fields.String()
    guard_formulas = fields.Boolean()
    columns = _Names()
    key = _Names()


class _ChildSchema(_LayoutSchema):
    parent = fields.Dict(keys=NAME, values=NAME, required=True, validate=validate.Length(min=1))
    key = _Names(required=True)


class _StreamSchema(_LayoutSchema):
    cursor_column = fields.String()
    children = fields.Dict(keys=NAME, values=fields.Nested(_ChildSchema))


def declared_stream(name: str, told: Mapping[str, Any]) -> Declared:
    """ConfigError names stream and key."""
    try:
        values = _StreamSchema().load(told)
        cursor_column = values.pop("cursor_column", "")
        children = {n: _child(child) for n, child in values.pop("children", {}).items()}
        return Declared(name, layout(**values), cursor_column, children)
    except ConfigError as e:
        raise ConfigError(
            "files: setting 'streams', stream {name!r}: {reason}", name=name, reason=quoted(e)
        ) from e
    except ValidationError as e:
        path, message = first_problem(e.messages)
        raise ConfigError(
            "files: setting 'streams', stream {name!r}: {path}: {message}",
            name=name,
            path=path,
            message=message,
            hint="A stream may have: {known}.",
            known=", ".join(_StreamSchema().fields),
        ) from e


def layout(**values: Any) -> Layout:
    """The layout with format and encoding made certain.  ConfigError: they are not known."""
    made = Layout(**values)
    suffix = PurePath(made.file).suffix.lower()
    kind = made.format or FORMATS.get(suffix, "")
    if not kind:
        raise ConfigError("file: {file!r} has no known suffix; say `format`", file=made.file)
    if made.encoding:
        _check_encoding(made.encoding)
    delimiter = made.delimiter or ("\t" if suffix == ".tsv" else "")
    return replace(made, format=kind, delimiter=delimiter)


def _child(values: dict[str, Any]) -> Child:
    parent = values.pop("parent")
    made = layout(**values)
    if made.is_pattern:
        raise ConfigError("children: {file!r} may be several files", file=made.file)
    return Child(made, parent)


def _check_encoding(name: str) -> None:
    """Lines are found by their bytes, so that only encodings that keep ASCII can be read."""
    try:
        codecs.lookup(name)
        keeps_ascii = '"\n,'.encode(name).removeprefix(codecs.BOM_UTF8) == b'"\n,'
    except (LookupError, UnicodeError):
        keeps_ascii = False
    if not keeps_ascii:
        raise ConfigError(
            "encoding: {encoding!r} cannot be read; save as utf-8 or gb18030", encoding=name
        )
