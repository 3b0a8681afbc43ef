"""The journal folded: what any record was at any instant, and who had it.

The journal is complete: folding all of it gives the tables, bit for bit (`verify` checks that), and
folding a part of it gives what they were.  A record that was not changed since is taken from its
table, which costs no folding.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from hub.store import records
from hub.store.records import Record
from hub.store.session import Store
from hub.store.types import load

ESTABLISHES = frozenset({"create", "link", "revive", "update"})
"""Ops that say, by naming a row, that the record has it; every other op that names one ends that."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the journal.  `changes`: stored field, or "$" and a name of the envelope → old, new."""

    seq: int
    at: str
    entity: str
    record_id: str
    version: int
    op: str
    origin: str
    run_id: str | None
    source_id: int | None
    external_id: str | None
    mapping_version: str | None
    source_at: str | None
    reason: str | None
    changes: Mapping[str, tuple[Any, Any]]


_NAMES = tuple(name for name in Line.__dataclass_fields__ if name != "changes")


def lines_of(
    connection: Connection, store: Store, ids: Collection[str], *, at: str | None = None
) -> dict[str, list[Line]]:
    """The journal of these records, oldest first; *at*: only what had happened by then.

    Clocks of several workers may disagree: what happened before a line counts as before it, even
    where its clock says later, so that only states that have existed are ever given.
    """
    table = store.metadata.tables["journal"]
    columns = [*(table.c[name] for name in _NAMES), table.c.changes]
    found: dict[str, list[Line]] = {}
    for some in records.chunks(sorted(ids)):
        query = select(*columns).where(table.c.record_id.in_(some)).order_by(table.c.seq)
        for row in connection.execute(query):
            found.setdefault(row.record_id, []).append(Line(*(*row[:-1], load(row.changes))))
    if at is None:
        return found
    return {id_: kept for id_, lines in found.items() if (kept := _until(lines, at))}


def _until(lines: Sequence[Line], at: str) -> list[Line]:
    last = max((i for i, line in enumerate(lines) if line.at <= at), default=-1)
    return list(lines[: last + 1])


def fold(store: Store, lines: Iterable[Line]) -> Record | None:
    """The record that these lines make; None if there are none."""
    record: Record | None = None
    for line in lines:
        if record is None:
            record = Record(line.record_id, line.entity)
            record.created_at, record.created_by = line.at, line.origin
        put(record, line)
    if record is not None:
        for part in store.entities[record.entity].fields:
            if part.rows and record.values.get(part.name) == []:
                del record.values[part.name]  # no row is no list
    return record


def put(record: Record, line: Line) -> None:
    """Make the line's changes."""
    for name, (_, new) in line.changes.items():
        if name.startswith("$"):
            setattr(record, name[1:], new)
        elif new is None:
            record.values.pop(name, None)
        else:
            record.values[name] = new
    if line.changes:
        record.version = line.version
        record.updated_at, record.updated_by = line.at, line.origin


def records_at(
    connection: Connection, store: Store, entity: str, ids: Collection[str], at: str
) -> dict[str, Record]:
    """These records of a stored entity as they were at the instant, by id.

    Those not made yet are left out.
    """
    found = records.load(connection, store, entity, ids)
    later = [id_ for id_, record in found.items() if record.updated_at > at]
    for id_ in later:
        del found[id_]
    for id_, lines in lines_of(connection, store, later, at=at).items():
        folded = fold(store, lines)
        assert folded is not None
        found[id_] = folded
    return found


def rows_of(lines: Iterable[Line]) -> dict[tuple[int, str], Line]:
    """The rows a record has after these lines, (source, external id) → the line that says so."""
    held: dict[tuple[int, str], Line] = {}
    for line in lines:
        if line.source_id is None or line.external_id is None:
            continue
        key = line.source_id, line.external_id
        if line.op in ESTABLISHES:
            held.setdefault(key, line)
        else:
            held.pop(key, None)
    return held
