"""The jobs: pull a range of pages, sweep, push a batch, schedule.  `step` picks the next one.

Each job takes the lease of its source first, so that a flow's pages and writes never interleave,
and confirms it in every transaction it commits.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cronsim import CronSim
from sqlalchemy import func, select, update

from hub.connector import Connector
from hub.errors import (
    AuthError,
    BusyError,
    ConfigError,
    HubError,
    ProtocolError,
    RateLimitError,
    RemoteError,
    StorageError,
    UnavailableError,
)
from hub.jobs import runs
from hub.settings import parse_schedule
from hub.store.tables import stamp
from hub.sync import leases, pull, push, quarantine, send, sweep
from hub.sync.flow import Counts, Env, Flow, Run, Work
from hub.sync.incoming import Incoming, Taken, prepare
from hub.sync.leases import LeaseLostError
from hub.sync.outgoing import Mark
from hub.sync.quarantine import Parked
from hub.sync.remote import Remote
from hub.sync.rows import decode

Progress = Callable[[Mapping[str, Any]], None]
Opener = Callable[[str], AbstractContextManager[Connector]]
RANGE = timedelta(seconds=20)
"""How long a job goes on with one read before it gives others a turn."""
PUSH_CALLS = 10
"""How many calls' worth of marks a push leases at once."""
SOON = timedelta(seconds=20)
"""A run asked for by a person waits this long for what is to be tried again."""
ATTEMPTS_BY_HAND = 3
WAKE_ROUNDS = 20


@dataclass(frozen=True)
class Jobs:
    """The jobs over one environment.  `open_connector` gives a connection's connector, not yet open."""

    env: Env
    open_connector: Opener
    calls_per_minute: Mapping[str, int | None]
    owner: str
    order: Sequence[str]
    """Flow names, referred-to flows first."""
    progress: Progress = lambda event: None

    # ------------------------------------------------------------------------------------ step

    def step(self, now: datetime, *, schedules: bool) -> datetime | None:
        """Do the most urgent piece of work; None if there was one, else when to look again."""
        if schedules:
            self.schedule(now)
        waits: list[datetime] = []
        live = self._live_in_order()
        for run in [r for r in live if r.phase == "pull"] + [r for r in live if r.phase != "pull"]:
            wait = self._attempt(run, now, live)
            if wait is None:
                return None
            waits.append(wait)
        if schedules:
            waits += self._next_schedules()
        return min(waits, default=now + timedelta(seconds=5))

    def _live_in_order(self) -> list[Run]:
        rank = {name: i for i, name in enumerate(self.order)}
        live = [r for r in runs.live(self.env) if r.flow in rank]
        return sorted(live, key=lambda r: rank[r.flow])

    def _attempt(self, run: Run, now: datetime, live: Sequence[Run]) -> datetime | None:
        """Work on the run; None if something was done, else the time at which it can go on."""
        flow = self.env.flows[run.flow]
        state = runs.flow_row(self.env, run.flow)
        if state.state == "paused" and run.trigger != "manual":
            return now + timedelta(minutes=1)
        if state.retry_at and state.retry_at > stamp(now):
            return datetime.fromisoformat(state.retry_at)
        if run.phase != "pull":
            due = self._due_at(flow, now)
            if due is None:
                return self._finish_if_quiet(run, live, now)
            if due > now:
                return due
        fence = self._lease(flow, now)
        if fence is None:
            return now + timedelta(seconds=0.5)
        try:
            self._one(run, flow, fence)
        except LeaseLostError:
            pass
        except HubError as e:
            self._failed(run, flow, e)
        finally:
            with suppress(HubError), self.env.store.write("release") as connection:
                leases.release(connection, self.env.store, flow.source_id, fence)
        return None

    def _one(self, run: Run, flow: Flow, fence: int) -> None:
        if run.state == "queued":
            self._begin(run)
        if run.phase == "pull":
            self.pull_range(run, flow, fence)
        else:
            self.push_batch(run, flow, fence)

    def _begin(self, run: Run) -> None:
        run.state = "running"
        with self.env.work("begin", "hub") as work:
            run.started_at = work.at
            runs.save(work.connection, self.env.store, run, started_at=work.at)

    def _lease(self, flow: Flow, now: datetime) -> int | None:
        with self.env.store.write("lease") as connection:
            return leases.acquire(
                connection,
                self.env.store,
                flow.source_id,
                owner=self.owner,
                now=now,
                length=self.env.settings.lease,
            )

    def _confirm(self, work: Work, flow: Flow, fence: int) -> None:
        leases.confirm(
            work.connection,
            self.env.store,
            flow.source_id,
            fence,
            now=work.moment,
            length=self.env.settings.lease,
        )

    # ------------------------------------------------------------------------------------ pull

    def pull_range(self, run: Run, flow: Flow, fence: int) -> None:
        """Read pages for a while; each is one transaction with its cursor.  Resumable at any page."""
        with self.env.store.read() as connection:
            store = self.env.store
            total = connection.execute(
                select(func.count())
                .select_from(store.metadata.tables["link"])
                .where(store.metadata.tables["link"].c.source_id == flow.source_id)
            ).scalar_one()
        begun = run.counts.read > 0
        stream = flow.stream if begun else replace(flow.stream, overlap=flow.settings.overlap)
        remote = self._remote(flow)
        until = self.env.clock.monotonic() + RANGE.total_seconds()
        with self.open_connector(flow.connection) as connector:
            for page in remote.pages(connector.read(stream, run.cursor)):
                rows = prepare(flow, page.rows)
                self.env.fault("pull:read")
                taken = self._take_page(run, flow, fence, page, rows, total)
                self._follow(run, flow, connector, taken)
                self._tell(run, "pull", run.counts.read, page.total)
                if self.env.clock.monotonic() > until:
                    return
        self._end_of_read(run, flow, fence)

    def _take_page(
        self, run: Run, flow: Flow, fence: int, page: Any, rows: list[Incoming], total: int
    ) -> Taken:
        with self.env.work("pull", runs.ORIGIN.format(flow.name), run.id) as work:
            self._confirm(work, flow, fence)
            run.counts.read += len(rows)
            run.counts.total = page.total
            taken = pull.take(self.env, work, flow, run, rows)
            if total and not runs.approved(work.connection, self.env.store, flow.name):
                sweep.brake_field(flow, run.changed, total)
            run.cursor = page.cursor
            runs.save(work.connection, self.env.store, run)
            if not run.full_read:
                runs.save_cursor(work.connection, self.env.store, flow.name, page.cursor)
            return taken

    def _end_of_read(self, run: Run, flow: Flow, fence: int) -> None:
        """The read came to its end: take the deletes it proves, and go on to writing."""
        complete, why = _is_complete(run, runs.flow_row(self.env, flow.name).last_rows)
        with self.env.work("sweep", runs.ORIGIN.format(flow.name), run.id) as work:
            self._confirm(work, flow, fence)
            quarantine.out_of_patience(work, flow, flow.settings.patience)
            if run.full_read and complete:
                gone = sweep.not_met(work, flow, run)
                total = sweep.count_links(work, flow)
                approved = runs.approved(work.connection, self.env.store, flow.name)
                sweep.brake(flow, gone, total, approved)
                run.counts.deleted += sweep.apply(work, flow, gone)
                sweep.forget(work, run)
            if run.full_read and run.cursor is not None:
                runs.save_cursor(work.connection, self.env.store, flow.name, run.cursor)
            run.phase = "push" if flow.settings.writes else "done"
            run.complete = complete
            runs.save(work.connection, self.env.store, run)
        if run.full_read and not complete:
            raise ProtocolError(
                "flow {flow!r}: the full read is not complete: {why}; no delete was taken from it",
                flow=flow.name,
                why=why,
                hint="Check the source, then run `hub sync --full` again.",
            )

    # -- what a page leads to

    def _follow(self, run: Run, flow: Flow, connector: Connector, taken: Taken) -> None:
        """Fetch references that are missing, and let rows that waited for this page go on."""
        woken = list(taken.woken)
        for source_id, keys in taken.missing.items():
            woken += self._fetch(flow, connector, source_id, sorted(keys)).woken
        for _ in range(WAKE_ROUNDS):
            if not woken:
                return
            woken = self._wake(run, woken)

    def _fetch(
        self, flow: Flow, connector: Connector, source_id: int, keys: Sequence[str]
    ) -> Taken:
        target = self.env.flow_of(source_id, reads=True)
        taken = Taken()
        if target is None or self._is_pulling(target):
            return taken
        remote, size = self._remote(flow), target.capabilities.read_page
        for start in range(0, len(keys), size):
            some = keys[start : start + size]
            found = remote.read(lambda some=some: connector.fetch(target.stream, some))  # type: ignore[misc]
            rows = prepare(target, found)
            aside = _aside(target, self.env)
            with self.env.work("fetch", runs.ORIGIN.format(target.name)) as work:
                taken.woken += pull.take(self.env, work, target, aside, rows).woken
        return taken

    def _is_pulling(self, flow: Flow) -> bool:
        return any(r.phase == "pull" for r in runs.live(self.env, flow.name))

    def _wake(self, current: Run, woken: Sequence[Parked]) -> list[Parked]:
        """Take the rows again; count them where they were counted as waiting."""
        further: list[Parked] = []
        for name in sorted({entry.flow for entry in woken}):
            flow = self.env.flows.get(name)
            entries = [e for e in woken if e.flow == name]
            if flow is None:
                continue
            further += self._take_again(flow, entries, current)[1]
        return further

    def take_parked(self, flow: Flow, entries: Sequence[Parked]) -> Run:
        """Take parked rows again because a person says so; the counts say what became of them."""
        run, woken = self._take_again(flow, entries, None)
        for _ in range(WAKE_ROUNDS):
            woken = self._wake(run, woken) if woken else []
        return run

    def _take_again(
        self, flow: Flow, entries: Sequence[Parked], current: Run | None
    ) -> tuple[Run, list[Parked]]:
        rows = prepare(flow, [decode(e.row) for e in entries])
        for incoming, entry in zip(rows, entries, strict=True):
            incoming.parked_id = entry.id
        aside = _aside(flow, self.env)
        with self.env.work("wake", runs.ORIGIN.format(flow.name)) as work:
            taken = pull.take(self.env, work, flow, aside, rows)
            self._recount(work, flow, entries, aside, current)
        return aside, taken.woken

    def _recount(
        self, work: Work, flow: Flow, entries: Sequence[Parked], aside: Run, current: Run | None
    ) -> None:
        """Move woken rows from `waiting` to what became of them, in the run that counted them."""
        live = runs.live_in(work.connection, self.env.store, flow.name)
        for run in [r for r in live if r.state == "running"]:
            mine = current if current is not None and current.id == run.id else run
            count = sum(1 for e in entries if e.kind == "waiting")
            count = min(count, mine.counts.by["waiting"])
            if not count:
                continue
            mine.counts.by["waiting"] -= count
            for name, value in aside.counts.by.items():
                mine.counts.by[name] += min(value, count)
                count -= min(value, count)
            runs.save(work.connection, self.env.store, mine)

    # ------------------------------------------------------------------------------------ push

    def push_batch(self, run: Run, flow: Flow, fence: int) -> None:
        """Bring the next marked records up in the remote system, call by call."""
        size = flow.capabilities.write_batch
        with self.env.store.read() as connection:
            marks = push.due(self._reading(connection), flow, size * PUSH_CALLS)
        remote = self._remote(flow)
        with self.open_connector(flow.connection) as connector:
            for start in range(0, len(marks), size):
                self._push_some(run, flow, fence, connector, remote, marks[start : start + size])

    def _reading(self, connection: Any) -> Work:
        env = self.env
        return Work(connection, env.store, env.ids, env.clock.now(), "hub", None, ())

    def _push_some(
        self,
        run: Run,
        flow: Flow,
        fence: int,
        connector: Connector,
        remote: Remote,
        marks: Sequence[Mark],
    ) -> None:
        origin = runs.ORIGIN.format(flow.name)
        with self.env.work("intent", origin, run.id) as work:
            self._confirm(work, flow, fence)
            sending = push.plan(self.env, work, flow, run, marks)
            runs.save(work.connection, self.env.store, run)
        failure: HubError | None = None
        if sending:
            try:
                with remote.call():
                    send.send(self.env, flow, connector, sending)
            except RemoteError as e:
                failure = e
            self.env.fault("push:sent")
            with self.env.work("settle", origin, run.id) as work:
                self._confirm(work, flow, fence)
                taken = push.settle(self.env, work, flow, run, sending)
                runs.save(work.connection, self.env.store, run)
            self._follow(run, flow, connector, taken)
        self._tell(run, "push", sum(run.counts.written.values()), None)
        if failure is not None:
            raise failure

    def _due_at(self, flow: Flow, now: datetime) -> datetime | None:
        """When the flow's next mark can be handled, if that is soon."""
        outbox = self.env.store.metadata.tables["outbox"]
        query = select(func.min(outbox.c.due_at)).where(
            outbox.c.flow == flow.name, outbox.c.state == "due"
        )
        with self.env.store.read() as connection:
            first = connection.execute(query).scalar_one_or_none()
        if first is None or not flow.settings.writes or not flow.settings.enabled:
            return None
        moment = datetime.fromisoformat(first)
        return moment if moment <= now + SOON else None

    # ---------------------------------------------------------------------------------- finish

    def _finish_if_quiet(self, run: Run, live: Sequence[Run], now: datetime) -> datetime | None:
        """End the run once no other live run can still make marks for it."""
        busy = [
            other
            for other in live
            if other.id != run.id
            and (other.phase == "pull" or self._due_at(self.env.flows[other.flow], now))
        ]
        if busy:
            return now + timedelta(seconds=0.2)
        counts = run.counts
        if not counts.check():
            raise AssertionError(f"run {run.id} lost count: {counts.to_json()}")
        partial = counts.by["quarantined"] or counts.written["rejected"]
        if run.state == "queued":
            self._begin(run)
        runs.finish(self.env, run, "partial" if partial else "done")
        with self.env.store.read() as connection:
            approved = runs.approved(connection, self.env.store, run.flow)
        if approved:
            runs.resume(self.env, run.flow)
        return None

    def _failed(self, run: Run, flow: Flow, error: HubError) -> None:
        """What the error's class says: again later, or stop and pause."""
        now, by_hand = self.env.clock.now(), run.trigger == "manual"
        fresh = self._reload(run)
        match error:
            case RateLimitError():
                wait = error.retry_after or timedelta(seconds=30)
                runs.retry_later(self.env, flow.name, now + wait, attempt=False)
                if by_hand and wait > timedelta(minutes=2):
                    runs.finish(self.env, fresh, "failed", error)
            case UnavailableError() | BusyError() | StorageError():
                state = runs.flow_row(self.env, flow.name)
                attempts = runs.retry_later(
                    self.env, flow.name, now + self._backoff(state.attempts), attempt=True
                )
                if by_hand and attempts >= ATTEMPTS_BY_HAND:
                    runs.finish(self.env, fresh, "failed", error)
                    runs.retry_later(self.env, flow.name, now, attempt=False)
            case sweep.BrakeError() | AuthError() | ConfigError() | ProtocolError():
                runs.pause(self.env, flow, error)
                state_ = "paused" if isinstance(error, sweep.BrakeError) else "failed"
                runs.finish(self.env, fresh, state_, error)
            case _:
                runs.finish(self.env, fresh, "failed", error)

    def _reload(self, run: Run) -> Run:
        """The run as committed: what the failed transaction counted did not happen."""
        with self.env.store.read() as connection:
            return runs.load_run(connection, self.env.store, run.id)

    def _backoff(self, attempts: int) -> timedelta:
        """Exponential, with full jitter."""
        retry = self.env.settings.retry
        ceiling: timedelta = min(retry.cap, retry.base * 2 ** min(attempts, 20))
        return ceiling * self.env.rng.uniform(0.5, 1.0)

    # -------------------------------------------------------------------------------- schedule

    def schedule(self, now: datetime) -> None:
        """Ask for the runs whose time has come: one each, however long nobody looked."""
        state = self.env.store.metadata.tables["flow_state"]
        for name in self.order:
            flow = self.env.flows[name]
            if not flow.settings.enabled:
                continue
            row = runs.flow_row(self.env, name)
            due = row is None or (row.next_at is not None and row.next_at <= stamp(now))
            due_full = row is not None and row.next_full_at and row.next_full_at <= stamp(now)
            if row is not None and row.next_at is None and row.next_full_at is None:
                due = parse_schedule(flow.settings.schedule).every is not None
            marked = self._due_at(flow, now) is not None
            if due or due_full or marked:
                self._ask(flow, full=bool(due_full))
            if row is None or due or due_full or row.next_at is None:
                values = {
                    "next_at": next_time(flow.settings.schedule, now),
                    "next_full_at": next_time(flow.settings.full_schedule, now),
                }
                with self.env.work("schedule", "hub") as work:
                    work.connection.execute(
                        update(state).where(state.c.flow == name).values(**values)
                    )

    def _ask(self, flow: Flow, *, full: bool) -> None:
        """Ask for a run; a flow whose mapping may not run is paused, and the others go on."""
        try:
            runs.request(self.env, flow, trigger="schedule", full=full)
        except HubError as e:
            state = runs.flow_row(self.env, flow.name)
            if state is None or state.state != "paused":
                runs.pause(self.env, flow, e)

    def _next_schedules(self) -> list[datetime]:
        state = self.env.store.metadata.tables["flow_state"]
        with self.env.store.read() as connection:
            rows = connection.execute(select(state.c.next_at, state.c.next_full_at)).all()
        return [datetime.fromisoformat(t) for row in rows for t in row if t]

    # ------------------------------------------------------------------------------------ small

    def _remote(self, flow: Flow) -> Remote:
        limit = self.calls_per_minute.get(flow.connection) or flow.capabilities.calls_per_minute
        return Remote(self.env, flow.connection, limit)

    def _tell(self, run: Run, phase: str, done: int, total: int | None) -> None:
        self.progress({"flow": run.flow, "phase": phase, "done": done, "total": total})


def _aside(flow: Flow, env: Env) -> Run:
    """Counts for rows that a run meets besides its own reading."""
    return Run("", flow.name, "running", "pull", False, None, stamp(env.clock.now()), Counts())


def _is_complete(run: Run, last_rows: int) -> tuple[bool, str]:
    """Whether a read that ended without an error gave every row there is."""
    counts = run.counts
    if counts.total is not None and counts.read < counts.total:
        return False, f"{counts.read} rows of {counts.total} arrived"
    if last_rows and not counts.read:
        return False, f"it was empty, where {last_rows} rows were known"
    return True, ""


def next_time(schedule: str, now: datetime) -> str | None:
    """When a schedule is due next, as the tables keep it; None: never by itself."""
    parsed = parse_schedule(schedule)
    if parsed.every is not None:
        return stamp(now + parsed.every)
    return stamp(next(CronSim(parsed.cron, now))) if parsed.cron else None
