"""Rows that no key identifies, against the records that other systems have: one look per page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from hub import matching
from hub.entity import Entity
from hub.matching import Score, Weights
from hub.sync.duplicates import index
from hub.sync.duplicates.candidates import Pair, pair_of, save_pairs
from hub.sync.flow import Env, Flow, Work
from hub.sync.links import links_of_records


@dataclass(slots=True)
class Found:
    """What a row looks like.  `record_id`: it is that one, by its score; `candidates`: it may be."""

    record_id: str | None = None
    candidates: dict[str, Score] = field(default_factory=dict)


def prepare(env: Env, flow: Flow, progress: index.Progress = lambda event: None) -> bool:
    """Bring the index up, if this flow has use of it; whether it has."""
    entity = env.store.entities[flow.stored]
    if flow.settings.duplicates.mode == "keys" or not entity.traits:
        return False
    with env.store.read() as connection:
        if not _others(env, connection, flow):
            return False
    index.catch_up(env, entity, progress)
    return True


def _others(env: Env, connection: Connection, flow: Flow) -> bool:
    """Whether any other source has such records at all."""
    sources = {f.source_id for f in env.flows.values() if f.stored == flow.stored}
    link = env.store.metadata.tables["link"]
    return any(
        connection.execute(select(link.c.id).where(link.c.source_id == other).limit(1)).first()
        for other in sorted(sources - {flow.source_id})
    )


def look(
    work: Work, flow: Flow, rows: Sequence[Mapping[str, Any]], barred: Sequence[set[str]]
) -> list[Found]:
    """For each row, given as values of the view, the records it may be; never those *barred*.

    A record that this source has a row for is none of them: two rows of one system are two things.
    """
    entity = work.store.entities[flow.stored]
    traits = [matching.features(entity, _stored_values(flow, values)) for values in rows]
    keys = [matching.keys(entity, t) for t in traits]
    sharing = index.sharing(work, {k for ks in keys for k in ks})
    ids = {i for sharers in sharing.values() for i in sharers}
    if not ids:
        return [Found() for _ in rows]
    ids -= set(links_of_records(work.connection, work.store, flow.source_id, ids))
    known = index.known(work, ids)
    weights = _weights(work, flow, entity)
    found = []
    for own, ks, bar in zip(traits, keys, barred, strict=True):
        near = {i for k in ks for i in sharing.get(k, ())} & known.keys()
        scores = {
            i: score
            for i in sorted(near - bar)
            if (score := matching.likely(entity, weights, own, known[i].features)) is not None
        }
        found.append(_verdict(scores, weights, flow.settings.duplicates.mode))
    return found


def _stored_values(flow: Flow, values: Mapping[str, Any]) -> dict[str, Any]:
    return {**flow.entity.defaults, **flow.columns(values)}


def _weights(work: Work, flow: Flow, entity: Entity) -> Weights:
    """With the flow's own thresholds, where it has any."""
    learnt, own = index.weights_of(work.connection, work.store, entity), flow.settings.duplicates
    auto = learnt.auto if own.auto is None else own.auto
    review = learnt.review if own.review is None else own.review
    return Weights(learnt.by_trait, auto, min(review, auto), learnt.learnt)


def _verdict(scores: Mapping[str, Score], weights: Weights, mode: str) -> Found:
    """The one record beyond doubt, or all that a person has to look at."""
    sure = [i for i, s in scores.items() if s.bits >= weights.auto]
    if mode == "auto" and len(sure) == 1:
        return Found(sure[0])
    return Found(None, dict(scores))


def save(work: Work, flow: Flow, found: Mapping[str, Mapping[str, Score]]) -> int:
    """Raise the candidates of the records that were made: new record → other record → score."""
    pairs: dict[Pair, Score] = {
        pair_of(new, other): score for new, some in found.items() for other, score in some.items()
    }
    return save_pairs(work, work.store.entities[flow.stored], pairs)
