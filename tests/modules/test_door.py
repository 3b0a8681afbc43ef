"""What modules add takes part in everything: the door, the journal, sync and the facade."""

import pytest
from sqlalchemy import select

from hub.api import ChangedError, HubError, NotFoundError, RefusedError

CREDIT = """
from hub.api import Problem

def check(change):
    limit = change.after.get("credit_limit")
    if change.changed("credit_limit") and limit and float(limit) > 1000:
        change.refuse(Problem("too-much", "{value!r} is above 1000", "credit_limit", limit))
    if change.changed("name"):
        change.set("ext.credit.initial", change.after["name"][0])

@hookimpl
def hub_declare(settings):
    yield Extension("customer", (
        Field.text("initial", size=1),
        Field.choice("grade", ("A", "B")),
    ))
    yield Rule("credit.limit", "customer", check, "信用额度", "Credit limit")
    yield Action("credit.upgrade", upgrade, "升级", "Upgrade", "customer:write", on="customer")
    yield Report("credit.grades", grades, (Field.text("grade"), Field.integer("count")),
                 "等级", "Grades", "customer:read")

def upgrade(hub, record):
    return hub.update("customer", record["id"], {"ext.credit.grade": "A"})

def grades(hub):
    return [{"grade": "A", "count": 2, "secret": 1}]
"""


@pytest.fixture
def hub(write, hub_at, database_url):
    write("credit", CREDIT)
    return hub_at(database_url, plugins="credit")


def test_a_rule_amends_a_change_and_the_journal_has_it(hub):
    made = hub.create("customer", {"name": "Ada", "credit_limit": "500"})

    assert made["ext.credit.initial"] == "A"
    assert hub.get("customer", made["id"])["ext.credit.initial"] == "A"
    journal = hub.store.metadata.tables["journal"]
    (line,) = hub.rows(select(journal.c.changes, journal.c.origin))
    assert '"ext.credit.initial":[null,"A"]' in line["changes"]
    assert line["origin"].startswith("user:")


def test_a_rule_refuses_a_change_and_nothing_is_written(hub):
    made = hub.create("customer", {"name": "Ada", "credit_limit": "500"})

    with pytest.raises(RefusedError, match="'1500' is above 1000"):
        hub.update("customer", made["id"], {"credit_limit": "1500"})

    assert hub.get("customer", made["id"])["version"] == 1


def test_a_rule_that_breaks_refuses_the_record_and_names_itself(write, hub_at):
    write(
        "bad",
        CREDIT.replace("limit = change", "1 / 0\n    limit = change").replace("credit.", "bad."),
    )
    hub = hub_at(plugins="bad")

    with pytest.raises(RefusedError, match=r"the rule 'bad\.limit' broke: ZeroDivisionError"):
        hub.create("customer", {"name": "Ada"})


def test_an_added_field_is_checked_by_its_declaration(hub):
    with pytest.raises(RefusedError, match=r"ext\.credit\.grade"):
        hub.create("customer", {"name": "Ada", "ext.credit.grade": "Z"})


def test_a_field_nobody_declared_is_refused(hub):
    with pytest.raises(RefusedError, match="'nmae' is not a field"):
        hub.create("customer", {"nmae": "Ada"})


def test_an_update_of_an_older_version_is_refused(hub):
    made = hub.create("customer", {"name": "Ada"})
    hub.update("customer", made["id"], {"name": "Bea"}, version=1)

    with pytest.raises(ChangedError, match="version is 2, not 1"):
        hub.update("customer", made["id"], {"name": "Cid"}, version=1)
    with pytest.raises(ChangedError, match="name is 'Bea', not 'Ada'"):
        hub.update("customer", made["id"], {"name": "Cid"}, expect={"name": "Ada"})


def test_several_changes_happen_together_or_not_at_all(hub):
    with pytest.raises(RefusedError), hub.changes() as changes:
        changes.create("customer", {"code": "C1", "name": "Ada"})
        changes.create("customer", {"code": "C2"})

    with pytest.raises(NotFoundError, match="there is no customer 'C1'"):
        hub.get("customer", "C1")


def test_an_action_and_a_report_run_by_name(hub):
    made = hub.create("customer", {"code": "C1", "name": "Ada"})

    assert hub.act("credit.upgrade", "C1")["ext.credit.grade"] == "A"
    assert hub.get("customer", made["id"])["ext.credit.grade"] == "A"
    assert hub.report("credit.grades") == [{"grade": "A", "count": 2}]


def test_an_unknown_action_or_parameter_is_named(hub):
    with pytest.raises(NotFoundError, match=r"no module offers 'credit\.x'"):
        hub.act("credit.x")
    with pytest.raises(HubError, match=r"credit\.grades: setting 'by'"):
        hub.report("credit.grades", {"by": "x"})


def test_a_reference_to_nothing_is_refused(hub):
    with pytest.raises(RefusedError, match="no payment_term is known as 'x'"):
        hub.create("customer", {"name": "Ada", "payment_term": "x"})


def test_a_module_that_is_gone_leaves_its_values_and_stops_nothing(hub, hub_at, database_url):
    made = hub.create("customer", {"name": "Ada", "ext.credit.grade": "B"})

    without = hub_at(database_url, plugins="none")
    without.update("customer", made["id"], {"name": "Bea"})
    again = hub_at(database_url, plugins="credit")

    assert again.get("customer", made["id"])["ext.credit.grade"] == "B"
    assert again.get("customer", made["id"])["ext.credit.initial"] == "A"
