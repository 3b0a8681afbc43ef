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
from hub.sync.redirects import live_ids


def show(env: Env, entity: Entity, key: str) -> dict[str, Any]:
    """One record by code or id: its fields, who has it, and what last happened to it."""
    tables = env.store.metadata.tables
    with env.store.read() as connection:
        asked_for = find_id(env, connection, entity, key)
        record = get_record(env, connection, entity, asked_for)
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
        merges = merges_of(env, connection, record.id)
    return {
        **head(entity, record),
        "asked_for": asked_for,
        "merges": merges,
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


def head(entity: Entity, record: Record) -> dict[str, Any]:
    """The record's own values and envelope."""
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
    }


def find_id(env: Env, connection: Connection, entity: Entity, key: str) -> str:
    """The id of the record with this code or id, whether or not it was merged away since.

    A code that a live record has is that one's; only then, one that was merged away.
    """
    by_code = find_by_code(connection, env.store, entity, [key], entity.code).get(key)
    if by_code is not None:
        table, column = env.store.tables[entity.stored], entity.column(entity.code)
        own = select(table.c.id).where(table.c[column] == key, table.c.merged_into.is_not(None))
        is_live = records.load(connection, env.store, entity.stored, [by_code])[by_code].values
        if is_live.get(column) == key:
            return by_code
        return str(connection.execute(own).scalars().first() or by_code)
    if not records.load(connection, env.store, entity.stored, [key]):
        raise NotFoundError(
            "there is no {entity} with code or id {key!r}",
            entity=entity.name,
            key=key,
            hint="`hub quarantine list` and `hub status` show what did not arrive.",
        )
    return key


def get_record(env: Env, connection: Connection, entity: Entity, record_id: str) -> Record:
    """The record that the id stands for now."""
    live = live_ids(connection, env.store, entity.stored, [record_id])[record_id]
    return records.load(connection, env.store, entity.stored, [live])[live]


def merges_of(env: Env, connection: Connection, record_id: str) -> list[dict[str, Any]]:
    """The merges that made the record and were not taken back, latest first."""
    table = env.store.metadata.tables["record_merge"]
    query = (
        select(table.c.id, table.c.loser_id, table.c.at, table.c.by)
        .where(table.c.survivor_id == record_id, table.c.state == "merged")
        .order_by(table.c.at.desc(), table.c.id.desc())
    )
    return [
        {"merge": row.id, "loser": row.loser_id, "at": row.at, "by": row.by}
        for row in connection.execute(query)
    ]
