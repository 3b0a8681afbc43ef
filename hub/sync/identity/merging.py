"""Merge: the loser's links, references and pending work follow the survivor; its id redirects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from hub.entity import Entity
from hub.errors import HubError, NotFoundError
from hub.store import records
from hub.store.records import Record
from hub.store.types import dump, load
from hub.sync import journal
from hub.sync.flow import Env, Work
from hub.sync.identity import followers, references
from hub.sync.identity.survival import Choice, Rules, Side, Survival, survive
from hub.sync.journal import Proposal
from hub.sync.redirects import identities, live_ids


class DistinctError(HubError):
    """A person has said that the two are not the same."""

    code = "distinct"


@dataclass(frozen=True)
class MergedAway:
    """What a merge did.  `links`: as they were, each with its state now; `reasons`: why each field
    in which the two differed has the value it has."""

    merge_id: str
    survivor: str
    loser: str
    changes: dict[str, list[Any]]
    reasons: Mapping[str, str]
    links: Sequence[Mapping[str, Any]]
    references: int


def merge_records(
    env: Env,
    entity: Entity,
    one: str,
    other: str,
    *,
    by: str,
    keep: str = "",
    choices: Mapping[str, Choice] | None = None,
    anyway: bool = False,
) -> MergedAway:
    """Make one record of two, given by their ids; *keep* names the survivor, *choices* are by
    stored field.  *anyway*: although they were called distinct.

    Without *keep* the survivor is the one with more links, of two with equally many the older one.
    """
    merge_id = env.ids.new()
    with env.work("merge", by, merge_id) as work:
        followers.take_leases(env, work, entity.stored)
        pair = _load(work, entity, one, other)
        if not anyway:
            _check_verdicts(work, *pair)
        survivor, loser = _ranked(work, pair, keep)
        rules = _rules(work, survivor, loser, choices or {})
        stored = work.store.entities[entity.stored]
        survival = survive(stored, survivor.values, loser.values, rules)
        return _merge(env, work, survivor, loser, survival)


def _merge(env: Env, work: Work, survivor: Record, loser: Record, survival: Survival) -> MergedAway:
    assert work.run_id is not None
    stored = work.store.entities[survivor.entity]
    kept = _change_both(work, stored, survivor, loser, survival)
    links = followers.move_links(work, stored, survivor, loser)
    found = references.referring(work, stored.name, loser.id)
    turning = references.Turning(env, work, stored.name, loser.id, survivor.id)
    turned = turning.records(found)
    turning.shadows(found, moved_sources(links, loser))
    kept |= {
        "links": links,
        "references": [r.to_json() for r in turned],
        "pending": followers.move_pending(work, loser, survivor),
        "candidates": followers.close_candidates(work, survivor, loser),
    }
    followers.move_marks(work, loser, survivor)
    followers.tell_all(work, survivor)
    _remember(work, survivor, loser, kept)
    return MergedAway(
        work.run_id,
        survivor.id,
        loser.id,
        kept["values"],
        survival.reasons,
        links,
        len(turned),
    )


def _change_both(
    work: Work, stored: Entity, survivor: Record, loser: Record, survival: Survival
) -> dict[str, Any]:
    """The values of the one and the end of the other; what they were."""
    ending = {
        "active": False,
        "deleted_at": work.at,
        "deletion_reason": "merged",
        "merged_into": survivor.id,
    }
    reviving = {"active": True} if loser.active and not survivor.active else {}
    kept = {
        "values": {k: [survivor.values.get(k), v] for k, v in survival.changes.items()},
        "revived": {k: [getattr(survivor, k), v] for k, v in reviving.items()},
        "envelope": {name: getattr(loser, name) for name in ending},
    }
    refused = journal.apply(
        work,
        [
            Proposal(survivor, stored, dict(survival.changes), reviving, op="merge"),
            Proposal(loser, stored, envelope=ending, op="merge"),
        ],
    )
    if refused:
        raise HubError(
            "the merged record does not hold: {why}",
            why="; ".join(map(str, refused[0].problems)),
            hint="Choose the values of these fields.",
        )
    return kept


def _remember(work: Work, survivor: Record, loser: Record, kept: Mapping[str, Any]) -> None:
    table, log = work.store.metadata.tables["record_merge"], work.store.metadata.tables["journal"]
    seq = work.connection.execute(select(func.max(log.c.seq))).scalar_one()
    work.connection.execute(
        table.insert().values(
            id=work.run_id,
            entity=survivor.entity,
            survivor_id=survivor.id,
            loser_id=loser.id,
            state="merged",
            at=work.at,
            by=work.origin,
            kept=dump({**kept, "seq": seq}),
        )
    )


def moved_sources(links: Sequence[Mapping[str, Any]], loser: Record) -> set[int]:
    """Sources in which the loser's row has become the survivor's own."""
    return {
        k["source_id"]
        for k in links
        if k["record_id"] == loser.id and k["state"] != "merged" and k["then"] != "merged"
    }


# ------------------------------------------------------------------------------------ which two


def _load(work: Work, entity: Entity, one: str, other: str) -> list[Record]:
    stored = entity.stored
    leads = live_ids(work.connection, work.store, stored, [one, other])
    ids = [leads[one], leads[other]]
    if ids[0] == ids[1]:
        raise HubError(
            "the two are one record already: {id}",
            id=ids[0],
            hint="`hub show` says what was merged into it.",
        )
    found = records.load(work.connection, work.store, stored, ids, lock=True)
    for id_ in ids:
        if id_ not in found:
            raise NotFoundError("there is no {entity} {id!r}", entity=entity.name, id=id_)
        if found[id_].deleted_at:
            raise HubError("{entity} {id} is deleted", entity=entity.name, id=id_)
    return [found[i] for i in ids]


def _check_verdicts(work: Work, one: Record, other: Record) -> None:
    """DistinctError if somebody called these two, or two of those merged into them, distinct."""
    table = work.store.metadata.tables["match_candidate"]
    ours = identities(work.connection, work.store, [one.id])
    theirs = identities(work.connection, work.store, [other.id])
    query = select(table).where(
        table.c.state == "distinct",
        table.c.left_id.in_(ours | theirs),
        table.c.right_id.in_(ours | theirs),
    )
    for row in work.connection.execute(query):
        if (row.left_id in ours) != (row.right_id in ours):
            raise DistinctError(
                "{who} said on {when} that the two are not the same",
                who=row.decided_by,
                when=(row.decided_at or "")[:10],
                hint="If they are after all: hub merge, with --anyway.",
            )


def _ranked(work: Work, pair: Sequence[Record], keep: str) -> tuple[Record, Record]:
    """(survivor, loser)"""
    one, other = pair
    if keep:
        return (one, other) if keep == one.id else (other, one)
    link = work.store.metadata.tables["link"]
    query = (
        select(link.c.record_id, func.count())
        .where(link.c.record_id.in_((one.id, other.id)), link.c.state == "active")
        .group_by(link.c.record_id)
    )
    count = {record_id: n for record_id, n in work.connection.execute(query)}
    ranked = sorted(pair, key=lambda r: (-count.get(r.id, 0), r.created_at, r.id))
    return ranked[0], ranked[1]


# --------------------------------------------------------------------------------- which values


def _rules(work: Work, survivor: Record, loser: Record, choices: Mapping[str, Choice]) -> Rules:
    owners = _owners(work, survivor, loser)
    times = [_Times(work, survivor), _Times(work, loser)]

    def later(name: str) -> Side | None:
        ours, theirs = (t.of(name) for t in times)
        if ours is None or theirs is None or ours == theirs:
            return None
        return "survivor" if ours > theirs else "loser"

    return Rules(owners.get, later, _codes(work, survivor.entity), choices)


def _codes(work: Work, stored: str) -> frozenset[str]:
    """The fields that people know a record by: they stay as they are."""
    return frozenset(
        e.column(e.code)
        for e in work.store.entities.values()
        if e.stored == stored and e.code != "name"
    )


def _owners(work: Work, survivor: Record, loser: Record) -> dict[str, Side]:
    """Stored field → the side that has a row in the system that owns the field, if one has."""
    link, source = work.store.metadata.tables["link"], work.store.metadata.tables["source"]
    query = (
        select(source.c.connection, link.c.record_id)
        .join(source, source.c.id == link.c.source_id)
        .where(link.c.record_id.in_((survivor.id, loser.id)), link.c.state == "active")
    )
    sides: dict[str, set[Side]] = {}
    for connection, record_id in work.connection.execute(query):
        side: Side = "survivor" if record_id == survivor.id else "loser"
        sides.setdefault(connection, set()).add(side)
    found: dict[str, Side] = {}
    for name, owner in _owned_fields(work, survivor.entity):
        having = sides.get(owner, set())
        if len(having) == 1:
            found[name] = next(iter(having))
    return found


def _owned_fields(work: Work, stored: str) -> Iterator[tuple[str, str]]:
    """(stored field, owning connection)"""
    for flow in (f for f in work.flows if f.stored == stored):
        for name in flow.in_fields:
            rule = flow.mapping.rules.get(name)
            owner = rule.owner if rule and rule.owner else ""
            if not owner and not (rule and rule.policy) and flow.settings.policy == "owner":
                owner = flow.settings.owner
            if owner and owner != "hub":
                yield flow.entity.column(name), owner


class _Times:
    """When each field of a record was last changed; asks the journal once, if anybody wants to know."""

    def __init__(self, work: Work, record: Record) -> None:
        self._work, self._record = work, record
        self._known: dict[str, datetime] | None = None

    def of(self, name: str) -> datetime | None:
        if self._known is None:
            self._known = self._read()
        return self._known.get(name)

    def _read(self) -> dict[str, datetime]:
        table = self._work.store.metadata.tables["journal"]
        query = (
            select(table.c.changes, table.c.source_at, table.c.at)
            .where(table.c.record_id == self._record.id)
            .order_by(table.c.seq)
        )
        known: dict[str, datetime] = {}
        for changes, source_at, at in self._work.connection.execute(query):
            moment = datetime.fromisoformat(source_at or at)
            known.update(dict.fromkeys(load(changes), moment))
        return known
