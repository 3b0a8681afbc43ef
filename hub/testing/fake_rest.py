"""A small CRM in memory, served over HTTP: for tests, and for `hub demo`.

    with FakeRest(token="t0ken-secret") as crm:
        crm.save("customers", name="Ada")              # as a user of the CRM would
        crm.rows["customers"]["1"]["name"]             # what it holds
        crm.fail_next(429, **{"Retry-After": "7"})     # the next call, whatever it asks for
        crm.drop_next(applied=True)                    # the next write acts, its answer is lost
        crm.writes["POST"]                             # how many writes have acted

Lists: `GET /customers` with `limit`, `offset` or `page` or `cursor` or `after_id`,
`updated_since`, `sort`, and columns, answered with `{"data": […], "total": n, "next_cursor": …}`
and a `Link` header.  Single rows at `/customers/<id>` (GET, PATCH, PUT, DELETE) with an ETag and
`If-Match`; `POST /customers` honours `Idempotency-Key`; `POST /customers/bulk` answers record by
record.  `soft_errors=True` makes it one of those systems that answer every error with 200 and a
code in the body.
"""

import json
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlsplit

from hub.http import dumps, loads
from hub.seams import Clock, SystemClock

Row = dict[str, Any]
SYSTEM_COLUMNS = ("id", "version", "created_at", "updated_at")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "customers": ("name",),
    "contacts": ("name",),
    "products": ("code", "name"),
    "orders": ("number", "customer_id"),
}
UNIQUE = {"products": "code", "orders": "number"}


class Refusal(Exception):
    """An answer that is an error: status, code, message, column."""

    def __init__(self, status: int, code: str, message: str, column: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.column = status, code, message, column


class FakeRest:
    """`calls`: (method, path) of every request; `writes`: acts by method, a bulk record is one."""

    def __init__(
        self,
        seeds: Mapping[str, list[Row]] | None = None,
        *,
        token: str = "",
        page_size: int = 50,
        idempotent: bool = True,
        soft_errors: bool = False,
        etags: bool = True,
        clock: Clock | None = None,
        port: int = 0,
    ) -> None:
        self.token, self.page_size = token, page_size
        self.now = (clock or SystemClock()).now
        self.idempotent, self.soft_errors, self.etags = idempotent, soft_errors, etags
        self.rows: dict[str, dict[str, Row]] = {}
        self.calls: list[tuple[str, str]] = []
        self.writes: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._failures: deque[tuple[int, dict[str, str]]] = deque()
        self._drops: deque[bool] = deque()
        self._done: dict[str, tuple[int, Any, dict[str, str]]] = {}
        self._last_id: Counter[str] = Counter()
        for stream, rows in deepcopy(dict(SEEDS if seeds is None else seeds)).items():
            self.rows[stream] = {}
            for row in rows:
                self._seed(stream, row)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _seed(self, stream: str, row: Row) -> None:
        """Rows of the seed were written a minute apart, an hour ago and before."""
        age = timedelta(minutes=60 + len(SEEDS.get(stream, [])) - len(self.rows[stream]))
        self.save(stream, **row)
        stored = self.rows[stream][str(self._last_id[stream])]
        stored["created_at"] = stored["updated_at"] = _iso(self.now() - age)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # ------------------------------------------------------------------ what a test can do

    def fail_next(self, status: int, **headers: str) -> None:
        """Answer the next call with this status and these headers, whatever it asks for."""
        self._failures.append((status, headers))

    def drop_next(self, *, applied: bool) -> None:
        """Reset the connection of the next write, after it has acted or before."""
        self._drops.append(applied)

    def save(self, stream: str, row_id: str | int = "", **values: Any) -> Row:
        """Create a row, or change one, as a user of the CRM would."""
        with self.lock:
            rows = self.rows.setdefault(stream, {})
            old = rows.get(str(row_id)) if row_id else None
            if old is None:
                self._last_id[stream] += 1
                old = {"id": self._last_id[stream], "version": 0, "created_at": _iso(self.now())}
            stamp = {"version": old["version"] + 1, "updated_at": _iso(self.now())}
            rows[str(old["id"])] = {**old, **values, **stamp}
            return rows[str(old["id"])]

    def remove(self, stream: str, row_id: str | int) -> None:
        with self.lock:
            del self.rows[stream][str(row_id)]

    # ------------------------------------------------------------------------------- calls

    def answer(self, call: "_Call") -> tuple[int, Any, dict[str, str]]:
        with self.lock:
            self.calls.append((call.method, call.path))
            if self._failures:
                status, headers = self._failures.popleft()
                return status, {"error": {"code": str(status), "message": "told to fail"}}, headers
            try:
                return self._route(call)
            except Refusal as e:
                return self._refused(e)

    def drop(self, call: "_Call") -> bool | None:
        """Whether to act before the connection is dropped; None: do not drop it."""
        with self.lock:
            reads = call.method == "GET"
            return self._drops.popleft() if self._drops and not reads else None

    def _refused(self, e: Refusal) -> tuple[int, Any, dict[str, str]]:
        error = {"code": e.code, "message": e.message, "field": e.column}
        if self.soft_errors:
            return 200, {"code": e.code, "message": e.message, "field": e.column}, {}
        return e.status, {"error": error}, {}

    def _route(self, call: "_Call") -> tuple[int, Any, dict[str, str]]:
        if self.token and call.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refusal(401, "unauthorized", "sign in first")
        match call.method, call.path.strip("/").split("/"):
            case "GET", ["me"]:
                return 200, {"system": "Fake CRM", "version": "1.0", "login": "ada"}, {}
            case _, [stream, *_] if stream not in self.rows:
                raise Refusal(404, "unknown", f"no such collection: {stream}")
            case "GET", [stream]:
                return self._list(stream, call)
            case "POST", [stream]:
                return self._once(call, lambda: self._create(stream, call))
            case "POST", [stream, "bulk"]:
                return 200, {"results": [self._bulk(stream, r) for r in call.body["rows"]]}, {}
            case method, [stream, row_id]:
                return self._single(method, stream, row_id, call)
        raise Refusal(405, "method", f"{call.method} is not possible here")

    def _once(
        self, call: "_Call", act: Callable[[], tuple[int, Any, dict[str, str]]]
    ) -> tuple[int, Any, dict[str, str]]:
        key = call.headers.get("Idempotency-Key", "") if self.idempotent else ""
        if key and key in self._done:
            return self._done[key]
        answer = act()
        if key:
            self._done[key] = answer
        return answer

    # ------------------------------------------------------------------------------- lists

    def _list(self, stream: str, call: "_Call") -> tuple[int, Any, dict[str, str]]:
        query = dict(call.query)
        rows = self._chosen(stream, query)
        limit = min(int(query.get("limit", self.page_size)), self.page_size)
        begin = int(query.get("offset", query.get("cursor", 0)))
        if "page" in query:
            begin = (int(query["page"]) - 1) * limit
        more = begin + limit < len(rows)
        headers = {}
        if more:
            after = {**query, "limit": limit, "cursor": begin + limit}
            target = "&".join(f"{k}={quote(str(v))}" for k, v in after.items())
            headers["Link"] = f'<{self.url}/{stream}?{target}>; rel="next"'
        page = rows[begin : begin + limit]
        cursor = str(begin + limit) if more else None
        return 200, {"data": page, "total": len(rows), "next_cursor": cursor}, headers

    def _chosen(self, stream: str, query: Row) -> list[Row]:
        """The rows asked for, in the order asked for; by id where nothing is said."""
        rows = sorted(self.rows[stream].values(), key=lambda r: int(r["id"]))
        for column in reversed(query.get("sort", "").split(",")):
            rows.sort(key=lambda r: (r.get(column) is not None, r.get(column) or 0))
        if since := query.get("updated_since"):
            rows = [r for r in rows if r["updated_at"] >= since]
        if after := query.get("after_id"):
            rows = [r for r in rows if int(r["id"]) > int(after)]
        if ids := query.get("ids"):
            rows = [r for r in rows if str(r["id"]) in ids.split(",")]
        known = {k for r in rows for k in r}
        for column in known & set(query):
            rows = [r for r in rows if str(r.get(column)) == query[column]]
        return rows

    # ------------------------------------------------------------------------------- rows

    def _create(self, stream: str, call: "_Call") -> tuple[int, Any, dict[str, str]]:
        self._check(stream, call.body, "")
        row = self.save(stream, **_given(call.body))
        self.writes["POST"] += 1
        return 201, row, {**self._etag(row), "Location": f"{self.url}/{stream}/{row['id']}"}

    def _single(
        self, method: str, stream: str, row_id: str, call: "_Call"
    ) -> tuple[int, Any, dict[str, str]]:
        row = self.rows[stream].get(row_id)
        if row is None:
            raise Refusal(404, "not-found", f"{stream} has no row {row_id}")
        if method == "GET":
            return 200, row, self._etag(row)
        if call.headers.get("If-Match") not in (None, "*", self._etag(row).get("ETag")):
            raise Refusal(412, "stale", "the row has changed")
        if method == "DELETE":
            self.remove(stream, row_id)
            self.writes[method] += 1
            return 204, None, {}
        return self._change(method, stream, row, call.body)

    def _change(
        self, method: str, stream: str, row: Row, values: Row
    ) -> tuple[int, Any, dict[str, str]]:
        if method not in {"PATCH", "PUT"}:
            raise Refusal(405, "method", f"{method} is not possible here")
        after = {**(row if method == "PATCH" else {}), **_given(values)}
        self._check(stream, after, str(row["id"]))
        if method == "PUT":
            self.rows[stream][str(row["id"])] = {k: row[k] for k in SYSTEM_COLUMNS}
        row = self.save(stream, row["id"], **_given(values))
        self.writes[method] += 1
        return 200, row, self._etag(row)

    def _check(self, stream: str, row: Row, row_id: str) -> None:
        if not isinstance(row, dict):
            raise Refusal(400, "syntax", "the body is not a JSON object")
        for column in REQUIRED.get(stream, ()):
            if row.get(column) in (None, ""):
                raise Refusal(422, "required", f"{column} must not be empty", column)
        unique = UNIQUE.get(stream, "")
        for other in self.rows[stream].values():
            if unique and other.get(unique) == row.get(unique) and str(other["id"]) != row_id:
                raise Refusal(409, "duplicate", f"{unique} {row[unique]} exists already", unique)

    def _bulk(self, stream: str, record: Row) -> Row:
        ref, op, row_id = record.get("ref"), record.get("op"), str(record.get("id", ""))
        values = record.get("values", {})
        version = record.get("if_version")
        headers = {"If-Match": version, "Idempotency-Key": ref}
        call = _Call({"create": "POST", "update": "PATCH"}.get(str(op), "DELETE"), "", {}, {}, "")
        call.headers, call.body = {k: v for k, v in headers.items() if v}, values
        try:
            if op == "create":
                _, row, head = self._once(call, lambda: self._create(stream, call))
            else:
                _, row, head = self._single(call.method, stream, row_id, call)
        except Refusal as e:
            return {"ref": ref, "status": e.status, "error": vars(e)}
        return {"ref": ref, "status": 200, "row": row, "version": head.get("ETag")}

    def _etag(self, row: Row) -> dict[str, str]:
        return {"ETag": f'"{row["version"]}"'} if self.etags else {}


def _given(values: Row) -> Row:
    return {k: v for k, v in values.items() if k not in SYSTEM_COLUMNS}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


# -------------------------------------------------------------------------------------- wire


class _Call:
    def __init__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | str,
    ) -> None:
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.body: Any = loads(body) if body else {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    fake: FakeRest


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # a client that gave up is no news
            self.close_connection = True

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(parts.query))
        try:
            call = _Call(self.command, parts.path, query, dict(self.headers), body)
        except ValueError as e:
            self._send(400, {"error": {"code": "syntax", "message": str(e)}}, {})
            return
        dropped = self.server.fake.drop(call)
        if dropped is not False:
            answer = self.server.fake.answer(call)
        if dropped is None:
            self._send(*answer)
        else:
            self._reset()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        raw = b"" if status == 204 else dumps(body).encode()
        self.send_response(status)
        lines = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}
        for name, value in lines.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _reset(self) -> None:
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def log_message(self, format: str, *args: Any) -> None:
        pass


# --------------------------------------------------------------------------------------- seeds


TEXTS = {"barcode", "phone", "postcode"}  # digits that are no number


def _table(names: str, *lines: str) -> list[Row]:
    """Rows from text, cells by `|`; a cell that is JSON is taken as such."""
    columns = names.split("|")
    return [
        {name: _cell(name, text) for name, text in zip(columns, line.split("|"), strict=True)}
        for line in lines
    ]


def _cell(name: str, text: str) -> Any:
    try:
        return loads(text) if name not in TEXTS or text == "null" else text
    except ValueError:
        return text


def _order_lines(*lines: str) -> list[Row]:
    return _table("line|product_id|quantity|price|amount", *lines)


SEEDS: dict[str, list[Row]] = {
    "customers": _table(
        "number|name|kind|tax_number|phone|email|street|city|postcode|country|credit_limit|status",
        "C-1001|上海浦东软件园有限公司|company|91310115607378000X|021-50801234|sales@spsp.example"
        "|郭守敬路498号|上海|201203|CN|500000.00|active",
        "C-1002|Alfreds Futterkiste|company|DE123456788|+49 30 0074321|info@alfreds.example"
        "|Obere Str. 57|Berlin|12209|DE|15000.00|active",
        "C-1003|Café Très Bon SARL|company|FR40303265045|+33 1 42 68 53 00|bonjour@cafe.example"
        "|12 rue de l’Église|Paris|75008|FR|8000.50|active",
        "C-1004|Around the Horn|company|GB123456789|+44 171 5557788|thomas@horn.example"
        "|120 Hanover Sq.|London|W1D 3PA|GB|12000.00|active",
        "C-1005|深圳市华南贸易有限公司|company|91440300708461136T|0755-26770000|"
        "contact@huanan.example|科技园南区|深圳|518057|CN|200000.00|active",
        "C-1006|Ana Trujillo|person|null|+52 5 5554729|ana@trujillo.example"
        "|Avda. de la Constitución 2222|México D.F.|05021|MX|null|active",
        "C-1007|Save-a-lot Markets|company|null|+1 208 5558097|jose@savealot.example"
        "|187 Suffolk Ln.|Boise|83720|US|30000.00|inactive",
    ),
    "contacts": _table(
        "customer_id|name|title|phone|email",
        "1|李明|采购经理|13800138000|liming@spsp.example",
        "2|Maria Anders|Sales Representative|+49 30 0074321|maria@alfreds.example",
        "3|Frédérique Citeaux|Marketing Manager|+33 1 42 68 53 01|fred@cafe.example",
        "4|Thomas Hardy|Sales Representative|+44 171 5557788|thomas@horn.example",
        "5|王芳|财务|13900139000|wangfang@huanan.example",
        "7|Jose Pavarotti|Sales Representative|+1 208 5558097|jose@savealot.example",
    ),
    "products": _table(
        "code|name|unit|barcode|price|currency|active",
        "P-01|Chai 印度茶|box|4006381333931|18.00|EUR|true",
        "P-02|Chang|bottle|null|19.00|EUR|true",
        "P-03|Aniseed Syrup|bottle|null|10.00|EUR|true",
        "P-04|Côte de Blaye|bottle|null|263.50|EUR|true",
        "P-05|Geitost|piece|null|2.50|EUR|true",
        "P-06|Ikura 三文鱼子|jar|null|31.00|EUR|false",
    ),
    "orders": [
        {**order, "lines": _order_lines(*lines)}
        for order, lines in zip(
            _table(
                "number|customer_id|ordered_on|currency|total|status",
                "O-2001|2|2026-01-12|EUR|221.00|open",
                "O-2002|1|2026-01-15|EUR|527.00|open",
                "O-2003|4|2026-01-20|EUR|25.00|shipped",
                "O-2004|3|2026-02-03|EUR|119.70|open",
                "O-2005|5|2026-02-11|EUR|49.50|cancelled",
            ),
            (
                ("1|1|7|18.00|126.00", "2|2|5|19.00|95.00"),
                ("1|4|2|263.50|527.00",),
                ("1|5|10|2.50|25.00",),
                ("1|2|7|17.10|119.70",),
                ("1|1|2.75|18.00|49.50",),
            ),
            strict=True,
        )
    ],
}


def main() -> None:
    """`python -m hub.testing.fake_rest` serves the CRM until Ctrl-C."""
    with FakeRest(port=8765) as crm:
        print(json.dumps({"url": crm.url}), flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
