"""A hub in miniature: the real engine and store, remote systems in memory, a clock that waits.

world = World("sqlite://")
crm = world.system("crm")
world.flow("crm-customers", "crm", CUSTOMER)
crm.put("customers", {"code": "C1", "name": "Ada"})
world.sync()
world.customer("C1")["name"]
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Self

from sqlalchemy import select

from hub import mapping
from hub.connector import Connector
from hub.jobs import applying, firstload, planning, runner, runs
from hub.jobs.work import Jobs
from hub.model import ENTITIES
from hub.seams import FaultPoint, Ids, no_fault
from hub.settings import EngineSettings, FlowSettings
from hub.store.session import Store
from hub.sync import plans, steward
from hub.sync.flow import Env, Flow
from hub.testing.clock import StillClock
from hub.testing.memory import MemoryConnector, MemorySystem

CUSTOMER = """
entity: customer
stream: customers
key: id
modified: modified
rows:
- {field: code, from: code}
- {field: name, from: name}
- {field: email, from: email}
- {field: phone, from: phone}
- {field: address.city, from: city}
- {field: credit_limit, from: credit_limit}
- {field: tags, from: tags, list: set}
"""


@lru_cache(maxsize=1024)
def _compiled(document: str) -> mapping.Mapping:
    loaded = mapping.load(document, entities=ENTITIES)
    return mapping.compile(loaded, ENTITIES[loaded.entity])


class World:
    """Systems, flows and one hub.  `owner` names the worker that acts."""

    def __init__(self, url: str, *, seed: int = 1, fault: FaultPoint = no_fault) -> None:
        store = Store.open(url, ENTITIES)
        store.create_all()
        self._begin(store, StillClock(), random.Random(seed), fault)

    @classmethod
    def on(cls, store: Store, clock: StillClock, rng: random.Random, fault: FaultPoint) -> Self:
        """A world over an empty store that is there already."""
        world = cls.__new__(cls)
        world._begin(store, clock, rng, fault)
        return world

    def _begin(
        self, store: Store, clock: StillClock, rng: random.Random, fault: FaultPoint
    ) -> None:
        self.store, self.clock, self.rng, self.fault = store, clock, rng, fault
        store.fault = self._pass
        self.systems: dict[str, MemorySystem] = {}
        self.flows: dict[str, Flow] = {}

    def _pass(self, name: str) -> None:
        self.fault(name)  # looked up each time: a test may set another

    def system(self, name: str, **options: Any) -> MemorySystem:
        self.systems[name] = MemorySystem(self.clock, **options)
        return self.systems[name]

    def flow(self, name: str, connection: str, document: str, **settings: Any) -> Flow:
        """A flow over a mapping given as YAML."""
        compiled = _compiled(document)
        given = {"mode": "live", "schedule": "manual", **settings}
        declared = FlowSettings(connection=connection, mapping=name, name=name, **given)
        source_id = self._source(connection, declared.stream or compiled.stream)
        self.flows[name] = Flow(
            name,
            declared,
            compiled,
            compiled.entity,
            source_id,
            self.systems[connection].capabilities,
        )
        return self.flows[name]

    def _source(self, connection: str, stream: str) -> int:
        source = self.store.metadata.tables["source"]
        with self.store.write() as c:
            query = select(source.c.id).where(
                source.c.connection == connection, source.c.stream == stream
            )
            found = c.execute(query).scalar()
            if found is None:
                made = c.execute(source.insert().values(connection=connection, stream=stream))
                assert made.inserted_primary_key is not None
                found = made.inserted_primary_key[0]
        return int(found)

    @property
    def env(self) -> Env:
        ids = Ids(self.clock, self.rng)
        return Env(
            self.store,
            self.clock,
            ids,
            self.rng,
            self._pass,
            self.flows,
            EngineSettings(),
        )

    @contextmanager
    def _open(self, connection: str) -> Iterator[Connector]:
        with MemoryConnector(self.systems[connection]) as connector:
            yield connector

    def jobs(self, owner: str = "worker") -> Jobs:
        order = list(self.flows)
        return Jobs(self.env, self._open, {}, owner, order, planner=planning.make)

    def sync(self, *flows: str, full: bool = False) -> dict[str, dict[str, Any]]:
        """Run these flows, or all, to their end; what each run counted, by flow."""
        env = self.env
        ids = {
            name: runs.request(env, self.flows[name], trigger="manual", full=full)
            for name in (flows or self.flows)
        }
        runner.finish_runs(self.jobs(), list(ids.values()))
        return {name: steward.run_json(env, run_id) for name, run_id in ids.items()}

    def plan(self, *flows: str, full: bool = False) -> dict[str, Any]:
        """What a sync of these flows, or of all, would do."""
        names = list(flows or self.flows)
        return plans.show(self.env, planning.make(self.jobs(), names, "manual", full))

    def plan_of(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """The plan that an observing run made."""
        return plans.show(self.env, run["plan"])

    def firstload(self, first: str, second: str) -> dict[str, Any]:
        return plans.show(self.env, firstload.make(self.jobs(), first, second))

    def choose(self, plan_id: str, **choices: str) -> dict[str, Any]:
        return firstload.apply(self.jobs(), plan_id, choices)

    def apply(self, plan_id: str) -> dict[str, Any]:
        return applying.apply(self.jobs(), plan_id)

    # -- what there is

    def customer(self, code: str) -> dict[str, Any]:
        shown = steward.show(self.env, ENTITIES["customer"], code)
        return dict(shown["record"])

    def rows(self, table: str, **where: Any) -> Sequence[Any]:
        found = self.store.metadata.tables[table]
        query = select(found).where(*(found.c[k] == v for k, v in where.items()))
        with self.store.read() as c:
            return c.execute(query).all()

    @property
    def writes(self) -> int:
        """Remote writes in all systems so far."""
        return sum(s.writes for s in self.systems.values())
