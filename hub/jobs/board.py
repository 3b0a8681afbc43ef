"""What there is to do, as of one instant: the live runs, where their flows stand, what is due."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cronsim import CronSim
from sqlalchemy import Connection, Select, Table, func, select, update

from hub.errors import HubError
from hub.jobs import runs
from hub.settings import parse_schedule
from hub.store.session import Store
from hub.store.tables import stamp
from hub.sync.flow import Env, Flow, Run, Work

SOON = timedelta(seconds=20)
"""A run waits this long for what is to be tried again."""

OBSERVE_EVERY = timedelta(days=1)
"""A flow that only plans reads everything each time: once a day is often enough."""


@dataclass(frozen=True)
class Board:
    """`due`: when the flow's first mark can be handled, as stored; None: it has none."""

    live: Sequence[Run]
    states: Mapping[str, Any]
    due: Mapping[str, str | None]

    def due_at(self, flow: Flow, now: datetime) -> datetime | None:
        """When the flow's next mark can be handled, if that is soon."""
        first = self.due.get(flow.name)
        if first is None or not flow.settings.writes or not flow.settings.enabled:
            return None
        moment = datetime.fromisoformat(first)
        return moment if moment <= now + SOON else None


def look(env: Env, order: Sequence[str]) -> Board:
    """The board, from one read; live runs in the order of their flows, reading before writing."""
    with env.store.read() as connection:
        return look_in(connection, env.store, order)


def look_in(connection: Connection, store: Store, order: Sequence[str]) -> Board:
    tables, rank = store.metadata.tables, {name: i for i, name in enumerate(order)}
    live = [r for r in runs.live_in(connection, store) if r.flow in rank]
    live.sort(key=lambda r: (r.phase != "pull", rank[r.flow]))
    states = {r.flow: r for r in connection.execute(_states(tables["flow_state"]))}
    due = connection.execute(_due(tables["outbox"], tuple(order))).one() if order else ()
    return Board(live, states, dict(zip(order, due, strict=True)))


@lru_cache(maxsize=8)
def _states(table: Table) -> Select[Any]:
    return select(table)


@lru_cache(maxsize=8)
def _due(outbox: Table, order: tuple[str, ...]) -> Select[Any]:
    """One look into the index per flow, in one statement."""
    first = [
        select(func.min(outbox.c.due_at))
        .where(outbox.c.flow == name, outbox.c.state == "due")
        .scalar_subquery()
        for name in order
    ]
    return select(*first)


def schedule(env: Env, order: Sequence[str], board: Board, now: datetime) -> bool:
    """Ask for the runs whose time has come: one each, however long nobody looked."""
    asked = [(flow, full) for flow, full in _asked(env, order, board, now) if full is not None]
    late = {
        flow.name: _times(flow, board.states.get(flow.name), now) for flow in _enabled(env, order)
    }
    if not asked and not any(late.values()):
        return False
    state = env.store.metadata.tables["flow_state"]
    with env.work("schedule", "hub") as work:
        for flow, full in asked:
            _ask(env, work, board, flow, full=bool(full))
        for name, times in late.items():
            if times:
                work.connection.execute(update(state).where(state.c.flow == name).values(**times))
    return True


def _ask(env: Env, work: Work, board: Board, flow: Flow, *, full: bool) -> None:
    """Ask for a run; a flow whose mapping may not run is paused, and the others go on."""
    try:
        runs.request_in(env, work, flow, trigger="schedule", full=full)
    except HubError as e:
        state = board.states.get(flow.name)
        if state is None or state.state != "paused":
            runs.pause(work, flow, e)


def _enabled(env: Env, order: Sequence[str]) -> list[Flow]:
    return [env.flows[name] for name in order if env.flows[name].settings.enabled]


def _asked(
    env: Env, order: Sequence[str], board: Board, now: datetime
) -> Iterator[tuple[Flow, bool | None]]:
    """The flows, and whether a full run, a run or (None) nothing is to be asked for."""
    at, running = stamp(now), {run.flow for run in board.live}
    for flow in _enabled(env, order):
        row = board.states.get(flow.name)
        if row is None:
            yield flow, False
        elif row.next_full_at and row.next_full_at <= at:
            yield flow, True
        elif row.next_at and row.next_at <= at:
            yield flow, False
        elif not row.next_at and parse_schedule(flow.settings.schedule).every is not None:
            yield flow, False  # until now it was only run by hand
        else:
            marked = board.due_at(flow, now) is not None and flow.name not in running
            marked = marked and not runs.observes(flow, row)
            yield flow, False if marked else None


def _times(flow: Flow, row: Any, now: datetime) -> dict[str, str]:
    """When the flow is due next; of the two schedules only the one that has come is moved on."""
    times, observes = {}, runs.observes(flow, row)
    for name, schedule in (
        ("next_at", flow.settings.schedule),
        ("next_full_at", flow.settings.full_schedule),
    ):
        known = getattr(row, name) if row is not None else None
        if known is None or known <= stamp(now):
            each = stamp(now + OBSERVE_EVERY) if observes else None
            times[name] = each or next_time(schedule, now)
    return {name: at for name, at in times.items() if at is not None}


def next_schedules(board: Board) -> list[datetime]:
    return [
        datetime.fromisoformat(t)
        for row in board.states.values()
        for t in (row.next_at, row.next_full_at)
        if t
    ]


def next_time(schedule: str, now: datetime) -> str | None:
    """When a schedule is due next, as the tables keep it; None: never by itself."""
    parsed = parse_schedule(schedule)
    if parsed.every is not None:
        return stamp(now + parsed.every)
    return stamp(next(CronSim(parsed.cron, now))) if parsed.cron else None
