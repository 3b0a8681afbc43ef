"""A Kingdee Cloud Galaxy in memory, over HTTP, as `apis/kingdee-k3cloud.md` of our notes describes it.

with FakeKingdee() as erp:
    pk = erp.put("BD_Customer", FNumber="C1", FName="Ada")     # as one of its users would
    erp.row("BD_Customer", "C1")["FName"]
    erp.end_sessions()                   # in the middle of whatever is going on
    erp.say(14)                          # the next call fails with this MsgCode
    erp.cap = 3                          # rows of a query, whatever was asked for
    erp.disorder = True                  # results of a batch come in any order
    erp.forget.add(1)                    # the answer to a batch says nothing of this row
"""

import base64
import hashlib
import hmac
import itertools
import json
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qs, quote
from zoneinfo import ZoneInfo

from tests.connectors.fakes import Answer, Call, FakeSystem, plain
from tests.connectors.sqlfilter import FilterError, compile_filter

ACCOUNT, USER, PASSWORD = "0123456789abcd", "apiuser", "pass-word-secret"
APP_ID, SECRET = "123456_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "not-a-real-secret"
ZONE = ZoneInfo("Asia/Shanghai")
IDLE = timedelta(minutes=20)
QUERIES = {"executebillquery", "billquery"}
CODES = {
    "ORG_Organizations": {"100", "101"},
    "BD_Currency": {"PRE001", "PRE002", "PRE007"},
    "BD_Unit": {"Pcs", "kg"},
    "": {"A", "B", "CN", "XSDD01_SYS", "KHFL001", "SLXT01", "SH", "01"},
    "BD_Saler": {"S1"},
    "BD_Department": {"D1"},
    "BD_RecCondition": {"SKTJ01"},
}


@dataclass
class Schema:
    """`head`, `parts`, `lists`: key → kind (t text, n number, b boolean, d date, m moment, r:target)."""

    pk: str
    number: str
    org: str
    head: dict[str, str]
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    lists: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    required: tuple[str, ...] = ("FName",)
    prefix: str = "N"

    @property
    def heads(self) -> dict[str, str]:
        return {**self.head, **{k: v for ks in self.parts.values() for k, v in ks.items()}}


def _head(texts: str, **kinds: str) -> dict[str, str]:
    stamps = {"FDocumentStatus": "t", "FCreateDate": "m", "FModifyDate": "m", "FForbidStatus": "t"}
    return {**dict.fromkeys(texts.split(), "t"), **kinds, **stamps}


ORGS = {"FCreateOrgId": "r:ORG_Organizations", "FUseOrgId": "r:ORG_Organizations"}


def schemas() -> dict[str, Schema]:
    return {
        "BD_Customer": Schema(
            "FCUSTID",
            "FNumber",
            "FUseOrgId",
            _head(
                "FNumber FName FShortName FADDRESS FZIP FTEL FFAX FWEBSITE FTAXREGISTERCODE "
                "FINVOICETITLE FInvoiceType F_PAEZ_HubKey",
                **ORGS,
                FCOUNTRY="r:",
                FPROVINCIAL="r:",
                FGroup="r:",
                FCustTypeId="r:",
                FTRADINGCURRID="r:BD_Currency",
                FSELLER="r:BD_Saler",
                FSALDEPTID="r:BD_Department",
                FRECCONDITIONID="r:BD_RecCondition",
                FSETTLETYPEID="r:",
                F_PAEZ_Level="r:",
                F_PAEZ_Limit="n",
            ),
            lists={
                "FT_BD_CUSTCONTACT": (
                    "FENTRYID",
                    dict.fromkeys(("FNUMBER1", "FNAME1", "FADDRESS1", "FMOBILE"), "t"),
                )
            },
            prefix="CUST",
        ),
        "BD_CommonContact": Schema(
            "FCONTACTID",
            "FNumber",
            "",
            _head("FNumber FName FMobile FTel FEmail", FCompany="r:BD_Customer"),
            prefix="CXR",
        ),
        "BD_MATERIAL": Schema(
            "FMATERIALID",
            "FNumber",
            "FUseOrgId",
            _head(
                "FNumber FName FSpecification FDescription FOldNumber", **ORGS, FMaterialGroup="r:"
            ),
            parts={
                "SubHeadEntity": {
                    **dict.fromkeys(("FErpClsID", "FBARCODE"), "t"),
                    "FBaseUnitId": "r:BD_Unit",
                    "FCategoryID": "r:",
                    **dict.fromkeys(("FIsSale", "FIsPurchase", "FIsInventory"), "b"),
                },
                "SubHeadEntity2": {"FSaleUnitId": "r:BD_Unit"},
            },
            prefix="MAT",
        ),
        "BD_Supplier": Schema(
            "FSupplierId", "FNumber", "FUseOrgId", _head("FNumber FName FShortName", **ORGS),
            prefix="VEN",
        ),
        "SAL_SaleOrder": Schema(
            "FID",
            "FBillNo",
            "FSaleOrgId",
            _head(
                "FBillNo FNote FCloseStatus FCancelStatus",
                FBillTypeID="r:",
                FSaleOrgId="r:ORG_Organizations",
                FDate="d",
                FCustId="r:BD_Customer",
                FSalerId="r:BD_Saler",
                FReceiveId="r:BD_Customer",
                FBillAllAmount="n",
                FApproveDate="m",
            ),
            parts={
                "FSaleOrderFinance": {"FSettleCurrId": "r:BD_Currency", "FIsIncludedTax": "b"}
            },
            lists={
                "FSaleOrderEntry": (
                    "FEntryID",
                    {
                        "FMaterialId": "r:BD_MATERIAL",
                        "FUnitID": "r:BD_Unit",
                        **dict.fromkeys(
                            ["FQty", "FEntryTaxRate", "FTaxPrice", "FPrice", "FDiscountRate"], "n"
                        ),
                        **dict.fromkeys(["FAmount", "FAllAmount", "FStockOutQty"], "n"),
                        "FDeliveryDate": "d",
                        "FEntryNote": "t",
                        "FIsFree": "b",
                        "FMrpCloseStatus": "t",
                    },
                )
            },
            required=("FCustId", "FDate"),
            prefix="XSDD",
        ),
    }  # fmt: skip


class Refusal(Exception):
    def __init__(self, message: str, code: int = 11, column: str | None = None) -> None:
        super().__init__(message)
        self.code, self.column = code, column


class FakeKingdee(FakeSystem):
    def __init__(self, clock: Any = None, *, org: str = "100") -> None:
        super().__init__(clock)
        self.schemas = schemas()
        self.tables: dict[str, dict[int, dict[str, Any]]] = {n: {} for n in self.schemas}
        self.org, self.cap = org, 2000
        self.disorder = False
        self.forget: set[int] = set()
        self.logins = 0
        self._ids = itertools.count(100001)
        self._codes: deque[int] = deque()
        self._sessions: dict[str, Any] = {}
        self._tasks: dict[str, tuple[int, Any]] = {}
        self._bills = itertools.count(1)

    # --------------------------------------------------------------- what a test can do

    def put(self, form: str, **values: Any) -> int:
        """Create a row, or change the one with this number, as a user would."""
        schema = self.schemas[form]
        lists = {k: values.pop(k) for k in list(values) if k in schema.lists}
        flat = {
            k: ({"FNumber": v} if schema.heads.get(k, "").startswith("r") else v)
            for k, v in values.items()
        }
        org = str(values.get(schema.org) or self.org)
        old = self.find(form, str(values.get(schema.number, "")), org)
        if old is None and schema.org:
            flat.setdefault(schema.org, {"FNumber": self.org})
        row = self._store(form, old, flat)
        for name, entries in lists.items():
            self._entries(form, row, name, entries, whole=True)
        self._computed(form, row)
        return int(row[schema.pk])

    def find(self, form: str, number: str, org: str = "") -> dict[str, Any] | None:
        schema, there = self.schemas[form], {"FNumber": org or self.org}
        found = (r for r in self.tables[form].values() if r.get(schema.number) == number)
        return next((r for r in found if r.get(schema.org, there) == there), None)

    def row(self, form: str, number: str) -> dict[str, Any]:
        found = self.find(form, number)
        assert found is not None, f"{form} has no {number}"
        return found

    def remove(self, form: str, number: str) -> None:
        del self.tables[form][self.row(form, number)[self.schemas[form].pk]]

    def end_sessions(self) -> None:
        self._sessions.clear()

    def say(self, code: int) -> None:
        self._codes.append(code)

    def acts(self, call: Call) -> bool:
        return call.path.lower().endswith(("save.common.kdsvc", "delete.common.kdsvc"))

    # --------------------------------------------------------------------------- calls

    def answer(self, call: Call) -> Any:
        path = call.path.lower()
        if not path.startswith("/k3cloud/") or not path.endswith(".common.kdsvc"):
            return Answer(404, b"<html>404</html>", {"Content-Type": "text/html"})
        service, _, method = path.removesuffix(".common.kdsvc").rpartition(".")
        if service.endswith("authservice"):
            return self._login(method, call)
        if method == "getdatacenterlist":
            return [{"Id": ACCOUNT, "Number": "1", "Name": "测试账套"}]
        if "x-api-signature" in call.headers:
            if not self._signed(call):
                return _login(0, "签名错误", "002005000003016")
        elif not self._session(call.headers):
            return self._wrapped(method, _status(1, [("会话信息已丢失，请重新登录", None, 0)]))
        if self._codes:
            code = self._codes.popleft()
            return self._wrapped(method, _status(code, [(f"told to say {code}", None, 0)]))
        form, body, top = self._body(call)
        try:
            return self._route(method, form, body, top)
        except (Refusal, FilterError) as e:
            said = _status(getattr(e, "code", 4), [(str(e), getattr(e, "column", None), 0)])
            return self._wrapped(method, said)

    def _wrapped(self, method: str, status: dict[str, Any]) -> Any:
        said = {"Result": {"ResponseStatus": status}}
        return [[said, None]] if method == "executebillquery" else said

    def _body(self, call: Call) -> tuple[str, Any, dict[str, Any]]:
        """Form, `data` and the top level, of any of the six spellings."""
        if "form-urlencoded" in call.headers.get("content-type", ""):
            top: dict[str, Any] = {k: v[0] for k, v in parse_qs(call.raw.decode()).items()}
        else:
            top = plain(call.json)
        if "parameters" in top:
            given = top["parameters"]
            given = json.loads(given) if isinstance(given, str) else given
            top = {"formid": given[0] if len(given) > 1 else "", "data": given[-1]}
        data = top.get("data", {})
        data = json.loads(data) if isinstance(data, str) and data else data or {}
        names = ("formid", "formId", "FormId")
        form = next((o[n] for o in (top, data) for n in names if o.get(n)), "")
        return form, data, top

    def _route(self, method: str, form: str, body: Any, top: dict[str, Any]) -> Any:
        if method == "queryasyncresult":
            return self._task(json.loads(top["queryInfo"])["TaskId"])
        if form not in self.schemas:
            raise Refusal(f"业务对象 {form} 不存在", 5)
        match method:
            case "executebillquery":
                return self._query(form, body)
            case "billquery":
                keys = body["FieldKeys"].split(",")
                return [dict(zip(keys, row, strict=True)) for row in self._query(form, body)]
            case "querybusinessinfo":
                return self._info(form)
            case "view":
                return self._view(form, body)
            case "save":
                return self._saved(form, [body["Model"]], body, single=True)
            case "batchsave":
                return self._batch(form, body, top)
            case "submit" | "audit" | "unaudit" | "delete":
                return self._moved(form, body, method)
            case "excuteoperation" | "executeoperation":
                return self._moved(form, body, str(top.get("opNumber", "")).lower())
        raise Refusal(f"没有服务 {method}", 3)

    # ------------------------------------------------------------------------- sign-in

    def _login(self, method: str, call: Call) -> Any:
        self.logins += 1
        given = plain(call.json).get("parameters", [])
        account, user, *rest = given
        match method:
            case "validateuser":
                good = rest[:1] == [PASSWORD]
            case "loginbyappsecret":
                good = rest[:2] == [APP_ID, SECRET]
            case _:
                app, stamp, sign = rest[:3]
                text = "".join(sorted([account, user, app, SECRET, str(stamp)]))
                good = app == APP_ID and sign == hashlib.sha256(text.encode()).hexdigest()
        if not good or (account, user) != (ACCOUNT, USER):
            return _login(0, "用户名或密码错误", "")
        session = f"session-{self.logins:08d}"
        self._sessions[session] = self.clock.now()
        cookies = f"kdservice-sessionid={session}; path=/\nASP.NET_SessionId=x{session}; path=/"
        return Answer(200, _login(1, None, None, session), {"Set-Cookie": cookies})

    def _session(self, headers: Any) -> bool:
        session = headers.get("kdservice-sessionid", "")
        used = self._sessions.get(session)
        if used is None or self.clock.now() - used > IDLE:
            self._sessions.pop(session, None)
            return False
        self._sessions[session] = self.clock.now()
        return True

    def _signed(self, call: Call) -> bool:
        h = call.headers
        hidden = base64.b64decode(APP_ID.split("_")[1])
        mask = b"0054f397c6234378b09ca7d3e5debce7"
        client = base64.b64encode(bytes(a ^ b for a, b in zip(hidden, mask, strict=False)))
        text = (
            f"POST\n{quote(call.path, safe='')}\n\nx-api-nonce:{h['x-api-nonce']}\n"
            f"x-api-timestamp:{h['x-api-timestamp']}\n"
        )
        app = base64.b64decode(h["x-kd-appdata"]).decode()
        good = app.split(",")[:2] == [ACCOUNT, USER] and h["x-kd-appkey"] == APP_ID
        return (
            good
            and h["x-api-signature"] == _hmac(client, text)
            and h["x-kd-signature"] == _hmac(SECRET.encode(), APP_ID + app)
        )

    # ------------------------------------------------------------------------- reading

    def _query(self, form: str, body: dict[str, Any]) -> list[list[Any]]:
        schema = self.schemas[form]
        keys = [k.strip() for k in str(body["FieldKeys"]).split(",")]
        for key in keys:
            self._kind(schema, key)
        condition = _text(body.get("FilterString"))
        test = compile_filter(condition) if condition else lambda get: True
        entity = next((n for n in schema.lists if any(self._in(schema, n, k) for k in keys)), "")
        found = []
        for row in self.tables[form].values():
            entries = row.get(entity) or [{}] if entity else [{}]
            for seq, entry in enumerate(entries, 1):
                get = self._getter(schema, row, entity, entry, seq if entry else None)
                if test(get):
                    found.append((get, [get(k) for k in keys]))
        found.reverse()  # no order was promised
        for part in reversed([o for o in str(body.get("OrderString", "")).split(",") if o.strip()]):
            key, _, way = part.strip().partition(" ")
            found.sort(key=lambda f: _rank(f[0](key)), reverse=way.strip().upper() == "DESC")
        start = int(body.get("StartRow") or 0)
        size = min(int(body.get("Limit") or self.cap) or self.cap, self.cap)
        kinds = [self._kind(schema, k) for k in keys]
        return [
            [_shown(kind, v) for kind, v in zip(kinds, values, strict=True)]
            for _, values in found[start : start + size]
        ]

    def _in(self, schema: Schema, entity: str, key: str) -> bool:
        child, kinds = schema.lists[entity]
        own = {f"{entity}_{child}".lower(), f"{entity}_fseq".lower(), *(k.lower() for k in kinds)}
        return key.split(".", maxsplit=1)[0].lower() in own

    def _kind(self, schema: Schema, key: str) -> str:
        base, _, inner = key.partition(".")
        known = {k.lower(): v for k, v in schema.heads.items()} | {schema.pk.lower(): "id"}
        for name, (child, kinds) in schema.lists.items():
            known |= {f"{name}_{child}".lower(): "id", f"{name}_fseq".lower(): "id"}
            known |= {k.lower(): v for k, v in kinds.items()}
        if base.lower() not in known or (inner and not known[base.lower()].startswith("r")):
            raise Refusal(f"元数据中标识为{base}的字段不存在", 9)
        return "t" if inner else known[base.lower()]

    def _getter(self, schema: Schema, row: Any, entity: str, entry: Any, seq: int | None) -> Any:
        lower = {k.lower(): v for k, v in row.items()} | {k.lower(): v for k, v in entry.items()}
        if entity:
            child = schema.lists[entity][0]
            lower[f"{entity}_{child}".lower()] = entry.get(child, 0)
            lower[f"{entity}_fseq".lower()] = seq

        def get(key: str) -> Any:
            self._kind(schema, key)
            base, _, inner = key.partition(".")
            value = lower.get(base.lower())
            if isinstance(value, dict):
                return value.get("FNumber") if inner.lower() == "fnumber" else 1
            return value

        return get

    def _info(self, form: str) -> Any:
        schema = self.schemas[form]

        def fields(kinds: dict[str, str]) -> list[dict[str, Any]]:
            return [
                {
                    "Key": key,
                    "Name": [{"Key": 1033, "Value": key}, {"Key": 2052, "Value": f"字段{key}"}],
                    "FieldType": 167,
                    "ElementType": 1,
                    "MustInput": int(key in schema.required),
                    "LookUpObjectFormId": kind[2:] or "BAS_X" if kind.startswith("r") else None,
                }
                for key, kind in kinds.items()
            ]

        entities = [("FBillHead", schema.head), *schema.parts.items()]
        entities += [(n, kinds) for n, (_, kinds) in schema.lists.items()]
        entries = [
            {"Key": n, "ParentKey": None, "Name": [], "Fields": fields(k)} for n, k in entities
        ]
        info = {"Id": form, "PkFieldName": schema.pk, "Entrys": entries, "Operations": []}
        return {"Result": {"ResponseStatus": _status(0, []), "NeedReturnData": info}}

    def _view(self, form: str, body: dict[str, Any]) -> Any:
        schema = self.schemas[form]
        for row in self.tables[form].values():
            if str(row[schema.pk]) == str(body.get("Id")) or row[schema.number] == body.get(
                "Number"
            ):
                name = [{"Key": 2052, "Value": row.get("FName")}]
                inner = {"Id": row[schema.pk], "Number": row[schema.number], "Name": name}
                status = {"DocumentStatus": row["FDocumentStatus"]}
                return {"Result": {"ResponseStatus": None, "Result": {**inner, **status}}}
        raise Refusal("数据不存在", 10)

    # ------------------------------------------------------------------------- writing

    def _batch(self, form: str, body: dict[str, Any], top: dict[str, Any]) -> Any:
        answer = self._saved(form, body["Model"], body)
        if "beginmethod" not in top:
            return answer
        task = f"task-{len(self._tasks)}"
        self._tasks[task] = (0, answer)
        return {"Status": 0, "TaskId": task, "Result": None}

    def _task(self, task: str) -> Any:
        asked, answer = self._tasks[task]
        self._tasks[task] = (asked + 1, answer)
        ready = asked >= 1
        return {"Status": 2 if ready else 1, "TaskId": task, "Result": answer if ready else None}

    def _saved(
        self, form: str, models: list[dict[str, Any]], body: dict[str, Any], *, single: bool = False
    ) -> Any:
        good, bad, rows = [], [], []
        for place, model in enumerate(models):
            try:
                row = self._save(form, model, body)
            except Refusal as e:
                bad.append((str(e), e.column, place))
                continue
            schema = self.schemas[form]
            rows.append(row)
            good.append({"Id": row[schema.pk], "Number": row[schema.number], "DIndex": place})
            self.writes += 1
        good = [g for g in good if g["DIndex"] not in self.forget]
        bad = [b for b in bad if b[2] not in self.forget]
        if self.disorder:
            good.reverse()
        status = _status(11 if bad else 0, bad, good)
        result = {"ResponseStatus": status, "NeedReturnData": [{}]}
        if single and good:
            result |= {"Id": good[0]["Id"], "Number": good[0]["Number"]}
        return {"Result": result}

    def _save(self, form: str, model: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        schema = self.schemas[form]
        only = {k.lower() for k in body.get("NeedUpDateFields") or []}
        flat = {k: v for k, v in model.items() if k not in schema.parts and k not in schema.lists}
        for part in schema.parts:
            flat |= model.get(part) or {}
        flat.pop("FSeq", None)
        pk = int(flat.pop(schema.pk, 0) or 0)
        old = self.tables[form].get(pk)
        if pk and old is None:
            raise Refusal(f"内码为{pk}的数据不存在", column=schema.pk)
        if old and old["FDocumentStatus"] in "BC":
            raise Refusal("数据已提交或已审核，不允许修改")
        if only:
            flat = {k: v for k, v in flat.items() if k.lower() in only}
        self._check(form, flat, old)
        row = self._store(form, old, flat)
        try:
            for name in schema.lists:
                if name in model and (not only or name.lower() in only):
                    whole = str(body.get("IsDeleteEntry", True)).lower() == "true"
                    self._entries(form, row, name, model[name] or [], whole=whole)
        except Refusal:
            if old is None:
                del self.tables[form][row[schema.pk]]
            raise
        self._computed(form, row)
        if str(body.get("IsAutoSubmitAndAudit", False)).lower() == "true":
            row["FDocumentStatus"] = "C"
        return row

    def _check(self, form: str, flat: dict[str, Any], old: dict[str, Any] | None) -> None:
        schema = self.schemas[form]
        for key in flat:
            if key not in schema.heads:
                raise Refusal(f"元数据中标识为{key}的字段不存在", 9, key)
        after = {**(old or {}), **flat}
        for key in schema.required:
            value = after.get(key)
            if not (value.get("FNumber") if isinstance(value, dict) else str(value or "").strip()):
                raise Refusal(f"字段“{key}”是必填项", column=key)
        number = str(flat.get(schema.number) or "").strip().casefold()
        org = after.get(schema.org) or {"FNumber": self.org}
        for row in self.tables[form].values():
            same = str(row[schema.number]).casefold() == number and row is not old
            if number and same and row.get(schema.org, org) == org:
                message = f"违反字段唯一性要求：编码唯一。[{flat[schema.number]}]已经被使用。"
                raise Refusal(message, column=schema.number)
        for key, value in flat.items():
            self._check_value(schema.heads[key], key, value)

    def _check_value(self, kind: str, key: str, value: Any) -> None:
        if kind.startswith("r"):
            if not isinstance(value, dict):
                raise Refusal(f"字段“{key}”的值不是基础资料", column=key)
            number = str(value.get("FNumber") or "")
            target = kind[2:]
            if target in self.tables:
                known = {str(r["FNumber"]) for r in self.tables[target].values()}
            else:
                known = CODES.get(target, set())
            if number and number.casefold() not in {k.casefold() for k in known}:
                raise Refusal(f"字段“{key}”的值{number}不存在", 9, key)
        elif kind == "n" and value not in (None, ""):
            try:
                Decimal(str(value))
            except InvalidOperation as e:
                raise Refusal(f"字段“{key}”不是数字", 8, key) from e

    def _store(self, form: str, old: Any, flat: dict[str, Any]) -> dict[str, Any]:
        schema, now = self.schemas[form], self._now()
        if old is None:
            old = {
                schema.pk: next(self._ids),
                **{k: _nothing(kind) for k, kind in schema.heads.items()},
                **{name: [] for name in schema.lists},
                "FDocumentStatus": "A",
                "FForbidStatus": "A",
                "FCreateDate": now,
            }
            if not str(flat.get(schema.number) or "").strip():
                flat[schema.number] = f"{schema.prefix}{next(self._bills):06d}"
            for key in ("FCloseStatus", "FCancelStatus"):
                if key in schema.head:
                    old[key] = "A"
            self.tables[form][old[schema.pk]] = old
        for key, value in flat.items():
            old[key] = _stored(schema.heads[key], value)
        old["FModifyDate"] = now
        return old  # type: ignore[no-any-return]

    def _entries(
        self, form: str, row: Any, name: str, given: list[dict[str, Any]], *, whole: bool
    ) -> None:
        child, kinds = self.schemas[form].lists[name]
        known = {e[child]: e for e in row[name]}
        after = []
        for entry in given:
            values = {k: v for k, v in entry.items() if k not in (child, "FSeq")}
            for key, value in values.items():
                if key not in kinds:
                    raise Refusal(f"元数据中标识为{key}的字段不存在", 9, key)
                self._check_value(kinds[key], key, value)
            old = known.get(int(entry.get(child) or 0))
            if old is None:
                old = {child: next(self._ids), **{k: _nothing(kind) for k, kind in kinds.items()}}
            after.append({**old, **{k: _stored(kinds[k], v) for k, v in values.items()}})
        kept = [] if whole else [e for e in row[name] if e[child] not in {a[child] for a in after}]
        row[name] = kept + after

    def _computed(self, form: str, row: dict[str, Any]) -> None:
        """The price with tax is the one that counts."""
        if form != "SAL_SaleOrder":
            return
        for line in row["FSaleOrderEntry"]:
            rate = 1 + Decimal(str(line["FEntryTaxRate"] or 0)) / 100
            price, qty = Decimal(str(line["FTaxPrice"] or 0)), Decimal(str(line["FQty"] or 0))
            line["FPrice"] = round(price / rate, 6)
            line["FAllAmount"] = round(price * qty, 2)
            line["FAmount"] = round(price * qty / rate, 2)
        row["FBillAllAmount"] = sum((e["FAllAmount"] for e in row["FSaleOrderEntry"]), Decimal(0))

    def _moved(self, form: str, body: dict[str, Any], verb: str) -> Any:
        schema = self.schemas[form]
        ids = {i for i in str(body.get("Ids") or "").split(",") if i}
        numbers = set(body.get("Numbers") or [])
        rows = [
            r
            for r in self.tables[form].values()
            if str(r[schema.pk]) in ids or r[schema.number] in numbers
        ]
        if not rows:
            raise Refusal("没有找到数据", 10)
        bad, good = [], []
        for place, row in enumerate(rows):
            try:
                self._move(form, row, verb)
            except Refusal as e:
                bad.append((str(e), e.column, place))
            else:
                good.append({"Id": row[schema.pk], "Number": row[schema.number], "DIndex": place})
                self.writes += verb == "delete"
        return {"Result": {"ResponseStatus": _status(11 if bad else 0, bad, good)}}

    def _move(self, form: str, row: dict[str, Any], verb: str) -> None:
        status = row["FDocumentStatus"]
        moves = {"submit": ("AD", "B"), "audit": ("B", "C"), "unaudit": ("C", "D")}
        if verb == "delete":
            if status in "BC":
                raise Refusal("已提交或已审核的数据不能删除")
            del self.tables[form][row[self.schemas[form].pk]]
            return
        if verb in ("forbid", "enable"):
            row["FForbidStatus"] = "B" if verb == "forbid" else "A"
        elif verb in moves:
            before, after = moves[verb]
            if status not in before:
                raise Refusal(f"状态{status}不允许{verb}")
            row["FDocumentStatus"] = after
        else:
            raise Refusal(f"操作{verb}不存在", 3)
        row["FModifyDate"] = self._now()

    def _now(self) -> str:
        return self.clock.now().astimezone(ZONE).replace(tzinfo=None).isoformat(timespec="seconds")


def _text(given: Any) -> str:
    """A FilterString as text: the array form said in words."""
    if not isinstance(given, list):
        return str(given or "")
    parts = []
    for n, c in enumerate(given):
        if c["Compare"] not in ("67", "="):
            raise FilterError(f"Compare {c['Compare']}")
        joint = "" if n == len(given) - 1 else (" or " if c["Logic"] in ("1", "OR") else " and ")
        value = str(c["Value"]).replace("'", "''")
        parts.append(f"{c['Left']}{c['FieldName']} = '{value}'{c['Right']}{joint}")
    return "".join(parts)


def _nothing(kind: str) -> Any:
    if kind.startswith("r"):
        return {"FNumber": None}
    return {"t": "", "n": Decimal(0), "b": False}.get(kind)


def _stored(kind: str, value: Any) -> Any:
    if kind.startswith("r"):
        return {"FNumber": (value or {}).get("FNumber") or None}
    match kind:
        case "t":
            return str("" if value is None else value).strip()
        case "n":
            return Decimal(str(value or 0))
        case "b":
            return str(value).lower() in ("true", "1")
        case "d":
            return f"{str(value)[:10]}T00:00:00" if value else None
    return value


def _shown(kind: str, value: Any) -> Any:
    if kind == "t":
        return " " if value in (None, "") else value  # an empty text is a blank there
    return value


def _rank(value: Any) -> Any:
    return (value is not None, value if isinstance(value, int | Decimal) else str(value))


def _status(code: int, bad: list[Any], good: list[Any] | None = None) -> dict[str, Any]:
    errors = [{"FieldName": c, "Message": m, "DIndex": i} for m, c, i in bad]
    return {
        "ErrorCode": 500 if code else 0,
        "IsSuccess": not code,
        "Errors": errors,
        "SuccessEntitys": good or [],
        "SuccessMessages": [],
        "MsgCode": code,
    }


def _login(kind: int, message: Any, code: Any, session: str | None = None) -> dict[str, Any]:
    context = {"SessionId": session, "UserId": 1, "UserName": USER, "DBid": ACCOUNT}
    return {
        "Message": message,
        "MessageCode": code,
        "LoginResultType": kind,
        "Context": context if session else None,
        "KDSVCSessionId": session,
        "IsSuccessByAPI": kind == 1,
    }


def _hmac(key: bytes, text: str) -> str:
    digest = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return base64.b64encode(digest.encode()).decode()
