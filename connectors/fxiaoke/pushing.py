"""CRM change events: encrypted, signed, and with ids only.

Source: the vendor's demo, recomputed (vector in `tests/connectors/fxiaoke`).  `update` was seen; other
        kinds of event are assumed by name.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hub.connector import Delivery
from hub.errors import AuthError, ConfigError, ProtocolError
from hub.http import dumps, loads

FRESH = timedelta(days=1)
SIGNED = ("timestamp", "nonce", "messageId", "retryTimes", "enterpriseAccount", "encryptedContent")


def verified(delivery: Delivery, key: str, now: datetime) -> Mapping[str, Any]:
    """What a delivery says, once signature and age hold; AuthError for all others."""
    body = _object(delivery.body)
    signature = _sha1("".join(str(body[n]) for n in SIGNED if n in body), key)
    if not key or not hmac.compare_digest(signature, str(body.get("signature")).encode()):
        raise AuthError(
            "Fxiaoke: a push whose signature does not hold",
            hint="Set `push_key` to the AES key of the application's event subscription.",
        )
    stamp = str(body.get("timestamp"))
    if not stamp.isdigit() or abs(now - _moment(stamp)) > FRESH:
        raise AuthError("Fxiaoke: a push of another day is refused: {stamp}", stamp=stamp[:20])
    try:
        text = _decrypted(str(body.get("encryptedContent")), key)
    except ValueError as e:
        raise ProtocolError("Fxiaoke: a push that cannot be decrypted") from e
    return {**_object(text), "messageId": body.get("messageId")}


def answer(key: str, now: datetime, nonce: str) -> bytes:
    """Anything else counts as a failure, and the event comes again."""
    stamp = round(now.timestamp() * 1000)
    result = _encrypted(b"success", key)
    signature = _sha1(f"{stamp}{nonce}{result}", key).decode()
    said = {"signature": signature, "timestamp": stamp, "nonce": nonce, "encryptedResult": result}
    return dumps(said).encode()


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProtocolError("Fxiaoke: a push that is no JSON object")
    return found


def _sha1(text: str, key: str) -> bytes:
    return hashlib.sha1(f"{text}{key}".encode()).hexdigest().encode()  # noqa: S324 - theirs


def _cipher(key: str) -> Cipher[modes.CBC]:
    try:
        raw = base64.b64decode(key, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise ConfigError(
            "fxiaoke: setting 'push_key' is no AES key",
            hint="It is base64 of 32 bytes, as the application's event subscription shows it.",
        )
    return Cipher(algorithms.AES(raw), modes.CBC(raw[:16]))


def _decrypted(text: str, key: str) -> bytes:
    sealed = base64.b64decode(text, validate=True)
    decryptor = _cipher(key).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    padded = decryptor.update(sealed) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _encrypted(text: bytes, key: str) -> str:
    padder = padding.PKCS7(128).padder()
    encryptor = _cipher(key).encryptor()
    sealed = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def _moment(stamp: str) -> datetime:
    return datetime.fromtimestamp(int(stamp[:14]) / 1000, UTC)
