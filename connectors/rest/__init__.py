"""Any system with a JSON API over HTTP, described by settings alone.

Source: the API's own documentation; `spec.py` lists all that can be said about it.
Time:   texts with a zone are taken as they are, those without are in the setting `zone`.
Money:  numbers are read and written digit by digit, never through float.
Limits: `page_size`, `batch_size` and `calls_per_minute` as the API's documentation says.

    base_url: https://crm.example/api/v1
    auth: bearer
    secret: ${secret:crm-token}
    idempotency_header: Idempotency-Key
    streams:
      customers:
        path: customers
        rows: data
        total: total
        paging: {type: offset, param: offset, size_param: limit}
        since: {column: updated_at, param: updated_since, order: {sort: "updated_at,id"}}
        fetch: {find: {email: email}}
        columns: {updated_at: datetime, credit_limit: decimal, signed_on: date}
        create: {}
        update: {}
        delete: {}
        version: {column: version, template: '"{}"'}
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
)
from hub.errors import (
    AuthError,
    ConfigError,
    HubError,
    NotFoundError,
    RateLimitError,
    RejectedError,
    RemoteError,
    UnavailableError,
)
from hub.http import (
    ApiKeyQuery,
    Auth,
    BasicAuth,
    BearerAuth,
    ClientCredentials,
    HeaderAuth,
    Response,
    RestClient,
    classify,
)

from . import coding, reading, writing
from .coding import at
from .paging import Source
from .spec import Errors, StreamSpec, build

SAMPLE = 25  # rows that `discover` looks at
MESSAGE_PLACES = ("error.message", "message", "error_description", "detail", "error", "title")
CODE_PLACES = ("error.code", "code", "error", "errors.0.code")
COLUMN_PLACES = ("error.field", "field", "errors.0.field")


class RestSettings(Settings):
    base_url = Url(help="API root, with the version: https://crm.example/api/v1")
    auth = Choice(
        *("none", "basic", "bearer", "header", "query", "oauth2"),
        help="How calls are signed.",
        load_default="none",
    )
    user = Text(help="User name (basic) or client id (oauth2).", load_default="")
    secret = Secret(
        help="Password, token, key or client secret.", load_default=lambda: SecretText("")
    )
    header = Text(
        help="Name of the header or query parameter that carries the key.", load_default="X-Api-Key"
    )
    token_url = Text(help="Where oauth2 tokens are issued.", load_default="")
    scope = Text(help="Scope to ask for with oauth2.", load_default="")
    headers = Nested(help="Headers sent with every call.", load_default=dict)
    check = Nested(
        help="`path` of a cheap signed-in call, and `show`: where the answer names the account.",
        load_default=dict,
    )
    zone = Text(help="Time zone of texts without one: Asia/Shanghai.", load_default="UTC")
    decimals = Choice(
        *("number", "text"), help="How JSON bodies carry decimals.", load_default="number"
    )
    errors = Nested(
        help="Where an answer holds code, message and column of an error, also in a 200.",
        load_default=dict,
    )
    idempotency_header = Text(
        help="Header under which the API takes a key, and repeats nothing sent twice with it.",
        load_default="",
    )
    page_size = Number(help="Rows asked for per page.", load_default=100)
    batch_size = Number(help="Records per bulk call.", load_default=100)
    calls_per_minute = Number(help="Calls the API allows a minute; 0: no limit.", load_default=0)
    timeout = Number(help="Seconds after which a call is given up.", load_default=60)
    ca_file = Text(help="Certificates to trust besides the usual ones.", load_default="")
    streams = Nested(help="Stream name → its declaration; see the documentation of `rest`.")


class Rest(Connector):
    name = "rest"
    settings = RestSettings

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        where = f"{self.name}: streams"
        self.specs = {
            name: build(StreamSpec, declared, f"{where}.{name}")
            for name, declared in self.config["streams"].items()
        }
        self._errors = build(Errors, self.config["errors"], f"{self.name}: errors")
        self._zone = _zone(self.config["zone"])
        self.capabilities = _capabilities(self.config, list(self.specs.values()))

    def open(self) -> None:
        self.http = self.enter(
            RestClient(
                self.config["base_url"],
                auth=_auth(self.config),
                classify=self._classify,
                timeout=timedelta(seconds=self.config["timeout"]),
                headers={k: str(v) for k, v in self.config["headers"].items()},
                decimals=self.config["decimals"],
                ca_file=self.config["ca_file"],
            )
        )

    def check(self) -> str:
        path, show = self.config["check"].get("path"), self.config["check"].get("show", "")
        if path:
            answer = self.http.get(path).json()  # a sign-in page of status 200 is none
            account = at(show, answer) if show else "somebody"
            return f"{self.config['base_url']}: signed in as {account}"
        for name, spec in self.specs.items():
            source = Source(self.http, spec, 1)
            answer = source.ask(source.first(), {})
            return f"{self.config['base_url']}: {name} answers with {len(answer.rows)} rows"
        return f"{self.config['base_url']}: no stream is declared"

    def discover(self) -> Iterator[Stream]:
        for name, spec in self.specs.items():
            yield Stream(
                name,
                key=spec.key,
                cursor_column=spec.since.column,
                writable=bool(spec.create or spec.update),
                columns=self._columns(spec),
                label=spec.label,
            )

    def _columns(self, spec: StreamSpec) -> dict[str, Column]:
        """The declared columns, and what the first rows show of the others."""
        source = Source(self.http, spec, SAMPLE)
        raw = source.ask(source.first(), {}).rows[:SAMPLE]
        decoded = [coding.decode_row(spec.columns, r, spec.path, self._zone) for r in raw]
        rows = [row for row in decoded if not isinstance(row, BadRow)]
        declared = {name: coding.declared(column) for name, column in spec.columns.items()}
        shown = {name: Column("text") for name in spec.key} | coding.inferred(rows)
        stamps = {spec.since.column, spec.version.column if spec.version else ""} - {""}
        computed = {n: replace(shown.get(n, Column("text")), writable=False) for n in stamps}
        return {**shown, **computed, **declared}

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        return reading.read(self._source(stream), stream, cursor)

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        return reading.fetch(self._source(replace(stream, where={})), keys)

    def version_of(self, stream: Stream, row: Row) -> str | None:
        return writing.version_in(self._source(stream), row)

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        return writing.write(self._source(stream), batch, self.config["batch_size"])

    def _source(self, stream: Stream) -> Source:
        spec = self.specs.get(stream.name)
        if spec is None:
            raise NotFoundError(
                "{connector}: no stream {name!r}",
                connector=self.name,
                name=stream.name,
                hint="Declared streams: {known}.",
                known=", ".join(self.specs) or "—",
            )
        return Source(
            self.http,
            spec,
            size=self.capabilities.read_page,
            params=stream.where,
            zone=self._zone,
            key_header=self.config["idempotency_header"],
        )

    def _classify(self, response: Response) -> HubError | None:
        """What a status means, and what a code in the body means where the settings say so."""
        error = classify(response)
        body = _json(response) if error or self._errors.code else None
        if error is None:
            return self._body_error(response, body)
        if isinstance(error, RejectedError):
            return self._rejection(response, body, str(response.status))
        return error

    def _body_error(self, response: Response, body: Any) -> HubError | None:
        value = at(self._errors.code, body) if self._errors.code else None
        code, errors = str(value), self._errors
        if value is None or code in errors.ok:
            return None
        if code in errors.gone or code in errors.conflict:
            sense = "gone" if code in errors.gone else "conflict"
            return self._rejection(response, body, code, sense)
        kinds: list[tuple[tuple[str, ...], type[RemoteError]]] = [
            (errors.auth, AuthError),
            (errors.rate, RateLimitError),
            (errors.retry, UnavailableError),
        ]
        for codes, raised in kinds:
            if code in codes:
                return response.error(raised)
        return self._rejection(response, body, code)

    def _rejection(self, response: Response, body: Any, status: str, sense: str = "") -> HubError:
        errors = self._errors
        return response.error(
            RejectedError,
            may_have_acted=False,
            status=status,
            sense=sense,
            code=_first(body, errors.code, *CODE_PLACES),
            message=_first(body, errors.message, *MESSAGE_PLACES),
            column=_first(body, errors.column, *COLUMN_PLACES),
        )


def _json(response: Response) -> Any:
    try:
        return response.json()
    except RemoteError:
        return None


def _first(body: Any, *places: str) -> str:
    """The first text or number at one of the places."""
    found = (at(place, body) for place in places if place)
    return next((str(v) for v in found if isinstance(v, str | int) and v != ""), "")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError) as e:
        hint = "A name such as Europe/Berlin."
        template = "rest: setting 'zone' is no time zone: {name!r}"
        raise ConfigError(template, name=name, hint=hint) from e


def _auth(config: Mapping[str, Any]) -> Auth:
    secret, user = config["secret"], config["user"]
    match config["auth"]:
        case "basic":
            return BasicAuth(user, secret)
        case "bearer":
            return BearerAuth(secret)
        case "header":
            return HeaderAuth(config["header"], secret)
        case "query":
            return ApiKeyQuery(config["header"], secret)
        case "oauth2":
            return ClientCredentials(config["token_url"], user, secret, scope=config["scope"])
    return Auth()


def _capabilities(config: Mapping[str, Any], specs: Sequence[StreamSpec]) -> Capabilities:
    """What all streams can do; a write that one of them cannot is refused when it is tried."""
    writable = [s for s in specs if s.create or s.update]
    bulk = [s.bulk for s in writable if s.bulk and "create" in s.bulk.ops]
    return Capabilities(
        read_page=config["page_size"],
        write_batch=config["batch_size"],
        creates=any(s.create for s in specs),
        updates=any(s.update for s in specs),
        deletes=any(s.delete for s in specs),
        patches=all(s.update.patch for s in specs if s.update),
        conditional_writes=bool(writable) and all(s.version for s in writable),
        idempotent_writes=(
            bool(config["idempotency_header"] or bulk) and all(b.idempotent for b in bulk)
        ),
        fetch_by_columns=bool(writable) and all(s.fetch.find for s in writable),
        calls_per_minute=config["calls_per_minute"] or None,
    )
