"""Signing in, in the style all public clients use and in the current one; both say no in a 200.

Source: the older style from eight clients, the current one from the vendor's manual.
Limits: ten token calls a minute, never two at a time; a token is good for two hours.
"""

import secrets
import uuid
from typing import Any

from hub.connector import SecretText
from hub.errors import AuthError, RejectedError
from hub.http import Auth, Response, RestClient, TokenAuth, lifetime

from .answers import EXPIRED, classify, code_of


class _Traced(Auth):
    """Every call has an id of its own; it does not keep one from being done twice."""

    def __init__(self, *hidden: str) -> None:
        self._hidden = hidden

    def params(self) -> dict[str, str]:
        return {"thirdTraceId": trace_id()}

    @property
    def secrets(self) -> tuple[str, ...]:
        return self._hidden


def trace_id() -> str:
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


class FxiaokeAuth(TokenAuth):
    """`current`: headers, as the manual has it now; otherwise three fields in every body."""

    def __init__(
        self,
        app_id: str,
        secret: SecretText,
        code: SecretText,
        *,
        user: str,
        current: bool,
    ) -> None:
        super().__init__()
        self._app, self._secret, self._code = app_id, secret.reveal(), code.reveal()
        self._user, self._current = user, current
        self.enterprise = ""

    def issue(self, client: RestClient) -> tuple[str, float]:
        asked = {"appId": self._app, "appSecret": self._secret, "permanentCode": self._code}
        path = "oauth2.0/token" if self._current else "cgi/corpAccessToken/get/V2"
        body = {**asked, "grantType": "app_secret"} if self._current else asked
        quiet = _Traced(self._secret, self._code)
        with RestClient(client.base_url, auth=quiet, classify=classify, clock=client.clock) as http:
            try:
                answer = http.post(path, json=body, acts=False).json()
            except RejectedError as e:
                raise AuthError("{cause}", cause=str(e)) from e
        token, enterprise = (
            ("accessToken", "ea") if self._current else ("corpAccessToken", "corpId")
        )
        said = answer if isinstance(answer, dict) else {}
        if said.get(token) and said.get(enterprise):
            self.enterprise = str(said[enterprise])
            return str(said[token]), lifetime(said.get("expiresIn"), self.LIFETIME)
        raise AuthError("Fxiaoke {url}: no token in the answer", url=client.base_url)

    def headers(self, client: RestClient) -> dict[str, str]:
        token = self.token(client)
        if not self._current:
            return {}
        who = {"x-fs-ea": self.enterprise, "x-fs-userid": self._user}
        return {"authorization": f"Bearer {token}", **who}

    def fields(self) -> dict[str, Any]:
        if self._current:
            return {}
        who = {"corpId": self.enterprise, "currentOpenUserId": self._user}
        return {"corpAccessToken": self._token, **who}

    def params(self) -> dict[str, str]:
        return {"thirdTraceId": trace_id()}

    def refused(self, response: Response) -> bool:
        return response.status == 401 or code_of(response) in EXPIRED

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._secret, self._code, self._token)
