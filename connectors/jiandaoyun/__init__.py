"""简道云 (Jiandaoyun), and Jodoo, over the open API v5.

Source: the vendor's help pages and sample clients, and four independent clients.  Assumed from one of
        them only: that `dataModifyTime` of a form moves with every change (setting
        `skip_unchanged`), and that ids may be filtered with `in`.
Time:   UTC, milliseconds.
Money:  numbers are floating-point there: exact to 15 digits.
Limits: 100 rows a page; 20 to 30 calls a second (setting `calls_per_second`).

There are no fixed objects: a stream is a form, named `application/form` by their ids or as the
setting `forms` says; columns are its widgets by alias, or by id where no alias is set.  Give
aliases: ids change when a form is copied.

What is not possible: to ask for changed rows, so an incremental read looks at all and gives those
that changed; to see deletions but by a complete read (`receive` reads pushes, which name them, but
no address of the hub takes pushes yet); to clear a date; to write files; to write conditionally.
Required and unique widgets are not enforced on what the API writes.  A create is sent with an id
that the platform remembers for an hour; with `key_column`, a text widget that carries the hub's key,
it repeats safely for ever.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from hub.connector import (
    BadRow,
    Capabilities,
    Change,
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
)
from hub.errors import ConfigError, NotFoundError, ProtocolError, RejectedError
from hub.http import BearerAuth, RestClient
from hub.seams import SystemClock

from .answers import ABSENT, DUPLICATE_TRANSACTION, classify
from .pushing import verified
from .widgets import (
    FILTERED,
    READ_ONLY,
    SYSTEM,
    Widget,
    encode,
    moment,
    parse,
    row_of,
    sendable,
)

ROWS = 100
STAMP = "updateTime"
KEYS = uuid.UUID("6d1f3a0e-6a0b-5c58-9f0e-0d2f5f0a7c11")  # makes an id of the hub's key


class JiandaoyunSettings(Settings):
    url = Url(
        help="API root, with the version; other for Jodoo and private deployments",
        load_default="https://api.jiandaoyun.com/api/v5",
    )
    api_key = Secret(help="API key of the enterprise, allowed for the applications to sync")
    forms = Nested(
        help="Name of a stream → its form: {customer: {app: …, form: …}}; none: every form there is",
        load_default=dict,
    )
    key_column = Text(
        help="Alias of a text widget on every written form that carries the hub's key: a create that "
        "is repeated is then found again.",
        load_default="",
    )
    skip_unchanged = Flag(
        help="Do not look through a form whose `dataModifyTime` has not moved.", load_default=False
    )
    start_workflow = Flag(help="Start the form's workflow for new records", load_default=False)
    start_trigger = Flag(help="Let the form's assistants (智能助手) run", load_default=False)
    zone = Text(help="Time zone in which a date widget means a day", load_default="Asia/Shanghai")
    push_secret = Secret(help="Secret of the forms' data push", load_default=lambda: SecretText(""))
    calls_per_second = Number(help="Calls a second, 0: as fast as it goes", load_default=15)
    timeout = Number(help="Seconds that one call may take", load_default=60)


class Jiandaoyun(Connector):
    name = "jiandaoyun"
    settings = JiandaoyunSettings

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.forms = {n: _form(n, said) for n, said in self.config["forms"].items()}
        self.zone = _zone(self.config["zone"])
        self.clock = SystemClock()
        self.capabilities = Capabilities(
            read_page=ROWS,
            write_batch=20,
            deletes=True,
            idempotent_writes=bool(self.config["key_column"]),
            settle=timedelta(seconds=10),
        )

    def open(self) -> None:
        self.http: RestClient = self.enter(
            RestClient(
                self.config["url"],
                auth=BearerAuth(self.config["api_key"]),
                classify=classify,
                timeout=timedelta(seconds=self.config["timeout"]),
                per_second=self.config["calls_per_second"],
            )
        )
        self._widgets: dict[str, dict[str, Widget]] = {}
        self._touched: dict[str, Any] = {}

    def _ask(self, path: str, *, acts: bool = False, **body: Any) -> Any:
        answer = self.http.post(path, json=body, acts=acts)
        said = answer.json()
        if not isinstance(said, dict):
            template = "{call}: no JSON object: {start!r}"
            raise answer.error(ProtocolError, template, may_have_acted=acts)
        return said

    def check(self) -> str:
        apps = _listed(self._ask("app/list", limit=ROWS, skip=0), "apps")
        names = ", ".join(str(a.get("name")) for a in apps[:5]) or "none"
        return f"Jiandaoyun {self.config['url']}: the key may see {len(apps)} applications: {names}"

    # ------------------------------------------------------------------------------ discover

    def discover(self) -> Iterator[Stream]:
        for name, (app, form, label) in self._all_forms().items():
            columns = {**SYSTEM, **{n: w.column for n, w in self._form(name, app, form).items()}}
            yield Stream(name, ("_id",), STAMP, columns=columns, label=label)

    def _all_forms(self) -> dict[str, tuple[str, str, str]]:
        if self.forms:
            return {n: (app, form, "") for n, (app, form) in self.forms.items()}
        found = {}
        for app in self._everything("app/list", "apps"):
            app_id = str(app.get("app_id"))
            for form in self._everything("app/entry/list", "forms", app_id=app_id):
                entry = str(form.get("entry_id"))
                label = f"{app.get('name')} / {form.get('name')}"
                found[f"{app_id}/{entry}"] = (app_id, entry, label)
        return found

    def _everything(self, path: str, under: str, **body: Any) -> Iterator[dict[str, Any]]:
        skip = 0
        while some := _listed(self._ask(path, limit=ROWS, skip=skip, **body), under):
            yield from some
            skip += len(some)

    def _place(self, stream: str) -> tuple[str, str]:
        if stream in self.forms:
            return self.forms[stream]
        app, _, form = stream.partition("/")
        if not form:
            raise NotFoundError(
                "{connector}: no form {name!r}",
                connector=self.name,
                name=stream,
                hint="Name it in the setting `forms`, or as application/form. Named: {known}.",
                known=", ".join(self.forms),
            )
        return app, form

    def _form(self, stream: str, app: str, form: str) -> dict[str, Widget]:
        if stream not in self._widgets:
            answer = self._ask("app/entry/widget/list", app_id=app, entry_id=form)
            self._widgets[stream] = parse(answer)
            self._touched[stream] = answer.get("dataModifyTime")
        return self._widgets[stream]

    # ---------------------------------------------------------------------------------- read

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        if stream.cursor_column:
            yield from self._changed(stream, cursor)
            return
        for rows in self._scan(stream, (cursor or {}).get("id", "")):
            yield Page(rows, {"id": _last_id(rows)})

    def _scan(self, stream: Stream, after: str) -> Iterator[list[Row | BadRow]]:
        """All records by id, which the order of the list is: a page begins behind the last one."""
        app, form = self._place(stream.name)
        widgets = self._form(stream.name, app, form)
        asked: dict[str, Any] = {"app_id": app, "entry_id": form, "limit": self._size}
        if stream.where:
            asked["filter"] = _filter(widgets, stream.where, self.zone)
        while True:
            here = {**asked, "data_id": after} if after else asked
            said = _listed(self._ask("app/entry/data/list", **here), "data")
            if not said:
                return
            rows = [row_of(widgets, record, stream.name) for record in said]
            last = _last_id(rows)
            if last == after:
                raise ProtocolError("Jiandaoyun {stream}: the list comes again", stream=stream.name)
            yield rows
            after = last

    @property
    def _size(self) -> int:
        return min(self.capabilities.read_page, ROWS)

    def _changed(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        """Records changed since the cursor: all are looked at, since none can be asked for by time.

        What changes behind the look is changed after it began: no cursor lies later than that.
        """
        app, form = self._place(stream.name)
        self._form(stream.name, app, form)
        touched = self._touched.get(stream.name)
        known = (cursor or {}).get("touched")
        if self.config["skip_unchanged"] and touched is not None and touched == known:
            return
        begun = self._their_time()
        since = (moment(cursor["at"]), cursor["id"]) if cursor else None
        if since and since[0] and stream.overlap:
            since = since[0] - stream.overlap, ""
        found = [r for rows in self._scan(stream, "") for r in rows if _is_later(r, since)]
        found.sort(key=_rank)
        size = self.capabilities.read_page
        for n, some in enumerate(batches(found, size), 1):
            at, row_id = _rank(some[-1])[1:]
            place = {"at": at.isoformat(), "id": row_id}
            if at > begun:
                place = {"at": begun.isoformat(), "id": ""}
            whole = n * size >= len(found)
            yield Page(some, {**place, "touched": touched if whole else None}, total=len(found))

    def _their_time(self) -> datetime:
        """What time it is there, as the answer to a cheap call says, a minute early to be safe."""
        answer = self.http.post("app/list", json={"limit": 1, "skip": 0}, acts=False)
        try:
            said = parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError):
            said = answer.received_at
        return said - timedelta(minutes=1)

    # --------------------------------------------------------------------------------- fetch

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        app, form = self._place(stream.name)
        widgets = self._form(stream.name, app, form)
        ids = list(dict.fromkeys(k for k in keys if isinstance(k, str)))
        for some in batches(ids, ROWS):
            yield from self._by_id(stream.name, widgets, some)
        for key in keys:
            if not isinstance(key, str):
                found = self._filtered(stream.name, _filter(widgets, key, self.zone))
                yield from (r for r in found if all(_same(r.get(c), v) for c, v in key.items()))

    def _by_id(
        self, stream: str, widgets: Mapping[str, Widget], ids: Sequence[str]
    ) -> Iterator[Row]:
        """By one filter; whom it does not give, one by one: a list may lag behind a write."""
        missing = dict.fromkeys(ids)
        if len(ids) > 1:
            condition = {"field": "_id", "type": "text", "method": "in", "value": list(ids)}
            try:
                rows = list(self._filtered(stream, {"rel": "and", "cond": [condition]}))
            except RejectedError:
                rows = []
            for row in rows:
                if row["_id"] in missing:
                    del missing[row["_id"]]
                    yield row
        app, form = self._place(stream)
        for row_id in missing:
            try:
                said = self._ask("app/entry/data/get", app_id=app, entry_id=form, data_id=row_id)
            except RejectedError as e:
                if e.values.get("code") in ABSENT:
                    continue
                raise
            if said.get("data"):
                found = row_of(widgets, said["data"], stream)
                if not isinstance(found, BadRow):
                    yield found

    def _filtered(self, stream: str, condition: Mapping[str, Any]) -> Iterator[Row]:
        app, form = self._place(stream)
        widgets, after = self._form(stream, app, form), ""
        while True:
            here: dict[str, Any] = {"app_id": app, "entry_id": form, "limit": ROWS}
            here |= {"filter": condition, **({"data_id": after} if after else {})}
            said = _listed(self._ask("app/entry/data/list", **here), "data")
            rows = [row_of(widgets, record, stream) for record in said]
            yield from (r for r in rows if not isinstance(r, BadRow))
            if not rows or _last_id(rows) == after:
                return
            after = _last_id(rows)

    # --------------------------------------------------------------------------------- write

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        app, form = self._place(stream.name)
        widgets = self._form(stream.name, app, form)
        made = self._made(stream.name, [c.key for c in batch if c.op == "create"])
        for change in batch:
            if change.key in made:
                yield WriteResult.applied(change.key, remote_id=made[change.key])
                continue
            try:
                result = self._one(stream.name, widgets, change)
            except RejectedError as e:
                result = _refused(change, e)
            if result:
                yield result

    def _made(self, stream: str, keys: Sequence[str]) -> dict[str, str]:
        """Which creates were done before, by the widget that carries the hub's key."""
        column = self.config["key_column"]
        if not column or not keys:
            return {}
        condition = {"field": column, "type": "text", "method": "in", "value": list(keys)}
        found = self._filtered(stream, {"rel": "and", "cond": [condition]})
        return {str(row.get(column)): row["_id"] for row in found}

    def _one(
        self, stream: str, widgets: Mapping[str, Widget], change: Change
    ) -> WriteResult | None:
        app, form = self._place(stream)
        here = {"app_id": app, "entry_id": form}
        if change.op == "delete":
            self._ask("app/entry/data/delete", acts=True, **here, data_id=change.remote_id)
            return WriteResult.applied(change.key, remote_id=change.remote_id)
        if change.op == "create":
            return self._create(here, widgets, change)
        stuck = [
            n for n, v in change.values.items() if n in widgets and not sendable(widgets[n], v)
        ]
        if stuck:
            message = "a date cannot be cleared through the API"
            return WriteResult.rejected(
                change.key, code="not-possible", message=message, column=stuck[0]
            )
        data = _data(widgets, change.values, self.zone)
        said = self._ask(
            "app/entry/data/update",
            acts=True,
            **here,
            data_id=change.remote_id,
            data=data,
            is_start_trigger=self.config["start_trigger"],
        )
        row = row_of(widgets, said["data"], stream) if said.get("data") else None
        stored = None if row is None or isinstance(row, BadRow) else row
        return WriteResult.applied(change.key, remote_id=change.remote_id, row=stored)

    def _create(
        self, here: Mapping[str, str], widgets: Mapping[str, Widget], change: Change
    ) -> WriteResult | None:
        """A batch of one: only batches carry an id by which a repetition is recognised."""
        data = _data(widgets, change.values, self.zone)
        if self.config["key_column"]:
            data[self.config["key_column"]] = {"value": change.key}
        said = self._ask(
            "app/entry/data/batch_create",
            acts=True,
            **here,
            data_list=[data],
            is_start_workflow=self.config["start_workflow"],
            transaction_id=str(uuid.uuid5(KEYS, change.key)),
        )
        match said:
            case {"success_ids": [str(row_id)]} if row_id:
                return WriteResult.applied(change.key, remote_id=row_id)
        return None  # neither done nor refused, as far as it says: the engine will look

    # ---------------------------------------------------------------------------------- push

    def receive(self, delivery: Delivery) -> Iterator[Pushed]:
        """Records as people change them; nothing comes for what the API itself has written."""
        body = verified(delivery, self.config["push_secret"].reveal(), self.clock.now())
        match body:
            case {"op": str(op), "data": {"appId": str(app), "entryId": str(form)} as said}:
                pass
            case _:
                return  # a message of a workflow, or what a later version may send
        stream = next((n for n, p in self.forms.items() if p == (app, form)), f"{app}/{form}")
        key = delivery.headers.get("x-jdy-deliverid", "")
        at = moment(body.get("opTime")) if isinstance(body.get("opTime"), int) else None
        if op in {"data_create", "data_update", "data_recover"}:
            row = row_of(self._form(stream, app, form), said, stream)
            if not isinstance(row, BadRow):
                yield Pushed(stream, key, rows=[row], at=at)
        elif op == "data_remove" and isinstance(said.get("_id"), str):
            yield Pushed(stream, key, deleted=[said["_id"]], at=at)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError) as e:
        raise ConfigError(
            "jiandaoyun: setting 'zone' is no time zone: {name!r}",
            name=name,
            hint="A name such as Asia/Shanghai.",
        ) from e


def _form(name: str, said: Any) -> tuple[str, str]:
    match said:
        case {"app": str(app), "form": str(form), **rest} if not rest:
            return app, form
    raise ConfigError(
        "jiandaoyun: setting 'forms': {name} needs `app` and `form`",
        name=name,
        hint="Both ids stand in the address of the form's page.",
    )


def _listed(answer: Any, under: str) -> list[dict[str, Any]]:
    found = answer.get(under)
    if not isinstance(found, list) or not all(isinstance(f, dict) for f in found):
        raise ProtocolError("Jiandaoyun: no list of {under} in the answer", under=under)
    return found


def _last_id(rows: Sequence[Row | BadRow]) -> str:
    return _id(rows[-1])


def _id(row: Row | BadRow) -> str:
    return str(row.raw["_id"] if isinstance(row, BadRow) else row["_id"])


def _rank(row: Row | BadRow) -> tuple[bool, Any, str]:
    """Broken ones first, as rows without a time are: they hold up no cursor."""
    at = None if isinstance(row, BadRow) else row[STAMP]
    return at is not None, at or _EPOCH, _id(row)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _is_later(row: Row | BadRow, since: tuple[Any, str] | None) -> bool:
    known, at, row_id = _rank(row)
    return since is None or since[0] is None or not known or (at, row_id) > since


def _filter(
    widgets: Mapping[str, Widget], wanted: Mapping[str, Any], zone: ZoneInfo
) -> dict[str, Any]:
    """One flat level is all there is: {column: value or list of values}."""
    conditions = []
    for name, value in wanted.items():
        if name == "_id":
            conditions.append({"field": name, "type": "text", "method": "in", "value": [value]})
            continue
        widget = widgets.get(name)
        if widget is None or widget.type not in FILTERED:
            raise ConfigError(
                "Jiandaoyun: records cannot be found by {column}",
                column=name,
                hint="Match by a text, number or date widget.",
            )
        values = value if isinstance(value, list) else [value]
        method = FILTERED[widget.type] if len(values) == 1 else "in"
        given = [v if widget.type == "phone" else encode(widget, v, zone) for v in values]
        conditions.append({"field": name, "type": widget.type, "method": method, "value": given})
    return {"rel": "and", "cond": conditions}


def _data(widgets: Mapping[str, Widget], values: Row, zone: ZoneInfo) -> dict[str, Any]:
    return {
        name: {"value": encode(widgets[name], value, zone)}
        for name, value in values.items()
        if name in widgets
        and widgets[name].type not in READ_ONLY
        and sendable(widgets[name], value)
    }


def _same(stored: Any, wanted: Any) -> bool:
    return bool(stored == wanted) or str(stored) == str(wanted)


def _refused(change: Change, e: RejectedError) -> WriteResult | None:
    code = e.values.get("code")
    if code in ABSENT and change.op != "create":
        return WriteResult.gone(change.key)
    if code == DUPLICATE_TRANSACTION:
        return None  # sent before, by a create whose answer was lost
    return WriteResult.rejected(
        change.key, code=str(code or e.code), message=str(e.values.get("message") or e)
    )
