"""A job of a module runs at its time, once, and again when it failed."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.declare import Job
from hub.jobs.module_jobs import ModuleJobs
from hub.testing.world import World

START = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)


class Diary:
    def __init__(self, fails=0):
        self.ran, self.fails = [], fails

    def __call__(self, job, moment):
        self.ran.append(moment)
        if len(self.ran) <= self.fails:
            raise OSError("no paper")


@pytest.fixture
def world(database_url):
    made = World(database_url)
    yield made
    made.store.close()


def module_jobs(world, run, schedule="every 1h"):
    return ModuleJobs(world.env, {"m.tidy": Job("m.tidy", run, schedule, "", "")}, run)


def state(world):
    (row,) = world.rows("module_job")
    return row


def test_a_job_waits_for_its_time_and_runs_once(world):
    diary = Diary()
    jobs = module_jobs(world, diary)

    assert jobs.step(START) == START + timedelta(hours=1)
    assert jobs.step(START + timedelta(hours=1)) is None
    assert jobs.step(START + timedelta(hours=1)) == START + timedelta(hours=2)
    assert diary.ran == [START + timedelta(hours=1)]


def test_a_time_missed_while_nobody_ran_is_made_up_for_once(world):
    diary = Diary()
    jobs = module_jobs(world, diary, "0 9 * * *")
    jobs.step(START)

    late = START + timedelta(days=5)
    assert jobs.step(late) is None
    assert jobs.step(late) == datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
    assert len(diary.ran) == 1


def test_a_job_that_fails_is_named_and_tried_again(world):
    diary = Diary(fails=1)
    jobs = module_jobs(world, diary)
    jobs.step(START)
    due = START + timedelta(hours=1)

    jobs.step(due)
    assert state(world).error == "OSError: no paper"
    assert state(world).attempts == 1
    again = jobs.step(due)
    assert due < again < due + timedelta(minutes=1)
    jobs.step(again)
    assert state(world).error is None
    assert state(world).next_at == "2026-01-01T10:00:02.000Z"


def test_a_job_that_another_worker_has_is_left_to_it_until_its_lease_ends(world):
    due = START + timedelta(hours=1)
    inner = Diary()

    def run(job, moment):
        module_jobs(world, inner).step(due)  # another worker, while this one is at it

    jobs = module_jobs(world, run)
    jobs.step(START)
    jobs.step(due)

    assert inner.ran == []
