"""A remote row as text: what is stored to compare with, to keep, and to give back to the lenses.

Types that JSON lacks are tagged ({"$decimal": "12.50"}), so that a row comes back as it was read.
"""

import base64
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
from xxhash import xxh3_64_hexdigest

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


def encode(row: Mapping[str, Any]) -> str:
    """The row as JSON text with sorted keys: equal rows give equal text."""
    try:
        return orjson.dumps(row, default=_tag, option=_OPTIONS).decode()
    except (TypeError, orjson.JSONEncodeError):  # integers above 64 bits, lone surrogates
        return json.dumps(row, default=_tag, sort_keys=True, separators=(",", ":"))


def decode(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError:
        row = json.loads(text)
    return _untag(row) if '"$' in text else row  # type: ignore[no-any-return]


def fingerprint(text: str) -> str:
    """A 64-bit hash of the encoded row, as 16 hexadecimal digits."""
    return xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))


def _tag(value: Any) -> Any:
    match value:
        case Decimal():
            return {"$decimal": str(value)}
        case datetime():
            return {"$datetime": value.isoformat()}
        case date():
            return {"$date": value.isoformat()}
        case bytes() | bytearray() | memoryview():
            return {"$bytes": base64.b64encode(bytes(value)).decode()}
        case int():
            return {"$integer": str(value)}
    return {"$text": str(value)}


def _untag(value: Any) -> Any:
    if isinstance(value, list):
        return [_untag(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, inner),) = value.items()
        match tag:
            case "$decimal":
                return Decimal(inner)
            case "$datetime":
                return datetime.fromisoformat(inner)
            case "$date":
                return date.fromisoformat(inner)
            case "$bytes":
                return base64.b64decode(inner)
            case "$integer":
                return int(inner)
            case "$text":
                return inner
    return {k: _untag(v) for k, v in value.items()}
