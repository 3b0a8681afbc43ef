"""用友 U8 and U8+ over the OpenAPI, a relay in the cloud to a program beside the U8 server.

Source: the vendor's interface pages, and about eight independent clients.  Assumed: that `timestamp`
        grows with every change, that lists and single records have the same flat columns, and what a
        refusal means from its words, since there is no table of codes.
Time:   days, local.  Changed customers and orders are found by the row version `timestamp`, a number
        that is no time; changed inventory by day, so a day is read again.
Money:  decimal text.
Limits: a relay of seconds that is offline when its program is; 20 to 100 rows a page.

Streams are resources.  Documents have a list under another name and without lines: every document is
asked for by itself.  Writes are asynchronous: the hub asks for the outcome (`poll_seconds`), and a
repetition carries the same `biz_id`, so that U8 makes nothing twice.

What is not possible: to change or delete documents (a changed order is set aside, with the reason);
to delete at all; to see deletions (only complete reads tell); to write conditionally; to be told of
changes.  `edit` takes whole records: what another changed at the same moment is written over.
Approval (审核) of what the hub creates stays with people.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from hub.connector import (
    BadRow,
    Capabilities,
    Change,
    Connector,
    Cursor,
    Flag,
    Nested,
    Number,
    Page,
    Row,
    Secret,
    Settings,
    Stream,
    Text,
    Url,
    WriteResult,
    batches,
    with_defaults,
)
from hub.errors import (
    ConfigError,
    NotFoundError,
    ProtocolError,
    RejectedError,
    UnavailableError,
)
from hub.http import RestClient

from .answers import GOOD, NOTHING, classify, code_of, is_pending, said_by
from .resources import RESOURCES, Resource, data_of, row_of
from .signing import U8Auth

TRIES = 4  # a list that moves while it is read is read again
VERSIONS = 1000
"""How far before the cursor a read by row version begins: transactions end in another order."""


class U8Settings(Settings):
    url = Url(help="Host of the OpenAPI", load_default="https://api.yonyouup.com")
    from_account = Text(help="Developer account of the caller (调用方)")
    to_account = Text(help="Enterprise account that provides the data (提供方)")
    app_key = Text(help="Key of the application")
    app_secret = Secret(help="The application's secret")
    ds_sequence = Number(help="Number of the data source (账套) of the application", load_default=1)
    create = Nested(
        help="What a new record has besides what the mapping says, such as sort_code, or businesstype "
        "and typecode of an order: {RESOURCE: {field: value}}",
        load_default=dict,
    )
    synchronous = Flag(
        help="Wait for the outcome of a write in the call itself; long documents then time out",
        load_default=False,
    )
    poll_seconds = Number(
        help="Seconds between questions for the outcome of a write", load_default=3
    )
    poll_times = Number(help="How often to ask for the outcome of a write", load_default=10)
    page_size = Number(help="Rows a page: more take the relay longer", load_default=50)
    calls_per_second = Number(help="Calls a second, 0: as fast as it goes", load_default=5)
    timeout = Number(help="Seconds that one call may take", load_default=120)


class YonyouU8(Connector):
    name = "yonyou_u8"
    settings = U8Settings
    capabilities = Capabilities(read_page=50, write_batch=10, patches=False, idempotent_writes=True)

    def open(self) -> None:
        c = self.config
        auth = U8Auth(
            c["from_account"], c["to_account"], c["app_key"], c["app_secret"], c["ds_sequence"]
        )
        self.http: RestClient = self.enter(
            RestClient(
                c["url"],
                auth=auth,
                classify=classify,
                timeout=timedelta(seconds=c["timeout"]),
                per_second=c["calls_per_second"],
            )
        )

    def check(self) -> str:
        c = self.config
        said_by(
            self.http.get("api/customer/batch_get", params={"page_index": 1, "rows_per_page": 1})
        )
        return (
            f"U8 by {c['url']}, enterprise {c['to_account']}, data source {c['ds_sequence']}: "
            "the relay answers"
        )

    def discover(self) -> Iterator[Stream]:
        for r in RESOURCES.values():
            yield Stream(r.name, ("code",), r.since, columns=r.shown(), label=r.label)

    def _resource(self, name: str) -> Resource:
        if name not in RESOURCES:
            raise NotFoundError(
                "{connector}: no resource {name!r}",
                connector=self.name,
                name=name,
                hint="Known: {known}.",
                known=", ".join(RESOURCES),
            )
        return RESOURCES[name]

    # ---------------------------------------------------------------------------------- read

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        """The list has no order, so it is read to its end, proven complete, and sorted here."""
        resource = self._resource(stream.name)
        timed = bool(stream.cursor_column)
        at, last = (cursor["at"], cursor["id"]) if cursor else (None, "")
        begin = self._begin(resource, at, again=bool(stream.overlap)) if timed else None
        heads = self._heads(resource, dict(stream.where), begin)
        ranked = {_rank(resource, head, timed=timed): head for head in heads}
        due = sorted(ranked)
        if cursor and not (timed and stream.overlap):
            due = [r for r in due if r > (at is not None, at or _nothing(resource), last)]
        for some in batches(due, self.capabilities.read_page):
            known, moment, row_id = some[-1]
            rows = self._whole(resource, [ranked[rank] for rank in some])
            yield Page(rows, {"at": moment if known else None, "id": row_id}, total=len(due))

    def _begin(self, resource: Resource, at: Any, *, again: bool) -> Any:
        """From where to ask: a day is asked for whole; a row version a little earlier."""
        if at is None or resource.since != "timestamp":
            return at
        return max(int(at) - VERSIONS, 0) if again else int(at)

    def _heads(
        self, resource: Resource, where: dict[str, Any], begin: Any
    ) -> list[Mapping[str, Any]]:
        params = resource.since_params if begin is not None else ("",)
        found: dict[str, Mapping[str, Any]] = {}
        for param in params:
            asked = {**where, param: begin} if param else where
            found |= {str(head["code"]): head for head in self._listed(resource, asked)}
        return list(found.values())

    def _listed(self, resource: Resource, asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """All rows of a list.  Its pages shift when rows come and go, and a row that slips between two
        of them is noticed only by reading again: more than one page counts when it came twice.
        """
        before: set[str] | None = None
        for _ in range(TRIES):
            rows, counts, pages = self._pages(resource, asked)
            steady = counts == {len(rows)}
            if steady and (pages <= 1 or before == set(rows)):
                return list(rows.values())
            before = set(rows) if steady else None
        raise UnavailableError(
            "U8 {name}: the list of {count} rows changes while it is read",
            name=resource.list_name,
            count=len(rows),
            hint="Read at a quieter time, or with a larger `page_size`.",
        )

    def _pages(
        self, resource: Resource, asked: Mapping[str, Any]
    ) -> tuple[dict[str, Mapping[str, Any]], set[int], int]:
        """The rows by code, all that was said of their number, and of the pages."""
        rows: dict[str, Mapping[str, Any]] = {}
        counts, page, pages = set[int](), 0, 1
        while page < pages:
            page += 1
            place = {"page_index": page, "rows_per_page": self.config["page_size"]}
            answer = self.http.get(f"api/{resource.list_name}/batch_get", params={**asked, **place})
            said = said_by(answer)
            if code_of(said) == NOTHING:
                return rows, counts or {0}, page
            found = said.get(resource.list_name)
            if not isinstance(found, list) or not all(isinstance(f, Mapping) for f in found):
                raise ProtocolError("U8 {name}: no list of rows", name=resource.list_name)
            counts.add(_number(said, "row_count"))
            pages = _number(said, "page_count") if found else page
            rows |= {_code(head, resource): head for head in found}
        return rows, counts, page

    def _whole(self, resource: Resource, heads: Sequence[Mapping[str, Any]]) -> list[Row | BadRow]:
        """Rows of a list; of documents, which it brings without lines, each by itself."""
        if not resource.lines:
            return [row_of(resource, head) for head in heads]
        found = (self._get(resource, str(head["code"])) for head in heads)
        return [row for row in found if row is not None]  # one that has gone meanwhile is gone

    # --------------------------------------------------------------------------------- fetch

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        resource = self._resource(stream.name)
        for key in keys:
            if isinstance(key, str):
                row = self._get(resource, key)
                if row is not None and not isinstance(row, BadRow):
                    yield row
            else:
                yield from self._carrying(resource, key)

    def _get(self, resource: Resource, code: str) -> Row | BadRow | None:
        said = said_by(self.http.get(f"api/{resource.name}/get", params={"id": code}))
        if code_of(said) == NOTHING:
            return None
        row = row_of(resource, said.get(resource.name))
        if not isinstance(row, BadRow) and row["code"] != code:
            return None  # U8 compares without regard to case
        return row

    def _carrying(self, resource: Resource, values: Mapping[str, Any]) -> Iterator[Row]:
        if "code" in values:
            found: list[Row | BadRow | None] = [self._get(resource, str(values["code"]))]
        else:
            asked = {n: v for n, v in values.items() if n in resource.find}
            if not asked:
                raise ConfigError(
                    "U8 {name}: rows cannot be found by {columns}",
                    name=resource.name,
                    columns=", ".join(values),
                    hint="Match by the code.",
                )
            found = list(self._whole(resource, self._listed(resource, asked)))
        for row in found:
            if row is None or isinstance(row, BadRow):
                continue
            if all(_same(row.get(c), v) for c, v in values.items()):
                yield row

    # --------------------------------------------------------------------------------- write

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        resource = self._resource(stream.name)
        for change in batch:
            try:
                result = self._one(resource, change)
            except RejectedError as e:
                result = self._refused(resource, change, e)
            if result:
                yield result

    def _one(self, resource: Resource, change: Change) -> WriteResult | None:
        if change.op == "create":
            return self._create(resource, change)
        if change.op == "delete" or not resource.edits:
            return WriteResult.rejected(
                change.key,
                code="not-possible",
                message="U8 lets no {label} be changed or deleted in this way: {op}",
                values={"label": resource.label, "op": change.op},
            )
        body = {resource.name: {**data_of(resource, change.values), "code": change.remote_id}}
        said = self._settled(said_by(self.http.post(f"api/{resource.name}/edit", json=body)))
        if said is None:
            return None
        return WriteResult.applied(change.key, remote_id=change.remote_id)

    def _create(self, resource: Resource, change: Change) -> WriteResult | None:
        values = with_defaults(change.values, self.config["create"].get(resource.name, {}))
        params: dict[str, Any] = {"biz_id": change.key}
        if self.config["synchronous"]:
            params["sync"] = 1
        body = {resource.name: data_of(resource, values)}
        answer = self.http.post(f"api/{resource.name}/add", params=params, json=body)
        said = self._settled(said_by(answer))
        code = str((said or {}).get("id") or "")
        if not code:
            return None  # no outcome yet: the same biz_id will tell
        return WriteResult.applied(change.key, remote_id=code)

    def _settled(self, said: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The outcome of a write, asked for where the first answer says no more than «accepted»."""
        url = said.get("url")
        if not url or said.get("id"):
            return said
        for _ in range(self.config["poll_times"]):
            self.http.clock.sleep(timedelta(seconds=self.config["poll_seconds"]))
            found = said_by(self.http.get(str(url)))
            if code_of(found) == GOOD and not is_pending(found):
                return found
        return None

    def _refused(self, resource: Resource, change: Change, e: RejectedError) -> WriteResult | None:
        if change.op == "update" and self._get(resource, change.remote_id) is None:
            return WriteResult.gone(change.key)
        return WriteResult.rejected(
            change.key,
            code=str(e.values.get("code") or e.code),
            message=str(e.values.get("message") or e),
        )


def _rank(resource: Resource, head: Mapping[str, Any], *, timed: bool) -> tuple[bool, Any, str]:
    """Rows that were never changed first."""
    code = _code(head, resource)
    said = head.get(resource.since) if timed else None
    if said in (None, ""):
        return False, _nothing(resource), code
    try:
        return True, int(str(said)) if resource.since == "timestamp" else str(said)[:10], code
    except ValueError as e:
        raise ProtocolError("U8 {name}: a row version that is no number", name=resource.name) from e


def _nothing(resource: Resource) -> Any:
    return 0 if resource.since == "timestamp" else ""


def _code(head: Mapping[str, Any], resource: Resource) -> str:
    code = str(head.get("code") or "")
    if not code:
        raise ProtocolError("U8 {place}: a record without a code", place=resource.name)
    return code


def _number(said: Mapping[str, Any], name: str) -> int:
    try:
        return int(str(said.get(name)))
    except ValueError as e:
        raise ProtocolError("U8: {name} is no number in the answer", name=name) from e


def _same(stored: Any, wanted: Any) -> bool:
    return bool(stored == wanted) or str(stored) == str(wanted)
