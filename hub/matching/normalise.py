"""A record's traits in normal form: what is compared, and what is kept for later comparisons."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from hub.entity import Entity
from hub.matching.romanise import has_han
from hub.values import (
    compact_identifier,
    email_address,
    fold,
    name_key,
    person_key,
    phone_number,
    valid_identifier,
)
from hub.values.simplified import TABLE as SIMPLIFIED

Features = Mapping[str, tuple[str, ...]]
"""Trait → its values, in normal form, without repetition; an absent trait has none."""

Record = Mapping[str, Any]

_FREE_MAIL = """
    qq.com 163.com 126.com sina.com sina.cn sohu.com yeah.net foxmail.com aliyun.com 139.com 189.cn
    gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com icloud.com
    me.com aol.com gmx.de gmx.net web.de t-online.de mail.ru yandex.ru proton.me protonmail.com
    orange.fr free.fr laposte.net libero.it wp.pl seznam.cz
"""
FREE_MAIL = frozenset(_FREE_MAIL.split())
"""Whoever has an address there has it there: the domain names no company."""

MAX_VALUES = 20
_SECOND_LEVEL = frozenset(("com", "co", "org", "net", "gov", "edu", "ac"))
_PLACE_END = re.compile(r"(?<=[一-鿿]{2})[省市县区]$")
_UNCHECKED = "?"
_PRIVATE = frozenset({"cn_id_card"})  # never a key that is shown


def features(entity: Entity, values: Record) -> dict[str, tuple[str, ...]]:
    """What the stored *values* of a record of *entity* are compared by."""
    found = {}
    for trait in entity.traits:
        normal = NORMAL[trait.kind]
        paths = [p for p in trait.paths if p.partition(".")[0] in values]
        texts = (t for path in paths for t in normal(path, _at(values, path), values))
        distinct = tuple(dict.fromkeys(t for t in texts if t))[:MAX_VALUES]
        if distinct:
            found[trait.name] = distinct
    return found


def _at(values: Record, path: str) -> list[Any]:
    """What stands at the path; the items of a list on the way are all gone into."""
    here: list[Any] = [values]
    for step in path.split("."):
        below = [each.get(step) for each in here if isinstance(each, Mapping)]
        here = [v for b in below for v in (b if isinstance(b, list) else [b]) if v is not None]
    return here


Normal = Callable[[str, Iterable[Any], Record], Iterable[str]]


def _each(make: Callable[[str], str]) -> Normal:
    return lambda path, found, record: [make(v) for v in found if isinstance(v, str)]


def plain(text: str) -> str:
    """Folded, in simplified characters, without accents and punctuation."""
    return _plain(text[:500])


@lru_cache(32768)
def _plain(text: str) -> str:
    folded = fold(text).translate(SIMPLIFIED)
    if not folded.isascii():
        bare = unicodedata.normalize("NFKD", folded)
        folded = unicodedata.normalize("NFC", "".join(c for c in bare if not _is_mark(c)))
    words = "".join(c if c.isalnum() else " " for c in folded).split()
    return "".join(words) if has_han(folded) else " ".join(words)


def _is_mark(c: str) -> bool:
    return unicodedata.combining(c) != 0


def _party_name(path: str, found: Iterable[Any], record: Record) -> Iterable[str]:
    key = person_name if record.get("party_type") == "person" else organization_name
    return [key(v) for v in found if isinstance(v, str)]


@lru_cache(32768)
def organization_name(name: str) -> str:
    key = name_key(name)
    return key if has_han(key) else plain(key)


def person_name(name: str) -> str:
    return person_key(name).translate(SIMPLIFIED)


def _phone(path: str, found: Iterable[Any], record: Record) -> Iterable[str]:
    """In E.164, without extension: a switchboard is one place to reach them all."""
    country = (record.get("address") or {}).get("country")
    return [_dialled(v, country) for v in found if isinstance(v, str)]


def _dialled(text: str, country: str | None) -> str:
    try:
        return phone_number(text, country).partition(";")[0]
    except ValueError:
        return ""


def _email(text: str) -> str:
    try:
        return email_address(text).lower()
    except ValueError:
        return ""


def _domain(text: str) -> str:
    """The registrable domain of a web site or e-mail address, unless anybody may have one there."""
    host = re.split(r"[/?#:]", re.sub(r"^[a-z][a-z0-9+.-]*://", "", text.strip().lower()))[0]
    labels = host.rpartition("@")[2].strip(".").split(".")
    if len(labels) < 2 or not all(labels):
        return ""
    size = 3 if len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL else 2
    domain = ".".join(labels[-size:])
    return "" if domain in FREE_MAIL else domain


def _place(text: str) -> str:
    return _PLACE_END.sub("", plain(text))


def _identifier(path: str, found: Iterable[Any], record: Record) -> Iterable[str]:
    for value in found:
        if isinstance(value, Mapping):
            yield _scheme_and_number(str(value.get("scheme") or ""), str(value.get("value") or ""))
        elif path == "tax_id":
            yield _scheme_and_number(str(record.get("tax_id_scheme") or ""), str(value))
        else:
            yield _scheme_and_number(path, str(value))


@lru_cache(16384)
def _scheme_and_number(scheme: str, value: str) -> str:
    """ "cn_uscc:9111…"; with a "?" in front where no check tells whether it can be right."""
    if scheme in _PRIVATE or len(value) > 100:
        return ""
    scheme = scheme or ("cn_uscc" if valid_identifier("cn_uscc", value) else "tax_id")
    number, valid = compact_identifier(scheme, value), valid_identifier(scheme, value)
    if valid is False or len(number) < 4 or len(set(number)) < 3:
        return ""
    return f"{scheme}:{number}" if valid else f"{_UNCHECKED}{scheme}:{number}"


def is_checked(identifier: str) -> bool:
    """Whether the identifier has been found valid: only such ones rule a match out."""
    return not identifier.startswith(_UNCHECKED)


NORMAL: Mapping[str, Normal] = {
    "choice": _each(str),
    "code": _each(lambda text: plain(text).replace(" ", "")),
    "date": _each(lambda text: text[:10].replace("-", "")),
    "domain": _each(_domain),
    "email": _each(_email),
    "identifier": _identifier,
    "name": _each(organization_name),
    "party_name": _party_name,
    "person": _each(person_name),
    "phone": _phone,
    "place": _each(_place),
    "street": _each(plain),
    "text": _each(plain),
}
"""Kind of a trait → its normal form."""
