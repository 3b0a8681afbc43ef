"""JSON-RPC with one database: both generations of addresses, the session, errors by what they mean."""

import base64
import itertools
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any

from hub.connector import SecretText
from hub.errors import (
    AuthError,
    ConfigError,
    HubError,
    ProtocolError,
    RejectedError,
    RemoteError,
    UnavailableError,
)
from hub.http import Auth, Response, RestClient, classify

from .typed import decode, encode

BUSY = ("database is locked", "deadlock", "could not serialize", "OperationalError")


class Refused(RejectedError):
    """The server's own refusal.  `kind`: UserError, UserWarning, ConcurrencyException or server."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__("tryton: {message}", message=message)
        self.kind, self.message = kind, message


class SessionAuth(Auth):
    """Signs in when first needed, and once more when the session has expired."""

    def __init__(self, user: str, password: SecretText, path: "Paths") -> None:
        self._user, self._password, self._paths = user, password, path
        self._header = ""
        self._key = ""

    def headers(self, client: RestClient) -> dict[str, str]:
        if not self._header:
            params = [self._user, {"password": self._password.reveal()}]
            with client.sibling(client.base_url, Secrets(self._password)) as plain:
                body = {"id": 0, "method": "common.db.login", "params": params}
                answer = plain.post(self._paths.database, json=body, acts=False)
            self._sign(answer)
        return {"Authorization": self._header}

    def _sign(self, answer: Response) -> None:
        match answer.json():
            case {"result": [int(number), str(key), *_]}:
                self._key = key
                token = f"{self._user}:{number}:{key}".encode()
                self._header = "Session " + base64.b64encode(token).decode("ascii")
            case {"error": ["LoginException", *_]}:
                raise AuthError(
                    "tryton: user {user!r} cannot sign in with a password alone",
                    user=self._user,
                    hint="Give the user a plain password login (no second factor).",
                )
            case _:
                raise AuthError("tryton: user {user!r}: sign-in refused", user=self._user)

    def renew(self, refused: Mapping[str, str]) -> bool:
        self._header = ""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(s for s in (self._password.reveal(), self._key, self._header) if s)


class Secrets(Auth):
    """Signs nothing, and keeps the password out of what a failed sign-in says."""

    def __init__(self, password: SecretText) -> None:
        self._password = password

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._password.reveal(),)


class Paths:
    """Where to call.  Series 8 has `/<db>/rpc/`, those before `/<db>/`; the server tells once."""

    def __init__(self, client: RestClient, database: str) -> None:
        self._client, self._database = client, database

    @cached_property
    def _found(self) -> tuple[str, str]:
        for suffix in ("rpc/", ""):
            body = {"id": 0, "method": "common.server.version", "params": []}
            answer = self._client.post(
                suffix or "/", json=body, acts=False, accept=(400, 403, 404, 405)
            )
            if answer.ok and not answer.is_html:
                return suffix, str(answer.json().get("result", ""))
        raise ConfigError(
            "tryton: {url} is no Tryton server",
            url=self._client.base_url,
            hint="The address has no database in it: https://tryton.example:8000",
        )

    @property
    def database(self) -> str:
        return f"{self._database}/{self._found[0]}"

    @property
    def version(self) -> str:
        return self._found[1]

    @property
    def has_last_modified(self) -> bool:
        """Series 8 keeps it as one field."""
        return self._found[0] != ""


class Rpc:
    """Calls of one user in one database; `context` is the user's, with inactive records shown."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        timeout = timedelta(seconds=config["timeout"])
        plain = RestClient(config["url"], timeout=timeout)
        self.paths = Paths(plain, config["database"])
        auth = SessionAuth(config["user"], config["password"], self.paths)
        self._client = RestClient(
            config["url"], auth=auth, timeout=timeout, classify=self._classify
        )
        self._plain = plain
        self._numbers = itertools.count(1)

    def close(self) -> None:
        for client in (self._plain, self._client):
            client.__exit__()

    @cached_property
    def context(self) -> dict[str, Any]:
        preferences = self._call("model.res.user.get_preferences", [True, {}], acts=False)
        kept = ("company", "language", "employee", "groups", "company_filter")
        chosen = {k: preferences[k] for k in kept if k in preferences}
        return {**chosen, "active_test": False}

    def read(self, method: str, *params: Any) -> Any:
        """A call that changes nothing."""
        return self._call(method, [*params, self.context], acts=False)

    def write(self, method: str, *params: Any, **context: Any) -> Any:
        """A call that acts; raises `Refused` with the server's words."""
        return self._call(method, [*params, {**self.context, **context}], acts=True)

    def _call(self, method: str, params: list[Any], *, acts: bool) -> Any:
        body = {"id": next(self._numbers), "method": method, "params": encode(params)}
        try:
            response = self._client.post(self.paths.database, json=body, acts=acts)
        except RemoteError as e:
            raise self._missing_database(e) from e
        answer = response.json()
        if not isinstance(answer, dict):
            raise response.error(ProtocolError)
        if "error" in answer:
            raise self._failure(method, answer["error"])
        return decode(answer.get("result"))

    def _classify(self, response: Response) -> HubError | None:
        if response.status == 403:  # signed in, but the method is not to be had
            return response.error(RejectedError, may_have_acted=False)
        if response.status in {413, 422}:
            return response.error(ProtocolError, may_have_acted=False)
        return classify(response)

    def _missing_database(self, e: RemoteError) -> HubError:
        if not isinstance(e, RejectedError) or "answer 404" not in str(e):
            return e
        return ConfigError(
            "tryton: there is no database {database!r} at {url}",
            database=self._config["database"],
            url=self._config["url"],
            hint="The setting `database` is the name that the Tryton client asks for.",
        )

    def _failure(self, method: str, error: Any) -> RemoteError:
        kind, words = _words(error)
        if kind == "server" and any(busy in words for busy in BUSY):
            return UnavailableError(
                "tryton: {method}: {words}", method=method, words=words, may_have_acted=False
            )
        return Refused(kind, words)


def _words(error: Any) -> tuple[str, str]:
    """What kind of error, and what it says to a person."""
    match error:
        case ["UserWarning", [_, str(message), *rest]]:
            return "UserWarning", _joined(message, rest)
        case ["UserError", [str(message), *rest]]:
            return "UserError", _joined(message, rest)
        case ["ConcurrencyException", words]:
            return "ConcurrencyException", str(words)
        case [str(text), *_]:
            return "server", text
    return "server", str(error)[:200]


def _joined(message: str, rest: list[Any]) -> str:
    description = rest[0] if rest and isinstance(rest[0], str) else ""
    return f"{message} {description}".strip()
