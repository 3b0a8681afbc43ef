"""What is set aside, and what a person decides about it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from sqlalchemy import Row, select, update

from hub.errors import HubError, NotFoundError, Problem
from hub.sync import quarantine
from hub.sync.flow import Env, Flow, Run
from hub.sync.quarantine import Parked
from hub.sync.rows import decode, encode


class Taker(Protocol):
    """The jobs, as far as a person's decisions need them."""

    def take_parked(self, flow: Flow, entries: Sequence[Parked]) -> Run: ...


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
