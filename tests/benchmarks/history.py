"""How fast the journal is folded, checked and taken back, and in how much memory.

    python -m tests.benchmarks.history                       # 100,000 customers, SQLite
    python -m tests.benchmarks.history --size 10000 --database postgresql

Two deliveries are loaded, the second with every hundredth customer changed; then each figure is taken
in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hub.sync.export import export
from hub.sync.undo import Target, plan, undo
from hub.sync.verify import verify
from tests.benchmarks.load import Bench, pages
from tests.databases import running_postgres

SCENARIOS = ("verify", "export", "export --at", "undo --dry-run", "undo", "undo the first load")


def quiet(event):
    """Progress that nobody watches."""


def measure(url: str, name: str) -> dict[str, float]:
    bench = Bench(url)
    env, customer = bench.env, bench.env.store.entities["customer"]
    with env.store.read() as c:
        run = env.store.metadata.tables["run"]
        first, second = c.execute(run.select().order_by(run.c.requested_at)).all()[:2]
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.jsonl"
        match name:
            case "verify":
                found = verify(env)
                count = sum(k["count"] for k in found["found"] if k["kind"] != "never-offered")
            case "export":
                count = export(env, customer, "jsonl", target, progress=quiet)
            case "export --at":
                at = first.finished_at
                count = export(env, customer, "jsonl", target, at=at, progress=quiet)
            case "undo --dry-run":
                count = plan(env, Target(second.id))["records"]
            case _:
                target_run = second.id if name == "undo" else first.id
                count = undo(env, Target(target_run), by="user:bench", progress=quiet)["records"]
    seconds = time.process_time() - start
    return {"seconds": round(seconds, 2), "peak_mb": peak_mb(), "count": count}


def peak_mb() -> int:
    """Of this program: what `getrusage` says begins with the size of the process it was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def run_all(url: str, size: int) -> None:
    bench = Bench(url)
    bench.run("customer", pages("customer", size))
    bench.run("customer", pages("customer", size, delivery=1))
    bench.store.close()
    for name in SCENARIOS:
        command = [sys.executable, "-m", "tests.benchmarks.history", "--one", name, "--url", url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        print(
            f"{name:20} {told['seconds']:8.2f} s  {told['peak_mb']:5} MB  {told['count']} found or done"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--one")
    parser.add_argument("--url")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.url, given.one)))
    elif given.database == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            run_all(f"sqlite:///{folder}/hub.db", given.size)
    else:
        with running_postgres() as server:
            run_all(server.new_database(), given.size)


if __name__ == "__main__":
    main()
