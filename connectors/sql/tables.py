"""What a stream is in this database: its table as reflected, and the declared children."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column as SqlColumn
from sqlalchemy import Engine, FetchedValue, MetaData, Table, inspect, types
from sqlalchemy.engine.interfaces import (
    ReflectedColumn,
    ReflectedForeignKeyConstraint,
    ReflectedPrimaryKeyConstraint,
)
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.types import NullType, TypeEngine

from hub.connector import Column, Row, Stream
from hub.errors import ConfigError

from .declared import Child, Declared
from .values import Convert, Spelling, reader, writer

# SQLAlchemy's own types pass plain values through psycopg; batched inserts need them for casts
TYPED = (
    types.Integer,
    types.Numeric,
    types.Float,
    types.String,
    types.Date,
    types.DateTime,
    types.Boolean,
    types.LargeBinary,
    types.JSON,
    types.ARRAY,
    types.Uuid,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One column: how it is described, and how its values are read and written."""

    name: str
    column: Column
    spelling: Spelling
    read: Convert | None
    write: Convert
    nullable: bool
    computed: bool
    has_default: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A table or view, ready to be read and written.

    `key` orders and finds rows: the primary key, or else the declared one.
    """

    name: str
    table: Table
    cells: Mapping[str, Cell]
    key: tuple[str, ...]
    is_view: bool
    declared: Declared
    children: Mapping[str, "ChildSource"] = field(default_factory=dict)

    def cell(self, name: str) -> Cell:
        if name not in self.cells:
            raise _no_column(self.table.name, name, self.cells)
        return self.cells[name]

    @property
    def readers(self) -> list[tuple[str, Convert]]:
        return [(name, cell.read) for name, cell in self.cells.items() if cell.read]

    def rows(self, raws: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """Plain rows from the driver's."""
        names = list(self.cells)
        rows = [dict(zip(names, raw, strict=True)) for raw in raws]
        for name, read in self.readers:
            for row in rows:
                row[name] = read(row[name])
        return rows

    def values(self, row: Row) -> dict[str, Any]:
        """The driver's values of the row's own columns, children left out."""
        return {
            name: self.cell(name).write(value)
            for name, value in row.items()
            if name not in self.children
        }


@dataclass(frozen=True, slots=True)
class ChildSource:
    """Child rows: `source` is their table, `parent` pairs of their column and the parent's."""

    source: Source
    parent: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reflected:
    """What the database says about one table or view."""

    columns: Mapping[str, ReflectedColumn]
    primary: tuple[str, ...]
    targets: Mapping[str, str]
    is_view: bool


class Tables:
    """The database's tables, reflected when first asked for."""

    def __init__(
        self,
        engine: Engine,
        *,
        schema: str | None,
        zone: ZoneInfo | None,
        declared: Mapping[str, Declared],
    ) -> None:
        self._engine, self._schema, self._zone = engine, schema, zone
        self._declared = declared
        self._reflected: dict[tuple[str | None, str], _Reflected] = {}
        self._sources: dict[str, Source] = {}

    def names(self) -> list[str]:
        """The declared streams, then every table and view that no stream is declared for."""
        self._reflect_all()
        taken = {*self._declared, *(declared.table for declared in self._declared.values())}
        found = sorted(table for schema, table in self._reflected if schema == self._schema)
        return [*self._declared, *(name for name in found if name not in taken)]

    def source(self, name: str) -> Source:
        if name not in self._sources:
            declared = self._declared.get(name) or Declared(table=name)
            self._sources[name] = self._source(name, declared)
        return self._sources[name]

    def _source(self, name: str, declared: Declared) -> Source:
        named = (declared.cursor_column, declared.version_column, declared.hub_key_column)
        linked = [c for child in declared.children.values() for c in child.parent.values()]
        needed = (*filter(None, named), *linked, *declared.key)
        source = self._table(name, declared, only=declared.columns, needed=needed)
        children = {n: self._child(name, child) for n, child in declared.children.items()}
        clash = children.keys() & source.cells.keys()
        if clash:
            raise ConfigError(
                "sql: stream {name!r}: children {clash} are named like columns",
                name=name,
                clash=", ".join(clash),
                hint="Give the children another name.",
            )
        return replace(source, children=children)

    def _child(self, name: str, child: Child) -> ChildSource:
        needed = (*child.parent, *child.key, *child.order)
        source = self._table(name, Declared(child.table), only=child.columns, needed=needed)
        key = child.key or tuple(k for k in source.key if k not in child.parent)
        if not key:
            raise ConfigError(
                "sql: stream {name!r}: the children in {table!r} need a `key`",
                name=name,
                table=child.table,
                hint="Name the columns that tell the rows of one parent apart.",
            )
        return ChildSource(source, tuple(child.parent.items()), key, child.order or key)

    def _table(
        self, name: str, declared: Declared, *, only: Sequence[str], needed: Sequence[str]
    ) -> Source:
        schema, table = self._place(declared.table)
        reflected = self._reflect(name, schema, table)
        key = reflected.primary or declared.key
        missing = [c for c in (*only, *needed) if c not in reflected.columns]
        if missing:
            raise _no_column(table, missing[0], reflected.columns)
        wanted = {*only, *needed, *key} if only else set(reflected.columns)
        cells = {
            n: self._cell(c, reflected.targets.get(n, ""), is_key=(n,) == reflected.primary)
            for n, c in reflected.columns.items()
            if n in wanted
        }
        columns = [self._sql_column(c, reflected.primary) for c in reflected.columns.values()]
        return Source(
            name=name,
            table=Table(table, MetaData(), *columns, schema=schema),
            cells=cells,
            key=key,
            is_view=reflected.is_view,
            declared=declared,
        )

    # ------------------------------------------------------------------------------ reflection

    def _reflect(self, name: str, schema: str | None, table: str) -> _Reflected:
        if (schema, table) not in self._reflected:
            found = inspect(self._engine)
            is_view = table in found.get_view_names(schema)
            if not is_view and not found.has_table(table, schema):
                raise self._no_table(name, table, schema)
            self._reflected[schema, table] = _reflected(
                found.get_columns(table, schema),
                found.get_pk_constraint(table, schema),
                found.get_foreign_keys(table, schema),
                is_view=is_view,
            )
        return self._reflected[schema, table]

    def _reflect_all(self) -> None:
        """All of the schema in a few queries."""
        found, schema = inspect(self._engine), self._schema
        views = set(found.get_view_names(schema))
        columns = found.get_multi_columns(schema, kind=ObjectKind.ANY)
        primary = found.get_multi_pk_constraint(schema, kind=ObjectKind.ANY)
        foreign = found.get_multi_foreign_keys(schema, kind=ObjectKind.ANY)
        for place, cs in columns.items():
            pk, fks = primary.get(place), foreign.get(place, [])
            made = _reflected(cs, pk, fks, is_view=place[1] in views)
            self._reflected[schema, place[1]] = made

    def _place(self, table: str) -> tuple[str | None, str]:
        """`sales.orders` is the table of another schema."""
        schema, dot, name = table.partition(".")
        return (schema, name) if dot and name else (self._schema, table)

    def _no_table(self, name: str, table: str, schema: str | None) -> ConfigError:
        found = inspect(self._engine)
        there = sorted([*found.get_table_names(schema), *found.get_view_names(schema)])
        near = get_close_matches(table, there, n=5, cutoff=0.5) or there[:30]
        return ConfigError(
            "sql: stream {name!r}: there is no table {table!r} in {database}",
            name=name,
            table=table,
            database=self._engine.url.database,
            hint="There are: {known}.",
            known=", ".join(near) or "—",
        )

    def _sql_column(self, c: ReflectedColumn, primary: Sequence[str]) -> SqlColumn[Any]:
        typed = self._engine.dialect.name == "postgresql" and isinstance(c["type"], TYPED)
        kind: TypeEngine[Any] = c["type"] if typed else NullType()
        if (c["name"],) == primary and self._counts_by_itself(c):
            kind = kind if isinstance(kind, types.Integer) else types.BigInteger()
            return SqlColumn(c["name"], kind, primary_key=True, autoincrement=True)
        default = FetchedValue() if c.get("default") or c.get("identity") else None
        primary_key = c["name"] in primary
        return SqlColumn(
            c["name"], kind, primary_key=primary_key, autoincrement=False, server_default=default
        )

    def _cell(self, c: ReflectedColumn, target: str, *, is_key: bool) -> Cell:
        spelling = self._spelling(c["type"])
        identity = c.get("identity")
        computed = bool(c.get("computed") or (identity and identity.get("always")))
        by_itself = is_key and self._counts_by_itself(c)
        has_default = bool(c.get("default") or c.get("identity") or by_itself)
        column = Column(
            spelling.kind,
            required=not c["nullable"] and not has_default and not computed,
            writable=not computed,
            size=_size(c["type"]),
            scale=getattr(c["type"], "scale", None),
            choices=tuple(getattr(c["type"], "enums", None) or ()),
            target=target,
            label=c.get("comment") or "",
        )
        return Cell(
            name=c["name"],
            column=column,
            spelling=spelling,
            read=reader(spelling),
            write=writer(spelling),
            nullable=c["nullable"] and not by_itself,
            computed=computed,
            has_default=has_default,
        )

    def _counts_by_itself(self, c: ReflectedColumn) -> bool:
        if self._engine.dialect.name == "sqlite":  # INTEGER PRIMARY KEY is the row id
            return str(c["type"]).upper() == "INTEGER"
        return c.get("autoincrement") is True

    def _spelling(self, kind: TypeEngine[Any]) -> Spelling:
        name = type(kind).__name__.upper()
        dialect = self._engine.dialect.name
        kind = getattr(kind, "data_type", kind)  # what a PostgreSQL domain stands for
        native = {"ARRAY": "array", "BIT": "bit", "UUID": "uuid"}.get(name, "")
        if dialect == "sqlite" and isinstance(kind, types.String):
            native = "text"
        if native == "uuid" and dialect != "postgresql":
            native = ""
        if isinstance(kind, types.JSON) and dialect == "postgresql":
            native = "json"
        return Spelling(
            kind=_kind(kind, name),
            dialect=dialect,
            zone=self._zone,
            aware=bool(getattr(kind, "timezone", False)),
            native=native,
        )


def _reflected(
    columns: Sequence[ReflectedColumn],
    primary: ReflectedPrimaryKeyConstraint | None,
    foreign: Sequence[ReflectedForeignKeyConstraint],
    *,
    is_view: bool,
) -> _Reflected:
    single = [k for k in foreign if len(k["constrained_columns"]) == 1]
    return _Reflected(
        columns={c["name"]: c for c in columns},
        primary=tuple(primary["constrained_columns"] or ()) if primary else (),
        targets={k["constrained_columns"][0]: k["referred_table"] for k in single},
        is_view=is_view,
    )


def _no_column(table: str, name: str, there: Iterable[str]) -> ConfigError:
    return ConfigError(
        "sql: table {table!r} has no column {name!r}",
        table=table,
        name=name,
        hint="It has: {known}.",
        known=", ".join(there),
    )


def described(source: Source, stream: Stream) -> Stream:
    """*stream* with the columns of the source."""
    columns = {name: cell.column for name, cell in source.cells.items()}
    for name, child in source.children.items():
        parts = {n: cell.column for n, cell in child.source.cells.items()}
        columns[name] = Column("rows", columns=parts, target=child.source.table.name)
    return Stream(
        name=stream.name,
        key=stream.key,
        cursor_column=stream.cursor_column,
        writable=stream.writable,
        columns=columns,
        label=stream.label,
    )


def _kind(kind: TypeEngine[Any], name: str) -> str:
    if name == "TINYINT" and getattr(kind, "display_width", None) == 1:  # MySQL's BOOLEAN
        return "boolean"
    if name == "BIT":
        return "boolean" if getattr(kind, "length", 1) in (1, None) else "binary"
    for types_of_kind, kind_name in KINDS:
        if isinstance(kind, types_of_kind):
            return kind_name
    return "text"


KINDS: tuple[tuple[tuple[type[TypeEngine[Any]], ...], str], ...] = (
    ((types.Boolean,), "boolean"),
    ((types.Integer,), "integer"),
    ((types.Numeric, types.Float), "decimal"),
    ((types.DateTime,), "datetime"),
    ((types.Date,), "date"),
    ((types.JSON, types.ARRAY), "json"),
    ((types.LargeBinary,), "binary"),
)


def _size(kind: TypeEngine[Any]) -> int | None:
    if isinstance(kind, types.Enum):
        return None
    size = getattr(kind, "length", None) or getattr(kind, "precision", None)
    return size if isinstance(size, int) else None
