"""What an answer means: its status is 200 always, its `errorCode` counts, its texts change.

Source: the vendor's list of 62 codes in one transcription; 14001, 20016 from two clients besides.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

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

EXPIRED = {20005, 20016, 11014}
DENIED = {15003, 20006, 20012, 20014, 20015, 20017, 20020, 20021, 20022, 20023, 30003}
TRANSIENT = {-1, -2, 50009}
TOO_FAST = {14001: timedelta(seconds=20), 30004: timedelta(seconds=1)}
DAILY = 30002
MALFORMED = {*range(10001, 10016), 12004}
CHINA = ZoneInfo("Asia/Shanghai")


def code_of(response: Response) -> int | None:
    """The `errorCode` of an answer; None where it has none."""
    if b"errorCode" not in response.content:
        return None
    try:
        body = response.json()
    except RemoteError:
        return None
    code = body.get("errorCode") if isinstance(body, dict) else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def classify(response: Response) -> HubError | None:
    error = by_status(response)
    if error:
        return error
    code = code_of(response)
    if code == 0:
        return None
    if code is None:
        response.json()  # a sign-in page, a gateway's page: it says which
        return response.error(ProtocolError, "{call}: an answer without errorCode: {start!r}")
    body = response.json()
    said = body.get("errorMessage") or body.get("errorDescription")
    values = {"code": code, "message": str(said or "")[:300], "url": response.url}
    if code in TRANSIENT:
        return response.error(UnavailableError, "Fxiaoke {url}: {message} ({code})", **values)
    values["may_have_acted"] = False
    if code in EXPIRED | DENIED:
        template = "Fxiaoke {url} refuses the application or its user: {message} ({code})"
        hint = "Check application, secret, permanent code and user, and the application's rights."
        return response.error(AuthError, template, hint=hint, **values)
    if code in TOO_FAST or code == DAILY:
        wait = TOO_FAST.get(code) or until_midnight(response.received_at)
        template = "Fxiaoke {url}: call limit reached: {message} ({code})"
        return response.error(RateLimitError, template, retry_after=wait, **values)
    if code in MALFORMED:
        template = "Fxiaoke {url} does not understand the call: {message} ({code})"
        return response.error(ProtocolError, template, **values)
    return response.error(RejectedError, "Fxiaoke {url}: {message} ({code})", **values)


def until_midnight(now: datetime) -> timedelta:
    """The quota of a day begins anew at midnight in China."""
    local = now.astimezone(CHINA)
    day = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - local + timedelta(minutes=1)
