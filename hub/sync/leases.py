"""One worker at a time reads and writes a source.  A lease ends by itself; its fence never repeats.

A worker that was paused beyond its lease comes back with an old fence, and its results are refused.
"""

import os
import socket
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, Table, Update, bindparam, or_, select, update

from hub.store.session import Store
from hub.store.tables import stamp


class LeaseLostError(Exception):
    """Another worker took the source over; what this one was about to commit must not be."""


def owner_name() -> str:
    """Host, process and its start: names a worker for people and for `is_dead`."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def acquire(
    connection: Connection,
    store: Store,
    source_id: int,
    *,
    owner: str,
    now: datetime,
    length: timedelta,
) -> int | None:
    """Take the source's lease: its new fence, or None while somebody else holds it."""
    source = store.metadata.tables["source"]
    row = connection.execute(_locked(source), {"source_id": source_id}).one()
    free = row.lease_until is None or row.lease_until <= stamp(now)
    if not (free or row.lease_owner == owner or is_dead(row.lease_owner)):
        return None
    fence = int(row.fence) + 1
    taken = {"lease_owner": owner, "lease_until": stamp(now + length), "fence": fence}
    connection.execute(_take(source), {"source_id": source_id, **taken})
    return fence


@lru_cache(maxsize=8)
def _locked(source: Table) -> Select[Any]:
    return select(source).where(source.c.id == bindparam("source_id")).with_for_update()


@lru_cache(maxsize=8)
def _take(source: Table) -> Update:
    names = ("lease_owner", "lease_until", "fence")
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return update(source).where(source.c.id == bindparam("source_id")).values(values)


@lru_cache(maxsize=8)
def _held_by(source: Table, *names: str) -> Update:
    """Sets these columns of a source whose fence is still the one given."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    mine = (source.c.id == bindparam("source_id"), source.c.fence == bindparam("my_fence"))
    return update(source).where(*mine).values(values)


def confirm(
    connection: Connection,
    store: Store,
    source_id: int,
    fence: int,
    *,
    now: datetime,
    length: timedelta,
) -> None:
    """Renew the lease inside the transaction that depends on it; LeaseLostError if it is gone."""
    source = store.metadata.tables["source"]
    done = connection.execute(
        _held_by(source, "lease_until"),
        {"source_id": source_id, "my_fence": fence, "lease_until": stamp(now + length)},
    )
    if done.rowcount != 1:
        raise LeaseLostError(source_id)


def is_held(connection: Connection, store: Store, source_id: int, now: datetime) -> bool:
    """Whether some worker is at the source."""
    source = store.metadata.tables["source"]
    row = connection.execute(_locked(source), {"source_id": source_id}).one()
    return bool(row.lease_until and row.lease_until > stamp(now) and not is_dead(row.lease_owner))


def release(connection: Connection, store: Store, source_id: int, fence: int) -> None:
    source = store.metadata.tables["source"]
    connection.execute(
        _held_by(source, "lease_owner", "lease_until"),
        {"source_id": source_id, "my_fence": fence, "lease_owner": None, "lease_until": None},
    )


def renew_all(connection: Connection, store: Store, *, owner: str, until: str) -> None:
    """Heartbeat: push out every lease this worker holds."""
    source = store.metadata.tables["source"]
    connection.execute(
        update(source)
        .where(source.c.lease_owner == owner, or_(source.c.lease_until < until))
        .values(lease_until=until)
    )


def is_dead(owner: str | None) -> bool:
    """Whether the owner was a process of this machine that has ended: its lease need not run out."""
    host, _, rest = (owner or "").partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit() or not started:
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """When the process started, in clock ticks since boot; "" if it does not run or cannot be told."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
