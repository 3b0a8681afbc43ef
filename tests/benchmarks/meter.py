"""What a piece of work costs: wall time, and processor time of this process and of the server.

On a machine that others use, wall time says how busy they are.  Processor time does not, so the
ratios between two measurements are taken from it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import psycopg
from sqlalchemy import make_url


@dataclass(slots=True)
class Cost:
    """Seconds."""

    wall: float = 0.0
    client: float = 0.0
    server: float = 0.0

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.wall - other.wall, self.client - other.client, self.server - other.server)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.wall + other.wall, self.client + other.client, self.server + other.server)


class Meter:
    """Adds up what `running` blocks cost, apart from what is done in `paused` blocks inside."""

    def __init__(self, url: str) -> None:
        self.total = Cost()
        self._server = _server_process(url)

    @contextmanager
    def running(self) -> Iterator[None]:
        before = self._now()
        try:
            yield
        finally:
            self.total += self._now() - before

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Only this process works meanwhile: the server's time needs no look."""
        wall, client = time.perf_counter(), _client_seconds()
        try:
            yield
        finally:
            self.total.wall -= time.perf_counter() - wall
            self.total.client -= _client_seconds() - client

    def _now(self) -> Cost:
        server = _family_seconds(self._server) if self._server else 0.0
        return Cost(time.perf_counter(), _client_seconds(), server)


def _client_seconds() -> float:
    """This process with its threads, and the programs that it ran to their end."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _server_process(url: str) -> psutil.Process | None:
    """The database server, if there is one: nobody but the benchmark uses it."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return None
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        return psutil.Process(connection.info.backend_pid).parent()


def _family_seconds(server: psutil.Process) -> float:
    """The server, its living children, and those that have ended."""
    times = server.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in server.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:  # counted with the next look, as one that has ended
            continue
        total += times.user + times.system
    return float(total)
