"""Kill a real process at any fault point of the story, and let another one carry on.

One process prepares the story once and keeps every morning of it as files.  A trial restores one of
them and forks: the child works on real files (or a real PostgreSQL) until it kills itself with
SIGKILL at the nth fault point; the next child finds what it left.
"""

import gc
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from tests.chaos.story import STAGES, Office, SharedClock

USEFUL = {f"{name}:after-commit" for name in ("pull", "sweep", "fetch", "wake", "intent", "settle")}


class TrialError(Exception):
    """What a trial left differs from the undisturbed day."""


@dataclass
class Trials:
    """The story's days, ready to be disturbed.  `passed`: names of the fault points, in order, of
    every day as it goes undisturbed; `matter`: those before which something was kept for good.
    `met`: all names that were passed in any trial."""

    url: str
    folder: Path
    passed: dict[str, list[str]] = field(default_factory=dict)
    matter: dict[str, list[int]] = field(default_factory=dict)
    expected: dict[str, dict[str, Any]] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    trials: int = 0
    kills: int = 0
    pairs: int = 0
    stops: int = 0
    recoveries: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.live = self.folder / "live"
        self.live.mkdir(parents=True)
        self.trace = self.folder / "trace"
        self.clock = SharedClock()
        self.mornings: dict[str, datetime] = {}
        self._written: Any = None
        self.office = Office(self.url, self.live, self.clock)

    def prepare(self) -> None:
        """The undisturbed story.  It runs in this process, so that its children start warm."""
        for stage in STAGES:
            self.office.people(stage)
            self._keep(stage)
            passed: list[tuple[str, Any]] = []
            self.office.fault = partial(self._note, passed)
            self.office.run(stage)
            states = [None, *(state for _, state in passed)]
            self.matter[stage] = [n for n, (a, b) in enumerate(pairwise(states)) if a != b]
            self.passed[stage], self.expected[stage] = (
                [n for n, _ in passed],
                self.office.contents(),
            )
            self.met.update(self.passed[stage])
        self.office.store.close()
        gc.collect()
        gc.freeze()

    def _note(self, passed: list[tuple[str, Any]], name: str) -> None:
        passed.append((name, self._state(name)))

    def _state(self, name: str) -> Any:
        """What changes whenever anything was kept for good, in the hub or elsewhere."""
        files = [p for p in sorted(self.live.iterdir()) if not p.name.endswith("-shm")]
        seen: list[Any] = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
        if self._server and not name.endswith(":before-commit"):
            self._written = self._execute("SELECT pg_current_wal_insert_lsn()")
        return (*seen, self._written)

    # -- one trial

    def kill(self, stage: str, *points: int) -> int:
        """Kill at these points, each in a process of its own, then run undisturbed.

        Returns how many kills happened: fewer, where the day was over before.
        """
        self._restore(stage)
        happened = 0
        while happened < len(points) and self._run(stage, points[happened]):
            happened += 1
        if happened == len(points):
            self._run(stage, 0)
        self.kills += happened
        return happened

    def attempt(self, stage: str, *points: int) -> int:
        """`kill`, and a look at the result; a failure is kept and not raised."""
        self.trials += 1
        try:
            happened = self.kill(stage, *points)
            self._compare(stage, points)
        except TrialError as e:
            self.failures.append(str(e))
        return happened

    def points(self, stage: str, *, every: bool) -> Sequence[int]:
        """Fault points, counted from 0; those where a kill leaves what one at the point before
        would have left only if *every* one is wanted."""
        return range(len(self.passed[stage])) if every else self.matter[stage]

    def report(self) -> dict[str, Any]:
        return {
            "points": {stage: len(names) for stage, names in self.passed.items()},
            "matter": {stage: len(points) for stage, points in self.matter.items()},
            "names": sorted(self.met),
            "trials": self.trials,
            "kills": self.kills,
            "pairs": self.pairs,
            "stops": self.stops,
            "slowest recovery": max(self.recoveries, default=0),
            "failing": len(self.failures),
            "failures": self.failures[:20],
        }

    def recover(self, stage: str, point: int) -> None:
        """Kill a worker of another machine, whose death nobody can see, at this point.

        Keeps the seconds until a worker here has committed useful work.
        """
        self._restore(stage)
        self._start(stage, point, owner="elsewhere:1:1")
        self._end_of(stage)
        died = self._passed()[-1][1]
        self._run(stage, 0)
        useful = (moment for name, moment in self._passed() if name in USEFUL)
        self.recoveries.append(round(next(useful, died) - died, 3))

    def stop(self, stage: str, point: int) -> None:
        """SIGSTOP a worker at this point until its lease is over and another has done the work."""
        self._restore(stage)
        stopped = self._start(stage, point, signal.SIGSTOP)
        os.waitpid(stopped, os.WUNTRACED)
        self.clock.sleep(self.office.env.settings.lease + timedelta(seconds=1))
        self._run(stage, 0)
        self.trace.write_bytes(b"")
        os.kill(stopped, signal.SIGCONT)
        self._end_of(stage, stopped)
        self.stops += 1
        try:
            self._compare(stage, ("stopped at", point))
        except TrialError as e:
            self.failures.append(str(e))

    # -- one process

    def _run(self, stage: str, kill_at: int) -> bool:
        """Run to the end; whether it was killed before."""
        return self._end_of(stage, self._start(stage, kill_at))

    def _start(
        self, stage: str, point: int, signal_: int = signal.SIGKILL, *, owner: str = ""
    ) -> int:
        self.trace.write_bytes(b"")
        child = os.fork()
        if child == 0:
            self.office.owner = owner
            self._child(stage, point, signal_)
        return child

    def _end_of(self, stage: str, child: int = -1) -> bool:
        _, status = os.waitpid(child, 0)
        self.met.update(name for name, _ in self._passed())
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return True
        if status:
            self.failures.append(f"{stage}: a process ended with status {status}, see above")
        return False

    def _passed(self) -> list[tuple[str, float]]:
        """The fault points of the last process, and when it passed them."""
        lines = (line.split() for line in self.trace.read_text().splitlines())
        return [(name, float(moment)) for name, moment, *_ in lines]

    def recovered(self) -> list[int]:
        """The fault points of the last process, counted from 0, that matter."""
        states = [None, *(line.split()[2:] for line in self.trace.read_text().splitlines())]
        return [n for n, (a, b) in enumerate(pairwise(states)) if a != b or not b]

    def _child(self, stage: str, point: int, signal_: int) -> None:
        status = 1
        try:
            trace = os.open(self.trace, os.O_WRONLY | os.O_APPEND)
            self.office.fault = self._signaller(trace, point, signal_)
            self.office.run(stage)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _signaller(self, trace: int, point: int, signal_: int) -> Callable[[str], None]:
        passed = 0

        def fault(name: str) -> None:
            nonlocal passed
            passed += 1
            state = "" if self._server else hash(self._state(name))
            os.write(trace, f"{name} {self.clock.monotonic()} {state}\n".encode())
            if passed == point:
                os.kill(os.getpid(), signal_)

        return fault

    def _compare(self, stage: str, points: Sequence[Any]) -> None:
        found, twice = self.office.contents(), self.office.duplicates()
        self.office.store.close()
        if twice:
            raise TrialError(f"{stage} {points}: made twice: {twice}")
        if found != self.expected[stage]:
            raise TrialError(f"{stage} {points}:\n{difference(self.expected[stage], found)}")

    # -- the mornings

    @property
    def _server(self) -> bool:
        return self.url.startswith("postgresql")

    def _keep(self, stage: str) -> None:
        self.office.store.close()
        shutil.copytree(self.live, self.folder / stage)
        self.mornings[stage] = self.clock.now()
        if self._server:
            self._keep_tables(stage)

    def _restore(self, stage: str) -> None:
        for path in self.live.iterdir():
            path.unlink()
        for path in (self.folder / stage).iterdir():
            shutil.copyfile(path, self.live / path.name)
        self.clock.set(self.mornings[stage])
        if self._server:
            self._restore_tables(stage)

    def _keep_tables(self, stage: str) -> None:
        kept = (f"CREATE TABLE {stage}.{t} AS TABLE public.{t};" for t in self._tables)
        self._execute(f"CREATE SCHEMA {stage};" + "".join(kept))

    def _restore_tables(self, stage: str) -> None:
        """Row by row: a copy of the whole database would take a second."""
        tables = self._tables
        emptied = "".join(f"DELETE FROM public.{t};" for t in tables)
        filled = (f"INSERT INTO public.{t} SELECT * FROM {stage}.{t};" for t in tables)
        self._execute("SET session_replication_role = replica;" + emptied + "".join(filled))

    @property
    def _tables(self) -> list[str]:
        return [table.name for table in self.office.store.metadata.sorted_tables]

    def _execute(self, script: str) -> Any:
        url = make_url(self.url).set(drivername="postgresql")
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            cursor = connection.execute(script)
            return cursor.fetchone() if cursor.description else None


def difference(expected: Any, found: Any, place: str = "") -> str:
    """The places where two nested values differ, a line each."""
    if isinstance(expected, dict) and isinstance(found, dict):
        names = sorted(set(expected) | set(found), key=str)
        parts = (difference(expected.get(k), found.get(k), f"{place}.{k}") for k in names)
        return "".join(parts)
    if isinstance(expected, list) and isinstance(found, list):
        lost = [x for x in expected if x not in found]
        new = [x for x in found if x not in expected]
        if lost or new:
            return "".join(
                [*(f"{place} - {x}\n" for x in lost), *(f"{place} + {x}\n" for x in new)]
            )
        return "" if expected == found else f"{place}: {len(expected)} became {len(found)}\n"
    return "" if expected == found else f"{place}: {expected!r} became {found!r}\n"


# ------------------------------------------------------------------------------------ all of them


def run_singles(trials: Trials, stage: str, *, every: bool, share: tuple[int, int]) -> None:
    """Every fault point of the day."""
    for n in trials.points(stage, every=every)[share[0] :: share[1]]:
        if trials.attempt(stage, n + 1) == 0:
            raise TrialError(f"{stage}: the process was not killed at {n + 1}")


def run_pairs(trials: Trials, stage: str, *, every: bool, share: tuple[int, int]) -> None:
    """Every ordered pair: killed at n, and again at the mth point of the recovery.

    *share* (i, k): only each kth pair, beginning at the ith.
    """
    number = 0
    for n in trials.points(stage, every=every):
        trials.attempt(stage, n + 1)
        for m in trials.recovered():
            number += 1
            if number % share[1] == share[0]:
                trials.pairs += trials.attempt(stage, n + 1, m + 1) == 2


def run_stops(trials: Trials, stage: str, *, share: tuple[int, int]) -> None:
    """Every fault point outside a transaction: one inside would hold up the whole database."""
    for n, point in enumerate(trials.passed[stage]):
        if n % share[1] == share[0] and not point.endswith(":before-commit"):
            trials.stop(stage, n + 1)


def run_recoveries(trials: Trials, stage: str, *, share: tuple[int, int]) -> None:
    for n in range(share[0], len(trials.passed[stage]), share[1]):
        trials.recover(stage, n + 1)
