"""Pairs of records that may be one thing: raised once, decided by a person, and never forgotten.

A verdict holds for the two records, for those they were merged into since, and, where the records
were made anew from their systems, for the rows they came from.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import or_, select, update

from hub.entity import Entity
from hub.errors import NotFoundError
from hub.matching import Score
from hub.store import bulk
from hub.store.records import chunks
from hub.store.types import dump
from hub.sync.flow import Work
from hub.sync.redirects import live_ids

Pair = tuple[str, str]
"""Two record ids, the lesser one first."""
COLUMNS = (
    "id", "entity", "left_id", "right_id", "score", "explanation", "state", "at", "run_id",
)  # fmt: skip


def pair_of(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)


def save_pairs(work: Work, entity: Entity, found: Mapping[Pair, Score]) -> int:
    """Raise the pairs that nobody raised before; how many there are."""
    rows = [
        (
            id_,
            entity.name,
            left,
            right,
            score.bits,
            dump(score.to_json()),
            "open",
            work.at,
            work.run_id,
        )
        for ((left, right), score), id_ in zip(
            sorted(found.items()), work.ids.batch(len(found)), strict=True
        )
    ]
    table = work.store.metadata.tables["match_candidate"]
    on = ("left_id", "right_id")
    bulk.upsert(work.connection, table, COLUMNS, rows, on=on, keep=COLUMNS)
    return len(rows)


def states(work: Work, stored: str, record_ids: Collection[str]) -> dict[Pair, str]:
    """The state of every pair that was raised of these records, or of what was merged into them."""
    table = work.store.metadata.tables["match_candidate"]
    members = _members(work, record_ids)
    rows: list[Any] = []
    for some in chunks(sorted(members)):
        query = select(table.c.left_id, table.c.right_id, table.c.state).where(
            or_(table.c.left_id.in_(some), table.c.right_id.in_(some))
        )
        rows += work.connection.execute(query)
    ends = {i for row in rows for i in (row.left_id, row.right_id)}
    live = live_ids(work.connection, work.store, stored, ends)
    found: dict[Pair, str] = {}
    for row in rows:
        pair = pair_of(live[row.left_id], live[row.right_id])
        if found.get(pair) != "distinct":
            found[pair] = row.state
    return found


def _members(work: Work, record_ids: Collection[str]) -> set[str]:
    """The records, and those that were merged into them."""
    table = work.store.metadata.tables["record_merge"]
    found, ahead = set(record_ids), set(record_ids)
    while ahead:
        more: set[str] = set()
        for some in chunks(sorted(ahead)):
            query = select(table.c.loser_id).where(
                table.c.survivor_id.in_(some), table.c.state == "merged"
            )
            more.update(row[0] for row in work.connection.execute(query))
        ahead = more - found
        found |= ahead
    return found


# --------------------------------------------------------------------------------------- verdicts


def set_distinct(work: Work, entity: Entity, one: str, other: str, score: Score) -> str:
    """Remember that the two are not the same; the id of the verdict."""
    left, right = pair_of(one, other)
    save_pairs(work, entity, {(left, right): score})
    table = work.store.metadata.tables["match_candidate"]
    query = select(table.c.id).where(table.c.left_id == left, table.c.right_id == right)
    id_ = str(work.connection.execute(query).scalar_one())
    decide(work, id_, "distinct")
    return id_


def decide(work: Work, candidate_id: str, state: str) -> None:
    """A person's word on a pair: distinct, later, or open again."""
    table = work.store.metadata.tables["match_candidate"]
    row = work.connection.execute(select(table).where(table.c.id == candidate_id)).first()
    if row is None:
        raise NotFoundError(
            "there is no match candidate {id!r}",
            id=candidate_id,
            hint="See `hub duplicates list`.",
        )
    work.connection.execute(
        update(table)
        .where(table.c.id == candidate_id)
        .values(state=state, decided_by=work.origin, decided_at=work.at)
    )
    verdict = work.store.metadata.tables["match_verdict"]
    work.connection.execute(verdict.delete().where(verdict.c.candidate_id == candidate_id))
    if state == "distinct":
        _keep_rows(work, candidate_id, {"left": row.left_id, "right": row.right_id})


def _keep_rows(work: Work, candidate_id: str, sides: Mapping[str, str]) -> None:
    link, verdict = (work.store.metadata.tables[n] for n in ("link", "match_verdict"))
    rows = []
    for side, record_id in sides.items():
        query = select(link.c.source_id, link.c.external_id).where(
            link.c.record_id == record_id, link.c.part == ""
        )
        rows += [(candidate_id, side, *row) for row in work.connection.execute(query)]
    columns = ("candidate_id", "side", "source_id", "external_id")
    bulk.insert(work.connection, verdict, columns, rows)


def forbidden(work: Work, source_id: int, external_ids: Iterable[str]) -> dict[str, set[str]]:
    """external id → the records that a person said this row of the source is not."""
    verdict, link = (work.store.metadata.tables[n] for n in ("match_verdict", "link"))
    other = verdict.alias("other")
    found: dict[str, set[str]] = {}
    if work.connection.execute(select(verdict.c.side).limit(1)).first() is None:
        return found
    for some in chunks(sorted(external_ids)):
        query = (
            select(verdict.c.external_id, link.c.record_id)
            .join(
                other,
                (other.c.candidate_id == verdict.c.candidate_id) & (other.c.side != verdict.c.side),
            )
            .join(
                link,
                (link.c.source_id == other.c.source_id)
                & (link.c.external_id == other.c.external_id),
            )
            .where(verdict.c.source_id == source_id, verdict.c.external_id.in_(some))
        )
        for external_id, record_id in work.connection.execute(query):
            found.setdefault(external_id, set()).add(record_id)
    return found
