"""Many rows at once, by the fastest way each database has.

SQLite: `executemany` on the driver's cursor (twice the speed of Core).  PostgreSQL: `COPY`, into the
table for inserts, into a staging table and one `INSERT … ON CONFLICT` for upserts (three times);
a few upserts one by one, as emptying a staging table costs more than they do.
Both run inside the transaction of the SQLAlchemy connection that is given.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from xxhash import xxh3_64_hexdigest

from hub.store.types import JsonValue, dump

Rows = Iterable[Sequence[Any]]
FEW = 50


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    """Insert the rows; values of JSON columns are given as Python values."""
    _write(connection, table, tuple(columns), rows, ())


def upsert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Rows,
    *,
    on: Sequence[str],
    keep: Sequence[str] = (),
) -> None:
    """Insert the rows, or replace all columns but `keep` where the columns `on` exist already."""
    _write(connection, table, tuple(columns), rows, tuple(on), tuple(keep))


def _write(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Rows,
    on: tuple[str, ...],
    keep: tuple[str, ...] = (),
) -> None:
    ready = _encode(table, columns, rows)
    if not ready:
        return
    cursor = connection.connection.cursor()
    try:
        if connection.dialect.name != "postgresql":
            cursor.executemany(_insert_sql(table.name, columns, on, keep, "?"), ready)
        elif on and len(ready) <= FEW:
            cursor.executemany(_insert_sql(table.name, columns, on, keep, "%s"), ready)
        else:
            _copy(cursor, table.name, columns, ready, on, keep)
    finally:
        cursor.close()


def _encode(table: Table, columns: tuple[str, ...], rows: Rows) -> list[Sequence[Any]]:
    places = [i for i, name in enumerate(columns) if isinstance(table.c[name].type, JsonValue)]
    if not places:
        return list(rows)
    ready: list[Sequence[Any]] = []
    for row in rows:
        values = list(row)
        for i in places:
            if values[i] is not None:
                values[i] = dump(values[i])
        ready.append(values)
    return ready


@lru_cache(maxsize=512)
def _insert_sql(
    table: str, columns: tuple[str, ...], on: tuple[str, ...], keep: tuple[str, ...], mark: str
) -> str:
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO {_q(table)} ({_names(columns)}) VALUES ({marks})" + _conflict(
        columns, on, keep
    )


def _copy(
    cursor: Any,
    table: str,
    columns: tuple[str, ...],
    rows: list[Sequence[Any]],
    on: tuple[str, ...],
    keep: tuple[str, ...],
) -> None:
    target = table
    if on:
        target = f"stage_{table}_{xxh3_64_hexdigest(','.join(columns).encode())}"
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {_q(target)} ON COMMIT DELETE ROWS"
            f" AS SELECT {_names(columns)} FROM {_q(table)} WITH NO DATA"
        )
        cursor.execute(f"TRUNCATE {_q(target)}")
    with cursor.copy(f"COPY {_q(target)} ({_names(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    if on:
        cursor.execute(
            f"INSERT INTO {_q(table)} ({_names(columns)}) SELECT {_names(columns)} FROM {_q(target)}"
            + _conflict(columns, on, keep)
        )


def _conflict(columns: tuple[str, ...], on: tuple[str, ...], keep: tuple[str, ...]) -> str:
    if not on:
        return ""
    sets = ", ".join(f"{_q(c)} = excluded.{_q(c)}" for c in columns if c not in {*on, *keep})
    action = f"UPDATE SET {sets}" if sets else "NOTHING"
    return f" ON CONFLICT ({_names(on)}) DO {action}"


def _names(columns: Iterable[str]) -> str:
    return ", ".join(_q(c) for c in columns)


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
