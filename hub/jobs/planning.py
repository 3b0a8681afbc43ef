"""Plans: the jobs as they are, over a copy of the hub's database and connectors that write nothing.

There is no second engine that could say something else than the first one does: the runs that a
plan describes have really been made, only not here.  What they did is read from the copy, stored
step by step, and the copy is thrown away.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, select, update

from hub.connector import Connector
from hub.jobs import runner, runs
from hub.jobs.work import Jobs
from hub.seams import no_fault
from hub.settings import Brake, Limits
from hub.store.copy import copied
from hub.store.session import Store
from hub.sync import leases, limits, plans
from hub.sync.capture import Capture
from hub.sync.effects import Effects, remember
from hub.sync.flow import Env, Flow
from hub.sync.limits import Exceeded

NO_LIMIT = 2**62
BOUNDLESS = Brake(NO_LIMIT, 1, 1, out=Limits(NO_LIMIT, 1, 1))


@dataclass(frozen=True)
class Rehearsal:
    """A copy of the hub in which runs can be made: its jobs, and the journal's last number before."""

    jobs: Jobs
    since: int

    @property
    def env(self) -> Env:
        return self.jobs.env

    def effects(self) -> Effects:
        return Effects(self.env.store, self.env.flows, self.since)

    def errors(self, run_ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """What stopped a run in the copy would stop it here: the plan ends there."""
        run = self.env.store.metadata.tables["run"]
        with self.env.store.read() as connection:
            found = connection.execute(
                select(run.c.flow, run.c.error).where(
                    run.c.id.in_(run_ids), run.c.error.is_not(None)
                )
            ).all()
        return [{"flow": flow, **runs.load(error)} for flow, error in found]

    def run(self, names: Sequence[str], *, full: bool, others: Sequence[str]) -> list[str]:
        """Make runs of these flows, and let the *others* write what comes of them; the run ids."""
        flows = self.env.flows
        ids = [runs.request(self.env, flows[n], trigger="manual", full=full) for n in names]
        ids += [
            runs.request(self.env, flows[n], trigger="manual", full=False, reads=False)
            for n in others
            if flows[n].settings.writes
        ]
        runner.finish_runs(self.jobs, ids)
        return ids


@contextmanager
def rehearsal(
    jobs: Jobs, names: Sequence[str], *, direction: str | None = None
) -> Iterator[Rehearsal]:
    """A copy in which the flows called *names* can be tried; marks of the others are held back.

    `direction`: the only one that is tried.
    """
    dead = leases.is_dead
    with copied(jobs.env.store, leases.owner_name(), dead) as store:
        with store.write("rehearsal") as connection:
            _calm(connection, store, set(names))
            since = remember(connection)
        flows = {n: _boundless(f, direction) for n, f in jobs.env.flows.items()}
        sources = {(f.connection, f.stream.name): f.source_id for f in flows.values()}
        capture = Capture(store, lambda connection, stream: sources[connection, stream])

        @contextmanager
        def opened(name: str) -> Iterator[Connector]:
            with jobs.open_connector(name) as inner:
                yield capture.over(name, inner)

        env = replace(jobs.env, store=store, flows=flows, fault=no_fault)
        yield Rehearsal(replace(jobs, env=env, open_connector=opened, planner=None), since)


def _boundless(flow: Flow, direction: str | None) -> Flow:
    """The flow as if it were live and nothing could stop it: a plan shows the whole extent."""
    settings = replace(flow.settings, mode="live", brake=BOUNDLESS)
    if direction:
        settings = replace(settings, direction=direction)
    return replace(flow, settings=settings)


def _calm(connection: Connection, store: Store, names: set[str]) -> None:
    """In the copy nobody else is at work, nothing is paused, and no other flow has anything to write."""
    tables = store.metadata.tables
    run, state, source, outbox = (tables[n] for n in ("run", "flow_state", "source", "outbox"))
    connection.execute(update(run).where(run.c.state.in_(runs.LIVE)).values(state="superseded"))
    connection.execute(update(state).values(state="active", paused=None, attempts=0, retry_at=None))
    connection.execute(update(source).values(lease_owner=None, lease_until=None))
    connection.execute(
        update(outbox)
        .where(outbox.c.flow.not_in(names), outbox.c.state == "due")
        .values(state="held")
    )


def make(
    jobs: Jobs, names: Sequence[str], kind: str, full: bool = False, *, by: str = "hub"
) -> str:
    """Plan runs of these flows (and what comes of them in every other system); the plan's id."""
    env = jobs.env
    plan_id = plans.begin(env, by=by, kind=kind, flows=names, full=full, covers=jobs.order)
    plans.forget_old(env, kind=kind if kind != "manual" else "", flows=names, but=plan_id)
    with rehearsal(jobs, names) as rehearsed:
        others = [n for n in jobs.order if n not in names]
        ids = rehearsed.run(names, full=full, others=others)
        totals = plans.keep(env, plan_id, _told(jobs, rehearsed.effects()))
        errors = rehearsed.errors(ids)
        beyond = list(_exceeded(env, totals))
    plans.complete(env, plan_id, totals, errors=errors, exceeded=beyond)
    return plan_id


def _told(jobs: Jobs, effects: Effects) -> Iterator[Any]:
    """The steps as they come, telling how many there are."""
    for number, step in enumerate(effects, 1):
        if number % 1000 == 0:
            jobs.progress({"flow": "", "phase": "plan", "done": number, "total": None})
        yield step


def _exceeded(env: Env, totals: plans.Totals) -> Iterator[Exceeded]:
    """The limits that would stop the runs."""
    link = env.store.metadata.tables["link"]
    query = select(link.c.source_id, func.count()).where(link.c.state == "active")
    with env.store.read() as connection:
        rows = connection.execute(query.group_by(link.c.source_id)).all()
    linked = {source_id: count for source_id, count in rows}
    for (name, direction), tally in sorted(totals.tallies.items()):
        flow = env.flows[name]
        brake = flow.settings.brake if direction == "in" else flow.settings.brake.out
        total = linked.get(flow.source_id, 0)
        yield from limits.exceeded(name, direction, brake, tally, total=total)
