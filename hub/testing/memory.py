"""A remote system in memory that normalises, fails and forgets as it is told, and counts writes."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub.connector import (
    Capabilities,
    Change,
    Column,
    Connector,
    Cursor,
    Page,
    Row,
    Settings,
    Stream,
    WriteResult,
)
from hub.errors import HubError, UnavailableError
from hub.seams import Clock


@dataclass
class MemorySystem:
    """The system itself: what its users see.  `normalise` is what it does to every row it is given.

    `fail`: errors to raise, one per call.  `lose_answers`: so many writes are applied, but their
    answer never arrives.  `echo`: whether a write's answer carries the row as stored.
    """

    clock: Clock
    key: str = "id"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(deletes=True))
    normalise: Callable[[dict[str, Any]], dict[str, Any]] = dict
    streams: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    fail: list[HubError] = field(default_factory=list)
    lose_answers: int = 0
    echo: bool = True
    writes: int = 0
    calls: int = 0
    numbered: bool = True
    on_page: Callable[[], None] = lambda: None

    def rows(self, stream: str) -> dict[str, dict[str, Any]]:
        return self.streams.setdefault(stream, {})

    def put(self, stream: str, row: Mapping[str, Any]) -> str:
        """Create or change a row, as a user of the system would."""
        rows, given = self.rows(stream), dict(row)
        key = str(given.get(self.key) or self._next(stream))
        stored = self.normalise({**rows.get(key, {}), **given, self.key: key})
        stored["modified"] = _moment(self.clock.now())
        stored["version"] = int(rows.get(key, {}).get("version", 0)) + 1
        rows[key] = stored
        return key

    def remove(self, stream: str, key: str) -> None:
        del self.rows(stream)[key]

    def _next(self, stream: str) -> str:
        numbers = [int(k) for k in self.rows(stream) if k.isdigit()]
        return str(max(numbers, default=0) + 1)


class MemorySettings(Settings):
    """None: the system is given to the class."""


class MemoryConnector(Connector):
    """The connector to a `MemorySystem`."""

    name = "memory"
    settings = MemorySettings

    def __init__(self, system: MemorySystem) -> None:
        super().__init__({})
        self.system = system
        self.capabilities = system.capabilities

    def open(self) -> None:
        pass

    def check(self) -> str:
        self._call()
        return "Memory, signed in as nobody"

    def discover(self) -> Iterator[Stream]:
        for name, rows in self.system.streams.items():
            columns = {c: Column("text") for row in rows.values() for c in row}
            yield Stream(name, (self.system.key,), "modified", columns=columns)

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        after = (cursor["modified"], cursor["id"]) if cursor else ("", "")
        if cursor and stream.overlap:
            moment = datetime.fromisoformat(after[0]) - stream.overlap
            after = (_moment(moment), "")
        while True:
            self._call()
            rows = sorted(
                self.system.rows(stream.name).values(),
                key=lambda r: (r["modified"], r[self.system.key]),
            )
            rest = [r for r in rows if (r["modified"], r[self.system.key]) > after]
            page = rest[: self.capabilities.read_page]
            if not page:
                return
            after = (page[-1]["modified"], page[-1][self.system.key])
            yield Page(copy.deepcopy(page), {"modified": after[0], "id": after[1]})
            self.system.on_page()

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        self._call()
        for row in list(self.system.rows(stream.name).values()):
            for key in keys:
                wanted = {self.system.key: key} if isinstance(key, str) else key
                if all(row.get(c) == v for c, v in wanted.items()):
                    yield copy.deepcopy(row)
                    break

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        self._call()
        results = [self._apply(stream, change) for change in batch]
        if self.system.lose_answers:
            self.system.lose_answers -= 1
            raise UnavailableError("the connection was cut", may_have_acted=True)
        yield from results

    def _apply(self, stream: Stream, change: Change) -> WriteResult:
        rows = self.system.rows(stream.name)
        if change.op != "create" and change.remote_id not in rows:
            return WriteResult.gone(change.key)
        if self.capabilities.conditional_writes and change.version is not None:
            now = str(rows[change.remote_id]["version"])
            if now != change.version:
                return WriteResult.conflict(change.key, version=now)
        if "refuse" in str(change.values.get("name", "")):
            return WriteResult.rejected(
                change.key, code="invalid", message="this name is refused", column="name"
            )
        self.system.writes += 1
        if change.op == "delete":
            del rows[change.remote_id]
            return WriteResult.applied(change.key, remote_id=change.remote_id)
        values = dict(change.values)
        if change.op == "update":
            values[self.system.key] = change.remote_id
        key = self.system.put(stream.name, values)
        row = copy.deepcopy(rows[key]) if self.system.echo else None
        return WriteResult.applied(
            change.key, remote_id=key, version=str(rows[key]["version"]), row=row
        )

    def _call(self) -> None:
        self.system.calls += 1
        if self.system.fail:
            raise self.system.fail.pop(0)


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def later(clock: Any, **span: float) -> None:
    """Let virtual time pass."""
    clock.sleep(timedelta(**span))
