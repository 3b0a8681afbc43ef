"""What the setting `streams` may say about a stream, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from hub.connector import first_problem
from hub.errors import ConfigError

NAME = fields.String(validate=validate.Length(min=1))
NAMES = fields.List(NAME, validate=validate.Length(min=1))


@dataclass(frozen=True, slots=True)
class Child:
    """Rows of another table that belong to a row: `parent` maps their columns to the row's."""

    table: str
    parent: Mapping[str, str]
    key: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """One stream; whatever is left out is read from the database."""

    table: str
    key: tuple[str, ...] = ()
    cursor_column: str = ""
    columns: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    children: Mapping[str, Child] = field(default_factory=dict)
    version_column: str = ""
    hub_key_column: str = ""


class _Names(fields.Field[tuple[str, ...]]):
    """One name or a list of names."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> tuple[str, ...]:
        names = NAMES.deserialize([value] if isinstance(value, str) else value)
        return tuple(str(name) for name in names)


class _ChildSchema(Schema):
    class Meta:
        unknown = RAISE

    table = fields.String(required=True)
    parent = fields.Dict(keys=NAME, values=NAME, required=True, validate=validate.Length(min=1))
    key = _Names(load_default=())
    order = _Names(load_default=())
    columns = _Names(load_default=())


class _StreamSchema(Schema):
    class Meta:
        unknown = RAISE

    table = fields.String()
    key = _Names()
    cursor_column = fields.String()
    columns = _Names()
    where = fields.Dict(keys=NAME)
    children = fields.Dict(keys=NAME, values=fields.Nested(_ChildSchema))
    version_column = fields.String()
    hub_key_column = fields.String()


def declared_streams(setting: Mapping[str, Any]) -> dict[str, Declared]:
    """The streams by name.  ConfigError names stream and key."""
    return {name: _stream(name, told or {}) for name, told in setting.items()}


def _stream(name: str, told: Mapping[str, Any]) -> Declared:
    try:
        values = _StreamSchema().load(told)
    except ValidationError as e:
        path, message = first_problem(e.messages)
        raise ConfigError(
            "sql: setting 'streams', stream {name!r}: {path}: {message}",
            name=name,
            path=path,
            message=message,
            hint="A stream may have: {known}.",
            known=", ".join(_StreamSchema().fields),
        ) from e
    children = {n: Child(**child) for n, child in values.pop("children", {}).items()}
    return Declared(**{"table": name, **values, "children": children})
