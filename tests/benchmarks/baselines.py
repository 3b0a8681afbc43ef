"""What the engine is compared with.

*raw*: the very rows that a first load left behind (records, links, journal, outbox), from tuples in
memory into empty tables of the same schema with the same indexes and settings of durability, one
transaction per thousand customers, by the driver's fastest statement: `executemany` on SQLite,
`COPY` on PostgreSQL.  Columns that no row fills are left out, numbers that the database gives
itself too.  Nothing of the hub's code runs.

*orm*: a plain SQLAlchemy ORM loop that keeps the same books: for every customer it looks up the
link, then the record, sets what differs, and adds or changes record, link, journal and outbox, one
commit per page.  *orm-table*: the same over a single table of the rows as they come, without books.

*dlt* and *singer*: well-known loaders, upserting the same rows by their key into one table of the
same database, from a file that is already there.  They keep no journal, links or outbox.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Column, MetaData, Table, create_engine, make_url, select
from sqlalchemy import String as Text
from sqlalchemy.orm import Session, registry

from hub.model import ENTITIES
from hub.store import migrate
from hub.store.session import Store
from tests.benchmarks.load import BATCH, pages
from tests.benchmarks.meter import Meter
from tests.data import generate

TABLES = ("party", "link", "journal", "outbox")
IDENTITY = {"link": "id", "journal": "seq"}


# --------------------------------------------------------------------------------------- raw SQL


def raw(url: str, size: int, loaded: str) -> Meter:
    """Write again what the first load left behind in *loaded*."""
    source, target = Store.open(loaded, ENTITIES), Store.open(url, ENTITIES)
    migrate.upgrade(target)
    _copy_sources(source, target)
    tables = [(name, *_stored(source, name)) for name in TABLES]
    source.close()
    connection = target.engine.raw_connection().driver_connection
    postgres = target.dialect == "postgresql"
    write = _copy if postgres else _insert
    if not postgres:
        connection.isolation_level = None
    meter = Meter(url)
    with meter.running():
        for start in range(0, len(tables[0][2]), BATCH):
            cursor = connection.cursor()
            cursor.execute("BEGIN" if postgres else "BEGIN IMMEDIATE")
            for name, columns, rows in tables:
                write(cursor, name, columns, rows[start : start + BATCH])
            cursor.execute("COMMIT")
    return meter


def _copy_sources(source: Store, target: Store) -> None:
    """What links refer to."""
    table = source.metadata.tables["source"]
    with source.read() as c, target.write() as t:
        t.execute(table.insert(), [dict(row._mapping) for row in c.execute(select(table))])


def _stored(store: Store, name: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The table's columns that are in use, and its rows as the driver takes them."""
    with store.read() as c:
        result = c.exec_driver_sql(f"SELECT * FROM {name}")
        columns, rows = list(result.keys()), [tuple(row) for row in result]
    used = [
        i
        for i, column in enumerate(columns)
        if column != IDENTITY.get(name) and any(row[i] is not None for row in rows)
    ]
    return [columns[i] for i in used], [tuple(_plain(row[i]) for i in used) for row in rows]


def _plain(value: Any) -> Any:
    return _json(value) if isinstance(value, dict | list) else value


def _insert(cursor: Any, table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * len(columns))
    cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def _copy(cursor: Any, table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


# ------------------------------------------------------------------------------------------- ORM


AT = "2026-01-01T00:00:00.000Z"


def orm(url: str, size: int) -> Meter:
    """The same books, kept by mapped classes."""
    store = Store.open(url, ENTITIES)
    migrate.upgrade(store)
    with store.write() as c:
        sources = store.metadata.tables["source"]
        c.execute(sources.insert().values(connection="bench", stream="customers"))
    meter = Meter(url)
    with Session(store.engine) as session:
        books = _Books(session, [_mapped(store.metadata.tables[name]) for name in TABLES])
        for page in pages("customer", size):
            with meter.running():
                for row in page:
                    books.keep(row)
                session.commit()
    return meter


class _Books:
    def __init__(self, session: Session, mapped: list[Any]) -> None:
        self.session, self.number = session, 0
        self.party, self.link, self.journal, self.outbox = mapped

    def keep(self, row: dict[str, Any]) -> None:
        link, record = self._known(row["customer_no"])
        values, changes = _canonical(row), {}
        for name, value in values.items():
            if (old := getattr(record, name)) != value:
                changes[name] = [old, value]
                setattr(record, name, value)
        record.version += 1
        link.row, link.shadow = _json(row), _json(values)
        link.last_in_at = link.external_modified_at = AT
        self.session.add(
            self.journal(
                at=AT,
                entity="party",
                record_id=record.id,
                version=record.version,
                op="create",
                origin="orm",
                source_id=1,
                external_id=link.external_id,
                changes=_json(changes),
            )
        )
        if self.session.get(self.outbox, ("outward", record.id)) is None:
            mark = {"flow": "outward", "record_id": record.id, "state": "due", "due_at": AT}
            self.session.add(self.outbox(**mark, version=record.version, attempts=0))

    def _known(self, external_id: str) -> tuple[Any, Any]:
        """Link and record of the row, new ones if need be."""
        link, session = self.link, self.session
        query = select(link).where(link.source_id == 1, link.external_id == external_id)
        known = session.scalars(query).one_or_none()
        if known is not None:
            return known, session.get(self.party, known.record_id)
        self.number += 1
        at = {"created_at": AT, "created_by": "orm", "updated_at": AT, "updated_by": "orm"}
        record = self.party(id=f"{self.number:036d}", version=0, active=True, **at)
        known = link(
            source_id=1,
            external_id=external_id,
            part="",
            entity="customer",
            record_id=record.id,
            state="active",
        )
        session.add_all([record, known])
        return known, record


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _canonical(row: dict[str, Any]) -> dict[str, Any]:
    """Copied by hand, checked by nobody."""
    return {
        "party_type": "organization" if row["kind"] == "company" else "person",
        "name": row["name"],
        "customer_code": row["customer_no"],
        "tax_id": row["tax_id"],
        "email": row["email"],
        "phone": row["phone"],
        "mobile": row["mobile"],
        "address": {
            "street": row["street"],
            "city": row["city"],
            "region": row["region"],
            "postal_code": row["postal_code"],
            "country": row["country"],
        },
        "language": row["language"],
        "customer_currency": row["currency"],
        "credit_limit": str(row["credit_limit"]),
        "customer_status": "active" if row["active"] else "inactive",
        "roles": ["customer"],
        "ext": {
            "sample.contact_name": row["contact_name"],
            "sample.street2": row["street2"],
            "sample.payment_terms": row["payment_terms"],
        },
    }


def _mapped(table: Table) -> type[Any]:
    made = type(table.name.title(), (), {})
    registry().map_imperatively(made, table)
    return made


def orm_table(url: str, size: int) -> Meter:
    """One table, no books."""
    engine = create_engine(url)
    key, *others = generate.CUSTOMER_FIELDS
    columns = [Column(key, Text, primary_key=True), *(Column(name, Text) for name in others)]
    customers = Table("customer", MetaData(), *columns)
    customers.metadata.create_all(engine)
    customer, meter = _mapped(customers), Meter(url)
    with Session(engine) as session:
        for page in pages("customer", size):
            with meter.running():
                for row in page:
                    values = {k: str(v) for k, v in row.items()}
                    known = session.get(customer, values[key])
                    if known is None:
                        session.add(customer(**values))
                    else:
                        for name, value in values.items():
                            setattr(known, name, value)
                session.commit()
    return meter


# ---------------------------------------------------------------------------------- other loaders


class MissingError(Exception):
    """The other tool is not installed; the text says how to get it."""


def dlt(url: str, size: int) -> Meter:
    """`dlt` with the write disposition `merge`, its upsert strategy where the database has it."""
    try:
        import dlt as loader
    except ImportError as e:
        raise MissingError("dlt: pip install 'integration-hub[bench]'") from e
    postgres = make_url(url).get_backend_name() == "postgresql"
    disposition: Any = {"disposition": "merge", "strategy": "upsert"} if postgres else "merge"
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        if postgres:
            destination = loader.destinations.postgres(_credentials(url))
        else:
            destination = loader.destinations.sqlalchemy(url)
        rows = [row for page in pages("customer", size) for row in page]
        meter = Meter(url)
        with meter.running():
            pipeline = loader.pipeline(
                "bench", pipelines_dir=folder, destination=destination,
                dataset_name="bench" if postgres else "main",
            )  # fmt: skip
            pipeline.run(
                rows, table_name="customer", primary_key="customer_no",
                write_disposition=disposition,
            ).raise_on_failed_jobs()  # fmt: skip
    return meter


def singer(url: str, size: int) -> Meter:
    """A Singer target, given a file of messages: MeltanoLabs' for PostgreSQL, and for SQLite one on
    the same SDK."""
    command = _singer_command(url)
    with tempfile.TemporaryDirectory() as folder:
        config, messages = Path(folder, "config.json"), Path(folder, "messages.jsonl")
        bare = dict.fromkeys(("add_record_metadata", "activate_version"), False)
        config.write_text(json.dumps({"sqlalchemy_url": _address(url), **bare}))
        with messages.open("w") as file:
            file.writelines(_messages(size))
        meter = Meter(url)
        with messages.open() as file, meter.running():
            done = subprocess.run(
                [*command, "--config", str(config)],
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
                text=True,
            )
    assert done.returncode == 0, done.stderr
    return meter


def _credentials(url: str) -> dict[str, Any]:
    """For `dlt`, which wants a host and a password; the socket in `query` counts."""
    parsed = make_url(url)
    return {
        "host": "localhost",
        "query": dict(parsed.query),
        "username": parsed.username,
        "password": "none",
        "database": parsed.database,
    }


def _singer_command(url: str) -> list[str]:
    if importlib.util.find_spec("singer_sdk") is None:
        raise MissingError("Singer: pip install 'integration-hub[bench]'")
    if make_url(url).get_backend_name() == "sqlite":
        return [sys.executable, "-m", "tests.benchmarks.singer_sqlite"]
    return [str(Path(sys.executable).with_name("target-postgres"))]


def _address(url: str) -> str:
    """The database as others spell it."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return url
    return f"postgresql://{parsed.username}@/{parsed.database}?host={parsed.query['host']}"


def _messages(size: int) -> Iterator[str]:
    types = {bool: "boolean", int: "integer", float: "number", str: "string"}
    first = next(pages("customer", 1))[0]
    properties = {name: {"type": ["null", types[type(v)]]} for name, v in first.items()}
    schema = {"type": "object", "properties": properties}
    message = {
        "type": "SCHEMA", "stream": "customer", "schema": schema, "key_properties": ["customer_no"],
    }  # fmt: skip
    yield json.dumps(message) + "\n"
    for page in pages("customer", size):
        for row in page:
            yield json.dumps({"type": "RECORD", "stream": "customer", "record": row}) + "\n"
