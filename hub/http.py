"""HTTP sessions for connectors: total deadlines, strict JSON, status → error, secrets never shown.

`RestClient` differs from plain `requests` in what it refuses: a call that takes longer than its
deadline in all, a body over the cap (counted after decompression), a redirect or link to another
origin, and JSON with NaN, unbounded exponents, duplicate keys or bottomless nesting.  Errors are
those of `hub.errors`; `may_have_acted` is False only where no byte of the request was sent, or the
answer says so.
"""

import base64
import json
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Literal, Self, TypedDict, Unpack
from urllib.parse import quote, urlencode, urljoin, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import connection, connectionpool
from urllib3.exceptions import HTTPError, NewConnectionError

from hub.connector import SecretText
from hub.errors import (
    AuthError,
    HubError,
    ProtocolError,
    RateLimitError,
    RejectedError,
    RemoteError,
    UnavailableError,
)
from hub.seams import Clock, SystemClock

TIMEOUT = timedelta(seconds=60)
CONNECT_TIMEOUT = timedelta(seconds=10)
MAX_BYTES = 64 * 1024 * 1024
MAX_WAIT = timedelta(hours=1)  # a longer Retry-After is asked again after this
MAX_DEPTH = 100
MAX_EXPONENT = 100
MAX_REDIRECTS = 5
CHUNK = 64 * 1024
SHOWN = 200  # characters of a foreign answer that a message quotes
DOTS = "••••••"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_LOGIN = re.compile(
    rb"type=[\"']?password|<title>[^<]*(log.?in|sign.?in|anmeld|\xe7\x99\xbb\xe5\xbd\x95)", re.I
)
_GATEWAY = re.compile(rb"bad gateway|gateway time|unavailable|maintenance|try again later", re.I)
_LOGIN_URL = re.compile(r"log.?in|sign.?in|/sso|/auth|oauth|saml", re.I)

# Its debug lines repeat the whole address, and in the query of some systems stand key and token.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

Decimals = Literal["number", "text"]


# ------------------------------------------------------------------------------------ JSON


def loads(body: bytes | str) -> Any:
    """JSON with `Decimal` for fractions.  ValueError for what no two readers agree on."""
    try:
        value = json.loads(
            body,
            parse_float=_decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(value)
    if (b"\\u" if isinstance(body, bytes) else "\\u") in body:  # type: ignore[operator]
        _check_unicode(value)
    return value


def _check_unicode(value: Any) -> None:
    """An escape can spell half a character, which no database stores."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair stands alone") from None


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if abs(number.adjusted()) > MAX_EXPONENT or len(text) > 2 * MAX_EXPONENT:
        raise ValueError(f"number out of bounds: {text[:20]}")
    return number


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} occurs twice")
    return found


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for parts in level
            if isinstance(parts, (dict, list))
            for part in (parts.values() if isinstance(parts, dict) else parts)
            if isinstance(part, (dict, list))
        ]
        if not level:
            return
    raise ValueError("nested too deeply")


def dumps(value: Any, *, decimals: Decimals = "number") -> str:
    """JSON text.  A Decimal keeps every digit, as a number or as text; times are ISO."""
    if isinstance(value, Mapping):
        parts = (f"{json.dumps(str(k))}:{dumps(v, decimals=decimals)}" for k, v in value.items())
        return "{" + ",".join(parts) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(dumps(v, decimals=decimals) for v in value) + "]"
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT:
            raise ValueError(f"not a number for JSON: {value}")
        return f"{value:f}" if decimals == "number" else f'"{value:f}"'
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
    return value


# -------------------------------------------------------------------------------- the answer


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer.  `url` has no query; `acts`: the call could change the remote system."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    acts: bool = False
    received_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").split(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        return "html" in self.content_type or self.content[:200].lstrip()[:1] == b"<"

    def json(self) -> Any:
        """The parsed body.  A web page instead is classified: sign-in, gateway, or unknown."""
        try:
            return loads(self.content)
        except ValueError as e:
            if self.is_html:
                raise _html_error(self) from e
            template = "{call} is not usable JSON ({reason}): {start!r}"
            raise self.error(ProtocolError, template, reason=str(e)[:SHOWN]) from e

    def next_link(self) -> str:
        """The address of the next page in the `Link` header, or ""."""
        links = requests.utils.parse_header_links(self.headers.get("Link", ""))
        return next((link["url"] for link in links if link.get("rel") == "next"), "")

    def error(self, kind: type[RemoteError], template: str = "", **values: Any) -> RemoteError:
        """An error that names the call, its status and type, and the first characters, scrubbed."""
        call = f"{self.method} {self.url}: answer {self.status} {self.content_type}".rstrip()
        values = {"may_have_acted": self.acts, "status": str(self.status), **values}
        return kind(template or "{call}: {start!r}", call=call, start=self.start(), **values)

    def start(self) -> str:
        """The first characters of the body on one line, without any secret."""
        text = self.content[: 4 * SHOWN].decode("utf-8", "replace")
        return scrub(" ".join(text.split()), self.secrets)[:SHOWN]


def _html_error(response: Response) -> RemoteError:
    if _LOGIN.search(response.content[:CHUNK]):
        hint = "The session or token has expired, or the address is that of the web page."
        template = "{call} is a sign-in page"
        return response.error(AuthError, template, hint=hint, may_have_acted=False)
    if _GATEWAY.search(response.content[:CHUNK]):
        return response.error(UnavailableError, "{call} is a gateway's page: {start!r}")
    hint = "Check that the address is that of the API."
    return response.error(ProtocolError, "{call} is a web page: {start!r}", hint=hint)


def classify(response: Response) -> HubError | None:
    """The error that a status stands for; None for success."""
    status = response.status
    if response.ok:
        return None
    if status in {401, 403}:
        return response.error(AuthError, may_have_acted=False)
    if status == 429:
        wait = retry_after(response)
        return response.error(RateLimitError, retry_after=wait, may_have_acted=False)
    if 300 <= status < 400:
        return _redirect_error(response)
    if status in {405, 406, 415, 501, 505}:
        return response.error(ProtocolError, may_have_acted=False)
    if status == 408 or status >= 500:
        return response.error(UnavailableError)
    return response.error(RejectedError, may_have_acted=False)


def _redirect_error(response: Response) -> RemoteError:
    target = response.headers.get("Location", "")
    place = scrub(_bare(urljoin(response.url, target)), response.secrets)
    kind = AuthError if _LOGIN_URL.search(place) else ProtocolError
    hint = "Set the address to where the API really is, or sign in again."
    return response.error(kind, "{call} sends to {place}", place=place, hint=hint)


def retry_after(response: Response) -> timedelta | None:
    """How long to wait: seconds or a date, never negative, never over `MAX_WAIT`; None: unsaid."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        if re.fullmatch(r"-?\d{1,12}(\.\d+)?", text):
            wait = timedelta(seconds=float(text))
        else:  # against the sender's own clock, where it shows one
            wait = _http_date(text) - _sent_at(response)
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), MAX_WAIT)


def _http_date(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _sent_at(response: Response) -> datetime:
    try:
        return _http_date(response.headers["Date"])
    except (KeyError, ValueError):
        return response.received_at


def scrub(text: str, secrets: Collection[str]) -> str:
    """The text with every secret, also in its URL spelling, replaced by dots."""
    for secret in sorted(secrets, key=len, reverse=True):
        for spelling in {secret, quote(secret, safe=""), quote(secret)}:
            if len(spelling) > 3:
                text = text.replace(spelling, DOTS)
    return text


def _bare(url: str) -> str:
    """The address without user, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


# --------------------------------------------------------------------------------- signing in


class Auth:
    """How calls are signed.  `secrets` are kept out of every message."""

    def headers(self, client: "RestClient") -> dict[str, str]:
        return {}

    def params(self) -> dict[str, str]:
        return {}

    def fields(self) -> dict[str, Any]:
        """What goes to the top of a JSON body, for systems that look for their token there."""
        return {}

    def sign(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """Headers that depend on the call itself."""
        return {}

    def refused(self, response: "Response") -> bool:
        """Whether the answer says that the token or session is over; some say so in a 200."""
        return response.status == 401

    def renew(self, refused: Mapping[str, str]) -> bool:
        """After a refusal of a call with these headers: True if signing again may help."""
        return False

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()


def _reveal(secret: SecretText | str) -> str:
    return secret.reveal() if isinstance(secret, SecretText) else secret


class HeaderAuth(Auth):
    """A fixed header: `HeaderAuth("X-Api-Key", key)`."""

    def __init__(self, name: str, secret: SecretText | str, *, prefix: str = "") -> None:
        self._name, self._secret, self._prefix = name, _reveal(secret), prefix

    def headers(self, client: "RestClient") -> dict[str, str]:
        return {self._name: self._prefix + self._secret}

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._secret,)


class BearerAuth(HeaderAuth):
    def __init__(self, token: SecretText | str) -> None:
        super().__init__("Authorization", token, prefix="Bearer ")


class BasicAuth(HeaderAuth):
    def __init__(self, user: str, password: SecretText | str) -> None:
        self._password = _reveal(password)
        token = base64.b64encode(f"{user}:{self._password}".encode()).decode("ascii")
        super().__init__("Authorization", token, prefix="Basic ")

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._password, self._secret)


class ApiKeyQuery(Auth):
    """A key in the query, for systems that know nothing better."""

    def __init__(self, name: str, secret: SecretText | str) -> None:
        self._name, self._secret = name, _reveal(secret)

    def params(self) -> dict[str, str]:
        return {self._name: self._secret}

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._secret,)


class TokenAuth(Auth):
    """A token that all threads share, renewed before it expires and once after a refusal.

    A subclass says how it is got (`issue`) and, if not as a bearer token, where it goes.
    """

    EARLY = timedelta(seconds=60)
    LIFETIME = 3600.0  # seconds, where the server does not say

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token, self._expires = "", 0.0

    def issue(self, client: "RestClient") -> tuple[str, float]:
        """A new token, and for how many seconds it is good."""
        raise NotImplementedError

    def token(self, client: "RestClient") -> str:
        with self._lock:
            if not self._token or client.clock.monotonic() >= self._expires:
                self._token, lifetime = self.issue(client)
                early = min(self.EARLY.total_seconds(), lifetime / 10)
                self._expires = client.clock.monotonic() + lifetime - early
            return self._token

    def headers(self, client: "RestClient") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(client)}"}

    def renew(self, refused: Mapping[str, str]) -> bool:
        with self._lock:
            # a token that is not in the headers cannot be told from one that another renewed
            if not refused or any(self._token in value for value in refused.values()):
                self._token = ""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._token,)


def lifetime(said: Any, default: float) -> float:
    """Seconds that a token is good for, as the server said; the default for what is no such number."""
    try:
        seconds = float(said)
    except (TypeError, ValueError, OverflowError):
        return default
    return seconds if 0 < seconds < 10**9 else default


class ClientCredentials(TokenAuth):
    """OAuth 2 client credentials."""

    def __init__(
        self, token_url: str, client_id: str, client_secret: SecretText | str, *, scope: str = ""
    ) -> None:
        super().__init__()
        self._token_url, self._client_id, self._scope = token_url, client_id, scope
        self._client_secret = _reveal(client_secret)

    def issue(self, client: "RestClient") -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "scope": self._scope}
        basic = BasicAuth(quote(self._client_id), quote(self._client_secret, safe=""))
        try:
            with client.sibling(self._token_url, basic) as issuer:
                form = {k: v for k, v in form.items() if v}
                answer = issuer.post("", form=form, acts=False).json()
        except RejectedError as e:  # 400 invalid_client, invalid_scope
            raise AuthError("{cause}", cause=str(e)) from e
        match answer:
            case {"access_token": str(token)}:
                return token, lifetime(answer.get("expires_in"), self.LIFETIME)
        raise AuthError("{url}: no access token in the answer", url=_bare(self._token_url))

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._client_secret, self._token)


# --------------------------------------------------------------------------------- transport


@dataclass(slots=True)
class _Call:
    """What the sockets need to know of the call in progress: when it ends, and what they did."""

    ends: float
    clock: Clock
    sent: bool = False

    def left(self) -> float:
        left = self.ends - self.clock.monotonic()
        if left <= 0:
            raise TimeoutError("total deadline passed")
        return left


# A pooled connection serves many calls, so a socket asks the context which one it is in.
_current: ContextVar[_Call | None] = ContextVar("hub_http_call", default=None)


class _DeadlineMixin:
    """Sockets whose every wait ends with the call: the timeout of a plain one is per receive."""

    def _bound(self, *, sending: bool = False) -> None:
        call = _current.get()
        if call:
            self.settimeout(call.left())  # type: ignore[attr-defined]
            call.sent = call.sent or sending

    def recv_into(self, *args: Any) -> int:
        self._bound()
        return int(super().recv_into(*args))  # type: ignore[misc]

    def send(self, *args: Any) -> int:
        self._bound(sending=True)
        return int(super().send(*args))  # type: ignore[misc]

    def sendall(self, *args: Any) -> None:
        self._bound(sending=True)
        super().sendall(*args)  # type: ignore[misc]

    def do_handshake(self, *args: Any) -> None:
        self._bound()
        super().do_handshake(*args)  # type: ignore[misc]


class _Socket(_DeadlineMixin, socket.socket):
    pass


class _TlsSocket(_DeadlineMixin, ssl.SSLSocket):
    pass


def _connect(host: str, port: int) -> socket.socket:
    """A connection to the first address that answers; all attempts share the deadline."""
    failure: OSError = OSError(f"no address for {host}")
    for family, kind, proto, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = _Socket(family, kind, proto)
        try:
            call = _current.get()
            limit = CONNECT_TIMEOUT.total_seconds()
            sock.settimeout(min(limit, call.left()) if call else limit)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
        except OSError as e:
            failure = e
            sock.close()
        else:
            return sock
    raise failure


class _Connecting:
    def _new_conn(self) -> socket.socket:
        try:
            return _connect(self._dns_host, self.port)  # type: ignore[attr-defined]
        except OSError as e:
            raise NewConnectionError(self, str(e)) from e  # type: ignore[arg-type]


class _HttpConnection(_Connecting, connection.HTTPConnection):
    pass


class _HttpsConnection(_Connecting, connection.HTTPSConnection):
    pass


class _HttpPool(connectionpool.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(connectionpool.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class DeadlineAdapter(HTTPAdapter):
    """The transport of production.  Another `requests` adapter may take its place in a test."""

    def __init__(self, ca_file: str = "") -> None:
        self._context = ssl.create_default_context(
            cafile=ca_file or requests.utils.DEFAULT_CA_BUNDLE_PATH
        )
        self._context.sslsocket_class = _TlsSocket
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager


# ------------------------------------------------------------------------------------ client


Classify = Callable[[Response], HubError | None]
Params = Mapping[str, Any] | Sequence[tuple[str, Any]]


class Options(TypedDict, total=False):
    """What a call may carry.

    `json` is written by `dumps`; `form` is url-encoded; `body` is sent as it is.  `acts`: whether
    the call can change the remote system; by default every method but GET and HEAD.  `accept`:
    statuses to be returned and not raised.  `timeout`: for this call alone.
    """

    params: Params
    json: Any
    form: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]
    acts: bool
    accept: Collection[int]
    timeout: timedelta


class RestClient:
    """A session with one origin.  Paths are relative to `base_url`; absolute links must stay there.

    `timeout` is for the whole call, connecting and reading included (looking up the host name is
    the system's).  `per_second`: calls are spread so that there are no more; 0: no limit.
    `classify` turns an answer into the error to raise, or None.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth | None = None,
        classify: Classify = classify,
        timeout: timedelta = TIMEOUT,
        max_bytes: int = MAX_BYTES,
        transport: BaseAdapter | None = None,
        clock: Clock | None = None,
        headers: Mapping[str, str] | None = None,
        decimals: Decimals = "number",
        ca_file: str = "",
        per_second: float = 0,
    ) -> None:
        self.base_url = base_url.rstrip("/") + "/"
        self.auth = auth or Auth()
        self.clock = clock or SystemClock()
        self._classify, self._timeout, self._max_bytes = classify, timeout, max_bytes
        self._decimals = decimals
        self._gap, self._next = 1 / per_second if per_second else 0.0, 0.0
        self._turn = threading.Lock()
        self._session = requests.Session()
        self._session.auth = lambda request: request  # otherwise ~/.netrc would sign our calls
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["Accept"] = "application/json"
        self._session.headers.update(headers or {})
        self._transport = transport or DeadlineAdapter(ca_file)
        self._owns_transport = transport is None
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._owns_transport:
            self._session.close()

    def sibling(self, url: str, auth: Auth) -> "RestClient":
        """A client for another address over the same transport, which stays this client's."""
        return RestClient(url, auth=auth, transport=self._transport, clock=self.clock)

    def get(self, path: str, **options: Unpack[Options]) -> Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Unpack[Options]) -> Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[Options]) -> Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[Options]) -> Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[Options]) -> Response:
        return self.request("DELETE", path, **options)

    def request(self, method: str, path: str, **options: Unpack[Options]) -> Response:
        """The answer, complete and within bounds; what is not a success is raised."""
        url = self._resolve(path)
        self._take_turn()
        call = _Call(self._ends(options), self.clock)
        signed = self.auth.headers(self)
        response = self._send(call, method, url, signed, options)
        if self.auth.refused(response) and self.auth.renew(signed):  # a refusal has not acted
            response = self._send(call, method, url, self.auth.headers(self), options)
        error = None
        if response.status not in options.get("accept", ()):
            error = self._classify(response)
        if error:
            raise error
        return response

    def _take_turn(self) -> None:
        """Wait until the next call is due, where a rate is to be kept."""
        if self._gap:
            with self._turn:
                due = max(self._next, self.clock.monotonic())
                self._next = due + self._gap
            self.clock.sleep(timedelta(seconds=due - self.clock.monotonic()))

    def _ends(self, options: Options) -> float:
        timeout = options.get("timeout", self._timeout)
        return self.clock.monotonic() + timeout.total_seconds()

    def _resolve(self, path: str) -> str:
        absolute = path.startswith(("http://", "https://"))
        url = path if absolute else self.base_url + path.lstrip("/")
        url = url if path else self.base_url.rstrip("/")
        if not _same_origin(url, self.base_url):
            raise ProtocolError(
                "the link {link} leads away from {base}",
                link=scrub(_bare(url), self.auth.secrets),
                base=_bare(self.base_url),
                hint="Set the address to where the API really is.",
            )
        return url

    def _send(
        self, call: _Call, method: str, url: str, signed: Mapping[str, str], options: Options
    ) -> Response:
        """One exchange, and for reads the redirects that stay on this origin."""
        for _ in range(MAX_REDIRECTS):
            response = self._exchange(call, self._prepare(method, url, signed, options), options)
            target = urljoin(url, response.headers.get("Location", ""))
            moved = response.status in {301, 302, 303, 307, 308} and method in SAFE
            if not moved or not _same_origin(target, url) or _LOGIN_URL.search(target):
                return response
            url, options = target, {**options, "params": {}}
        return response

    def _prepare(
        self, method: str, url: str, signed: Mapping[str, str], options: Options
    ) -> requests.PreparedRequest:
        headers = {**options.get("headers", {}), **signed}
        body: bytes | str | None = options.get("body")
        if "json" in options:
            fields = self.auth.fields()
            content = {**options["json"], **fields} if fields else options["json"]
            body = dumps(content, decimals=self._decimals).encode()
            headers.setdefault("Content-Type", "application/json")
        elif "form" in options:
            body = urlencode(options["form"])
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        url = _with_query(_with_query(url, options.get("params", {})), self.auth.params())
        raw = body.encode() if isinstance(body, str) else body or b""
        headers |= self.auth.sign(method, url, raw)
        return self._session.prepare_request(
            requests.Request(method, url, headers=headers, data=body)
        )

    def _exchange(
        self, call: _Call, request: requests.PreparedRequest, options: Options
    ) -> Response:
        acts = options.get("acts", request.method not in SAFE)
        token = _current.set(call)
        try:
            return self._read(call, request, acts)
        except (requests.RequestException, HTTPError, OSError) as e:
            # not `from e`: its text repeats the query, which may hold a key
            raise self._no_answer(call, request, e, acts) from _innermost(e)
        finally:
            _current.reset(token)

    def _read(self, call: _Call, request: requests.PreparedRequest, acts: bool) -> Response:
        url = request.url or ""
        answer = self._session.send(
            request,
            stream=True,
            timeout=call.left(),
            allow_redirects=False,
            proxies=requests.utils.get_environ_proxies(url, no_proxy=None),
        )
        try:
            content = self._body(call, answer, request, acts)
        finally:
            answer.close()  # an unread rest closes the connection
        return self._response(request, answer, content, acts)

    def _body(
        self,
        call: _Call,
        answer: requests.Response,
        request: requests.PreparedRequest,
        acts: bool,
    ) -> bytes:
        parts, size = [], 0
        for part in answer.iter_content(CHUNK):
            call.left()
            size += len(part)
            if size > self._max_bytes:
                response = self._response(request, answer, b"", acts)
                template = "{call} is larger than {limit} bytes"
                raise response.error(ProtocolError, template, limit=self._max_bytes)
            parts.append(part)
        return b"".join(parts)

    def _response(
        self,
        request: requests.PreparedRequest,
        answer: requests.Response,
        content: bytes,
        acts: bool,
    ) -> Response:
        secrets = tuple(s for s in self.auth.secrets if s)
        return Response(
            method=request.method or "",
            url=scrub(_bare(request.url or ""), secrets),
            status=answer.status_code,
            headers=CaseInsensitiveDict(answer.headers),
            content=content,
            acts=acts,
            received_at=self.clock.now(),
            secrets=secrets,
        )

    def _no_answer(
        self, call: _Call, request: requests.PreparedRequest, cause: Exception, acts: bool
    ) -> RemoteError:
        url = scrub(_bare(request.url or ""), self.auth.secrets)
        sent = call.sent or not isinstance(self._transport, DeadlineAdapter)
        return UnavailableError(
            "{method} {url}: no complete answer ({reason})",
            method=request.method,
            url=url,
            reason=scrub(_reason(cause), self.auth.secrets),
            hint="Is the system running, and is the address of the connection right?",
            may_have_acted=acts and sent and not _never_connected(cause),
        )


def _same_origin(a: str, b: str) -> bool:
    ports = {"http": 80, "https": 443}
    one, two = urlsplit(a), urlsplit(b)
    return (one.scheme, one.hostname, one.port or ports.get(one.scheme)) == (
        two.scheme,
        two.hostname,
        two.port or ports.get(two.scheme),
    )


def _with_query(url: str, params: Params) -> str:
    """The address with the parameters added; a space is %20, which every server understands."""
    pairs = params.items() if isinstance(params, Mapping) else params
    query = urlencode([(k, v) for k, v in pairs if v is not None], doseq=True, quote_via=quote)
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}{query}" if query else url


def _never_connected(cause: BaseException) -> bool:
    reason = getattr(cause.args[0], "reason", None) if cause.args else None
    return isinstance(cause, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _reason(cause: BaseException) -> str:
    inner = _innermost(cause)
    text = str(inner) if isinstance(inner, OSError) else ""
    return text[:SHOWN] or type(inner).__name__


def _innermost(cause: BaseException) -> BaseException:
    seen = {id(cause)}
    while (inner := cause.__cause__ or cause.__context__) and id(inner) not in seen:
        cause = inner
        seen.add(id(cause))
    return cause
