"""`hub run` goes on: what stops a step does not stop the runner."""

from itertools import pairwise

import pytest

from hub.errors import StorageError
from hub.jobs import runner, runs
from hub.jobs.module_jobs import ModuleJobs
from hub.testing.world import CUSTOMER, World


@pytest.fixture
def world(tmp_path):
    made = World(f"sqlite:///{tmp_path / 'hub.db'}")
    crm = made.system("crm")
    crm.put("customers", {"code": "C1", "name": "Ada"})
    made.flow("crm-customers", "crm", CUSTOMER)
    yield made
    made.store.close()


def ask(world):
    runs.request(world.env, world.flows["crm-customers"], trigger="schedule", full=False)


def run(world, *, steps):
    """Run the runner for so many looks at whether to stop; when each was."""
    looks = []

    def stop():
        looks.append(world.clock.now())
        return len(looks) > steps

    jobs = world.jobs()
    runner.run_forever(jobs, stop, ModuleJobs(world.env, {}, lambda job, moment: None))
    return looks


def test_a_full_database_makes_the_work_wait_and_not_end(world, monkeypatch):
    real, left = world.store.write, [5]

    def full(name="write"):
        if name != "heartbeat" and left[0]:
            left[0] -= 1
            raise StorageError("the hub's database cannot grow", hint="Free space.")
        return real(name)

    ask(world)
    monkeypatch.setattr(world.store, "write", full)

    looks = run(world, steps=20)

    waits = [(b - a).total_seconds() for a, b in pairwise(looks)]
    assert [round(w) for w in waits[:5]] == [2, 4, 8, 16, 32]
    assert world.customer("C1")["name"] == "Ada"


def test_the_wait_for_the_database_has_a_bound(world, monkeypatch):
    def away(name="write"):
        raise StorageError("the hub's database does not work", hint="Check it.")

    ask(world)
    monkeypatch.setattr(world.store, "write", away)

    looks = run(world, steps=12)

    assert round((looks[-1] - looks[-2]).total_seconds()) == runner.LONGEST.total_seconds()
