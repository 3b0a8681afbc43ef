"""Duplicates as a person sees them: two records side by side, what speaks for one thing, and verdicts."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import count, islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, func, select

from hub import matching
from hub.entity import Entity
from hub.errors import BusyError, HubError, NotFoundError
from hub.matching import Score
from hub.store import records
from hub.store.records import Record
from hub.store.types import load
from hub.sync import duplicates
from hub.sync.duplicates.index import Progress
from hub.sync.flow import Env
from hub.sync.identity import merge_records, unmerge_records
from hub.sync.identity.survival import Choice, Side
from hub.sync.redirects import live_ids
from hub.sync.steward.record import find_id, merges_of

STATES = ("open", "later", "distinct", "merged")
ORDER = ("open", "later")
PAGE = 100
TRIES = 20
BETWEEN_TRIES = timedelta(seconds=0.5)
T = TypeVar("T")


# ------------------------------------------------------------------------------------------- queue


def duplicates_list(
    env: Env, entity: Entity | None, state: str, limit: int
) -> list[dict[str, Any]]:
    """Pairs in this state, the likeliest first."""
    with env.store.read() as connection:
        return [
            {**_pair_json(row), "left": _named(env, left), "right": _named(env, right)}
            for row, (left, right) in islice(_pairs(env, connection, entity, state), limit)
        ]


def _pairs(
    env: Env, connection: Connection, entity: Entity | None, state: str
) -> Iterator[tuple[Row[Any], tuple[Record, Record]]]:
    """Pairs of which no record was deleted since."""
    table = env.store.metadata.tables["match_candidate"]
    query = select(table).where(table.c.state == state).order_by(table.c.score.desc(), table.c.id)
    if entity is not None:
        query = query.where(table.c.entity == entity.stored)
    for start in count(0, PAGE):
        rows = connection.execute(query.limit(PAGE).offset(start)).all()
        for row in rows:
            sides = _sides(env, connection, row)
            if sides is not None:
                yield row, sides
        if len(rows) < PAGE:
            return


def _pair_json(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "entity": row.entity,
        "score": row.score,
        "state": row.state,
        "at": row.at,
        "decided_by": row.decided_by,
        "decided_at": row.decided_at,
    }


def _named(env: Env, record: Record) -> dict[str, Any]:
    """What people know a record by."""
    entity = env.store.entities[record.entity]
    codes = {e.column(e.code) for e in env.store.entities.values() if e.stored == entity.name} - {
        "name"
    }
    code = next((record.values[c] for c in sorted(codes) if record.values.get(c)), None)
    return {"id": record.id, "code": code, "name": record.values.get("name")}


def duplicates_next(env: Env, entity: Entity | None = None) -> dict[str, Any] | None:
    """The likeliest pair that waits for a word, those put off last; None when the queue is empty."""
    for state in ORDER:
        for found in duplicates_list(env, entity, state, 1):
            return duplicates_show(env, found["id"])
    return None


def duplicates_count(env: Env) -> dict[str, int]:
    """How many pairs are in each state."""
    table = env.store.metadata.tables["match_candidate"]
    query = select(table.c.state, func.count()).group_by(table.c.state)
    with env.store.read() as connection:
        found = {state: count for state, count in connection.execute(query)}
    return {state: found.get(state, 0) for state in STATES}


# ------------------------------------------------------------------------------------ side by side


def duplicates_show(env: Env, id_: str) -> dict[str, Any]:
    """A pair with both records field by field, who has them, and what speaks for and against."""
    table = env.store.metadata.tables["match_candidate"]
    with env.store.read() as connection:
        row = connection.execute(select(table).where(table.c.id == id_)).first()
        if row is None:
            raise NotFoundError(
                "there is no match candidate {id!r}", id=id_, hint="See `hub duplicates list`."
            )
        pair = _sides(env, connection, row)
        if pair is None:
            raise NotFoundError(
                "a record of the pair {id!r} was deleted", id=id_, hint="See `hub duplicates list`."
            )
        return {
            **_pair_json(row),
            **compared(env, connection, *pair),
            "explanation": load(row.explanation),
        }


def _sides(env: Env, connection: Connection, row: Row[Any]) -> tuple[Record, Record] | None:
    """The two records as they stand for now: one and the same, if they were merged; None when one
    of them was deleted."""
    ids = live_ids(connection, env.store, row.entity, [row.left_id, row.right_id])
    found = records.load(connection, env.store, row.entity, set(ids.values()))
    left, right = found.get(ids[row.left_id]), found.get(ids[row.right_id])
    if left is None or right is None or left.deleted_at or right.deleted_at:
        return None
    return left, right


def compared(env: Env, connection: Connection, left: Record, right: Record) -> dict[str, Any]:
    """Both records, the fields of either one by one, and where they differ."""
    entity = env.store.entities[left.entity]
    order = [f.name for f in entity.fields]
    names = {str(n) for n in (*left.values, *right.values)}
    listed = [n for n in order if n in names] + sorted(names.difference(order))
    return {
        "left": {**_named(env, left), "links": _links(env, connection, left.id)},
        "right": {**_named(env, right), "links": _links(env, connection, right.id)},
        "fields": [
            {
                "field": name,
                "left": left.values.get(name),
                "right": right.values.get(name),
                "differs": left.values.get(name) != right.values.get(name),
            }
            for name in listed
        ],
    }


def _links(env: Env, connection: Connection, record_id: str) -> list[dict[str, Any]]:
    link, source = (env.store.metadata.tables[n] for n in ("link", "source"))
    query = (
        select(source.c.connection, source.c.stream, link.c.external_id, link.c.state)
        .join(source, source.c.id == link.c.source_id)
        .where(link.c.record_id == record_id)
        .order_by(source.c.connection, source.c.stream, link.c.id)
    )
    return [
        {"connection": c, "stream": s, "external_id": e, "state": state}
        for c, s, e, state in connection.execute(query)
    ]


# --------------------------------------------------------------------------------------- decisions


def duplicates_decide(env: Env, id_: str, state: str, *, by: str) -> dict[str, Any]:
    """«not the same», «later», or open again."""
    with env.work("decide", by) as work:
        duplicates.decide(work, id_, state)
    return {"id": id_, "state": state}


def duplicates_merge(
    env: Env, id_: str, *, by: str, keep: str = "", choices: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Merge the two records of a pair."""
    shown = duplicates_show(env, id_)
    entity = env.store.entities[shown["entity"]]
    sides = {"left": shown["left"]["id"], "right": shown["right"]["id"]}
    return merge(
        env,
        entity,
        (sides["left"], sides["right"]),
        by=by,
        keep=sides.get(keep, keep),
        choices=choices,
    )


def merge(
    env: Env,
    entity: Entity,
    pair: tuple[str, str],
    *,
    by: str,
    keep: str = "",
    choices: Mapping[str, Any] | None = None,
    anyway: bool = False,
) -> dict[str, Any]:
    """Merge two records given by code or id; *choices*: field → one of the two, or {"value": …}."""
    with env.store.read() as connection:
        one, other = (_live(env, connection, entity, key) for key in pair)
        kept = _live(env, connection, entity, keep) if keep else ""
    if kept and kept not in (one, other):
        raise HubError(
            "{keep!r} is neither of the two", keep=keep, hint="Name one of the two to keep."
        )
    if choices and not kept:
        kept = one
    named = {pair[0]: one, pair[1]: other, one: one, other: other}
    chosen = _choices(entity, choices or {}, named, kept)
    done = _patiently(
        env,
        lambda: merge_records(
            env, entity, one, other, by=by, keep=kept, choices=chosen, anyway=anyway
        ),
    )
    return {
        "merge": done.merge_id,
        "entity": entity.name,
        "survivor": done.survivor,
        "loser": done.loser,
        "names": _names(env, entity, done.survivor, done.loser),
        "changes": done.changes,
        "reasons": dict(done.reasons),
        "links": len([k for k in done.links if k["record_id"] == done.loser]),
        "references": done.references,
    }


def _names(env: Env, entity: Entity, survivor: str, loser: str) -> dict[str, Any]:
    """What people know the two by."""
    with env.store.read() as connection:
        found = records.load(connection, env.store, entity.stored, [survivor, loser])
    return {"survivor": _named(env, found[survivor]), "loser": _named(env, found[loser])}


def _patiently(env: Env, act: Callable[[], T]) -> T:
    """Do it as soon as no worker is in the middle of reading or writing such records."""
    for _ in range(TRIES):
        try:
            return act()
        except BusyError:
            env.clock.sleep(BETWEEN_TRIES)
    return act()


def _live(env: Env, connection: Connection, entity: Entity, key: str) -> str:
    found = find_id(env, connection, entity, key)
    return live_ids(connection, env.store, entity.stored, [found])[found]


def _choices(
    entity: Entity, given: Mapping[str, Any], named: Mapping[str, str], survivor: str
) -> dict[str, Choice]:
    found = {}
    for name, choice in given.items():
        if name not in entity.field and name not in entity.from_column and name[:4] != "ext.":
            raise NotFoundError("{entity} has no field {name!r}", entity=entity.name, name=name)
        if isinstance(choice, Mapping):
            found[entity.column(name)] = Choice(None, choice.get("value"))
        elif choice in named:
            side: Side = "survivor" if named[choice] == survivor else "loser"
            found[entity.column(name)] = Choice(side)
        else:
            raise HubError(
                "{keep!r} is neither of the two", keep=choice, hint="Name one of the two."
            )
    return found


def unmerge(env: Env, entity: Entity, key: str, *, by: str, edits: Any = "auto") -> dict[str, Any]:
    """Take back the merge that ended the record with this code or id, or the last one into it."""
    with env.store.read() as connection:
        merge_id = _merge_of(env, connection, entity, key)
    done = _patiently(env, lambda: unmerge_records(env, merge_id, by=by, edits=edits))
    return {
        "merge": done.merge_id,
        "entity": entity.name,
        "survivor": done.survivor,
        "loser": done.loser,
        "names": _names(env, entity, done.survivor, done.loser),
        "restored": list(done.restored),
        "edits": [e.to_json() for e in done.edits],
        "links": done.links,
        "references": done.references,
    }


def _merge_of(env: Env, connection: Connection, entity: Entity, key: str) -> str:
    record_id = find_id(env, connection, entity, key)
    table = env.store.metadata.tables["record_merge"]
    query = select(table.c.id).where(table.c.loser_id == record_id, table.c.state == "merged")
    ended = connection.execute(query).scalars().first()
    if ended is not None:
        return str(ended)
    merges = merges_of(env, connection, record_id)
    if not merges:
        raise NotFoundError(
            "nothing was merged into {entity} {key!r}, nor it into another",
            entity=entity.name,
            key=key,
            hint="`hub show` of a record lists its merges.",
        )
    return str(merges[0]["merge"])


# ------------------------------------------------------------------------------------ scan and train


def duplicates_scan(env: Env, entity: Entity, progress: Progress) -> dict[str, Any]:
    """Compare all records of the entity with each other; how many pairs a person should see."""
    stored = _matched(env, entity)
    done = duplicates.scan(env, stored, progress)
    return {
        "entity": stored.name,
        "records": done.records,
        "compared": done.compared,
        "likely": done.likely,
        "raised": done.raised,
    }


def duplicates_train(
    env: Env, entity: Entity, progress: Progress, *, reset: bool = False
) -> dict[str, Any]:
    """Learn the weights from the hub's own records; *reset*: go back to the default ones."""
    stored = _matched(env, entity)
    if reset:
        with env.work("learn", "hub") as work:
            duplicates.forget(work, stored)
        weights = matching.default_weights(stored)
    else:
        weights = duplicates.learn(env, stored, progress)
    levels = {t.name: matching.LEVELS[t.kind] for t in stored.traits}
    return {
        "entity": stored.name,
        "auto": weights.auto,
        "review": weights.review,
        "learnt": dict(weights.learnt),
        "weights": {
            name: dict(zip(levels[name], (round(b, 2) for b in ws), strict=True))
            for name, ws in weights.by_trait.items()
        },
    }


def _matched(env: Env, entity: Entity) -> Entity:
    stored = env.store.entities[entity.stored]
    if not stored.traits:
        raise HubError(
            "{entity} has nothing to be compared by but its keys",
            entity=entity.name,
            hint="Records of it are matched by exact keys alone.",
        )
    return stored


def explain_pair(env: Env, entity: Entity, pair: tuple[str, str]) -> dict[str, Any]:
    """Two records given by code or id, side by side, with the score they have now."""
    stored = _matched(env, entity)
    with env.store.read() as connection:
        ids = [_live(env, connection, entity, key) for key in pair]
        found = records.load(connection, env.store, stored.name, ids)
        left, right = (found[i] for i in ids)
        score = _score(env, connection, stored, left, right)
        return {
            "entity": stored.name,
            **compared(env, connection, left, right),
            "score": score.bits,
            "explanation": score.to_json(),
        }


def _score(env: Env, connection: Connection, stored: Entity, left: Record, right: Record) -> Score:
    weights = duplicates.weights_of(connection, env.store, stored)
    ours, theirs = (matching.features(stored, r.values) for r in (left, right))
    return matching.score(stored, weights, ours, theirs)


def distinct(env: Env, entity: Entity, pair: tuple[str, str], *, by: str) -> dict[str, Any]:
    """Remember that two records, given by code or id, are not the same."""
    stored = env.store.entities[entity.stored]
    with env.work("decide", by) as work:
        one, other = (_live(env, work.connection, entity, key) for key in pair)
        if one == other:
            raise HubError("the two are one record already: {id}", id=one)
        found = records.load(work.connection, env.store, stored.name, [one, other])
        score = _score(env, work.connection, stored, found[one], found[other])
        id_ = duplicates.set_distinct(work, stored, one, other, score)
    return {"id": id_, "state": "distinct"}
