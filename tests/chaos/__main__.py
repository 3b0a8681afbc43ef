"""Crash tests on real processes, outside of a test run:

    python -m tests.chaos --singles                     # every fault point
    python -m tests.chaos --pairs                       # every ordered pair
    python -m tests.chaos --pairs --share 0/40          # each fortieth of them
    python -m tests.chaos --stops                       # SIGSTOP beyond the lease, then SIGCONT
    python -m tests.chaos --recoveries                  # how long a dead worker holds up the rest
    python -m tests.chaos --singles --database postgresql://…   # "postgres" starts a server

Without --every, nothing is killed where it would leave what a kill at the point before leaves: just
before a commit, and after one that wrote nothing.
Prints one JSON document; exit code 1 if any trial differs from the undisturbed day.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.story import STAGES
from tests.chaos.trials import Trials, run_pairs, run_recoveries, run_singles, run_stops

SHARED_MEMORY = Path("/dev/shm")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--singles", action="store_true")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--stops", action="store_true")
    parser.add_argument("--recoveries", action="store_true")
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--share", default="0/1", metavar="I/K")
    parser.add_argument("--database", default="sqlite", metavar="URL")
    parser.add_argument("--stage", action="append", choices=STAGES)
    options = parser.parse_args()
    begun = time.monotonic()
    first, of = map(int, options.share.split("/"))
    with _folder() as folder, _database(options.database, folder) as url:
        trials = Trials(url, folder)
        trials.prepare()
        for stage in options.stage or STAGES:
            if options.singles:
                run_singles(trials, stage, every=options.every, share=(first, of))
            if options.pairs:
                run_pairs(trials, stage, every=options.every, share=(first, of))
            if options.stops:
                run_stops(trials, stage, share=(first, of))
            if options.recoveries:
                run_recoveries(trials, stage, share=(first, of))
    report = {**trials.report(), "seconds": round(time.monotonic() - begun, 1)}
    print(json.dumps(report, indent=1))
    return 1 if trials.failures else 0


@contextmanager
def _folder() -> Iterator[Path]:
    """In memory where there is such a place: a killed process loses nothing there either."""
    place: Any = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hub-chaos-", dir=place) as folder:
        yield Path(folder)


@contextmanager
def _database(wanted: str, folder: Path) -> Iterator[str]:
    if wanted == "sqlite":
        yield f"sqlite:///{folder / 'live' / 'hub.db'}"
    elif wanted == "postgres":
        from tests.databases import running_postgres

        with running_postgres() as server:
            yield server.new_database()
    else:
        yield wanted


if __name__ == "__main__":
    sys.exit(main())
