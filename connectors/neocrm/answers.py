"""What an answer means: code 200 as text or number for records, 0 for descriptions, all with status 200.

Source: four independent clients; 1020025 from one that uses it throughout.
"""

from datetime import timedelta
from typing import Any

from hub.errors import (
    AuthError,
    HubError,
    ProtocolError,
    RateLimitError,
    RejectedError,
    RemoteError,
    UnavailableError,
)
from hub.http import Response
from hub.http import classify as by_status

GOOD = {"200", "0"}
TOO_FAST = {"1020025"}
WAIT = timedelta(seconds=2)
DENIED = {"401", "403"}
BROKEN = {"500", "502", "503", "504"}


def body_of(response: Response) -> Any:
    try:
        return response.json()
    except RemoteError:
        return None


def classify(response: Response) -> HubError | None:
    error = by_status(response)
    if error and not isinstance(error, RejectedError):
        return error
    body = body_of(response)
    if body is None:
        response.json()  # a sign-in page, a gateway's page: it says which
    said = body if isinstance(body, dict) else {}
    code = said.get("code", said.get("error_code", said.get("error")))
    if code is None and "access_token" in said:
        return None  # the answer to a sign-in
    if code is None:
        return error or response.error(ProtocolError, "{call}: an answer without code: {start!r}")
    code = str(code)
    if code in GOOD and not error:
        return None
    values: dict[str, Any] = {"code": code, "message": _message(said), "url": response.url}
    if code in BROKEN:
        return response.error(UnavailableError, "Neocrm {url}: {message} ({code})", **values)
    values["may_have_acted"] = False
    if code in TOO_FAST:
        template = "Neocrm {url}: call limit reached: {message} ({code})"
        return response.error(RateLimitError, template, retry_after=WAIT, **values)
    if code in DENIED:
        template = "Neocrm {url} refuses the user: {message} ({code})"
        return response.error(AuthError, template, **values)
    return response.error(RejectedError, "Neocrm {url}: {message} ({code})", **values)


def _message(said: dict[str, Any]) -> str:
    parts = [said.get("msg") or said.get("message") or said.get("error_description") or ""]
    details = said.get("errorInfo")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict):
            parts.append(detail.get("msg") or detail.get("message") or "")
    return "; ".join(dict.fromkeys(str(p) for p in parts if p))[:300]
