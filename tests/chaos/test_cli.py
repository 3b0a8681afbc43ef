"""kill -9 of `hub sync`, `hub run` and `hub db upgrade`: the next command needs no hand."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from hub.context import Hub
from hub.jobs import runs

ROOT = Path(__file__).parents[2]
KILLED_BY_NAME = {
    "migrate:before-commit": ("db", "upgrade"),
    "source:after-commit": ("sync",),
    "push:result@3": ("sync",),
    "settle:before-commit": ("sync",),
    "schedule:after-commit": ("run",),
    "settle:after-commit": ("run",),
    "heartbeat:before-commit": ("run",),
}
CUSTOMERS = 40
MAPPING = """
entity: customer
stream: customers
key: code
match: [[code]]
rows:
- {field: code, from: code}
- {field: name, from: name}
"""


@pytest.fixture
def home(tmp_path):
    """A hub between a full and an empty database."""
    for name, count in (("erp", CUSTOMERS), ("crm", 0)):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as system, system:
            system.execute("CREATE TABLE customers (code TEXT PRIMARY KEY, name TEXT)")
            rows = [(f"C{n}", f"Customer {n}") for n in range(count)]
            system.executemany("INSERT INTO customers VALUES (?, ?)", rows)
    for folder in ("config", "data", "mappings/chaos"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "mappings/chaos/customer.yaml").write_text(MAPPING, encoding="utf-8")
    return tmp_path


def configure(home: Path, database: str) -> None:
    names = ("erp", "crm")
    config = {
        "database": {"url": database},
        "engine": {"lease": "600ms"},
        "connections": {
            n: {"connector": "sql", "settings": {"url": f"sqlite:///{home / n}.db"}} for n in names
        },
        "flows": {n: {"connection": n, "mapping": "chaos/customer", "mode": "live"} for n in names},
    }
    (home / "config/hub.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def hub(home: Path, *args: str, kill_at: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HUB_KILL_AT": kill_at}
    command = [sys.executable, str(ROOT / "hub.py"), "--home", str(home), *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def customers(home: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(home / "crm.db")) as crm:
        return crm.execute("SELECT * FROM customers ORDER BY code").fetchall()


def killed(home: Path, point: str) -> None:
    done = hub(home, *KILLED_BY_NAME[point], kill_at=point)
    assert done.returncode == -signal.SIGKILL, done.stderr


def complete(home: Path) -> None:
    """Everything is there once, and nothing is left to do."""
    expected = sorted((f"C{n}", f"Customer {n}") for n in range(CUSTOMERS))
    assert customers(home) == expected
    with Hub.open(home) as opened:
        tables = opened.store.metadata.tables
        with opened.store.read() as c:
            assert len(c.execute(tables["party"].select()).all()) == CUSTOMERS
            assert not c.execute(tables["outbox"].select()).all()
            open_ = tables["intent"].select().where(tables["intent"].c.state == "open")
            assert not c.execute(open_).all()


@pytest.mark.parametrize("point", KILLED_BY_NAME)
def test_after_a_kill_the_next_sync_completes_the_work(home, point):
    configure(home, f"sqlite:///{home / 'hub.db'}")
    if not point.startswith("migrate"):
        Hub.open(home, upgrade=True).store.close()
    killed(home, point)
    if point.startswith("migrate"):
        assert hub(home, "db", "upgrade").returncode == 0

    done = hub(home, "sync")

    assert done.returncode == 0, done.stderr
    complete(home)


@pytest.mark.parametrize("point", ["push:result@3", "settle:before-commit"])
def test_after_a_kill_on_postgresql_the_next_sync_completes_the_work(home, postgres_url, point):
    configure(home, postgres_url)
    Hub.open(home, upgrade=True).store.close()
    killed(home, point)

    done = hub(home, "sync")

    assert done.returncode == 0, done.stderr
    complete(home)


def test_a_hub_that_runs_for_ever_goes_on_by_itself_after_a_kill(home, database_url):
    configure(home, database_url)
    Hub.open(home, upgrade=True).store.close()
    killed(home, "settle:after-commit")

    with Hub.open(home) as opened:
        opened.run_forever(lambda: not runs.live(opened.env))  # what `hub run` does

    complete(home)
