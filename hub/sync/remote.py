"""Every call to a remote system passes here: rate limit, circuit breaker, and never in a transaction.

Both are per connection and live in the database, so that all workers share them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Row, Select, Table, bindparam, select, update
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
)

from hub.errors import RateLimitError, UnavailableError
from hub.store.tables import stamp
from hub.sync.flow import Env

T = TypeVar("T")
READ_ATTEMPTS = 3


@lru_cache(maxsize=8)
def _known(table: Table) -> Select[Any]:
    return select(table).where(table.c.connection == bindparam("connection"))


class Remote:
    """The gate to one connection."""

    def __init__(self, env: Env, connection: str, calls_per_minute: int | None) -> None:
        self.env, self.connection, self.limit = env, connection, calls_per_minute
        self._table = env.store.metadata.tables["connection_state"]
        self._cached: Row[Any] | None = None

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call: waits for its turn, counts failures, opens and closes the breaker."""
        if self.env.store.in_transaction:
            raise AssertionError("a remote call inside a database transaction")
        self._pass_breaker()
        self._take_token()
        try:
            yield
        except UnavailableError:
            self._failed()
            raise
        else:
            self._worked()

    def pages(self, source: Iterable[T]) -> Iterator[T]:
        """The pages of a read, each fetched through the gate."""
        iterator = iter(source)
        while True:
            with self.call():
                try:
                    page = next(iterator)
                except StopIteration:
                    return
            yield page

    def read(self, ask: Callable[[], Iterable[T]]) -> list[T]:
        """A read that may be repeated: tried again, with growing and jittered waits, if unavailable."""
        retrying = Retrying(
            stop=stop_after_attempt(READ_ATTEMPTS),
            wait=self._full_jitter,
            retry=retry_if_exception_type(UnavailableError),
            sleep=lambda seconds: self.env.clock.sleep(timedelta(seconds=seconds)),
            reraise=True,
        )
        return retrying(self._once, ask)

    def _once(self, ask: Callable[[], Iterable[T]]) -> list[T]:
        with self.call():
            return list(ask())

    def _full_jitter(self, state: RetryCallState) -> float:
        return self.env.rng.uniform(0, min(30.0, 2.0**state.attempt_number))

    # -- circuit breaker

    def _pass_breaker(self) -> None:
        state = self._state()
        if state is None or state.open_until is None:
            return
        now = self.env.clock.now()
        if state.open_until > stamp(now):
            wait = datetime.fromisoformat(state.open_until) - now
            raise RateLimitError(
                "connection {name!r} failed {count} times in a row; it is left alone until {until}",
                name=self.connection,
                count=state.failures,
                until=state.open_until,
                retry_after=wait,
                hint="`hub connections check` tells what is wrong; the work goes on by itself.",
            )

    def _failed(self) -> None:
        breaker, state = self.env.settings.breaker, self._state()
        failures = (state.failures if state else 0) + 1
        until = stamp(self.env.clock.now() + breaker.open) if failures >= breaker.failures else None
        self._save(failures=failures, open_until=until)

    def _worked(self) -> None:
        state = self._cached
        if state is not None and state.failures:
            self._save(failures=0, open_until=None)

    # -- rate limit

    def _take_token(self) -> None:
        """A token bucket of one minute's calls; waits for the next token, at most a minute."""
        if not self.limit:
            return
        while True:
            wait = self._spend(self.limit / 60.0, float(self.limit))
            if not wait:
                return
            self.env.clock.sleep(timedelta(seconds=min(wait, 60.0)))

    def _spend(self, per_second: float, most: float) -> float:
        now = self.env.clock.now()
        with self.env.store.write("rate") as connection:
            row = connection.execute(
                select(self._table)
                .where(self._table.c.connection == self.connection)
                .with_for_update()
            ).first()
            tokens = most
            if row is not None and row.tokens_at:
                passed = (now - datetime.fromisoformat(row.tokens_at)).total_seconds()
                tokens = min(most, row.tokens + max(0.0, passed) * per_second)
            if tokens < 1:
                return float((1 - tokens) / per_second)
            values = {"tokens": tokens - 1, "tokens_at": stamp(now)}
            if row is None:
                connection.execute(
                    self._table.insert().values(connection=self.connection, **values)
                )
            else:
                connection.execute(
                    update(self._table)
                    .where(self._table.c.connection == self.connection)
                    .values(**values)
                )
        return 0.0

    # -- state

    def _state(self) -> Row[Any] | None:
        with self.env.store.read() as connection:
            known = {"connection": self.connection}
            self._cached = connection.execute(_known(self._table), known).first()
        return self._cached

    def _save(self, **values: object) -> None:
        with self.env.store.write("breaker") as connection:
            done = connection.execute(
                update(self._table)
                .where(self._table.c.connection == self.connection)
                .values(**values)
            )
            if not done.rowcount:
                connection.execute(
                    self._table.insert().values(connection=self.connection, **values)
                )
