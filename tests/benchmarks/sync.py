"""How fast records come in and go out, as ratios to baselines measured in the same run.

    python -m tests.benchmarks.sync                       # 100,000 customers, SQLite and PostgreSQL
    python -m tests.benchmarks.sync --growth              # from 10,000 to 1,000,000 customers
    python -m tests.benchmarks.sync --size 20000 --database sqlite --rounds 1

Every figure comes from a process of its own, so that peak memory is that of one measurement.  The
measurements of a round run one after the other, and rounds are repeated: ratios are medians over
rounds, so that a busy machine hits all alike.

Rates and ratios go by processor time, of this process and of the database server together; the
ratio by wall time stands beside.  Both databases keep the promises they have in the tests: SQLite
with `synchronous=FULL`, PostgreSQL with `fsync` off, for the hub and the baselines alike; without
autovacuum, as it would run in one measurement and not in the next.

The baselines are described in `tests.benchmarks.baselines`.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks import baselines
from tests.benchmarks.load import PRODUCTS, Bench, pages
from tests.benchmarks.meter import Meter

NewUrl = Callable[[], str]


# --------------------------------------------------------------------------------- measurements


def first(url: str, size: int) -> Meter:
    """Everything written: records, links, shadows, journal, outbox."""
    bench = Bench(url)
    counts = bench.run("customer", pages("customer", size))
    assert counts["created"] == size, counts
    assert bench.count("outbox") == size
    return bench.meter


def again(url: str, size: int) -> Meter:
    bench = Bench(url)
    counts = bench.run("customer", pages("customer", size))
    assert counts["unchanged"] == size, counts
    return bench.meter


def changed(url: str, size: int) -> Meter:
    bench = Bench(url)
    counts = bench.run("customer", pages("customer", size, delivery=1))
    assert counts["updated"], counts
    return bench.meter


def outward(url: str, size: int) -> Meter:
    """From the marks: diff, intent, write, read back, settle."""
    bench = Bench(url)
    counts = bench.run("outward")
    assert counts["written"]["created"] == size, counts
    return bench.meter


def products(url: str, size: int) -> Meter:
    bench = Bench(url)
    counts = bench.run("product", pages("product", size))
    assert counts["created"] == size, counts
    return bench.meter


def orders(url: str, size: int) -> Meter:
    bench = Bench(url)
    counts = bench.run("sales_order", pages("sales_order", size, bench.count("product")))
    assert counts["created"] == size, counts
    return bench.meter


MEASURES = {
    f.__name__: f
    for f in (
        *(first, again, changed, outward, products, orders),
        *(baselines.raw, baselines.orm, baselines.orm_table, baselines.dlt, baselines.singer),
    )
}


# -------------------------------------------------------------------------------------- running


@dataclass(frozen=True)
class Measured:
    """Seconds and megabytes that one measurement took for `size` records."""

    size: int
    wall: float
    client: float
    server: float
    peak: float
    missing: str = ""

    @property
    def processor(self) -> float:
        return self.client + self.server

    def __str__(self) -> str:
        server = f" + {self.server / self.size * 1e6:4,.0f}" if self.server else ""
        return (
            f"{self.size / self.processor:>9,.0f}/s  {self.client / self.size * 1e6:>5,.0f}{server}"
            f" µs  {self.peak:>5,.0f} MB"
        )


def measure(name: str, url: str, size: int, *more: str) -> Measured:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.sync", "--measure", name, url, str(size)]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _measure_here(name: str, url: str, size: str, *more: str) -> None:
    try:
        meter = MEASURES[name](url, int(size), *more)
    except baselines.MissingError as e:
        print(json.dumps(asdict(Measured(int(size), 1, 1, 0, 0, str(e)))))
        return
    usage = [resource.getrusage(who).ru_maxrss for who in (0, resource.RUSAGE_CHILDREN)]
    cost = meter.total
    found = Measured(int(size), cost.wall, cost.client, cost.server, max(usage) / 1024)
    print(json.dumps(asdict(found)))


SMALL = 5
"""The slow baselines get a fifth of the records: their time per record does not depend on it."""


def one_round(new_url: NewUrl, size: int) -> dict[str, Measured]:
    """Every measurement once; those of the hub build upon each other in one database."""
    hub, less = new_url(), max(size // SMALL, 1)
    plan = [
        ("first", hub, size),
        ("raw", new_url(), size, hub),
        ("dlt", new_url(), size),
        ("again", hub, size),
        ("orm", new_url(), less),
        ("orm_table", new_url(), less),
        ("singer", new_url(), less),
        ("changed", hub, size),
        ("outward", hub, size),
        ("products", hub, max(min(size // 5, PRODUCTS), 1)),
        ("orders", hub, max(size // 2, 1)),
    ]
    found = {}
    for name, url, count, *more in plan:
        found[name] = measure(name, url, count, *more)
        _progress(f"{name} {found[name]}")
    return found


def report(database: str, size: int, rounds: list[dict[str, Measured]]) -> None:
    print(
        f"\n{database}, {size:,} customers, median of {len(rounds)}: records per second of processor"
        " time; µs per record in this process + in the server; peak memory; ratios by processor"
        " (and wall) time"
    )
    for name, label, against in LINES:
        last = rounds[-1][name]
        if last.missing:
            print(f"  {label:22} not installed: {last.missing}")
            continue
        median = sorted((r[name] for r in rounds), key=lambda m: m.processor)[len(rounds) // 2]
        ratios = [_ratio(rounds, name, other, words) for other, words in against]
        print(f"  {label:22}{median}   {'   '.join(filter(None, ratios))}")


LINES = (
    (
        "first",
        "first load",
        (
            ("raw", "raw SQL"),
            ("orm", "ORM loop"),
            ("orm_table", "ORM, one table"),
            ("dlt", "dlt"),
            ("singer", "Singer"),
        ),
    ),
    ("again", "unchanged re-read", (("first", "first load"),)),
    ("changed", "1 % changed", (("first", "first load"),)),
    ("outward", "outward from marks", (("first", "first load"),)),
    ("products", "products", ()),
    ("orders", "orders, 3 lines", ()),
    ("raw", "baseline: raw SQL", ()),
    ("orm", "baseline: ORM loop", ()),
    ("orm_table", "ORM loop, one table", ()),
    ("dlt", "dlt, one table", ()),
    ("singer", "Singer, one table", ()),
)


def _ratio(rounds: list[dict[str, Measured]], name: str, other: str, words: str) -> str:
    """How many times as fast; the median over the rounds."""
    if rounds[-1][other].missing:
        return ""
    by_processor = statistics.median(_times(r[name], r[other], "processor") for r in rounds)
    by_wall = statistics.median(_times(r[name], r[other], "wall") for r in rounds)
    return f"{by_processor:.2f} × {words} ({by_wall:.2f})"


def _times(one: Measured, other: Measured, what: str) -> float:
    return float((getattr(other, what) / other.size) / (getattr(one, what) / one.size))


def growth(database: str, new_url: NewUrl) -> None:
    print(f"\n{database}, growth: time per record, as a ratio to that at 10,000; peak memory")
    base = None
    for size in (10_000, 100_000, 1_000_000):
        found = measure("first", new_url(), size)
        base = base or found
        ratio, wall = (1 / _times(found, base, what) for what in ("processor", "wall"))
        print(f"  {size:>10,}  {ratio:.2f} × ({wall:.2f} by wall time)  {found.peak:,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        _measure_here(*args.measure)
        return
    for database in [args.database] if args.database else ["sqlite", "postgresql"]:
        if args.growth:
            with urls(database) as new_url:
                growth(database, new_url)
            continue
        rounds = []
        for _ in range(args.rounds):
            with urls(database) as new_url:
                rounds.append(one_round(new_url, args.size))
        report(database, args.size, rounds)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="\r", file=sys.stderr)


@contextmanager
def urls(database: str) -> Iterator[NewUrl]:
    """A function that gives a new empty database each time; all are gone afterwards."""
    if database == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            count = iter(range(1000))
            yield lambda: f"sqlite:///{Path(folder)}/{next(count)}.db"
        return
    from tests.databases import running_postgres

    with running_postgres() as server:
        for setting in ("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"):
            server.execute(server.url, setting)
        yield server.new_database


if __name__ == "__main__":
    main()
