"""JSON-RPC as Tryton speaks it: typed values, sessions, and errors inside answers of status 200."""

import base64
import itertools
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from hub.connector import SecretText
from hub.errors import (
    AuthError,
    ConfigError,
    HubError,
    ProtocolError,
    RejectedError,
)
from hub.http import HeaderAuth, Response, RestClient, classify


class StaleError(Exception):
    """Somebody changed a record since the version that was sent along."""


class Client:
    """One signed-in session; it signs in at the first call."""

    def __init__(
        self, url: str, database: str, user: str, password: SecretText, timeout: timedelta
    ) -> None:
        self.url, self.database, self.user, self.password = url, database, user, password
        self.timeout = timeout
        self.series = ""
        self.preferences: dict[str, Any] = {}
        self._numbers = itertools.count()
        self._stack = ExitStack()
        self._signed: RestClient | None = None
        self._path = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def call(self, method: str, *params: Any) -> Any:
        """The result of a method of a model; typed values both ways."""
        if self._signed is None:
            self._sign_in()
        assert self._signed is not None
        return self._post(self._signed, self._path, method, *params)

    @property
    def major(self) -> int:
        """The first number of the server's version."""
        if self._signed is None:
            self._sign_in()
        return int(self.series.split(".")[0])

    def _sign_in(self) -> None:
        plain = self._client(None)
        self.series = self._series(plain)
        rpc = "rpc/" if int(self.series.split(".")[0]) >= 8 else ""
        self._path = f"{self.database}/{rpc}"
        found = self._post(
            plain,
            self._path,
            "common.db.login",
            self.user,
            {"password": self.password.reveal()},
        )
        if not found:
            raise AuthError("Tryton {url}: user {user!r} is refused", url=self.url, user=self.user)
        session = base64.b64encode(f"{self.user}:{found[0]}:{found[1]}".encode()).decode()
        self._signed = self._client(SecretText(session))
        self.preferences = self._post(
            self._signed, self._path, "model.res.user.get_preferences", True, {}
        )

    def _client(self, session: SecretText | None) -> RestClient:
        auth = HeaderAuth("Authorization", session, prefix="Session ") if session else None
        client = RestClient(self.url, auth=auth, timeout=self.timeout, classify=self._classify)
        return self._stack.enter_context(client)

    def _series(self, client: RestClient) -> str:
        """The server's version; the address of root methods tells the two generations apart."""
        try:
            return str(self._post(client, "rpc/", "common.server.version"))
        except (
            RejectedError,
            ProtocolError,
            AuthError,
            ConfigError,
        ):  # 7.0 takes it for a database
            return str(self._post(client, "", "common.server.version"))

    def _classify(self, response: Response) -> HubError | None:
        if response.status == 401:
            return AuthError(
                "Tryton {url}: user {user!r} is refused, or the session has ended",
                url=self.url,
                user=self.user,
                hint="Check user and password of the connection.",
            )
        if response.status == 404 and self.database:
            return ConfigError(
                "Tryton {url} has no database {database!r}",
                url=self.url,
                database=self.database,
                hint="Correct `database` in the connection's settings.",
            )
        if response.status in (405, 400):
            return RejectedError("Tryton {url} refuses this address", url=self.url)
        return classify(response)

    def _post(self, client: RestClient, path: str, method: str, *params: Any) -> Any:
        body = {"id": next(self._numbers), "method": method, "params": typed(list(params))}
        answer = client.post(path, json=body).json()
        if not isinstance(answer, dict) or "error" not in answer:
            if not isinstance(answer, dict) or "result" not in answer:
                raise ProtocolError("Tryton {url}: an answer without result", url=self.url)
            return untyped(answer["result"])
        raise _error(self.url, method, answer["error"])


def _error(url: str, method: str, error: Any) -> Exception:
    """Tryton's error lists: [kind, [message, …]] from its own checks, [text, trace] from Python."""
    kind = error[0] if isinstance(error, list) and error else str(error)
    details = error[1] if isinstance(error, list) and len(error) > 1 else ""
    words = details if isinstance(details, list) else [str(kind)]
    match kind:
        case "ConcurrencyException":
            return StaleError()
        case "UserError":
            text = ": ".join(str(w) for w in words[:2] if w)
            return RejectedError("{words}", words=text)
        case "UserWarning":
            return RejectedError("{words}", words=str(words[1] if len(words) > 1 else words))
        case "LoginException":
            return AuthError("Tryton {url}: another sign-in step is asked for", url=url)
    return RejectedError(
        "Tryton {url}: {method} fails: {words}", url=url, method=method, words=str(kind)
    )


def typed(value: Any) -> Any:
    """Python values as Tryton's JSON has them; instants lose their zone, being UTC there."""
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case datetime():
            utc = value.astimezone(UTC) if value.tzinfo else value
            parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return {"__class__": "datetime", **{p: getattr(utc, p) for p in parts}}
        case date():
            return {
                "__class__": "date",
                "year": value.year,
                "month": value.month,
                "day": value.day,
            }
        case bytes():
            return {"__class__": "bytes", "base64": base64.b64encode(value).decode()}
        case Mapping():
            return {k: typed(v) for k, v in value.items()}
        case list() | tuple():
            return [typed(v) for v in value]
    return value


def untyped(value: Any) -> Any:
    if isinstance(value, list):
        return [untyped(v) for v in value]
    if not isinstance(value, dict):
        return value
    parts = {k: v for k, v in value.items() if k != "__class__"}
    match value.get("__class__"):
        case "Decimal":
            return Decimal(value["decimal"])
        case "date":
            return date(**parts)
        case "datetime":
            return datetime(**parts, tzinfo=UTC)
        case "bytes":
            return base64.b64decode(value["base64"])
        case "timedelta":
            return timedelta(seconds=float(value["seconds"])).total_seconds()
    return {k: untyped(v) for k, v in value.items()}
