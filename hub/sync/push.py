"""Hub → remote: bring a source up to the records that are marked, and read back what it stored.

Level-triggered: a mark says *which* record may differ, never what happened.  The three parts run
in this order, the middle one outside any transaction:

    plan (transaction: diff, intents) → send (remote calls) → settle (transaction: links, shadows)
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from hub.errors import Problem
from hub.store import bulk, records
from hub.store.tables import stamp
from hub.store.types import dump
from hub.sync import intents, journal, quarantine, sweep
from hub.sync.compose import VersionOf, compose, no_version
from hub.sync.flow import Env, Flow, Run, Work
from hub.sync.incoming import Incoming, Taken, prepare
from hub.sync.journal import Proposal
from hub.sync.links import links_of_records, links_of_rows
from hub.sync.merge import is_spelling
from hub.sync.outgoing import Mark
from hub.sync.pull import take
from hub.sync.quarantine import Parked
from hub.sync.rows import encode

# ------------------------------------------------------------------------------------------ plan


def due(work: Work, flow: Flow, limit: int) -> list[Mark]:
    """Marks of the flow whose time has come, oldest first."""
    outbox = work.store.metadata.tables["outbox"]
    query = (
        select(outbox.c.record_id, outbox.c.version, outbox.c.attempts)
        .where(outbox.c.flow == flow.name, outbox.c.state == "due", outbox.c.due_at <= work.at)
        .order_by(outbox.c.due_at, outbox.c.record_id)
        .limit(limit)
    )
    return [Mark(*row) for row in work.connection.execute(query)]


def plan(
    env: Env,
    work: Work,
    flow: Flow,
    run: Run,
    marks: Sequence[Mark],
    version_of: VersionOf = no_version,
) -> list[Mark]:
    """Decide for every mark what to write; commit the intents with *work*; return those to send.

    Marks that need no call are settled here.
    """
    compose(env, work, flow, marks, version_of)
    to_send = [m for m in marks if m.needs_call]
    intents.save(work, flow, [m for m in to_send if m.intent is None and not m.reuse])
    _finish(work, flow, run, [m for m in marks if not m.needs_call])
    return to_send


# ---------------------------------------------------------------------------------------- settle


def settle(env: Env, work: Work, flow: Flow, run: Run, marks: Sequence[Mark]) -> Taken:
    """Record the outcomes: links and shadows as the system stored them, marks cleared or kept."""
    taken = Taken()
    for m in marks:
        if m.result is not None:
            unread = m.result.outcome == "applied" and m.stored is None and m.op != "delete"
            m.unproven = m.outcome != "resend"
            m.outcome = "unread" if unread else m.result.outcome
        elif m.change is not None and not m.outcome:
            m.outcome = "lost"
    made = [m for m in marks if m.outcome in ("applied", "looked", "unread") and m.op != "delete"]
    _link_created(work, flow, made)
    _take_stored(env, work, flow, run, [m for m in made if m.outcome != "unread"], taken)
    intents.close(work, flow, marks)
    stale = [m for m in marks if m.outcome == "conflict"]
    _take_stored(env, work, flow, run, stale, taken)
    _save_versions(work, stale)
    _finish(work, flow, run, marks)
    return taken


def _save_versions(work: Work, marks: Sequence[Mark]) -> None:
    """What the system says its version is now: the next write is made against it."""
    table = work.store.metadata.tables["link"]
    for m in marks:
        if m.link is not None and m.result is not None:
            work.connection.execute(
                update(table)
                .where(table.c.id == m.link.id)
                .values(external_version=m.result.version)
            )


def _link_created(work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
    """A link for every row we made or found; a row that has one already belongs to that record."""
    new = [m for m in marks if m.link is None]
    if not new:
        return
    ids = {m.record_id: _remote_id(flow, m) for m in new}
    now = records.load(work.connection, work.store, flow.stored, ids)
    there = links_of_rows(work.connection, work.store, flow.source_id, set(ids.values()))
    rows, proposals = [], []
    for m in new:
        external_id = ids[m.record_id]
        if external_id in there or not external_id:
            m.outcome = "unknown"
            continue
        m.record = now[m.record_id]  # it may have changed since it was sent
        rows.append(
            (
                flow.source_id,
                external_id,
                "",
                flow.entity.name,
                m.record_id,
                "active",
                flow.mapping.version,
                m.result.version if m.result else None,
                work.at,
            )
        )
        proposals.append(
            Proposal(
                m.record,
                flow.entity,
                op="link",
                flow=flow,
                source_id=flow.source_id,
                external_id=external_id,
            )
        )
    columns = (
        "source_id", "external_id", "part", "entity", "record_id", "state", "mapping_version",
        "external_version", "last_out_at",
    )  # fmt: skip
    bulk.insert(work.connection, work.store.metadata.tables["link"], columns, rows)
    journal.apply(work, proposals)
    journal.wake(work, [m.record_id for m in new if m.outcome != "unknown"])


def _remote_id(flow: Flow, m: Mark) -> str:
    if m.result is not None and m.result.remote_id:
        return m.result.remote_id
    return flow.mapping.external_id(m.stored) if m.stored is not None else ""


def _take_stored(
    env: Env, work: Work, flow: Flow, run: Run, marks: Sequence[Mark], taken: Taken
) -> None:
    """Read back: the stored row becomes the shadow; a real difference is an ordinary remote change.

    The intent is still open here, so our own values are recognised, in their spelling too.
    """
    with_row = [m for m in marks if m.stored is not None and m.outcome != "unknown"]
    if not with_row:
        return
    rows = prepare(flow, [m.stored for m in with_row if m.stored is not None])
    if flow.settings.reads:
        counts = Run(
            run.id, run.flow, run.state, run.phase, False, None, run.started_at, type(run.counts)()
        )
        for incoming, m in zip(rows, with_row, strict=True):
            incoming.version = m.result.version if m.result else None
            incoming.parked_id = m.record_id
        woken = take(env, work, flow, counts, rows)
        taken.woken += woken.woken
    elif with_row[0].outcome != "conflict":
        _keep_shadow(work, flow, with_row, rows)


def _keep_shadow(work: Work, flow: Flow, marks: Sequence[Mark], rows: Sequence[Incoming]) -> None:
    """For a flow that only writes: the shadow is what we sent, whatever they made of it."""
    links = links_of_records(
        work.connection, work.store, flow.source_id, {m.record_id for m in marks}
    )
    written = []
    for m, incoming in zip(marks, rows, strict=True):
        link = links[m.record_id]
        known = link.shadow or {}
        values = _arrived(flow, m, incoming) if m.outcome == "looked" and known else m.values
        written.append(
            {
                "link": link.id,
                "shadow": dump({**known, **values}),
                "row": incoming.text,
                "row_hash": incoming.row_hash,
                "mapping_version": flow.mapping.version,
                "external_version": m.result.version if m.result else link.external_version,
                "last_out_at": work.at,
            }
        )
    table = work.store.metadata.tables["link"]
    work.connection.execute(update(table).where(table.c.id == bindparam("link")), written)


def _arrived(flow: Flow, m: Mark, incoming: Incoming) -> dict[str, Any]:
    """What the row shows of an update whose outcome was unknown; the rest is written again."""
    theirs = flow.mapping.get(incoming.row).values
    return {k: v for k, v in m.values.items() if k in theirs and is_spelling(v, theirs[k])}


# ---------------------------------------------------------------------------------------- finish

_COUNTED = {
    "applied": "",
    "unchanged": "unchanged",
    "rejected": "rejected",
    "unknown": "rejected",
    "gone": "deleted",
}


def _finish(work: Work, flow: Flow, run: Run, marks: Sequence[Mark]) -> None:
    """Clear the marks that are done, if the record is still at the version that was sent."""
    outbox = work.store.metadata.tables["outbox"]
    done: list[Mark] = []
    parked: list[Parked] = []
    for m in marks:
        _count(run, m)
        if m.waits_for:
            _delay(work, flow, m, state="waiting")
        elif m.outcome in ("applied", "unchanged", "gone"):
            done.append(m)
        elif m.outcome in ("conflict", "resend", "looked"):
            _delay(work, flow, m, state="due", later=m.attempts > 2)
        elif m.outcome in ("rejected", "unknown"):
            parked.append(_refusal(m))
            _delay(work, flow, m, state="parked")
        else:
            _delay(work, flow, m, state="due", later=True)
    sweep.lose(work, flow, [m for m in done if m.link and m.kind == "delete"], wanted=True)
    gone = [m for m in done if m.link and m.kind != "delete" and m.outcome == "gone"]
    sweep.lose(work, flow, gone, wanted=False)
    if done:
        work.connection.execute(
            delete(outbox).where(
                outbox.c.flow == flow.name,
                outbox.c.record_id == bindparam("record"),
                outbox.c.version == bindparam("sent_version"),
                outbox.c.due_at < work.at,  # not if what they stored has marked it again
            ),
            [{"record": m.record_id, "sent_version": m.version} for m in done],
        )
    quarantine.close_outward(work, flow, [m.record_id for m in done])
    quarantine.park(work, flow, parked)


def _count(run: Run, m: Mark) -> None:
    name = _COUNTED.get(m.outcome, "retry")
    if m.waits_for:
        name = "waiting"
    elif m.outcome == "applied":
        name = {"create": "created", "update": "updated", "delete": "deleted"}[m.op or "update"]
    run.counts.written[name] += 1


def _delay(work: Work, flow: Flow, m: Mark, *, state: str, later: bool = False) -> None:
    outbox = work.store.metadata.tables["outbox"]
    wait = timedelta(seconds=min(2.0 * 2**m.attempts, 3600)) if later else timedelta(0)
    work.connection.execute(
        update(outbox)
        .where(
            outbox.c.flow == flow.name,
            outbox.c.record_id == m.record_id,
            outbox.c.version == m.version,
        )
        .values(
            state=state,
            due_at=stamp(work.moment + wait),
            # Every try counts: what a system turns down without end must come to wait.
            attempts=m.attempts + (1 if state == "due" else 0),
            waits_for=m.waits_for,
        )
    )


def _refusal(m: Mark) -> Parked:
    if m.problem is not None:
        problem = m.problem
    elif m.outcome == "unknown":
        problem = Problem(
            "unknown-outcome",
            "it cannot be told whether the system made this record",
            hint="Look there; if it exists, link it, else replay this entry.",
        )
    else:
        assert m.result is not None
        problem = Problem(
            f"remote:{m.result.code}",
            "the system refused it: {words}",
            field=m.result.column or "",
            values={"words": {"message": m.result.message, "values": m.result.values}},
            hint="Correct the value, then replay.",
        )
    name = m.link.external_id if m.link else ""
    sent = encode(m.change.values) if m.change is not None else dump(m.values)
    return Parked(
        name, [problem], row=sent, direction="out", record_id=m.record_id, place=m.op or "update"
    )
