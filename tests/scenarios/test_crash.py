"""kill -9 of a real process at random moments: a restart needs no hand and changes no result."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.data import generate

ROOT = Path(__file__).parents[2]
ROWS = 20_000
KILLS = 10
COLUMNS = ("customer_no", "name", "email", "phone", "city", "credit_limit", "updated_at")
SCHEMA = "CREATE TABLE customers (customer_no VARCHAR(20) PRIMARY KEY, name VARCHAR(200), email" \
    " VARCHAR(200), phone VARCHAR(40), city VARCHAR(80), credit_limit VARCHAR(20), updated_at" \
    " VARCHAR(30))"  # fmt: skip
MAPPING = """
entity: customer
stream: customers
key: customer_no
match: [[code]]
defaults: {zone: UTC}
rows:
- {field: code, from: customer_no}
- {field: name, from: name}
- {field: email, from: email}
- {field: phone, from: phone, text: {trim: true}}
- {field: address.city, from: city}
- {field: credit_limit, from: credit_limit}
"""


@pytest.fixture
def rows():
    made = [generate.customer(7, n) for n in range(ROWS)]
    return [tuple(row[c] for c in COLUMNS) for row in made]


def build(home: Path, rows) -> Path:
    """A hub between a full and an empty system."""
    for folder in ("config", "data", "mappings/crash"):
        (home / folder).mkdir(parents=True)
    for name, content in (("source", rows), ("target", [])):
        with sqlite3.connect(home / f"{name}.db") as system:
            system.execute(SCHEMA)
            system.executemany(f"INSERT INTO customers VALUES ({','.join('?' * 7)})", content)
        system.close()
    (home / "mappings" / "crash" / "customer.yaml").write_text(MAPPING, encoding="utf-8")
    config = {
        "connections": {
            name: {
                "connector": "sql",
                "settings": {
                    "url": f"sqlite:///{home / name}.db",
                    "streams": {"customers": {"key": ["customer_no"]}},
                },
            }
            for name in ("source", "target")
        },
        "flows": {
            name: {"connection": name, "mapping": "crash/customer", "mode": "live"}
            for name in ("source", "target")
        },
    }
    (home / "config" / "hub.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert hub(home, "db", "upgrade").returncode == 0
    return home


def hub(home: Path, *args: str, kill_at: int = 0) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HUB_KILL_AT": str(kill_at or "")}
    command = [sys.executable, str(ROOT / "hub.py"), "--home", str(home), *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def contents(home: Path):
    """Everything that must not depend on how often the hub was killed."""
    with sqlite3.connect(home / "target.db") as target:
        there = target.execute("SELECT * FROM customers ORDER BY customer_no").fetchall()
    target.close()
    with sqlite3.connect(home / "data" / "hub.db") as db:
        records = db.execute(
            "SELECT customer_code, name, email, phone, address, credit_limit, version FROM party"
            " ORDER BY customer_code"
        ).fetchall()
        links = db.execute(
            "SELECT source_id, external_id, state, shadow FROM link ORDER BY source_id, external_id"
        ).fetchall()
        left = db.execute(
            "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM parked),"
            " (SELECT count(*) FROM intent WHERE state = 'open'), (SELECT count(*) FROM conflict)"
        ).fetchone()
        creates = db.execute("SELECT count(*) FROM journal WHERE op = 'create'").fetchone()
    db.close()
    return there, records, links, left, creates


def test_ten_kills_change_nothing_in_the_end(tmp_path, rows):
    undisturbed, killed = build(tmp_path / "calm", rows), build(tmp_path / "killed", rows)
    calm = hub(undisturbed, "sync")
    assert calm.returncode == 0, calm.stderr
    draw = random.Random(20240101)
    deaths = 0
    for _ in range(KILLS):
        done = hub(killed, "sync", kill_at=draw.randint(5, 35))
        deaths += done.returncode == -signal.SIGKILL
    last = hub(killed, "sync")

    assert deaths == KILLS, "the process was not killed in the middle"
    assert last.returncode == 0, last.stderr
    there, records, *_ = contents(killed)
    assert len(there) == len(records) == ROWS
    assert contents(killed) == contents(undisturbed)
