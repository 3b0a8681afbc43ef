"""The weights, and the score they add up to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.entity import Entity
from hub.matching.compare import LEVELS, Levels, compare, stops
from hub.matching.normalise import Features

AUTO, REVIEW = 15.0, 8.0
"""Bits from which two records are taken for one, and from which a person is asked."""


def bits(m: float, u: float) -> float:
    """What a level says that m of the matches have, and u of the others."""
    return math.log2(m / u)


_AGREE = {
    "email": (0.90, 0.001),
    "phone": (0.85, 0.002),
    "name": (0.80, 0.010),
    "place": (0.95, 0.100),
}
"""(m, u) of agreement where nothing was learnt yet."""
_BITS: Mapping[str, tuple[float, float]] = {
    kind: (bits(m, u), bits(1 - m, 1 - u)) for kind, (m, u) in _AGREE.items()
}
_NAME = (_BITS["name"][0], _BITS["name"][0], 1.0, _BITS["name"][1])
DEFAULT_BITS: Mapping[str, tuple[float, ...]] = {
    "choice": (0.0, -5.0),
    "code": (4.0, 1.0, -1.5),
    "date": (7.0, 3.0, -4.0),
    "domain": (5.0, -1.0),
    "email": (_BITS["email"][0], 4.0, _BITS["email"][1]),
    "identifier": (19.9, -4.0),
    "name": _NAME,
    "party_name": _NAME,
    "person": _NAME,
    "phone": _BITS["phone"],
    "place": (_BITS["place"][0], 2.0, _BITS["place"][1]),
    "street": (4.9, 3.0, 0.5, -1.0),
    "text": _NAME,
}
"""Kind of a trait → the weight of each of its levels, where nothing was learnt yet."""


@dataclass(frozen=True)
class Weights:
    """What each level of each trait says, in bits, and from where on a score decides.

    `learnt`: how many pairs they were learnt from, and how many of those a person had decided.
    """

    by_trait: Mapping[str, tuple[float, ...]]
    auto: float = AUTO
    review: float = REVIEW
    learnt: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "weights": {name: [round(w, 4) for w in ws] for name, ws in self.by_trait.items()},
            "auto": self.auto,
            "review": self.review,
            "learnt": dict(self.learnt),
        }

    @classmethod
    def from_json(cls, entity: Entity, stored: Mapping[str, Any]) -> "Weights":
        """As stored; a trait that the entity has got since, or whose levels changed, by default."""
        default = default_weights(entity).by_trait
        kept = {
            name: tuple(stored["weights"].get(name, ()))
            if len(stored["weights"].get(name, ())) == len(weights)
            else weights
            for name, weights in default.items()
        }
        return cls(kept, stored["auto"], stored["review"], stored.get("learnt", {}))


def default_weights(entity: Entity) -> Weights:
    return Weights({t.name: DEFAULT_BITS[t.kind] for t in entity.traits})


@dataclass(frozen=True, slots=True)
class Part:
    """What one trait adds to a score."""

    trait: str
    level: str
    bits: float
    ours: Sequence[str]
    theirs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Score:
    """The sum of its parts.  `vetoes`: traits that rule a match out, whatever the sum."""

    bits: float
    parts: tuple[Part, ...]
    vetoes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "score": self.bits,
            "vetoes": list(self.vetoes),
            "parts": [
                {
                    "trait": p.trait,
                    "level": p.level,
                    "bits": p.bits,
                    "ours": list(p.ours),
                    "theirs": list(p.theirs),
                }
                for p in self.parts
            ],
        }


def likely(entity: Entity, weights: Weights, ours: Features, theirs: Features) -> Score | None:
    """The score of two records that a person should see; None for the many that come to nothing."""
    levels = compare(entity, ours, theirs)
    if total(entity, weights, levels) < weights.review:
        return None
    found = _explained(entity, weights, levels, ours, theirs)
    return None if found.vetoes else found


def total(entity: Entity, weights: Weights, levels: Levels) -> float:
    by_trait = weights.by_trait
    return sum(
        by_trait[trait.name][level]
        for trait, level in zip(entity.traits, levels, strict=True)
        if level is not None
    )


def score(entity: Entity, weights: Weights, ours: Features, theirs: Features) -> Score:
    """How likely the two are one thing, and why: the parts add up to the score."""
    return _explained(entity, weights, compare(entity, ours, theirs), ours, theirs)


def _explained(
    entity: Entity, weights: Weights, levels: Levels, ours: Features, theirs: Features
) -> Score:
    parts = []
    for trait, level in zip(entity.traits, levels, strict=True):
        a, b = ours.get(trait.name, ()), theirs.get(trait.name, ())
        if level is None:
            if a or b:
                parts.append(Part(trait.name, "missing", 0.0, a, b))
            continue
        added = round(weights.by_trait[trait.name][level], 2)
        parts.append(Part(trait.name, LEVELS[trait.kind][level], added, a, b))
    summed = round(sum(p.bits for p in parts), 2)
    return Score(summed, tuple(parts), stops(entity, ours, theirs))
