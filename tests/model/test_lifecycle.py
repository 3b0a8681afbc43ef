"""Which moves between states are allowed, to people and to a sync."""

import pytest

from hub.entity import Entity
from hub.model import ENTITIES
from hub.model.lifecycle import move

ORDER = ENTITIES["sales_order"]
PRODUCT = ENTITIES["product"]
INVOICE = Entity(
    "invoice", (), states={"draft": ("posted",), "posted": ("reversed",), "reversed": ()}
)

ALLOWED = [
    *[("draft", to) for to in ("pending_approval", "confirmed", "cancelled")],
    *[("pending_approval", to) for to in ("confirmed", "draft", "cancelled")],
    *[("confirmed", to) for to in ("completed", "closed", "draft", "cancelled")],
    *[("completed", "confirmed"), ("closed", "confirmed"), ("cancelled", "draft")],
]


@pytest.mark.parametrize("old", ORDER.states)
@pytest.mark.parametrize("new", ORDER.states)
def test_an_order_moves_only_along_the_listed_ways(old, new):
    problem = move(ORDER, old, new, forced_by_sync=False)

    assert (problem is None) == (old == new or (old, new) in ALLOWED)


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        *[("draft", "active", True), ("active", "phase_out", True), ("active", "blocked", True)],
        *[("phase_out", "discontinued", True), ("phase_out", "active", True)],
        *[("blocked", "active", True), ("blocked", "discontinued", True)],
        *[("discontinued", "active", True), ("active", "discontinued", False)],
        *[("active", "draft", False), ("discontinued", "phase_out", False)],
    ],
)
def test_a_product_moves_only_along_the_listed_ways(old, new, fits):
    assert (move(PRODUCT, old, new, forced_by_sync=False) is None) == fits


def test_a_refused_move_says_what_is_possible():
    problem = move(ORDER, "completed", "cancelled", forced_by_sync=False)

    assert problem is not None
    assert problem.code == "bad-move"
    assert str(problem) == "status: sales_order cannot go from completed to 'cancelled'"
    assert problem.hint.format(**problem.values) == "Possible from here: confirmed."


def test_a_sync_may_skip_states():
    assert move(ORDER, "draft", "completed", forced_by_sync=True) is None
    assert move(ORDER, "completed", "cancelled", forced_by_sync=True) is None
    assert move(PRODUCT, "active", "discontinued", forced_by_sync=True) is None


def test_a_sync_does_not_leave_a_state_that_nothing_leaves():
    problem = move(INVOICE, "reversed", "posted", forced_by_sync=True)

    assert problem is not None
    assert "not even by a sync" in str(problem)


def test_a_sync_does_not_go_back_where_no_way_leads():
    assert move(PRODUCT, "active", "draft", forced_by_sync=True) is not None


def test_a_new_record_starts_in_the_first_state_or_one_step_on():
    assert move(ORDER, None, "draft", forced_by_sync=False) is None
    assert move(ORDER, None, "confirmed", forced_by_sync=False) is None
    assert move(ORDER, None, "completed", forced_by_sync=False) is not None
    assert move(ORDER, None, "completed", forced_by_sync=True) is None


@pytest.mark.parametrize("forced", [True, False])
def test_an_unknown_state_is_refused(forced):
    problem = move(ORDER, "draft", "lost", forced_by_sync=forced)

    assert problem is not None
    assert problem.code == "unknown-state"


def test_an_entity_without_states_has_no_rules():
    assert move(ENTITIES["customer"], "active", "blocked", forced_by_sync=False) is None
