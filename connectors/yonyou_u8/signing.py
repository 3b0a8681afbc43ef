"""Signing in: a token of two hours, and with it who calls whom, all in the address of every call.

Source: six independent clients.  Which code says that a token is over is in none of them: a refusal
        that speaks of the token is taken for that, once.
"""

from typing import Any

from hub.connector import SecretText
from hub.errors import AuthError, RejectedError
from hub.http import Auth, Response, RestClient, TokenAuth, lifetime

from .answers import classify, speaks_of_token


class _Quiet(Auth):
    def __init__(self, secret: str) -> None:
        self._secret = secret

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._secret,)


class U8Auth(TokenAuth):
    EARLY = TokenAuth.EARLY * 5

    def __init__(
        self, caller: str, provider: str, app_key: str, secret: SecretText, ds: int
    ) -> None:
        super().__init__()
        self._caller, self._app_key, self._secret = caller, app_key, secret.reveal()
        self._who = {"from_account": caller, "to_account": provider, "app_key": app_key}
        self._ds = ds

    def issue(self, client: RestClient) -> tuple[str, float]:
        asked = {"from_account": self._caller, "app_key": self._app_key, "app_secret": self._secret}
        quiet = _Quiet(self._secret)
        with RestClient(client.base_url, auth=quiet, classify=classify, clock=client.clock) as http:
            try:
                answer = http.get("system/token", params=asked).json()
            except RejectedError as e:
                raise AuthError(
                    "{cause}", cause=str(e), hint="Check developer account, app key and secret."
                ) from e
        match answer:
            case {"token": {"id": str(token), **said}} if token:
                return token, lifetime(said.get("expiresIn"), self.LIFETIME)
        raise AuthError("U8 {url}: no token in the answer", url=client.base_url)

    def headers(self, client: RestClient) -> dict[str, str]:
        self.token(client)
        return {}

    def params(self) -> dict[str, Any]:
        return {**self._who, "token": self._token, "ds_sequence": self._ds}

    def refused(self, response: Response) -> bool:
        return response.status == 401 or speaks_of_token(response)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._secret, self._token)
