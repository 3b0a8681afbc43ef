"""Match keys of the names of organisations and persons: to compare by, never to show."""

import re
import unicodedata
from functools import lru_cache

from hub.values.places import PLACES
from hub.values.simplified import TABLE as SIMPLIFIED
from hub.values.texts import NOT_TEXT, fold

MAX_LENGTH = 500

_LENGTHS = sorted({len(place) for place in PLACES}, reverse=True)

# 省, 市 and 县 also begin words: 上海市场…, 北京市政….
_WORD_AFTER = frozenset("场政民面容井区值价郊级话长")
_county = re.compile("[一-鿿]{1,3}县(?=[一-鿿]{2})")

_CHINESE_FORMS = """
股份有限责任公司 有限责任公司 股份有限公司 有限公司 股份公司 总公司 公司 企业集团 集团 厂 商行
株式会社 有限会社
"""
_CHINESE = _CHINESE_FORMS.split()
_CHINESE_FORM = re.compile(f"(?:{'|'.join(_CHINESE)})$")
_ONE_WORD_FORMS = """
gmbh ag ltd limited llc inc incorporated corp corporation co company sl sa sarl ab sro ltda bv nv
plc kg ohg ug se oy oyj as aps srl spa sas pty pte llp lp kft zrt oü uab
"""
_LATIN_FORMS = {(form,) for form in _ONE_WORD_FORMS.split()} | {
    ("a", "s"),
    ("de", "cv"),
    ("s", "a"),
    ("sp", "z", "oo"),
    ("sp", "zoo"),
}

_BRACKET = re.compile(r"[()\[\]{}<>【】〔〕「」『』《》〈〉]")
_SILENT = re.compile(r"[.'’‘`´·・]")
_HAN = re.compile("[一-鿿㐀-䶿]")
_GAP = re.compile(r"(?<=[一-鿿㐀-䶿]) (?=[一-鿿㐀-䶿])")


def name_key(name: str) -> str:
    """What names of one organisation have in common; "" if the name has no letter or digit.

    Folded, in simplified characters, without punctuation, legal form at the end, and 省, 市 or 县
    after a place name; a place in brackets stays.  A name that is only a legal form keeps it.
    """
    if not isinstance(name, str):
        raise ValueError(NOT_TEXT)
    return _name_key(name[:MAX_LENGTH])


@lru_cache(32768)
def _name_key(name: str) -> str:
    key = name
    while (shorter := _name_key_once(key)) != key:
        key = shorter
    return key


def _name_key_once(name: str) -> str:
    text = fold(name).translate(SIMPLIFIED)
    tokens = [_joined(part) for part in _BRACKET.split(text)]
    tokens = [t for t in tokens if t and t not in _CHINESE] or [t for t in tokens if t]
    if tokens:
        tokens[0] = _without_place_suffix(tokens[0])
    return _without_legal_form(" ".join(tokens))


def _joined(part: str) -> str:
    """One part between brackets: words by single spaces, none between Chinese characters."""
    part = _SILENT.sub("", part)
    words = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in part)
    return _GAP.sub("", " ".join(words.split()))


def _without_place_suffix(text: str) -> str:
    """广东省深圳市华信 → 广东深圳华信: places at the beginning, as many as there are."""
    kept, rest = "", text
    while place := next((rest[:n] for n in _LENGTHS if rest[:n] in PLACES), ""):
        kept, rest = kept + place, rest[len(place) :]
        if rest[:1] in ("省", "市") and rest[1:2] not in _WORD_AFTER:
            rest = rest[1:]
    if (county := _county.match(rest)) and rest[county.end()] not in _WORD_AFTER:
        rest = county[0][:-1] + rest[county.end() :]
    return kept + rest


def _without_legal_form(text: str) -> str:
    words = text.split()
    while words:
        last = _CHINESE_FORM.sub("", words[-1])
        if last != words[-1] and (last or len(words) > 1):
            words[-1:] = [last] if last else []
        elif length := _latin_form(words):
            del words[-length:]
        else:
            break
    return " ".join(words)


def _latin_form(words: list[str]) -> int:
    """How many words at the end are a legal form; at least one word is left over."""
    return next(
        (n for n in (3, 2, 1) if len(words) > n and tuple(words[-n:]) in _LATIN_FORMS),
        0,
    )


def person_key(name: str) -> str:
    """What spellings of a person's name have in common: no accents, no order of its parts.

    A Chinese name is itself, without white space.
    """
    if not isinstance(name, str):
        raise ValueError(NOT_TEXT)
    return _person_key(name[:MAX_LENGTH])


@lru_cache(16384)
def _person_key(name: str) -> str:
    text = fold(name)
    if _HAN.search(text):
        return "".join(text.split())
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in _SILENT.sub("", plain))
    return " ".join(sorted(words.split()))
