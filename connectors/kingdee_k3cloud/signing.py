"""The four ways to sign in: headers signed with the application's secret, or a session.

Source: the vendor's Python SDK 8.2.0, whose headers these are, byte by byte (test vector in
        `tests/connectors/kingdee_k3cloud`); the session calls from five independent clients.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any
from urllib.parse import quote, urlsplit

from hub.connector import SecretText
from hub.errors import AuthError, ConfigError
from hub.http import Auth, Response, RestClient, TokenAuth
from hub.seams import Clock, SystemClock

from .answers import lost_session

# The SDK hides the client's secret behind this; it protects nothing.
_MASK = b"0054f397c6234378b09ca7d3e5debce7"
SERVICE = "Kingdee.BOS.WebApi.ServicesStub.AuthService"
SESSION = "kdservice-sessionid"
SLIDING = 12 * 3600.0  # a session that is used does not end: twenty minutes of silence end it


class SignedAuth(Auth):
    """Every call signed by itself: no session, nothing to renew."""

    def __init__(
        self,
        account: str,
        user: str,
        app_id: str,
        app_secret: SecretText,
        *,
        organization: str,
        locale: int,
        clock: Clock | None = None,
    ) -> None:
        self._app_id, self._secret = app_id, app_secret.reveal()
        self._client, self._client_secret = _client(app_id)
        self._app = f"{account},{user},{locale},{organization}"
        self._clock = clock or SystemClock()

    def sign(self, method: str, url: str, body: bytes) -> dict[str, str]:
        path = quote(urlsplit(url).path, safe="")
        stamp = str(int(self._clock.now().timestamp()))
        text = f"{method}\n{path}\n\nx-api-nonce:{stamp}\nx-api-timestamp:{stamp}\n"
        return {
            "X-Api-ClientID": self._client,
            "X-Api-Auth-Version": "2.0",
            "x-api-timestamp": stamp,
            "x-api-nonce": stamp,
            "x-api-signheaders": "x-api-timestamp,x-api-nonce",
            "X-Api-Signature": _signature(self._client_secret, text),
            "X-Kd-Appkey": self._app_id,
            "X-Kd-Appdata": base64.b64encode(self._app.encode()).decode(),
            "X-Kd-Signature": _signature(self._secret, self._app_id + self._app),
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._secret, self._client_secret, self._app_id.partition("_")[2])


def _client(app_id: str) -> tuple[str, str]:
    """Name and secret of the client, both in the application id."""
    name, _, hidden = app_id.partition("_")
    try:
        raw = base64.b64decode(hidden, validate=True)
    except binascii.Error:
        raw = b""
    if not name or len(raw) != 24:
        raise ConfigError(
            "kingdee_k3cloud: setting 'app_id' is no application id for signed calls",
            hint="It is a number, one underscore and 32 characters, as the page of the third-party "
            "login application shows it.",
        )
    return name, base64.b64encode(bytes(a ^ b for a, b in zip(raw, _MASK, strict=False))).decode()


def _signature(secret: str, text: str) -> str:
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return base64.b64encode(digest.encode()).decode()


class SessionAuth(TokenAuth):
    """A session, signed in to once and used until the server has lost it.

    `method`: LoginByAppSecret, LoginBySign or ValidateUser (a password, which the vendor is
    phasing out).  A refused sign-in is never repeated: five of them lock the user for half an hour.
    """

    def __init__(
        self,
        method: str,
        account: str,
        user: str,
        app_id: str,
        secret: SecretText,
        locale: int,
    ) -> None:
        super().__init__()
        self._method, self._account, self._user, self._app_id = method, account, user, app_id
        self._secret, self._locale = secret.reveal(), locale

    def issue(self, client: RestClient) -> tuple[str, float]:
        url = f"{client.base_url}{SERVICE}.{self._method}.common.kdsvc"
        with client.sibling(url, _Silent(self._secret)) as issuer:
            parameters = {"parameters": self._parameters(issuer)}
            answer = issuer.post("", json=parameters, acts=False).json()
        match answer:
            # -5: signed in, with a warning about the licence or the password's age
            case {"LoginResultType": 1 | -5, "KDSVCSessionId": str(session)} if session:
                return session, SLIDING
            case {"LoginResultType": 1 | -5, "Context": {"SessionId": str(session)}} if session:
                return session, SLIDING
        said = answer if isinstance(answer, dict) else {}
        raise AuthError(
            "Kingdee {url} refuses user {user!r}: {message} {code}",
            url=client.base_url,
            user=self._user,
            message=str(said.get("Message"))[:200],
            code=str(said.get("MessageCode") or ""),
            hint="Check data centre, user and secret, and that the application allows this user.",
        )

    def _parameters(self, client: RestClient) -> list[Any]:
        account, user, app, secret = self._account, self._user, self._app_id, self._secret
        match self._method:
            case "ValidateUser":
                return [account, user, secret, self._locale]
            case "LoginBySign":
                stamp = str(int(client.clock.now().timestamp()))
                text = "".join(sorted([account, user, app, secret, stamp]))
                signature = hashlib.sha256(text.encode()).hexdigest()
                return [account, user, app, int(stamp), signature, self._locale]
        return [account, user, app, secret, self._locale]

    def headers(self, client: RestClient) -> dict[str, str]:
        return {SESSION: self.token(client)}

    def refused(self, response: Response) -> bool:
        return response.status == 401 or lost_session(response)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._secret, self._token)


class _Silent(Auth):
    """Signs nothing, but keeps the secret in the body out of messages."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._secret,)
