"""A real Tryton server for tests, set up once under `.peers/` and started afresh for each session.

There is one live database, so one test at a time has a server: the others wait at a file lock.
`HUB_TRYTON` chooses the series, 8.0 unless told; `HUB_PEERS` the folder.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERIES = os.environ.get("HUB_TRYTON", "8.0")


@pytest.fixture(scope="module")
def tryton_server() -> Iterator[dict[str, Any]]:
    """A freshly seeded server: url, rpc_url, database, user, password, ids."""
    with running() as info:
        yield info


@pytest.fixture
def fresh_tryton_server() -> Iterator[dict[str, Any]]:
    """The same for one test alone."""
    with running() as info:
        yield info


@contextmanager
def running() -> Iterator[dict[str, Any]]:
    data = Path(os.environ.get("HUB_PEERS", ROOT / ".peers")) / "tryton"
    data.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name("tryton_server.py")
    command = [sys.executable, str(script), "--data", str(data), "--port", str(_port()), "--fresh"]
    command += ["--series", SERIES]
    with (
        (data.parent / "tryton.lock").open("w") as lock,
        (data.parent / "tryton.log").open("ab") as log,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield _announced(process)
        finally:
            process.terminate()
            process.wait(30)
            if process.stdout is not None:
                process.stdout.close()


def _announced(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What the script prints once the server answers: one JSON document."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        with suppress(json.JSONDecodeError):
            return dict(json.loads(text))
    pytest.fail("the Tryton server did not start; see .peers/tryton.log")


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
