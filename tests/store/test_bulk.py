"""However many rows are written at once, the same stands in the table."""

import pytest

from hub.model import ENTITIES
from hub.store import bulk, records
from hub.store.records import Record
from hub.store.session import Store

AT = "2026-01-31T09:30:00.125Z"
VALUES = {
    "name": 'Søren "x" \\ 客户\n\t{1}',
    "party_type": "person",
    "roles": ["customer"],
    "address": {"city": "Berlin", "street": 'a"b\\c'},
    "credit_limit": "1234.5",
    "founded_on": "2001-02-03",
    "claimed_at": "2025-03-01T00:30:00.25Z",
    "employee_count": 7,
    "do_not_call": False,
    "ext.crm.score": 5,
}


@pytest.fixture
def store(database_url):
    made = Store.open(database_url, ENTITIES)
    made.create_all()
    yield made
    made.close()


def made(number, **values):
    stamps = {"created_at": AT, "created_by": "a", "updated_at": AT, "updated_by": "b"}
    return Record(f"id-{number}", "party", 1, values={**VALUES, **values}, **stamps)


def stored(store):
    with store.read() as c:
        table = store.tables["party"]
        ids = c.execute(table.select().with_only_columns(table.c.id)).scalars().all()
        return records.load(c, store, "party", ids)


@pytest.mark.parametrize("count", [1, bulk.FEW, bulk.FEW + 1])
def test_records_come_back_as_they_were_saved_new_or_not(store, count):
    first = [made(n) for n in range(count)]
    with store.write() as c:
        records.save(c, store, "party", first, new=True)
    assert stored(store) == {r.id: r for r in first}

    second = [made(n, name=f"n{n}", credit_limit=None, tags=["x"]) for n in range(count)]
    for record in second:
        record.version, record.created_by = 2, "somebody else"
        record.values.pop("credit_limit")
    with store.write() as c:
        records.save(c, store, "party", second, new=False)

    for record in second:
        record.created_by = "a"  # who created it stays
    assert stored(store) == {r.id: r for r in second}


def test_custom_fields_that_only_some_of_a_page_have_stay_with_them(store):
    one, other = made(1), made(2)
    del other.values["ext.crm.score"]
    with store.write() as c:
        records.save(c, store, "party", [one, other], new=True)

    assert stored(store) == {"id-1": one, "id-2": other}


def test_postgresql_looks_at_a_table_anew_whenever_it_has_grown_four_times(postgres_url):
    store = Store.open(postgres_url, ENTITIES)
    store.create_all()

    def known():
        with store.read() as c:
            return c.exec_driver_sql(
                "SELECT reltuples FROM pg_class WHERE relname = 'party'"
            ).scalar()

    for count, before, now, expected in ((10, 0, 20, -1), (10, 0, 1000, 20), (10, 1000, 1010, 20)):
        first = len(stored(store))
        with store.write() as c:
            new = [made(n) for n in range(first, first + count)]
            records.save(c, store, "party", new, new=True)
        store.grown(["party"], before, now)
        assert known() == expected
    store.grown(["party"], 1010, 4100)
    assert known() == 30
    store.close()
