"""Whole syncs through a wire that misbehaves: the engine, the REST connector, and a real socket.

Each mode strikes a read, a create and an update.  Whatever happens on the wire, the call ends in
time and within its bytes, the error is of the right class, nothing of a bad body is kept, and once
the wire is good again everything arrives, once.
"""

import gzip
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from hub.connector import Connector
from hub.connectors.rest import Rest
from hub.testing.fake_rest import FakeRest
from hub.testing.fault_proxy import (
    Exchange,
    Fault,
    FaultProxy,
    drip,
    endless,
    hang,
    http,
    reply,
    reset,
)
from hub.testing.world import CUSTOMER, World

TIMEOUT = 2  # seconds for a whole call
HTML = {"Content_Type": "text/html"}
CRM_CUSTOMER = """
entity: customer
stream: customers
key: id
modified: updated_at
match: [[code]]
defaults: {zone: UTC}
rows:
- {field: code, from: number}
- {field: name, from: name}
- {field: phone, from: phone}
- {field: credit_limit, from: credit_limit}
"""
CUSTOMERS = {
    "path": "customers",
    "rows": "data",
    "total": "total",
    "paging": {"type": "offset", "param": "offset", "size_param": "limit"},
    "since": {
        "column": "updated_at",
        "param": "updated_since",
        "order": {"sort": "updated_at,id"},
    },
    "fetch": {"find": {"number": "number"}},
    "columns": {"updated_at": {"kind": "datetime", "writable": False}, "credit_limit": "decimal"},
    "create": {},
    "update": {},
}


def spoiled(raw: bytes) -> Fault:
    """The system has acted; what comes back is not its answer."""

    def fault(exchange: Exchange) -> None:
        exchange.upstream()
        exchange.send(raw)

    return fault


def broken_off(raw: bytes = b"") -> Fault:
    """The end comes before the answer says so: of the real answer, or of *raw*."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.upstream()
        exchange.send(raw or answer[:-5])
        exchange.sock.shutdown(socket.SHUT_WR)

    return fault


def row(text: str) -> bytes:
    """A page, or a row, with one value that two readers would read differently."""
    return f'{{"data": [{{"id": 9, {text}}}], "id": 9, "total": 1, {text}}}'.encode()


def busy(retry_after: str | None) -> Fault:
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    return reply(429, b'{"error": {"code": "busy"}}', **headers)


BOMB = gzip.compress(bytes(70_000_000), 1)
MODES: dict[str, tuple[Fault, str, str]] = {
    # mode: what the wire does, how a read ends, how a write ends
    "reset before it acted": (reset(applied=False), "unavailable", "unavailable"),
    "reset after it acted": (reset(applied=True), "unavailable", "unavailable"),
    "hang": (hang(), "unavailable", "unavailable"),
    "drip": (drip(http(200, b'{"data": []}')), "unavailable", "unavailable"),
    "slow headers": (
        drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 500),
        "unavailable",
        "unavailable",
    ),
    "truncated body": (broken_off(), "unavailable", "unavailable"),
    "wrong length": (
        broken_off(http(200, b'{"data": []}', Content_Length="999")),
        "unavailable",
        "unavailable",
    ),
    "sign-in page": (reply(200, b"<form><input type=password>", **HTML), "auth", "auth"),
    "gateway's page": (reply(502, b"<h1>Bad gateway</h1>", **HTML), "unavailable", "unavailable"),
    "gateway's page after it acted": (
        spoiled(http(502, b"<h1>Bad gateway</h1>", **HTML)),
        "unavailable",
        "unavailable",
    ),
    "web page": (reply(200, b"<h1>Acme</h1>", **HTML), "protocol", "protocol"),
    "busy, wait in seconds": (busy("7"), "rate-limit", "rate-limit"),
    "busy, wait until a date": (busy("Sat, 31 Jan 2026 12:00:30 GMT"), "rate-limit", "rate-limit"),
    "busy, wait in the past": (busy("-5"), "rate-limit", "rate-limit"),
    "busy for ten days": (busy("864000"), "rate-limit", "rate-limit"),
    "busy, unsaid": (busy(None), "rate-limit", "rate-limit"),
    "busy, garbage": (busy("soon"), "rate-limit", "rate-limit"),
    "out of order": (reply(503, b"{}"), "unavailable", "unavailable"),
    "gzip bomb": (
        spoiled(http(200, BOMB, Content_Encoding="gzip")),
        "protocol unavailable",  # whichever limit is met first: its bytes or its time
        "protocol unavailable",
    ),
    "endless body": (
        endless(http(200, Content_Length="99999999999"), b"x" * 65536),
        "protocol unavailable",
        "protocol unavailable",
    ),
    "deep JSON": (spoiled(http(200, b'{"data": ' + b"[" * 100_000)), "protocol", "protocol"),
    "NaN": (spoiled(http(200, row('"credit_limit": NaN'))), "protocol", "protocol"),
    "1e999": (spoiled(http(200, row('"credit_limit": 1e999'))), "protocol", "protocol"),
    "key twice": (spoiled(http(200, row('"name": "a", "name": "b"'))), "protocol", "protocol"),
    "lone surrogate": (spoiled(http(200, row('"name": "\\ud800"'))), "protocol", "protocol"),
    "redirect loop": (reply(302, b"", Location="/customers"), "protocol", "protocol"),
}


class Wired(World):
    """An ERP in memory, and a CRM over a real socket with a fault proxy between."""

    def __init__(self, url: str, crm: FakeRest, proxy: FaultProxy) -> None:
        super().__init__(url)
        self.crm, self.proxy = crm, proxy
        self.errors: list[str] = []
        self.system("erp")
        settings = {"base_url": proxy.url, "timeout": TIMEOUT, "streams": {"customers": CUSTOMERS}}
        self.systems["crm"] = Rest(settings)  # type: ignore[assignment]
        self.flow("erp-customers", "erp", CUSTOMER + "match: [[code]]\n", direction="in")
        self.flow("crm-customers", "crm", CRM_CUSTOMER)
        self.put(code="C1", name="Ada", phone="1")
        self.sync()

    def put(self, **row: Any) -> None:
        self.systems["erp"].put("customers", {"id": row["code"], **row})

    @contextmanager
    def _open(self, connection: str) -> Iterator[Connector]:
        if connection != "crm":
            with super()._open(connection) as connector:
                yield connector
            return
        with Rest(self.systems["crm"].config) as connector:  # type: ignore[attr-defined]
            try:
                yield connector
            except Exception as e:
                self.errors.append(getattr(e, "code", repr(e)))
                raise

    def rows_there(self) -> list[tuple[Any, ...]]:
        rows = self.crm.rows["customers"].values()
        return sorted((r["number"], r["name"], r["phone"]) for r in rows)

    def settle(self) -> None:
        """The wire is good again, and the longest wait is over."""
        self.proxy.calm()
        self.clock.sleep(timedelta(hours=2))
        self.sync()
        self.clock.sleep(timedelta(hours=2))
        self.sync()


@pytest.fixture
def wired(tmp_path):
    with FakeRest({"customers": []}, idempotent=False) as crm, FaultProxy(crm.url) as proxy:
        world = Wired(f"sqlite:///{tmp_path / 'hub.db'}", crm, proxy)
        yield world
        world.store.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
@pytest.mark.parametrize("mode", MODES)
def test_after_any_fault_on_the_wire_everything_arrives_once(wired, mode, method):
    fault, reading, writing = MODES[mode]
    allowed = (reading if method == "GET" else writing).split()
    wired.put(code="C1", name="Ada", phone="2")
    wired.put(code="C2", name="Bob", phone="3")
    # a redirect of a read is followed: the loop must be as long as anybody would follow it
    wired.proxy.on(method, *[fault] * (5 if mode == "redirect loop" and method == "GET" else 1))
    begun = time.monotonic()

    wired.sync()

    assert time.monotonic() - begun < 60 * TIMEOUT
    assert wired.proxy.calm() == 0, "the fault never struck"
    assert wired.errors and set(wired.errors) <= set(allowed)

    wired.settle()

    assert wired.rows_there() == [("C1", "Ada", "2"), ("C2", "Bob", "3")]
    assert wired.crm.writes["POST"] == 2, "made twice"
    assert sorted(r.name for r in wired.rows("party")) == ["Ada", "Bob"]
    assert not wired.rows("outbox") and not wired.rows("intent", state="open")
    before = Counter(wired.crm.writes)
    wired.sync()
    assert wired.crm.writes == before


def test_a_system_that_fails_again_and_again_is_left_alone_and_tried_with_one_call(wired):
    limit = wired.env.settings.breaker
    wired.put(code="C2", name="Bob", phone="3")
    wired.proxy.on("GET", *[reply(503, b"{}")] * 50)

    for _ in range(limit.failures):
        wired.sync()
    calls = len(wired.proxy.received)
    (state,) = wired.rows("connection_state")
    assert state.open_until and state.failures >= limit.failures
    wired.clock.sleep(limit.open * 2)
    wired.proxy.calm()
    wired.proxy.on("GET", reply(503, b"{}"))
    wired.sync("crm-customers")

    assert len(wired.proxy.received) > calls
    wired.settle()
    assert wired.rows_there() == [("C1", "Ada", "1"), ("C2", "Bob", "3")]
    (state,) = wired.rows("connection_state")
    assert not state.failures and not state.open_until
