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
    frozen: dict[str, Any] = field(default_factory=dict)
    """What the system now has in the fields that wait for a steward."""


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
    merging = Merging(decide, out.clashes)
    for name, their in theirs.items():
        if name in frozen:
            out.frozen[name] = their
            continue
        our, known = ours.get(name), base.get(name, ABSENT)
        is_our_spelling = name in sent and equal(name, our, sent[name])
        agrees = equal(name, their, our) or covers(our, their)
        if known is not ABSENT and equal(name, their, known):
            if their != known:
                out.shadow[name] = their
            out.differs |= not agrees and not is_our_spelling
            continue
        out.shadow[name] = their
        out.sent.pop(name, None)
        if agrees:
            continue
        if known is not ABSENT and is_our_spelling:
            known = our  # what we sent, in their spelling: we have not changed it since
        merged = merging.value(entity.field.get(name), name, (known, our, their))
        if merged is UNDECIDED:
            out.shadow.pop(name, None)
            if known is not ABSENT:
                out.shadow[name] = known
            continue
        if merged != our:
            out.changes[name] = merged
        out.differs |= not (equal(name, their, merged) or covers(merged, their))
    return out


def covers(whole: Any, part: Any) -> bool:
    """Whether everything that *part* says stands in *whole*; a null says the same as an absence.

    A mapping may cover some parts of an object only: then ours says more than theirs can.
    """
    if isinstance(part, dict):
        have = whole if isinstance(whole, dict) else {}
        return all(covers(have.get(k), v) for k, v in part.items())
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        return all(covers(w, p) for w, p in zip(whole, part, strict=True))
    return bool(whole == part)


UNDECIDED: Any = object()
"""A value that a person has to decide."""

Three = tuple[Any, Any, Any]
"""base (or ABSENT), ours, theirs."""


class Merging:
    """Merges single values; what both sides changed goes into `clashes`."""

    def __init__(self, decide: Decide, clashes: list[Clash]) -> None:
        self.decide, self.clashes = decide, clashes

    def value(self, declared: Field | None, path: str, three: Three) -> Any:
        """The merged value, or UNDECIDED."""
        base, ours, theirs = three
        if declared is not None:
            if declared.kind == "set":
                return _merge_set(three)
            if declared.kind == "object" and isinstance(theirs, dict) and isinstance(ours, dict):
                return self.object(declared.fields, path, three)
            if declared.kind == "list" and declared.key and _keyed(ours) and _keyed(theirs):
                return self.list(declared, path, three)
        if base is not ABSENT and base == ours:
            if self.decide.refuses(path, ours):
                return self._settle(path, three, "ours")
            return theirs
        if base is ABSENT and (ours is None or theirs is None):
            return theirs if ours is None else ours
        return self._settle(path, three, self.decide(path, *three))

    def object(self, parts: tuple[Field, ...], path: str, three: Three) -> Any:
        """Part by part; parts that theirs does not speak of stay."""
        base, ours, theirs = three
        declared = {p.name: p for p in parts}
        merged = dict(ours)
        for name, their in theirs.items():
            our = ours.get(name)
            known = base.get(name, ABSENT) if isinstance(base, dict) else ABSENT
            if their == our or (known is not ABSENT and their == known):
                continue
            value = self.value(declared.get(name), f"{path}.{name}", (known, our, their))
            if value is UNDECIDED:
                return UNDECIDED
            merged[name] = value
        return {k: v for k, v in merged.items() if v is not None} or None

    def list(self, declared: Field, path: str, three: Three) -> Any:
        """Item by item, by key: ours in their order, then what was added there."""
        base, ours, theirs = three
        if self.decide.refuses(path, ours):
            return self._settle(path, three, "ours")
        if base == ours:
            return theirs
        key = declared.key
        old = {i.get(key): i for i in base} if _keyed(base) else {}
        here = {i.get(key): i for i in ours}
        there = {i.get(key): i for i in theirs}
        merged: list[Any] = []
        for name, item in here.items():
            at = f"{path}[{name}]"
            kept = item
            if name in there:
                kept = self.object(
                    declared.fields, at, (old.get(name, ABSENT), item, there[name])
                ) or {key: name}
            elif name in old and covers(item, old[name]):
                continue  # removed there, untouched here
            elif name in old:
                kept = self._settle(
                    at, (old[name], item, None), self.decide(at, old[name], item, None)
                )
            if kept is UNDECIDED:
                return UNDECIDED
            if kept is not None:
                merged.append(kept)
        for name, item in there.items():
            if name not in here and (name not in old or not covers(item, old[name])):
                merged.append(item)  # added there, or removed here and edited there
        return merged or None

    def _settle(self, path: str, three: Three, verdict: Verdict) -> Any:
        base, ours, theirs = three
        shown = None if base is ABSENT else base
        self.clashes.append(Clash(path, shown, ours, theirs, verdict))
        if verdict == "review":
            return UNDECIDED
        return theirs if verdict == "theirs" else ours


def _keyed(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(i, dict) for i in value)


def _merge_set(three: Three) -> list[str] | None:
    """Additions and removals of both sides; nothing clashes."""
    base, ours, theirs = three
    old = set() if base in (ABSENT, None) else set(base)
    here, there = set(ours or ()), set(theirs or ())
    return sorted((here | (there - old)) - (old - there)) or None


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
        return bool(abs(float(sent) - float(stored)) <= 0.5000001 / 10**places)
    return len(b) >= 4 and a.startswith(b)  # cut to a column's length


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()
