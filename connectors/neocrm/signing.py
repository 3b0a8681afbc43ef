"""Signing in with a user's password and security token; the answer names the host to use from then on.

Source: five independent clients.  `issued_at` of the answer is when it was issued, not when it ends.
"""

from urllib.parse import urlsplit

from hub.connector import SecretText
from hub.errors import AuthError, ProtocolError, RejectedError
from hub.http import Auth, Response, RestClient, TokenAuth, lifetime

DOMAIN = ".xiaoshouyi.com"


class _Quiet(Auth):
    def __init__(self, *hidden: str) -> None:
        self._hidden = hidden

    @property
    def secrets(self) -> tuple[str, ...]:
        return self._hidden


class PasswordAuth(TokenAuth):
    """The password grant, which all clients use; a token is good for about two hours."""

    LIFETIME = 3600.0

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: SecretText,
        *,
        user: str,
        password: SecretText,
        security_token: SecretText,
        redirect: str,
    ) -> None:
        super().__init__()
        self._url, self._client_id, self._redirect = token_url, client_id, redirect
        self._client_secret, self._user = client_secret.reveal(), user
        self._password = password.reveal() + security_token.reveal()
        self._hidden = (self._client_secret, self._password, password.reveal())
        self.instance = ""

    def issue(self, client: RestClient) -> tuple[str, float]:
        form = {
            "grant_type": "password",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "redirect_uri": self._redirect,
            "username": self._user,
            "password": self._password,
        }
        try:
            with client.sibling(self._url, _Quiet(*self._hidden)) as issuer:
                answer = issuer.post("", form=form, acts=False).json()
        except RejectedError as e:  # invalid_grant, invalid_client, with status 400
            raise AuthError("{cause}", cause=str(e), hint=HINT) from e
        said = answer if isinstance(answer, dict) else {}
        token = said.get("access_token")
        if not isinstance(token, str) or not token:
            reason = said.get("error_description") or said.get("message") or said.get("error")
            raise AuthError(
                "Neocrm {url} refuses user {user!r}: {message}",
                url=self._url,
                user=self._user,
                message=str(reason)[:200],
                hint=HINT,
            )
        self.instance = self._trusted(str(said.get("instance_uri") or ""))
        return token, lifetime(said.get("expires_in"), self.LIFETIME)

    def _trusted(self, instance: str) -> str:
        """The host to use, if it is the vendor's or the one that was signed in to."""
        here, there = urlsplit(self._url), urlsplit(instance)
        host = there.hostname or ""
        ours = host == here.hostname or (there.scheme == "https" and host.endswith(DOMAIN))
        if instance and not ours:
            raise ProtocolError(
                "Neocrm: the sign-in sends the hub to {place}, which is not the vendor's",
                place=host,
                hint="Set `url` to the host that the calls are to go to.",
            )
        return instance

    def refused(self, response: Response) -> bool:
        return response.status == 401

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*self._hidden, self._token)


HINT = "The password is followed by the user's security token; both change with the password."
