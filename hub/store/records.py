"""Canonical records in their tables: load many, save many.

Only `hub.sync.journal` (the one door) saves.  `values` hold the stored entity's fields in normal
form, nulls left out; a custom field is the key "ext.<module>.<name>".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, select

from hub.entity import Entity, Field
from hub.store import bulk
from hub.store.among import among, among_folded
from hub.store.session import Store

IN_LIMIT = 1000


@dataclass(slots=True)
class Record:
    """One record as stored.  `version` 0: not stored yet."""

    id: str
    entity: str
    version: int = 0
    active: bool = True
    values: dict[str, Any] = field(default_factory=dict)
    created_at: str = ""
    created_by: str = ""
    updated_at: str = ""
    updated_by: str = ""
    deleted_at: str | None = None
    deletion_reason: str | None = None
    merged_into: str | None = None


ENVELOPE = tuple(name for name in Record.__dataclass_fields__ if name not in ("entity", "values"))


def load(
    connection: Connection, store: Store, entity: str, ids: Collection[str], *, lock: bool = False
) -> dict[str, Record]:
    """The records with these ids, by id; `lock` holds them until the transaction ends (PostgreSQL)."""
    table = store.tables[entity]
    found: dict[str, Record] = {}
    if not ids:
        return found
    query = select(table).where(among(table.c.id, ids))
    if lock and store.dialect == "postgresql":
        query = query.order_by(table.c.id).with_for_update()
    names = [column.name for column in table.columns]
    for row in connection.execute(query):
        record = _record(entity, names, row)
        found[record.id] = record
    for part in _lists(store, entity):
        _load_items(connection, store.tables[f"{entity}_{part.name}"], part, found)
    return found


def find(
    connection: Connection, store: Store, entity: Entity, name: str, values: Collection[str]
) -> dict[str, list[str]]:
    """Ids of the live records by lower-cased value of the view's field `name`, oldest first."""
    table = store.tables[entity.stored]
    column = table.c[entity.column(name)]
    found: dict[str, list[str]] = {}
    query = (
        select(column, table.c.id)
        .where(among_folded(column, values), table.c.deleted_at.is_(None))
        .order_by(table.c.id)
    )
    for value, record_id in connection.execute(query):
        found.setdefault(value.lower(), []).append(record_id)
    return found


def save(
    connection: Connection, store: Store, entity: str, records: Sequence[Record], *, new: bool
) -> None:
    """Write the records whole: insert when `new`, else replace."""
    if not records:
        return
    table, lists = store.tables[entity], _lists(store, entity)
    used = _columns_of(store, entity, records if new else None)
    columns = [*ENVELOPE, "ext", *used]
    rows = _rows(records, used)
    if new:
        bulk.insert(connection, table, columns, rows)
    else:
        bulk.upsert(connection, table, columns, rows, on=["id"], keep=["created_at", "created_by"])
    for part in lists:
        _save_items(connection, store.tables[f"{entity}_{part.name}"], part, records, new=new)


def chunks(things: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(things), IN_LIMIT):
        yield things[start : start + IN_LIMIT]


def _lists(store: Store, entity: str) -> list[Field]:
    return [f for f in store.entities[entity].fields if f.rows]


def _columns_of(store: Store, entity: str, records: Iterable[Record] | None) -> list[str]:
    """The value columns to write: those in use for an insert, all for a replacement."""
    names = [f.name for f in store.entities[entity].fields if not (f.rows or f.custom)]
    if records is None:
        return names
    used = _names(records)
    return [name for name in names if name in used]


def _names(records: Iterable[Record]) -> set[str]:
    used: set[str] = set()
    for record in records:
        used.update(record.values)
    return used


def _rows(records: Sequence[Record], used: Sequence[str]) -> list[tuple[Any, ...]]:
    custom = [(name, name[4:]) for name in sorted(_names(records)) if name.startswith("ext.")]
    rows = []
    for record in records:
        values = record.values
        ext = {short: values[name] for name, short in custom if name in values}
        rows.append(
            (
                record.id,
                record.version,
                record.active,
                record.created_at,
                record.created_by,
                record.updated_at,
                record.updated_by,
                record.deleted_at,
                record.deletion_reason,
                record.merged_into,
                ext or None,
                *map(values.get, used),
            )
        )
    return rows


def _record(entity: str, names: Sequence[str], row: Row[Any]) -> Record:
    values = {name: value for name, value in zip(names, row, strict=True) if value is not None}
    envelope = {name: values.pop(name, None) for name in ENVELOPE}
    values.update({f"ext.{key}": value for key, value in values.pop("ext", {}).items()})
    return Record(entity=entity, values=values, **envelope)


def _load_items(
    connection: Connection, table: Table, part: Field, found: Mapping[str, Record]
) -> None:
    names = [f.name for f in part.fields]
    query = (
        select(table)
        .where(among(table.c.record_id, found))
        .order_by(table.c.record_id, table.c.position)
    )
    for row in connection.execute(query):
        stored = row._mapping
        item = {name: stored[name] for name in names if stored[name] is not None}
        found[stored["record_id"]].values.setdefault(part.name, []).append(item)


def _save_items(
    connection: Connection, table: Table, part: Field, records: Sequence[Record], *, new: bool
) -> None:
    if not new:
        ids = {record.id for record in records}
        connection.execute(delete(table).where(among(table.c.record_id, ids)))
    items = [
        (record.id, position, item)
        for record in records
        for position, item in enumerate(record.values.get(part.name) or ())
    ]
    used: set[str] = set()
    for _, _, item in items:
        used.update(item)
    names = [f.name for f in part.fields if f.name in used]
    rows = [(id_, position, *map(item.get, names)) for id_, position, item in items]
    bulk.insert(connection, table, ["record_id", "position", *names], rows)
