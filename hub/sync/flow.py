"""What the steps share: a flow made ready to run, the counts of a run, and one unit of work."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from hub.connector import Capabilities, Stream
from hub.declare import Rule
from hub.entity import Entity
from hub.mapping import Mapping as FieldMapping
from hub.mapping import Ref
from hub.seams import Clock, FaultPoint, Ids
from hub.settings import EngineSettings, FlowSettings
from hub.store.session import Store
from hub.store.tables import stamp
from hub.store.types import dump
from hub.sync.rows import fingerprint

Rules = Mapping[str, tuple[tuple[Rule, Entity], ...]]
"""The rules of modules by stored entity, each with the entity whose names it uses."""
READ = ("created", "updated", "unchanged", "quarantined", "waiting", "conflicted", "skipped")
WRITTEN = ("created", "updated", "deleted", "unchanged", "rejected", "waiting", "retry")


@dataclass(frozen=True)
class Flow:
    """connection + stream + mapping + direction, with everything a step needs to know of it."""

    name: str
    settings: FlowSettings
    mapping: FieldMapping
    entity: Entity
    source_id: int
    capabilities: Capabilities
    pins: Path | None = None
    """The file of the mapping's pinned records, if there are any."""

    @property
    def connection(self) -> str:
        return self.settings.connection

    @property
    def stored(self) -> str:
        return self.entity.stored

    @cached_property
    def stream(self) -> Stream:
        """The stream as the connector is asked for it."""
        m = self.mapping
        return Stream(
            self.settings.stream or m.stream,
            key=tuple(m.key),
            cursor_column=m.modified,
            where=m.where,
        )

    @cached_property
    def in_fields(self) -> frozenset[str]:
        return frozenset(self.mapping.fields_in)

    @cached_property
    def out_fields(self) -> frozenset[str]:
        return frozenset(self.mapping.fields_out)

    @cached_property
    def out_columns(self) -> frozenset[str]:
        return frozenset(self.entity.column(f) for f in self.mapping.fields_out)

    @cached_property
    def covered(self) -> tuple[tuple[str, str], ...]:
        """(view field, stored field) of all that the mapping speaks of, in a stable order."""
        names = sorted(self.in_fields | self.out_fields)
        return tuple((name, self.entity.column(name)) for name in names)

    @cached_property
    def identity(self) -> str:
        """Changes when the flow's notion of «the same row» does: then its state must be re-based."""
        m = self.mapping
        return fingerprint(dump([list(m.key), m.modified, self.stream.name, self.entity.name]))

    def project(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The stored values as the view's fields that this mapping covers."""
        get = values.get
        return {name: get(column) for name, column in self.covered}

    def columns(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """View fields → stored fields."""
        if not self._renamed:
            return dict(values)
        stored = self._renamed.get
        return {stored(name, name): value for name, value in values.items()}

    @cached_property
    def _renamed(self) -> Mapping[str, str]:
        return {name: column for name, column in self.entity.columns.items() if name != column}


@dataclass(frozen=True)
class Env:
    """What every step is given from outside: store, seams, and all flows."""

    store: Store
    clock: Clock
    ids: Ids
    rng: random.Random
    fault: FaultPoint
    flows: Mapping[str, Flow]
    settings: EngineSettings
    rules: Rules = field(default_factory=dict)

    def source_of(self, flow: Flow, ref: Ref) -> int | None:
        """The source whose links a reference of this flow goes through; None: no flow covers it."""
        stored = self.store.entities[ref.entity].stored
        for other in self.flows.values():
            same = ref.stream == other.stream.name if ref.stream else other.stored == stored
            if same and other.connection == flow.connection:
                return other.source_id
        return None

    def flow_of(self, source_id: int, *, reads: bool) -> Flow | None:
        for flow in self.flows.values():
            if flow.source_id == source_id and (flow.settings.reads or not reads):
                return flow
        return None

    @contextmanager
    def reading(self) -> Iterator["Work"]:
        """A read transaction in the shape of a write one, for steps that only look."""
        with self.store.read() as connection:
            yield Work(connection, self.store, self.ids, self.clock.now(), "hub", None, ())

    @contextmanager
    def work(self, name: str, origin: str, run_id: str | None = None) -> Iterator["Work"]:
        """A write transaction; all of it happens or none."""
        with self.store.write(name) as connection:
            now = self.clock.now()
            flows = tuple(self.flows.values())
            yield Work(connection, self.store, self.ids, now, origin, run_id, flows, self.rules)


@dataclass(slots=True)
class Run:
    """One execution of a flow; its state lives in the database between steps."""

    id: str
    flow: str
    state: str
    phase: str
    full_read: bool
    cursor: Mapping[str, Any] | None
    started_at: str
    counts: "Counts"
    complete: bool = False
    trigger: str = ""
    changed: dict[str, int] = field(default_factory=dict)
    """How many linked records this run changed, per field: what the brake watches."""
    scored: bool = False
    """Rows that no key identifies are compared with the records of other systems."""
    alone: tuple[int, int] | tuple[()] | None = None
    """Where in the journal the run began with an empty table, and how far it is known that nobody
    else wrote; () once that is over, None before it was looked (`hub.sync.alone`)."""
    links: int = 0
    """How many links the source had when they were last counted in this process."""
    sent: dict[str, int] = field(default_factory=dict)
    """How many rows of the system this run changed, per field."""
    met: set[int] = field(default_factory=set)
    """Hashes of the keys already met in this run, kept only for sources without unique keys."""


@dataclass(slots=True)
class Counts:
    """Every row read is in exactly one of READ; every mark handled in exactly one of WRITTEN."""

    read: int = 0
    by: dict[str, int] = field(default_factory=lambda: dict.fromkeys(READ, 0))
    deleted: int = 0
    written: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WRITTEN, 0))
    total: int | None = None

    def add(self, name: str, count: int = 1) -> None:
        self.by[name] += count

    def check(self) -> bool:
        """Nothing read is uncounted."""
        return self.read == sum(self.by.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "read": self.read,
            **self.by,
            "deleted": self.deleted,
            "written": dict(self.written),
            "total": self.total,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Counts":
        counts = cls(stored.get("read", 0), deleted=stored.get("deleted", 0))
        counts.total = stored.get("total")
        counts.by.update({k: stored.get(k, 0) for k in READ})
        counts.written.update(stored.get("written", {}))
        return counts


@dataclass(slots=True)
class Work:
    """One transaction of the engine: its connection, its instant, and who acts."""

    connection: Connection
    store: Store
    ids: Ids
    moment: datetime
    origin: str
    run_id: str | None
    flows: tuple[Flow, ...]
    rules: Rules = field(default_factory=dict)
    at: str = field(init=False)
    """The moment as the tables keep it."""

    def __post_init__(self) -> None:
        self.at = stamp(self.moment)
