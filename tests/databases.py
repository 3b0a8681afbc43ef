"""Real database servers for tests, started when first asked for and shared by all xdist workers.

    def test_x(postgres_url): ...      # a fresh, empty PostgreSQL database
    def test_y(mariadb_url): ...       # a fresh, empty MariaDB database; skips where there is none
    def test_z(postgres):              # the server: several databases, or copies of a prepared one
        prepared = postgres.new_database()
        copy = postgres.new_database(template=prepared)

PostgreSQL comes from the wheel `pgserver` (as root it runs as the user `pgserver`), MariaDB from
the system: `apt-get install mariadb-server`.  Neither listens on the network.
"""

import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pymysql
import pytest
from sqlalchemy import URL, make_url

WAIT_SECONDS = 60
_counter = itertools.count(1)
_started: list[subprocess.Popen] = []  # kept: a forgotten process is a warning


@dataclass(frozen=True)
class Server:
    """A running server.  `url` names its administrator's database."""

    url: URL
    execute: Callable[[URL, str], None]

    def new_database(self, *, template: URL | str | None = None) -> str:
        """The URL of a new database: empty, or (PostgreSQL only) a copy of another one."""
        name = f"t{os.getpid()}_{next(_counter)}"
        copied = f' TEMPLATE "{make_url(template).database}"' if template else ""
        self.execute(self.url, f"CREATE DATABASE {name}{copied}")
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: URL | str) -> None:
        name = make_url(url).database
        force = " WITH (FORCE)" if self.url.get_backend_name() == "postgresql" else ""
        self.execute(self.url, f"DROP DATABASE IF EXISTS {name}{force}")


# ---------------------------------------------------------------------------------------- fixtures


@contextmanager
def running_postgres() -> Iterator[Server]:
    """A PostgreSQL server outside of a test run: for benchmarks."""
    with _shared("postgres", _start_postgres, stop_signal=signal.SIGINT) as url:
        yield Server(url, _execute_postgres)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, with durability off."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A fresh, empty PostgreSQL database."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A MariaDB server, with durability off.  Skips, saying why, where none is installed."""
    if not _binary("mariadbd") or not _binary("mariadb-install-db"):
        pytest.skip("no MariaDB here: apt-get install mariadb-server")
    with _shared("mariadb", _start_mariadb, stop_signal=signal.SIGTERM) as url:
        yield Server(url, _execute_mariadb)


@pytest.fixture
def mariadb_url(mariadb: Server) -> Iterator[str]:
    """A fresh, empty MariaDB database."""
    url = mariadb.new_database()
    yield url
    mariadb.drop(url)


# ------------------------------------------------------------------------------- one server for all


@contextmanager
def _shared(
    name: str, start: Callable[[Path], tuple[int, URL]], *, stop_signal: signal.Signals
) -> Iterator[URL]:
    """The first process of a test run starts the server, the last one stops it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"alone-{os.getpid()}")
    # not below pytest's own directory: a server that runs as another user could not enter it
    folder = Path(tempfile.gettempdir()) / f"hub-{name}-{os.getuid()}-{run[:12]}"
    lock = Path(f"{folder}.lock")
    with _locked(lock):
        state = _state(folder)
        if not state:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            folder.chmod(0o755)
            pid, url = start(folder / "data")
            state = {"pid": pid, "url": url.render_as_string(hide_password=False), "users": []}
        state["users"].append(os.getpid())
        _keep(folder, state)
    try:
        yield make_url(state["url"])
    finally:
        with _locked(lock):
            state = _state(folder)
            state["users"].remove(os.getpid())
            _keep(folder, state)
            if not state["users"]:
                _stop(state["pid"], stop_signal)
                shutil.rmtree(folder, ignore_errors=True)
                lock.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _state(folder: Path) -> dict:
    """Who uses the server; empty when it is not there, or nobody alive uses it."""
    try:
        state = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return {}
    state["users"] = [pid for pid in state["users"] if _is_alive(pid)]
    return state if _is_alive(state["pid"]) else {}


def _keep(folder: Path, state: dict) -> None:
    (folder / "state.json").write_text(json.dumps(state))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or ") Z " not in stat.read_text()


def _stop(pid: int, stop_signal: signal.Signals) -> None:
    os.kill(pid, stop_signal)
    _wait_for(lambda: not _is_alive(pid), what=f"process {pid} to stop")
    for server in _started:
        if server.pid == pid:
            server.wait()


def _wait_for(is_so: Callable[[], bool], *, what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < until, f"waited {WAIT_SECONDS} s for {what}"
        time.sleep(0.05)


# --------------------------------------------------------------------------------------- PostgreSQL


def _start_postgres(folder: Path) -> tuple[int, URL]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains that XDG_RUNTIME_DIR is not set
        try:
            import pgserver
        except ImportError:
            pytest.skip("no PostgreSQL here: pip install pgserver")
    server = pgserver.get_server(folder, cleanup_mode=None)
    given = make_url(server.get_uri())
    host = {"host": given.query["host"]}
    url = URL.create("postgresql+psycopg", given.username, database="postgres", query=host)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        _execute_postgres(url, f"ALTER SYSTEM SET {setting} = off")
    _execute_postgres(url, "SELECT pg_reload_conf()")
    return server.get_pid(), url


def _execute_postgres(url: URL, statement: str) -> None:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)


# ------------------------------------------------------------------------------------------ MariaDB


def _binary(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def _start_mariadb(folder: Path) -> tuple[int, URL]:
    user = "root" if os.getuid() == 0 else os.environ.get("USER", "")
    common = ["--no-defaults", f"--datadir={folder}", f"--user={user}"]
    made = subprocess.run(
        [_binary("mariadb-install-db"), *common, "--auth-root-authentication-method=normal"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    socket = folder.parent / "s"
    with (folder.parent / "log").open("w") as log:
        server = subprocess.Popen(
            [
                _binary("mariadbd"),
                *common,
                f"--socket={socket}",
                "--skip-networking",
                f"--pid-file={folder.parent / 'pid'}",
                "--character-set-server=utf8mb4",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=64M",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(server)
    url = URL.create("mariadb+pymysql", "root", query={"unix_socket": str(socket)})
    _wait_for(lambda: _answers(url, server), what=f"MariaDB, see {folder.parent / 'log'}")
    return server.pid, url


def _answers(url: URL, server: subprocess.Popen) -> bool:
    assert server.poll() is None, "mariadbd ended at once"
    if not Path(str(url.query["unix_socket"])).exists():
        return False
    try:
        _execute_mariadb(url, "SELECT 1")
    except pymysql.err.OperationalError:
        return False
    return True


def _execute_mariadb(url: URL, statement: str) -> None:
    socket = str(url.query["unix_socket"])
    with pymysql.connect(user=url.username, unix_socket=socket, autocommit=True) as connection:
        connection.cursor().execute(statement)
