"""The engine, fed with generated rows by a connector that costs nothing."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from hub import mapping
from hub.connector import Capabilities, Connector, Page, Settings, WriteResult
from hub.jobs import runner, runs
from hub.jobs.work import Jobs
from hub.model import ENTITIES
from hub.seams import Ids, SystemClock, no_fault
from hub.settings import EngineSettings, FlowSettings
from hub.store import migrate
from hub.store.session import Store
from hub.sync import leases
from hub.sync.flow import Env, Flow
from tests.benchmarks.meter import Meter
from tests.data import generate

SEED = 20240101
BATCH = 1000
CHANGED = 100
KINDS = ("customer", "product", "sales_order")
PRODUCTS = 20_000

Rows = list[dict[str, Any]]


def pages(kind: str, size: int, products: int = PRODUCTS, delivery: int = 0) -> Iterator[Rows]:
    """The rows of one kind in pages; in delivery 1 every CHANGED-th row has changed."""
    for start in range(0, size, BATCH):
        numbers = range(start, min(start + BATCH, size))
        match kind:
            case "customer":
                yield [
                    generate.changed_customer(SEED, n)
                    if delivery and n % CHANGED == 0
                    else generate.customer(SEED, n)
                    for n in numbers
                ]
            case "product":
                yield [generate.product(SEED, n) for n in numbers]
            case _:
                yield [generate.order(SEED, n, size * 2, products) for n in numbers]


class NoSettings(Settings):
    """None."""


class Remote(Connector):
    """Yields the given rows and takes every write: what remains when a remote costs nothing."""

    name = "remote"
    settings = NoSettings
    capabilities = Capabilities(read_page=BATCH, write_batch=BATCH)

    def __init__(self, rows: Iterator[Rows], meter: Meter) -> None:
        super().__init__({})
        self.rows, self.meter, self.written = rows, meter, {}

    def open(self) -> None:
        pass

    def check(self) -> str:
        return "remote"

    def discover(self):
        return iter(())

    def read(self, stream, cursor):
        for number, page in enumerate(self._made()):
            yield Page(page, {"page": number})

    def _made(self) -> Iterator[Rows]:
        """Making the rows is not counted."""
        while True:
            with self.meter.paused():
                page = next(self.rows, None)
            if page is None:
                return
            yield page

    def fetch(self, stream, keys):
        return iter(())

    def write(self, stream, batch):
        for change in batch:
            row = {**change.row, **change.values}
            yield WriteResult.applied(change.key, remote_id=row["customer_no"], row=row)


class Bench:
    """A hub database, and a way to run one flow over given rows."""

    def __init__(self, url: str) -> None:
        self.meter = Meter(url)
        self.store = Store.open(url, ENTITIES)
        migrate.upgrade(self.store)
        clock, rng = SystemClock(), random.Random(1)
        self.flows: dict[str, Flow] = {}
        for kind in KINDS:
            self.flows[kind] = self._flow(kind, "in")
        self.flows["outward"] = self._flow("customer", "out")
        self.env = Env(
            self.store, clock, Ids(clock, rng), rng, no_fault, self.flows, EngineSettings()
        )

    def _flow(self, kind: str, direction: str) -> Flow:
        path = Path(__file__).parents[2] / "mappings" / "sample" / f"{kind}.yaml"
        loaded = mapping.load(path, entities=ENTITIES)
        compiled = mapping.compile(loaded, ENTITIES[loaded.entity])
        settings = FlowSettings(
            connection="bench" if direction == "in" else "other",
            mapping=kind,
            name=kind if direction == "in" else "outward",
            direction=direction,
        )
        source_id = self._source(settings.connection, compiled.stream)
        capabilities = Remote.capabilities
        return Flow(settings.name, settings, compiled, compiled.entity, source_id, capabilities)

    def _source(self, connection: str, stream: str) -> int:
        source = self.store.metadata.tables["source"]
        with self.store.write() as c:
            found = c.execute(
                select(source.c.id).where(
                    source.c.connection == connection, source.c.stream == stream
                )
            ).scalar()
            if found is None:
                new = source.insert().values(connection=connection, stream=stream)
                found = c.execute(new).inserted_primary_key[0]
        return found

    def count(self, table: str) -> int:
        with self.store.read() as c:
            return c.execute(
                select(func.count()).select_from(self.store.metadata.tables[table])
            ).scalar_one()

    def run(self, flow: str, rows: Iterable[Rows] = ()) -> dict[str, Any]:
        """Run the flow to its end; what it counted."""

        @contextmanager
        def opened(name):
            with Remote(iter(rows), self.meter) as connector:
                yield connector

        jobs = Jobs(self.env, opened, {}, leases.owner_name(), list(self.flows))
        with self.meter.running():
            run = runs.request(self.env, self.flows[flow], trigger="manual", full=False)
            runner.run_until_done(jobs, [run])
        with self.store.read() as c:
            return runs.load_run(c, self.store, run).counts.to_json()
