"""The database engine and its transactions.

SQLite: WAL, `BEGIN IMMEDIATE` for every write transaction (the default loses updates silently),
a busy timeout, and `synchronous=FULL`, because a lost intent is a duplicate in a remote system.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, Table, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from hub.entity import Entity
from hub.errors import BusyError, StorageError
from hub.seams import FaultPoint, no_fault
from hub.store import tables as core

BUSY_TIMEOUT_MS = 10_000
MANY = 500


class Store:
    """The hub's database.  `read()` and `write()` give connections inside a transaction."""

    def __init__(
        self, engine: Engine, entities: Mapping[str, Entity], fault: FaultPoint = no_fault
    ) -> None:
        self.engine = engine
        self.entities = entities
        self.metadata = MetaData(naming_convention=core.CORE.naming_convention)
        for table in core.CORE.sorted_tables:
            table.to_metadata(self.metadata)
        self.tables: dict[str, Table] = core.build(entities.values(), self.metadata)
        self.fault = fault
        self._open = threading.local()

    @classmethod
    def open(
        cls, url: str, entities: Mapping[str, Entity], *, fault: FaultPoint = no_fault
    ) -> "Store":
        return cls(open_engine(url), entities, fault)

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @property
    def in_transaction(self) -> bool:
        """This thread holds a write transaction: no remote call may be made now."""
        return bool(getattr(self._open, "depth", 0))

    @contextmanager
    def write(self, name: str = "write") -> Iterator[Connection]:
        """One write transaction; the fault points around its commit are `name` + before / after."""
        with translated(self.engine):
            with self.engine.connect() as connection, connection.begin():
                self._open.depth = 1
                try:
                    yield connection
                    self.fault(f"{name}:before-commit")
                finally:
                    self._open.depth = 0
            self.fault(f"{name}:after-commit")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with (
            translated(self.engine),
            self.engine.connect().execution_options(hub_reads=True) as connection,
        ):
            yield connection

    def grown(self, tables: Iterable[str], before: int, now: int) -> None:
        """Have PostgreSQL look at the tables anew, each time four times as many rows came in.

        It plans by what it knew of a table, and its own housekeeping may be a minute late: in a
        first load every look-up would by then go through all rows of the source.
        """
        steps = before.bit_length() // 2, now.bit_length() // 2
        if self.dialect != "postgresql" or now < MANY or steps[0] == steps[1]:
            return
        names = ", ".join(f'"{name}"' for name in tables)
        with translated(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL default_statistics_target = 10")  # a quick look
            connection.exec_driver_sql(f"ANALYZE {names}")

    def create_all(self) -> None:
        """All tables at once, without migrations: for tests and simulations."""
        with self.write() as connection:
            self.metadata.create_all(connection)

    def close(self) -> None:
        self.engine.dispose()


def open_engine(url: str | URL, *, lasting: bool = True) -> Engine:
    """An engine for SQLite or PostgreSQL with the hub's transaction rules.

    `lasting` False: for a copy that nobody misses, which need not outlive a power cut.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql" and "+" not in parsed.drivername:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed)
    event.listen(engine, "connect", _prepare_sqlite if lasting else _prepare_copy)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_copy(connection: Any, record: Any) -> None:
    _prepare_sqlite(connection, record)
    connection.execute("PRAGMA synchronous=OFF").close()


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-65536",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("hub_reads")
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.execute("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Database failures as the hub's errors: locked, full, unreachable."""
    try:
        yield
    except OperationalError as e:
        raise _storage_error(engine, e) from e
    except DBAPIError as e:
        if e.connection_invalidated:
            raise _storage_error(engine, e) from e
        raise


def _storage_error(engine: Engine, error: DBAPIError) -> Exception:
    url = engine.url.render_as_string(hide_password=True)
    words = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no answer"
    if "locked" in words or "deadlock" in words or "busy" in words:
        return BusyError(
            "the hub's database {url} is locked by another program: {words}",
            url=url,
            words=words,
            hint="Close the program that holds it, or wait; nothing was changed.",
        )
    if "full" in words or "No space" in words or "disk I/O" in words:
        return StorageError(
            "the hub's database {url} cannot grow: {words}",
            url=url,
            words=words,
            hint="Free space on the disk; the work goes on where it stopped.",
        )
    if "no such table" in words or "no such column" in words or "does not exist" in words:
        return StorageError(
            "the hub's database {url} lacks a table or column: {words}",
            url=url,
            words=words,
            hint="Run `hub db upgrade`.",
        )
    return StorageError(
        "the hub's database {url} does not work: {words}",
        url=url,
        words=words,
        hint="Check that the database server runs and that `database.url` is right.",
    )
