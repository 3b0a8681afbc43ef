"""Three-way merge of one row into one record.  Pure: no store, no clock.

base = the shadow (what the system was last seen to hold), theirs = what it holds now,
ours = the canonical record.  All in the view's field names, in normal form.

A value that the system merely spells differently from what we sent (`sent`: our value, where the
shadow has their spelling) counts as ours on both sides of the comparison.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hub.entity import Entity, Field
from hub.values import fold

Verdict = Literal["ours", "theirs", "review"]
Equal = Callable[[str, Any, Any], bool]


class Decide(Protocol):
    """The policy: who wins a path that both sides changed."""

    def __call__(self, path: str, base: Any, ours: Any, theirs: Any) -> Verdict: ...

    def refuses(self, path: str, ours: Any) -> bool:
        """Whether this system may not change the path even where nobody else did."""


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Clash:
    """Both sides changed `field` (a path) since they last agreed; `verdict` says who won."""

    field: str
    base: Any
    ours: Any
    theirs: Any
    verdict: Verdict


@dataclass(slots=True)
class Merged:
    """`changes`: what the record must become, None clears.  `shadow` and `sent`: for the link.
    `differs`: the system holds something else than the record now does, and must be told."""

    changes: dict[str, Any] = field(default_factory=dict)
    shadow: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    clashes: list[Clash] = field(default_factory=list)
    differs: bool = False


def merge(
    entity: Entity,
    theirs: Mapping[str, Any],
    ours: Mapping[str, Any],
    *,
    shadow: Mapping[str, Any] | None,
    sent: Mapping[str, Any],
    decide: Decide,
    equal: Equal,
    frozen: frozenset[str] = frozenset(),
) -> Merged:
    """What the record, the shadow and the rest of the world must become.

    `shadow` None: the two were never compared before.  Fields in `frozen` have an open conflict:
    neither side changes, and their base stays.
    """
    base = shadow or {}
    out = Merged(shadow=dict(base), sent=dict(sent))
    for name, their in theirs.items():
        our = ours.get(name)
        if name in frozen:
            continue
        known = base.get(name, ABSENT)
        if known is not ABSENT and equal(name, their, known):
            if their != known:
                out.shadow[name] = their
            if not _agrees(name, their, our, equal) and not _is_ours(name, our, sent, equal):
                out.differs = True
            continue
        out.shadow[name] = their
        out.sent.pop(name, None)
        if _agrees(name, their, our, equal):
            continue
        if known is not ABSENT and name in sent and equal(name, our, sent[name]):
            known = our  # what we sent, in their spelling: we have not changed it since
        merged = _merge_value(entity.field.get(name), name, known, our, their, decide, equal, out)
        if merged is _KEEP_BASE:
            if known is ABSENT:
                out.shadow.pop(name, None)
            else:
                out.shadow[name] = known
            continue
        if merged != our:
            out.changes[name] = merged
        if not _agrees(name, their, merged, equal):
            out.differs = True
    return out


_KEEP_BASE: Any = object()


def _agrees(name: str, their: Any, our: Any, equal: Equal) -> bool:
    """Equal, or ours says more than theirs can: a mapping may cover some parts of an object only."""
    return equal(name, their, our) or covers(our, their)


def covers(whole: Any, part: Any) -> bool:
    """Whether everything that *part* says stands in *whole*; a null says the same as an absence."""
    if isinstance(part, dict):
        have = whole if isinstance(whole, dict) else {}
        return all(covers(have.get(k), v) for k, v in part.items())
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        return all(covers(w, p) for w, p in zip(whole, part, strict=True))
    return bool(whole == part)


def _is_ours(name: str, our: Any, sent: Mapping[str, Any], equal: Equal) -> bool:
    return name in sent and equal(name, our, sent[name])


def _merge_value(
    declared: Field | None,
    path: str,
    base: Any,
    ours: Any,
    theirs: Any,
    decide: Decide,
    equal: Equal,
    out: Merged,
) -> Any:
    """The merged value; `_KEEP_BASE` when a person has to decide."""
    if declared is not None:
        if declared.kind == "set":
            return _merge_set(base, ours, theirs)
        if declared.kind == "object" and isinstance(theirs, dict) and isinstance(ours, dict):
            return _merge_object(declared.fields, path, base, ours, theirs, decide, equal, out)
        if declared.kind == "list" and declared.key and _lists(ours, theirs):
            return _merge_list(declared, path, base, ours, theirs, decide, equal, out)
    if base is not ABSENT and base == ours:
        refused = decide.refuses(path, ours)
        verdict: Verdict = "ours" if refused else "theirs"
        return _settle(path, base, ours, theirs, verdict, out, clash=refused)
    if ours is None and base is ABSENT:
        return theirs
    if theirs is None and base is ABSENT:
        return ours
    return _settle(path, base, ours, theirs, decide(path, base, ours, theirs), out, clash=True)


def _settle(
    path: str, base: Any, ours: Any, theirs: Any, verdict: Verdict, out: Merged, *, clash: bool
) -> Any:
    if clash:
        shown = None if base is ABSENT else base
        out.clashes.append(Clash(path, shown, ours, theirs, verdict))
    if verdict == "review":
        return _KEEP_BASE
    return theirs if verdict == "theirs" else ours


def _lists(*values: Any) -> bool:
    return all(isinstance(v, list) and all(isinstance(i, dict) for i in v) for v in values)


def _merge_set(base: Any, ours: Any, theirs: Any) -> list[str] | None:
    old = set() if base in (ABSENT, None) else set(base)
    here, there = set(ours or ()), set(theirs or ())
    merged = (here | (there - old)) - (old - there)
    return sorted(merged) or None


def _merge_object(
    parts: tuple[Field, ...],
    path: str,
    base: Any,
    ours: dict[str, Any],
    theirs: dict[str, Any],
    decide: Decide,
    equal: Equal,
    out: Merged,
) -> Any:
    declared = {p.name: p for p in parts}
    merged = dict(ours)
    for name, their in theirs.items():
        our = ours.get(name)
        known = base.get(name, ABSENT) if isinstance(base, dict) else ABSENT
        if their == our or (known is not ABSENT and their == known):
            continue
        value = _merge_value(
            declared.get(name), f"{path}.{name}", known, our, their, decide, equal, out
        )
        if value is _KEEP_BASE:
            return _KEEP_BASE
        merged[name] = value
    return {k: v for k, v in merged.items() if v is not None} or None


def _merge_list(
    declared: Field,
    path: str,
    base: Any,
    ours: list[dict[str, Any]],
    theirs: list[dict[str, Any]],
    decide: Decide,
    equal: Equal,
    out: Merged,
) -> Any:
    if base == ours:
        return theirs
    key = declared.key
    old = {i.get(key): i for i in base} if _lists(base) else {}
    here = {i.get(key): i for i in ours}
    there = {i.get(key): i for i in theirs}
    merged: list[dict[str, Any]] = []
    for name, item in here.items():
        if name in there:
            value = _merge_object(
                declared.fields,
                f"{path}[{name}]",
                old.get(name, ABSENT),
                item,
                there[name],
                decide,
                equal,
                out,
            )
            if value is _KEEP_BASE:
                return _KEEP_BASE
            merged.append(value or {key: name})
        elif name not in old:
            merged.append(item)  # added here
        elif not covers(item, old[name]):  # removed there, edited here
            verdict = decide(f"{path}[{name}]", old[name], item, None)
            if _settle(f"{path}[{name}]", old[name], item, None, verdict, out, clash=True):
                if verdict == "review":
                    return _KEEP_BASE
                merged.append(item)
    for name, item in there.items():
        if name not in here and (name not in old or not covers(item, old[name])):
            merged.append(item)  # added there, or removed here and edited there: the edit survives
    return merged or None


def is_spelling(sent: Any, stored: Any) -> bool:
    """Whether `stored` is what a system made of `sent` by trimming, cutting, folding or rounding."""
    if sent == stored:
        return True
    if isinstance(sent, str) and isinstance(stored, str):
        return _spells(sent, stored)
    if isinstance(sent, dict) and isinstance(stored, dict):
        return all(is_spelling(v, stored.get(k)) for k, v in sent.items())
    if isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        return all(is_spelling(a, b) for a, b in zip(sent, stored, strict=True))
    return sent in (None, "", [], {}) and stored in (None, "", [], {})


def _spells(sent: str, stored: str) -> bool:
    a, b = fold(sent), fold(stored)
    if a == b:
        return True
    if _is_number(sent) and _is_number(stored):
        places = len(stored.partition(".")[2])
        return abs(float(sent) - float(stored)) <= 0.5000001 * 10**-places
    return len(b) >= 4 and a.startswith(b)  # cut to a column's length


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()
