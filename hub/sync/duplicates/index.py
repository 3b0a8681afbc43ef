"""What every record is compared by, in two tables that follow the journal.

It is brought up when somebody wants to compare, not when records are written: a first load into an
empty hub pays nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select

from hub import matching
from hub.entity import Entity
from hub.matching import Features, Weights
from hub.store import bulk, records
from hub.store.records import chunks
from hub.store.session import Store
from hub.store.types import dump, load
from hub.sync.flow import Env, Work

Progress = Callable[[Mapping[str, Any]], None]
PORTION = 1000
LATE = 2000
"""On PostgreSQL a transaction may commit a journal row behind a later one: so far back is looked."""
MAX_BLOCK = 100
"""A key that more records share says nothing: it is passed over."""


@dataclass(frozen=True, slots=True)
class Known:
    """An indexed record."""

    id: str
    features: Features
    keys: Sequence[int]


def catch_up(env: Env, entity: Entity, progress: Progress = lambda event: None) -> None:
    """Index what was changed since the last time; each portion is a transaction of its own."""
    if not _is_behind(env, entity):
        return
    done = 0
    while True:
        with env.work("index", "hub") as work:
            count, rest = _portion(work, entity)
        done += count
        if not rest:
            return
        progress({"flow": entity.name, "phase": "index", "done": done, "total": None})


def _is_behind(env: Env, entity: Entity) -> bool:
    """Whether anything was journaled since the index was brought up last."""
    state, log = env.store.metadata.tables["match_state"], env.store.metadata.tables["journal"]
    with env.store.read() as connection:
        seq = connection.execute(select(state.c.seq).where(state.c.entity == entity.name)).scalar()
        return seq is None or seq < (connection.execute(select(func.max(log.c.seq))).scalar() or 0)


def _portion(work: Work, entity: Entity) -> tuple[int, bool]:
    """Index the next records; how many, and whether there may be more."""
    state, log = work.store.metadata.tables["match_state"], work.store.metadata.tables["journal"]
    query = select(state.c.seq).where(state.c.entity == entity.name).with_for_update()
    seq = work.connection.execute(query).scalar()
    if seq is None:
        values = {"entity": entity.name, "seq": 0}
        work.connection.execute(state.insert().values(**values))
    begin = max(0, (seq or 0) - (LATE if work.store.dialect == "postgresql" else 0))
    head = work.connection.execute(select(func.max(log.c.seq))).scalar() or 0
    rows = work.connection.execute(
        select(log.c.seq, log.c.record_id, log.c.version)
        .where(log.c.seq > begin, log.c.entity == entity.name)
        .order_by(log.c.seq)
        .limit(PORTION + (seq or 0) - begin)
    ).all()
    more = len(rows) == PORTION + (seq or 0) - begin
    count = refresh(work, entity, _stale(work, {row.record_id: row.version for row in rows}))
    reached = rows[-1].seq if more else head
    work.connection.execute(
        state.update().where(state.c.entity == entity.name).values(seq=max(reached, seq or 0))
    )
    return count, more


def _stale(work: Work, versions: Mapping[str, int]) -> list[str]:
    """Those of the records that are not indexed at their latest version."""
    table = work.store.metadata.tables["match_feature"]
    known: dict[str, int] = {}
    for some in chunks(sorted(versions)):
        query = select(table.c.record_id, table.c.version).where(table.c.record_id.in_(some))
        known.update({i: version for i, version in work.connection.execute(query)})
    return [i for i, version in versions.items() if known.get(i, -1) < version]


def refresh(work: Work, entity: Entity, record_ids: Collection[str]) -> int:
    """Index these records as they are now; those that are deleted or merged away are dropped."""
    key, feature = (work.store.metadata.tables[n] for n in ("match_key", "match_feature"))
    for some in chunks(sorted(record_ids)):
        for table in (key, feature):
            work.connection.execute(delete(table).where(table.c.record_id.in_(some)))
    found = records.load(work.connection, work.store, entity.name, record_ids)
    key_rows, feature_rows = [], []
    for record in found.values():
        if record.deleted_at:
            continue
        traits = matching.features(entity, record.values)
        keys = matching.keys(entity, traits)
        key_rows += [(k, record.id) for k in keys]
        feature_rows.append((record.id, entity.name, record.version, dump(keys), dump(traits)))
    bulk.insert(work.connection, key, ("key", "record_id"), key_rows)
    columns = ("record_id", "entity", "version", "keys", "features")
    bulk.insert(work.connection, feature, columns, feature_rows)
    return len(record_ids)


def sharing(work: Work, keys: Collection[int]) -> dict[int, list[str]]:
    """key → the records that have it, for keys that few enough do."""
    table = work.store.metadata.tables["match_key"]
    found: dict[int, list[str]] = {}
    wanted = sorted(keys)
    for start in range(0, len(wanted), records.IN_LIMIT):
        few = (
            select(table.c.key)
            .where(table.c.key.in_(wanted[start : start + records.IN_LIMIT]))
            .group_by(table.c.key)
            .having(func.count() <= MAX_BLOCK)
            .subquery()
        )
        query = select(table.c.key, table.c.record_id).join(few, few.c.key == table.c.key)
        for key, record_id in work.connection.execute(query):
            found.setdefault(key, []).append(record_id)
    return found


def known(work: Work, record_ids: Collection[str]) -> dict[str, Known]:
    """The indexed records with these ids."""
    table = work.store.metadata.tables["match_feature"]
    found: dict[str, Known] = {}
    for some in chunks(sorted(record_ids)):
        query = select(table.c.record_id, table.c.features, table.c["keys"]).where(
            table.c.record_id.in_(some)
        )
        for record_id, features, keys in work.connection.execute(query):
            found[record_id] = Known(record_id, load(features), load(keys))
    return found


def weights_of(connection: Connection, store: Store, entity: Entity) -> Weights:
    """The weights learnt for this entity, or the default ones."""
    table = store.metadata.tables["match_state"]
    query = select(table.c.weights).where(table.c.entity == entity.name)
    stored = connection.execute(query).scalar()
    if not stored:
        return matching.default_weights(entity)
    return Weights.from_json(entity, load(stored))


def save_weights(work: Work, entity: Entity, weights: Weights) -> None:
    _save(work, entity, weights=dump(weights.to_json()), trained_at=work.at)


def forget(work: Work, entity: Entity) -> None:
    """Go back to the default weights."""
    _save(work, entity, weights=None, trained_at=None)


def _save(work: Work, entity: Entity, **values: str | None) -> None:
    table = work.store.metadata.tables["match_state"]
    work.connection.execute(table.update().where(table.c.entity == entity.name).values(**values))
