"""What a person sees of the engine, and what a person decides: every answer is plain JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection, Row, Text, func, select, type_coerce, update

from hub.entity import Entity
from hub.errors import HubError, NotFoundError, Problem
from hub.store import records
from hub.store.records import Record
from hub.store.types import dump, load
from hub.sync import journal, quarantine
from hub.sync.flow import Env, Flow, Run
from hub.sync.journal import Proposal
from hub.sync.match import find_by_code
from hub.sync.quarantine import Parked
from hub.sync.rows import decode, encode


class Taker(Protocol):
    """The jobs, as far as a person's decisions need them."""

    def take_parked(self, flow: Flow, entries: Sequence[Parked]) -> Run: ...


# ------------------------------------------------------------------------------------------ runs


def run_json(env: Env, run_id: str) -> dict[str, Any]:
    run = env.store.metadata.tables["run"]
    with env.store.read() as connection:
        return _run_json(env, connection.execute(select(run).where(run.c.id == run_id)).one())


def run_list(env: Env, flow: str | None, limit: int) -> list[dict[str, Any]]:
    run = env.store.metadata.tables["run"]
    query = select(run).order_by(run.c.requested_at.desc(), run.c.id.desc()).limit(limit)
    if flow:
        query = query.where(run.c.flow == flow)
    with env.store.read() as connection:
        return [_run_json(env, row) for row in connection.execute(query)]


def _run_json(env: Env, row: Row[Any]) -> dict[str, Any]:
    counts = orjson.loads(row.counts)
    written = counts.pop("written", {})
    for internal in ("changed", "total"):
        counts.pop(internal, None)
    flow = env.flows.get(row.flow)
    return {
        "run": row.id,
        "flow": row.flow,
        "direction": flow.settings.direction if flow else "",
        "state": row.state,
        "trigger": row.trigger,
        "full": row.full_read,
        **counts,
        "written": written,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "seconds": _seconds(row.started_at, row.finished_at),
        "mapping_version": row.mapping_version,
        "error": orjson.loads(row.error) if row.error else None,
    }


def _seconds(started: str | None, finished: str | None) -> float | None:
    if not started or not finished:
        return None
    span = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
    return round(span.total_seconds(), 3)


# ---------------------------------------------------------------------------------------- status


def status(env: Env, order: Sequence[str]) -> dict[str, Any]:
    """Every flow with its state, what waits and what needs a person; counts of records."""
    with env.store.read() as connection:
        flows = [_flow_status(env, connection, env.flows[name]) for name in order]
        counts = {
            name: _count_entity(env, connection, entity)
            for name, entity in env.store.entities.items()
            if any(f.entity.name == name for f in env.flows.values())
        }
        held = _held_differently(env, connection)
    totals = {
        key: sum(f[key] for f in flows) for key in ("outbox", "waiting", "quarantined", "conflicts")
    }
    return {"flows": flows, "records": counts, "held_differently": held, **totals}


def _flow_status(env: Env, connection: Connection, flow: Flow) -> dict[str, Any]:
    tables = env.store.metadata.tables
    state, run, outbox = tables["flow_state"], tables["run"], tables["outbox"]
    row = connection.execute(select(state).where(state.c.flow == flow.name)).first()
    last = connection.execute(
        select(run)
        .where(run.c.flow == flow.name)
        .order_by(run.c.requested_at.desc(), run.c.id.desc())
    ).first()
    paused = orjson.loads(row.paused) if row is not None and row.paused else None
    return {
        "flow": flow.name,
        "connection": flow.connection,
        "stream": flow.stream.name,
        "entity": flow.entity.name,
        "direction": flow.settings.direction,
        "state": row.state if row is not None else "new",
        "last_run": _run_json(env, last) if last is not None else None,
        "cursor_at": last.finished_at if last is not None else None,
        "next_due_at": row.next_at if row is not None else None,
        "paused_reason": paused if row is not None and row.state == "paused" else None,
        "outbox": _scalar(connection, outbox, outbox.c.flow == flow.name),
        "waiting": _parked(connection, tables["parked"], flow.name, "waiting"),
        "quarantined": _parked(connection, tables["parked"], flow.name, "quarantine"),
        "conflicts": _scalar(
            connection,
            tables["conflict"],
            tables["conflict"].c.flow == flow.name,
            tables["conflict"].c.state == "open",
        ),
    }


def _parked(connection: Connection, parked: Any, flow: str, kind: str) -> int:
    return _scalar(
        connection, parked, parked.c.flow == flow, parked.c.kind == kind, parked.c.state == "open"
    )


def _scalar(connection: Connection, table: Any, *clauses: Any) -> int:
    query = select(func.count()).select_from(table).where(*clauses)
    return int(connection.execute(query).scalar_one())


def _count_entity(env: Env, connection: Connection, entity: Entity) -> int:
    table = env.store.tables[entity.stored]
    query = select(func.count()).select_from(table).where(table.c.deleted_at.is_(None))
    if entity.role:
        roles = table.c.roles
        in_role = (
            type_coerce(roles, Text).like(f'%"{entity.role}"%')
            if env.store.dialect == "sqlite"
            else roles.op("?")(entity.role)
        )
        query = query.where(in_role)
    return int(connection.execute(query).scalar_one())


def _held_differently(env: Env, connection: Connection) -> int:
    """Links where the system spells some of our values in its own way."""
    link = env.store.metadata.tables["link"]
    return _scalar(connection, link, link.c.sent.is_not(None))


# ------------------------------------------------------------------------------------------ show


def show(env: Env, entity: Entity, key: str) -> dict[str, Any]:
    """One record by code or id: its fields, who has it, and what last happened to it."""
    tables = env.store.metadata.tables
    with env.store.read() as connection:
        record = _find(env, connection, entity, key)
        link, source, log = tables["link"], tables["source"], tables["journal"]
        links = connection.execute(
            select(link, source.c.connection, source.c.stream)
            .join(source, source.c.id == link.c.source_id)
            .where(link.c.record_id == record.id)
            .order_by(source.c.connection, source.c.stream)
        ).all()
        lines = connection.execute(
            select(log).where(log.c.record_id == record.id).order_by(log.c.seq.desc()).limit(20)
        ).all()
    view = {f.name: record.values.get(entity.column(f.name)) for f in entity.fields}
    ext = {k: v for k, v in record.values.items() if k.startswith("ext.")}
    return {
        "entity": entity.name,
        "id": record.id,
        "version": record.version,
        "active": record.active,
        "created_at": record.created_at,
        "created_by": record.created_by,
        "updated_at": record.updated_at,
        "updated_by": record.updated_by,
        "record": {k: v for k, v in {**view, **ext}.items() if v is not None},
        "links": [
            {
                "connection": r.connection,
                "stream": r.stream,
                "external_id": r.external_id,
                "state": r.state,
                "last_in_at": r.last_in_at,
                "last_out_at": r.last_out_at,
                "held_differently": load(r.sent) or {},
            }
            for r in links
        ],
        "journal": [
            {
                "seq": r.seq,
                "at": r.at,
                "op": r.op,
                "origin": r.origin,
                "run": r.run_id,
                "version": r.version,
                "changes": load(r.changes),
            }
            for r in lines
        ],
    }


def _find(env: Env, connection: Connection, entity: Entity, key: str) -> Record:
    ids = find_by_code(connection, env.store, entity, [key], entity.code)
    by_code = ids.get(key)
    found = records.load(connection, env.store, entity.stored, [by_code or key])
    if not found:
        raise NotFoundError(
            "there is no {entity} with code or id {key!r}",
            entity=entity.name,
            key=key,
            hint="`hub quarantine list` and `hub status` show what did not arrive.",
        )
    return next(iter(found.values()))


# ------------------------------------------------------------------------------------ quarantine


def quarantine_list(
    env: Env, flow: str | None, code: str | None, limit: int
) -> list[dict[str, Any]]:
    """What is set aside, oldest first, waiting rows included."""
    table = env.store.metadata.tables["parked"]
    query = select(table).where(table.c.state == "open").order_by(table.c.since, table.c.id)
    if flow:
        query = query.where(table.c.flow == flow)
    if code:
        query = query.where(table.c.problems.like(f'%"code":"{code}"%'))
    with env.store.read() as connection:
        return [_parked_json(row) for row in connection.execute(query.limit(limit))]


def quarantine_show(env: Env, id_: str) -> dict[str, Any]:
    """One entry with its row as it was read."""
    row = _parked_row(env, id_)
    return {**_parked_json(row), "row": orjson.loads(row.row) if row.row else None}


def quarantine_fix(
    env: Env, jobs: Taker, id_: str, changes: Mapping[str, Any], *, by: str
) -> dict[str, Any]:
    """Take the row again with these columns set; the source itself is not touched."""
    row = _parked_row(env, id_)
    if row.direction == "out":
        raise HubError(
            "entry {id!r} is a write that {flow!r} refused; there is no row to correct",
            id=id_,
            flow=row.flow,
            hint="Correct the record in its own system, then replay the entry.",
        )
    entry = quarantine.entry_of(row._asdict())
    corrected = {**decode(entry.row), **changes}
    entry.row = encode(corrected)
    before = entry.row_hash
    done = _taken(env, jobs, row.flow, [entry])
    if done.get("quarantined") or done.get("waiting"):
        return {"id": id_, "fixed": False, "counts": done}
    _keep_fix(env, row, before, by)
    return {"id": id_, "fixed": True, "counts": done}


def _keep_fix(env: Env, row: Row[Any], row_hash: str, by: str) -> None:
    """The source still gives the uncorrected row: remember that it is dealt with as it is."""
    table, link = env.store.metadata.tables["parked"], env.store.metadata.tables["link"]
    flow = env.flows[row.flow]
    with env.work("fix", by) as work:
        work.connection.execute(
            update(table)
            .where(table.c.id == row.id)
            .values(state="fixed", decided_by=by, last_at=work.at)
        )
        work.connection.execute(
            update(link)
            .where(link.c.source_id == flow.source_id, link.c.external_id == row.external_id)
            .values(row_hash=row_hash)
        )


def quarantine_replay(
    env: Env, jobs: Taker, ids: Sequence[str], flow: str | None
) -> dict[str, int]:
    """Take the entries again under the current mapping; what became of them."""
    table = env.store.metadata.tables["parked"]
    query = select(table).where(table.c.state == "open").order_by(table.c.id)
    query = query.where(table.c.id.in_(list(ids))) if ids else query
    query = query.where(table.c.flow == flow) if flow else query
    with env.store.read() as connection:
        rows = connection.execute(query).all()
    missing = set(ids) - {row.id for row in rows}
    if missing:
        raise NotFoundError("there is no open entry {id!r}", id=min(missing))
    total: dict[str, int] = {}
    for name in sorted({row.flow for row in rows}):
        inward = [
            quarantine.entry_of(r._asdict())
            for r in rows
            if r.flow == name and r.direction == "in" and not r.external_id.startswith("?")
        ]
        outward = [r for r in rows if r.flow == name and r.direction == "out"]
        for key, count in _taken(env, jobs, name, inward).items():
            total[key] = total.get(key, 0) + count
        _mark_again(env, name, outward)
        total["marked"] = total.get("marked", 0) + len(outward)
    return total


def _taken(env: Env, jobs: Taker, name: str, entries: Sequence[Parked]) -> dict[str, int]:
    flow = env.flows.get(name)
    if flow is None or not entries:
        return {}
    run = jobs.take_parked(flow, entries)
    return {k: v for k, v in run.counts.by.items() if v}


def _mark_again(env: Env, flow: str, rows: Sequence[Row[Any]]) -> None:
    if not rows:
        return
    with env.work("replay", "hub") as work:
        outbox, intent = work.store.metadata.tables["outbox"], work.store.metadata.tables["intent"]
        ids = [row.record_id for row in rows]
        work.connection.execute(
            update(outbox)
            .where(outbox.c.flow == flow, outbox.c.record_id.in_(ids))
            .values(state="due", due_at=work.at, attempts=0)
        )
        work.connection.execute(
            update(intent)
            .where(
                intent.c.flow == flow,
                intent.c.record_id.in_(ids),
                intent.c.state == "open",
                intent.c.external_id == "",
            )
            .values(state="unknown-resolved", settled_at=work.at)
        )


def quarantine_dismiss(env: Env, ids: Sequence[str], reason: str, *, by: str) -> int:
    """Leave these rows out, as they are, for good; a row that changes comes back."""
    table = env.store.metadata.tables["parked"]
    with env.work("dismiss", by) as work:
        done = work.connection.execute(
            update(table)
            .where(table.c.id.in_(list(ids)), table.c.state == "open")
            .values(state="dismissed", decided_by=by, reason=reason, last_at=work.at)
        )
        return done.rowcount


def _parked_row(env: Env, id_: str) -> Row[Any]:
    table = env.store.metadata.tables["parked"]
    with env.store.read() as connection:
        row = connection.execute(select(table).where(table.c.id == id_)).first()
    if row is None:
        raise NotFoundError(
            "there is no entry {id!r} in quarantine", id=id_, hint="See `hub quarantine list`."
        )
    return row


def _parked_json(row: Row[Any]) -> dict[str, Any]:
    problems = [Problem.from_json(p) for p in orjson.loads(row.problems)]
    return {
        "id": row.id,
        "flow": row.flow,
        "direction": row.direction,
        "kind": row.kind,
        "state": row.state,
        "external_id": "" if row.external_id.startswith("?") else row.external_id,
        "record_id": row.record_id,
        "place": row.place,
        "since": row.since,
        "problems": [{**p.to_json(), "text": str(p)} for p in problems],
    }


# ------------------------------------------------------------------------------------- conflicts


def conflicts_list(env: Env, limit: int) -> list[dict[str, Any]]:
    """Open conflicts, oldest first: field, base, ours, theirs, and whose it is."""
    table = env.store.metadata.tables["conflict"]
    query = select(table).where(table.c.state == "open").order_by(table.c.at, table.c.id)
    with env.store.read() as connection:
        rows = connection.execute(query.limit(limit)).all()
        return [{**_conflict_json(row), "ours": _ours_now(env, connection, row)} for row in rows]


def _ours_now(env: Env, connection: Connection, row: Row[Any]) -> Any:
    """What the hub has now in the field of an open conflict."""
    entity = env.store.entities[row.entity]
    if row.field not in entity.field:
        return load(row.ours)
    found = records.load(connection, env.store, entity.stored, [row.record_id])
    record = found.get(row.record_id)
    return record.values.get(entity.column(row.field)) if record else load(row.ours)


def _conflict_json(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "entity": row.entity,
        "record_id": row.record_id,
        "field": row.field,
        "flow": row.flow,
        "external_id": row.external_id,
        "base": load(row.base),
        "ours": load(row.ours),
        "theirs": load(row.theirs),
        "at": row.at,
        "state": row.state,
    }


def conflict_resolve(env: Env, id_: str, choice: str, value: Any, *, by: str) -> dict[str, Any]:
    """Decide: keep ours, take theirs, or a third value.  Both sides are then brought to it."""
    table = env.store.metadata.tables["conflict"]
    with env.work("decide", by) as work:
        row = work.connection.execute(select(table).where(table.c.id == id_)).first()
        if row is None or row.state != "open":
            raise NotFoundError(
                "there is no open conflict {id!r}", id=id_, hint="See `hub conflicts list`."
            )
        entity = env.store.entities[row.entity]
        record = records.load(work.connection, work.store, entity.stored, [row.record_id])[
            row.record_id
        ]
        if row.kind == "delete":
            _resolve_delete(env, work, row, record, choice)
        else:
            _resolve_field(env, work, row, record, choice, value)
        work.connection.execute(
            update(table)
            .where(table.c.id == id_)
            .values(state="resolved", choice=choice, decided_by=by, decided_at=work.at)
        )
        return {**_conflict_json(row), "state": "resolved", "choice": choice}


def _resolve_field(
    env: Env, work: Any, row: Row[Any], record: Record, choice: str, value: Any
) -> None:
    entity, top = env.store.entities[row.entity], row.field.split(".")[0].split("[")[0]
    theirs = load(row.theirs)
    chosen = theirs if choice == "theirs" else value
    changes = {} if choice == "ours" else {entity.column(top): chosen}
    _agree(work, row, top, theirs)
    proposal = Proposal(record, entity, changes)
    refused = journal.apply(work, [proposal])
    if refused:
        raise HubError(
            "the value does not hold: {why}",
            why="; ".join(map(str, refused[0].problems)),
            hint="Give another value.",
        )
    journal.mark(work, [(row.flow, record.id, record.version)])


def _agree(work: Any, row: Row[Any], field: str, theirs: Any) -> None:
    """The base is now what they hold: the decision is an edit on top of it."""
    if row.field != field:
        return
    link = work.store.metadata.tables["link"]
    clause = (link.c.source_id == row.source_id, link.c.external_id == row.external_id)
    stored = work.connection.execute(select(link.c.id, link.c.shadow).where(*clause)).first()
    if stored is not None:
        shadow = {**(load(stored.shadow) or {}), field: theirs}
        work.connection.execute(
            update(link).where(link.c.id == stored.id).values(shadow=dump(shadow), row_hash=None)
        )


def _resolve_delete(env: Env, work: Any, row: Row[Any], record: Record, choice: str) -> None:
    """theirs: it goes here too; ours: the link is dropped, and the record made there again."""
    link = work.store.metadata.tables["link"]
    clause = (link.c.source_id == row.source_id, link.c.external_id == row.external_id)
    if choice == "theirs":
        work.connection.execute(update(link).where(*clause).values(state="ghost"))
        journal.apply(
            work,
            [
                Proposal(
                    record, env.store.entities[row.entity], op="archive", envelope={"active": False}
                )
            ],
        )
        return
    work.connection.execute(link.delete().where(*clause))
    journal.apply(
        work,
        [
            Proposal(
                record,
                env.store.entities[row.entity],
                op="unlink",
                source_id=row.source_id,
                external_id=row.external_id,
            )
        ],
    )
    journal.mark(work, [(row.flow, record.id, record.version)])
