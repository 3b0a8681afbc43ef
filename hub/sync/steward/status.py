"""How it stands: every flow, what waits, what needs a person."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Text, func, select, type_coerce

from hub.entity import Entity
from hub.store.tables import stamp
from hub.sync.flow import Env, Flow
from hub.sync.steward.runs import run_view


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
    at = stamp(env.clock.now())
    return {"at": at, "flows": flows, "records": counts, "held_differently": held, **totals}


def _flow_status(env: Env, connection: Connection, flow: Flow) -> dict[str, Any]:
    tables = env.store.metadata.tables
    state, run, outbox = tables["flow_state"], tables["run"], tables["outbox"]
    row = connection.execute(select(state).where(state.c.flow == flow.name)).first()
    last = connection.execute(
        select(run)
        .where(run.c.flow == flow.name)
        .order_by(run.c.requested_at.desc(), run.c.id.desc())
    ).first()
    current = connection.execute(
        select(func.max(run.c.finished_at)).where(
            run.c.flow == flow.name, run.c.state.in_(("done", "partial"))
        )
    ).scalar_one()
    paused = orjson.loads(row.paused) if row is not None and row.paused else None
    return {
        "flow": flow.name,
        "connection": flow.connection,
        "stream": flow.stream.name,
        "entity": flow.entity.name,
        "direction": flow.settings.direction,
        "state": row.state if row is not None else "new",
        "last_run": run_view(env, last) if last is not None else None,
        "current_at": current,
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
