"""The connector contract on SQLite, PostgreSQL and MariaDB, on tables like those of a shop."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import create_engine, make_url, text

from hub.connector import Change, Stream
from hub.connectors.sql import Sql
from hub.testing.connector_contract import ConnectorContract

START = datetime(2024, 1, 1, 12, tzinfo=UTC)
STREAMS = {
    "customers": {
        "key": ["id"],
        "cursor_column": "updated_at",
        "version_column": "version",
        "hub_key_column": "hub_key",
    }
}
DDL = {
    "sqlite": """
        CREATE TABLE customers (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(200) NOT NULL, note TEXT,
            big BIGINT, credit NUMERIC(18,2), born DATE, active BOOLEAN, updated_at DATETIME,
            version INTEGER NOT NULL DEFAULT 1, hub_key VARCHAR(100) UNIQUE)""",
    "postgresql": """
        CREATE TABLE customers (
            id BIGSERIAL PRIMARY KEY, name VARCHAR(200) NOT NULL, note TEXT,
            big BIGINT, credit NUMERIC(18,2), born DATE, active BOOLEAN, updated_at TIMESTAMPTZ,
            version INTEGER NOT NULL DEFAULT 1, hub_key VARCHAR(100) UNIQUE)""",
    "mariadb": """
        CREATE TABLE customers (
            id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(200) NOT NULL, note TEXT,
            big BIGINT, credit NUMERIC(18,2), born DATE, active BOOLEAN, updated_at DATETIME(6),
            version INTEGER NOT NULL DEFAULT 1, hub_key VARCHAR(100) UNIQUE) CHARSET utf8mb4""",
}


def seed(url: str, count: int = 7) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(DDL[engine.dialect.name]))
        insert = text(
            "INSERT INTO customers (name, note, big, credit, born, active, updated_at)"
            " VALUES (:name, 'seeded', :big, :credit, '2000-01-31', :active, :at)"
        )
        for n in range(count):
            at = (START + timedelta(days=n // 2)).strftime("%Y-%m-%d %H:%M:%S")
            connection.execute(
                insert,
                {
                    "name": f"Customer {n}",
                    "big": 2**60 + n,
                    "credit": f"{n}.10",
                    "active": n % 2 == 0,
                    "at": None if n == 3 else at,
                },
            )
    engine.dispose()


class SqlContract(ConnectorContract):
    text_column = "note"
    integer_column = "big"

    @pytest.fixture
    def settings(self, url):
        seed(url)
        return {"url": url, "timezone": "UTC", "streams": STREAMS}

    @pytest.fixture
    def connector(self, settings):
        with Sql(settings) as sql:
            yield sql

    @pytest.fixture
    def stream(self, connector):
        [stream] = [s for s in connector.discover() if s.name == "customers"]
        return stream

    @pytest.fixture
    def new_row(self):
        return lambda n: {
            "name": f"New {n}",
            "note": None,
            "credit": Decimal("10.50"),
            "active": True,
            "updated_at": START + timedelta(days=100 + n),
        }

    def test_a_row_without_cursor_value_is_read_first(self, connector, stream):
        first = next(iter(connector.read(stream, None))).rows[0]

        assert first["name"] == "Customer 3"
        assert first["updated_at"] is None

    def test_reads_begin_the_overlap_before_the_cursor(self, connector, stream):
        last = list(connector.read(stream, None))[-1].cursor

        day = Stream(**{**_fields(stream), "overlap": timedelta(days=1)})
        names = [row["name"] for page in connector.read(day, last) for row in page.rows]

        assert names == ["Customer 3", "Customer 4", "Customer 5", "Customer 6"]

    def test_refusals_name_code_and_column(self, connector, stream, new_row):
        batch = [
            Change("null", "create", values={**new_row(1), "name": None}),
            Change("twice", "create", values={**new_row(2), "id": 1}),
            Change("long", "create", values={**new_row(3), "name": "x" * 201}),
        ]

        results = {r.key: r for r in connector.write(stream, batch)}

        assert (results["null"].code, results["null"].column) == ("not-null", "name")
        assert results["twice"].code == "unique"
        if connector.config["url"].startswith("sqlite"):  # takes a text of any length
            assert results["long"].outcome == "applied"
        else:
            assert results["long"].code == "too-long"

    def test_booleans_and_moments_are_typed(self, connector, stream):
        [row] = connector.fetch(stream, ["1"])

        assert row["active"] is True
        assert row["updated_at"] == START
        assert row["credit"] == Decimal("0.10")
        assert row["big"] == 2**60


class TestSqlite(SqlContract):
    @pytest.fixture
    def url(self, tmp_path):
        path = tmp_path / "shop.db"
        path.touch()
        return f"sqlite:///{path}"


class TestPostgresql(SqlContract):
    @pytest.fixture
    def url(self, postgres_url):
        return postgres_url


class TestMariadb(SqlContract):
    @pytest.fixture
    def url(self, mariadb_url):
        return mariadb_url


class TestSecret(SqlContract):
    """With a password in the settings, which trust authentication ignores."""

    @pytest.fixture
    def settings(self, postgres_url):
        seed(postgres_url)
        url = make_url(postgres_url).set(drivername="postgresql")
        return {"url": str(url), "password": "c0rrect-horse", "timezone": "UTC", "streams": STREAMS}


def _fields(stream):
    return {name: getattr(stream, name) for name in Stream.__dataclass_fields__}
