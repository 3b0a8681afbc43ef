"""What became of each run."""

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, select

from hub.sync.flow import Env


def run_json(env: Env, run_id: str) -> dict[str, Any]:
    run = env.store.metadata.tables["run"]
    with env.store.read() as connection:
        return run_view(env, connection.execute(select(run).where(run.c.id == run_id)).one())


def run_list(env: Env, flow: str | None, limit: int) -> list[dict[str, Any]]:
    run = env.store.metadata.tables["run"]
    query = select(run).order_by(run.c.requested_at.desc(), run.c.id.desc()).limit(limit)
    if flow:
        query = query.where(run.c.flow == flow)
    with env.store.read() as connection:
        return [run_view(env, row) for row in connection.execute(query)]


def run_view(env: Env, row: Row[Any]) -> dict[str, Any]:
    counts = orjson.loads(row.counts)
    written = counts.pop("written", {})
    for internal in ("changed", "sent", "total"):
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
