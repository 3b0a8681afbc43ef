"""Two full systems meet: matched first, nothing written; then what was chosen for each bucket."""

import pytest

from hub.errors import HubError
from hub.testing.world import CUSTOMER

CODED = CUSTOMER + "match: [[code]]\n"


@pytest.fixture
def full(world):
    """C0 to C2 are in both, C2 with another name; C3 only in the ERP, C4 only in the CRM."""
    erp, crm = world.system("erp"), world.system("crm")
    world.flow("erp", "erp", CODED, mode="observe")
    world.flow("crm", "crm", CODED, mode="observe")
    for n in (0, 1, 2, 3):
        erp.put("customers", {"id": f"e{n}", "code": f"C{n}", "name": f"Name {n}"})
    for n in (0, 1, 2, 4):
        name = "Else" if n == 2 else f"Name {n}"
        crm.put("customers", {"id": f"c{n}", "code": f"C{n}", "name": name})
    return world, erp, crm


def by_bucket(plan):
    found = {}
    for step in plan["shown"]:
        found.setdefault(step["bucket"], set()).add((step["row"], step["other_row"]))
    return found


def go_live(world):
    for name in ("erp", "crm"):
        world.flow(name, name, CODED)


def test_the_rows_fall_into_buckets_and_nothing_is_written(full):
    world, _erp, _crm = full

    plan = world.firstload("erp", "crm")

    assert by_bucket(plan) == {
        "matched": {("e0", "c0"), ("e1", "c1"), ("e2", "c2")},
        "here": {("e3", None)},
        "there": {("c4", None)},
    }
    assert plan["buckets"] == {"matched": 3, "here": 1, "there": 1}
    (differing,) = [s for s in plan["shown"] if s["changes"]]
    assert differing["changes"] == {"name": ["Name 2", "Else"]}
    assert world.writes == 0 and not world.rows("link") and not world.rows("party")


def test_two_rows_that_fit_one_are_not_clear(full):
    world, erp, _crm = full
    world.flow("erp", "erp", CODED + "policy: remote\n", mode="observe")
    erp.put("customers", {"id": "e9", "code": "C1", "name": "Twin"})

    plan = world.firstload("erp", "crm")

    assert by_bucket(plan)["ambiguous"] == {("c1", None)}


def test_merged_rows_are_linked_and_the_policies_decide(full):
    world, erp, crm = full
    plan = world.firstload("erp", "crm")

    done = world.choose(plan["plan"], matched="merge", here="create", there="create")
    go_live(world)
    world.sync()

    assert done["progress"] == {"applied": 5}
    names = [{r["code"]: r["name"] for r in s.rows("customers").values()} for s in (erp, crm)]
    assert names[0] == names[1] and set(names[0]) == {"C0", "C1", "C2", "C3", "C4"}
    assert len(erp.rows("customers")) == len(crm.rows("customers")) == 5


def test_linked_rows_keep_their_differences_until_somebody_edits_them(full):
    world, erp, crm = full
    plan = world.firstload("erp", "crm")
    world.choose(plan["plan"], matched="link", here="keep", there="ignore")
    go_live(world)

    world.sync(full=True)

    assert world.writes == 0
    assert crm.rows("customers")["c2"]["name"] == "Else"
    assert set(crm.rows("customers")) == {"c0", "c1", "c2", "c4"}
    erp.put("customers", {"id": "e2", "name": "New"})
    erp.put("customers", {"id": "e3", "name": "Still not there"})
    crm.put("customers", {"id": "c4", "name": "Still not here"})
    world.sync()
    assert crm.rows("customers")["c2"]["name"] == "New"
    assert len(crm.rows("customers")) == len(erp.rows("customers")) == 4


def test_what_moved_since_is_skipped_and_buckets_can_be_chosen_one_by_one(full):
    world, _erp, crm = full
    plan = world.firstload("erp", "crm")
    crm.put("customers", {"id": "c1", "name": "Moved"})

    first = world.choose(plan["plan"], matched="merge")
    second = world.choose(plan["plan"], here="create")

    assert [(s["row"], s["why"]["code"]) for s in first["shown"]] == [("e1", "row-changed")]
    assert second["progress"] == {"applied": 3, "skipped": 1, "planned": 1}


def test_a_first_load_is_not_applied_without_a_choice(full):
    world, _erp, _crm = full
    plan = world.firstload("erp", "crm")

    with pytest.raises(HubError, match="yours to choose"):
        world.apply(plan["plan"])
    with pytest.raises(HubError, match="nothing that can become"):
        world.choose(plan["plan"], matched="create")
