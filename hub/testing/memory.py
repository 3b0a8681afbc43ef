"""A remote system in memory that normalises, fails and forgets as it is told, and counts writes.

Between the hub and the system lies its `Wire`: perfect in tests, as bad as a seed says in simulations.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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

Apply = Callable[[Change], WriteResult]


class Wire:
    """What every call passes on its way; this one is perfect."""

    def call(self, kind: str) -> None:
        """Before a call of this kind ("read", "fetch" or "write") reaches the system."""

    def hollow(self, total: int | None, *, first: bool) -> bool:
        """Whether a reading ends here without a word, though there is more."""
        return False

    def answer(self, kind: str) -> None:
        """After the system has acted, before the hub knows."""

    def write(self, batch: Sequence[Change], apply: Apply) -> list[WriteResult]:
        return [apply(change) for change in batch]


@dataclass
class MemorySystem:
    """The system itself: what its users see.  `normalise` is what it does to every row it is given.

    `fail`: errors to raise, one per call.  `lose_answers`: so many writes are applied, but their
    answer never arrives.  `echo`: whether a write's answer carries the row as stored.  `tick`: its
    clock shows multiples of it; `ahead`: by how much it is wrong.  `lag`: how long a new row stays
    invisible to a search by columns.  `counts_rows`: a page says how many rows the read will give.
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
    on_page: Callable[[], None] = lambda: None
    wire: Wire = field(default_factory=Wire)
    tick: timedelta = timedelta(0)
    ahead: timedelta = timedelta(0)
    lag: timedelta = timedelta(0)
    counts_rows: bool = False
    tells_version: bool = True
    fetched: dict[str, datetime] = field(default_factory=dict)
    """When the session that writes now last fetched a row."""
    ids: int = 0
    reading_since: dict[str, datetime] = field(default_factory=dict)
    read_through: dict[str, datetime] = field(default_factory=dict)
    """By stream, when the last reading that came to its end began: all that was there was shown."""
    born: dict[str, datetime] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    """Idempotent creates: the change's key → the row's."""

    def rows(self, stream: str) -> dict[str, dict[str, Any]]:
        return self.streams.setdefault(stream, {})

    def put(self, stream: str, row: Mapping[str, Any], *, at: datetime | None = None) -> str:
        """Create or change a row, as a user of the system would; *at*: its stamp, if it comes late."""
        rows, given = self.rows(stream), dict(row)
        key = str(given.get(self.key) or self._next(stream))
        stored = self.normalise({**rows.get(key, {}), **given, self.key: key})
        stored["modified"] = self.stamp(at or self.clock.now())
        stored["version"] = int(rows.get(key, {}).get("version", 0)) + 1
        if key not in rows:
            self.born[key] = self.clock.now()
        rows[key] = stored
        return key

    def stamp(self, moment: datetime) -> str:
        """The instant as the system's own clock shows it."""
        shown = moment + self.ahead
        if self.tick:
            shown -= (shown - datetime.min.replace(tzinfo=UTC)) % self.tick
        return _moment(shown)

    def remove(self, stream: str, key: str) -> None:
        del self.rows(stream)[key]

    def _next(self, stream: str) -> str:
        numbers = [int(k) for k in self.rows(stream) if k.isdigit()]
        self.ids = max(self.ids, *numbers, 0) + 1
        return str(self.ids)


class MemorySettings(Settings):
    """None: the system is given to the class."""


class MemoryConnector(Connector):
    """The connector to a `MemorySystem`."""

    name = "memory"
    settings = MemorySettings

    def __init__(self, system: MemorySystem) -> None:
        super().__init__({})
        self.system = system
        self.fetched: dict[str, datetime] = {}
        self.capabilities = system.capabilities

    def open(self) -> None:
        pass

    def check(self) -> str:
        self._call("check")
        return "Memory, signed in as nobody"

    def discover(self) -> Iterator[Stream]:
        for name, rows in self.system.streams.items():
            columns = {c: Column("text") for row in rows.values() for c in row}
            yield Stream(name, (self.system.key,), "modified", columns=columns)

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        after = (cursor["modified"], cursor["id"]) if cursor else ("", "")
        if not cursor or stream.overlap:
            self.system.reading_since[stream.name] = self.system.clock.now()
        if cursor and stream.overlap:
            moment = datetime.fromisoformat(after[0]) - stream.overlap
            after = (_moment(moment), "")
        begun = cursor is not None
        while True:
            self._call("read")
            everything = self.system.rows(stream.name).values()
            rows = sorted(everything, key=lambda r: (r["modified"], r[self.system.key]))
            rest = [r for r in rows if (r["modified"], r[self.system.key]) > after]
            page = copy.deepcopy(rest[: self.capabilities.read_page])
            total = len(everything) if self.system.counts_rows and cursor is None else None
            self.system.wire.answer("read")
            if page and self.system.wire.hollow(total, first=not begun):
                return
            begun = True
            if not page:
                since = self.system.reading_since[stream.name]
                self.system.read_through[stream.name] = since
                return
            after = (page[-1]["modified"], page[-1][self.system.key])
            yield Page(page, {"modified": after[0], "id": after[1]}, total=total)
            self.system.on_page()

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        self._call("fetch")
        found = []
        for row in list(self.system.rows(stream.name).values()):
            for key in keys:
                wanted = {self.system.key: key} if isinstance(key, str) else key
                if not isinstance(key, str) and self._is_new(row):
                    continue
                if all(row.get(c) == v for c, v in wanted.items()):
                    found.append(copy.deepcopy(row))
                    self.fetched[row[self.system.key]] = self.system.clock.now()
                    break
        self.system.wire.answer("fetch")
        yield from found

    def _is_new(self, row: Row) -> bool:
        born = self.system.born.get(row[self.system.key])
        return born is not None and self.system.clock.now() < born + self.system.lag

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        self._call("write")
        self.system.fetched = self.fetched
        results = self.system.wire.write(batch, lambda change: self._apply(stream, change))
        self.system.wire.answer("write")
        if self.system.lose_answers:
            self.system.lose_answers -= 1
            raise UnavailableError("the connection was cut", may_have_acted=True)
        yield from results

    def version_of(self, stream: Stream, row: Row) -> str | None:
        tells = self.capabilities.conditional_writes and self.system.tells_version
        return str(row["version"]) if tells and "version" in row else None

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
        if change.op == "delete":
            self.system.writes += 1
            del rows[change.remote_id]
            return WriteResult.applied(change.key, remote_id=change.remote_id)
        return self._store(stream, change)

    def _store(self, stream: Stream, change: Change) -> WriteResult:
        rows, values = self.system.rows(stream.name), dict(change.values)
        key = self.system.made.get(change.key, "") if change.op == "create" else change.remote_id
        if not (change.op == "create" and key in rows and self.capabilities.idempotent_writes):
            if change.op == "update":
                values[self.system.key] = key
            self.system.writes += 1
            key = self.system.put(stream.name, values)
            self.system.made[change.key] = key
        row = copy.deepcopy(rows[key]) if self.system.echo else None
        return WriteResult.applied(
            change.key, remote_id=key, version=str(rows[key]["version"]), row=row
        )

    def _call(self, kind: str) -> None:
        self.system.calls += 1
        self.system.wire.call(kind)
        if self.system.fail:
            raise self.system.fail.pop(0)


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def later(clock: Any, **span: float) -> None:
    """Let virtual time pass."""
    clock.sleep(timedelta(**span))
