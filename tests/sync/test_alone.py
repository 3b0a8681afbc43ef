"""A first load may leave out the look for matches only while it could find none."""

import pytest

from hub.connector import Capabilities
from hub.model import ENTITIES
from hub.store.records import Record
from hub.sync import alone, journal, pull
from hub.sync.journal import Proposal
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"
ROWS = 12


@pytest.fixture
def pair(world):
    erp, crm = (world.system(n, capabilities=Capabilities(read_page=2)) for n in ("erp", "crm"))
    world.flow("erp-customers", "erp", CODED, direction="in")
    world.flow("crm-customers", "crm", CODED, direction="in")
    return world, erp, crm


@pytest.fixture
def asked(monkeypatch):
    """What every page was told."""
    answers = []

    def is_alone(work, flow, run):
        answers.append(alone.is_alone(work, flow, run))
        return answers[-1]

    monkeypatch.setattr(pull, "is_alone", is_alone)
    return answers


def fill(system, rows=ROWS, first=0):
    for n in range(first, first + rows):
        system.put("customers", {"id": str(n), "code": f"C{n}", "name": f"Ada {n}"})


def test_the_first_load_of_the_first_system_looks_for_nothing(pair, asked):
    world, erp, _ = pair
    fill(erp)

    world.sync("erp-customers")

    assert asked == [True] * (ROWS // 2)
    assert len(world.rows("party")) == ROWS


def test_a_second_system_is_matched_row_by_row(pair, asked):
    world, erp, crm = pair
    fill(erp)
    world.sync("erp-customers")
    fill(crm)
    asked.clear()

    counts = world.sync("crm-customers")["crm-customers"]

    assert not any(asked)
    assert len(world.rows("party")) == ROWS
    assert counts["created"] == 0


def create_by_hand(world, code):
    with world.env.work("edit", "user:ada") as work:
        record = Record(work.ids.new(), "party")
        changes = {"customer_code": code, "name": "By hand"}
        journal.apply(work, [Proposal(record, ENTITIES["customer"], changes, op="create")])


def test_what_a_person_makes_in_the_middle_is_found(pair, asked):
    world, erp, _ = pair
    fill(erp)

    def create(name):
        if name == "pull:read" and len(asked) == 2 and not world.rows("journal", origin="user:ada"):
            create_by_hand(world, f"C{ROWS - 1}")

    world.fault = create
    world.sync("erp-customers")

    assert asked == [True, True, False, False, False, False]
    assert len(world.rows("party")) == ROWS
    assert len(world.rows("link")) == ROWS


def test_a_run_that_goes_on_later_remembers_whether_it_is_alone(pair, asked):
    world, erp, _ = pair
    fill(erp)

    def stop(name):
        if name == "pull:read" and len(asked) == 2:
            raise KeyboardInterrupt

    world.fault = stop
    with pytest.raises(KeyboardInterrupt):
        world.sync("erp-customers")
    world.fault = lambda name: None
    world.sync("erp-customers")

    assert all(asked) and len(asked) >= ROWS // 2
    assert len(world.rows("party")) == ROWS


def test_a_later_run_looks_again(pair, asked):
    world, erp, _ = pair
    fill(erp)
    world.sync("erp-customers")
    asked.clear()
    fill(erp, rows=2, first=ROWS)

    world.sync("erp-customers")

    assert asked == [False]
