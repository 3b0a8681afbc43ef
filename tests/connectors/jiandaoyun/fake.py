"""A Jiandaoyun in memory, over HTTP, as `apis/jiandaoyun.md` of our notes describes it.

with FakeJiandaoyun() as jdy:
    row_id = jdy.put("customer", code="C1", name="Ada")       # as a person would, in the form
    jdy.record("customer", row_id)["name"]
    jdy.pushes                                                # what the data push has sent
    jdy.storm(3)                                              # so many calls are too fast
    jdy.lag = timedelta(seconds=5)                            # lists know of writes a little later
"""

import hashlib
import itertools
import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.connector import Delivery
from hub.http import dumps
from tests.connectors.fakes import Answer, Call, FakeSystem, plain

KEY, SECRET = "jdy-api-key-0123456789", "push-secret-0123"
APP = "5f0000000000000000000001"
MEMBERS = {"ada": "Ada", "bob": "Bob"}
HOUR = timedelta(hours=1)
METHODS = {
    "text": {"eq", "ne", "in", "nin", "empty", "not_empty"},
    "number": {"eq", "ne", "range", "gt", "lt", "empty", "not_empty"},
    "datetime": {"eq", "ne", "range", "empty", "not_empty"},
    "phone": {"like", "verified", "unverified"},
    "sn": {"eq", "ne", "in", "nin", "like", "empty"},
    "user": {"eq", "ne", "in", "nin"},
}
SAME = {"textarea": "text", "radiogroup": "text", "combo": "text", "lookup": "text"}


def widget(name: str, kind: str, label: str = "", **items: str) -> dict[str, Any]:
    made = {"name": name, "widgetName": f"_widget_{zlib.crc32(name.encode())}", "type": kind}
    made |= {"label": label or name}
    if items:
        made["items"] = [widget(n, k) for n, k in items.items()]
    return made


FORMS = {
    "customer": [
        widget("code", "text", "客户编码"),
        widget("name", "text", "客户名称"),
        widget("phone", "phone", "电话"),
        widget("level", "radiogroup", "级别"),
        widget("tags", "checkboxgroup", "标签"),
        widget("address", "address", "地址"),
        widget("owner", "user", "负责人"),
        widget("currency", "combo"),
        widget("credit_limit", "number"),
        widget("signed_on", "datetime"),
        widget("hub_key", "text"),
        widget("serial", "sn"),
        widget("line", "separator"),
        widget("short_name", "text"),
        widget("tax_id", "text"),
        widget("email", "text"),
        widget("website", "text"),
        widget("note", "textarea"),
    ],
    "contact": [
        widget("code", "text"),
        widget("name", "text"),
        widget("account", "lookup"),
        widget("mobile", "phone"),
        widget("email", "text"),
        widget("title", "text"),
    ],
    "product": [
        widget("code", "text"),
        widget("name", "text"),
        widget("specification", "text"),
        widget("list_price", "number"),
        widget("barcode", "text"),
        widget("description", "textarea"),
    ],
    "supplier": [widget("code", "text"), widget("name", "text"), widget("phone", "phone")],
    "sales_order": [
        widget("number", "text"),
        widget("customer", "lookup"),
        widget("doc_date", "datetime"),
        widget("currency", "combo"),
        widget("note", "textarea"),
        widget("grand_total", "aggregation"),
        widget(
            "lines", "subform", line_no="number", product="lookup", qty="number", price="number",
            description="text",
        ),
    ],
}  # fmt: skip


@dataclass
class Form:
    entry_id: str
    name: str
    widgets: list[dict[str, Any]]
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    touched: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def kinds(self) -> dict[str, dict[str, Any]]:
        return {w["name"]: w for w in self.widgets}


class Refusal(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class FakeJiandaoyun(FakeSystem):
    def __init__(self, clock: Any = None) -> None:
        super().__init__(clock)
        self._ids = itertools.count(1)
        self.forms = {
            name: Form(f"60{n:022x}", name, list(widgets))
            for n, (name, widgets) in enumerate(FORMS.items(), 1)
        }
        self.pushes: list[Delivery] = []
        self.lag = timedelta(0)
        self.page = 100
        self._storm = 0
        self._transactions: dict[str, tuple[datetime, str, list[str]]] = {}

    @property
    def streams(self) -> dict[str, Any]:
        """The setting `forms` for all of them."""
        return {n: {"app": APP, "form": f.entry_id} for n, f in self.forms.items()}

    # --------------------------------------------------------------- what a test can do

    def put(self, form: str, row_id: str = "", **values: Any) -> str:
        """A person fills in the form: this is pushed."""
        found = self.forms[form]
        op = "data_update" if row_id else "data_create"
        record = self._store(found, row_id, values)
        self._push(found, op, record)
        return str(record["_id"])

    def record(self, form: str, row_id: str) -> dict[str, Any]:
        return self.forms[form].records[row_id]

    def by(self, form: str, **values: Any) -> dict[str, Any]:
        (found,) = [
            r
            for r in self.forms[form].records.values()
            if all(r.get(k) == v for k, v in values.items())
        ]
        return found

    def remove(self, form: str, row_id: str) -> None:
        found = self.forms[form]
        gone = found.records.pop(row_id)
        found.touched = self.clock.now()
        self._push(found, "data_remove", {k: gone[k] for k in ("_id", "appId", "entryId")})

    def storm(self, calls: int) -> None:
        self._storm = calls

    def acts(self, call: Call) -> bool:
        return call.path.endswith(("create", "update", "delete"))

    def _push(self, form: Form, op: str, record: dict[str, Any]) -> None:
        now = int(self.clock.now().timestamp())
        body = dumps({"op": op, "opTime": now * 1000, "data": record}).encode()
        nonce = f"n{len(self.pushes)}"
        text = f"{nonce}:".encode() + body + f":{SECRET}:{now}".encode()
        headers = {
            "x-jdy-signature": hashlib.sha1(text).hexdigest(),
            "x-jdy-deliverid": f"deliver-{len(self.pushes)}",
        }
        self.pushes.append(Delivery(body, headers, {"nonce": nonce, "timestamp": str(now)}))

    # --------------------------------------------------------------------------- calls

    def answer(self, call: Call) -> Any:
        try:
            if call.method != "POST" or not call.path.startswith("/api/v5/"):
                return Answer(404, {"code": 1, "msg": "Not Found"})
            if call.headers.get("authorization") != f"Bearer {KEY}":
                raise Refusal(17018, "invalid api key")
            if self._storm:
                self._storm -= 1
                raise Refusal(8304 if self._storm % 2 else 8303, "请求超过频率")
            return self._route(call.path.removeprefix("/api/v5/"), plain(call.json))
        except Refusal as e:
            return Answer(400, {"code": e.code, "msg": str(e)})

    def _route(self, path: str, body: dict[str, Any]) -> Any:
        if path == "app/list":
            return {"apps": _cut([{"app_id": APP, "name": "CRM"}], body)}
        if body.get("app_id") != APP:
            raise Refusal(2004, "应用不存在")
        if path == "app/entry/list":
            forms = [
                {"app_id": APP, "entry_id": f.entry_id, "name": f.name} for f in self.forms.values()
            ]
            return {"forms": _cut(forms, body)}
        form = next((f for f in self.forms.values() if f.entry_id == body.get("entry_id")), None)
        if form is None:
            raise Refusal(3000, "表单不存在")
        match path:
            case "app/entry/widget/list":
                stamp = _iso(form.touched)
                system = [{"name": n} for n in ("_id", "createTime", "updateTime")]
                return {"widgets": form.widgets, "sysWidgets": system, "dataModifyTime": stamp}
            case "app/entry/data/get":
                return {"data": self._get(form, body)}
            case "app/entry/data/list":
                return {"data": self._list(form, body)}
            case "app/entry/data/create":
                return {"data": self._written(form, "", body["data"])}
            case "app/entry/data/batch_create":
                return self._batch(form, body)
            case "app/entry/data/update":
                self._get(form, body)
                return {"data": self._written(form, body["data_id"], body["data"])}
            case "app/entry/data/delete":
                self._get(form, body)
                del form.records[body["data_id"]]
                form.touched = self.clock.now()
                self.writes += 1
                return {"status": "success"}
        raise Refusal(1, "invalid request")

    def _get(self, form: Form, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("data_id") not in form.records:
            raise Refusal(4001, "数据不存在")
        return form.records[body["data_id"]]

    def _list(self, form: Form, body: dict[str, Any]) -> list[dict[str, Any]]:
        limit = body.get("limit", 10)
        if not 1 <= limit <= 100:
            raise Refusal(17017, "limit")
        after, tests = body.get("data_id", ""), self._tests(form, body.get("filter") or {})
        seen = self.clock.now() - self.lag
        rows = [
            r
            for r in sorted(form.records.values(), key=lambda r: str(r["_id"]))
            if r["_id"] > after
            and all(t(r) for t in tests)
            and (not self.lag or datetime.fromisoformat(r["createTime"]) <= seen)
        ]
        return rows[: min(limit, self.page)]

    def _tests(self, form: Form, said: dict[str, Any]) -> list[Any]:
        tests = []
        for c in said.get("cond", []):
            name, method, values = c["field"], c["method"], c.get("value") or []
            if name == "_id":
                allowed = {"eq", "in"}
            elif name == "createTime":
                allowed = METHODS["datetime"]
            elif name in form.kinds():
                kind = form.kinds()[name]["type"]
                allowed = METHODS.get(SAME.get(kind, kind), set())
            else:
                allowed = set()
            if method not in allowed or len(values) > 200:
                raise Refusal(4815, f"过滤条件 {name} {method} 无效")
            tests.append(_test(name, method, values))
        return tests

    def _batch(self, form: Form, body: dict[str, Any]) -> Any:
        rows, transaction = body["data_list"], body.get("transaction_id", "")
        if len(rows) > 100:
            raise Refusal(17023, "一次最多 100 条")
        same = json.dumps(rows, sort_keys=True, default=str)
        known = self._transactions.get(transaction)
        if known and self.clock.now() - known[0] < HOUR:
            if known[1] != same:
                raise Refusal(17026, "transaction_id 重复")
            ids = known[2]
        else:
            ids = [str(self._written(form, "", row)["_id"]) for row in rows]
            if transaction:
                self._transactions[transaction] = (self.clock.now(), same, ids)
        return {"status": "success", "success_count": len(ids), "success_ids": ids}

    # --------------------------------------------------------------------------- values

    def _written(self, form: Form, row_id: str, data: dict[str, Any]) -> dict[str, Any]:
        """By the API: wrapped values; nothing is pushed, nothing is required, nothing unique."""
        kinds = form.kinds()
        values = {}
        for name, wrapped in data.items():
            if name not in kinds:
                continue  # an unknown alias is ignored
            if not isinstance(wrapped, dict) or "value" not in wrapped:
                raise Refusal(17032, f"{name}: 值格式错误")
            values[name] = self._value(kinds[name], wrapped["value"], form, row_id)
        self.writes += 1
        return self._store(form, row_id, values)

    def _value(self, kind: dict[str, Any], value: Any, form: Form, row_id: str) -> Any:
        match kind["type"]:
            case "text" | "textarea" | "radiogroup" | "combo" | "lookup":
                if not isinstance(value, str | None):
                    raise Refusal(17032, f"{kind['name']}: 不是文本")
                return value or ""
            case "number":
                if value is not None and not isinstance(value, int | float):
                    raise Refusal(17032, f"{kind['name']}: 不是数字")
                return None if value is None else float(value)
            case "datetime":
                return _moment(value)
            case "phone":
                return {"phone": value["phone"], "verified": False}
            case "user":
                if not value:
                    return None
                if value not in MEMBERS:
                    raise Refusal(1010, "成员不存在")
                return {"username": value, "name": MEMBERS[value], "status": 1, "type": 0}
            case "subform":
                old = {e["_id"] for e in form.records.get(row_id, {}).get(kind["name"]) or []}
                return [self._line(kind, line, old, form) for line in value]
            case "sn" | "aggregation" | "formula" | "linkdata":
                raise Refusal(17034, f"{kind['name']}: 不可写")
        return value

    def _line(self, kind: dict[str, Any], line: dict[str, Any], old: set[str], form: Form) -> Any:
        given = (line.get("_id") or {}).get("value")
        parts = {p["name"]: p for p in kind["items"]}
        values = {
            n: self._value(parts[n], w["value"], form, "") for n, w in line.items() if n in parts
        }
        return {"_id": given if given in old else self._id(), **values}

    def _store(self, form: Form, row_id: str, values: dict[str, Any]) -> dict[str, Any]:
        now = self.clock.now()
        old = form.records.get(row_id) or {
            "_id": self._id(),
            "appId": APP,
            "entryId": form.entry_id,
            "creator": {"username": "ada", "name": "Ada", "status": 1},
            "createTime": _iso(now),
            **{w["name"]: _empty(w["type"]) for w in form.widgets if w["type"] != "separator"},
        }
        if "serial" in old and not old["serial"]:
            old["serial"] = f"SN{len(form.records) + 1:05}"
        record = {**old, **values, "updateTime": _iso(now)}
        for kind in (w for w in form.widgets if w["type"] == "subform"):
            nothing = {p["name"]: _empty(p["type"]) for p in kind["items"]}
            record[kind["name"]] = [
                {"_id": self._id(), **nothing, **line} for line in record[kind["name"]] or []
            ]
        form.records[record["_id"]] = record
        form.touched = now
        return record

    def _id(self) -> str:
        return f"65{next(self._ids):022x}"


def _cut(rows: list[Any], body: dict[str, Any]) -> list[Any]:
    skip = body.get("skip", 0)
    return rows[skip : skip + body.get("limit", 100)]


def _empty(kind: str) -> Any:
    return {"subform": [], "checkboxgroup": []}.get(kind, None if kind != "text" else "")


def _test(name: str, method: str, values: list[Any]) -> Any:
    def value(record: dict[str, Any]) -> Any:
        found = record.get(name)
        if isinstance(found, dict):
            return found.get("phone") or found.get("username")
        return found

    match method:
        case "eq":
            return lambda r: value(r) == values[0]
        case "in":
            return lambda r: value(r) in values
        case "like":
            return lambda r: str(values[0]) in str(value(r) or "")
        case "empty":
            return lambda r: value(r) in (None, "", [])
        case "not_empty":
            return lambda r: value(r) not in (None, "", [])
    raise Refusal(4815, f"{method} 无效")


def _moment(value: Any) -> str:
    """Text with or without Z, milliseconds; null, empty text and seconds are refused."""
    if isinstance(value, int) and value > 10**11:
        return _iso(datetime.fromtimestamp(value / 1000, UTC))
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Refusal(17032, "日期格式错误") from None
    return _iso(found if found.tzinfo else found.replace(tzinfo=UTC))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
