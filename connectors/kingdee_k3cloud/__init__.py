"""金蝶云星空 (Kingdee Cloud Galaxy, K3Cloud) from 7.x on, over its WebAPI.

Source: the vendor's Python SDK 8.2.0, whose calls run against our fake in CI, and a dozen
        independent clients.  Assumed from one of them only: the shape of QueryBusinessInfo's answer,
        the keys of BD_CommonContact, and that an audited row must be un-audited to be changed.
Time:   local time of the server (setting `zone`) without a zone, whole seconds, not unique.  In
        customised systems a changed entry may not move `FModifyDate`: a full read now and then.
Money:  JSON numbers, read digit by digit.
Limits: 2000 rows a query; calls per minute as the contract says, exceeding answers MsgCode 14.

Rows are nested as a model is: base data `{"FNumber": …}`, sub-heads and entries by their key.  Base
data are known by their number, as other forms refer to them: a changed number is another row.
Base data exist once per using organisation; a connection reads and writes one of them.

What is not possible: to see deletions (only complete reads tell; base data are rather forbidden,
`FForbidStatus` B), to write conditionally, to be told of changes (there is no push).  Creates
repeat safely only with `key_column`, a custom text field that carries the hub's key.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
    Flag,
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
from hub.errors import ConfigError, NotFoundError
from hub.http import Auth

from . import coding
from .api import ROWS, Api, Cells, behind_of, both, text, whole
from .forms import FORMS, Fields, Form, declared
from .signing import SessionAuth, SignedAuth
from .writing import Writer, condition

IDS = 100  # numbers named in one filter
METHODS = {"secret": "LoginByAppSecret", "sign": "LoginBySign", "password": "ValidateUser"}


class KingdeeSettings(Settings):
    url = Url(help="The server's address with its folder: https://erp.example/k3cloud")
    account = Text(help="Id of the data centre (账套), 14 to 24 characters, not its name")
    user = Text(help="A user of its own for the hub, allowed in the third-party application")
    auth = Choice(
        *("signed", *METHODS),
        help="signed: every call is signed; secret, sign, password: a session.",
        load_default="signed",
    )
    app_id = Text(help="Application id: a number, one underscore, 32 characters", load_default="")
    app_secret = Secret(help="The application's secret", load_default=lambda: SecretText(""))
    password = Secret(
        help="The user's password, for `auth: password` only", load_default=lambda: SecretText("")
    )
    organization = Text(help="Number of the organisation to read and write: 100")
    locale = Number(help="Language of messages: 2052 Chinese, 1033 English", load_default=2052)
    zone = Text(help="Time zone of the server: Asia/Shanghai", load_default="Asia/Shanghai")
    audit = Flag(
        help="Submit and audit what is saved; audited rows are un-audited to change them.",
        load_default=False,
    )
    key_column = Text(
        help="A custom text field on every written form that carries the hub's key: a create that "
        "is repeated is then found again.",
        load_default="",
    )
    custom_fields = Flag(
        help="Ask each form for its custom fields and read them too.", load_default=True
    )
    forms = Nested(
        help="Further forms, or further columns of known ones: {FORM: {pk: FID, columns: {F_X: text}}}",
        load_default=dict,
    )
    create = Nested(
        help="What a new row has besides what the mapping says: {FORM: {COLUMN: value}}",
        load_default=dict,
    )
    calls_per_minute = Number(
        help="Calls the contract allows a minute; 0: no limit", load_default=0
    )
    timeout = Number(help="Seconds that one call may take; saves are slow", load_default=180)


class KingdeeK3Cloud(Connector):
    name = "kingdee_k3cloud"
    settings = KingdeeSettings

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        c = self.config
        self.forms = {**FORMS, **{n: declared(n, said) for n, said in c["forms"].items()}}
        self.zone = _zone(c["zone"])
        self.auth = _auth(c)
        self.capabilities = Capabilities(
            read_page=500,
            write_batch=50,
            deletes=True,
            idempotent_writes=bool(c["key_column"]),
            calls_per_minute=c["calls_per_minute"] or None,
        )

    def open(self) -> None:
        timeout = timedelta(seconds=self.config["timeout"])
        self.api: Api = self.enter(Api(self.config["url"], self.auth, timeout))
        self._known: dict[str, Form] = {}

    def check(self) -> str:
        form = next(iter(self.forms.values()))
        self.api.query(form.name, [form.pk], "", f"{form.pk} ASC", 1)
        c = self.config
        return (
            f"Kingdee K3Cloud {c['url']}, data centre {c['account']}, signed in as {c['user']}, "
            f"organisation {c['organization']}"
        )

    # ------------------------------------------------------------------------------ discover

    def discover(self) -> Iterator[Stream]:
        for name in self.forms:
            form = self._form(name)
            if form.columns:  # none: a form that this tenant does not have
                columns = _columns(form)
                yield Stream(name, (form.key,), form.modified, columns=columns, label=form.label)

    def _form(self, name: str) -> Form:
        """The form as this tenant has it."""
        if name not in self.forms:
            raise NotFoundError(
                "{connector}: no form {name!r}",
                connector=self.name,
                name=name,
                hint="Declare it in the setting `forms`. Known: {known}.",
                known=", ".join(self.forms),
            )
        if name not in self._known:
            form = self.forms[name]
            said = self.api.fields(name) if self.config["custom_fields"] else None
            fields = Fields.parse(said)
            self._known[name] = form.narrowed(fields) if fields else form
        return self._known[name]

    # ---------------------------------------------------------------------------------- read

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        form = self._form(stream.name)
        where = both(self._base(form), _where(form, stream.where))
        timed = bool(stream.cursor_column)
        at, last = (cursor["at"], cursor["id"]) if cursor else (None, None)
        if timed and at and stream.overlap:
            at, last = coding.earlier(at, stream.overlap), None

        def ask(moment: Any, row_id: Any) -> list[Cells]:
            if row_id is None and last is not None:
                row_id = last  # the first question of a read that is continued
            return self._heads(form, both(where, _behind(form, moment, row_id, timed)), timed)

        def rank(cells: Cells) -> tuple[Any, Any]:
            return _stamp(cells, form) if timed else at, whole(cells[form.pk])

        for heads in keyset(ask, rank, at):
            moment, row_id = rank(heads[-1])
            yield Page(self._rows(form, heads), {"at": moment, "id": row_id})

    def _heads(self, form: Form, where: str, timed: bool) -> list[Cells]:
        order = f"{form.modified} ASC, {form.pk} ASC" if timed else f"{form.pk} ASC"
        size = min(self.capabilities.read_page, ROWS)
        return self.api.query(form.name, _keys(form), where, order, size)

    def _base(self, form: Form) -> str:
        """The connection's organisation only: elsewhere the same number is another row."""
        if not form.organization:
            return ""
        return f"{form.organization}.FNumber = {text(self.config['organization'])}"

    def _rows(self, form: Form, heads: Sequence[Cells]) -> list[Row | BadRow]:
        lists = {name: self._entries(form, name, heads) for name in form.lists}
        return [
            coding.row_of(
                form,
                cells,
                {name: found.get(whole(cells[form.pk]), []) for name, found in lists.items()},
                self.zone,
            )
            for cells in heads
        ]

    def _entries(self, form: Form, name: str, heads: Sequence[Cells]) -> dict[int, list[Cells]]:
        """The entries of these rows, asked for by themselves: with the heads they would repeat them."""
        child, kinds = form.lists[name]
        entry = f"{name}_{child}"
        keys = {"FSeq": f"{name}_FSeq"}
        asked = {k: keys.get(k, coding.asked(k, kind)) for k, kind in kinds.items()}
        found: dict[int, list[Cells]] = {}
        for some in batches([str(whole(cells[form.pk])) for cells in heads], IDS):
            where = f"{form.pk} in ({','.join(some)})"
            query = [form.pk, entry, *asked.values()]
            for part in self.api.all_of(form.name, query, where, (form.pk, entry)):
                for cells in part:
                    if cells[entry]:  # a row without entries comes with an empty one
                        values = {k: cells[key] for k, key in asked.items()}
                        here = found.setdefault(whole(cells[form.pk]), [])
                        here.append({child: cells[entry], **values})
        return found

    # --------------------------------------------------------------------------------- fetch

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        form = self._form(stream.name)
        ids = [k for k in keys if isinstance(k, str)]
        for some in batches(ids, IDS):
            wanted = set(some)
            for row in self._found(form, condition(form, form.key, some)):
                if str(row.get(form.key)) in wanted:  # the server compares without regard to case
                    yield row
        for key in keys:
            if not isinstance(key, str):
                yield from self._carrying(form, key)

    def _found(self, form: Form, where: str) -> Iterator[Row]:
        asked = both(self._base(form), where)

        def ask(_: Any, row_id: Any) -> list[Cells]:
            return self._heads(form, both(asked, _behind(form, None, row_id, False)), False)

        for heads in keyset(ask, lambda cells: (None, whole(cells[form.pk])), None):
            yield from (r for r in self._rows(form, heads) if not isinstance(r, BadRow))

    def _carrying(self, form: Form, values: Mapping[str, Any]) -> Iterator[Row]:
        conditions = []
        for column, value in values.items():
            kind = form.kind_of(column)
            if kind is None and column != form.pk:
                raise ConfigError(
                    "Kingdee {form}: rows cannot be found by {column}",
                    form=form.name,
                    column=column,
                    hint="Match by a column of the head.",
                )
            conditions.append(_equals(form, column, value, self.zone))
        for row in self._found(form, both(*conditions)):
            if all(_same(_value(form, row, c), v) for c, v in values.items()):
                yield row

    # --------------------------------------------------------------------------------- write

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        form = self._form(stream.name)
        writer = Writer(
            self.api,
            form,
            self.zone,
            base=self._base(form),
            new=self.config["create"].get(form.name, {}),
            audit=self.config["audit"],
            key_column=self.config["key_column"],
        )
        return writer.write(batch, self.config["organization"])


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError) as e:
        raise ConfigError(
            "kingdee_k3cloud: setting 'zone' is no time zone: {name!r}",
            name=name,
            hint="A name such as Asia/Shanghai.",
        ) from e


def _auth(c: Mapping[str, Any]) -> Auth:
    if c["auth"] == "signed":
        who = c["account"], c["user"], c["app_id"], c["app_secret"]
        return SignedAuth(*who, organization=c["organization"], locale=c["locale"])
    secret = c["password"] if c["auth"] == "password" else c["app_secret"]
    return SessionAuth(
        METHODS[c["auth"]], c["account"], c["user"], c["app_id"], secret, c["locale"]
    )


def _columns(form: Form) -> dict[str, Column]:
    columns = {form.pk: Column("integer", writable=False)}
    columns |= {key: kind.column for key, kind in form.columns.items()}
    columns |= dict.fromkeys(form.parts, Column("json"))
    for name, (child, kinds) in form.lists.items():
        inner = {child: Column("integer", writable=False)}
        inner |= {k: kind.column for k, kind in kinds.items()}
        columns[name] = Column("rows", columns=inner)
    if form.number in columns:
        columns[form.number] = replace(columns[form.number], required=form.number == form.key)
    return columns


def _keys(form: Form) -> list[str]:
    keys = [coding.asked(key, kind) for key, (_, kind) in form.heads.items()]
    return list(dict.fromkeys([form.pk, form.number, *keys]))


def _stamp(cells: Cells, form: Form) -> str | None:
    """The moment as the server spells it: compared as text, which its form allows."""
    stamp = cells[form.modified]
    return str(stamp).replace("T", " ") if stamp else None


def _behind(form: Form, moment: Any, row_id: Any, timed: bool) -> str:
    if not timed:
        return "" if row_id is None else f"{form.pk} > {whole(row_id)}"
    if row_id is None:
        return "" if moment is None else f"{form.modified} >= {text(moment)}"
    if moment is None:  # rows without a time come first
        nulls = f"({form.modified} is null and {form.pk} > {whole(row_id)})"
        return f"({nulls} or {form.modified} is not null)"
    return behind_of(form.modified, text(moment), form.pk, str(whole(row_id)))


def _where(form: Form, where: Mapping[str, Any]) -> str:
    """The mapping's filter: {column: value or list}, or {filter: "an SQL condition"}."""
    conditions = []
    for column, value in where.items():
        if column == "filter":
            conditions.append(f"({value})")
            continue
        kind = form.kind_of(column)
        key = coding.asked(column, kind) if kind else column
        values = value if isinstance(value, list) else [value]
        conditions.append(f"{key} in ({','.join(map(text, values))})")
    return both(*conditions)


def _equals(form: Form, column: str, value: Any, zone: ZoneInfo) -> str:
    if column == form.pk:
        return condition(form, column, [value])
    kind = form.kind_of(column)
    assert kind is not None
    encoded = coding.encode(kind, value, zone)
    if kind.name == "ref":
        encoded = encoded["FNumber"]
    if kind.name in {"decimal", "integer"} and value is not None:
        return f"{column} = {encoded}"
    return f"{coding.asked(column, kind)} = {text(str(encoded).strip())}"


def _value(form: Form, row: Row, column: str) -> Any:
    part = form.heads.get(column, ("",))[0]
    return (row.get(part) or {}).get(column) if part else row.get(column)


def _same(stored: Any, wanted: Any) -> bool:
    return bool(stored == wanted) or str(stored or "").strip() == str(wanted or "").strip()
