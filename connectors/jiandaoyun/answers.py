"""What an answer means: a refusal is a status of 400 and a code; workflow calls refuse in a 200.

Source: the vendor's list of codes, as three independent clients use it.
"""

from datetime import timedelta

from hub.errors import (
    AuthError,
    HubError,
    NotFoundError,
    RateLimitError,
    RejectedError,
    RemoteError,
    UnavailableError,
)
from hub.http import Response
from hub.http import classify as by_status

DENIED = {8017, 8301, 8302, 17018}
BUSY = {9004, 9007}
TOO_FAST = {8303: 1, 8304: 1}
PLAN = {7103, 7212}
ABSENT = {4001, 4042}
NO_FORM = {2004, 3000}
DUPLICATE_TRANSACTION = 17026


def classify(response: Response) -> HubError | None:
    """What a refusal means; workflow calls refuse in a 200."""
    code, message = _said(response)
    if response.ok and code is None:
        return None
    values = {"code": code, "message": message, "url": response.url, "may_have_acted": False}
    if code in DENIED:
        template = "Jiandaoyun {url} refuses the key: {message} ({code})"
        hint = "Check the key, the applications it may see, and the addresses it may come from."
        return response.error(AuthError, template, hint=hint, **values)
    if code in TOO_FAST:
        template = "Jiandaoyun {url}: too many calls: {message} ({code})"
        wait = timedelta(seconds=TOO_FAST[code])
        return response.error(RateLimitError, template, retry_after=wait, **values)
    if code in PLAN:
        template = "Jiandaoyun {url}: the plan is used up: {message} ({code})"
        return response.error(RateLimitError, template, retry_after=timedelta(hours=1), **values)
    if code in BUSY:
        template = "Jiandaoyun {url} is busy: {message} ({code})"
        return response.error(UnavailableError, template, **values)
    if code in NO_FORM:
        return NotFoundError(
            "Jiandaoyun: the application or form does not exist: {message} ({code})",
            code=code,
            message=message,
            hint="Check the ids, and that the key may see the application.",
        )
    error = by_status(response)
    if isinstance(error, RejectedError) or (error is None and code is not None):
        return response.error(RejectedError, "Jiandaoyun {url}: {message} ({code})", **values)
    return error


def _said(response: Response) -> tuple[int | None, str]:
    """Code and message of a refusal; None for an answer that is none."""
    if response.ok and b'"failure"' not in response.content:
        return None, ""
    try:
        body = response.json()
    except RemoteError:
        return None, ""
    match body:
        case {"status": "failure", "code": int(code), **rest} if response.ok:
            return code, str(rest.get("message") or "")[:300]
        case {"code": int(code), **rest} if not response.ok:
            return code, str(rest.get("msg") or "")[:300]
    return None, ""
