"""纷享销客 (Fxiaoke, ShareCRM) over its open API.

Source: the vendor's manual, its demos, and eight independent clients; one of them, fxiaoke-python, runs
        against our fake in CI.  Assumed: that a list may be ordered by time and id at once (a read
        whose order is another stops), the names of field types, and that a changed line moves the
        time of its order.
Time:   milliseconds since 1970.
Money:  text, digit by digit.
Limits: 100 records a page; 100 calls in 20 seconds for each kind of call; a daily quota that begins
        anew at midnight in China; ten token calls a minute.

Streams are objects by API name, custom ones end in `__c`.  An order brings its lines under
`SalesOrderProductObj`; they are written line by line, since what a whole list does to the old one is
not documented.

What is not possible: to write conditionally; to see rows that were invalidated and deleted between
two reads (pages name invalid ones as deleted, but the engine takes deletions from complete reads);
to receive events (`receive` reads them, but no address of the hub takes them yet).  A delete of the
hub is an invalidation (作废), which a person can take back.  With approval flows a change may wait
for a person (`trigger_approval`).  Creates repeat safely only with `key_column`, a unique custom
field that carries the hub's key.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.connector import (
    BadRow,
    Capabilities,
    Change,
    Choice,
    Column,
    Connector,
    Cursor,
    Delivery,
    Flag,
    Nested,
    Number,
    Page,
    Pushed,
    Row,
    Secret,
    SecretText,
    Settings,
    Stream,
    Text,
    Url,
    WriteResult,
    batches,
    keyset,
)
from hub.errors import ConfigError, NotFoundError, ProtocolError, RejectedError
from hub.http import RestClient
from hub.seams import SystemClock

from . import fields as values
from .answers import CHINA, classify
from .fields import STAMP, data_of, parse, row_of
from .pushing import answer, verified
from .signing import FxiaokeAuth

ROWS = 100
OBJECTS = ("AccountObj", "ContactObj", "ProductObj", "SalesOrderObj")
DETAILS = {"SalesOrderObj": ("SalesOrderProductObj", "order_id")}
INVALID = "invalid"
LOST = {"invalid", "delete"}

Record = dict[str, Any]


class FxiaokeSettings(Settings):
    url = Url(
        help="Host of your cloud: https://open.fxiaoke.com, https://open-hwcloud.fxiaoke.com …",
        load_default="https://open.fxiaoke.com",
    )
    auth = Choice(
        *("body", "header"),
        help="Where the token goes: body as all older clients do, header as the manual has it now.",
        load_default="body",
    )
    app_id = Text(help="Id of the application: FSAID_…")
    app_secret = Secret(help="The application's secret")
    permanent_code = Secret(help="The enterprise's permanent code for this application")
    user = Text(
        help="Who acts: FSUID_… of an employee, or with `auth: header` the CRM's employee id"
    )
    objects = Nested(
        help="Further objects: {LeadsObj: {}, something__c: {details: {line__c: master_field}}}",
        load_default=dict,
    )
    create = Nested(
        help="What a new record has besides what the mapping says: {OBJECT: {field: value}}",
        load_default=dict,
    )
    key_column = Text(
        help="API name of a unique custom text field, on every written object, that carries the "
        "hub's key: a create that is repeated is then found again.",
        load_default="",
    )
    trigger_workflow = Flag(help="Let workflows run on what the hub writes", load_default=False)
    trigger_approval = Flag(
        help="Let approvals begin on what the hub writes: it then waits for a person",
        load_default=False,
    )
    push_key = Secret(help="AES key of the event subscription", load_default=lambda: SecretText(""))
    calls_per_second = Number(help="Calls a second, 0: as fast as it goes", load_default=4)
    timeout = Number(help="Seconds that one call may take", load_default=60)


class Fxiaoke(Connector):
    name = "fxiaoke"
    settings = FxiaokeSettings

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        c = self.config
        self.zone: ZoneInfo = CHINA
        self.clock = SystemClock()
        self.details = {**DETAILS, **_details(c["objects"])}
        self.auth = FxiaokeAuth(
            c["app_id"],
            c["app_secret"],
            c["permanent_code"],
            user=c["user"],
            current=c["auth"] == "header",
        )
        self.capabilities = Capabilities(
            read_page=ROWS,
            write_batch=20,
            deletes=True,
            idempotent_writes=bool(c["key_column"]),
            settle=timedelta(seconds=10),
        )

    def open(self) -> None:
        self.http: RestClient = self.enter(
            RestClient(
                self.config["url"],
                auth=self.auth,
                classify=classify,
                timeout=timedelta(seconds=self.config["timeout"]),
                per_second=self.config["calls_per_second"],
            )
        )
        self._described: dict[str, dict[str, values.Field]] = {}

    def check(self) -> str:
        self._query("AccountObj", [], limit=1)
        c = self.config
        return f"Fxiaoke {c['url']}, enterprise {self.auth.enterprise}, acting as {c['user']}"

    # --------------------------------------------------------------------------------- calls

    def _data(self, verb: str, name: str, body: Mapping[str, Any], *, acts: bool) -> Any:
        family = "crm/custom" if name.endswith("__c") else "crm"
        return self.http.post(f"cgi/{family}/v2/data/{verb}", json=body, acts=acts).json()

    def _query(
        self,
        name: str,
        filters: Sequence[Mapping[str, Any]],
        *,
        limit: int = ROWS,
        timed: bool = False,
    ) -> list[Record]:
        """The first records; a page never begins but at the first, which has no bound."""
        order = [STAMP, "_id"] if timed else ["_id"]
        search = {
            "offset": 0,
            "limit": min(limit, ROWS),
            "filters": list(filters),
            "orders": [{"fieldName": n, "isAsc": True} for n in order],
        }
        asked = {
            "dataObjectApiName": name,
            "find_explicit_total_num": False,
            "search_query_info": search,
        }
        said = self._data("query", name, {"data": asked}, acts=False)
        match said:
            case {"data": {"dataList": [*found]}} if all(isinstance(f, dict) for f in found):
                return found
        raise ProtocolError("Fxiaoke {name}: no list of records in the answer", name=name)

    def _all(self, name: str, filters: Sequence[Mapping[str, Any]]) -> Iterator[Record]:
        def ask(_: Any, row_id: Any) -> list[Record]:
            behind = [] if row_id is None else [_is("_id", "GT", row_id)]
            return self._query(name, [*filters, *behind])

        for part in keyset(ask, lambda r: (None, _id(r, name)), None):
            yield from part

    # ------------------------------------------------------------------------------ discover

    def discover(self) -> Iterator[Stream]:
        for name in dict.fromkeys([*OBJECTS, *self.config["objects"]]):
            try:
                columns = {n: f.column for n, f in self._fields(name).items()}
            except NotFoundError:
                continue  # an edition without it, or no right to it
            if detail := self._detail(name):
                inner = {n: f.column for n, f in self._fields(detail[0]).items()}
                columns[detail[0]] = Column("rows", columns=inner)
            yield Stream(name, ("_id",), STAMP, columns=columns)

    def _fields(self, name: str) -> dict[str, values.Field]:
        if name not in self._described:
            body = {"apiName": name, "includeDetail": True}
            try:
                said = self.http.post("cgi/crm/v2/object/describe", json=body, acts=False).json()
            except RejectedError as e:
                raise NotFoundError(
                    "Fxiaoke has no object {name!r}, or does not show it: {cause}",
                    name=name,
                    cause=str(e),
                    hint="See `hub connections discover`; the user needs the right to see it.",
                ) from e
            self._described[name] = parse(said, name)
        return self._described[name]

    def _detail(self, name: str) -> tuple[str, str] | None:
        return self.details.get(name)

    # ---------------------------------------------------------------------------------- read

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        timed = bool(stream.cursor_column)
        where = [_wanted(n, v) for n, v in stream.where.items()]
        self._fields(stream.name)
        at, last = (cursor["at"], cursor["id"]) if cursor else (None, None)
        if timed and at is not None and stream.overlap:
            at, last = max(at - round(stream.overlap.total_seconds() * 1000), 0), None
        gone = list(self._gone(stream.name, at)) if timed and cursor else []
        size = self.capabilities.read_page

        def ask(moment: Any, row_id: Any) -> list[Record]:
            if row_id is None and last is not None:
                row_id = last  # the first question of a read that is continued
            if not timed:
                behind = [] if row_id is None else [_is("_id", "GT", row_id)]
                return self._query(stream.name, [*where, *behind], limit=size)
            return self._behind(stream.name, where, moment, row_id, size)

        def rank(record: Record) -> tuple[Any, Any]:
            return (_stamp(record, stream.name) if timed else at), _id(record, stream.name)

        for records in keyset(ask, rank, at):
            moment, row_id = rank(records[-1])
            alive = [r for r in records if r.get("life_status") != INVALID]
            rows = self._rows(stream.name, alive)
            yield Page(rows, {"at": moment, "id": row_id}, deleted=gone)
            gone = []
        if gone:
            yield Page([], {"at": at, "id": last or ""}, deleted=gone)

    def _behind(
        self, name: str, where: Sequence[Mapping[str, Any]], moment: Any, row_id: Any, size: int
    ) -> list[Record]:
        """First those of the same moment behind the id, then later ones: filters are joined by and."""
        if moment is None:
            return self._query(name, where, limit=size, timed=True)
        if row_id is None:
            return self._query(name, [*where, _is(STAMP, "GTE", moment)], limit=size, timed=True)
        same = [*where, _is(STAMP, "EQ", moment), _is("_id", "GT", row_id)]
        later = [*where, _is(STAMP, "GT", moment)]
        found = self._query(name, same, limit=size, timed=True)
        return found or self._query(name, later, limit=size, timed=True)

    def _gone(self, name: str, since: Any) -> Iterator[str]:
        """Ids that were invalidated since; ordinary queries do not give them."""
        filters = [_is("life_status", "EQ", INVALID), _is(STAMP, "GTE", since or 0)]
        try:
            yield from (_id(r, name) for r in self._all(name, filters))
        except RejectedError:
            return  # an object without a life cycle

    def _rows(self, name: str, records: Sequence[Record]) -> list[Row | BadRow]:
        detail = self._detail(name)
        lines = self._lines(detail, [_id(r, name) for r in records]) if detail else {}
        rows: list[Row | BadRow] = []
        for record in records:
            row = row_of(self._fields(name), record, self.zone, name)
            if detail and not isinstance(row, BadRow):
                row = {**row, detail[0]: lines.get(_id(record, name), [])}
            rows.append(row)
        return rows

    def _lines(self, detail: tuple[str, str], masters: Sequence[str]) -> dict[str, list[Row]]:
        name, column = detail
        found: dict[str, list[Row]] = {}
        for some in batches(masters, 20):
            for record in self._all(name, [_is(column, "IN", *some)]):
                line = row_of(self._fields(name), record, self.zone, name)
                if isinstance(line, BadRow):
                    raise ProtocolError(
                        "Fxiaoke {place}: a value that is no {kind}",
                        place=line.place,
                        **line.values,
                    )
                if line.get("life_status") != INVALID:
                    found.setdefault(str(line.get(column)), []).append(line)
        return found

    # --------------------------------------------------------------------------------- fetch

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        fields = self._fields(stream.name)
        ids = [k for k in keys if isinstance(k, str)]
        for some in batches(ids, ROWS):
            yield from self._found(stream.name, [_is("_id", "IN", *some)])
        for key in keys:
            if isinstance(key, str):
                continue
            unknown = [c for c in key if c not in fields]
            if unknown:
                raise ConfigError(
                    "Fxiaoke {name}: no field {column}", name=stream.name, column=unknown[0]
                )
            wanted = [_is(c, "EQ", values.encode(fields[c], v, self.zone)) for c, v in key.items()]
            for row in self._found(stream.name, wanted):
                if all(_same(row.get(c), v) for c, v in key.items()):
                    yield row

    def _found(self, name: str, filters: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
        alive = [r for r in self._all(name, filters) if r.get("life_status") != INVALID]
        for some in batches(alive, ROWS):
            yield from (r for r in self._rows(name, some) if not isinstance(r, BadRow))

    # --------------------------------------------------------------------------------- write

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        made = self._made(stream.name, [c.key for c in batch if c.op == "create"])
        there = self._there(stream.name, [c.remote_id for c in batch if c.op != "create"])
        for change in batch:
            if change.key in made:
                yield WriteResult.applied(change.key, remote_id=made[change.key])
            elif change.op != "create" and change.remote_id not in there:
                yield WriteResult.gone(change.key)
            else:
                try:
                    yield self._one(stream.name, change)
                except RejectedError as e:
                    code, said = e.values.get("code"), e.values.get("message")
                    yield WriteResult.rejected(
                        change.key, code=str(code or e.code), message=str(said or e)
                    )

    def _made(self, name: str, keys: Sequence[str]) -> dict[str, str]:
        column = self.config["key_column"]
        if not column or not keys:
            return {}
        found = self._all(name, [_is(column, "IN", *keys)])
        return {str(r.get(column)): _id(r, name) for r in found}

    def _there(self, name: str, ids: Sequence[str]) -> set[str]:
        if not ids:
            return set()
        found = self._all(name, [_is("_id", "IN", *ids)])
        return {_id(r, name) for r in found if r.get("life_status") != INVALID}

    def _one(self, name: str, change: Change) -> WriteResult:
        if change.op == "create":
            return WriteResult.applied(change.key, remote_id=self._create(name, change))
        if change.op == "delete":
            self._invalidate(name, change.remote_id)
        else:
            self._update(name, change)
        return WriteResult.applied(change.key, remote_id=change.remote_id)

    def _create(self, name: str, change: Change) -> str:
        fields, detail = self._fields(name), self._detail(name)
        data = {**self._new(name), **data_of(fields, change.values, self.zone)}
        if self.config["key_column"]:
            data[self.config["key_column"]] = change.key
        lines = []
        if detail:
            inner = self._fields(detail[0])
            given = change.values.get(detail[0]) or []
            lines = [{**self._new(detail[0]), **data_of(inner, e, self.zone)} for e in given]
        return self._send_new(name, data, {detail[0]: lines} if detail and lines else {})

    def _new(self, name: str) -> dict[str, Any]:
        owner = {} if self.config["auth"] == "header" else {"owner": [self.config["user"]]}
        return {"record_type": "default__c", **owner, **self.config["create"].get(name, {})}

    def _send_new(self, name: str, data: Record, details: Mapping[str, Any]) -> str:
        body = {
            **self._flags,
            "data": {
                "object_data": {"dataObjectApiName": name, **data},
                "details": dict(details),
                "optionInfo": {"isDuplicateSearch": True, "useValidationRule": True},
            },
        }
        match self._data("create", name, body, acts=True):
            case {"dataId": str(row_id)} if row_id:
                return row_id
        raise ProtocolError(
            "Fxiaoke {name}: no id of the new record", name=name, may_have_acted=True
        )

    @property
    def _flags(self) -> dict[str, bool]:
        c = self.config
        return {
            "triggerWorkFlow": c["trigger_workflow"],
            "triggerApprovalFlow": c["trigger_approval"],
        }

    def _update(self, name: str, change: Change) -> None:
        data = data_of(self._fields(name), change.values, self.zone)
        if data:
            self._send(name, change.remote_id, data)
        detail = self._detail(name)
        if detail and detail[0] in change.values:
            self._update_lines(detail, change.remote_id, change.values[detail[0]] or [])

    def _send(self, name: str, row_id: str, data: Record) -> None:
        record = {"dataObjectApiName": name, "_id": row_id, **data}
        body = {**self._flags, "data": {"object_data": record}}
        self._data("update", name, body, acts=True)

    def _update_lines(
        self, detail: tuple[str, str], master: str, lines: Sequence[Mapping[str, Any]]
    ) -> None:
        """New lines are created, changed ones updated, missing ones invalidated and deleted."""
        name, column = detail
        fields = self._fields(name)
        old = {str(e["_id"]): e for e in self._lines(detail, [master]).get(master, [])}
        for line in lines:
            known = old.pop(str(line.get("_id")), None)
            data = data_of(fields, line, self.zone)
            if known is None:
                self._send_new(name, {**self._new(name), **data, column: master}, {})
                continue
            before = data_of(fields, known, self.zone)
            changed = {k: v for k, v in data.items() if v != before.get(k)}
            if changed:
                self._send(name, str(known["_id"]), changed)
        for row_id in old:
            self._invalidate(name, row_id)
            self._data(
                "delete", name, {"data": {"dataObjectApiName": name, "idList": [row_id]}}, acts=True
            )

    def _invalidate(self, name: str, row_id: str) -> None:
        data = {"dataObjectApiName": name, "object_data_id": row_id}
        self._data("invalid", name, {"data": data}, acts=True)

    # ---------------------------------------------------------------------------------- push

    def receive(self, delivery: Delivery) -> Iterator[Pushed]:
        event = verified(delivery, self.config["push_key"].reveal(), self.clock.now())
        match event:
            case {"apiName": str(name), "dataId": str(row_id), **rest}:
                key = str(rest.get("messageId") or "")
                at = values.decode(values.Field("", "date_time"), rest.get("timestamp"), self.zone)
                if rest.get("eventType") in LOST:
                    yield Pushed(name, key, deleted=[row_id], at=at)
                else:  # whatever it was: the record will be fetched
                    yield Pushed(name, key, changed=[row_id], at=at)

    def acknowledge(self, delivery: Delivery) -> bytes:
        nonce = str(secrets.randbelow(10**9))
        return answer(self.config["push_key"].reveal(), self.clock.now(), nonce)


def _details(objects: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    found = {}
    for name, said in objects.items():
        if not said:
            continue
        match said:
            case {"details": {**details}} if len(said) == 1 and len(details) == 1:
                ((line, column),) = details.items()
                found[name] = (str(line), str(column))
            case _:
                raise ConfigError(
                    "fxiaoke: setting 'objects': {name} has nothing but `details`",
                    name=name,
                    hint="One object of lines, and its field that names the master.",
                )
    return found


def _is(name: str, operator: str, *wanted: Any) -> dict[str, Any]:
    return {"field_name": name, "operator": operator, "field_values": list(wanted)}


def _wanted(name: str, value: Any) -> dict[str, Any]:
    return _is(name, "IN", *value) if isinstance(value, list) else _is(name, "EQ", value)


def _id(record: Record, name: str) -> str:
    found = record.get("_id")
    if not isinstance(found, str) or not found:
        raise ProtocolError("Fxiaoke {place}: a record without an id", place=name)
    return found


def _stamp(record: Record, name: str) -> int:
    try:
        return int(str(record.get(STAMP)))
    except ValueError as e:
        raise ProtocolError("Fxiaoke {name}: a record without a time", name=name) from e


def _same(stored: Any, wanted: Any) -> bool:
    return bool(stored == wanted) or str(stored) == str(wanted)
