"""One record as it was, and all that happened to it."""

from typing import Any

from sqlalchemy import Connection, select

from hub.entity import Entity
from hub.errors import NotFoundError
from hub.store.types import dump, load
from hub.sync import history
from hub.sync.flow import Env
from hub.sync.steward.record import find_id, head


def show_at(env: Env, entity: Entity, key: str, at: str) -> dict[str, Any]:
    """One record as of an instant: its fields, who had it, and what last happened to it."""
    with env.store.read() as connection:
        id_ = _find_id_at(env, connection, entity, key, at)
        lines = history.lines_of(connection, env.store, [id_], at=at).get(id_, [])
        sources = sources_of(env, connection)
    record = history.fold(env.store, lines)
    if record is None:
        raise NotFoundError(
            "{entity} {key!r} did not exist at {at}",
            entity=entity.name,
            key=key,
            at=at,
            hint="`hub history {entity} {key}` shows when it was made.",
        )
    rows = history.rows_of(lines)
    return {
        **head(entity, record),
        "at": at,
        "links": [
            {
                "connection": sources[source][0],
                "stream": sources[source][1],
                "external_id": external_id,
                "state": "active",
                "since": line.at,
            }
            for (source, external_id), line in rows.items()
        ],
        "journal": [line_json(line) for line in reversed(lines[-20:])],
    }


def line_json(line: history.Line) -> dict[str, Any]:
    return {
        "seq": line.seq,
        "at": line.at,
        "op": line.op,
        "origin": line.origin,
        "run": line.run_id,
        "version": line.version,
        "changes": line.changes,
    }


def timeline(env: Env, entity: Entity, key: str, limit: int) -> dict[str, Any]:
    """All that happened to a record, newest first: what, when, from where, why."""
    with env.store.read() as connection:
        id_ = find_id(env, connection, entity, key)
        lines = history.lines_of(connection, env.store, [id_]).get(id_, [])
        sources = sources_of(env, connection)
    names = entity.from_column
    shown = [
        {
            **line_json(line),
            "connection": sources[line.source_id][0] if line.source_id in sources else None,
            "external_id": line.external_id,
            "mapping_version": line.mapping_version,
            "source_at": line.source_at,
            "reason": line.reason,
            "changes": {names.get(c, c): pair for c, pair in line.changes.items()},
        }
        for line in reversed(lines[-limit:])
    ]
    return {"entity": entity.name, "id": id_, "lines": shown, "more": len(lines) > limit}


def sources_of(env: Env, connection: Connection) -> dict[int, tuple[str, str]]:
    """Source id → its connection and stream."""
    source = env.store.metadata.tables["source"]
    query = select(source.c.id, source.c.connection, source.c.stream)
    return {id_: (name, stream) for id_, name, stream in connection.execute(query)}


def _find_id_at(env: Env, connection: Connection, entity: Entity, key: str, at: str) -> str:
    """The id of the record with this code or id; else of the one that had the code then."""
    try:
        return find_id(env, connection, entity, key)
    except NotFoundError:
        id_ = _had_code(env, connection, entity, key, at)
        if id_ is None:
            raise
        return id_


def _had_code(env: Env, connection: Connection, entity: Entity, code: str, at: str) -> str | None:
    """The record that had this code at the instant, and has another now, or is gone."""
    log, column = env.store.metadata.tables["journal"], entity.column(entity.code)
    written = log.c.changes.contains(f"{dump(column)}:[", autoescape=True)
    named = log.c.changes.contains(f",{dump(code)}]", autoescape=True)
    query = (
        select(log.c.record_id, log.c.changes)
        .where(log.c.entity == entity.stored, log.c.at <= at, written, named)
        .order_by(log.c.seq.desc())
    )
    for record_id, changes in connection.execute(query):
        if load(changes).get(column, [None, None])[1] == code:
            return str(record_id)
    return None
