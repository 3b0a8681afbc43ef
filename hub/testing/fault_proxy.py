"""A socket-level server that misbehaves on demand, alone or in front of a real HTTP server.

    with FaultProxy(upstream=fake.url) as proxy:
        proxy.next(reset(applied=True))         # the upstream acts, the answer is lost
        proxy.next(reply(200, b"{}"), hang())   # one fault per request, in order
        client = RestClient(proxy.url)

Without a fault a request is passed on to the upstream, or answered with `{}`.
"""

import queue
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self
from urllib.parse import urlsplit

Fault = Callable[["Exchange"], None]
LIMIT = 30  # seconds after which a thread of ours gives up, whatever a test forgot


class Exchange:
    """One request that came in, and what a fault can do with it."""

    def __init__(self, proxy: "FaultProxy", sock: socket.socket, request: bytes) -> None:
        self.proxy, self.sock, self.request = proxy, sock, request

    def send(self, raw: bytes) -> None:
        with suppress(OSError):  # the client may have given up: that is what is tested
            self.sock.sendall(raw)

    def upstream(self) -> bytes:
        """The real answer, after the upstream has acted."""
        return self.proxy.forward(self.request)

    def wait(self, seconds: float) -> bool:
        """True while the test goes on."""
        return not self.proxy.stopped.wait(seconds)

    def reset(self) -> None:
        """Close with RST, as a crashed peer or a firewall does."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


# ------------------------------------------------------------------------------------ faults


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of an answer; `Content_Length="9"` overrides the true length."""
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines |= {k.replace("_", "-"): v for k, v in headers.items()}
    head = "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + body


def reply(status: int, body: bytes = b"", **headers: str) -> Fault:
    return lambda exchange: exchange.send(http(status, body, **headers))


def drip(raw: bytes, seconds: float = 0.05) -> Fault:
    """The bytes one by one, each well within any timeout per receive."""

    def fault(exchange: Exchange) -> None:
        for byte in raw:
            if not exchange.wait(seconds):
                return
            exchange.send(bytes([byte]))

    return fault


def hang() -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.wait(LIMIT)

    return fault


def reset(*, applied: bool) -> Fault:
    """No answer; `applied`: the upstream has acted all the same."""

    def fault(exchange: Exchange) -> None:
        if applied:
            exchange.upstream()
        exchange.reset()

    return fault


def cut(size: int) -> Fault:
    """The first *size* bytes of the upstream's answer, then the end."""

    def fault(exchange: Exchange) -> None:
        exchange.send(exchange.upstream()[:size])
        exchange.reset()

    return fault


def endless(head: bytes, chunk: bytes = b"x" * 65536) -> Fault:
    """A body that never ends, as fast as it goes."""

    def fault(exchange: Exchange) -> None:
        exchange.send(head)
        with suppress(OSError):
            while exchange.wait(0):
                exchange.sock.sendall(chunk)

    return fault


# ------------------------------------------------------------------------------------- server


class FaultProxy:
    """`received`: the raw requests, in order.  `tls`: a server context, to speak https."""

    def __init__(self, upstream: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.stopped = threading.Event()
        self.received: list[bytes] = []
        self._upstream, self._tls = urlsplit(upstream), tls
        self._faults: queue.SimpleQueue[Fault] = queue.SimpleQueue()
        self._for_method: dict[bytes, list[Fault]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def next(self, *faults: Fault) -> None:
        """Do this to the coming requests, one each."""
        for fault in faults:
            self._faults.put(fault)

    def on(self, method: str, *faults: Fault) -> None:
        """Do this to the coming requests of one method, one each."""
        self._for_method.setdefault(method.encode(), []).extend(faults)

    def calm(self) -> int:
        """No more faults of `on`; how many there would have been."""
        left = sum(map(len, self._for_method.values()))
        self._for_method.clear()
        return left

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopped.set()
        with suppress(OSError):  # wakes the accepting thread
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(LIMIT)
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, EOFError), self._closing(sock) as ready:
            while True:
                exchange = Exchange(self, ready, read_message(ready))
                self.received.append(exchange.request)
                fault = self._next_fault(exchange.request)
                (fault or passed)(exchange)
                if fault is None and self._upstream.hostname:
                    return  # as the answer says: its end may be that of the connection

    @contextmanager
    def _closing(self, sock: socket.socket) -> Iterator[socket.socket]:
        ready = sock
        try:
            if self._tls:
                ready = self._tls.wrap_socket(sock, server_side=True)
            yield ready
        finally:
            self._open.discard(sock)
            ready.close()

    def _next_fault(self, request: bytes) -> Fault | None:
        chosen = self._for_method.get(request.partition(b" ")[0])
        if chosen:
            return chosen.pop(0)
        try:
            return self._faults.get_nowait()
        except queue.Empty:
            return None

    def forward(self, request: bytes) -> bytes:
        if not self._upstream.hostname:
            return http(200, b"{}")
        place = (self._upstream.hostname, self._upstream.port or 80)
        with socket.create_connection(place, timeout=LIMIT) as sock:
            sock.sendall(_last(request))
            return b"".join(iter(lambda: sock.recv(65536), b""))


def passed(exchange: Exchange) -> None:
    """No fault: what the upstream answers, however it marks the end."""
    status, _, rest = exchange.upstream().partition(b"\r\n")
    exchange.send(status + b"\r\nConnection: close\r\n" + rest)


def _last(request: bytes) -> bytes:
    """The request as the only one of its connection, so that the answer ends with that."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [x for x in head.split(b"\r\n") if not x.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


def read_message(sock: socket.socket) -> bytes:
    """One HTTP message with its body (by Content-Length).  EOFError at the end of the stream."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _receive(sock)
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    sizes = [int(v) for k, _, v in fields if k.strip().lower() == b"content-length"]
    while sizes and len(body) < sizes[0]:
        part = _receive(sock)
        raw, body = raw + part, body + part
    return raw


def _receive(sock: socket.socket) -> bytes:
    part = sock.recv(65536)
    if not part:
        raise EOFError
    return part
