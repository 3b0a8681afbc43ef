"""Writes kept instead of made: a connector that reads for real, and answers writes as foreseen.

What the system would hold after a write is foreseen as the row it has now, read for that, with the
columns that are sent.  How it spells them (trimmed, rounded, filled in) nobody can know beforehand.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text, func, select

from hub.connector import Change, Connector, Cursor, Page, Row, Stream, WriteResult, join_key
from hub.store import bulk
from hub.store.session import Store
from hub.sync.rows import encode, fingerprint

FIRST = 10**15
"""Ids that stand for those that a system will give count down from minus this number."""

CAPTURED = Table(
    "captured",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("key", String(36), nullable=False, index=True),
    Column("source_id", BigInteger, nullable=False, index=True),
    Column("external_id", String(255), nullable=False),
    Column("row_hash", String(16), nullable=False),
    Column("columns", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    comment="The writes of a plan, in its own copy of the database.",
)
COLUMNS = tuple(column.name for column in CAPTURED.columns)


class Capture:
    """The writes of one plan.  `source_of`: the source of a connection's stream."""

    def __init__(self, store: Store, source_of: Callable[[str, str], int]) -> None:
        self._store, self._source_of = store, source_of
        self._ids, self._numbers = itertools.count(FIRST), itertools.count(1)
        with store.write("capture") as connection:
            CAPTURED.create(connection)

    def over(self, connection: str, inner: Connector) -> "CapturingConnector":
        return CapturingConnector(self, connection, inner)

    def keep(
        self, connection: str, stream: Stream, batch: Sequence[Change], now: Mapping[str, Row]
    ) -> Iterator[WriteResult]:
        """Answer the changes as if they were made; *now*: the rows that they change, by id."""
        source_id, results, rows = self._source_of(connection, stream.name), [], []
        journal = self._store.metadata.tables["journal"]
        with self._store.write("capture") as writing:
            seq = writing.execute(select(func.coalesce(func.max(journal.c.seq), 0))).scalar_one()
            for change in batch:
                old = now.get(change.remote_id, {})
                if change.op != "create" and not old:
                    results.append(WriteResult.gone(change.key))
                    continue
                row = None if change.op == "delete" else self._foreseen(stream, change, old)
                external_id = change.remote_id or _key(stream, row or {})
                before = encode(old)
                rows.append(
                    (
                        next(self._numbers),
                        change.key,
                        source_id,
                        external_id,
                        fingerprint(before) if old else "",
                        encode(change.values),
                        before,
                        seq,
                    )
                )
                results.append(WriteResult.applied(change.key, remote_id=external_id, row=row))
            bulk.insert(writing, CAPTURED, COLUMNS, rows)
        yield from results

    def _foreseen(self, stream: Stream, change: Change, old: Row) -> dict[str, Any]:
        if change.op == "update":
            return {**old, **change.values}
        row = dict(change.values)
        for path in stream.key:
            *above, column = path.split(".")
            at = row
            for name in above:
                at[name] = dict(at.get(name) or {})
                at = at[name]
            if at.get(column) is None:
                at[column] = str(-next(self._ids))
        return row


class CapturingConnector(Connector):
    """*inner* with its writes captured."""

    def __init__(self, capture: Capture, connection: str, inner: Connector) -> None:
        self._capture, self._connection, self._inner = capture, connection, inner
        self.capabilities = inner.capabilities

    def __enter__(self) -> "CapturingConnector":
        self._inner.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._inner.__exit__(*exc)

    def open(self) -> None:
        """The inner connector is opened on entering."""

    def check(self) -> str:
        return self._inner.check()

    def version_of(self, stream: Stream, row: Row) -> str | None:
        return self._inner.version_of(stream, row)

    def discover(self) -> Iterator[Stream]:
        return self._inner.discover()

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        return self._inner.read(stream, cursor)

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        return self._inner.fetch(stream, keys)

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        ids = [change.remote_id for change in batch if change.op != "create"]
        rows = self._inner.fetch(stream, ids) if ids else ()
        now = {_key(stream, row): row for row in rows}
        return self._capture.keep(self._connection, stream, batch, now)


def _key(stream: Stream, row: Row) -> str:
    parts = []
    for path in stream.key:
        value: Any = row
        for name in path.split("."):
            value = value[name]
        parts.append(value)
    return join_key(parts)


def is_foreseen(value: Any) -> bool:
    """Whether this is an id that a system will give, in its place."""
    text = str(value)
    return text.startswith("-") and text[1:].isdigit() and int(text[1:]) >= FIRST
