"""Weights from this hub's own records and from what people decided."""

from collections import Counter
from itertools import combinations

import orjson
from sqlalchemy import func, select

from hub import matching
from hub.entity import Entity
from hub.matching import Evidence, Levels, Weights
from hub.matching.blocking import keys_by_block
from hub.matching.compare import LEVELS, compare
from hub.sync.duplicates import index
from hub.sync.duplicates.index import Progress
from hub.sync.duplicates.scan import Blocks, portion
from hub.sync.flow import Env, Work

RANDOM_PAIRS = 50_000
BLOCK_PAIRS = 100_000
SAMPLE = 5_000
"""Records that random pairs are made of."""


def learn(env: Env, entity: Entity, progress: Progress) -> Weights:
    """Learn the weights of the stored *entity*, keep them, and give them back."""
    index.catch_up(env, entity, progress)
    with env.reading() as work:
        evidence = gather(env, work, entity, progress)
    weights = matching.train(entity, evidence)
    with env.work("learn", "hub") as work:
        index.save_weights(work, entity, weights)
    return weights


def gather(env: Env, work: Work, entity: Entity, progress: Progress) -> Evidence:
    evidence = Evidence(decided=_decided(work, entity))
    table = work.store.metadata.tables["match_feature"]
    query = select(func.count()).where(table.c.entity == entity.name)
    count = work.connection.execute(query).scalar_one()
    evidence.possible = count * (count - 1) // 2
    _draw(env, work, entity, evidence)
    after: int | None = None
    pairs = 0
    met: dict[int, set[str]] = {}
    while pairs < BLOCK_PAIRS:
        blocks, after = portion(work, entity, after)
        pairs += _add(work, entity, evidence, blocks, met)
        done = min(pairs, BLOCK_PAIRS)
        progress({"flow": entity.name, "phase": "learn", "done": done, "total": BLOCK_PAIRS})
        if after is None:
            break
    evidence.records = {number: len(ids) for number, ids in met.items()}
    return evidence


def _add(
    work: Work, entity: Entity, evidence: Evidence, blocks: Blocks, met: dict[int, set[str]]
) -> int:
    """Count the levels of all pairs, by the block that brings the two together."""
    known = index.known(work, {i for _, ids in blocks for i in ids})
    by_block = {i: keys_by_block(entity, k.features) for i, k in known.items()}
    pairs = 0
    for key, ids in blocks:
        number = by_block[ids[0]][key]
        patterns = evidence.blocks.setdefault(number, Counter())
        met.setdefault(number, set()).update(ids)
        for one, other in combinations(ids, 2):
            patterns[compare(entity, known[one].features, known[other].features)] += 1
            pairs += 1
    return pairs


def _draw(env: Env, work: Work, entity: Entity, evidence: Evidence) -> None:
    """Random pairs: keys are hashes, so records in their order are in none."""
    key, feature = (work.store.metadata.tables[n] for n in ("match_key", "match_feature"))
    query = (
        select(key.c.record_id)
        .join(feature, feature.c.record_id == key.c.record_id)
        .where(feature.c.entity == entity.name)
        .order_by(key.c.key)
        .limit(SAMPLE)
    )
    ids = list(dict.fromkeys(row[0] for row in work.connection.execute(query)))
    if len(ids) < 2:
        return
    known = index.known(work, ids)
    for _ in range(RANDOM_PAIRS):
        one, other = env.rng.choice(ids), env.rng.choice(ids)
        if one != other:
            levels = compare(entity, known[one].features, known[other].features)
            evidence.random[levels] += 1


def _decided(work: Work, entity: Entity) -> "Counter[tuple[Levels, bool]]":
    """What people said, with the levels the two had when they were raised."""
    table = work.store.metadata.tables["match_candidate"]
    query = select(table.c.explanation, table.c.state).where(
        table.c.entity == entity.name, table.c.state.in_(("merged", "distinct"))
    )
    found: Counter[tuple[Levels, bool]] = Counter()
    for explanation, state in work.connection.execute(query):
        named = {p["trait"]: p["level"] for p in orjson.loads(explanation)["parts"]}
        levels = tuple(_level(t.kind, named.get(t.name, "")) for t in entity.traits)
        found[levels, state == "merged"] += 1
    return found


def _level(kind: str, name: str) -> int | None:
    return LEVELS[kind].index(name) if name in LEVELS[kind] else None
