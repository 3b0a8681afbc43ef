"""Any database that SQLAlchemy 2.1 reaches: its tables and views are the streams.

Source: SQLAlchemy 2.1 documentation; PostgreSQL 16, MariaDB 10.11 and SQLite 3.40 manuals.  Tested
        with these three; psycopg and PyMySQL are the drivers where the URL names none.
Time:   a column without zone comes as text without zone, unless `timezone` says which one is meant.
        What a transaction commits late can appear behind the cursor: reads begin `overlap` before.
        A numeric cursor has no overlap; use it only where numbers are committed in their order.
Money:  exact decimals; SQLite's and other floats become the decimal that prints like them.
Limits: rows are found by key; a table without primary key, and a view, needs `key` to be declared.

A stream in the setting `streams` (the others follow the database):

    orders:
      table: sales_orders            # else the stream's name; other_schema.table reaches further
      key: [id]                      # else the primary key
      cursor_column: updated_at      # what incremental reads go by
      columns: [id, no, updated_at]  # else all
      where: {state: [open, done], created: {ge: "2024-01-01"}}  # eq ne gt ge lt le in not_in
      version_column: version        # updates are conditional on it; an integer is counted on
      hub_key_column: hub_key        # unique; keeps the engine's key: creates become idempotent
      children:
        lines: {table: order_lines, parent: {order_id: id}, key: [line_no], order: [line_no]}

Children come as lists of rows.  A list that is written is the whole list: what it lacks is deleted.
Where every declared stream has a `version_column` (a `hub_key_column`), the connection promises
conditional (idempotent) writes, and then tables that are not declared can only be read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import validate
from sqlalchemy import text

from hub.connector import (
    Capabilities,
    Change,
    Connector,
    Cursor,
    Nested,
    Number,
    Page,
    Row,
    Secret,
    Settings,
    Stream,
    Text,
    WriteResult,
)
from hub.errors import ConfigError

from .database import Database
from .declared import declared_streams
from .reading import fetch_rows, read_pages, where
from .tables import Source, Tables, described
from .writing import version_of, write_batch

WHO = {
    "postgresql": ("PostgreSQL", "select current_user || ' in ' || current_database()"),
    "mysql": ("MySQL", "select concat(current_user(), ' in ', database())"),
    "mariadb": ("MariaDB", "select concat(current_user(), ' in ', database())"),
}


class SqlSettings(Settings):
    url = Text(help="Database address without password: postgresql://user@host/database")
    password = Secret(help="Password of the database user, if it needs one", load_default=None)
    schema = Text(help="Schema of the tables; empty for the user's own", load_default="")
    timezone = Text(
        help="Zone of times that are stored without one: Asia/Shanghai; empty to leave them text",
        load_default="",
    )
    timeout_seconds = Number(
        help="How long to wait for a connection or a lock",
        load_default=10,
        validate=validate.Range(1, 600),
    )
    streams = Nested(
        help="Per stream: table, key, cursor_column, columns, where, children, version_column,"
        " hub_key_column; all optional",
        load_default=dict,
    )


class Sql(Connector):
    name = "sql"
    settings = SqlSettings
    capabilities: Capabilities = Capabilities(read_page=1000, write_batch=500, deletes=True)

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._declared = declared_streams(self.config["streams"])
        self.capabilities = replace(
            self.capabilities,
            conditional_writes=self._all_declare("version_column"),
            idempotent_writes=self._all_declare("hub_key_column"),
            # SQLite gives the highest row id again once its row is deleted
            stable_ids=not self.config["url"].startswith("sqlite"),
        )

    def open(self) -> None:
        database = Database(
            self.config["url"],
            password=self.config["password"],
            timeout_seconds=self.config["timeout_seconds"],
        )
        self._database: Database = self.enter(database)
        self._tables = Tables(
            database.engine,
            schema=self.config["schema"] or None,
            zone=_zone(self.config["timezone"]),
            declared=self._declared,
        )

    def check(self) -> str:
        database = self._database
        with database.reading("") as connection:
            dialect = connection.dialect
            version = ".".join(map(str, (dialect.server_version_info or ())[:3]))
            title, query = WHO.get(dialect.name, (dialect.name, ""))
            if dialect.name == "sqlite":
                connection.execute(text("select count(*) from sqlite_master"))
                return f"SQLite {version}, {database.place}"
            who = connection.execute(text(query or "select 1")).scalar()
        return f"{title} {version}, {who if query else 'signed in'}, {database.place}"

    def discover(self) -> Iterator[Stream]:
        with self._database.translated():
            names = self._tables.names()
        for name in names:
            source = self._source(name)
            stream = Stream(
                name=name,
                key=source.declared.key or source.key,
                cursor_column=source.declared.cursor_column,
                writable=self._is_writable(source),
            )
            yield described(source, stream)

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        source = self._source(stream.name)
        where(source, stream.where)
        size = self.capabilities.read_page
        yield from read_pages(self._database, source, stream, cursor, size=size)

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        yield from fetch_rows(self._database, self._source(stream.name), stream, keys)

    def version_of(self, stream: Stream, row: Row) -> str | None:
        return version_of(self._source(stream.name), row)

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        if not batch:
            return
        source = self._source(stream.name)
        if not self._is_writable(source):
            raise ConfigError(
                "sql: stream {name!r} can only be read",
                name=stream.name,
                hint="It is a view, has no key, or must be declared in `streams` to be written.",
            )
        yield from write_batch(self._database, source, stream, batch)

    def _source(self, name: str) -> Source:
        with self._database.translated(name):
            return self._tables.source(name)

    def _all_declare(self, column: str) -> bool:
        declared = self._declared.values()
        return bool(declared) and all(getattr(stream, column) for stream in declared)

    def _is_writable(self, source: Source) -> bool:
        promises = self.capabilities.conditional_writes or self.capabilities.idempotent_writes
        kept = source.name in self._declared or not promises
        return kept and bool(source.key) and not source.is_view


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError) as e:
        raise ConfigError(
            "sql: setting 'timezone': there is no zone {name!r}",
            name=name,
            hint="For example Asia/Shanghai, Europe/Berlin or UTC.",
        ) from e
