"""The embedded runner: calls `step` in this process, with a heartbeat for the leases it holds."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from hub.errors import BusyError, HubError, StorageError
from hub.jobs import runs
from hub.jobs.module_jobs import ModuleJobs
from hub.jobs.work import Jobs
from hub.store.tables import stamp
from hub.sync import leases

log = logging.getLogger(__name__)
LONGEST = timedelta(minutes=1)
"""The longest wait for the hub's own database."""


def run_until_done(jobs: Jobs, run_ids: Sequence[str]) -> None:
    """Step until the runs are over, waiting for what is to be tried again soon."""
    with heartbeat(jobs), rare_collections():
        finish_runs(jobs, run_ids)


def finish_runs(jobs: Jobs, run_ids: Sequence[str]) -> None:
    """The same without a heartbeat: for virtual time."""
    wanted = set(run_ids)
    while wanted & {run.id for run in runs.live(jobs.env)}:
        _step(jobs, schedules=False, most=timedelta(seconds=1))


def run_forever(jobs: Jobs, stop: Callable[[], bool], module_jobs: ModuleJobs) -> None:
    """Schedule and step until *stop* says so.

    A database that is full, locked or away ends nothing: the work waits, longer each time, and goes
    on by itself when it answers again.
    """
    failures, retry = 0, jobs.env.settings.retry
    with heartbeat(jobs), rare_collections():
        while not stop():
            try:
                module_jobs.step(jobs.env.clock.now())
                _step(jobs, schedules=True, most=timedelta(seconds=1))
                failures = 0
            except (StorageError, BusyError) as e:
                log.error("%s %s", e, e.hint)
                jobs.env.clock.sleep(min(LONGEST, retry.base * 2 ** min(failures, 10)))
                failures += 1


def _step(jobs: Jobs, *, schedules: bool, most: timedelta) -> None:
    now = jobs.env.clock.now()
    wake_at = jobs.step(now, schedules=schedules)
    if wake_at is not None:
        wait = wake_at - jobs.env.clock.now()
        jobs.env.clock.sleep(max(timedelta(milliseconds=20), min(wait, most)))


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles of garbage less often.

    Rows come and go by the thousand and are freed without that; going through them all every 700
    objects took a quarter of the time of a first load.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def heartbeat(jobs: Jobs) -> Iterator[None]:
    """While this process lives, its leases do not run out under a long remote call."""
    ended = threading.Event()
    length = jobs.env.settings.lease

    def beat() -> None:
        while not ended.wait(length.total_seconds() / 3):
            until = stamp(jobs.env.clock.now() + length)
            with suppress(HubError), jobs.env.store.write("heartbeat") as connection:
                leases.renew_all(connection, jobs.env.store, owner=jobs.owner, until=until)

    thread = threading.Thread(target=beat, name="hub-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
