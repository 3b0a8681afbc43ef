"""Looking up many keys at once."""

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, create_engine, func, select
from sqlalchemy.dialects import postgresql, sqlite

from hub.store.among import among, among_folded, there_is
from hub.store.session import open_engine

NAMES = ["a", "Ä", "it's", '"', "\\", "{1,2}", "", "客户", "1", "NULL", "a b", "\n"]

METADATA = MetaData()
THING = Table("thing", METADATA, Column("id", BigInteger, primary_key=True), Column("name", Text))


@pytest.fixture
def connection(database_url):
    engine = open_engine(database_url)
    with engine.begin() as made:
        METADATA.create_all(made)
        made.execute(THING.insert(), [{"id": n, "name": v} for n, v in enumerate(NAMES)])
        yield made
    engine.dispose()


def names(connection, condition):
    return set(connection.execute(select(THING.c.name).where(condition)).scalars())


def test_rows_are_found_by_any_of_the_values_however_they_are_written(connection):
    for wanted in (NAMES, NAMES[::2], ["b"], [], ["a", "b"]):
        assert names(connection, among(THING.c.name, wanted)) == set(wanted) & set(NAMES)


def test_numbers_and_expressions_are_looked_up_too(connection):
    assert names(connection, among(THING.c.id, {0, 3, 99})) == {NAMES[0], NAMES[3]}
    assert names(connection, among(func.upper(THING.c.name), ["A", "A B"])) == {"a", "a b"}


def test_more_values_than_a_statement_may_have_parameters(connection):
    assert names(connection, among(THING.c.id, range(5, 200_000))) == set(NAMES[5:])


def test_an_update_touches_only_what_is_among_the_values(connection):
    connection.execute(THING.update().where(among(THING.c.name, ["a", "1"])).values(name="x"))

    assert names(connection, THING.c.id >= 0) == {"x", *NAMES} - {"a", "1"}


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
def test_the_statement_does_not_depend_on_the_number_of_values(dialect):
    few, many = (select(THING).where(among(THING.c.name, v)) for v in (["a"], NAMES))

    assert str(few.compile(dialect=dialect)) == str(many.compile(dialect=dialect))


@pytest.mark.parametrize(
    "condition", [among_folded(THING.c.name, ["a"]), among(func.lower(THING.c.name), ["a"])]
)
def test_an_index_over_an_expression_is_used(tmp_path, condition):
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.begin() as connection:
        METADATA.create_all(connection)
        connection.exec_driver_sql("CREATE INDEX thing_key ON thing (lower(name))")
        query = select(THING.c.id).where(condition)
        text = str(query.compile(engine))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ('["a"]',)).all()
    engine.dispose()
    assert "USING COVERING INDEX thing_key" in plan[0][3] or "USING INDEX thing_key" in plan[0][3]


def test_codes_are_found_in_any_case_of_their_letters(connection):
    assert names(connection, among_folded(THING.c.name, ["A", "IT'S", "null", "x"])) == {
        *("a", "it's", "NULL")
    }
    assert names(connection, among_folded(THING.c.name, ["Ä", "客户"])) == {"Ä", "客户"}


def test_there_is_tells_whether_any_row_is_so(connection):
    assert there_is(connection, THING.c.name == "a", THING.c.id == 0)
    assert not there_is(connection, THING.c.name == "a", THING.c.id == 1)
