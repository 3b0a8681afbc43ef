"""数据推送: what the platform posts when a person changes a record.

Source: help page 11507 and the vendor's webhook-demo.  Nothing is pushed for changes made through
        the API, by imports or in batches.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.connector import Delivery
from hub.errors import AuthError, ProtocolError
from hub.http import loads

FRESH = timedelta(days=1)  # they try five times; an older one is played back by somebody else


def verified(delivery: Delivery, secret: str, now: datetime) -> dict[str, Any]:
    """The body of a delivery whose signature holds; AuthError for all others."""
    nonce, stamp = delivery.query.get("nonce", ""), delivery.query.get("timestamp", "")
    text = f"{nonce}:".encode() + delivery.body + f":{secret}:{stamp}".encode()
    signature = hashlib.sha1(text).hexdigest()  # noqa: S324 - theirs
    given = delivery.headers.get("x-jdy-signature", "")
    if not secret or not hmac.compare_digest(signature.encode(), given.encode()):
        raise AuthError(
            "Jiandaoyun: a push whose signature does not hold",
            hint="Set `push_secret` to the secret of the form's data push.",
        )
    if not stamp.isdigit() or abs(now - _moment(stamp)) > FRESH:
        raise AuthError("Jiandaoyun: a push of another day is refused: {stamp}", stamp=stamp[:20])
    try:
        body = loads(delivery.body)
    except ValueError as e:
        raise ProtocolError("Jiandaoyun: a push that is no JSON") from e
    if not isinstance(body, dict):
        raise ProtocolError("Jiandaoyun: a push that is no JSON")
    return body


def _moment(stamp: str) -> datetime:
    seconds = int(stamp[:15])
    seconds = seconds // 1000 if seconds > 10**11 else seconds
    return datetime.fromtimestamp(seconds, UTC)
