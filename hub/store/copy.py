"""A copy of the hub's database, to try things in: the same engine runs on it, and it is thrown away.

SQLite: a file beside the database, copied page by page.  PostgreSQL: a schema of unlogged tables in
the same database.  Neither holds a lock on the hub while it is used, and what a killed process left
behind is removed by the next copy.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from sqlalchemy import URL, text

from hub.errors import StorageError
from hub.seams import no_fault
from hub.store.session import Store, open_engine, translated

PREFIX = "hub_copy_"
_numbers = itertools.count(1)


@contextmanager
def copied(store: Store, owner: str, is_dead: Callable[[str], bool]) -> Iterator[Store]:
    """A store over a copy of the database as it is now.  `owner` names this process, for `is_dead`."""
    make = _file if store.dialect == "sqlite" else _schema
    with make(store, owner, is_dead) as url:
        copy = Store(open_engine(url, lasting=False), store.entities, no_fault)
        try:
            if store.dialect == "sqlite":
                _copy_pages(store, copy)
            yield copy
        finally:
            copy.close()


# ---------------------------------------------------------------------------------------- SQLite


@contextmanager
def _file(store: Store, owner: str, is_dead: Callable[[str], bool]) -> Iterator[URL]:
    database = store.engine.url.database
    if not database or database == ":memory:":
        yield store.engine.url
        return
    folder = Path(database).resolve().parent / "copies"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*~*"):
        if is_dead(unquote(left.name.partition("~")[0])):
            left.unlink(missing_ok=True)
    path = folder / f"{quote(owner, safe='')}~{next(_numbers)}.db"
    try:
        yield store.engine.url.set(database=str(path))
    finally:
        for part in ("", "-wal", "-shm"):
            Path(f"{path}{part}").unlink(missing_ok=True)
        with suppress(OSError):  # another copy may be in it
            folder.rmdir()


def _copy_pages(store: Store, copy: Store) -> None:
    with (
        translated(store.engine),
        store.engine.connect() as source,
        copy.engine.connect() as target,
    ):
        source.connection.driver_connection.backup(target.connection.driver_connection)  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------ PostgreSQL


@contextmanager
def _schema(store: Store, owner: str, is_dead: Callable[[str], bool]) -> Iterator[URL]:
    _drop_leftovers(store, is_dead)
    name = f"{PREFIX}{quote(owner, safe='')[-24:].replace('%', '_').lower()}_{next(_numbers)}"
    with translated(store.engine), store.engine.connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            may = connection.execute(
                text("SELECT has_database_privilege(current_database(), 'CREATE')")
            ).scalar_one()
            if not may:
                raise StorageError(
                    "the hub's database user may not create a schema, which a plan needs",
                    hint="GRANT CREATE ON DATABASE … TO the user of `database.url`.",
                )
            connection.execute(text(f'CREATE SCHEMA "{name}"'))
            quoted = owner.replace("'", "''").replace(":", "\\:")
            connection.execute(text(f"COMMENT ON SCHEMA \"{name}\" IS '{quoted}'"))
            for table in store.metadata.sorted_tables:
                _copy_table(connection, name, table.name)
    try:
        options = f"-csearch_path={name}"  # alone: no table of the hub itself can be meant
        yield store.engine.url.update_query_dict({"options": options})
    finally:
        _drop(store, name)


def _copy_table(connection: object, schema: str, table: str) -> None:
    run = connection.exec_driver_sql  # type: ignore[attr-defined]
    there = f'"{schema}"."{table}"'
    run(f'CREATE UNLOGGED TABLE {there} (LIKE "{table}" INCLUDING ALL)')
    run(f'INSERT INTO {there} SELECT * FROM "{table}"')
    identity = run(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attidentity <> ''",
        (there,),
    ).scalar()
    if identity:
        run(
            f"SELECT setval(pg_get_serial_sequence('{there}', '{identity}'),"
            f' (SELECT coalesce(max("{identity}"), 0) + 1 FROM {there}), false)'
        )
    run(f"ANALYZE {there}")


def _drop_leftovers(store: Store, is_dead: Callable[[str], bool]) -> None:
    query = text(
        "SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace"
        " WHERE nspname LIKE 'hub\\_copy\\_%'"
    )
    with store.read() as connection:
        found = connection.execute(query).all()
    for name, owner in found:
        if owner and is_dead(owner):
            _drop(store, name)


def _drop(store: Store, name: str) -> None:
    with store.write("drop") as connection:
        connection.exec_driver_sql("SET LOCAL client_min_messages = warning")
        connection.exec_driver_sql(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
