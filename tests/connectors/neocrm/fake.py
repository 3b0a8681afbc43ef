"""A Neocrm in memory, over HTTP, as `apis/neocrm.md` of our notes describes it.

with FakeNeocrm() as crm:
    row_id = crm.put("account", accountName="Ada")     # as one of its users would
    crm.record("account", row_id)["accountName"]
    crm.end_tokens()                                   # in the middle of whatever is going on
    crm.say("1020025")                                 # the next call fails with this code
    crm.locked.add(row_id)                             # updates are refused
"""

import itertools
import re
from collections import deque
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from tests.connectors.fakes import Answer, Call, FakeSystem, plain
from tests.connectors.sqlfilter import FilterError, compile_filter

CLIENT, SECRET = "client-id-0123", "client-secret-0123"
USER, PASSWORD, SECURITY = "hub@example.com", "pass-word-0123", "AbCd1234"
LIFE = timedelta(seconds=7200)
COMMON = {
    "id": "long",
    "ownerId": "relation",
    "entityType": "relation",
    "dimDepart": "relation",
    "createdAt": "datetime",
    "updatedAt": "datetime",
    "lockStatus": "picklist",
}


def _texts(names: str, **others: str) -> dict[str, str]:
    return {**COMMON, **dict.fromkeys(names.split(), "text"), **others}


SCHEMA: dict[str, dict[str, str]] = {
    "account": _texts(
        "accountName phone address fState fCity fDistrict url zipCode comment code__c hubKey__c",
        level="picklist",
        limit__c="currency",
        since__c="date",
        size__c="integer",
        vip__c="boolean",
        kinds__c="multipicklist",
    ),
    "contact": _texts("contactName mobile phone email post depart hubKey__c", accountId="relation"),
    "product": _texts(
        "productName unit fscProductModel fscProductSpec code__c hubKey__c",
        priceUnit="currency",
        enableStatus="boolean",
    ),
    "order": _texts(
        "po comment hubKey__c", accountId="relation", effectiveDate="date", amount="currency",
        poStatus="picklist",
    ),
    "orderProduct": _texts(
        "comment", orderId="relation", productId="relation", quantity="real",
        unitPrice="currency", priceTotal="currency", lineNo__c="integer",
    ),
    "thing__c": _texts("name"),
}  # fmt: skip
TARGETS = {"accountId": "account", "productId": "product", "orderId": "order"}
REQUIRED = {
    "account": ["accountName", "entityType"],
    "contact": ["contactName"],
    "order": ["accountId", "entityType"],
    "orderProduct": ["orderId", "productId"],
}
UNIQUE = {"account": ["code__c"], "product": ["code__c"]}
PICKS = {"level": [1, 2, 3], "poStatus": [1, 2], "lockStatus": [1, 2], "kinds__c": [1, 2, 3]}
STATEMENT = re.compile(
    r"select (?P<columns>.+?) from (?P<name>\w+)(?: where (?P<where>.+?))?"
    r"(?: order by (?P<order>[\w ,]+?))?(?: limit (?P<limit>\d+(?:, ?\d+)?))?",
    re.DOTALL | re.IGNORECASE,
)


class Refusal(Exception):
    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message)
        self.code = code


class FakeNeocrm(FakeSystem):
    def __init__(self, clock: Any = None) -> None:
        super().__init__(clock)
        self.tables: dict[str, dict[int, dict[str, Any]]] = {n: {} for n in SCHEMA}
        self.locked: set[int] = set()
        self.page = 3000
        self.tokens = 0
        self.instance: str | None = None
        self._token: tuple[str, Any] = ("", None)
        self._ids = itertools.count(2**53 + 1, 2)  # ids that a floating-point number cannot hold
        self._codes: deque[str] = deque()

    # --------------------------------------------------------------- what a test can do

    def put(self, object_: str, row_id: int = 0, /, **values: Any) -> int:
        return int(self._store(object_, row_id, values)["id"])

    def record(self, object_: str, row_id: int, /) -> dict[str, Any]:
        return self.tables[object_][row_id]

    def by(self, object_: str, /, **values: Any) -> dict[str, Any]:
        (found,) = [
            r
            for r in self.tables[object_].values()
            if all(r.get(k) == v for k, v in values.items())
        ]
        return found

    def end_tokens(self) -> None:
        self._token = ("", None)

    def say(self, code: str) -> None:
        self._codes.append(code)

    def acts(self, call: Call) -> bool:
        return "/xobjects/" in call.path and call.method != "GET"

    # --------------------------------------------------------------------------- calls

    def answer(self, call: Call) -> Any:
        if call.path in ("/auc/oauth2/token", "/oauth2/token"):
            return self._sign_in(call)
        token, since = self._token
        given = call.headers.get("authorization", "").removeprefix("Bearer ")
        if not token or given != token or self.clock.now() - since > LIFE:
            return Answer(401, {"code": "401", "msg": "token is invalid"})
        try:
            if self._codes:
                raise Refusal(self._codes.popleft(), "told to say so")
            return self._route(call)
        except Refusal as e:
            return {"code": e.code, "msg": str(e), "errorInfo": [{"msg": str(e)}], "data": None}
        except FilterError as e:
            return {"code": "300010", "msg": str(e), "errorInfo": None, "data": None}

    def _sign_in(self, call: Call) -> Any:
        self.tokens += 1
        given = {**call.query, **{k: v[0] for k, v in parse_qs(call.raw.decode()).items()}}
        good = (given.get("client_id"), given.get("client_secret")) == (CLIENT, SECRET)
        if not good or (given.get("username"), given.get("password")) != (
            USER,
            PASSWORD + SECURITY,
        ):
            said = {"error": "invalid_grant", "error_description": "用户名或密码错误"}
            return Answer(400 if "auc" in call.path else 200, said)
        self._token = (f"token-{self.tokens:08d}", self.clock.now())
        issued = round(self.clock.now().timestamp() * 1000)
        return {
            "access_token": self._token[0],
            "token_type": "Bearer",
            "expires_in": 7199,
            "issued_at": issued,
            "instance_uri": self.url if self.instance is None else self.instance,
        }

    def _route(self, call: Call) -> Any:
        path = call.path.removeprefix("/rest/data/")
        if call.method == "POST" and path == "v2.0/query/xoql":
            return _v20(self._select(call.form["xoql"], 3000, str))
        if path == "v2/query":
            return _v2(self._select(call.query.get("q") or call.form["q"], 300, int))
        found = re.fullmatch(r"(v2\.0/x|v2/)objects/(\w+)(?:/(\w+))?", path)
        if not found or found[2] not in self.tables:
            raise Refusal("100404", "对象不存在")
        wrap, name, rest = (_v20 if found[1] == "v2.0/x" else _v2), found[2], found[3]
        if call.method == "GET" and rest == "description":
            return wrap(self._describe(name))
        body = plain(call.json).get("data", {}) if call.raw else {}
        match call.method, rest:
            case "GET", str(row_id):
                return wrap(dict(self._there(name, row_id)))
            case "POST", None:
                row = self._written(name, 0, body)
                return wrap({"id": row["id"], "objectApiKey": name})
            case "PATCH", str(row_id):
                self._there(name, row_id)
                self._written(name, int(row_id), body)
                return wrap({"id": int(row_id)})
            case "DELETE", str(row_id):
                del self.tables[name][self._there(name, row_id)["id"]]
                self.writes += 1
                return wrap(None)
        raise Refusal("100405", "method")

    def _describe(self, name: str) -> dict[str, Any]:
        fields = [
            {
                "apiKey": key,
                "label": f"标签{key}",
                "type": kind,
                "itemType": "String",
                "required": key in REQUIRED.get(name, []),
                "createable": key not in ("id", "createdAt", "updatedAt"),
                "updateable": key not in ("id", "createdAt", "updatedAt"),
                "referTo": {"apiKey": TARGETS[key]} if key in TARGETS else None,
                "selectitem": [{"label": f"选项{v}", "value": v} for v in PICKS.get(key, [])],
            }
            for key, kind in SCHEMA[name].items()
        ]
        return {"apiKey": name, "fields": [*fields, {"apiKey": " ", "label": "空"}]}

    # --------------------------------------------------------------------------- reading

    def _select(self, text: str, cap: int, id_type: Any) -> dict[str, Any]:
        found = STATEMENT.fullmatch(text.strip())
        if not found or found["name"] not in self.tables or "*" in found["columns"]:
            raise Refusal("300010", f"语句错误：{text[:50]}")
        name, columns = found["name"], [c.strip() for c in found["columns"].split(",")]
        kinds = SCHEMA[name]
        for column in columns:
            if column not in kinds:
                raise Refusal("300011", f"字段 {column} 不存在")
        test = compile_filter(found["where"]) if found["where"] else lambda get: True

        def getter(row: dict[str, Any]) -> Any:
            def get(key: str) -> Any:
                if key not in kinds:
                    raise Refusal("300011", f"字段 {key} 不存在")
                return row.get(key)

            return get

        rows = [r for r in self.tables[name].values() if test(getter(r))]
        rows.reverse()
        for part in reversed((found["order"] or "").split(",")):
            key, _, way = part.strip().partition(" ")
            if key:
                rows.sort(
                    key=lambda r: (r.get(key) is not None, r.get(key) or 0),
                    reverse=way.strip().lower() == "desc",
                )
        limits = [int(x) for x in (found["limit"] or str(cap)).split(",")]
        begin, size = (limits[0], limits[1]) if len(limits) > 1 else (0, limits[0])
        if size > cap:
            raise Refusal("300012", "limit")
        page = rows[begin : begin + min(size, self.page)]
        shown = [{c: _shown(kinds[c], r.get(c), id_type) for c in columns} for r in page]
        return {"totalSize": len(rows), "count": len(page), "records": shown}

    def _there(self, name: str, row_id: str) -> dict[str, Any]:
        found = self.tables[name].get(int(row_id)) if row_id.isdigit() else None
        if found is None:
            raise Refusal("100404", "数据不存在")
        return found

    # --------------------------------------------------------------------------- writing

    def _written(self, name: str, row_id: int, values: dict[str, Any]) -> dict[str, Any]:
        if row_id in self.locked:
            raise Refusal("100501", "数据已锁定，不能编辑")
        after = {**self.tables[name].get(row_id, {}), **values}
        for key in REQUIRED.get(name, []):
            if after.get(key) in (None, ""):
                raise Refusal("100300", f"{key} 不能为空")
        for key, value in values.items():
            self._check(name, key, value)
        for key in UNIQUE.get(name, []):
            for other in self.tables[name].values():
                if values.get(key) and other.get(key) == values[key] and other["id"] != row_id:
                    raise Refusal("100301", f"{key} 数据重复")
        self.writes += 1
        return self._store(name, row_id, values)

    def _check(self, name: str, key: str, value: Any) -> None:
        kind = SCHEMA[name].get(key)
        if kind is None or key in ("id", "createdAt", "updatedAt"):
            raise Refusal("100302", f"字段 {key} 不存在或不可写")
        if value is None:
            return
        if key in PICKS:
            for one in value if isinstance(value, list) else [value]:
                if one not in PICKS[key]:
                    raise Refusal("100303", f"{key} 选项 {one} 不存在")
        if key in TARGETS and value not in self.tables[TARGETS[key]]:
            raise Refusal("100304", f"{key} 关联的数据不存在")
        if kind == "text" and not isinstance(value, str):
            raise Refusal("100305", f"{key} 不是文本")
        if kind in ("date", "datetime", "integer") and not isinstance(value, int):
            raise Refusal("100305", f"{key} 格式错误")

    def _store(self, name: str, row_id: int, values: dict[str, Any]) -> dict[str, Any]:
        now = round(self.clock.now().timestamp() * 1000)
        old = self.tables[name].get(row_id) or {"id": next(self._ids), "createdAt": now}
        kinds = SCHEMA[name]
        kept = {k: _stored(kinds[k], v) for k, v in values.items()}
        record = {**dict.fromkeys(kinds), **old, **kept, "updatedAt": now}
        self.tables[name][record["id"]] = record
        return record


def _stored(kind: str, value: Any) -> Any:
    if kind in ("currency", "real") and value is not None:
        return Decimal(str(value))
    return (value.strip() or None) if isinstance(value, str) else value


def _shown(kind: str, value: Any, id_type: Any) -> Any:
    if kind in ("long", "relation") and value is not None:
        return id_type(value)
    return value


def _v20(data: Any) -> dict[str, Any]:
    return {"code": "200", "msg": "OK", "ext": [], "errorInfo": None, "data": data}


def _v2(result: Any) -> dict[str, Any]:
    return {"code": 200, "msg": "OK", "result": result, "ext": []}
