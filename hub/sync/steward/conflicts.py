"""Conflicts that wait for a person, and how they are decided."""

from typing import Any

from sqlalchemy import Connection, Row, select, update

from hub.entity import Entity, Field
from hub.errors import HubError, NotFoundError
from hub.store import records
from hub.store.records import Record
from hub.store.types import dump, load
from hub.sync import journal
from hub.sync.flow import Env
from hub.sync.journal import Proposal


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
    found = records.load(connection, env.store, entity.stored, [row.record_id])
    record = found.get(row.record_id)
    return _ours_in(entity, row, record) if record else load(row.ours)


def _ours_in(entity: Entity, row: Row[Any], record: Record) -> Any:
    top = _top(row.field)
    if top not in entity.field:
        return load(row.ours)
    value, below = record.values.get(entity.column(top)), row.field[len(top) :]
    return _found(entity.field[top], value, below)


def _top(path: str) -> str:
    return path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]


def _found(declared: Field, value: Any, path: str) -> Any:
    """What stands at the path below the value of a field: ".city", or "[2].qty" in a list."""
    if not path or value is None:
        return value
    if path.startswith("."):
        return value.get(path[1:])
    key, _, rest = path[1:].partition("]")
    item = next((i for i in value if str(i.get(declared.key)) == key), None)
    return _found(Field.object(key, declared.fields), item, rest)


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
        ours = dump(_ours_in(entity, row, record))  # what was decided against, should theirs win
        if row.kind == "delete":
            _resolve_delete(env, work, row, record, choice)
        else:
            _resolve_field(env, work, row, record, choice, value)
        work.connection.execute(
            update(table)
            .where(table.c.id == id_)
            .values(state="resolved", choice=choice, decided_by=by, decided_at=work.at, ours=ours)
        )
        return {**_conflict_json(row), "state": "resolved", "choice": choice}


def _resolve_field(
    env: Env, work: Any, row: Row[Any], record: Record, choice: str, value: Any
) -> None:
    entity, top = env.store.entities[row.entity], _top(row.field)
    theirs = load(row.theirs)
    chosen = theirs if choice == "theirs" else value
    column, declared = entity.column(top), entity.field.get(top)
    below = row.field[len(top) :]
    now = record.values.get(column)
    changes = {} if choice == "ours" else {column: _placed(declared, now, below, chosen)}
    _agree(work, row, top, declared, theirs)
    proposal = Proposal(record, entity, changes, reason=f"conflict {row.id}")
    refused = journal.apply(work, [proposal])
    if refused:
        raise HubError(
            "the value does not hold: {why}",
            why="; ".join(map(str, refused[0].problems)),
            hint="Give another value.",
        )
    journal.mark(work, [(row.flow, record.id, record.version)])


def _placed(declared: Field | None, value: Any, path: str, new: Any) -> Any:
    """The value of a field with *new* at the path below it: ".city", or "[2].qty" in a list."""
    if not path or declared is None:
        return new
    if path.startswith("."):
        name, parts = path[1:], dict(value or {})
        parts[name] = new
        return {k: v for k, v in parts.items() if v is not None} or None
    key, _, rest = path[1:].partition("]")
    items = []
    for item in value or []:
        if str(item.get(declared.key)) == key:
            placed = _placed(Field.object(key, declared.fields), item, rest, new)
            items += [placed] if placed else []
        else:
            items.append(item)
    return items or None


def _agree(work: Any, row: Row[Any], field: str, declared: Field | None, theirs: Any) -> None:
    """The base is now what they hold: the decision is an edit on top of it."""
    link = work.store.metadata.tables["link"]
    clause = (link.c.source_id == row.source_id, link.c.external_id == row.external_id)
    stored = work.connection.execute(select(link.c.id, link.c.shadow).where(*clause)).first()
    if stored is not None:
        shadow = load(stored.shadow) or {}
        base = _placed(declared, shadow.get(field), row.field[len(field) :], theirs)
        shadow = {**shadow, field: base}
        work.connection.execute(
            update(link).where(link.c.id == stored.id).values(shadow=dump(shadow), row_hash=None)
        )


def _resolve_delete(env: Env, work: Any, row: Row[Any], record: Record, choice: str) -> None:
    """theirs: it goes here too; ours: the link is dropped, and the record made there again."""
    link = work.store.metadata.tables["link"]
    clause = (link.c.source_id == row.source_id, link.c.external_id == row.external_id)
    if choice == "theirs":
        work.connection.execute(update(link).where(*clause).values(state="ghost"))
        gone = Proposal(
            record,
            env.store.entities[row.entity],
            op="archive",
            envelope={"active": False},
            source_id=row.source_id,
            external_id=row.external_id,
        )
        journal.apply(work, [gone])
        return
    work.connection.execute(link.delete().where(*clause))
    journal.apply(
        work,
        [
            Proposal(
                record,
                env.store.entities[row.entity],
                op="forget",
                source_id=row.source_id,
                external_id=row.external_id,
            )
        ],
    )
    journal.mark(work, [(row.flow, record.id, record.version)])
