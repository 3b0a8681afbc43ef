"""Records against the journal, against their entity, and against what the systems are known to hold.

Page by page, each page in a read transaction of its own: memory does not grow with the hub, and
workers may go on meanwhile.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields as fields_of
from typing import Any

import orjson
from sqlalchemy import Connection, Row, func, select

from hub.entity import Entity
from hub.model.schema import check
from hub.store import records
from hub.store.records import Record
from hub.store.session import Store
from hub.store.types import dump
from hub.sync import history
from hub.sync.conflicts import open_conflicts
from hub.sync.flow import Env, Flow, Work
from hub.sync.history import Line
from hub.sync.listing import called
from hub.sync.standing import differing
from hub.sync.verify.finding import Finding, Progress, Repair, noticed

PAGE = 500
FOREIGN = 1000
"""At most so many journal rows or links of records that do not exist are listed."""


@contextmanager
def snapshot(store: Store) -> Iterator[Connection]:
    """A read transaction in which nothing moves."""
    with store.read() as connection:
        if store.dialect == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def ledger(env: Env, progress: Progress) -> Iterator[Finding]:
    """Every record of every entity, with its journal and its links."""
    for name in sorted({e.stored for e in env.store.entities.values()}):
        entity = env.store.entities[name]
        table = env.store.tables[name]
        with env.store.read() as connection:
            total = connection.execute(select(func.count()).select_from(table)).scalar_one()
        after, done = "", 0
        while True:
            query = select(table.c.id).where(table.c.id > after).order_by(table.c.id).limit(PAGE)
            with snapshot(env.store) as connection:
                ids = list(connection.execute(query).scalars())
                page = _Page(env, connection, entity, ids).findings() if ids else []
            yield from page
            if not ids:
                break
            after, done = ids[-1], done + len(ids)
            progress({"flow": name, "phase": "verify", "done": done, "total": total})
        with snapshot(env.store) as connection:
            unknown = _unknown(env, connection, entity)
        yield from unknown


def _unknown(env: Env, connection: Connection, entity: Entity) -> list[Finding]:
    """Journal and links of records that are in no table."""
    table, tables = env.store.tables[entity.name], env.store.metadata.tables
    log, link = tables["journal"], tables["link"]
    gone = ~select(table.c.id).where(table.c.id == log.c.record_id).exists()
    lost = (
        select(log.c.record_id).where(log.c.entity == entity.name, gone).distinct().limit(FOREIGN)
    )
    out = [
        noticed(
            "journal",
            "lost-record",
            "the journal speaks of {entity} {id}, which is in no table",
            "Restore it from a backup; `hub verify --repair` makes it again from the journal.",
            about={"entity": entity.name, "record": id_},
            repair=Repair("restore", {"entity": entity.name, "record": id_}),
            entity=entity.name,
            id=id_,
        )
        for id_ in connection.execute(lost).scalars()
    ]
    views = [e.name for e in env.store.entities.values() if e.stored == entity.name]
    nobody = ~select(table.c.id).where(table.c.id == link.c.record_id).exists()
    query = select(link).where(link.c.entity.in_(views), nobody).limit(FOREIGN)
    out += [
        noticed(
            "links",
            "link-to-nothing",
            "row {external_id!r} is linked to {entity} {id}, which does not exist",
            "Drop the link: the next full read takes the row as a new one.",
            about={"link": row.id, "record": row.record_id},
            repair=Repair("drop-link", {"link": row.id}),
            external_id=row.external_id,
            entity=row.entity,
            id=row.record_id,
        )
        for row in connection.execute(query)
    ]
    return out


class _Page:
    """Some records of one entity, and all that must agree with them."""

    def __init__(self, env: Env, connection: Connection, entity: Entity, ids: list[str]) -> None:
        self.env, self.connection, self.entity, self.ids = env, connection, entity, ids
        self.records = records.load(connection, env.store, entity.name, ids)
        self.lines = history.lines_of(connection, env.store, ids)
        table = env.store.metadata.tables["link"]
        query = select(table).where(table.c.record_id.in_(ids), table.c.part == "")
        self.links: dict[str, list[Row[Any]]] = {}
        for row in connection.execute(query):
            self.links.setdefault(row.record_id, []).append(row)
        self.out: list[Finding] = []

    def findings(self) -> list[Finding]:
        for id_ in self.ids:
            record = self.records[id_]
            self._journal(record, self.lines.get(id_, []))
            self._values(record)
            self._links(record, self.lines.get(id_, []))
        self._references()
        self._merges()
        self._unsent()
        return self.out

    def _add(self, check: str, code: str, message: str, hint: str, **options: Any) -> None:
        record: Record = options.pop("record")
        about = {"entity": self.entity.name, "record": record.id, **options.pop("about", {})}
        name = called(self.env.store, record)
        values = {"entity": self.entity.name, "record": name, **options}
        repair = values.pop("repair", None)
        self.out.append(noticed(check, code, message, hint, about=about, repair=repair, **values))

    # -- the journal

    def _journal(self, record: Record, lines: Sequence[Line]) -> None:
        folded = history.fold(self.env.store, lines)
        if folded is None:
            self._add(
                "journal",
                "no-journal",
                "{entity} {record} has no journal: nobody knows where it came from",
                "Something wrote the table past the hub.  Restore the record from a backup.",
                record=record,
            )
            return
        self._chain(record, lines)
        names = _differences(record, folded)
        if names:
            shown = ", ".join(names[:5])
            self._add(
                "journal",
                "differs",
                "{entity} {record}: the table says otherwise than the journal in {fields}: {pairs}",
                "Something wrote the table past the hub.  `hub verify --repair` puts back what the"
                " journal says; enter the change again where it was right.",
                record=record,
                fields=shown,
                pairs="; ".join(_pair(n, record, folded) for n in names[:3]),
                repair=Repair("restore", {"entity": self.entity.name, "record": record.id}),
            )

    def _chain(self, record: Record, lines: Sequence[Line]) -> None:
        """Every line goes on from where the one before ended."""
        now = Record(record.id, record.entity)
        for line in lines:
            # A repair starts from what something wrote past the hub.
            old_values = {} if line.reason == "verify" else line.changes
            for name, (old, _) in old_values.items():
                known = getattr(now, name[1:]) if name.startswith("$") else now.values.get(name)
                if (known or None) != (old or None) and not (known is False or old is False):
                    self._add(
                        "journal",
                        "broken-chain",
                        "{entity} {record}: line {seq} of the journal changed {field} from {old}, but"
                        " it was {known}: a line between is missing",
                        "Lines were removed, or a backup of a part was restored.  What the record"
                        " is now is not touched by it.",
                        record=record,
                        seq=line.seq,
                        field=name,
                        old=dump(old)[:80],
                        known=dump(known)[:80],
                    )
                    break
            history.put(now, line)

    # -- the values

    def _values(self, record: Record) -> None:
        known = {k: v for k, v in record.values.items() if k in self.entity.field}
        for problem in check(self.entity, known, partial=True)[:3]:
            self._add(
                "values",
                problem.code,
                "{entity} {record}: {field} does not hold: {reason}",
                "Correct it in the system that owns it, or undo the change: hub history {entity}"
                " {record}",
                record=record,
                field=problem.field,
                reason=str(problem),
            )

    def _references(self) -> None:
        targets: dict[str, dict[str, tuple[Record, str]]] = {}
        for record in self.records.values():
            for name, stored, id_ in _refs(self.env.store, self.entity, record):
                targets.setdefault(stored, {}).setdefault(id_, (record, name))
        for stored, wanted in targets.items():
            table = self.env.store.tables[stored]
            there: set[str] = set()
            for some in records.chunks(sorted(wanted)):
                query = select(table.c.id).where(table.c.id.in_(some))
                there.update(self.connection.execute(query).scalars())
            for id_ in sorted(wanted.keys() - there):
                record, name = wanted[id_]
                self._add(
                    "references",
                    "dangling",
                    "{entity} {record}: {field} refers to a {target} that does not exist: {id}",
                    "Read its system again in full: hub sync --full",
                    record=record,
                    field=name,
                    target=stored,
                    id=id_,
                )

    def _merges(self) -> None:
        table = self.env.store.tables[self.entity.name]
        for record in self.records.values():
            seen, target = {record.id}, record.merged_into
            while target is not None:
                if target in seen:
                    code, message = (
                        "merge-circle",
                        "{entity} {record} is merged into itself, by way of others",
                    )
                    break
                seen.add(target)
                query = select(table.c.merged_into).where(table.c.id == target)
                row = self.connection.execute(query).first()
                if row is None:
                    code, message = (
                        "merge-lost",
                        "{entity} {record} is merged into a record that does not exist",
                    )
                    break
                target = row.merged_into
            else:
                continue
            hint = "Split it again, or restore the record from a backup."
            self._add("merges", code, message, hint, record=record)

    # -- the links

    def _links(self, record: Record, lines: Sequence[Line]) -> None:
        said = history.rows_of(lines)
        for row in self.links.get(record.id, ()):
            about = {"link": row.id}
            values = {"record": record, "external_id": row.external_id, "about": about}
            broken = [n for n in ("shadow", "sent", "row") if not _is_json(getattr(row, n))]
            if broken:
                self._add(
                    "links",
                    "unreadable",
                    "{entity} {record}: what is kept of row {external_id!r} cannot be read: {parts}",
                    "`hub verify --repair` forgets it; the next full read compares the row anew.",
                    parts=", ".join(broken),
                    repair=Repair("forget", {"link": row.id, "columns": broken}),
                    **values,
                )
            if row.state == "active" and record.merged_into:
                self._add(
                    "links",
                    "link-to-merged",
                    "{entity} {record} was merged away, but row {external_id!r} still points to it",
                    "Split and merge the records again.",
                    **values,
                )
            if row.state == "active" and (row.source_id, row.external_id) not in said:
                self._add(
                    "links",
                    "link-unsaid",
                    "{entity} {record} is linked to row {external_id!r}, but the journal does not say so",
                    "`hub verify --repair` writes it into the journal; if it is wrong, unlink it.",
                    repair=Repair("say-link", {"link": row.id}),
                    **values,
                )
            said.pop((row.source_id, row.external_id), None)
        for (source_id, external_id), line in said.items():
            self._lost_link(record, source_id, external_id, line)

    def _lost_link(self, record: Record, source_id: int, external_id: str, line: Line) -> None:
        table = self.env.store.metadata.tables["link"]
        query = select(table.c.id).where(
            table.c.source_id == source_id, table.c.external_id == external_id
        )
        if self.connection.execute(query).first() is not None:
            return  # another record has the row now: that one's journal says so
        self._add(
            "links",
            "link-lost",
            "{entity} {record}: the journal says that row {external_id!r} is linked to it (line {seq}),"
            " but there is no link: the next read would take the row as a new record",
            "`hub verify --repair` links it again.",
            record=record,
            external_id=external_id,
            seq=line.seq,
            repair=Repair(
                "relink",
                {"source": source_id, "external_id": external_id, "record": record.id,
                 "entity": self.entity.name},
            ),
        )  # fmt: skip

    # -- what should be on its way

    def _unsent(self) -> None:
        flows = [
            f for f in self.env.flows.values() if f.settings.writes and f.stored == self.entity.name
        ]
        work = Work(
            self.connection, self.env.store, self.env.ids, self.env.clock.now(), "verify", None, ()
        )
        for flow in flows:
            marked, aside = self._marked(flow), self._aside(flow)
            frozen = open_conflicts(work, flow.source_id, self.ids)
            for record in self.records.values():
                if record.id in marked or record.deleted_at or record.merged_into:
                    continue
                if flow.entity.role and flow.entity.role not in record.values.get("roles", ()):
                    continue
                rows = [
                    r
                    for r in self.links.get(record.id, ())
                    if r.source_id == flow.source_id and r.state != "merged"
                ]
                if any(r.external_id in aside for r in rows):
                    continue  # what the system holds is in quarantine: a person mends it first
                self._unsent_to(flow, record, rows, frozen.get(record.id, frozenset()))

    def _unsent_to(
        self, flow: Flow, record: Record, rows: Sequence[Row[Any]], frozen: frozenset[str]
    ) -> None:
        repair = Repair("mark", {"flow": flow.name, "record": record.id})
        values = {"record": record, "flow": flow.name, "connection": flow.connection}
        if not rows:
            creates = flow.settings.create and not flow.settings.match_only
            if creates and flow.capabilities.creates and record.active:
                self._add(
                    "outbox",
                    "never-offered",
                    "{entity} {record} is not in {connection}, and nothing is on its way there",
                    "`hub verify --repair` marks it for {flow}.",
                    repair=repair,
                    **values,
                )
            return
        row = rows[0]
        if row.state != "active" or not all(map(_is_json, (row.shadow, row.sent, row.row))):
            return
        if "$row" in frozen:
            return  # gone there, edited here: a person decides
        if not flow.capabilities.updates or row.shadow is None:
            return
        names = differing(flow, record, row, frozen)
        if names:
            self._add(
                "outbox",
                "unsent",
                "{entity} {record}: {connection} holds something else in {fields}, and nothing is on"
                " its way there",
                "`hub verify --repair` marks it for {flow}.",
                fields=", ".join(names[:5]),
                repair=repair,
                **values,
            )

    def _aside(self, flow: Flow) -> set[str]:
        """Rows of these records, in the flow's source, that are set aside."""
        parked = self.env.store.metadata.tables["parked"]
        names = [f.name for f in self.env.flows.values() if f.source_id == flow.source_id]
        rows = (r for found in self.links.values() for r in found if r.source_id == flow.source_id)
        query = select(parked.c.external_id).where(
            parked.c.flow.in_(names),
            parked.c.state.in_(("open", "dismissed")),
            parked.c.direction == "in",
            parked.c.external_id.in_([r.external_id for r in rows]),
        )
        return set(self.connection.execute(query).scalars())

    def _marked(self, flow: Flow) -> set[str]:
        """Records with a mark of the flow, or a write whose outcome is open."""
        tables = self.env.store.metadata.tables
        outbox, intent = tables["outbox"], tables["intent"]
        marks = select(outbox.c.record_id).where(
            outbox.c.flow == flow.name, outbox.c.record_id.in_(self.ids)
        )
        open_ = select(intent.c.record_id).where(
            intent.c.source_id == flow.source_id,
            intent.c.state == "open",
            intent.c.record_id.in_(self.ids),
        )
        return {
            *self.connection.execute(marks).scalars(),
            *self.connection.execute(open_).scalars(),
        }


def _differences(record: Record, folded: Record) -> list[str]:
    if record == folded:
        return []
    names = [
        f.name
        for f in fields_of(Record)
        if f.name != "values" and getattr(record, f.name) != getattr(folded, f.name)
    ]
    keys = sorted({*record.values, *folded.values})
    return [k for k in keys if record.values.get(k) != folded.values.get(k)] + names


def _pair(name: str, record: Record, folded: Record) -> str:
    if name in record.values or name in folded.values:
        here, there = record.values.get(name), folded.values.get(name)
    else:
        here, there = getattr(record, name), getattr(folded, name)
    return f"{dump(here)[:80]} ≠ {dump(there)[:80]}"


def _refs(store: Store, entity: Entity, record: Record) -> Iterator[tuple[str, str, str]]:
    """(path, stored entity referred to, id) for every reference in the record."""
    for field in entity.fields:
        value = record.values.get(field.name)
        if value is None:
            continue
        if field.kind == "ref" and field.target in store.entities:
            yield field.name, store.entities[field.target].stored, value
        for part in field.fields:
            if part.kind != "ref" or part.target not in store.entities:
                continue
            holders = value if isinstance(value, list) else [value]
            for holder in holders:
                if isinstance(holder, dict) and holder.get(part.name):
                    stored = store.entities[part.target].stored
                    yield f"{field.name}.{part.name}", stored, holder[part.name]


def _is_json(text: str | None) -> bool:
    if text is None:
        return True
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return _is_wide_json(text)


def _is_wide_json(text: str) -> bool:
    """What `rows.encode` writes where orjson cannot: integers above 64 bits, lone surrogates."""
    import json

    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
