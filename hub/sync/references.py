"""References between records: external ids on the way in, record ids inside, external ids on the way out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from hub.errors import Problem
from hub.mapping import Ref
from hub.store import records
from hub.store.types import dump, load
from hub.sync import journal
from hub.sync.flow import Env, Flow, Work
from hub.sync.incoming import Incoming, Taken
from hub.sync.links import keys_of_records, records_of_keys
from hub.sync.match import find_by_code
from hub.sync.outgoing import Mark


def resolve(env: Env, work: Work, flow: Flow, rows: Sequence[Incoming], taken: Taken) -> None:
    """Turn the external ids that the rows refer to into record ids; a row that cannot go on says why."""
    refs = flow.mapping.refs
    slots = [(row, ref, slot) for row in rows for ref in refs for slot in _slots(row, ref)]
    by_link = [(r, ref, s, env.source_of(flow, ref)) for r, ref, s in slots]
    keys = {(src, s.value) for _, ref, s, src in by_link if src is not None and not ref.by}
    found = records_of_keys(work.connection, work.store, keys)
    codes = _codes(work, by_link)
    for row, ref, slot, src in by_link:
        if ref.by:
            record_id = codes[ref.entity, ref.by].get(slot.value)
        else:
            record_id = found.get((src, slot.value)) if src is not None else None
        if record_id:
            slot.container[slot.key] = record_id
        else:
            _miss(row, ref, slot, src, taken)


def _codes(
    work: Work, slots: Iterable[tuple[Incoming, Ref, "_Slot", int | None]]
) -> dict[tuple[str, str], dict[str, str]]:
    wanted: dict[tuple[str, str], set[str]] = {}
    for _, ref, slot, _ in slots:
        if ref.by:
            wanted.setdefault((ref.entity, ref.by), set()).add(slot.value)
    return {
        (entity, by): find_by_code(
            work.connection, work.store, work.store.entities[entity], values, by
        )
        for (entity, by), values in wanted.items()
    }


def _miss(row: Incoming, ref: Ref, slot: "_Slot", source_id: int | None, taken: Taken) -> None:
    field_name = ".".join(ref.path)
    if source_id is None or ref.by:
        row.problems.append(
            Problem(
                "unknown-reference",
                "no {entity} is known as {value!r}",
                field=field_name,
                value=slot.value,
                values={"entity": ref.entity},
                hint="Create it in the hub, or add a flow that brings it in.",
            )
        )
        return
    if row.waits is None:
        row.waits = (source_id, slot.value)
        row.problems.append(
            Problem(
                "waiting",
                "waits for {entity} {value!r}",
                field=field_name,
                value=slot.value,
                values={"entity": ref.entity},
                hint="It goes on by itself when that row arrives.",
            )
        )
    taken.missing.setdefault(source_id, set()).add(slot.value)


@dataclass(slots=True)
class _Slot:
    container: Any
    key: Any
    value: str


def _slots(row: Incoming, ref: Ref) -> list[_Slot]:
    """The places in the row's values where the reference stands, with its external id."""
    return [
        _Slot(container, key, container[key])
        for container, key in walk(row.values, ref.path)
        if container[key] not in (None, "")
    ]


def hold_back(env: Env, work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
    """Hold back the marks whose references have no row there yet, and ask for those rows first."""
    wanted: set[tuple[int, str]] = set()
    uses: list[tuple[Mark, Ref, int, str]] = []
    for m in marks:
        for ref in flow.mapping.refs:
            source_id = None if ref.by else env.source_of(flow, ref)
            for container, key in walk(m.sent, ref.path):
                if source_id is not None and container[key]:
                    uses.append((m, ref, source_id, container[key]))
                    wanted.add((source_id, container[key]))
                elif not ref.by and container[key]:
                    _unreachable(m, ref, container[key])
    known = keys_of_records(work.connection, work.store, wanted)
    asked: list[tuple[str, str, int]] = []
    for m, ref, source_id, record_id in uses:
        if (source_id, record_id) in known:
            continue
        writers = [f for f in env.flows.values() if f.source_id == source_id and f.settings.writes]
        if not writers:
            _unreachable(m, ref, record_id)
            continue
        m.waits_for = record_id
        asked += [(other.name, record_id, 0) for other in writers]
    _ask(work, asked)


def _unreachable(m: Mark, ref: Ref, record_id: str) -> None:
    m.outcome = "rejected"
    m.problem = Problem(
        "unknown-reference",
        "the {entity} {value!r} has no row in this system, and no flow creates one",
        field=".".join(ref.path),
        value=record_id,
        values={"entity": ref.entity},
        hint="Add a flow that writes it there, or link it by hand.",
    )


def _ask(work: Work, asked: Iterable[tuple[str, str, int]]) -> None:
    """Mark referred records that are not marked yet; those that are keep their place."""
    outbox = work.store.metadata.tables["outbox"]
    for flow, record_id, _ in sorted(set(asked)):
        there = select(outbox.c.flow).where(outbox.c.flow == flow, outbox.c.record_id == record_id)
        if work.connection.execute(there).first() is None:
            journal.mark(work, [(flow, record_id, 0)])


def external_ids(work: Work, flow: Flow, marks: Sequence[Mark]) -> Mapping[str, str]:
    """record id → what the system calls it, for all references of these marks."""
    wanted: set[str] = set()
    coded: dict[tuple[str, str], set[str]] = {}
    for m in marks:
        for ref in flow.mapping.refs:
            for container, key in walk(m.sent, ref.path):
                if not container[key]:
                    continue
                if ref.by:
                    coded.setdefault((ref.entity, ref.by), set()).add(container[key])
                else:
                    wanted.add(container[key])
    found = _keys_in_connection(work, flow, wanted)
    for (entity, by), ids in coded.items():
        declared = work.store.entities[entity]
        for record in records.load(work.connection, work.store, declared.stored, ids).values():
            found[record.id] = str(record.values.get(declared.column(by), ""))
    return found


def _keys_in_connection(work: Work, flow: Flow, ids: Collection[str]) -> dict[str, str]:
    sources = {f.source_id for f in work.flows if f.connection == flow.connection}
    wanted = [(source_id, i) for source_id in sources for i in ids]
    found = keys_of_records(work.connection, work.store, wanted)
    return {record_id: external_id for (_, record_id), external_id in found.items()}


def with_keys(flow: Flow, sent: Mapping[str, Any], external: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the values with references as external ids."""
    if not flow.mapping.refs:
        return dict(sent)
    values: dict[str, Any] = load(dump(sent))
    for ref in flow.mapping.refs:
        for container, key in walk(values, ref.path):
            if container[key]:
                container[key] = external.get(container[key])
    return values


def walk(values: Any, path: Sequence[str]) -> list[tuple[Any, Any]]:
    """(container, key) of every place the path leads to; `*` stands for every item of a list."""
    here = [values]
    for step in path[:-1]:
        if step == "*":
            here = [item for some in here for item in some]
        else:
            here = [c[step] for c in here if isinstance(c, dict) and c.get(step) is not None]
    last = path[-1]
    return [(c, last) for c in here if isinstance(c, dict) and last in c]
