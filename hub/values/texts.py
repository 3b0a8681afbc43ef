"""Text in normal form, and the key texts are compared by."""

import re
import unicodedata
from functools import lru_cache

NOT_TEXT = "not a text: {value!r}"

_unwanted = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text in NFC, without control characters except tab and newline.

    Line ends of any kind become newlines.  Half a surrogate pair, which no database stores, becomes
    U+FFFD, so that the loss can be seen.
    """
    if not isinstance(text, str):
        raise ValueError(NOT_TEXT)
    if text.isprintable() and (text.isascii() or unicodedata.is_normalized("NFC", text)):
        return text  # what is printable is not unwanted
    if _unwanted.search(text):
        text = _without_unwanted(text)
    return unicodedata.normalize("NFC", text)


def is_clean(text: str) -> bool:
    """True if `clean_text` would leave the text as it is."""
    if not text.isprintable() and _unwanted.search(text):  # tabs are unprintable, but wanted
        return False
    return text.isascii() or unicodedata.is_normalized("NFC", text)


def _without_unwanted(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _unwanted.sub("", text)


def fold(text: str) -> str:
    """The comparison key: NFKC, case folded, white space collapsed."""
    if not isinstance(text, str):
        raise ValueError(NOT_TEXT)
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split())
    return _fold(text)


@lru_cache(16384)
def _fold(text: str) -> str:
    text = clean_text(text)
    while (folded := _folded_once(text)) != text:  # case folding can undo NFKC and the reverse
        text = folded
    return text


def _folded_once(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def table_rows(rows: str) -> list[list[str]]:
    """The rows of a table of names; an indented line continues the one before."""
    return [r.split("|") for r in rows.strip().replace("\n  ", "").split("\n")]
