"""How far two records agree, trait by trait.  Level 0 is full agreement, the last is none."""

import re
from collections.abc import Callable, Mapping, Sequence

from rapidfuzz.distance import OSA, JaroWinkler, Levenshtein

from hub.entity import Entity, Trait
from hub.matching.normalise import Features, is_checked
from hub.matching.romanise import has_han, romanise

Levels = tuple[int | None, ...]
"""One level per trait of the entity; None: one of the two has no value."""

SAME, CLOSE, SIMILAR, DIFFERENT = "same", "close", "similar", "different"
LEVELS: Mapping[str, tuple[str, ...]] = {
    "choice": (SAME, DIFFERENT),
    "code": (SAME, CLOSE, DIFFERENT),
    "date": (SAME, CLOSE, DIFFERENT),
    "domain": (SAME, DIFFERENT),
    "email": (SAME, CLOSE, DIFFERENT),
    "identifier": (SAME, DIFFERENT),
    "name": (SAME, CLOSE, SIMILAR, DIFFERENT),
    "party_name": (SAME, CLOSE, SIMILAR, DIFFERENT),
    "person": (SAME, CLOSE, SIMILAR, DIFFERENT),
    "phone": (SAME, DIFFERENT),
    "place": (SAME, CLOSE, DIFFERENT),
    "street": (SAME, CLOSE, SIMILAR, DIFFERENT),
    "text": (SAME, CLOSE, SIMILAR, DIFFERENT),
}
"""The levels of every kind of trait, best first."""

_digit = re.compile("[0-9]").search
_numbers = re.compile("[0-9]+").findall

CLOSE_NAME, SIMILAR_NAME = 0.92, 0.75
SAME_WORD = 0.84
OTHER_NUMBER = 0.7
SHORT_CODE = 4


def compare(entity: Entity, ours: Features, theirs: Features) -> Levels:
    """The level of every trait of the entity."""
    levels: list[int | None] = []
    for trait in entity.traits:
        a, b = ours.get(trait.name), theirs.get(trait.name)
        levels.append(None if not a or not b else _best(trait, a, b))
    agreed = {t.name for t, level in zip(entity.traits, levels, strict=True) if level == 0}
    return tuple(
        None if trait.unless in agreed else level
        for trait, level in zip(entity.traits, levels, strict=True)
    )


def stops(entity: Entity, ours: Features, theirs: Features) -> tuple[str, ...]:
    """The traits that rule out that the two are one: names of those that may not differ and do."""
    return tuple(
        trait.name
        for trait in entity.traits
        if trait.stop and _stops(trait, ours.get(trait.name), theirs.get(trait.name))
    )


def _stops(trait: Trait, ours: Sequence[str] | None, theirs: Sequence[str] | None) -> bool:
    if not ours or not theirs or not set(ours).isdisjoint(theirs):
        return False
    if trait.kind != "identifier":
        return True
    schemes = {v.partition(":")[0] for v in ours if is_checked(v)}
    return not schemes.isdisjoint(v.partition(":")[0] for v in theirs if is_checked(v))


def _best(trait: Trait, ours: Sequence[str], theirs: Sequence[str]) -> int:
    level_of = COMPARE[trait.kind]
    if len(ours) == 1 and len(theirs) == 1:
        return 0 if ours[0] == theirs[0] else level_of(ours[0], theirs[0])
    if not set(ours).isdisjoint(theirs):
        return 0
    return min(level_of(a, b) for a in ours for b in theirs)


# ------------------------------------------------------------------------- levels of unequal texts


def _never(a: str, b: str) -> int:
    return 1


def _code(a: str, b: str) -> int:
    near = min(len(a), len(b)) >= SHORT_CODE and OSA.distance(a, b, score_cutoff=1) <= 1
    return 1 if near else 2


def _date(a: str, b: str) -> int:
    """One digit off or two swapped, or day and month changed about: a slip of the pen."""
    swapped = len(a) == len(b) == 8 and a == b[:4] + b[6:] + b[4:6]
    return 1 if swapped or OSA.distance(a, b, score_cutoff=1) <= 1 else 2


def _email(a: str, b: str) -> int:
    return 1 if OSA.distance(a, b, score_cutoff=1) <= 1 else 2


def _place(a: str, b: str) -> int:
    return 1 if similarity(a, b) >= CLOSE_NAME else 2


def _name(a: str, b: str) -> int:
    alike = similarity(a, b)
    return 1 if alike >= CLOSE_NAME else 2 if alike >= SIMILAR_NAME else 3


def _street(a: str, b: str) -> int:
    return 1 if _contains(a, b) or _contains(b, a) else _name(a, b)


def _contains(whole: str, part: str) -> bool:
    """An address that says more than the other, house number included, is still that one."""
    if len(part) >= len(whole) or not _digit(part):
        return False
    if has_han(part):
        return len(part) > SHORT_CODE and part in whole
    return set(part.split()) <= set(whole.split())


def similarity(a: str, b: str) -> float:
    """How alike two normalised names are, from 0 to 1; Chinese meets Latin by its sound.

    Latin names are compared word by word, in any order, so that one word that differs counts as
    one, however long the rest is.  Names whose numbers differ are of different things: 12型, 13型.
    """
    if a == b:
        return 1.0
    alike = _alike(a, b)
    return alike if _numbers(a) == _numbers(b) else min(alike, OTHER_NUMBER)


def _alike(a: str, b: str) -> float:
    han = has_han(a), has_han(b)
    if all(han):
        return Levenshtein.normalized_similarity(a, b)
    if any(han):
        return 0.99 * _by_sound(romanise(a), romanise(b))
    return _by_words(a, b)


def _by_sound(a: str, b: str) -> float:
    joined = Levenshtein.normalized_similarity(a.replace(" ", ""), b.replace(" ", ""))
    return max(joined, _by_words(a, b))


def _by_words(a: str, b: str) -> float:
    one, other = a.split(), b.split()
    if len(one) == 1 and len(other) == 1:
        return JaroWinkler.similarity(a, b)
    if len(one) < len(other):
        one, other = other, one
    left, total, letters = list(other), 0.0, 0
    for word in one:
        letters += len(word)
        best, at = SAME_WORD, -1
        for i, candidate in enumerate(left):
            alike = 1.0 if word == candidate else JaroWinkler.similarity(word, candidate)
            if alike >= best:
                best, at = alike, i
        if at >= 0:
            total += best * len(word)
            del left[at]
    letters += sum(map(len, left))
    joined = "".join(one) == "".join(other)
    return 0.99 if joined else total / letters if letters else 0.0


COMPARE: Mapping[str, Callable[[str, str], int]] = {
    "choice": _never,
    "code": _code,
    "date": _date,
    "domain": _never,
    "email": _email,
    "identifier": _never,
    "name": _name,
    "party_name": _name,
    "person": _name,
    "phone": _never,
    "place": _place,
    "street": _street,
    "text": _name,
}
"""Kind of a trait → the level of two values that are not equal."""
