"""The one door: every change of canonical data passes through `apply`, in one transaction.

validate → write records (version + 1) → append the journal → mark the outbox of every flow whose
mapped fields changed.  Nothing else writes the tables of the entities.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import update

from hub.entity import Entity
from hub.errors import Problem
from hub.model.lifecycle import move
from hub.model.schema import check_stored
from hub.store import bulk, records
from hub.store.among import among, there_is
from hub.store.records import Record
from hub.store.types import dump_as_is
from hub.sync.flow import Flow, Work
from hub.sync.rules import apply_rules

JOURNAL = (
    "at",
    "entity",
    "record_id",
    "version",
    "op",
    "origin",
    "run_id",
    "source_id",
    "external_id",
    "mapping_version",
    "source_at",
    "changes",
    "reason",
)
MARK = ("flow", "record_id", "version", "state", "due_at", "attempts", "waits_for", "error")
ENVELOPE = ("active", "deleted_at", "deletion_reason", "merged_into")


@dataclass(slots=True)
class Proposal:
    """A change somebody wants.  `record` as it is now (version 0: to be created); `changes` by
    stored field, None clears; `envelope` by name.  `entity`: the view it is proposed through.

    `op` is create, update, archive, delete, revive, link, unlink or forget (the link is dropped);
    the last three may change nothing.
    `flow`: the flow it came from, which is told only if it `differs` from the result.  `strict`: a
    person's change, which may not skip states; a sync reports what has happened elsewhere.
    `reason`: what decided, where neither a policy nor the row alone did: "match code", "undo RUN".
    """

    record: Record
    entity: Entity
    changes: dict[str, Any] = field(default_factory=dict)
    envelope: dict[str, Any] = field(default_factory=dict)
    op: str = "update"
    flow: Flow | None = None
    differs: bool = False
    source_id: int | None = None
    external_id: str | None = None
    source_at: str | None = None
    strict: bool = False
    reason: str | None = None
    problems: list[Problem] = field(default_factory=list)


def apply(work: Work, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Make the changes that hold; return the proposals refused, each with its `problems`.

    The records of accepted proposals are updated in place.
    """
    refused = [p for p in proposals if _validate(work, p)]
    accepted = [p for p in proposals if not p.problems]
    for entity, group in _by_entity(accepted).items():
        rows = [_journal_row(work, p) for p in group if p.op != "update" or _moves(p)]
        new = [p.record for p in group if p.op == "create"]
        old = list(
            {p.record.id: p.record for p in group if p.op != "create" and _moves(p)}.values()
        )
        records.save(work.connection, work.store, entity, new, new=True)
        records.save(work.connection, work.store, entity, old, new=False)
        bulk.insert(work.connection, work.store.metadata.tables["journal"], JOURNAL, rows)
    created = {p.record.id for p in accepted if p.op == "create"}
    marks = _marks(work, accepted)
    _insert_marks(work, [m for m in marks if m[1] in created])
    mark(work, [m for m in marks if m[1] not in created])
    return refused


def mark(work: Work, marks: Iterable[tuple[str, str, int]]) -> None:
    """Say that (flow, record) must be brought up to a version; sleeping marks wake up."""
    outbox = work.store.metadata.tables["outbox"]
    bulk.upsert(work.connection, outbox, MARK, _mark_rows(work, marks), on=["flow", "record_id"])


def _insert_marks(work: Work, marks: Iterable[tuple[str, str, int]]) -> None:
    """Marks of new records, which have none yet."""
    outbox = work.store.metadata.tables["outbox"]
    bulk.insert(work.connection, outbox, MARK, _mark_rows(work, marks))


def _mark_rows(work: Work, marks: Iterable[tuple[str, str, int]]) -> list[tuple[Any, ...]]:
    at = work.at
    return [(flow, record, version, "due", at, 0, None, None) for flow, record, version in marks]


def wake(work: Work, record_ids: Collection[str]) -> None:
    """Marks that wait for one of these records to have a row can go on."""
    outbox = work.store.metadata.tables["outbox"]
    if not record_ids or not there_is(work.connection, outbox.c.waits_for > ""):
        return
    work.connection.execute(
        update(outbox)
        .where(among(outbox.c.waits_for, record_ids), outbox.c.state == "waiting")
        .values(state="due", due_at=work.at, waits_for=None)
    )


def _moves(p: Proposal) -> bool:
    return bool(p.changes or p.envelope)


def _validate(work: Work, p: Proposal) -> list[Problem]:
    """The proposal's problems; brings `changes` down to what really changes, and adds defaults."""
    new = p.op == "create"
    _solidify(p)
    if new:
        _complete(p)
    _fill_items(p)
    if not new:
        _drop_same(p)
    if work.rules and _moves(p):
        apply_rules(work.rules, p, origin=work.origin, at=work.at)
        if not new:
            _drop_same(p)
    if not new and not p.changes:
        return p.problems
    p.problems.extend(check_stored(p.entity, p.changes, partial=not new))
    if not new and p.entity.states:
        _check_move(p)
    return p.problems


def _check_move(p: Proposal) -> None:
    status = p.entity.column("status")
    if status in p.changes:
        now = p.record.values.get(status)
        problem = move(p.entity, now, p.changes[status], forced_by_sync=not p.strict)
        p.problems.extend([problem] if problem else [])


def _drop_same(p: Proposal) -> None:
    now = p.record.values
    p.changes = {k: v for k, v in p.changes.items() if now.get(k) != v}


def _solidify(p: Proposal) -> None:
    """An object's parts that are null are absent, and an object without parts is null."""
    for name, value in p.changes.items():
        if value.__class__ is dict:
            p.changes[name] = _solid(value)
        elif value.__class__ is list and value and type(value[0]) is dict:
            p.changes[name] = [_solid(item) or {} for item in value]


def _solid(value: dict[str, Any]) -> dict[str, Any] | None:
    if value and None not in value.values():
        return value
    return {k: v for k, v in value.items() if v is not None} or None


def _complete(p: Proposal) -> None:
    changes = {**p.entity.defaults}
    for name, value in p.changes.items():
        if value is not None:
            changes[name] = value
    if p.entity.role:
        changes["roles"] = sorted({*changes.get("roles", ()), p.entity.role})
    p.changes = changes


def _fill_items(p: Proposal) -> None:
    """Give the items of lists the defaults of their parts: an order line is open, say."""
    for column, defaults in p.entity.item_defaults:
        items = p.changes.get(column)
        if items:
            p.changes[column] = [{**defaults, **item} for item in items]


def _by_entity(proposals: Iterable[Proposal]) -> dict[str, list[Proposal]]:
    groups: dict[str, list[Proposal]] = {}
    for p in proposals:
        groups.setdefault(p.record.entity, []).append(p)
    return groups


def _journal_row(work: Work, p: Proposal) -> tuple[Any, ...]:
    """Change the record in memory, and say what was changed."""
    record, at = p.record, work.at
    before = record.values
    changes = {name: (before.get(name), value) for name, value in p.changes.items()}
    for name, value in p.envelope.items():
        changes[f"${name}"] = getattr(record, name), value
        setattr(record, name, value)
    for name, value in p.changes.items():
        if value is None:
            before.pop(name, None)
        else:
            before[name] = value
    if record.version == 0:
        record.created_at, record.created_by = at, work.origin
    if changes:
        record.version += 1
        record.updated_at, record.updated_by = at, work.origin
    return (
        at,
        record.entity,
        record.id,
        record.version,
        p.op,
        work.origin,
        work.run_id,
        p.source_id,
        p.external_id,
        p.flow.mapping.version if p.flow else None,
        p.source_at,
        dump_as_is(changes),
        p.reason,
    )


def _marks(work: Work, accepted: Iterable[Proposal]) -> list[tuple[str, str, int]]:
    writers: dict[str, list[Flow]] = {}
    for flow in work.flows:
        if flow.settings.writes and flow.settings.enabled:
            writers.setdefault(flow.stored, []).append(flow)
    marks: dict[tuple[str, str], int] = {}
    for p in accepted:
        for flow in writers.get(p.record.entity, ()):
            if _concerns(flow, p):
                marks[flow.name, p.record.id] = p.record.version
    return [(flow, record, version) for (flow, record), version in marks.items()]


def _concerns(flow: Flow, p: Proposal) -> bool:
    if flow.entity.role and flow.entity.role not in p.record.values.get("roles", ()):
        return False
    if p.flow is not None and flow.source_id == p.flow.source_id:
        return p.differs
    if p.envelope:
        return True
    return not flow.out_columns.isdisjoint(p.changes)
