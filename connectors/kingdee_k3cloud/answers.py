"""What an answer of the WebAPI means.  Its status is 200 also where its body says no.

Source: the envelope from five clients, the table of MsgCode from two.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hub.errors import (
    AuthError,
    HubError,
    ProtocolError,
    RateLimitError,
    RemoteError,
    UnavailableError,
)
from hub.http import Response
from hub.http import classify as by_status

NO_SESSION, NO_RIGHT, NO_LICENCE, NO_FIELD, NO_ROWS = 1, 2, 7, 9, 10
BUSY, CALL_LIMIT, NO_ADMINISTRATOR = 13, 14, 15
TRANSIENT = {4, 6, BUSY}  # an exception on their side, the database, somebody else is editing
MALFORMED = {3, 5, 8}
CALL_LIMIT_WAIT = timedelta(minutes=1)  # they do not say how long
REFUSED = {
    NO_SESSION: "there is no session, and signing in again did not help",
    NO_RIGHT: "the user has no right to do this",
    NO_LICENCE: "the licence does not cover this",
    NO_ADMINISTRATOR: "administrators cannot sign in here",
}


def status_of(body: Any) -> Mapping[str, Any] | None:
    """The `ResponseStatus` of an answer, in either of its two shapes; None where there is none."""
    match body:
        case {"Result": {"ResponseStatus": {"IsSuccess": bool()} as status}}:
            return dict(status)
        # A query that fails looks like one row with one cell, at times with nulls behind it.
        case [[{"Result": {"ResponseStatus": {"IsSuccess": bool()} as status}}, *_], *_]:
            return dict(status)
    return None


def successes(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [e for e in _list(status.get("SuccessEntitys")) if isinstance(e, Mapping)]


def failures(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [e for e in _list(status.get("Errors")) if isinstance(e, Mapping)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def words(status: Mapping[str, Any]) -> str:
    """Their own words, of all errors."""
    said = [str(e.get("Message") or "") for e in failures(status)]
    return "; ".join(dict.fromkeys(s for s in said if s))[:500] or "no reason is given"


def lost_session(response: Response) -> bool:
    """Whether the answer, which is a 200, says that there is no session any more."""
    status = _failure(response)
    return status is not None and status.get("MsgCode") == NO_SESSION


def _failure(response: Response) -> Mapping[str, Any] | None:
    """The status of an answer that says no; None for all others, and for what is no JSON."""
    if b"ResponseStatus" not in response.content or not response.ok:
        return None
    try:
        status = status_of(response.json())
    except RemoteError:
        return None
    return status if status is not None and not status["IsSuccess"] else None


def _not_signed_in(response: Response) -> HubError | None:
    """A signature that does not fit is answered as a failed sign-in."""
    if b"LoginResultType" not in response.content:
        return None
    match response.json():
        case {"LoginResultType": 1 | -5}:
            return None
        case {"LoginResultType": _, **said}:
            return response.error(
                AuthError,
                "Kingdee {url} refuses the signature: {message} {code}",
                url=response.url,
                message=str(said.get("Message"))[:200],
                code=str(said.get("MessageCode") or ""),
                hint="Check data centre, user, application id and secret; and the server's clock.",
                may_have_acted=False,
            )
    return None


def classify(response: Response) -> HubError | None:
    """The error that concerns the whole call; a refusal of single records is left to the caller."""
    if response.content[:16].startswith(b"response_error:"):
        return response.error(UnavailableError, "Kingdee {url} fails: {start!r}", url=response.url)
    error = by_status(response) or _not_signed_in(response)
    status = _failure(response)
    if error or status is None or successes(status):
        return error
    values = {"url": response.url, "message": words(status), "may_have_acted": False}
    match status.get("MsgCode"):
        case int(code) if code in REFUSED:
            return response.error(
                AuthError,
                "Kingdee {url}: {message} (MsgCode {code})",
                code=code,
                hint=REFUSED[code],
                **values,
            )
        case 14:
            return response.error(
                RateLimitError,
                "Kingdee {url}: call limit reached: {message}",
                retry_after=CALL_LIMIT_WAIT,
                **values,
            )
        case 13:
            template = "Kingdee {url}: somebody else is editing: {message}"
            return response.error(UnavailableError, template, **values)
        case int(code) if code in MALFORMED:
            template = "Kingdee {url} does not understand the call: {message} (MsgCode {code})"
            return response.error(ProtocolError, template, code=code, **values)
    return None
