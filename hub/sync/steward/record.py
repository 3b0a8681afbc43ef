"""One record: its fields, who has it, and what last happened to it."""

from typing import Any

from sqlalchemy import Connection, select

from hub.entity import Entity
from hub.errors import NotFoundError
from hub.store import records
from hub.store.records import Record
from hub.store.types import load
from hub.sync.flow import Env
from hub.sync.match import find_by_code


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
