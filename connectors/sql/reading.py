"""Reading by key set: each page begins after the last row of the one before, never at an offset.

With a cursor column a read has two parts, in the order of the database: the rows without a value
there, by key, then the others by (column, key).  Cursors:

    {"key": […]}                              complete read, after this key
    {"by": column, "null": […], "from": v}    first part, after this key; then the others from v on
    {"by": column, "at": v, "key": […]}       second part, after this row
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, tuple_
from sqlalchemy.exc import DataError

from hub.connector import BadRow, Cursor, Page, Row, Stream, batches, join_key, split_key
from hub.errors import ConfigError

from .database import Database
from .tables import ChildSource, Source
from .values import from_id, from_json, rewind, to_json

AT_ONCE = 1000  # values in one query; SQL Server takes 2100 parameters
Raw = Sequence[Any]
Conditions = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Walk:
    """Pages of one source in one order."""

    database: Database
    source: Source
    order: tuple[str, ...]
    conditions: tuple[ColumnElement[bool], ...]
    size: int

    def pages(
        self, after: Raw | None, cursor: Callable[[dict[str, Any]], Cursor]
    ) -> Iterator[Page]:
        """*cursor* makes the page's cursor from the driver's values of its last row."""
        names = list(self.source.cells)
        at = [names.index(column) for column in self.order]
        while True:
            with self.database.reading(self.source.table.name) as connection:
                raws = self._raws(connection, after)
                rows = complete(connection, self.source, raws)
            if not raws:
                return
            after = [raws[-1][n] for n in at]
            yield Page(rows, cursor(dict(zip(self.order, after, strict=True))))
            if len(raws) < self.size:
                return

    def _raws(self, connection: Connection, after: Raw | None) -> Sequence[Raw]:
        columns = [self.source.table.c[name] for name in self.order]
        beyond = [_beyond(columns, after)] if after is not None else []
        query = select(*_columns(self.source)).where(*self.conditions, *beyond)
        return connection.execute(query.order_by(*columns).limit(self.size)).fetchall()


# -------------------------------------------------------------------------------------------- read


def read_pages(
    database: Database, source: Source, stream: Stream, cursor: Cursor | None, *, size: int
) -> Iterator[Page]:
    if not source.key:
        raise ConfigError(
            "sql: stream {name!r}: table {table!r} has no primary key",
            name=stream.name,
            table=source.table.name,
            hint="Name the columns that identify a row as the stream's `key`.",
        )
    conditions = (
        *where(source, source.declared.where),
        *where(source, stream.where),
        *_has_key(source),
    )
    walk = Walk(database, source, source.key, conditions, size)
    if cursor is None:
        yield from _keyless(walk)
    if stream.cursor_column:
        yield from _incremental(walk, stream, cursor or {})
    else:
        after = cursor.get("key") if cursor and "by" not in cursor else None
        yield from walk.pages(_values(after), lambda last: {"key": _json(last, source.key)})


def _incremental(walk: Walk, stream: Stream, cursor: Cursor) -> Iterator[Page]:
    source, by = walk.source, stream.cursor_column
    source.cell(by)
    column = source.table.c[by]
    if cursor.get("by") != by:
        cursor = {}
    is_new_run = not cursor or stream.overlap > timedelta(0)
    start = _start(cursor, stream.overlap)
    if is_new_run or "null" in cursor:
        nulls = Walk(
            walk.database, source, source.key, (*walk.conditions, column.is_(None)), walk.size
        )
        after = None if is_new_run else _values(cursor["null"])
        from_ = {} if start is None else {"from": to_json(start)}
        yield from nulls.pages(
            after, lambda last: {"by": by, "null": _json(last, source.key), **from_}
        )
    bounds = [column.is_not(None)] if start is None else [column >= start]
    order = (by, *(k for k in source.key if k != by))
    rest = Walk(walk.database, source, order, (*walk.conditions, *bounds), walk.size)
    goes_on = "at" in cursor and not stream.overlap
    after = _values([cursor["at"], *cursor["key"]]) if goes_on else None
    yield from rest.pages(
        after, lambda last: {"by": by, "at": to_json(last[by]), "key": _json(last, order[1:])}
    )


def _start(cursor: Cursor, overlap: timedelta) -> Any:
    """The value to begin at, itself included; None: at the beginning."""
    if "at" in cursor:
        return rewind(from_json(cursor["at"]), overlap)
    # of the first part's cursor: rewound already when that part began
    return from_json(cursor["from"]) if "from" in cursor else None


def _keyless(walk: Walk) -> Iterator[Page]:
    """Rows whose key is null cannot be named; SQLite allows them even in a primary key."""
    source = walk.source
    nullable = [source.table.c[k] for k in source.key if source.cells[k].nullable]
    if not nullable:
        return
    asked = (*where(source, source.declared.where), or_(*(c.is_(None) for c in nullable)))
    with walk.database.reading(source.table.name) as connection:
        query = select(*_columns(source)).where(*asked).limit(walk.size)
        rows = source.rows(connection.execute(query).fetchall())
    if rows:
        place = f"table {source.table.name}, a row without {' and '.join(source.key)}"
        bad = [BadRow(place, row, "the key is null", row) for row in rows]
        yield Page(bad, cursor={})


def _has_key(source: Source) -> list[ColumnElement[bool]]:
    return [source.table.c[k].is_not(None) for k in source.key if source.cells[k].nullable]


# ------------------------------------------------------------------------------------------- fetch


def fetch_rows(
    database: Database, source: Source, stream: Stream, keys: Iterable[str | Mapping[str, Any]]
) -> Iterator[Row]:
    """Rows by id or by columns, each once."""
    seen: set[str] = set()
    for columns, values in _by_columns(source, stream, keys).items():
        for batch in batches(values, AT_ONCE // len(columns)):
            with database.reading(source.table.name) as connection:
                rows = _matching(connection, source, columns, batch)
            for row in rows:
                name = join_key(row[k] for k in stream.key or source.key)
                if name not in seen:
                    seen.add(name)
                    yield row


def _matching(
    connection: Connection, source: Source, columns: tuple[str, ...], batch: Sequence[Raw]
) -> list[dict[str, Any]]:
    try:
        with connection.begin_nested():
            return rows_by(connection, source, columns, batch)
    except DataError:  # a value that cannot be one of this column's: no such row, if it is alone
        if len(batch) == 1:
            return []
    return [row for one in batch for row in _matching(connection, source, columns, [one])]


def rows_by(
    connection: Connection, source: Source, columns: Sequence[str], values: Sequence[Raw]
) -> list[dict[str, Any]]:
    """The rows, with their children, whose *columns* hold one of the *values*."""
    query = select(*_columns(source)).where(_among(connection, source, columns, values))
    return complete(connection, source, connection.execute(query).fetchall())


def _by_columns(
    source: Source, stream: Stream, keys: Iterable[str | Mapping[str, Any]]
) -> dict[tuple[str, ...], list[Raw]]:
    """The driver's values to look for, by the columns to look in."""
    asked: dict[tuple[str, ...], list[Raw]] = {}
    for key in keys:
        if isinstance(key, str):
            columns, values = stream.key or source.key, id_values(source, stream, key)
        else:
            columns = tuple(sorted(key))
            values = _column_values(source, key, columns)
        if values is not None:
            asked.setdefault(columns, []).append(values)
    return asked


def id_values(source: Source, stream: Stream, remote_id: str) -> tuple[Any, ...] | None:
    """The driver's values of the key columns; None: no row can have this id."""
    columns, parts = stream.key or source.key, split_key(remote_id)
    if len(parts) != len(columns):
        return None
    try:
        pairs = zip(columns, parts, strict=True)
        return tuple(from_id(part, source.cell(column).spelling) for column, part in pairs)
    except (ValueError, ArithmeticError):
        return None


def _column_values(
    source: Source, key: Mapping[str, Any], columns: Sequence[str]
) -> tuple[Any, ...] | None:
    values = tuple(source.cell(column).write(key[column]) for column in columns)
    for column, value in zip(columns, values, strict=True):
        # MySQL would take a text for 0 in a comparison with a number, and find rows
        number = source.cells[column].spelling.kind in ("integer", "decimal")
        if number and isinstance(value, str) and source.cells[column].spelling.dialect != "sqlite":
            return None
    return values


# ---------------------------------------------------------------------------------------- children


def complete(connection: Connection, source: Source, raws: Sequence[Raw]) -> list[dict[str, Any]]:
    """Plain rows with their children."""
    rows = source.rows(raws)
    if rows:
        names = list(source.cells)
        for name, child in source.children.items():
            parents = [tuple(raw[names.index(c)] for _, c in child.parent) for raw in raws]
            found = children_of(connection, child, parents)
            for row, parent in zip(rows, parents, strict=True):
                row[name] = found.get(parent, [])
    return rows


def children_of(
    connection: Connection, child: ChildSource, parents: Sequence[tuple[Any, ...]]
) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """The child rows of each parent, in their order; a query per few hundred parents."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    source, own = child.source, [column for column, _ in child.parent]
    at = [list(source.cells).index(column) for column in own]
    order = [source.table.c[column] for column in child.order]
    named = [parent for parent in dict.fromkeys(parents) if None not in parent]
    alike = {_folded(parent): parent for parent in named}
    for batch in batches(named, AT_ONCE // len(own)):
        exact = set(batch)
        query = select(*_columns(source)).where(_among(connection, source, own, batch))
        raws = connection.execute(query.order_by(*order)).fetchall()
        for raw, row in zip(raws, source.rows(raws), strict=True):
            link = tuple(raw[n] for n in at)
            parent = link if link in exact else alike.get(_folded(link), link)
            found.setdefault(parent, []).append(row)
    return found


def _folded(link: tuple[Any, ...]) -> tuple[Any, ...]:
    """As a database compares that ignores case and trailing blanks."""
    return tuple(part.rstrip().casefold() if isinstance(part, str) else part for part in link)


# -------------------------------------------------------------------------------------- conditions


def _any_of(column: Any, values: Sequence[Any]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column.in_([v for v in values if v is not None])
    return or_(found, column.is_(None)) if None in values else found


OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": lambda column, value: column.is_(None) if value is None else column == value,
    "ne": lambda column, value: column.is_not(None) if value is None else column != value,
    "gt": lambda column, value: column > value,
    "ge": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "le": lambda column, value: column <= value,
    "in": _any_of,
    "not_in": lambda column, values: column.not_in(values),
}


def where(source: Source, asked: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """`{column: value}`, `{column: [values]}` or `{column: {operator: value}}`; all must hold."""
    return [c for name, told in asked.items() for c in _condition(source, name, told)]


def _condition(source: Source, name: str, told: Any) -> Iterator[ColumnElement[bool]]:
    cell, column = source.cell(name), source.table.c[name]
    if not isinstance(told, Mapping):
        told = {"in" if isinstance(told, list | tuple) else "eq": told}
    for operator, value in told.items():
        if operator not in OPERATORS:
            raise ConfigError(
                "sql: the condition on {name!r} has an unknown operator {operator!r}",
                name=name,
                operator=operator,
                hint="There are: {known}.",
                known=", ".join(OPERATORS),
            )
        several = isinstance(value, list | tuple)
        driver = [cell.write(v) for v in value] if several else cell.write(value)
        yield OPERATORS[operator](column, driver)


def _among(
    connection: Connection, source: Source, columns: Sequence[str], values: Sequence[Raw]
) -> ColumnElement[bool]:
    """*columns* hold one of the *values*."""
    found = [source.table.c[name] for name in columns]
    if len(found) == 1:
        return _any_of(found[0], [value[0] for value in values])
    filled = [value for value in values if None not in value]
    others = [value for value in values if None in value]
    if connection.dialect.name == "mssql":  # has no row values
        filled, others = [], list(values)
    alone = [
        and_(*(OPERATORS["eq"](c, v) for c, v in zip(found, value, strict=True)))
        for value in others
    ]
    return or_(tuple_(*found).in_(filled), *alone) if filled else or_(*alone)


def _beyond(columns: Sequence[Any], last: Raw) -> ColumnElement[bool]:
    """(a, b) > (x, y), written out: not every database has row values, or an index for them."""
    *rest, final = zip(columns, last, strict=True)
    beyond: ColumnElement[bool] = final[0] > final[1]
    for column, value in reversed(rest):
        beyond = and_(column >= value, or_(column > value, beyond))
    return beyond


def _columns(source: Source) -> list[Any]:
    return [source.table.c[name] for name in source.cells]


def _values(stored: Sequence[Any] | None) -> list[Any] | None:
    return None if stored is None else [from_json(value) for value in stored]


def _json(last: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    return [to_json(last[column]) for column in columns]
