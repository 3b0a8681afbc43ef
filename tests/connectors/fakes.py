"""What the fake systems share: an HTTP server in this process that fails as it is told.

class FakeAcme(FakeSystem):
    def answer(self, call):
        return {"ok": True}                # or Answer(status, body, headers)

with FakeAcme() as acme:
    acme.fail_next(429, **{"Retry-After": "7"})     # the next call, whatever it asks for
    acme.drop_next(applied=True)                    # the next `acts` call acts, its answer is lost
    acme.before = lambda call: ...                  # somebody else is quicker
"""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from hub.http import dumps, loads
from hub.seams import Clock, SystemClock
from hub.testing.world import World


@dataclass
class Call:
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    raw: bytes = b""

    @property
    def json(self) -> Any:
        return loads(self.raw) if self.raw else {}

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw.decode(), keep_blank_values=True))


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeSystem:
    """`calls`: what was asked, in order; `writes`: how many records were written."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        self.writes = 0
        self.before: Callable[[Call], Any] = lambda call: None
        self._failures: deque[Answer] = deque()
        self._drops: deque[bool] = deque()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # -- what a test can do

    def fail_next(self, status: int, body: Any = None, **headers: str) -> None:
        body = {"message": "told to fail"} if body is None else body
        self._failures.append(Answer(status, body, headers))

    def drop_next(self, *, applied: bool) -> None:
        """Reset the connection of the next write, after it has acted or before."""
        self._drops.append(applied)

    # -- what a system is

    def answer(self, call: Call) -> Any:
        raise NotImplementedError

    def acts(self, call: Call) -> bool:
        """Whether the call writes: those are dropped by `drop_next`."""
        return False

    # -- the wire

    def serve(self, call: Call) -> Answer | None:
        """The answer; None: the connection is reset."""
        with self.lock:
            self.before(call)
            self.calls.append(call)
            if self._failures:
                return self._failures.popleft()
            dropped = self._drops.popleft() if self._drops and self.acts(call) else None
            if dropped is False:
                return None
            said = self.answer(call)
            if dropped:
                return None
            return said if isinstance(said, Answer) else Answer(200, said)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    fake: FakeSystem


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # a client that gave up is no news
            self.close_connection = True

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {k.lower(): v for k, v in self.headers.items()}
        answer = self.server.fake.serve(
            Call(self.command, unquote(parts.path), query, headers, raw)
        )
        if answer is None:
            self.close_connection = True
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        body = answer.body if isinstance(answer.body, bytes) else dumps(answer.body).encode()
        self.send_response(answer.status)
        lines = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        if self.close_connection:  # as asked for: or the caller would use it once more
            lines["Connection"] = "close"
        for name, value in {**lines, **answer.headers}.items():
            for one in value.split("\n"):
                self.send_header(name, one)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        pass


def plain(value: Any) -> Any:
    """The value as a client of its own would read it."""
    return json.loads(dumps(value))


class LiveWorld(World):
    """A hub whose systems are reached by real connectors; other systems are in memory."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._live: dict[str, Any] = {}

    def live(self, name: str, fake: FakeSystem, connector: Callable[[], Any]) -> None:
        self._live[name] = connector
        self.systems[name] = _Live(fake, connector().capabilities)  # type: ignore[assignment]

    def _open(self, connection: str) -> Any:
        made = self._live.get(connection)
        return made() if made else super()._open(connection)


class _Live:
    def __init__(self, fake: FakeSystem, capabilities: Any) -> None:
        self.fake, self.capabilities = fake, capabilities

    @property
    def writes(self) -> int:
        return self.fake.writes
