"""Deletes: what a proven complete read did not meet is gone.  Behind the brake.

Nothing is taken for deleted on any weaker ground: a read that broke off, that gave fewer rows than
the system announced, or that was empty where there were rows, proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from hub.store import records
from hub.store.types import dump, load
from hub.sync import journal
from hub.sync.flow import Flow, Run, Work
from hub.sync.journal import Proposal
from hub.sync.outgoing import Mark


@dataclass(frozen=True, slots=True)
class Gone:
    """A link whose row the complete read did not meet."""

    link_id: int
    external_id: str
    record_id: str


def count_links(work: Work, flow: Flow) -> int:
    link = work.store.metadata.tables["link"]
    query = select(func.count()).where(
        link.c.source_id == flow.source_id, link.c.state == "active", link.c.part == ""
    )
    return int(work.connection.execute(query).scalar_one())


def not_met(work: Work, flow: Flow, run: Run) -> list[Gone]:
    """Live links that the run's full read did not meet, and whose record has no other row there."""
    link, seen = work.store.metadata.tables["link"], work.store.metadata.tables["seen"]
    met = select(seen.c.link_id).where(seen.c.run_id == run.id)
    query = (
        select(link.c.id, link.c.external_id, link.c.record_id)
        .where(
            link.c.source_id == flow.source_id,
            link.c.state == "active",
            link.c.part == "",
            link.c.id.not_in(met),
        )
        .order_by(link.c.id)
    )
    gone = [Gone(*row) for row in work.connection.execute(query)]
    return _without_replaced(work, flow, run, gone)


def _without_replaced(work: Work, flow: Flow, run: Run, gone: Sequence[Gone]) -> list[Gone]:
    """Where somebody merged two rows in the system itself, the one that is left takes over."""
    link, seen = work.store.metadata.tables["link"], work.store.metadata.tables["seen"]
    seconds: dict[str, int] = {}
    for some in records.chunks(sorted(g.record_id for g in gone)):
        query = (
            select(link.c.record_id, link.c.id)
            .join(seen, seen.c.link_id == link.c.id)
            .where(
                seen.c.run_id == run.id,
                link.c.source_id == flow.source_id,
                link.c.record_id.in_(some),
                link.c.state == "merged",
            )
            .order_by(link.c.id.desc())
        )
        seconds.update({record_id: id_ for record_id, id_ in work.connection.execute(query)})
    replaced = [g for g in gone if g.record_id in seconds]
    for g in replaced:
        for link_id, state in ((g.link_id, "merged"), (seconds[g.record_id], "active")):
            work.connection.execute(update(link).where(link.c.id == link_id).values(state=state))
    if flow.settings.writes:
        journal.mark(work, [(flow.name, g.record_id, 0) for g in replaced])
    return [g for g in gone if g.record_id not in seconds]


def approved(work: Work, flow: Flow) -> int:
    """So many deletes or changes may pass the flow's brake once."""
    state = work.store.metadata.tables["flow_state"]
    paused = work.connection.execute(
        select(state.c.paused).where(state.c.flow == flow.name)
    ).scalar()
    return int(load(paused).get("approved", 0)) if paused else 0


def apply(work: Work, flow: Flow, gone: Sequence[Gone]) -> int:
    """Do what the flow says a delete there does here; the number of records it touched."""
    policy = flow.settings.deletes.inbound
    if policy == "ignore" or not gone:
        return 0
    found = records.load(
        work.connection, work.store, flow.stored, {g.record_id for g in gone}, lock=True
    )
    edited = _edited(work, flow, [g.record_id for g in gone])
    proposals, asked, ghosts = [], [], []
    for g in gone:
        record = found.get(g.record_id)
        if record is None:
            continue
        if policy == "ask" or g.record_id in edited:
            asked.append(g)
            continue
        ghosts.append(g.link_id)
        proposals.append(_proposal(work, flow, g, record, policy))
    _save_ghosts(work, ghosts)
    journal.apply(work, proposals)
    _ask(work, flow, asked)
    return len(proposals)


def lose(work: Work, flow: Flow, marks: Sequence[Mark], *, wanted: bool) -> None:
    """Rows that a write found gone, or (*wanted*) took away: their links end.

    One that somebody deleted while an edit was on its way to it is for a person to decide, unless
    the flow says that deletes there do not matter here.
    """
    found = [
        Gone(m.link.id, m.link.external_id, m.record_id)
        for m in marks
        if m.link is not None and m.record is not None and m.link.state == "active"
    ]
    if not wanted and flow.settings.deletes.inbound not in ("ignore", "detach"):
        _ask(work, flow, found)
        return
    _save_ghosts(work, [g.link_id for g in found])
    at = {m.record_id: m.record for m in marks if m.record is not None}
    journal.apply(work, [_unlink(flow, g, at[g.record_id]) for g in found])


def _unlink(flow: Flow, g: Gone, record: records.Record) -> Proposal:
    return Proposal(
        record,
        flow.entity,
        op="unlink",
        flow=flow,
        source_id=flow.source_id,
        external_id=g.external_id,
    )


def _proposal(work: Work, flow: Flow, g: Gone, record: records.Record, policy: str) -> Proposal:
    base = _unlink(flow, g, record)
    if policy == "archive":
        base.op, base.envelope = "archive", {"active": False}
        status = flow.entity.field.get("status")
        if status is not None and "inactive" in status.choices:
            base.changes = {flow.entity.column("status"): "inactive"}
    elif policy == "delete":
        base.op = "delete"
        base.envelope = {"active": False, "deleted_at": work.at, "deletion_reason": "source"}
    return base


def _edited(work: Work, flow: Flow, ids: Sequence[str]) -> set[str]:
    """Records with an edit on its way to this source: delete against edit is a conflict."""
    outbox = work.store.metadata.tables["outbox"]
    found: set[str] = set()
    for some in records.chunks(sorted(ids)):
        query = select(outbox.c.record_id).where(
            outbox.c.flow == flow.name, outbox.c.record_id.in_(some)
        )
        found.update(row[0] for row in work.connection.execute(query))
    return found


def _save_ghosts(work: Work, link_ids: Sequence[int]) -> None:
    link = work.store.metadata.tables["link"]
    for start in range(0, len(link_ids), records.IN_LIMIT):
        some = link_ids[start : start + records.IN_LIMIT]
        work.connection.execute(update(link).where(link.c.id.in_(some)).values(state="ghost"))


def _ask(work: Work, flow: Flow, gone: Sequence[Gone]) -> None:
    """One open conflict per row, for a steward to decide: gone there, alive here."""
    table = work.store.metadata.tables["conflict"]
    known = _asked(work, flow, [g.record_id for g in gone])
    rows: list[dict[str, Any]] = [
        {
            "id": id_,
            "entity": flow.entity.name,
            "record_id": g.record_id,
            "field": "$row",
            "flow": flow.name,
            "source_id": flow.source_id,
            "external_id": g.external_id,
            "kind": "delete",
            "base": dump("present"),
            "ours": dump("present"),
            "theirs": dump("gone"),
            "at": work.at,
            "run_id": work.run_id,
            "state": "open",
        }
        for g, id_ in zip(gone, work.ids.batch(len(gone)), strict=True)
        if g.record_id not in known
    ]
    if rows:
        work.connection.execute(table.insert(), rows)


def _asked(work: Work, flow: Flow, ids: Sequence[str]) -> set[str]:
    table = work.store.metadata.tables["conflict"]
    found: set[str] = set()
    for some in records.chunks(sorted(ids)):
        query = select(table.c.record_id).where(
            table.c.flow == flow.name,
            table.c.kind == "delete",
            table.c.state == "open",
            table.c.record_id.in_(some),
        )
        found.update(row[0] for row in work.connection.execute(query))
    return found
