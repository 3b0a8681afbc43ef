"""The scheduled jobs of modules: each at its time, by one worker, again later if it fails."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from hub.declare import Job
from hub.jobs.board import next_time
from hub.store.tables import stamp
from hub.sync.flow import Env

log = logging.getLogger(__name__)
LEASE = timedelta(minutes=10)
"""How long a job may take before another worker takes it for dead and runs it again."""


@dataclass(frozen=True)
class ModuleJobs:
    """`run` calls one job: `run(job, moment)`."""

    env: Env
    jobs: Mapping[str, Job]
    run: Callable[[Job, datetime], Any]

    def step(self, now: datetime) -> datetime | None:
        """Run the most overdue job; None if there was one, else when the next is due, if any is."""
        if not self.jobs:
            return now + timedelta(hours=1)
        self._know(now)
        table = self.env.store.metadata.tables["module_job"]
        free = or_(table.c.lease_until.is_(None), table.c.lease_until <= stamp(now))
        query = (
            select(table.c.name, table.c.next_at)
            .where(table.c.name.in_(self.jobs), free)
            .order_by(table.c.next_at, table.c.name)
            .limit(1)
        )
        with self.env.store.read() as connection:
            first = connection.execute(query).first()
        if first is None:
            return now + LEASE
        if first.next_at > stamp(now):
            return datetime.fromisoformat(first.next_at)
        self._attempt(self.jobs[first.name], first.next_at, now)
        return None

    def _know(self, now: datetime) -> None:
        """A job that was never seen is due at its next time."""
        table = self.env.store.metadata.tables["module_job"]
        with self.env.store.read() as connection:
            known = set(connection.execute(select(table.c.name)).scalars())
        if missing := sorted(set(self.jobs) - known):
            with self.env.store.write("jobs") as connection:
                for name in missing:
                    due = next_time(self.jobs[name].schedule, now) or stamp(now)
                    connection.execute(table.insert().values(name=name, next_at=due))

    def _attempt(self, job: Job, due: str, now: datetime) -> None:
        table = self.env.store.metadata.tables["module_job"]
        mine = (table.c.name == job.name, table.c.next_at == due)
        free = or_(table.c.lease_until.is_(None), table.c.lease_until <= stamp(now))
        with self.env.store.write("job-lease") as connection:
            claim = update(table).where(*mine, free).values(lease_until=stamp(now + LEASE))
            if connection.execute(claim).rowcount != 1:
                return  # another worker was faster
        error: str | None = None
        try:
            self.run(job, datetime.fromisoformat(due))
        except Exception as e:  # the border to a module: name the job, go on with the others
            log.exception("job %s failed", job.name)
            error = f"{type(e).__name__}: {e}"
        with self.env.store.write("job-done") as connection:
            attempts = connection.execute(select(table.c.attempts).where(*mine)).scalar() or 0
            retry = self.env.settings.retry
            again = error is not None and attempts + 1 < retry.attempts
            wait = min(retry.cap, retry.base * 2**attempts)
            later = stamp(now + wait) if again else next_time(job.schedule, now) or stamp(now)
            connection.execute(
                update(table)
                .where(*mine)
                .values(
                    next_at=later,
                    lease_until=None,
                    last_at=stamp(now),
                    attempts=attempts + 1 if again else 0,
                    error=error,
                )
            )
