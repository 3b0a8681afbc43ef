"""What an answer means: its status is 200 always, its `errcode`, a text, counts.

Source: "0" and "20002" from live dumps; there is no table of the others, so what a refusal is, is told
        from its words.  All of these guesses only choose between trying again and setting aside.
"""

import re
from collections.abc import Mapping
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

GOOD, NOTHING = "0", "20002"
TOKEN = re.compile(r"\btoken|令牌|app_?key|app_?secret|from_account|to_account", re.I)
OFFLINE = re.compile(r"超时|离线|不在线|未连接|连接失败|网络|timeout|time out|offline", re.I)
LIMIT = re.compile(r"频率|频繁|调用次数|流量", re.I)
PENDING = re.compile(r"处理中|正在处理|未处理|未完成|尚未|稍后|排队", re.I)
WAIT = timedelta(minutes=1)


def said_by(response: Response) -> Mapping[str, Any]:
    """The object that an answer is; its type may be text/html all the same."""
    body = response.json()
    if not isinstance(body, Mapping) or "errcode" not in body:
        raise response.error(ProtocolError, "{call}: an answer without errcode: {start!r}")
    return body


def code_of(said: Mapping[str, Any]) -> str:
    return str(said.get("errcode"))


def words(said: Mapping[str, Any]) -> str:
    return str(said.get("errmsg") or "")[:300]


def speaks_of_token(response: Response) -> bool:
    try:
        said = said_by(response)
    except RemoteError:
        return False
    return code_of(said) not in (GOOD, NOTHING) and bool(
        re.search(r"token|令牌", words(said), re.I)
    )


def is_pending(said: Mapping[str, Any]) -> bool:
    """An asynchronous write that is not done yet."""
    return code_of(said) != GOOD and bool(PENDING.search(words(said)))


def classify(response: Response) -> HubError | None:
    error = by_status(response)
    if error:
        return error
    said = said_by(response)
    code, message = code_of(said), words(said)
    if code in (GOOD, NOTHING) or is_pending(said):
        return None
    values: dict[str, Any] = {"code": code, "message": message, "url": response.url}
    if OFFLINE.search(message):  # the relay gave up waiting: the system may be at it still
        return response.error(UnavailableError, "U8 {url}: {message} ({code})", **values)
    values["may_have_acted"] = False
    if TOKEN.search(message):
        template = "U8 {url} refuses the application: {message} ({code})"
        hint = "Check accounts, app key and secret, and that the order of the interface is paid."
        return response.error(AuthError, template, hint=hint, **values)
    if LIMIT.search(message):
        template = "U8 {url}: call limit reached: {message} ({code})"
        return response.error(RateLimitError, template, retry_after=WAIT, **values)
    return response.error(RejectedError, "U8 {url}: {message} ({code})", **values)
