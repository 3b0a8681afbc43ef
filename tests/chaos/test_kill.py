"""kill -9 and SIGSTOP of real processes at every fault point of a whole story.

The trials run in a process of their own, which forks; see `tests/chaos/__main__.py` for all pairs.
"""

import json
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hub.settings import EngineSettings
from tests.chaos.points import names_in_source
from tests.chaos.story import STAGES
from tests.chaos.test_cli import KILLED_BY_NAME

ROOT = Path(__file__).parents[2]
NOT_KILLED = {
    # What a person asks for by itself, outside of pull and push: not part of the story yet.
    "draft", "edit", "merge", "unmerge", "learn", "index", "scan", "look", "verify",
    "plan", "planned", "capture", "rehearsal", "apply", "promote", "drop",
    # Killed in the middle by tests of its own (tests/sync/test_undo.py).
    "undo",
    # Jobs of modules, with leases of their own.
    "job-lease", "job-done", "jobs",
    # Only a worker that waited long or was stopped confirms its lease before it writes: --stops.
    "guard",
}  # fmt: skip


def chaos(*options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.chaos", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert not report["failures"], "\n".join([*report["failures"], done.stderr])
    assert done.returncode == 0
    return dict(report)


@cache
def undisturbed() -> dict[str, Any]:
    return chaos()


def test_the_story_passes_every_fault_point_of_pull_and_push():
    by_name = {name.partition(":")[0] for name in KILLED_BY_NAME}
    elsewhere = {f"{n}:{w}-commit" for n in NOT_KILLED | by_name for w in ("before", "after")}

    missed = names_in_source() - set(undisturbed()["names"]) - elsewhere

    assert not missed, "pass them in tests/chaos/story.py, or kill there in tests/chaos/test_cli.py"


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_at_any_point_changes_nothing_in_the_end(stage):
    report = chaos("--singles", "--stage", stage)

    assert report["kills"] == report["trials"] == undisturbed()["matter"][stage] > 50


def test_a_kill_changes_nothing_on_postgresql_either(postgres_url):
    report = chaos("--singles", "--share", "0/3", "--database", postgres_url)

    assert report["kills"] == report["trials"] > sum(undisturbed()["matter"].values()) / 4


def test_a_second_kill_during_the_recovery_changes_nothing_either():
    report = chaos("--pairs", "--share", "0/97")

    assert report["pairs"] > 100


def test_a_worker_that_was_stopped_beyond_its_lease_writes_nothing_more():
    report = chaos("--stops", "--stage", "first_load", "--share", "0/1")

    assert report["stops"] > undisturbed()["points"]["first_load"] / 2


def test_useful_work_goes_on_within_two_leases_of_a_worker_that_died_elsewhere():
    report = chaos("--recoveries", "--stage", "first_load", "--share", "0/5")

    lease = EngineSettings().lease
    assert 1 < report["slowest recovery"] <= 2 * lease / timedelta(seconds=1)
