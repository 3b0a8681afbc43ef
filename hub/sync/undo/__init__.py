"""Take back what a run, or one line of the journal, did; in the systems too.

The plan is made by the code that does it, with nothing written.  Every change goes through the one
door, so that it is journaled, marked for every system, and can itself be taken back.  What is taken
back already is left alone: an undo that was killed is gone on with by asking for it again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, select, update

from hub.errors import HubError, NotFoundError, Problem
from hub.store.types import dump, load
from hub.sync import journal
from hub.sync.flow import Counts, Env, Work
from hub.sync.journal import Proposal
from hub.sync.listing import called
from hub.sync.undo.steps import LinkDeed, Step, steps
from hub.sync.undo.target import Target

__all__ = ["Target", "plan", "undo"]

PAGE = 200
SHOWN = 100
"""So many records are listed one by one; all are counted."""
TRIGGER = "undo"
Progress = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True)
class _Tally:
    """What the steps come to."""

    records: int = 0
    fields: int = 0
    refused: int = 0
    already: int = 0
    systems: dict[str, dict[str, int]] = field(default_factory=dict)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def add(self, env: Env, step: Step) -> None:
        self.records += step.moves
        self.fields += len(step.changes) + len(step.envelope)
        self.refused += len(step.refused)
        self.already += step.already
        for code, problem in step.told:
            counts = self.systems.setdefault(str(problem.values["connection"]), {})
            counts[code] = counts.get(code, 0) + 1
        if len(self.shown) < SHOWN and (step.moves or step.refused):
            self.shown.append(_step_json(env, step))

    def to_json(self) -> dict[str, Any]:
        counts = {n: getattr(self, n) for n in ("records", "fields", "refused", "already")}
        return {**counts, "systems": self.systems, "steps": self.shown}


def plan(
    env: Env, target: Target, fields: Sequence[str] = (), *, remake: bool = False
) -> dict[str, Any]:
    """What `undo` would do now; nothing is written."""
    head, tally = _about(env, target), _Tally()
    for stored, ids in _pages(env, target):
        with env.store.read() as connection:
            wanted = _columns(env, stored, fields)
            for step in steps(env, connection, stored, ids, target, wanted, remake=remake):
                tally.add(env, step)
    return {**head, **tally.to_json(), "undo": None}


def undo(
    env: Env,
    target: Target,
    fields: Sequence[str] = (),
    *,
    by: str,
    remake: bool = False,
    progress: Progress,
) -> dict[str, Any]:
    """Take it back, page by page; what was done, what was refused, and the undo's own run."""
    head, tally = _about(env, target), _Tally()
    run_id, done = _begin(env, target, by), 0
    for stored, ids in _pages(env, target):
        with env.work("undo", by, run_id) as work:
            wanted = _columns(env, stored, fields)
            found = steps(env, work.connection, stored, ids, target, wanted, remake=remake)
            _apply(work, found, target)
            for step in found:
                tally.add(env, step)
        done += len(ids)
        progress(
            {"flow": head["flow"] or "undo", "phase": "undo", "done": done, "total": head["total"]}
        )
    _end(env, run_id, tally)
    return {**head, **tally.to_json(), "undo": run_id}


# ------------------------------------------------------------------------------------ the target


def _about(env: Env, target: Target) -> dict[str, Any]:
    """The run or line; NotFoundError if there is none, or if it changed nothing."""
    tables = env.store.metadata.tables
    log, run = tables["journal"], tables["run"]
    clause = log.c.seq == target.seq if target.seq is not None else log.c.run_id == target.run_id
    with env.store.read() as connection:
        row = connection.execute(select(run).where(run.c.id == target.run_id)).first()
        count, first = connection.execute(
            select(func.count(log.c.record_id.distinct()), func.min(log.c.at)).where(clause)
        ).one()
    if target.seq is not None and not count:
        raise NotFoundError(
            "the journal has no line {seq}", seq=target.seq, hint="See `hub history ENTITY KEY`."
        )
    if target.run_id is not None and row is None and not count:
        raise NotFoundError("there is no run {run!r}", run=target.run_id, hint="See `hub runs`.")
    if row is not None and row.state in ("queued", "running") and row.trigger != TRIGGER:
        raise HubError(
            "run {run!r} of flow {flow!r} is still at work",
            run=target.run_id,
            flow=row.flow,
            hint="Wait for its end: hub runs; then take it back.",
        )
    return {
        "run": target.run_id,
        "seq": target.seq,
        "flow": row.flow if row is not None else "",
        "at": first,
        "total": count,
    }


def _pages(env: Env, target: Target) -> Iterator[tuple[str, list[str]]]:
    """(stored entity, ids of its records) that the target touched, page by page."""
    log = env.store.metadata.tables["journal"]
    clause = log.c.seq == target.seq if target.seq is not None else log.c.run_id == target.run_id
    for stored in sorted({e.stored for e in env.store.entities.values()}):
        after = ""
        while True:
            query = (
                select(log.c.record_id)
                .where(clause, log.c.entity == stored, log.c.record_id > after)
                .distinct()
                .order_by(log.c.record_id)
                .limit(PAGE)
            )
            with env.store.read() as connection:
                ids = list(connection.execute(query).scalars())
            if not ids:
                break
            yield stored, ids
            after = ids[-1]


def _columns(env: Env, stored: str, fields: Sequence[str]) -> frozenset[str]:
    """The stored fields that the names mean, in this entity or in any view of it."""
    views = [e for e in env.store.entities.values() if e.stored == stored]
    known = {e.column(n) for e in views for n in fields if n in e.field}
    custom = {n for n in fields if n.startswith("ext.")}
    return frozenset(known | custom) or frozenset(("",) if fields else ())


# -------------------------------------------------------------------------------------- the deed


def _apply(work: Work, found: Sequence[Step], target: Target) -> None:
    """The steps through the one door; what it refuses is refused."""
    by_proposal: dict[int, Step] = {}
    proposals, deeds = [], []
    for step in found:
        if not step.moves:
            continue
        if step.changes or step.envelope:
            proposal = _proposal(work, step, target)
            by_proposal[id(proposal)] = step
            proposals.append(proposal)
        deeds += [(step, deed) for deed in step.links]
    for proposal in journal.apply(work, proposals):
        step = by_proposal[id(proposal)]
        step.refused += proposal.problems
        step.changes, step.envelope, step.links = {}, {}, []
    for step, deed in deeds:
        if deed in step.links:
            _do(work, step, deed, target)


def _proposal(work: Work, step: Step, target: Target) -> Proposal:
    envelope = {n: work.at if v == "now" else v for n, v in step.envelope.items()}
    return Proposal(
        step.record,
        step.entity,
        dict(step.changes),
        envelope,
        op=step.op,
        reason=target.reason,
    )


def _do(work: Work, step: Step, deed: LinkDeed, target: Target) -> None:
    link = work.store.metadata.tables["link"]
    here = link.c.id == deed.link_id
    if deed.deed == "remake":
        work.connection.execute(delete(link).where(here))
        flows = [f for f in work.flows if f.source_id == deed.source_id and f.settings.writes]
        journal.mark(work, [(f.name, step.record.id, step.record.version) for f in flows])
    else:
        state = "ignored" if deed.deed == "ignore" else "active"
        work.connection.execute(update(link).where(here).values(state=state, row_hash=None))
    line = Proposal(
        step.record,
        step.entity,
        op="link" if deed.deed == "activate" else "unlink",
        source_id=deed.source_id,
        external_id=deed.external_id,
        reason=target.reason,
    )
    journal.apply(work, [line])


# --------------------------------------------------------------------------------------- its run


def _begin(env: Env, target: Target, by: str) -> str:
    """The undo's own run: the one that was broken off, if there is one."""
    run = env.store.metadata.tables["run"]
    with env.work("undo", by) as work:
        wanted = dump({"undo": target.reason})
        query = select(run.c.id).where(
            run.c.trigger == TRIGGER, run.c.state == "running", run.c.cursor == wanted
        )
        known = work.connection.execute(query).scalars().first()
        if known is not None:
            return str(known)
        run_id = env.ids.new()
        work.connection.execute(
            run.insert().values(
                id=run_id,
                flow="",
                state="running",
                phase="done",
                cursor=wanted,
                trigger=TRIGGER,
                requested_at=work.at,
                started_at=work.at,
                counts=dump(Counts().to_json()),
            )
        )
        return run_id


def _end(env: Env, run_id: str, tally: _Tally) -> None:
    run = env.store.metadata.tables["run"]
    with env.work("undo", "hub") as work:
        log = env.store.metadata.tables["journal"]
        undone = work.connection.execute(
            select(func.count(log.c.record_id.distinct())).where(log.c.run_id == run_id)
        ).scalar_one()
        state = "partial" if tally.refused else "done"
        stored = work.connection.execute(
            select(run.c.counts).where(run.c.id == run_id)
        ).scalar_one()
        counts = {**load(stored), "undone": undone, "refused": tally.refused}
        work.connection.execute(
            update(run)
            .where(run.c.id == run_id)
            .values(state=state, complete=True, counts=dump(counts), finished_at=work.at)
        )


def _step_json(env: Env, step: Step) -> dict[str, Any]:
    names = step.entity.from_column
    return {
        "entity": step.entity.name,
        "id": step.record.id,
        "record": called(env.store, step.record),
        "op": step.op,
        "fields": [
            {"field": names.get(n, n), "now": step.now.get(n), "back": v}
            for n, v in step.changes.items()
        ],
        "links": [{"deed": d.deed, "external_id": d.external_id} for d in step.links],
        "refused": [_problem_json(p) for p in step.refused],
        "systems": [{"kind": code, **_problem_json(p)} for code, p in step.told],
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return problem.to_json()
