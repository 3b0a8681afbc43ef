"""A Fxiaoke in memory, over HTTP, as `apis/fxiaoke.md` of our notes describes it.

with FakeFxiaoke() as crm:
    row_id = crm.put("AccountObj", name="Ada")        # as one of its users would
    crm.record("AccountObj", row_id)["name"]
    crm.end_tokens()                                  # in the middle of whatever is going on
    crm.say(14001)                                    # the next call fails with this code
    crm.locked.add(row_id)                            # under approval: updates are refused
    crm.event("update", "AccountObj", row_id)         # what the platform would push
"""

import base64
import hashlib
import itertools
import json
import random
from collections import deque
from datetime import timedelta
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hub.connector import Delivery
from tests.connectors.fakes import Call, FakeSystem, plain

APP, SECRET, CODE = "FSAID_1317c1f", "app-secret-0123", "permanent-code-0123"
USER, CORP = "FSUID_ada", "FSCID_demo"
AES_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OPERATORS = {"EQ", "N", "GT", "GTE", "LT", "LTE", "LIKE", "IS", "ISN", "IN", "NIN", "BETWEEN"}
COMMON = {
    "owner": "employee",
    "record_type": "record_type",
    "life_status": "select_one",
    "lock_status": "select_one",
    "create_time": "date_time",
    "last_modified_time": "date_time",
    "version": "number",
}


def _texts(names: str, **others: str) -> dict[str, str]:
    return {**dict.fromkeys(names.split(), "text"), **others, **COMMON}


SCHEMA: dict[str, dict[str, str]] = {
    "AccountObj": _texts(
        "name account_no account_level account_source tel fax email url address remark "
        "field_hub__c field_note__c uniform_social_credit_code",
        account_type="select_one",
        field_limit__c="currency",
        field_since__c="date",
        field_vip__c="true_or_false",
        field_kinds__c="select_many",
        total="formula",
    ),
    "ContactObj": _texts(
        "name mobile1 tel1 email company job_title", account_id="object_reference"
    ),
    "ProductObj": _texts(
        "name product_code product_spec unit category product_status barcode remark",
        price="currency",
    ),
    "SalesOrderObj": _texts(
        "name remark order_status ship_to_add",
        account_id="object_reference",
        order_time="date",
        delivery_date="date",
        order_amount="currency",
        discount="percentile",
    ),
    "SalesOrderProductObj": _texts(
        "name unit remark",
        order_id="master_detail",
        product_id="object_reference",
        quantity="number",
        product_price="currency",
        sales_price="currency",
        subtotal="currency",
        field_line__c="number",
    ),
    "thing__c": _texts("name"),
}
TARGETS = {"account_id": "AccountObj", "product_id": "ProductObj", "order_id": "SalesOrderObj"}
REQUIRED = {"AccountObj": ["name"], "SalesOrderObj": ["account_id"], "ContactObj": ["name"]}
DETAILS = {"SalesOrderObj": "SalesOrderProductObj"}
MASTER = {"SalesOrderProductObj": ("order_id", "SalesOrderObj")}


class Refusal(Exception):
    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code


class FakeFxiaoke(FakeSystem):
    def __init__(self, clock: Any = None) -> None:
        super().__init__(clock)
        self.tables: dict[str, dict[str, dict[str, Any]]] = {n: {} for n in SCHEMA}
        self.locked: set[str] = set()
        self.unique = {"AccountObj": ("account_no",), "ProductObj": ("product_code",)}
        self.page = 100
        self.tokens = 0
        self.totals = True
        self._ids = itertools.count(1)
        self._codes: deque[int] = deque()
        self._token: tuple[str, Any] = ("", None)
        self._messages = itertools.count(1)
        self._words = random.Random(1)

    # --------------------------------------------------------------- what a test can do

    def put(self, object_: str, row_id: str = "", /, **values: Any) -> str:
        lines = values.pop(DETAILS.get(object_, ""), None)
        record = self._store(object_, row_id, values)
        if lines is not None:
            detail = DETAILS[object_]
            for old in [r for r in self.tables[detail].values() if r["order_id"] == record["_id"]]:
                del self.tables[detail][old["_id"]]
            for line in lines:
                self._store(detail, "", {**line, "order_id": record["_id"]})
        return str(record["_id"])

    def record(self, name: str, row_id: str) -> dict[str, Any]:
        return self.tables[name][row_id]

    def by(self, object_: str, /, **values: Any) -> dict[str, Any]:
        (found,) = [
            r
            for r in self.tables[object_].values()
            if all(r.get(k) == v for k, v in values.items())
        ]
        return found

    def lines(self, order: str) -> list[dict[str, Any]]:
        return [
            r
            for r in self.tables["SalesOrderProductObj"].values()
            if r["order_id"] == order and r["life_status"] != "invalid"
        ]

    def end_tokens(self) -> None:
        self._token = ("", None)

    def say(self, code: int) -> None:
        self._codes.append(code)

    def event(self, kind: str, name: str, row_id: str, **changes: Any) -> Delivery:
        number = next(self._messages)
        now = round(self.clock.now().timestamp() * 1000)
        text = {
            "tenantId": 1,
            "eventType": kind,
            "apiName": name,
            "dataId": row_id,
            "timestamp": now,
            "messageId": f"M{number}",
        }
        body = {
            "timestamp": now,
            "nonce": f"nonce{number}",
            "messageId": f"M{number}",
            "enterpriseAccount": "demo_ea",
            "encryptedContent": seal(json.dumps(text), AES_KEY),
            **changes,
        }
        body["signature"] = signature(body)
        return Delivery(json.dumps(body).encode())

    def acts(self, call: Call) -> bool:
        return call.path.endswith(("/create", "/update", "/invalid", "/delete"))

    # --------------------------------------------------------------------------- calls

    def answer(self, call: Call) -> Any:
        try:
            body = plain(call.json)
            if call.path in ("/cgi/corpAccessToken/get/V2", "/oauth2.0/token"):
                return self._said(0, **self._sign_in(call, body))
            self._signed_in(call, body)
            if self._codes:
                raise Refusal(self._codes.popleft(), "told to say so")
            return self._said(0, **self._route(call.path, body))
        except Refusal as e:
            return self._said(e.code, str(e))

    def _said(self, code: int, message: str = "", **more: Any) -> dict[str, Any]:
        """Texts change from call to call: nobody may rely on them."""
        text = message or ("OK" if not code else f"错误{self._words.randrange(1000)}")
        return {"traceId": "E-O.1", "errorCode": code, "errorMessage": text, **more}

    def _sign_in(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        self.tokens += 1
        if self.tokens > 60:
            raise Refusal(30004, "token")
        if body.get("appId") != APP or body.get("appSecret") != SECRET:
            raise Refusal(20006, "secret")
        if body.get("permanentCode") != CODE:
            raise Refusal(20015, "code")
        token, since = self._token
        if not token or self.clock.now() - since > timedelta(seconds=6600):
            token = f"token-{self.tokens:08d}"
            self._token = (token, self.clock.now())
        if call.path.startswith("/oauth2.0"):
            return {"accessToken": token, "ea": "demo_ea", "expiresIn": 7200, "openUserId": USER}
        return {"corpAccessToken": token, "corpId": CORP, "expiresIn": 7200}

    def _signed_in(self, call: Call, body: dict[str, Any]) -> None:
        token, since = self._token
        fresh = token and self.clock.now() - since <= timedelta(seconds=7200)
        if "authorization" in call.headers:
            h = call.headers
            good = h["authorization"] == f"Bearer {token}" and fresh
            if not good or h.get("x-fs-ea") != "demo_ea" or not h.get("x-fs-userid"):
                raise Refusal(20005, "accessToken")
            return
        if "corpAccessToken" not in body:
            raise Refusal(10013, "corpAccessToken missing")
        if body["corpAccessToken"] != token or not fresh:
            raise Refusal(20016, "expired")
        if body.get("corpId") != CORP or body.get("currentOpenUserId") != USER:
            raise Refusal(20012, "user")

    def _route(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        family, _, verb = path.removeprefix("/cgi/").rpartition("/")
        if family == "crm/v2/object" and verb == "describe":
            return {"data": self._describe(body.get("apiName"))}
        if family not in ("crm/v2/data", "crm/custom/v2/data"):
            raise Refusal(10006, f"request uri {path} not exists")
        data = body.get("data") or {}
        if verb in ("create", "update"):
            name = (data.get("object_data") or {}).get("dataObjectApiName")
        else:
            name = data.get("dataObjectApiName")
        if name not in self.tables or name.endswith("__c") != ("custom" in family):
            raise Refusal(11001, f"apiName {name}")
        match verb:
            case "query":
                return {"data": self._query(name, data)}
            case "get":
                return {"data": _shown(name, self._there(name, data.get("objectDataId")))}
            case "create":
                return {"dataId": self._create(name, data)}
            case "update":
                self._update(name, data["object_data"])
                return {}
            case "invalid":
                self._there(name, data.get("object_data_id"))
                self._store(name, data["object_data_id"], {"life_status": "invalid"})
                self.writes += 1
                return {}
            case "delete":
                for row_id in data["idList"]:
                    if self._there(name, row_id, invalid=True)["life_status"] != "invalid":
                        raise Refusal(32000, "只能删除已作废的数据")
                    del self.tables[name][row_id]
                    self.writes += 1
                return {}
        raise Refusal(10006, f"request uri {path} not exists")

    def _describe(self, name: Any) -> dict[str, Any]:
        if name not in SCHEMA:
            raise Refusal(11001, "apiName")
        fields = {
            key: {
                "api_name": key,
                "type": kind,
                "label": f"标签{key}",
                "is_required": key in REQUIRED.get(name, []),
                "is_active": True,
                **({"target_api_name": TARGETS[key]} if key in TARGETS else {}),
                **({"options": [{"label": "A", "value": "1"}]} if kind == "select_one" else {}),
            }
            for key, kind in SCHEMA[name].items()
        }
        fields["old__c"] = {"type": "text", "is_active": False}
        return {"describe": {"api_name": name, "fields": fields}}

    # --------------------------------------------------------------------------- reading

    def _query(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        search = data["search_query_info"]
        offset, limit = search.get("offset", 0), search.get("limit", 100)
        if not 1 <= limit <= 100 or offset % limit:
            raise Refusal(11010, "limit")
        if offset > 10000:
            raise Refusal(10013, "offset out of range 10000")
        filters = search.get("filters") or []
        rows = [r for r in self.tables[name].values() if all(_passes(r, f) for f in filters)]
        if not any(f["field_name"] == "life_status" for f in filters):
            rows = [r for r in rows if r["life_status"] != "invalid"]
        rows.reverse()
        for order in reversed(search.get("orders") or []):
            key = order["fieldName"]
            rows.sort(key=lambda r: _rank(r.get(key)), reverse=not order.get("isAsc", True))
        total = len(rows) if data.get("find_explicit_total_num", self.totals) else 0
        page = [_shown(name, r) for r in rows[offset : offset + min(limit, self.page)]]
        return {"dataList": page, "offset": offset, "limit": limit, "total": total}

    def _there(self, name: str, row_id: Any, *, invalid: bool = False) -> dict[str, Any]:
        found = self.tables[name].get(row_id)
        if found is None or (found["life_status"] == "invalid" and not invalid):
            raise Refusal(32001, "数据不存在或已作废")
        return found

    # --------------------------------------------------------------------------- writing

    def _create(self, name: str, data: dict[str, Any]) -> str:
        values = dict(data["object_data"])
        del values["dataObjectApiName"]
        self._check(name, values, "")
        detail = DETAILS.get(name, "")
        lines = (data.get("details") or {}).get(detail) or []
        for line in lines:
            self._check(detail, {**line, "order_id": None}, "")
        record = self._store(name, "", values)
        for line in lines:
            self._store(detail, "", {**line, "order_id": record["_id"]})
        self._touch(name, record)
        self.writes += 1
        return str(record["_id"])

    def _update(self, name: str, given: dict[str, Any]) -> None:
        values = {k: v for k, v in given.items() if k not in ("dataObjectApiName", "_id")}
        self._there(name, given.get("_id"))
        if given["_id"] in self.locked:
            raise Refusal(33001, "数据正在审批中，已锁定")
        self._check(name, values, given["_id"])
        self._touch(name, self._store(name, given["_id"], values))
        self.writes += 1

    def _touch(self, name: str, record: dict[str, Any]) -> None:
        """A changed line moves its order."""
        if name in MASTER:
            column, master = MASTER[name]
            if record.get(column) in self.tables[master]:
                self._store(master, record[column], {})

    def _check(self, name: str, values: dict[str, Any], row_id: str) -> None:
        old = self.tables[name].get(row_id, {})
        after = {**old, **values}
        for key in REQUIRED.get(name, []):
            if after.get(key) in (None, "", []):
                raise Refusal(32002, f"{key} 为必填项")
        if not row_id and not values.get("owner"):
            raise Refusal(32002, "owner 为必填项")
        for key, value in values.items():
            kind = SCHEMA[name].get(key)
            if kind is None:
                raise Refusal(32000, f"字段 {key} 不存在")
            if key in TARGETS and value and value not in self.tables[TARGETS[key]]:
                raise Refusal(32003, f"{key} 引用的数据不存在")
            if kind in ("date", "date_time") and not isinstance(value, int) and value != "":
                raise Refusal(32000, f"{key} 不是时间戳")
        for key in self.unique.get(name, ()):
            for other in self.tables[name].values():
                if values.get(key) and other.get(key) == values[key] and other["_id"] != row_id:
                    raise Refusal(32004, f"{key} 数据重复")

    def _store(self, name: str, row_id: str, values: dict[str, Any]) -> dict[str, Any]:
        now = round(self.clock.now().timestamp() * 1000)
        if row_id:
            old = self.tables[name][row_id]
        else:
            old = {
                "_id": f"66{next(self._ids):022x}",
                "create_time": now,
                "life_status": "normal",
                "lock_status": "0",
                "version": 0,
            }
        kinds = SCHEMA[name]
        kept = {k: _stored(kinds.get(k, "text"), v) for k, v in values.items()}
        record = {**old, **kept, "last_modified_time": now, "version": int(old["version"]) + 1}
        self.tables[name][record["_id"]] = record
        return record


def _stored(kind: str, value: Any) -> Any:
    if kind in ("currency", "number", "percentile") and value not in (None, ""):
        return f"{Decimal(str(value)):.4f}".rstrip("0").rstrip(".")
    return value.strip() if isinstance(value, str) else value


def _shown(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """Empty fields are left out; references carry a read-only expansion; amounts are texts."""
    shown = {k: v for k, v in record.items() if v not in (None, "", [])}
    for key in TARGETS:
        if key in shown:
            shown[f"{key}__r"] = "名称"
    for key in ("create_time", "last_modified_time"):
        shown[key] = record[key]
    return {**shown, "version": str(record["version"])}


def _passes(record: dict[str, Any], test: dict[str, Any]) -> bool:
    name, operator, values = test["field_name"], test["operator"], test["field_values"]
    if operator not in OPERATORS or not isinstance(values, list):
        raise Refusal(11011, operator)
    have = record.get(name)
    kind = {k: v for fields in SCHEMA.values() for k, v in fields.items()}.get(name)
    if kind in ("currency", "number", "percentile"):
        values = [_stored(kind, v) for v in values]
    match operator:
        case "EQ":
            return _rank(have) == _rank(values[0])
        case "N":
            return have != values[0]
        case "IN":
            return have in values
        case "NIN":
            return have not in values
        case "IS":
            return have in (None, "", [])
        case "ISN":
            return have not in (None, "", [])
        case "LIKE":
            return str(values[0]) in str(have)
    if have is None:
        return False
    bounds = [_rank(v) for v in values]
    match operator:
        case "GT":
            return _rank(have) > bounds[0]
        case "GTE":
            return _rank(have) >= bounds[0]
        case "LT":
            return _rank(have) < bounds[0]
        case "LTE":
            return _rank(have) <= bounds[0]
    return bounds[0] <= _rank(have) <= bounds[1]


def _rank(value: Any) -> Any:
    return (1, value, "") if isinstance(value, int) else (0, 0, str(value or ""))


def signature(body: dict[str, Any]) -> str:
    names = ("timestamp", "nonce", "messageId", "retryTimes", "enterpriseAccount")
    text = "".join(str(body[n]) for n in names if n in body)
    return hashlib.sha1(f"{text}{body['encryptedContent']}{AES_KEY}".encode()).hexdigest()


def seal(text: str, key: str) -> str:
    raw = base64.b64decode(key)
    encryptor = Cipher(algorithms.AES(raw), modes.CBC(raw[:16])).encryptor()
    padder = padding.PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
