"""Other records that refer to a record, and the shadows that do: they follow it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, cast, or_, select, update

from hub.entity import Entity, Field
from hub.errors import HubError
from hub.mapping import Ref
from hub.store import records
from hub.store.records import Record
from hub.store.types import dump, load
from hub.sync import journal
from hub.sync.flow import Env, Flow, Work
from hub.sync.journal import Proposal
from hub.sync.references import walk
from hub.sync.rows import decode


@dataclass(frozen=True)
class Reference:
    """A stored field of a record that refers to another one, before and after it was turned."""

    entity: str
    record_id: str
    field: str
    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def referring(work: Work, stored: str, record_id: str) -> list[Record]:
    """Every record, of any entity, that refers to this one."""
    found: list[Record] = []
    for entity in work.store.entities.values():
        if entity.view_of or not _fields(work, entity, stored):
            continue
        ids = _ids(work, entity, stored, record_id)
        found += records.load(work.connection, work.store, entity.name, ids, lock=True).values()
    return found


def follow(work: Work, proposals: Sequence[Proposal]) -> None:
    """Change the records; HubError if one of them may not: all go, or none."""
    refused = journal.apply(work, proposals)
    if refused:
        raise HubError(
            "{entity} {id} refers to one of the two and may not be changed: {why}",
            entity=refused[0].record.entity,
            id=refused[0].record.id,
            why="; ".join(map(str, refused[0].problems)),
            hint="Correct that record first.",
        )


@dataclass(frozen=True)
class Turning:
    """References to the record *old* of the entity *stored* become references to *new*."""

    env: Env
    work: Work
    stored: str
    old: str
    new: str

    def records(self, found: Iterable[Record]) -> list[Reference]:
        """Through the one door; every field that was turned."""
        turned, proposals = [], []
        for record in found:
            entity, changes = self.work.store.entities[record.entity], {}
            for field in _fields(self.work, entity, self.stored):
                before = record.values.get(field.name)
                after = self.value(field, before)
                if after == record.id:
                    after = None  # nothing is its own parent
                if after != before:
                    changes[field.name] = after
                    turned.append(Reference(record.entity, record.id, field.name, before, after))
            if changes:
                proposals.append(Proposal(record, entity, changes))
        follow(self.work, proposals)
        return turned

    def value(self, field: Field, value: Any) -> Any:
        """A value of the field with its references turned; the value itself if it has none."""
        if field.kind == "ref":
            turns = value == self.old and _leads_to(self.work, field, self.stored)
            return self.new if turns else value
        if field.kind == "object" and isinstance(value, Mapping):
            return self._parts(field, value)
        if field.kind == "list" and isinstance(value, list):
            return [self._parts(field, i) if isinstance(i, Mapping) else i for i in value]
        return value

    def _parts(self, field: Field, value: Mapping[str, Any]) -> dict[str, Any]:
        declared = {f.name: f for f in field.fields}
        return {k: self.value(declared[k], v) if k in declared else v for k, v in value.items()}

    def shadows(self, found: Iterable[Record], moved: set[int]) -> None:
        """What systems were last seen to refer to has another id, where its very row moved.

        *moved*: the sources in which the row that was *old* is now *new*.  Elsewhere the row there
        means another one than ours does, and the system is told.
        """
        ids = sorted({r.id for r in found})
        table = self.work.store.metadata.tables["link"]
        for flow in _flows_by_source(self.env).values():
            fields = _moved_fields(self.env, self.work, flow, self.stored, moved)
            for some in records.chunks(ids if fields else []):
                query = select(table.c.id, table.c.shadow, table.c.sent).where(
                    table.c.source_id == flow.source_id, table.c.record_id.in_(some)
                )
                for link_id, shadow, sent in self.work.connection.execute(query).all():
                    texts = {"shadow": self._text(fields, shadow), "sent": self._text(fields, sent)}
                    self.work.connection.execute(
                        update(table).where(table.c.id == link_id).values(**texts)
                    )

    def _text(self, fields: Iterable[Field], text: str | None) -> str | None:
        if text is None or self.old not in text:
            return text
        values = load(text)
        for field in fields:
            if field.name in values:
                values[field.name] = self.value(field, values[field.name])
        return dump(values)


def _leads_to(work: Work, field: Field, stored: str) -> bool:
    target = work.store.entities.get(field.target)
    return target is not None and target.stored == stored


def _fields(work: Work, entity: Entity, stored: str) -> list[Field]:
    return [f for f in entity.fields if _refers(work, f, stored)]


def _refers(work: Work, field: Field, stored: str) -> bool:
    if field.kind == "ref":
        return _leads_to(work, field, stored)
    return any(_refers(work, part, stored) for part in field.fields)


def _ids(work: Work, entity: Entity, stored: str, record_id: str) -> set[str]:
    table = work.store.tables[entity.name]
    fields = _fields(work, entity, stored)
    clauses = [_says(table, f, record_id) for f in fields if not f.rows]
    found: set[str] = set()
    if clauses:
        query = select(table.c.id).where(or_(*clauses))
        found.update(row[0] for row in work.connection.execute(query))
    for field in (f for f in fields if f.rows):
        child = work.store.tables[f"{entity.name}_{field.name}"]
        parts = [p for p in field.fields if _refers(work, p, stored)]
        query = select(child.c.record_id).where(or_(*(_says(child, p, record_id) for p in parts)))
        found.update(row[0] for row in work.connection.execute(query.distinct()))
    return found


def _says(table: Table, field: Field, record_id: str) -> ColumnElement[bool]:
    """Whether the column refers to the record: itself, or somewhere in its JSON."""
    column = table.c[field.name]
    if field.kind == "ref":
        return column == record_id
    return cast(column, Text).like(f"%{record_id}%")


def _flows_by_source(env: Env) -> dict[int, Flow]:
    return {flow.source_id: flow for flow in env.flows.values()}


def _moved_fields(env: Env, work: Work, flow: Flow, stored: str, moved: set[int]) -> list[Field]:
    """The fields of the flow whose references go through a source in which the row moved."""
    names = {
        ref.path[0]
        for ref in flow.mapping.refs
        if not ref.by
        and work.store.entities[ref.entity].stored == stored
        and env.source_of(flow, ref) in moved
    }
    return [f for f in flow.entity.fields if f.name in names]


# -------------------------------------------------------------------------------------------- rows


def from_rows(
    env: Env, work: Work, stored: str, found: Iterable[Record], links: Iterable[Mapping[str, Any]]
) -> list[Record]:
    """Those of the records whose row, as the system keeps it, refers to one of these links' rows."""
    keys = {(link["source_id"], link["external_id"]) for link in links}
    by_id = {record.id: record for record in found}
    table = work.store.metadata.tables["link"]
    since: dict[str, Record] = {}
    for flow in _flows_by_source(env).values():
        refs = [r for r in flow.mapping.refs if work.store.entities[r.entity].stored == stored]
        if not refs or flow.stored not in {r.entity for r in by_id.values()}:
            continue
        for some in records.chunks(sorted(by_id)):
            query = select(table.c.record_id, table.c.row).where(
                table.c.source_id == flow.source_id,
                table.c.record_id.in_(some),
                table.c.row.is_not(None),
            )
            for record_id, row in work.connection.execute(query):
                values = flow.mapping.get(decode(row)).values
                if any(_in_row(env, flow, ref, values, keys) for ref in refs):
                    since[record_id] = by_id[record_id]
    return list(since.values())


def _in_row(env: Env, flow: Flow, ref: Ref, values: Any, keys: set[tuple[int, str]]) -> bool:
    source_id = env.source_of(flow, ref)
    if ref.by or source_id is None:
        return False
    return any((source_id, str(c[key])) in keys for c, key in walk(values, ref.path))
