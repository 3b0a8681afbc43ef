"""What runs did, read from the tables they wrote: one step per effect on one record in one system.

This is read twice: from a plan's copy of the database, and, when the plan is applied, from the real
one, to see that what was done is what was planned.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Table, func, select, text

from hub.entity import Entity
from hub.store.session import Store
from hub.store.types import load
from hub.sync.capture import CAPTURED
from hub.sync.flow import Flow
from hub.sync.rows import decode

CHUNK = 1000
KEPT = ("parked", "conflict")


@dataclass(slots=True)
class Step:
    """One effect.  `changes`: field → [old, new]; inbound in the hub's fields, outbound in the
    system's columns, with the hub's fields in `fields`.  `base_version`: the record's version it rests
    on; `base_row`: the hash of the system's row it rests on.
    """

    flow: str
    connection: str
    direction: str
    kind: str
    entity: str
    record_id: str | None = None
    external_id: str = ""
    title: str = ""
    fields: tuple[str, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    reasons: list[Any] = field(default_factory=list)
    base_version: int | None = None
    base_row: str | None = None
    bucket: str | None = None
    other_id: str | None = None


def remember(connection: Connection) -> int:
    """Note in a copy what was set aside and in conflict before; the journal's last number."""
    for name in KEPT:
        connection.execute(text(f"CREATE TABLE before_{name} AS SELECT id, state FROM {name}"))
        connection.execute(text(f"CREATE UNIQUE INDEX ix_before_{name} ON before_{name} (id)"))
    return int(connection.execute(text("SELECT coalesce(max(seq), 0) FROM journal")).scalar_one())


class Effects:
    """The effects in *store*, a copy in which runs of *flows* were made after *since*."""

    def __init__(self, store: Store, flows: Mapping[str, Flow], since: int) -> None:
        self.store, self.flows, self.since = store, flows, since
        self.tables = store.metadata.tables

    def __iter__(self) -> Iterator[Step]:
        """In the order in which they have to happen."""
        with self.store.read() as connection:
            for chunk in self._chunks(connection):
                yield from self._titled(connection, chunk)

    def _chunks(self, connection: Connection) -> Iterator[list[Step]]:
        yield from self._journaled(connection)
        yield from self._aside(connection)
        yield from self._disputed(connection)
        yield from self._written(connection)

    # -- into the hub

    def _journaled(self, connection: Connection) -> Iterator[list[Step]]:
        journal, link = self.tables["journal"], self.tables["link"]
        query = (
            select(journal, link.c.row_hash)
            .outerjoin(
                link,
                (link.c.source_id == journal.c.source_id)
                & (link.c.external_id == journal.c.external_id),
            )
            .order_by(journal.c.seq)
        )
        for rows in _paged(connection, query, journal.c.seq, self.since):
            written = self._writes_of(connection, rows)
            yield [s for row in rows for s in self._step(row, written)]

    def _writes_of(
        self, connection: Connection, rows: Sequence[Row[Any]]
    ) -> dict[tuple[int, str], Row[Any]]:
        """The first write of each of the rows, where the plan writes them too."""
        wanted = sorted({r.external_id for r in rows if r.external_id is not None})
        c = CAPTURED.c
        query = (
            select(c.source_id, c.external_id, c.seq, c.row_hash)
            .where(c.external_id.in_(wanted))
            .order_by(c.number.desc())
        )
        found: dict[tuple[int, str], Any] = {}
        for write in connection.execute(query):
            found[write.source_id, write.external_id] = write
        return found

    def _step(self, row: Row[Any], written: Mapping[tuple[int, str], Row[Any]]) -> Iterator[Step]:
        flow = self.flows[row.origin.partition(":")[2]]
        changes = load(row.changes)
        write = written.get((row.source_id, row.external_id))
        if write is not None and row.seq > write.seq:
            if not changes:
                return  # the link that a create leaves: the create says so
            kind = "echo"
        else:
            kind = row.op
        base = row.row_hash if write is None else write.row_hash
        yield Step(
            flow.name,
            flow.connection,
            "in",
            kind,
            flow.entity.name,
            row.record_id,
            row.external_id or "",
            changes=shown(flow.entity, changes),
            fields=tuple(sorted(shown(flow.entity, changes))),
            base_version=row.version - 1 if changes else row.version,
            base_row=base,
        )

    def _aside(self, connection: Connection) -> Iterator[list[Step]]:
        parked = self.tables["parked"]
        query = (
            select(parked)
            .where(parked.c.state == "open", _is_new("parked", parked), ~_as_before(parked))
            .order_by(parked.c.id)
        )
        for rows in _paged(connection, query, parked.c.id, ""):
            yield [self._parked(row) for row in rows]

    def _parked(self, row: Row[Any]) -> Step:
        flow = self.flows[row.flow]
        problems = orjson.loads(row.problems)
        return Step(
            flow.name,
            flow.connection,
            row.direction,
            row.kind,
            flow.entity.name,
            row.record_id,
            row.external_id,
            title=row.place,
            fields=tuple(sorted({p["field"] for p in problems if p.get("field")})),
            reasons=problems,
            base_row=row.row_hash,
        )

    def _disputed(self, connection: Connection) -> Iterator[list[Step]]:
        conflict, link = self.tables["conflict"], self.tables["link"]
        query = (
            select(conflict, link.c.row_hash)
            .outerjoin(
                link,
                (link.c.source_id == conflict.c.source_id)
                & (link.c.external_id == conflict.c.external_id),
            )
            .where(_is_new("conflict", conflict))
            .order_by(conflict.c.id)
        )
        for rows in _paged(connection, query, conflict.c.id, ""):
            written = self._writes_of(connection, rows)
            yield [self._conflict(row, written) for row in rows]

    def _conflict(self, row: Row[Any], written: Mapping[tuple[int, str], Row[Any]]) -> Step:
        flow = self.flows[row.flow]
        write = written.get((row.source_id, row.external_id))
        kind = "decided" if row.state == "decided" else "conflict"
        three = {name: load(getattr(row, name)) for name in ("base", "ours", "theirs")}
        wins = {"wins": row.choice, "by": row.decided_by} if row.choice else {}
        return Step(
            flow.name,
            flow.connection,
            "in",
            kind,
            row.entity,
            row.record_id,
            row.external_id,
            fields=(row.field,),
            changes={row.field: [three["ours"], three["theirs"]]},
            reasons=[{"code": row.kind, "field": row.field, **three, **wins}],
            base_row=row.row_hash if write is None else write.row_hash,
        )

    # -- out of the hub

    def _written(self, connection: Connection) -> Iterator[list[Step]]:
        intent = self.tables["intent"]
        names = ("flow", "record_id", "version", "op", "sent")
        query = (
            select(CAPTURED, *(intent.c[name].label(f"intent_{name}") for name in names))
            .join(intent, intent.c.id == CAPTURED.c.key)
            .order_by(CAPTURED.c.number)
        )
        for rows in _paged(connection, query, CAPTURED.c.number, 0):
            yield [self._write(row) for row in rows]

    def _write(self, row: Row[Any]) -> Step:
        flow = self.flows[row.intent_flow]
        return Step(
            flow.name,
            flow.connection,
            "out",
            row.intent_op,
            flow.entity.name,
            row.intent_record_id,
            row.external_id,
            fields=tuple(sorted(load(row.intent_sent))),
            changes=columns_changed(row.intent_op, decode(row.before), decode(row.columns)),
            base_version=row.intent_version,
            base_row=row.row_hash or None,
        )

    # -- names

    def _titled(self, connection: Connection, steps: Sequence[Step]) -> Iterator[Step]:
        found: dict[str, str] = {}
        for name in sorted({s.entity for s in steps}):
            entity = self.store.entities[name]
            ids = {s.record_id for s in steps if s.record_id and s.entity == name}
            found.update(titles(connection, self.store, entity, ids))
        for step in steps:
            title = found.get(step.record_id or "", "")
            yield replace(step, title=title or step.title)


def titles(
    connection: Connection, store: Store, entity: Entity, ids: Iterable[str]
) -> dict[str, str]:
    """What people know the records by: code and name, by record id."""
    table = store.tables[entity.stored]
    columns = [
        table.c[entity.column(n)] for n in (entity.code, "name", "number") if n in entity.field
    ]
    wanted, found = sorted(set(ids)), {}
    for start in range(0, len(wanted), CHUNK):
        query = select(table.c.id, *columns).where(table.c.id.in_(wanted[start : start + CHUNK]))
        for id_, *names in connection.execute(query):
            found[id_] = " ".join(dict.fromkeys(str(n) for n in names if n))[:200]
    return found


def shown(entity: Entity, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The journal's changes in the view's field names; the envelope keeps its `$`."""
    names = entity.from_column
    return {names.get(c, c): pair for c, pair in changes.items()}


def columns_changed(op: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What a write does to the system's row, column → [old, new]."""
    if op == "delete":
        return {c: [_plain(v), None] for c, v in old.items()}
    changes = {c: [_plain(old.get(c)), _plain(v)] for c, v in new.items()}
    return {c: pair for c, pair in changes.items() if op == "create" or pair[0] != pair[1]}


def _plain(value: Any) -> Any:
    """The value as JSON shows it."""
    return json.loads(json.dumps(value, default=str))


def _is_new(name: str, table: Table) -> Any:
    before = select(text("id")).select_from(text(f"before_{name}"))
    return table.c.id.not_in(before)


def _as_before(parked: Table) -> Any:
    """The row was set aside as it is already: that it was met again is no news."""
    old = parked.alias("old")
    before = select(text("id")).select_from(text("before_parked")).where(text("state = 'open'"))
    same = [old.c[n] == parked.c[n] for n in ("flow", "external_id", "row_hash", "kind")]
    return select(old.c.id).where(old.c.id.in_(before), parked.c.external_id != "", *same).exists()


def _paged(
    connection: Connection, query: Any, column: Any, after: Any
) -> Iterator[Sequence[Row[Any]]]:
    """The rows in pages, by the column they are sorted by."""
    while True:
        rows = connection.execute(query.where(column > after).limit(CHUNK)).all()
        if not rows:
            return
        yield rows
        after = getattr(rows[-1], column.name)


def last_seq(connection: Connection, store: Store) -> int:
    journal = store.metadata.tables["journal"]
    return int(connection.execute(select(func.coalesce(func.max(journal.c.seq), 0))).scalar_one())
