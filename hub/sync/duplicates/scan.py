"""All records against each other, block by block: what is in the hub already."""

from dataclasses import dataclass

from sqlalchemy import func, select

from hub import matching
from hub.entity import Entity
from hub.matching import Score
from hub.sync.duplicates import index
from hub.sync.duplicates.candidates import Pair, pair_of, save_pairs, states
from hub.sync.duplicates.index import MAX_BLOCK, Progress
from hub.sync.flow import Env, Work

PORTION = 20_000
Blocks = list[tuple[int, list[str]]]


@dataclass
class Scanned:
    """`compared` pairs, of which so many may be one thing; `raised`: those not known before."""

    records: int = 0
    compared: int = 0
    likely: int = 0
    raised: int = 0


def scan(env: Env, entity: Entity, progress: Progress) -> Scanned:
    """Raise every pair of records of the stored *entity* that a person should see.

    Nothing is locked while records are compared; a scan that was cut short is done again.
    """
    index.catch_up(env, entity, progress)
    done = Scanned()
    with env.reading() as work:
        table = work.store.metadata.tables["match_feature"]
        query = select(func.count()).where(table.c.entity == entity.name)
        done.records = work.connection.execute(query).scalar_one()
    after: int | None = None
    while True:
        with env.reading() as work:
            blocks, after = portion(work, entity, after)
            found = _likely(work, entity, blocks, done)
            known = states(work, entity.name, {i for pair in found for i in pair})
        new = {pair: score for pair, score in found.items() if pair not in known}
        done.likely += len(found)
        if new:
            with env.work("scan", "hub") as work:
                done.raised += save_pairs(work, entity, new)
        share = _share(after, done.records)
        progress({"flow": entity.name, "phase": "scan", "done": share, "total": done.records})
        if after is None:
            return done


def _share(after: int | None, records: int) -> int:
    """How many of the records that stands for: keys are spread evenly over 64 bits."""
    return records if after is None else int(records * ((after + 2**63) / 2**64))


def portion(work: Work, entity: Entity, after: int | None) -> tuple[Blocks, int | None]:
    """The next blocks of at least two records, and the key to go on after; None at the end."""
    key, feature = (work.store.metadata.tables[n] for n in ("match_key", "match_feature"))
    query = (
        select(key.c.key, key.c.record_id)
        .join(feature, feature.c.record_id == key.c.record_id)
        .where(feature.c.entity == entity.name)
        .order_by(key.c.key, key.c.record_id)
        .limit(PORTION)
    )
    if after is not None:
        query = query.where(key.c.key > after)
    rows = work.connection.execute(query).all()
    grouped: dict[int, list[str]] = {}
    for value, record_id in rows:
        grouped.setdefault(value, []).append(record_id)
    last: int | None = None
    if len(rows) == PORTION:
        last = rows[-1][0]
        if len(grouped) > 1:  # the last block may go on
            del grouped[last]
            last = max(grouped)
    return [(k, ids) for k, ids in grouped.items() if 1 < len(ids) <= MAX_BLOCK], last


def _likely(work: Work, entity: Entity, blocks: Blocks, done: Scanned) -> dict[Pair, Score]:
    known = index.known(work, {i for _, ids in blocks for i in ids})
    weights = index.weights_of(work.connection, work.store, entity)
    found: dict[Pair, Score] = {}
    for one, other in matching.pairs_in(blocks, {i: k.keys for i, k in known.items()}):
        done.compared += 1
        score = matching.likely(entity, weights, known[one].features, known[other].features)
        if score is not None:
            found[pair_of(one, other)] = score
    return found
