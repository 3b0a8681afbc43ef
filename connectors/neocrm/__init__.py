"""销售易 (Neocrm, Xiaoshouyi) over its OpenAPI v2.0.

Source: the vendor's front-end library and about ten independent integrations; the official manual was
        not at hand.  Assumed from one of them only: the code 1020025 of the call limit, that locked
        records refuse updates.  Assumed outright: that XOQL orders by `updatedAt, id` (a read whose
        order is another stops), the names of field types, the keys of `orderProduct` (orderId,
        productId, quantity, unitPrice …): see `hub connections discover`.
Time:   milliseconds since 1970.
Money:  JSON numbers, read digit by digit.
Limits: calls a second for each user (the number is not documented, code 1020025); XOQL pages of 100
        here, 3000 there.

Streams are objects by API key, custom ones end in `__c`.  An order brings its lines under
`orderProduct`; they are written line by line, after the order.  Pick lists are numbers as text.

What is not possible: to see deletions (only complete reads tell); to write conditionally; to be told
of changes (no push contract is public).  A line that changes may not move the time of its order.
Creates repeat safely only with `key_column`, a unique custom text field that carries the hub's key;
records with lines, which take several calls, are created only with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.connector import (
    BadRow,
    Capabilities,
    Change,
    Column,
    Connector,
    Cursor,
    Nested,
    Number,
    Page,
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

from .answers import classify
from .fields import STAMP, Field, data_of, encode, id_of, parse, row_of
from .signing import PasswordAuth
from .xoql import among, behind, both, equal

ROWS = 100
IDS = 50  # ids named in one statement: its length is limited to about 1000 characters
OBJECTS = ("account", "contact", "product", "order")
DETAILS = {"order": ("orderProduct", "orderId")}
CHINA = ZoneInfo("Asia/Shanghai")
BEGUN = "~"
"""Behind the hub's key: the record's lines are not all there yet."""

Record = dict[str, Any]


class NeocrmSettings(Settings):
    token_url = Url(
        help="Where tokens are issued; other for sandboxes and older environments",
        load_default="https://login.xiaoshouyi.com/auc/oauth2/token",
    )
    url = Url(help="Host of the data; by default the one that the sign-in names", load_default=None)
    client_id = Text(help="Id of the connected application")
    client_secret = Secret(help="The application's secret")
    user = Text(help="A user of its own for the hub")
    password = Secret(help="That user's password")
    security_token = Secret(
        help="The eight characters that follow the password, from the user's settings",
        load_default=lambda: SecretText(""),
    )
    redirect_uri = Text(
        help="The address registered for the application", load_default="https://api.xiaoshouyi.com"
    )
    objects = Nested(
        help="Further objects: {lead: {}, something__c: {details: {line__c: master_field}}}",
        load_default=dict,
    )
    create = Nested(
        help="What a new record has besides what the mapping says, such as entityType, dimDepart "
        "and ownerId: {OBJECT: {field: value}}",
        load_default=dict,
    )
    key_column = Text(
        help="API key of a unique custom text field, on every written object, that carries the "
        "hub's key: a create that is repeated is then found again.",
        load_default="",
    )
    calls_per_second = Number(help="Calls a second, 0: as fast as it goes", load_default=5)
    timeout = Number(help="Seconds that one call may take", load_default=60)


class Neocrm(Connector):
    name = "neocrm"
    settings = NeocrmSettings

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        c = self.config
        self.details = {**DETAILS, **_details(c["objects"])}
        self.auth = PasswordAuth(
            c["token_url"],
            c["client_id"],
            c["client_secret"],
            user=c["user"],
            password=c["password"],
            security_token=c["security_token"],
            redirect=c["redirect_uri"],
        )
        self.capabilities = Capabilities(
            read_page=ROWS,
            write_batch=20,
            deletes=True,
            idempotent_writes=bool(c["key_column"]),
            settle=timedelta(seconds=10),
        )

    def open(self) -> None:
        self._client: RestClient | None = None
        self._described: dict[str, dict[str, Field]] = {}

    @property
    def http(self) -> RestClient:
        """Signed in, at the host that the sign-in named."""
        if self._client is None:
            url = self.config["url"]
            if not url:
                with self._made(self.config["token_url"]) as first:
                    self.auth.token(first)
                url = self.auth.instance
            if not url:
                raise ConfigError(
                    "neocrm: the sign-in names no host",
                    hint="Set `url` to the host of your environment: https://api.xiaoshouyi.com",
                )
            self._client = self.enter(self._made(url))
        return self._client

    def _made(self, url: str) -> RestClient:
        return RestClient(
            url,
            auth=self.auth,
            classify=classify,
            timeout=timedelta(seconds=self.config["timeout"]),
            per_second=self.config["calls_per_second"],
        )

    def check(self) -> str:
        self._query("account", ["id"], "", "id", 1)
        return f"Neocrm {self.http.base_url}, signed in as {self.config['user']}"

    # --------------------------------------------------------------------------------- calls

    def _query(
        self, name: str, columns: Sequence[str], where: str, order: str, size: int
    ) -> list[Record]:
        condition = f" where {where}" if where else ""
        text = f"select {', '.join(columns)} from {name}{condition} order by {order} limit 0,{size}"
        said = self.http.post("rest/data/v2.0/query/xoql", form={"xoql": text}, acts=False).json()
        match said:
            case {"data": {"records": [*found]}} if all(isinstance(f, dict) for f in found):
                return found
        raise ProtocolError("Neocrm {name}: no list of records in the answer", name=name)

    def _all(self, name: str, where: str) -> Iterator[Record]:
        columns = list(self._fields(name))

        def ask(_: Any, row_id: Any) -> list[Record]:
            after = "" if row_id is None else f"id > {row_id}"
            return self._query(name, columns, both(where, after), "id asc", ROWS)

        for part in keyset(ask, lambda r: (None, int(id_of(r, name))), None):
            yield from part

    # ------------------------------------------------------------------------------ discover

    def discover(self) -> Iterator[Stream]:
        for name in dict.fromkeys([*OBJECTS, *self.config["objects"]]):
            try:
                columns = {n: f.column for n, f in self._fields(name).items()}
                if detail := self.details.get(name):
                    inner = {n: f.column for n, f in self._fields(detail[0]).items()}
                    columns[detail[0]] = Column("rows", columns=inner)
            except NotFoundError:
                continue  # an edition without it, or no right to it
            yield Stream(name, ("id",), STAMP, columns=columns)

    def _fields(self, name: str) -> dict[str, Field]:
        if name not in self._described:
            if not name.isidentifier():  # it becomes part of a statement and of an address
                raise NotFoundError("Neocrm has no object {name!r}", name=name)
            try:
                said = self.http.get(f"rest/data/v2.0/xobjects/{name}/description").json()
            except RejectedError as e:
                raise NotFoundError(
                    "Neocrm has no object {name!r}, or does not show it: {cause}",
                    name=name,
                    cause=str(e),
                    hint="See `hub connections discover`; the user needs the right to see it.",
                ) from e
            found = parse(said, name)
            self._described[name] = {n: f for n, f in found.items() if n.isidentifier()}
        return self._described[name]

    # ---------------------------------------------------------------------------------- read

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        fields = self._fields(stream.name)
        timed = bool(stream.cursor_column)
        where = self._where(fields, stream.where)
        at, last = (cursor["at"], cursor["id"]) if cursor else (None, None)
        if timed and at is not None and stream.overlap:
            at, last = max(at - round(stream.overlap.total_seconds() * 1000), 0), None
        order = f"{STAMP} asc, id asc" if timed else "id asc"
        size = min(self.capabilities.read_page, ROWS)

        def ask(moment: Any, row_id: Any) -> list[Record]:
            row_id = last if row_id is None else row_id
            after = [both(where, c) for c in behind(moment, row_id, timed=timed)]
            for condition in after:
                found = self._query(stream.name, list(fields), condition, order, size)
                if found:
                    return found
            return []

        def rank(record: Record) -> tuple[Any, Any]:
            moment = _stamp(record, stream.name) if timed else at
            return moment, int(id_of(record, stream.name))

        for records in keyset(ask, rank, at):
            moment, row_id = rank(records[-1])
            whole = [r for r in records if not self._is_begun(r)]
            yield Page(self._rows(stream.name, whole), {"at": moment, "id": row_id})

    def _where(self, fields: Mapping[str, Field], where: Mapping[str, Any]) -> str:
        """The mapping's filter: {field: value or list}."""
        for name in where:
            if name not in fields:
                raise ConfigError("Neocrm: there is no field {column} to filter by", column=name)
        return both(
            *(
                among(n, [encode(fields[n], x, CHINA) for x in (v if isinstance(v, list) else [v])])
                for n, v in where.items()
            )
        )

    def _rows(self, name: str, records: Sequence[Record]) -> list[Row | BadRow]:
        detail = self.details.get(name)
        lines = self._lines(detail, [id_of(r, name) for r in records]) if detail else {}
        rows: list[Row | BadRow] = []
        for record in records:
            row = row_of(self._fields(name), record, CHINA, name)
            if detail and not isinstance(row, BadRow):
                row = {**row, detail[0]: lines.get(str(row["id"]), [])}
            rows.append(row)
        return rows

    def _lines(self, detail: tuple[str, str], masters: Sequence[str]) -> dict[str, list[Row]]:
        name, column = detail
        found: dict[str, list[Row]] = {}
        for some in batches(masters, IDS):
            for record in self._all(name, among(column, [int(m) for m in some])):
                line = row_of(self._fields(name), record, CHINA, name)
                if isinstance(line, BadRow):
                    raise ProtocolError(
                        "Neocrm {place}: a value that is no {kind}", place=line.place, **line.values
                    )
                found.setdefault(str(line.get(column)), []).append(line)
        return found

    # --------------------------------------------------------------------------------- fetch

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        fields = self._fields(stream.name)
        ids = [int(k) for k in keys if isinstance(k, str) and k.isdigit()]
        for some in batches(ids, IDS):
            yield from self._found(stream.name, among("id", some))
        for key in keys:
            if isinstance(key, str):
                continue
            unknown = [c for c in key if c not in fields]
            if unknown:
                raise ConfigError(
                    "Neocrm: there is no field {column} to find records by", column=unknown[0]
                )
            wanted = [equal(c, encode(fields[c], v, CHINA)) for c, v in key.items()]
            for row in self._found(stream.name, both(*wanted)):
                if all(_same(row.get(c), v) for c, v in key.items()):
                    yield row

    def _found(self, name: str, where: str) -> Iterator[Row]:
        whole = (r for r in self._all(name, where) if not self._is_begun(r))
        for some in batches(whole, ROWS):
            yield from (r for r in self._rows(name, some) if not isinstance(r, BadRow))

    # --------------------------------------------------------------------------------- write

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        name = stream.name
        made = self._known(name, batch)
        ids = [int(c.remote_id) for c in batch if c.op != "create" and c.remote_id.isdigit()]
        there: set[str] = set()
        for some in batches(ids, IDS):
            there |= {
                id_of(r, name) for r in self._query(name, ["id"], among("id", some), "id asc", ROWS)
            }
        for change in batch:
            if change.key in made:
                yield WriteResult.applied(change.key, remote_id=made[change.key])
            elif change.op != "create" and change.remote_id not in there:
                yield WriteResult.gone(change.key)
            else:
                try:
                    yield self._one(name, change, made.get(change.key + BEGUN, ""))
                except RejectedError as e:
                    code, said = e.values.get("code"), e.values.get("message")
                    yield WriteResult.rejected(
                        change.key, code=str(code or e.code), message=str(said or e)
                    )

    def _known(self, name: str, batch: Sequence[Change]) -> dict[str, str]:
        """Which creates were done before, or begun, by the field that carries the hub's key."""
        keys = [c.key for c in batch if c.op == "create"]
        column, found = self.config["key_column"], dict[str, str]()
        for some in batches(keys if column else [], IDS // 2):
            where = among(column, [*some, *(key + BEGUN for key in some)])
            records = self._query(name, ["id", column], where, "id asc", ROWS)
            found |= {str(r.get(column)): id_of(r, name) for r in records}
        return found

    def _is_begun(self, record: Record | Row) -> bool:
        return str(record.get(self.config["key_column"]) or "").endswith(BEGUN)

    def _one(self, name: str, change: Change, begun: str) -> WriteResult:
        if change.op == "create":
            return WriteResult.applied(change.key, remote_id=self._create(name, change, begun))
        if change.op == "delete":
            self.http.delete(f"rest/data/v2.0/xobjects/{name}/{change.remote_id}")
        else:
            self._update(name, change)
        return WriteResult.applied(change.key, remote_id=change.remote_id)

    def _create(self, name: str, change: Change, begun: str) -> str:
        data, column = data_of(self._fields(name), change.values, CHINA), self.config["key_column"]
        detail = self.details.get(name)
        lines = change.values.get(detail[0]) if detail else None
        if not detail or not lines:
            return self._send_new(name, {**data, column: change.key} if column else data)
        if not column:
            raise RejectedError(
                "Neocrm {name}: a record with lines takes several calls, and only with `key_column` "
                "can the hub go on where it was interrupted",
                name=name,
            )
        row_id = begun or self._send_new(name, {**data, column: change.key + BEGUN})
        self._send_lines(name, row_id, detail, lines)
        path = f"rest/data/v2.0/xobjects/{name}/{row_id}"
        self.http.patch(path, json={"data": {column: change.key}})
        return row_id

    def _send_lines(
        self,
        name: str,
        row_id: str,
        detail: tuple[str, str],
        lines: Sequence[Mapping[str, Any]],
    ) -> None:
        """The lines that are not there yet: they are sent in order, so the first ones are.

        Until they all are, the record is marked as begun and nobody is shown it; if one is
        refused, the record goes again.
        """
        fields = self._fields(detail[0])
        there = len(self._lines(detail, [row_id]).get(row_id, []))
        try:
            for line in lines[there:]:
                inner = data_of(fields, line, CHINA)
                self._send_new(detail[0], {**inner, detail[1]: int(row_id)})
        except RejectedError:
            self.http.delete(f"rest/data/v2.0/xobjects/{name}/{row_id}")
            raise

    def _send_new(self, name: str, data: Record) -> str:
        whole = {**self.config["create"].get(name, {}), **_said(data)}
        path = f"rest/data/v2.0/xobjects/{name}"
        return id_of(self.http.post(path, json={"data": whole}).json().get("data"), name)

    def _update(self, name: str, change: Change) -> None:
        data = data_of(self._fields(name), change.values, CHINA)
        if data:
            path = f"rest/data/v2.0/xobjects/{name}/{change.remote_id}"
            self.http.patch(path, json={"data": data})
        detail = self.details.get(name)
        if detail and detail[0] in change.values:
            self._update_lines(detail, change.remote_id, change.values[detail[0]] or [])

    def _update_lines(
        self, detail: tuple[str, str], master: str, lines: Sequence[Mapping[str, Any]]
    ) -> None:
        """New lines are created, changed ones updated, missing ones deleted."""
        name, column = detail
        fields, path = self._fields(name), f"rest/data/v2.0/xobjects/{name}"
        old = {str(e["id"]): e for e in self._lines(detail, [master]).get(master, [])}
        for line in lines:
            known = old.pop(str(line.get("id")), None)
            data = {k: v for k, v in data_of(fields, line, CHINA).items() if k != column}
            if known is None:
                self._send_new(name, {**data, column: int(master)})
                continue
            before = data_of(fields, known, CHINA)
            changed = {k: v for k, v in data.items() if v != before.get(k)}
            if changed:
                self.http.patch(f"{path}/{known['id']}", json={"data": changed})
        for row_id in old:
            self.http.delete(f"{path}/{row_id}")


def _said(data: Record) -> Record:
    """What a new record says: a null would hide what a new one has by itself."""
    return {k: v for k, v in data.items() if v is not None}


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
                    "neocrm: setting 'objects': {name} has nothing but `details`",
                    name=name,
                    hint="One object of lines, and its field that names the master.",
                )
    return found


def _stamp(record: Record, name: str) -> int:
    try:
        return int(str(record.get(STAMP)))
    except ValueError as e:
        raise ProtocolError("Neocrm {name}: a record without a time", name=name) from e


def _same(stored: Any, wanted: Any) -> bool:
    return bool(stored == wanted) or str(stored) == str(wanted)
