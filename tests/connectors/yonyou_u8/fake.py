"""A U8 behind its relay, in memory, over HTTP, as `apis/yonyou-u8.md` of our notes describes it.

with FakeU8() as erp:
    erp.put("customer", code="C1", name="Ada")        # as one of its users would
    erp.record("customer", "C1")["name"]
    erp.end_tokens()                                  # in the middle of whatever is going on
    erp.offline = True                                # the program beside the server is not running
    erp.pending = 2                                   # so often a result is not there yet
    erp.say("3001", "…")                              # the next business call answers with this
"""

import itertools
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.connectors.fakes import Answer, Call, FakeSystem, plain

CALLER, PROVIDER, APP_KEY, SECRET = "dev_hub", "ent_demo", "opaKey0123", "app-secret-0123"
LIFE = timedelta(seconds=7200)
NAMES = {  # list resource → single resource
    "customer": "customer",
    "customercontacts": "customercontacts",
    "inventory": "inventory",
    "vendor": "vendor",
    "saleorderlist": "saleorder",
}
REQUIRED = {
    "customer": ("code", "name", "sort_code"),
    "customercontacts": ("code", "name"),
    "inventory": ("code", "name", "sort_code"),
    "vendor": ("code", "name"),
    "saleorder": ("businesstype", "typecode", "custcode", "deptcode", "entry"),
}
CLASSES = {"01", "02"}
HEAD_ONLY = {"entry"}


class Refusal(Exception):
    def __init__(self, message: str, code: str = "3000") -> None:
        super().__init__(message)
        self.code = code


class FakeU8(FakeSystem):
    def __init__(self, clock: Any = None) -> None:
        super().__init__(clock)
        self.tables: dict[str, dict[str, dict[str, Any]]] = {n: {} for n in REQUIRED}
        self.tokens = 0
        self.offline = False
        self.pending = 0
        self.on_page: Callable[[], None] = lambda: None
        self._versions = itertools.count(5_000_001)
        self._codes = itertools.count(1)
        self._token: tuple[str, Any] = ("", None)
        self._said: deque[tuple[str, str]] = deque()
        self._done: dict[str, dict[str, Any]] = {}
        self._results: dict[str, list[Any]] = {}

    # --------------------------------------------------------------- what a test can do

    def put(self, resource: str, /, **values: Any) -> dict[str, Any]:
        return self._store(resource, values)

    def record(self, resource: str, code: str, /) -> dict[str, Any]:
        return self.tables[resource][code]

    def end_tokens(self) -> None:
        self._token = ("", None)

    def say(self, code: str, message: str) -> None:
        self._said.append((code, message))

    def acts(self, call: Call) -> bool:
        return call.path.endswith(("/add", "/edit"))

    # --------------------------------------------------------------------------- calls

    def answer(self, call: Call) -> Any:
        try:
            if call.path == "/system/token":
                return self._sign_in(call.query)
            if call.path == "/result":  # the address that an accepted write gives
                return self._result(call.query["requestid"])
            self._signed_in(call.query)
            if self.offline:
                raise Refusal("用友开放平台客户端不在线", "4001")
            if self._said:
                code, message = self._said.popleft()
                raise Refusal(message, code)
            return Answer(200, self._route(call), {"Content-Type": "text/html; charset=utf-8"})
        except Refusal as e:
            return {"errcode": e.code, "errmsg": str(e)}

    def _sign_in(self, query: dict[str, str]) -> Any:
        self.tokens += 1
        if query.get("from_account") != CALLER or query.get("app_key") != APP_KEY:
            raise Refusal("from_account 或 app_key 错误", "1001")
        if query.get("app_secret") != SECRET:
            raise Refusal("app_secret 错误", "1002")
        self._token = (f"token{self.tokens:08d}", self.clock.now())
        token = {"appKey": APP_KEY, "expiresIn": 7200, "id": self._token[0]}
        return {"errcode": "0", "errmsg": "", "token": token}

    def _signed_in(self, query: dict[str, str]) -> None:
        token, since = self._token
        if not token or query.get("token") != token or self.clock.now() - since > LIFE:
            raise Refusal("token 无效或已过期", "1010")
        if query.get("to_account") != PROVIDER or query.get("ds_sequence") != "1":
            raise Refusal("to_account 无权限", "1011")

    def _route(self, call: Call) -> Any:
        _, api, resource, verb = call.path.split("/")
        if api != "api" or (resource not in NAMES and resource not in self.tables):
            raise Refusal("资源不存在", "2001")
        if verb == "batch_get":
            if resource not in NAMES:
                raise Refusal("资源不存在", "2001")
            return self._list(resource, call.query)
        if resource not in self.tables:
            raise Refusal("资源不存在", "2001")
        if verb == "get":
            found = self.tables[resource].get(call.query.get("id", ""))
            if found is None:
                raise Refusal("未检索到匹配的[数据]。", "20002")
            return {"errcode": "0", "errmsg": "", resource: _shown(found)}
        body = plain(call.json).get(resource)
        if not isinstance(body, dict):
            raise Refusal("请求数据格式错误", "2002")
        if verb == "edit" and resource != "saleorder":
            return self._edit(resource, body)
        if verb == "add":
            return self._add(resource, body, call.query)
        raise Refusal("不支持的操作", "2003")

    # --------------------------------------------------------------------------- reading

    def _list(self, name: str, query: dict[str, str]) -> Any:
        self.on_page()
        rows = [r for r in self.tables[NAMES[name]].values() if _passes(NAMES[name], r, query)]
        rows.reverse()  # no order was promised
        size, page = int(query.get("rows_per_page", 20)), int(query.get("page_index", 1))
        part = rows[(page - 1) * size : page * size]
        if not part:
            raise Refusal("未检索到匹配的[数据]。", "20002")
        return {
            "page_index": str(page),
            "rows_per_page": str(size),
            "row_count": str(len(rows)),
            "page_count": str(-(-len(rows) // size)),
            "errcode": "0",
            "errmsg": "",
            name: [{k: v for k, v in _shown(r).items() if k not in HEAD_ONLY} for r in part],
        }

    # --------------------------------------------------------------------------- writing

    def _add(self, resource: str, body: dict[str, Any], query: dict[str, str]) -> Any:
        keys = [query[k] for k in ("tradeid", "biz_id") if query.get(k)]
        if len(keys) != 1:
            raise Refusal("tradeid 与 biz_id 必须且只能传一个", "2004")
        if keys[0] not in self._done:
            try:
                row = self._new(resource, body)
                outcome = {"errcode": "0", "errmsg": "", "id": row["code"], "tradeid": keys[0]}
            except Refusal as e:
                outcome = {"errcode": e.code, "errmsg": str(e)}
            else:
                self._done[keys[0]] = outcome
        else:
            outcome = self._done[keys[0]]
        if query.get("sync") == "1":
            return outcome
        request = f"r{len(self._results)}"
        self._results[request] = [self.pending, outcome]
        url = f"{self.url}/result?requestid={request}"
        return {"errcode": "0", "errmsg": "", "url": url}

    def _result(self, request: str) -> Any:
        waiting, outcome = self._results[request]
        if waiting:
            self._results[request][0] -= 1
            return {"errcode": "3999", "errmsg": "请求正在处理中，请稍后查询"}
        return outcome

    def _new(self, resource: str, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("code") in self.tables[resource]:
            raise Refusal(f"编码 {body['code']} 已存在，数据重复")
        self._check(resource, body)
        self.writes += 1
        return self._store(resource, body)

    def _edit(self, resource: str, body: dict[str, Any]) -> Any:
        """A whole record: what is not said is gone."""
        old = self.tables[resource].get(str(body.get("code")))
        if old is None:
            raise Refusal(f"编码 {body.get('code')} 不存在")
        self._check(resource, body)
        kept = {k: old[k] for k in ("seed_date", "start_date") if k in old}
        del self.tables[resource][old["code"]]
        self._store(resource, {**kept, **body, "ModifyDate": self._today()})
        self.writes += 1
        return {"errcode": "0", "errmsg": "", "id": body["code"]}

    def _check(self, resource: str, body: dict[str, Any]) -> None:
        for name in REQUIRED[resource]:
            if body.get(name) in (None, "", []) and not (
                resource == "saleorder" and name == "code"
            ):
                raise Refusal(f"{name} 不能为空")
        if "sort_code" in body and body["sort_code"] not in CLASSES:
            raise Refusal(f"分类 {body['sort_code']} 不存在")
        if resource == "saleorder":
            if body["custcode"] not in self.tables["customer"]:
                raise Refusal(f"客户 {body['custcode']} 不存在")
            for line in body["entry"]:
                missing = [
                    n for n in ("inventorycode", "quantity", "bgift", "rowno") if n not in line
                ]
                if missing:
                    raise Refusal(f"表体 {missing[0]} 不能为空")
                if line["inventorycode"] not in self.tables["inventory"]:
                    raise Refusal(f"存货 {line['inventorycode']} 不存在")

    def _store(self, resource: str, values: dict[str, Any]) -> dict[str, Any]:
        code = str(values.get("code") or f"{next(self._codes):010d}")
        old = self.tables[resource].get(code, {})
        stamp = {"timestamp": next(self._versions)}
        if resource == "inventory":
            stamp |= {"start_date": old.get("start_date") or self._today()}
            if old:
                stamp |= {"ModifyDate": self._today()}
        record = {**old, **{k: _stored(v) for k, v in values.items()}, "code": code, **stamp}
        if resource == "saleorder":
            _price(record)
        self.tables[resource][code] = record
        return record

    def _today(self) -> str:
        return (self.clock.now() + timedelta(hours=8)).date().isoformat()


def _price(order: dict[str, Any]) -> None:
    """The gross price wins; all amounts follow from it."""
    order.setdefault("state", "开立")
    total = Decimal(0)
    for line in order.get("entry") or []:
        rate = 1 + Decimal(str(line.get("taxrate") or order.get("taxrate") or 13)) / 100
        gross = Decimal(str(line.get("taxunitprice") or 0))
        line["unitprice"] = round(gross / rate, 6)
        line["sum"] = round(gross * Decimal(str(line["quantity"])), 2)
        line["money"] = round(line["sum"] / rate, 2)
        total += line["sum"]
    order["sum"] = total


def _stored(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """Practically all values are texts; empty fields are left out."""
    out: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, list):
            out[key] = [_shown(e) for e in value]
        elif isinstance(value, float | Decimal):
            out[key] = f"{Decimal(str(value)):.6f}"
        elif value not in (None, ""):
            out[key] = str(value)
    return out


def _passes(resource: str, record: dict[str, Any], query: dict[str, str]) -> bool:
    """What is not known as a filter is ignored, as it is there: mind the case."""
    modified = {"customer": "ModifyDate_begin", "inventory": "modifydate_begin"}.get(resource)
    for name, wanted in query.items():
        if name == "timestamp_begin" and record["timestamp"] < int(wanted):
            return False
        if name == modified and str(record.get("ModifyDate") or "") < wanted:
            return False
        if name == "start_date_begin" and str(record.get("start_date") or "") < wanted:
            return False
        if name == "name" and wanted not in str(record.get("name") or ""):
            return False
        if name in ("custcode", "memo", "sort_code") and str(record.get(name) or "") != wanted:
            return False
    return True
