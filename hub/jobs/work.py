"""The jobs: pull a range of pages, sweep, push a batch, schedule.  `step` picks the next one.

Each job takes the lease of its source first, so that a flow's pages and writes never interleave,
and confirms it in every transaction it commits.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hub.connector import Connector, Page
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
from hub.jobs.board import Board, look, look_in, next_schedules, schedule
from hub.store.tables import stamp
from hub.sync import duplicates, leases, limits, pull, push, quarantine, send, sweep
from hub.sync.flow import Counts, Env, Flow, Run, Work
from hub.sync.incoming import Incoming, Taken, prepare
from hub.sync.leases import LeaseLostError
from hub.sync.limits import BrakeError, Tally
from hub.sync.outgoing import Mark
from hub.sync.quarantine import Parked
from hub.sync.remote import Remote
from hub.sync.rows import decode

Progress = Callable[[Mapping[str, Any]], None]
Opener = Callable[[str], AbstractContextManager[Connector]]
Planner = Callable[["Jobs", Sequence[str], str, bool], str]
"""Plans runs of the flows, of this kind, full or not; gives the plan's id."""
RANGE = timedelta(seconds=20)
"""How long a job goes on with one read before it gives others a turn."""
PUSH_CALLS = 10
"""How many calls' worth of marks a push leases at once."""
ATTEMPTS_BY_HAND = 3
UPDATED = ("update", "applied")
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
    planner: Planner | None = None

    # ------------------------------------------------------------------------------------ step

    def step(self, now: datetime, *, schedules: bool) -> datetime | None:
        """Do the most urgent piece of work; None if there was one, else when to look again."""
        board = look(self.env, self.order)
        if schedules and schedule(self.env, self.order, board, now):
            board = look(self.env, self.order)
        self.env.fault("step:looked")
        waits: list[datetime] = []
        for run in board.live:
            wait = self._attempt(run, now, board)
            if wait is None:
                return None
            waits.append(wait)
        if schedules:
            waits += next_schedules(board)
        return min(waits, default=now + timedelta(seconds=5))

    def _attempt(self, run: Run, now: datetime, board: Board) -> datetime | None:
        """Work on the run; None if something was done, else the time at which it can go on."""
        flow, state = self.env.flows[run.flow], board.states[run.flow]
        if state.state == "paused" and run.trigger != "manual":
            return now + timedelta(minutes=1)
        if state.retry_at and state.retry_at > stamp(now):
            return datetime.fromisoformat(state.retry_at)
        if self.planner is not None and runs.observes(flow, state):
            self._observe(self.planner, board)
            return None
        if run.phase != "pull":
            due = board.due_at(flow, now)
            if due is None:
                return self._busy(run, board, now) or self._finish_if_quiet(run, flow, now)
            if due > now:
                return due
        leased = self._begin(run, flow, now)
        if leased is None:
            return now + timedelta(seconds=0.5)
        fence, run = leased
        try:
            if run.phase == "pull":
                self.pull_range(run, flow, fence)
            else:
                self.push_batch(run, flow, fence)
        except LeaseLostError:
            pass
        except HubError as e:
            with suppress(LeaseLostError):
                self._failed(run, flow, fence, e)
        finally:
            with suppress(HubError), self.env.store.write("release") as connection:
                leases.release(connection, self.env.store, flow.source_id, fence)
        return None

    def _observe(self, planner: Planner, board: Board) -> None:
        """Plan all that observing flows are asked for, together: so each sees what the others bring."""
        flows = self.env.flows
        mine = [r for r in board.live if runs.observes(flows[r.flow], board.states[r.flow])]
        full = any(r.full_read for r in mine)
        plan_id = planner(self, [r.flow for r in mine], "observe", full)
        for run in mine:
            runs.planned(self.env, run.id, plan_id)

    def _begin(self, run: Run, flow: Flow, now: datetime) -> tuple[int, Run] | None:
        """Take the lease of the run's source; its fence, and the run as it stands under it."""
        env = self.env
        with env.work("lease", "hub") as work:
            fence = leases.acquire(
                work.connection,
                env.store,
                flow.source_id,
                owner=self.owner,
                now=now,
                length=env.settings.lease,
            )
            if fence is None:
                return None
            fresh = runs.load_run(work.connection, env.store, run.id)
            if fresh.state not in runs.LIVE or fresh.phase != run.phase:
                leases.release(work.connection, env.store, flow.source_id, fence)
                return None
            if fresh.state == "queued":
                fresh.state, fresh.started_at = "running", work.at
                runs.save(work.connection, env.store, fresh)
            return fence, fresh

    def confirm(self, work: Work, flow: Flow, fence: int) -> None:
        leases.confirm(
            work.connection,
            self.env.store,
            flow.source_id,
            fence,
            now=work.moment,
            length=self.env.settings.lease,
        )

    def _guard(self, flow: Flow, fence: int, confirmed: datetime) -> Callable[[], None]:
        """Before a write: a worker that was stopped beyond its lease must not go on.

        Only if time has passed since the lease was confirmed is it confirmed again.
        """
        env = self.env

        def guard() -> None:
            nonlocal confirmed
            now = env.clock.now()
            if timedelta(0) <= now - confirmed < env.settings.lease / 3:
                return
            with env.work("guard", "hub") as work:
                self.confirm(work, flow, fence)
            confirmed = now

        return guard

    # ------------------------------------------------------------------------------------ pull

    def pull_range(self, run: Run, flow: Flow, fence: int) -> None:
        """Read pages for a while; each is one transaction with its cursor.  Resumable at any page."""
        run.scored = duplicates.prepare(self.env, flow, self.progress)
        begun = run.counts.read > 0
        stream = flow.stream if begun else replace(flow.stream, overlap=flow.settings.overlap)
        remote = self.remote(flow)
        until = self.env.clock.monotonic() + RANGE.total_seconds()
        with self.open_connector(flow.connection) as connector:
            for page in remote.pages(connector.read(stream, run.cursor)):
                rows = prepare(flow, page.rows)
                self.env.fault("pull:read")
                made = run.counts.by["created"]
                taken = self._take_page(run, flow, fence, page, rows)
                self.env.store.grown(_tables(flow), made, run.counts.by["created"])
                self._follow(run, flow, connector, taken)
                self._tell(run, "pull", run.counts.read, page.total)
                if self.env.clock.monotonic() > until:
                    return
        self._end_of_read(run, flow, fence)

    def _take_page(
        self, run: Run, flow: Flow, fence: int, page: Page, rows: list[Incoming]
    ) -> Taken:
        with self.env.work("pull", runs.ORIGIN.format(flow.name), run.id) as work:
            self.confirm(work, flow, fence)
            run.counts.read += len(rows)
            run.counts.total = page.total
            taken = pull.take(self.env, work, flow, run, rows)
            self._hold_in(work, run, flow)
            run.cursor = page.cursor
            runs.save(work.connection, self.env.store, run)
            if not run.full_read:
                runs.save_cursor(work.connection, self.env.store, flow.name, page.cursor)
            return taken

    def _end_of_read(self, run: Run, flow: Flow, fence: int) -> None:
        """The read came to its end: take the deletes it proves, and go on to writing."""
        with self.env.work("sweep", runs.ORIGIN.format(flow.name), run.id) as work:
            self.confirm(work, flow, fence)
            complete, why = True, ""
            if run.full_read:
                known = 0 if run.counts.read else sweep.count_links(work, flow)
                complete, why = _is_complete(run, known - sweep.approved(work, flow))
            quarantine.out_of_patience(work, flow, flow.settings.patience)
            if run.full_read and complete:
                gone = sweep.not_met(work, flow, run)
                self._hold_in(work, run, flow, deletes=len(gone))
                run.counts.deleted += sweep.apply(work, flow, gone)
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
                hint="Check the source, then run `hub sync --full` again.  If it is really empty,"
                " `hub flows resume` with --approve says so.",
            )

    def _hold_in(self, work: Work, run: Run, flow: Flow, *, deletes: int = 0) -> None:
        """BrakeError before anything is committed that the flow's brake does not allow."""
        by, deletes = run.counts.by, deletes + run.counts.deleted
        tally = Tally(by["created"], by["updated"], deletes, run.changed)
        limits.hold(work, flow, run, "in", tally)

    # -- what a page leads to

    def _follow(self, run: Run, flow: Flow, connector: Connector, taken: Taken) -> None:
        """Fetch references that are missing, and let rows that waited for this page go on."""
        woken = list(taken.woken)
        for source_id, keys in taken.missing.items():
            woken += self._fetch(run, flow, connector, source_id, sorted(keys)).woken
        for _ in range(WAKE_ROUNDS):
            if not woken:
                return
            woken = self._wake(run, woken)

    def _fetch(
        self, run: Run, flow: Flow, connector: Connector, source_id: int, keys: Sequence[str]
    ) -> Taken:
        target = self.env.flow_of(source_id, reads=True)
        taken = Taken()
        if target is None or self._is_pulling(target):
            return taken
        remote, size = self.remote(flow), target.capabilities.read_page
        for start in range(0, len(keys), size):
            some = keys[start : start + size]
            found = remote.read(lambda some=some: connector.fetch(target.stream, some))  # type: ignore[misc]
            rows = prepare(target, found)
            aside = _aside(target, self.env)
            with self.env.work("fetch", runs.ORIGIN.format(target.name), run.id) as work:
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
        cause = current.id if current is not None else None
        with self.env.work("wake", runs.ORIGIN.format(flow.name), cause) as work:
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
        with self.open_connector(flow.connection) as connector:
            for start in range(0, len(marks), size):
                self._push_some(run, flow, fence, connector, marks[start : start + size])

    def _reading(self, connection: Any) -> Work:
        env = self.env
        return Work(connection, env.store, env.ids, env.clock.now(), "hub", None, ())

    def _push_some(
        self,
        run: Run,
        flow: Flow,
        fence: int,
        connector: Connector,
        marks: Sequence[Mark],
    ) -> None:
        made = run.counts.written["created"]
        with self.env.work("intent", runs.ORIGIN.format(flow.name), run.id) as work:
            self.confirm(work, flow, fence)
            sending = push.plan(self.env, work, flow, run, marks, connector.version_of)
            self._hold_out(work, run, flow, sending)
            runs.save(work.connection, self.env.store, run)
        if sending:
            self.send_some(run, flow, fence, connector, sending, work.moment)
        self.env.store.grown(_tables(flow), made, run.counts.written["created"])
        self._tell(run, "push", sum(run.counts.written.values()), None)

    def _hold_out(self, work: Work, run: Run, flow: Flow, sending: Sequence[Mark]) -> None:
        """BrakeError before anything is sent: what this run wrote, with what it is about to write."""
        written = run.counts.written
        done = (written["created"], written["updated"], written["deleted"])
        tally = Tally(*done, dict(run.sent))
        for m in sending:
            if m.change is not None:
                tally.add(m.op, m.sent)
        limits.hold(work, flow, run, "out", tally)

    def send_some(
        self,
        run: Run,
        flow: Flow,
        fence: int,
        connector: Connector,
        sending: Sequence[Mark],
        since: datetime,
    ) -> None:
        """Make the writes whose intents were committed at *since*, and settle them.

        Raises what stopped them.
        """
        failure: HubError | None = None
        try:
            guard = self._guard(flow, fence, since)
            with self.remote(flow).call():
                send.send(self.env, flow, connector, sending, guard)
        except RemoteError as e:
            failure = e
        self.env.fault("push:sent")
        with self.env.work("settle", runs.ORIGIN.format(flow.name), run.id) as work:
            self.confirm(work, flow, fence)
            taken = push.settle(self.env, work, flow, run, sending)
            for name in [n for m in sending if (m.op, m.outcome) == UPDATED for n in m.sent]:
                run.sent[name] = run.sent.get(name, 0) + 1
            runs.save(work.connection, self.env.store, run)
        self._follow(run, flow, connector, taken)
        if failure is not None:
            raise failure

    # ---------------------------------------------------------------------------------- finish

    def _finish_if_quiet(self, run: Run, flow: Flow, now: datetime) -> datetime | None:
        """End the run once no other live run can still make marks for it."""
        with self.env.work("finish", "hub") as work:
            board = look_in(work.connection, self.env.store, self.order)
            fresh = next((r for r in board.live if r.id == run.id), None)
            if fresh is None:
                return None
            wait = self._busy(fresh, board, now)
            if wait or leases.is_held(work.connection, self.env.store, flow.source_id, now):
                return wait or now + timedelta(seconds=0.2)
            if fresh.state == "queued":
                fresh.started_at = work.at
            counts = fresh.counts
            if not counts.check():
                raise AssertionError(f"run {run.id} lost count: {counts.to_json()}")
            partial = counts.by["quarantined"] or counts.written["rejected"]
            runs.finish(work, flow, fresh, "partial" if partial else "done")
            if sweep.approved(work, flow):
                runs.resume_in(work, run.flow)
        return None

    def _busy(self, run: Run, board: Board, now: datetime) -> datetime | None:
        """When to look again whether the run is over; None if nothing can make marks for it now."""
        waits = [w for r in board.live if (w := self._makes_marks(r, run, board, now))]
        return max(now + timedelta(seconds=0.2), min(waits)) if waits else None

    def _makes_marks(self, other: Run, run: Run, board: Board, now: datetime) -> datetime | None:
        """When the other run goes on, if it can still make marks for this one; else None."""
        state = board.states[other.flow]
        if other.id == run.id:
            return board.due_at(self.env.flows[run.flow], now)
        if state.state == "paused" and other.trigger != "manual":
            return None
        if other.phase != "pull" and not board.due_at(self.env.flows[other.flow], now):
            return None
        return datetime.fromisoformat(state.retry_at) if state.retry_at else now

    def _failed(self, run: Run, flow: Flow, fence: int, error: HubError) -> None:
        """What the error's class says: again later, or stop and pause."""
        plan_id = self._plan_rest(flow, run) if isinstance(error, BrakeError) else None
        with self.env.work("failed", "hub", run.id) as work:
            self.confirm(work, flow, fence)
            # the run as committed: what the failed transaction counted did not happen
            fresh = runs.load_run(work.connection, self.env.store, run.id)
            attempts = runs.flow_row_in(work.connection, self.env.store, flow.name).attempts
            by_hand, now = fresh.trigger == "manual", work.moment
            match error:
                case RateLimitError():
                    wait = error.retry_after or timedelta(seconds=30)
                    runs.retry_later(work, flow.name, now + wait, attempts=attempts)
                    if by_hand and wait > timedelta(minutes=2):
                        runs.finish(work, flow, fresh, "failed", error)
                case UnavailableError() | BusyError() | StorageError():
                    wait = self._backoff(attempts)
                    attempts += 1
                    if by_hand and attempts >= ATTEMPTS_BY_HAND:
                        runs.finish(work, flow, fresh, "failed", error)
                        wait = timedelta(0)
                    runs.retry_later(work, flow.name, now + wait, attempts=attempts)
                case BrakeError() | AuthError() | ConfigError() | ProtocolError():
                    runs.pause(work, flow, error, plan=plan_id)
                    state = "paused" if isinstance(error, BrakeError) else "failed"
                    runs.finish(work, flow, fresh, state, error)
                case _:
                    runs.finish(work, flow, fresh, "failed", error)

    def _plan_rest(self, flow: Flow, run: Run) -> str | None:
        """A plan of all that the run would still do, for a person to look at.

        Where the source cannot be read again the run pauses all the same.
        """
        if self.planner is None:
            return None
        with suppress(HubError):
            return self.planner(self, [flow.name], "brake", run.full_read)
        return None

    def _backoff(self, attempts: int) -> timedelta:
        """Exponential, with full jitter."""
        retry = self.env.settings.retry
        ceiling: timedelta = min(retry.cap, retry.base * 2 ** min(attempts, 20))
        return ceiling * self.env.rng.uniform(0.5, 1.0)

    # ------------------------------------------------------------------------------------ small

    def remote(self, flow: Flow) -> Remote:
        limit = self.calls_per_minute.get(flow.connection) or flow.capabilities.calls_per_minute
        return Remote(self.env, flow.connection, limit)

    def _tell(self, run: Run, phase: str, done: int, total: int | None) -> None:
        self.progress({"flow": run.flow, "phase": phase, "done": done, "total": total})


def _tables(flow: Flow) -> tuple[str, ...]:
    """What grows with the flow's records."""
    lists = (f"{flow.stored}_{f.name}" for f in flow.entity.fields if f.rows)
    return (flow.stored, *lists, "link", "journal", "outbox", "intent")


def _aside(flow: Flow, env: Env) -> Run:
    """Counts for rows that a run meets besides its own reading."""
    run = Run("", flow.name, "running", "pull", False, None, stamp(env.clock.now()), Counts())
    run.scored = duplicates.prepare(env, flow)
    return run


def _is_complete(run: Run, known: int) -> tuple[bool, str]:
    """Whether a read that ended without an error gave every row there is."""
    counts = run.counts
    if counts.total is not None and counts.read < counts.total:
        return False, f"{counts.read} rows of {counts.total} arrived"
    if known > 0 and not counts.read:
        return False, f"it was empty, where {known} rows were known"
    return True, ""
