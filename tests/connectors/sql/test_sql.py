"""What the SQL connector does beyond the contract, each on the database where it matters."""

import json
import sqlite3
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import create_engine, make_url, text

from hub.connector import BadRow, Change, Stream
from hub.connectors.sql import Sql
from hub.errors import AuthError, ConfigError, HubError, ProtocolError, UnavailableError

NORTHWIND = """
CREATE TABLE Customers (CustomerID TEXT PRIMARY KEY, CompanyName TEXT NOT NULL, Region TEXT);
CREATE TABLE Orders (OrderID INTEGER PRIMARY KEY, CustomerID TEXT REFERENCES Customers,
    OrderDate DATETIME, Freight NUMERIC DEFAULT 0);
CREATE TABLE "Order Details" (OrderID INTEGER REFERENCES Orders, ProductID INTEGER,
    UnitPrice NUMERIC NOT NULL, Quantity INTEGER NOT NULL DEFAULT 1, Discount REAL DEFAULT 0,
    PRIMARY KEY (OrderID, ProductID));
INSERT INTO Customers VALUES ('ALFKI', 'Alfreds Futterkiste', NULL), ('ANATR', 'Ana Trujillo', ''),
    (NULL, 'Nameless', NULL);
INSERT INTO Orders VALUES
    (10248, 'ALFKI', '1996-07-04 00:00:00.000', 32.38),
    (10249, 'ANATR', '1996-07-05 00:00:00.000', 'free'),
    (10250, 'ALFKI', '1996-07-05 00:00:00.000', 65.83),
    (10251, NULL, NULL, 0);
INSERT INTO "Order Details" VALUES (10248, 11, 14, 12, 0.0), (10248, 42, 9.8, 10, 0.15),
    (10249, 14, 18.6, 9, 0.0);
"""
STREAMS = {
    "orders": {
        "table": "Orders",
        "cursor_column": "OrderDate",
        "children": {"lines": {"table": "Order Details", "parent": {"OrderID": "OrderID"}}},
    }
}


@pytest.fixture
def northwind(tmp_path):
    path = tmp_path / "northwind.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(NORTHWIND)
    connection.close()
    return path


@pytest.fixture
def open_sql():
    """Connectors that are closed at the end of the test."""
    opened = []

    def open_(url, **settings):
        sql = Sql({"url": str(url), **settings})
        opened.append(sql)
        return sql.__enter__()

    yield open_
    for sql in opened:
        sql.__exit__(None, None, None)


@pytest.fixture
def sql(northwind, open_sql):
    return open_sql(f"sqlite:///{northwind}", streams=STREAMS)


def stream_of(sql, name):
    return next(s for s in sql.discover() if s.name == name)


def read(sql, stream, cursor=None, size=2):
    sql.capabilities = type(sql.capabilities)(read_page=size)
    return [row for page in sql.read(stream, cursor) for row in page.rows]


def run(url, *statements):
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


# ------------------------------------------------------------------------------ Northwind, SQLite


def test_streams_and_other_tables_are_discovered(sql):
    streams = {s.name: s for s in sql.discover()}

    assert set(streams) == {"orders", "Customers", "Order Details"}
    orders = streams["orders"]
    assert orders.key == ("OrderID",)
    assert orders.columns["CustomerID"].target == "Customers"
    assert not orders.columns["OrderID"].required
    assert orders.columns["lines"].columns["UnitPrice"].kind == "decimal"
    assert orders.columns["lines"].columns["UnitPrice"].required
    assert streams["Order Details"].key == ("OrderID", "ProductID")


def test_texts_in_typed_columns_come_through_as_text(sql):
    rows = {row["OrderID"]: row for row in read(sql, stream_of(sql, "orders"))}

    assert rows[10248]["OrderDate"] == "1996-07-04 00:00:00.000"
    assert rows[10248]["Freight"] == Decimal("32.38")
    assert rows[10249]["Freight"] == "free"
    assert rows[10251]["OrderDate"] is None


def test_texts_of_moments_are_instants_where_the_zone_is_known(northwind, open_sql):
    sql = open_sql(f"sqlite:///{northwind}", streams=STREAMS, timezone="Asia/Shanghai")

    [row] = sql.fetch(stream_of(sql, "orders"), ["10248"])

    assert row["OrderDate"] == datetime(1996, 7, 3, 16, tzinfo=UTC)


def test_children_come_as_lists_in_the_order_of_their_key(sql):
    rows = {row["OrderID"]: row for row in read(sql, stream_of(sql, "orders"))}

    assert [line["ProductID"] for line in rows[10248]["lines"]] == [11, 42]
    assert rows[10248]["lines"][1]["Discount"] == Decimal("0.15")
    assert rows[10251]["lines"] == []


def test_every_text_cursor_is_a_place_to_resume(sql):
    stream = stream_of(sql, "orders")
    sql.capabilities = type(sql.capabilities)(read_page=1)
    pages = list(sql.read(stream, None))

    for n, page in enumerate(pages):
        rest = [r["OrderID"] for p in sql.read(stream, page.cursor) for r in p.rows]
        assert rest == [r["OrderID"] for p in pages[n + 1 :] for r in p.rows]
    assert json.loads(json.dumps(pages[-1].cursor)) == pages[-1].cursor


def test_text_moments_are_rewound_by_the_overlap(sql):
    from dataclasses import replace

    stream = stream_of(sql, "orders")
    last = list(sql.read(stream, None))[-1].cursor

    again = read(sql, replace(stream, overlap=timedelta(minutes=5)), last)

    assert [row["OrderID"] for row in again] == [10251, 10249, 10250]


def test_a_row_without_key_is_a_bad_row(sql):
    rows = read(sql, stream_of(sql, "Customers"), size=10)

    [bad] = [row for row in rows if isinstance(row, BadRow)]
    assert bad.place == "table Customers, a row without CustomerID"
    assert bad.raw["CompanyName"] == "Nameless"
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"CustomerID": "ALFKI"}, [10248, 10250]),
        ({"CustomerID": ["ANATR", None]}, [10251, 10249]),
        ({"CustomerID": None}, [10251]),
        ({"OrderID": {"gt": 10248, "le": 10250}}, [10249, 10250]),
        ({"CustomerID": {"ne": None}, "Freight": {"lt": 40}}, [10248]),
        ({"OrderID": {"not_in": [10248, 10249]}}, [10251, 10250]),
    ],
)
def test_where_selects_rows(sql, where, ids):
    stream = stream_of(sql, "orders")

    rows = read(sql, Stream("orders", stream.key, "OrderDate", where=where))

    assert [row["OrderID"] for row in rows] == ids


def test_where_takes_no_sql_and_names_what_is_wrong(sql):
    with pytest.raises(ConfigError, match="no column '1=1; --'"):
        read(sql, Stream("orders", where={"1=1; --": 1}))
    with pytest.raises(ConfigError, match="unknown operator 'like'"):
        read(sql, Stream("orders", where={"OrderID": {"like": 1}}))
    assert read(sql, Stream("orders", where={"CustomerID": "' OR 1=1 --"})) == []


def test_written_children_replace_the_stored_ones(sql, northwind):
    stream = stream_of(sql, "orders")
    lines = [
        {"ProductID": 42, "UnitPrice": Decimal("9.80"), "Quantity": 11},
        {"ProductID": 77, "UnitPrice": Decimal("1.5"), "Quantity": 2},
    ]

    [result] = sql.write(stream, [Change("u", "update", {"lines": lines}, remote_id="10248")])

    assert result.outcome == "applied"
    stored = {line["ProductID"]: line for line in result.row["lines"]}
    assert set(stored) == {42, 77}
    assert stored[42]["Quantity"] == 11
    assert stored[42]["Discount"] == Decimal("0.15"), "a column that is not given is left alone"


def test_a_create_with_children_and_a_delete_of_both(sql, northwind):
    stream = stream_of(sql, "orders")
    lines = [{"ProductID": n, "UnitPrice": n, "Quantity": 1} for n in (1, 2, 3)]

    [made] = sql.write(stream, [Change("c", "create", {"CustomerID": "ALFKI", "lines": lines})])
    [gone] = sql.write(stream, [Change("d", "delete", remote_id=made.remote_id)])

    assert [line["ProductID"] for line in made.row["lines"]] == [1, 2, 3]
    assert gone.outcome == "applied"
    with sqlite3.connect(northwind) as connection:
        left = connection.execute('SELECT count(*) FROM "Order Details"').fetchone()
    connection.close()
    assert left == (3,)


def test_a_refused_child_takes_its_parent_back_and_nothing_else(sql):
    stream = stream_of(sql, "orders")
    good = {"CustomerID": "ALFKI", "lines": [{"ProductID": 1, "UnitPrice": 1}]}
    bad = {"CustomerID": "ALFKI", "lines": [{"ProductID": 1, "UnitPrice": None}]}

    results = {
        r.key: r
        for r in sql.write(stream, [Change("a", "create", good), Change("b", "create", bad)])
    }

    assert results["a"].outcome == "applied"
    assert (results["b"].code, results["b"].column) == ("not-null", "UnitPrice")
    assert len(read(sql, stream)) == 5


def test_a_foreign_key_is_kept(sql):
    [result] = sql.write(
        stream_of(sql, "orders"), [Change("c", "create", {"CustomerID": "NOBODY"})]
    )

    assert (result.outcome, result.code) == ("rejected", "foreign-key")


def test_composite_keys_are_ids(sql):
    stream = stream_of(sql, "Order Details")

    [line] = sql.fetch(stream, ["10248|42"])
    [updated] = sql.write(stream, [Change("u", "update", {"Quantity": 5}, remote_id="10248|42")])

    assert line["UnitPrice"] == Decimal("9.8")
    assert updated.remote_id == "10248|42"
    assert updated.row["Quantity"] == 5
    assert len(read(sql, stream)) == 3


def test_only_the_named_columns_are_read(northwind, open_sql):
    streams = {"Customers": {"columns": ["CompanyName"]}}
    sql = open_sql(f"sqlite:///{northwind}", streams=streams)

    [row] = sql.fetch(stream_of(sql, "Customers"), ["ALFKI"])

    assert row == {"CustomerID": "ALFKI", "CompanyName": "Alfreds Futterkiste"}


def test_a_view_is_read_by_the_declared_key(northwind, open_sql):
    run(f"sqlite:///{northwind}", "CREATE VIEW named AS SELECT * FROM Customers")
    sql = open_sql(f"sqlite:///{northwind}", streams={"named": {"key": "CustomerID"}})
    stream = stream_of(sql, "named")

    assert [r["CustomerID"] for r in read(sql, stream) if not isinstance(r, BadRow)] == [
        "ALFKI",
        "ANATR",
    ]
    assert not stream.writable
    with pytest.raises(ConfigError, match="can only be read"):
        list(sql.write(stream, [Change("c", "create", {"CustomerID": "X"})]))


def test_a_table_without_key_says_what_to_declare(northwind, open_sql):
    run(f"sqlite:///{northwind}", "CREATE TABLE log (line TEXT)")
    sql = open_sql(f"sqlite:///{northwind}")

    with pytest.raises(ConfigError, match="no primary key") as caught:
        read(sql, stream_of(sql, "log"))
    assert "`key`" in caught.value.hint


def test_a_locked_file_is_unavailable_and_named(northwind, open_sql):
    sql = open_sql(f"sqlite:///{northwind}", streams=STREAMS, timeout_seconds=1)
    stream = stream_of(sql, "orders")
    other = sqlite3.connect(northwind, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(UnavailableError, match=r"northwind\.db.*locked"):
        list(sql.write(stream, [Change("c", "create", {"CustomerID": "ALFKI"})]))

    other.execute("ROLLBACK")
    other.close()
    [result] = sql.write(stream, [Change("c", "create", {"CustomerID": "ALFKI"})])
    assert result.outcome == "applied"


def test_a_missing_file_is_not_made(tmp_path, open_sql):
    sql = open_sql(f"sqlite:///{tmp_path / 'absent.db'}")

    with pytest.raises(ConfigError, match=r"absent\.db"):
        sql.check()
    assert not (tmp_path / "absent.db").exists()


def test_a_file_that_is_no_database_is_named(tmp_path, open_sql):
    (tmp_path / "notes.txt").write_text("not a database at all, but long enough to be read " * 9)

    with pytest.raises(ConfigError, match=r"notes\.txt"):
        open_sql(f"sqlite:///{tmp_path / 'notes.txt'}").check()


# -------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ({"orders": {"colour": 1}}, "stream 'orders': colour: Unknown field"),
        (
            {"orders": {"children": {"lines": {"parent": {"a": "b"}}}}},
            r"children\.lines\.table: Missing",
        ),
        ({"orders": {"where": "1=1"}}, "where: Not a valid mapping"),
    ],
)
def test_a_wrong_stream_setting_is_named(streams, message):
    with pytest.raises(ConfigError, match=message):
        Sql({"url": "sqlite://", "streams": streams})


def test_a_stream_whose_table_or_column_is_missing_says_what_there_is(northwind, open_sql):
    sql = open_sql(f"sqlite:///{northwind}", streams={"orders": {"table": "Oders"}})
    with pytest.raises(ConfigError, match="no table 'Oders'") as caught:
        list(sql.discover())
    assert "Orders" in caught.value.values["known"]

    sql = open_sql(f"sqlite:///{northwind}", streams={"Orders": {"cursor_column": "changed"}})
    with pytest.raises(ConfigError, match="no column 'changed'") as caught:
        list(sql.discover())
    assert "OrderDate" in caught.value.values["known"]


def test_a_password_in_the_url_is_refused_without_showing_it(open_sql):
    with pytest.raises(ConfigError) as caught:
        open_sql("postgresql://bob:hunter22@localhost/shop")
    assert "hunter22" not in f"{caught.value!r} {caught.value.hint}"
    with pytest.raises(ConfigError, match="no database URL"):
        open_sql("not a url")


# ------------------------------------------------------------------------------- servers, failures


def test_an_unknown_host_is_unavailable(open_sql):
    for url in ("postgresql://bob@no-such-host.invalid/shop", "mysql://bob@127.0.0.1:1/shop"):
        with pytest.raises(UnavailableError, match="shop"):
            open_sql(url, timeout_seconds=2).check()


def test_refused_credentials_are_an_auth_error(postgres_url, mariadb_url, open_sql):
    nobody = make_url(postgres_url).set(username="nobody")
    with pytest.raises(AuthError, match="nobody"):
        open_sql(nobody).check()

    nobody = make_url(mariadb_url).set(username="nobody")
    with pytest.raises(AuthError) as caught:
        open_sql(nobody, password="s3cret-word").check()
    assert "s3cret-word" not in str(caught.value)


def test_a_missing_database_is_a_setting_to_correct(postgres_url, mariadb_url, open_sql):
    for url in (postgres_url, mariadb_url):
        with pytest.raises(ConfigError, match="nowhere"):
            open_sql(make_url(url).set(database="nowhere")).check()


def test_a_table_that_may_not_be_read_is_an_auth_error(postgres_url, open_sql):
    run(postgres_url, "CREATE TABLE pay (id int primary key)", "CREATE ROLE clerk LOGIN")
    try:
        clerk = open_sql(make_url(postgres_url).set(username="clerk"))
        with pytest.raises(AuthError, match="permission denied"):
            read(clerk, stream_of(clerk, "pay"))
    finally:
        run(postgres_url, "DROP ROLE clerk")


def test_a_lock_that_is_held_makes_the_write_unavailable(postgres_url, mariadb_url, open_sql):
    for url in (postgres_url, mariadb_url):
        run(url, "CREATE TABLE t (id int primary key, n int)", "INSERT INTO t VALUES (1, 1)")
        sql = open_sql(url, timeout_seconds=1)
        stream = stream_of(sql, "t")
        engine = create_engine(url)
        with engine.begin() as other:
            other.execute(text("UPDATE t SET n = 2 WHERE id = 1"))
            with pytest.raises(UnavailableError, match="table t"):
                list(sql.write(stream, [Change("u", "update", {"n": 3}, remote_id="1")]))
        engine.dispose()


def test_a_table_dropped_meanwhile_is_a_protocol_error(postgres_url, open_sql):
    run(postgres_url, "CREATE TABLE t (id int primary key)")
    sql = open_sql(postgres_url)
    stream = stream_of(sql, "t")
    run(postgres_url, "DROP TABLE t")

    with pytest.raises(ProtocolError, match=r"table t .* does not exist"):
        read(sql, stream)


def test_a_constraint_checked_at_commit_refuses_only_its_row(postgres_url, open_sql):
    run(
        postgres_url,
        "CREATE TABLE boss (id int primary key)",
        "CREATE TABLE worker (id int primary key,"
        " boss int REFERENCES boss DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO boss VALUES (1)",
    )
    sql = open_sql(postgres_url)
    stream = stream_of(sql, "worker")
    batch = [Change(str(n), "create", {"id": n, "boss": n}) for n in (1, 2)]

    results = {r.key: r for r in sql.write(stream, batch)}

    assert results["1"].outcome == "applied"
    assert (results["2"].outcome, results["2"].code) == ("rejected", "foreign-key")


# ------------------------------------------------------------------------------ kinds of PostgreSQL

KINDS = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN price AS numeric(10, 2);
CREATE TABLE kinds (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mood mood, price price, tags text[],
    doc jsonb, raw bytea, at timestamp, ip inet, span interval, t time,
    ratio double precision, twice int GENERATED ALWAYS AS (7 * 2) STORED, 名称 text
);
"""


def test_the_kinds_of_postgresql_go_there_and_back(postgres_url, open_sql):
    run(postgres_url, *KINDS.strip().split(";\n"))
    sql = open_sql(postgres_url)
    stream = stream_of(sql, "kinds")
    values = {
        "mood": "happy",
        "price": Decimal("12.30"),
        "tags": ["a", "b,c"],
        "doc": {"a": [1, None, "x"]},
        "raw": b"\x00\xff",
        "at": "2024-05-01T10:00:00",
        "ip": "10.0.0.1",
        "t": "10:30:00",
        "ratio": Decimal("0.1"),
        "名称": "中文",
    }

    batch = [Change(str(n), "create", values) for n in range(3)]
    results = list(sql.write(stream, batch))

    assert stream.columns["mood"].choices == ("sad", "happy")
    assert not stream.columns["twice"].writable
    assert stream.columns["price"].kind == "decimal"
    for result in results:
        assert UUID(result.remote_id)
        assert {k: result.row[k] for k in values} == values
        assert result.row["twice"] == 14
    assert len(list(sql.fetch(stream, [r.remote_id for r in results]))) == 3
    assert list(sql.fetch(stream, ["not-a-uuid", "1"])) == []


def test_an_instant_is_not_written_into_a_column_without_zone(postgres_url, open_sql):
    run(postgres_url, *KINDS.strip().split(";\n"))
    moment = datetime(2024, 5, 1, 10, tzinfo=UTC)
    for zone, outcome in (("", "rejected"), ("Asia/Shanghai", "applied")):
        sql = open_sql(postgres_url, timezone=zone)
        [result] = sql.write(stream_of(sql, "kinds"), [Change("c", "create", {"at": moment})])
        assert result.outcome == outcome, result
        if zone:
            assert result.row["at"] == moment
        else:
            assert "timezone" in result.message


def test_generated_keys_answer_their_own_change(postgres_url, mariadb_url, open_sql):
    for url in (postgres_url, mariadb_url):
        serial = "SERIAL" if url.startswith("postgresql") else "INT AUTO_INCREMENT"
        run(url, f"CREATE TABLE t (id {serial} PRIMARY KEY, name VARCHAR(20), n INT)")
        sql = open_sql(url)
        batch = [Change(f"c{n}", "create", {"name": f"row {n}", "n": n}) for n in range(50)]

        results = {r.key: r for r in sql.write(stream_of(sql, "t"), batch)}

        for n in range(50):
            assert results[f"c{n}"].row["n"] == n


def test_numbers_beyond_the_column_refuse_the_row(postgres_url, mariadb_url, open_sql):
    for url in (postgres_url, mariadb_url):
        run(url, "CREATE TABLE t (id INT PRIMARY KEY, n INT)")
        sql = open_sql(url)
        batch = [
            Change("a", "create", {"id": 1, "n": 2**40}),
            Change("b", "create", {"id": 2, "n": "many"}),
            Change("c", "create", {"id": 3, "n": "12"}),
        ]

        results = {r.key: r for r in sql.write(stream_of(sql, "t"), batch)}

        assert [results[k].outcome for k in "abc"] == ["rejected", "rejected", "applied"]
        assert results["c"].row["n"] == 12


def test_an_integer_too_big_for_sqlite_is_refused(sql):
    change = Change("c", "create", {"OrderID": 2**70, "CustomerID": "ALFKI"})

    [result] = sql.write(stream_of(sql, "orders"), [change])

    assert (result.outcome, result.code) == ("rejected", "value")


def test_mariadb_finds_no_number_by_a_text(mariadb_url, open_sql):
    run(mariadb_url, "CREATE TABLE t (id INT PRIMARY KEY, n INT)", "INSERT INTO t VALUES (1, 0)")
    sql = open_sql(mariadb_url)

    assert list(sql.fetch(stream_of(sql, "t"), [{"n": "abc"}])) == []
    assert list(sql.fetch(stream_of(sql, "t"), ["abc", "0"])) == []


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "NUMERIC(20,5)", "BIGINT", "VARCHAR(30)"])
def test_any_cursor_type_resumes_exactly(postgres_url, open_sql, kind):
    run(
        postgres_url,
        f"CREATE TABLE t (a VARCHAR(5), b DATE, c {kind}, PRIMARY KEY (a, b))",
    )
    samples = {
        "DATE": "2024-01-0{}",
        "TIMESTAMP": "2024-01-01 00:00:00.00000{}",
        "NUMERIC(20,5)": "12345678901234.0000{}",
        "BIGINT": "900719925474099{}",
        "VARCHAR(30)": "值|\\{}",
    }
    for n in range(8):
        value = "NULL" if n == 0 else "'" + samples[kind].format(n // 2 + 1) + "'"
        run(postgres_url, f"INSERT INTO t VALUES ('k{n % 2}', '2024-02-0{n + 1}', {value})")
    streams = {"t": {"cursor_column": "c"}}
    sql = open_sql(postgres_url, streams=streams)
    stream = stream_of(sql, "t")
    sql.capabilities = type(sql.capabilities)(read_page=1)
    pages = list(sql.read(stream, None))
    assert len(pages) == 8

    for n, page in enumerate(pages):
        cursor = json.loads(json.dumps(page.cursor))
        rest = [(r["a"], r["b"]) for p in sql.read(stream, cursor) for r in p.rows]
        assert rest == [(r["a"], r["b"]) for p in pages[n + 1 :] for r in p.rows]


def test_a_schema_of_its_own(postgres_url, open_sql):
    run(
        postgres_url,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int primary key)",
        "INSERT INTO sales.orders VALUES (1)",
    )

    inside = open_sql(postgres_url, schema="sales")
    reaching = open_sql(postgres_url, streams={"o": {"table": "sales.orders"}})

    assert len(read(inside, stream_of(inside, "orders"))) == 1
    assert len(read(reaching, stream_of(reaching, "o"))) == 1


def test_a_stale_version_meets_no_row(postgres_url, open_sql):
    run(
        postgres_url,
        "CREATE TABLE t (id int primary key, name text, at timestamptz DEFAULT now())",
        "INSERT INTO t VALUES (1, 'a', '2024-01-01'), (2, 'b', '2024-01-01')",
    )
    sql = open_sql(postgres_url, streams={"t": {"version_column": "at"}})
    stream = stream_of(sql, "t")
    good = "2024-01-01T00:00:00+00:00"
    batch = [
        Change("1", "update", {"name": "x", "at": datetime.now(UTC)}, "1", version=good),
        Change("2", "update", {"name": "x"}, "2", version="2023-01-01T00:00:00+00:00"),
        Change("3", "update", {"name": "x"}, "3", version=good),
    ]

    results = {r.key: r for r in sql.write(stream, batch)}

    assert results["1"].outcome == "applied"
    assert (results["2"].outcome, results["2"].version) == ("conflict", good)
    assert results["3"].outcome == "gone"


def test_a_replay_by_another_process_in_the_middle_creates_nothing_twice(postgres_url, open_sql):
    run(
        postgres_url,
        "CREATE TABLE t (id serial primary key, name text, hub_key text unique)",
    )
    sql = open_sql(postgres_url, streams={"t": {"hub_key_column": "hub_key"}})
    stream = stream_of(sql, "t")
    assert sql.capabilities.idempotent_writes
    run(postgres_url, "INSERT INTO t (name, hub_key) VALUES ('first', 'k1')")

    results = {
        r.key: r
        for r in sql.write(
            stream, [Change("k1", "create", {"name": "a"}), Change("k2", "create", {"name": "b"})]
        )
    }

    assert results["k1"].remote_id == "1"
    assert results["k1"].row["name"] == "first"
    assert results["k2"].outcome == "applied"


def test_two_writers_with_one_key_create_one_row(postgres_url, mariadb_url, open_sql):
    for url in (postgres_url, mariadb_url):
        serial = "SERIAL" if url.startswith("postgresql") else "INT AUTO_INCREMENT"
        run(url, f"CREATE TABLE t (id {serial} PRIMARY KEY, n INT, hub_key VARCHAR(40) UNIQUE)")
        sql = open_sql(url, streams={"t": {"hub_key_column": "hub_key"}})
        stream = stream_of(sql, "t")
        results = []
        change = Change("k1", "create", {"n": 2})
        slower = threading.Thread(target=lambda: results.extend(sql.write(stream, [change])))  # noqa: B023
        engine = create_engine(url)
        with engine.connect() as first:
            first.execute(text("INSERT INTO t (n, hub_key) VALUES (1, 'k1')"))
            slower.start()
            slower.join(timeout=0.5)
            assert slower.is_alive(), "it waits for the first to commit"
            first.commit()
        slower.join()
        engine.dispose()

        assert [(r.outcome, r.remote_id) for r in results] == [("applied", "1")]
        assert len(read(sql, stream)) == 1


def test_children_may_name_their_parent_by_another_column(postgres_url, open_sql):
    run(
        postgres_url,
        "CREATE TABLE o (id serial primary key, no text UNIQUE)",
        "CREATE TABLE l (id serial primary key, no text, pos int, q numeric(8,2))",
        "INSERT INTO o (no) VALUES ('A-1')",
        "INSERT INTO l (no, pos, q) VALUES ('A-1', 1, 5), ('A-1', 2, 6)",
    )
    lines = {"table": "l", "parent": {"no": "no"}, "key": "pos", "order": "pos"}
    sql = open_sql(postgres_url, streams={"o": {"children": {"lines": lines}}})
    stream = stream_of(sql, "o")
    batch = [
        Change("u", "update", {"lines": [{"pos": 2, "q": "6.00"}, {"pos": 3, "q": 7}]}, "1"),
        Change("c", "create", {"no": "A-2", "lines": [{"pos": 1, "q": 1}]}),
    ]

    results = {r.key: r for r in sql.write(stream, batch)}
    [gone] = sql.write(stream, [Change("d", "delete", remote_id=results["c"].remote_id)])

    stored = results["u"].row["lines"]
    assert [(line["id"], line["pos"]) for line in stored] == [(2, 2), (3, 3)]
    assert [line["no"] for line in results["c"].row["lines"]] == ["A-2"]
    assert gone.outcome == "applied"
    assert len(read(sql, stream_of(sql, "l"), size=10)) == 2


def test_a_key_may_be_changed_by_an_update(sql):
    [result] = sql.write(
        stream_of(sql, "Customers"),
        [Change("u", "update", {"CustomerID": "ANATO"}, remote_id="ANATR")],
    )

    # the order of this customer refers to it
    assert (result.outcome, result.code) == ("rejected", "foreign-key")


def test_dates_are_dates(postgres_url, mariadb_url, open_sql):
    for url in (postgres_url, mariadb_url):
        run(url, "CREATE TABLE t (id INT PRIMARY KEY, d DATE)")
        sql = open_sql(url)

        [result] = sql.write(
            stream_of(sql, "t"), [Change("c", "create", {"id": 1, "d": "2024-02-29"})]
        )

        assert result.row["d"] == date(2024, 2, 29)


def test_errors_show_no_values(sql):
    with pytest.raises(HubError) as caught:
        list(sql.write(Stream("nowhere"), [Change("c", "create", {"secret": "payload"})]))
    assert "payload" not in repr(caught.value)
