"""The connection to one database: transactions, and errors that say which table was meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import URL, Connection, Engine, RootTransaction, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from hub.connector import SecretText
from hub.errors import ConfigError

from .failures import Refusal, refusal, remote_error

DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg",
}


class Database:
    """One pool.  Each `reading` and each `writing` is a transaction of its own."""

    def __init__(self, url: str, *, password: SecretText | None, timeout_seconds: int) -> None:
        self.url = _url(url, password)
        self.engine = _engine(self.url, timeout_seconds)

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *exc: object) -> None:
        self.engine.dispose()

    @property
    def place(self) -> str:
        """The database for messages: a file, or name and host."""
        if self.url.get_backend_name() == "sqlite":
            return f"file {self.url.database}"
        return f"database {self.url.database} on {self.url.host or 'this machine'}"

    @contextmanager
    def reading(self, table: str) -> Iterator[Connection]:
        with self.translated(table), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, table: str) -> Iterator[Connection]:
        """A transaction that may write.  When its COMMIT is not answered it may have acted."""
        with self.translated(table), self.engine.connect() as plain:
            connection = plain.execution_options(writes=True)
            with connection.begin() as transaction:
                yield connection
                with self.translated(table, may_have_acted=True):
                    _commit(transaction)

    @contextmanager
    def translated(self, table: str = "", *, may_have_acted: bool = False) -> Iterator[None]:
        where = f"table {table} in {self.place}" if table else self.place
        self._check_file()
        try:
            yield
        except SQLAlchemyError as e:
            raise remote_error(e, where=where, may_have_acted=may_have_acted) from e

    def _check_file(self) -> None:
        """SQLite would make an empty database of a wrong path."""
        path = self.url.database
        if self.url.get_backend_name() != "sqlite" or path in (None, "", ":memory:"):
            return
        if not str(path).startswith("file:") and not Path(str(path)).is_file():
            raise ConfigError(
                "sql: there is no database file {path!r}",
                path=str(path),
                hint="An absolute path needs four slashes: sqlite:////var/lib/shop.db",
            )


class CommitRefusedError(Exception):
    """A constraint that is checked at COMMIT refused the transaction; nothing of it is stored."""

    def __init__(self, refused: Refusal) -> None:
        super().__init__(refused.message)
        self.refused = refused


def _commit(transaction: RootTransaction) -> None:
    try:
        transaction.commit()
    except IntegrityError as e:
        refused = refusal(e)
        if refused is None:
            raise
        raise CommitRefusedError(refused) from e


def _url(text: str, password: SecretText | None) -> URL:
    try:
        url = make_url(text)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError, ImportError) as e:
        raise ConfigError(
            "sql: setting 'url' is no database URL that is known here",
            hint="For example postgresql://user@host/database, mariadb://user@host/database"
            " or sqlite:////path/to/file.db; another database needs its SQLAlchemy driver.",
        ) from e
    if url.password:
        raise ConfigError(
            "sql: setting 'url' contains a password",
            hint="Move it to the setting `password`, where it is kept as a secret.",
        )
    if url.drivername in DRIVERS:
        url = url.set(drivername=DRIVERS[url.drivername])
    return url.set(password=password.reveal()) if password else url


def _engine(url: URL, timeout_seconds: int) -> Engine:
    backend = url.get_backend_name()
    options: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": backend != "sqlite"}
    if backend == "sqlite":
        options["connect_args"] = {"timeout": timeout_seconds, "check_same_thread": False}
    elif backend == "postgresql":
        options["connect_args"] = {"connect_timeout": timeout_seconds}
        options["json_serializer"] = lambda value: orjson.dumps(value, default=str).decode()
    elif backend in ("mysql", "mariadb"):
        options["connect_args"] = {
            "connect_timeout": timeout_seconds,
            "charset": "utf8mb4",
            "init_command": f"SET SESSION innodb_lock_wait_timeout = {timeout_seconds}",
        }
    engine = create_engine(url, **options)
    if backend == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)
    elif backend == "postgresql":
        event.listen(engine, "begin", lambda c: _limit_lock_waits(c, timeout_seconds))
    return engine


def _sqlite_connected(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transactions: `_sqlite_begin` does
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_begin(connection: Connection) -> None:
    """A writer takes its lock at once: a lock taken later fails without waiting."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _limit_lock_waits(connection: Connection, seconds: int) -> None:
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{seconds}s'")
