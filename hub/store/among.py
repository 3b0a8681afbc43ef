"""`column IN (…)` for a thousand values, as one bound parameter.

Written out, every number of values is a statement of its own, to be made and parsed anew; so it is
an array on PostgreSQL and a JSON array on SQLite, and the statement is always the same.
"""

import json
from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    Text,
    bindparam,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import BigInteger, NullType, TypeDecorator, TypeEngine


def among(
    column: ColumnElement[Any], values: Collection[str] | Collection[int]
) -> ColumnElement[Any]:
    """Whether the column has one of the values."""
    number = isinstance(column.type, Integer)
    return _Among(column, _bound(values, BigInteger if number else Text))


def among_folded(column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[Any]:
    """Whether the column has one of the values but for the case of letters, as far as the database
    knows letters; goes by an index over `lower(column)`."""
    return _AmongFolded(column, _bound(values, Text))


def _bound(values: Collection[Any], item: type[TypeEngine[Any]]) -> BindParameter[Any]:
    return bindparam(None, sorted(values), _Values(item), unique=True)


def there_is(connection: Connection, *conditions: ColumnElement[bool]) -> bool:
    """Whether any row is so: asked before a page of keys is looked up in a table that holds none."""
    return connection.execute(select(literal(1)).where(*conditions).limit(1)).first() is not None


class _Values(TypeDecorator[Any]):
    impl = Text
    cache_ok = True

    def __init__(self, item: type[TypeEngine[Any]] = Text) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return ARRAY(self.item()) if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else _json(value)


def _json(values: list[Any]) -> str:
    try:
        return orjson.dumps(values).decode()
    except TypeError:  # half a surrogate pair, which is no text of ours either
        return json.dumps(values)


class _Among(FunctionElement[Any]):
    name = "among"
    type = NullType()  # a Boolean would be compared with 1, and no index used
    inherit_cache = True


class _AmongFolded(_Among):
    name = "among_folded"
    inherit_cache = True


@compiles(_Among, "sqlite")
def _sqlite(element: _Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(_Among, "postgresql")
def _postgresql(element: _Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(_AmongFolded, "sqlite")
def _sqlite_folded(element: _AmongFolded, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"lower({column}) IN (SELECT lower(value) FROM json_each({values}))"


@compiles(_AmongFolded, "postgresql")
def _postgresql_folded(element: _AmongFolded, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"lower({column}) = ANY (ARRAY (SELECT lower(v) FROM unnest({values}) AS v))"
