"""How fast records come in, as ratios to baselines measured in the same run.

    python -m tests.benchmarks.sync                       # 100,000 customers, SQLite and PostgreSQL
    python -m tests.benchmarks.sync --growth              # from 10,000 to 1,000,000 customers
    python -m tests.benchmarks.sync --size 20000 --database sqlite

Every figure comes from a process of its own, so that peak memory is that of one scenario.  The
baselines: *raw* writes the very rows that the first load left behind, with the driver's fastest
statement (`executemany`, `COPY`) into the same schema; *orm* is a plain SQLAlchemy ORM loop that
looks each customer up and inserts or updates it.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Column, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Session

from hub import mapping
from hub.connector import Capabilities, Connector, Page, Settings
from hub.jobs import runner, runs
from hub.jobs.work import Jobs
from hub.model import ENTITIES
from hub.seams import Ids, SystemClock, no_fault
from hub.settings import EngineSettings, FlowSettings
from hub.store import bulk, migrate
from hub.store.session import Store
from hub.sync import leases
from hub.sync.flow import Env, Flow
from tests.data import generate

SEED = 20240101
BATCH = 1000
CHANGED = 100
TABLES = ("party", "product", "sales_order", "sales_order_lines", "link", "journal", "outbox")


class NoSettings(Settings):
    """None."""


class Rows(Connector):
    """Yields generated rows: what remains when a remote costs nothing."""

    name = "rows"
    settings = NoSettings
    capabilities = Capabilities(read_page=BATCH)

    def __init__(self, rows: Iterator[list[dict[str, Any]]]) -> None:
        super().__init__({})
        self.rows = rows

    def open(self) -> None:
        pass

    def check(self) -> str:
        return "rows"

    def discover(self):
        return iter(())

    def read(self, stream, cursor):
        for number, page in enumerate(self.rows):
            yield Page(page, {"page": number})

    def fetch(self, stream, keys):
        return iter(())

    def write(self, stream, batch):
        return iter(())


def pages(kind: str, size: int, products: int = 20_000, delivery: int = 0):
    """The rows of one kind in pages; in delivery 1 every CHANGED-th row has changed."""
    page = []
    for n in range(size):
        match kind:
            case "customer":
                changed = delivery and n % CHANGED == 0
                row = generate.changed_customer(SEED, n) if changed else generate.customer(SEED, n)
            case "product":
                row = generate.product(SEED, n)
            case _:
                row = generate.order(SEED, n, size * 2, products)
        page.append(row)
        if len(page) == BATCH:
            yield page
            page = []
    if page:
        yield page


class Bench:
    """A hub database and a way to run one flow over given rows."""

    def __init__(self, url: str) -> None:
        self.store = Store.open(url, ENTITIES)
        migrate.upgrade(self.store)
        clock, rng = SystemClock(), random.Random(1)
        self.flows: dict[str, Flow] = {}
        for number, kind in enumerate(("customer", "product", "sales_order"), 1):
            self.flows[kind] = self._flow(kind, number, "in")
        self.flows["outward"] = self._flow("customer", 4, "out")
        self.env = Env(
            self.store, clock, Ids(clock, rng), rng, no_fault, self.flows, EngineSettings()
        )

    def _flow(self, kind: str, number: int, direction: str) -> Flow:
        path = Path(__file__).parents[2] / "mappings" / "sample" / f"{kind}.yaml"
        loaded = mapping.load(path, entities=ENTITIES)
        compiled = mapping.compile(loaded, ENTITIES[loaded.entity])
        name = kind if direction == "in" else "outward"
        settings = FlowSettings(
            connection="bench" if direction == "in" else "other",
            mapping=kind,
            name=name,
            direction=direction,
        )
        with self.store.write() as c:
            source = self.store.metadata.tables["source"]
            query = select(source.c.id).where(
                source.c.connection == settings.connection, source.c.stream == compiled.stream
            )
            found = c.execute(query).scalar()
            if found is None:
                values = {"connection": settings.connection, "stream": compiled.stream}
                found = c.execute(source.insert().values(**values)).inserted_primary_key[0]
        return Flow(name, settings, compiled, compiled.entity, found, Rows.capabilities)

    def load(self, kind: str, rows: Iterator[list[dict[str, Any]]]) -> float:
        """Seconds that the engine took; making the rows is not counted."""
        waiting = 0.0

        def timed():
            nonlocal waiting
            while True:
                start = time.perf_counter()
                try:
                    page = next(rows)
                except StopIteration:
                    return
                waiting += time.perf_counter() - start
                yield page

        @contextmanager
        def opened(name):
            with Rows(timed()) as connector:
                yield connector

        jobs = Jobs(self.env, opened, {}, leases.owner_name(), list(self.flows))
        start = time.perf_counter()
        run = runs.request(self.env, self.flows[kind], trigger="manual", full=False)
        runner.run_until_done(jobs, [run])
        return time.perf_counter() - start - waiting


# --------------------------------------------------------------------------------- measurements


def first(url: str, size: int) -> dict[str, float]:
    bench = Bench(url)
    seconds = bench.load("customer", pages("customer", size))
    return {"rate": size / seconds}


def again(url: str, size: int) -> dict[str, float]:
    bench = Bench(url)
    seconds = bench.load("customer", pages("customer", size))
    return {"rate": size / seconds}


def changed(url: str, size: int) -> dict[str, float]:
    bench = Bench(url)
    seconds = bench.load("customer", pages("customer", size, delivery=1))
    return {"rate": size / seconds}


def others(url: str, size: int) -> dict[str, float]:
    """Products and orders with three lines, at a fifth and half of the customers' number."""
    bench = Bench(url)
    products, orders = max(size // 5, 1), max(size // 2, 1)
    a = bench.load("product", pages("product", products))
    b = bench.load("sales_order", pages("sales_order", orders, products))
    return {"products": products / a, "orders": orders / b}


def raw(url: str, size: int, loaded: str = "") -> dict[str, float]:
    """The rows of `loaded`, written again into an empty database of the same schema."""
    source, target = Store.open(loaded, ENTITIES), Store.open(url, ENTITIES)
    migrate.upgrade(target)
    data = {}
    sources = source.metadata.tables["source"]
    with source.read() as c, target.write() as t:  # what links refer to
        t.execute(sources.insert(), [dict(r._mapping) for r in c.execute(select(sources))])
    with source.read() as c:
        for name in ("party", "link", "journal", "outbox"):
            table = source.metadata.tables[name]
            rows = [tuple(r) for r in c.exec_driver_sql(f"SELECT * FROM {name}")]
            data[name] = ([column.name for column in table.columns], _plain(rows))
    total = len(data["party"][1])
    start = time.perf_counter()
    for at in range(0, total, BATCH):
        with target.write() as c:
            for name, (columns, rows) in data.items():
                table = target.metadata.tables[name]
                bulk._write(c, _Bare(table), tuple(columns), rows[at : at + BATCH], ())
    return {"rate": total / (time.perf_counter() - start)}


class _Bare:
    """The table without types: the values are as the driver gave them."""

    def __init__(self, table):
        self.name, self.c = table.name, {c.name: Column(c.name, String) for c in table.columns}


def _plain(rows):
    return [tuple(json.dumps(v) if isinstance(v, dict | list) else v for v in row) for row in rows]


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    customer_no = Column(String, primary_key=True)
    data = {name: Column(String) for name in generate.CUSTOMER_FIELDS if name != "customer_no"}


for _name, _column in Customer.data.items():
    setattr(Customer, _name, _column)


def orm(url: str, size: int) -> dict[str, float]:
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    size = min(size, 20_000)
    spent = 0.0
    with Session(engine) as session:
        for page in pages("customer", size):
            start = time.perf_counter()
            for row in page:
                values = {k: str(v) for k, v in row.items()}
                known = session.get(Customer, values["customer_no"])
                if known is None:
                    session.add(Customer(**values))
                else:
                    for name, value in values.items():
                        setattr(known, name, value)
            session.commit()
            spent += time.perf_counter() - start
    return {"rate": size / spent}


MEASURES = {f.__name__: f for f in (first, again, changed, others, raw, orm)}


# -------------------------------------------------------------------------------------- running


def measure(name: str, url: str, size: int, *more: str) -> dict[str, float]:
    """One measurement in a process of its own, with its peak memory in MB."""
    command = [sys.executable, "-m", "tests.benchmarks.sync", "--measure", name, url, str(size)]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def report(database: str, size: int, new_url) -> None:
    hub_url, raw_url, orm_url = new_url(), new_url(), new_url()
    print(f"\n{database}, {size:,} customers: rows per second, peak memory")
    load = measure("first", hub_url, size)
    floor = measure("raw", raw_url, size, hub_url)
    loop = measure("orm", orm_url, size)
    reread = measure("again", hub_url, size)
    delta = measure("changed", hub_url, size)
    rest = measure("others", hub_url, size)
    line("first load", load, f"{load['rate'] / floor['rate']:.2f} × raw SQL",
         f"{load['rate'] / loop['rate']:.1f} × ORM loop")  # fmt: skip
    line("unchanged re-read", reread, f"{reread['rate'] / load['rate']:.1f} × first load")
    line("1 % changed", delta, f"{delta['rate'] / load['rate']:.1f} × first load")
    print(f"  {'products':20} {rest['products']:>10,.0f}/s")
    print(f"  {'orders, 3 lines':20} {rest['orders']:>10,.0f}/s   {rest['mb']:,.0f} MB")
    line("baseline: raw SQL", floor)
    line("baseline: ORM loop", loop)


def line(name: str, result: dict[str, float], *ratios: str) -> None:
    print(f"  {name:20} {result['rate']:>10,.0f}/s {result['mb']:>7,.0f} MB   {'   '.join(ratios)}")


def growth(new_url) -> None:
    print("\nGrowth: time per record, as a ratio to that at 10,000; peak memory")
    base = None
    for size in (10_000, 100_000, 1_000_000):
        result = measure("first", new_url(), size)
        base = base or result["rate"]
        print(f"  {size:>10,}  {base / result['rate']:.2f} ×  {result['mb']:,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        name, url, size, *more = args.measure
        result = MEASURES[name](url, int(size), *more)
        result["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as folder:
        for database in [args.database] if args.database else ["sqlite", "postgresql"]:
            with urls(database, Path(folder)) as new_url:
                growth(new_url) if args.growth else report(database, args.size, new_url)


@contextmanager
def urls(database: str, folder: Path):
    """A function that gives a new empty database each time."""
    if database == "sqlite":
        count = iter(range(1000))
        yield lambda: f"sqlite:///{folder}/{next(count)}.db"
        return
    from tests.databases import running_postgres

    with running_postgres() as server:
        yield server.new_database


if __name__ == "__main__":
    main()
