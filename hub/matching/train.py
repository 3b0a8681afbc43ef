"""The weights, learnt: u from random pairs, m by expectation and maximisation over likely ones.

A block's own traits agree in all of its pairs, so each block teaches the others' weights; a trait's
m is then the mean over the blocks that could teach it, by the matches each of them has.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hub.entity import Entity
from hub.matching.blocking import trait_of
from hub.matching.compare import LEVELS, Levels
from hub.matching.score import AUTO, REVIEW, Weights, bits, default_weights

ROUNDS = 60
SETTLED = 1e-5
MOST_BITS = 14.0
SMOOTHING = 0.5
TRUST = 4
"""How many undecided pairs a pair that a person decided weighs as much as."""
ENOUGH_MATCHES = 20.0
MOST_COPIES = 2

Chances = list[list[float]]
"""Per trait: how likely each of its levels is."""


@dataclass
class Evidence:
    """Pairs to learn from.  `random`: levels of pairs drawn at random; `blocks`: of the pairs of
    each block, by its number, which are made of so many `records`; `decided`: of those a person
    called one (True) or two (False).  `possible`: how many pairs of records there are in all.
    """

    random: Counter[Levels] = field(default_factory=Counter)
    blocks: dict[int, Counter[Levels]] = field(default_factory=dict)
    records: dict[int, int] = field(default_factory=dict)
    decided: Counter[tuple[Levels, bool]] = field(default_factory=Counter)
    possible: int = 0


def train(entity: Entity, evidence: Evidence) -> Weights:
    """The weights that the evidence speaks for; where it says nothing, the default ones."""
    sizes = [len(LEVELS[t.kind]) for t in entity.traits]
    others = Counter({k: n * TRUST for (k, one), n in evidence.decided.items() if not one})
    u = _shares(sizes, evidence.random + others)
    m, matches = _learn_m(entity, evidence, u, sizes)
    default = default_weights(entity).by_trait
    learnt = {
        trait.name: _weights(m[i], u[i]) if m[i] else default[trait.name]
        for i, trait in enumerate(entity.traits)
    }
    pairs = sum(sum(c.values()) for c in evidence.blocks.values())
    counts = {"pairs": pairs, "decided": sum(evidence.decided.values()), "matches": round(matches)}
    auto, review = _thresholds(evidence.possible, matches)
    return Weights(learnt, auto, review, counts)


def _thresholds(possible: int, matches: float) -> tuple[float, float]:
    """Where a pair is a match by 99 in 100, and where it is as likely as not.

    A random pair of a larger hub is less likely to be a match, and so needs more bits.
    """
    if matches < ENOUGH_MATCHES or possible <= matches:
        return AUTO, REVIEW
    even = math.log2(possible / matches - 1)
    return round(even + math.log2(99), 1), round(even, 1)


def _weights(m: Sequence[float], u: Sequence[float]) -> tuple[float, ...]:
    """In bits, no level saying more than a lower one takes back."""
    raw = [max(-MOST_BITS, min(MOST_BITS, bits(a, b))) for a, b in zip(m, u, strict=True)]
    return tuple(min(raw[: i + 1]) for i in range(len(raw)))


def _shares(sizes: Sequence[int], patterns: Mapping[Levels, float]) -> Chances:
    """How often each level of each trait stands in the patterns; no level is impossible."""
    counts = [[SMOOTHING] * size for size in sizes]
    for levels, n in patterns.items():
        for i, level in enumerate(levels):
            if level is not None:
                counts[i][level] += n
    return [[c / sum(row) for c in row] for row in counts]


def _learn_m(
    entity: Entity, evidence: Evidence, u: Chances, sizes: Sequence[int]
) -> tuple[list[list[float]], float]:
    """m per trait and level, [] where nobody taught it; and how many matches were seen at most."""
    sums = [[0.0] * size for size in sizes]
    decided = Counter({k: n * TRUST for (k, one), n in evidence.decided.items() if one})
    most = 0.0
    for number, patterns in sorted(evidence.blocks.items()):
        fixed = {trait_of(part)[0] for part in entity.blocks[number]}
        open_ = [i for i, t in enumerate(entity.traits) if t.name not in fixed]
        m, matches = _maximise(patterns, decided, u, sizes, open_)
        if matches > _believable(evidence, number):
            continue  # it took what the block's records have in common for what matches have
        most = max(most, matches)
        for i in open_:
            for level in range(sizes[i]):
                sums[i][level] += m[i][level] * matches
    for known, n in decided.items():
        for i, found in enumerate(known):
            if found is not None:
                sums[i][found] += n
    return [_normal(row) if sum(row) >= 1 else [] for row in sums], most


def _believable(evidence: Evidence, number: int) -> float:
    """How many of a block's pairs can be matches: a thing is there a few times, not a hundred."""
    return MOST_COPIES * evidence.records.get(number, math.inf)


def _normal(row: Sequence[float]) -> list[float]:
    smooth = [value + SMOOTHING for value in row]
    return [value / sum(smooth) for value in smooth]


def _maximise(
    patterns: Mapping[Levels, int],
    decided: Mapping[Levels, int],
    u: Chances,
    sizes: Sequence[int],
    open_: Sequence[int],
) -> tuple[Chances, float]:
    """m of the open traits, u held, and how many of the block's pairs are matches."""
    m = [_first_guess(size) for size in sizes]
    share, pairs = 0.1, sum(patterns.values())
    for _ in range(ROUNDS):
        counts = [[SMOOTHING] * size for size in sizes]
        matches = 0.0
        for levels, n in patterns.items():
            expected = n * _posterior(levels, m, u, share, open_)
            matches += expected
            _count(counts, levels, expected, open_)
        for levels, n in decided.items():
            _count(counts, levels, float(n), open_)
        new = [[c / sum(row) for c in row] for row in counts]
        moved = max((abs(a - b) for x, y in zip(new, m, strict=True)
                     for a, b in zip(x, y, strict=True)), default=0.0)  # fmt: skip
        m, share = new, min(0.999, max(1e-9, matches / pairs if pairs else 0.0))
        if moved < SETTLED:
            break
    return m, share * pairs


def _first_guess(size: int) -> list[float]:
    rest = 0.1 / (size - 1)
    return [0.9, *[rest] * (size - 1)]


def _count(counts: Chances, levels: Levels, n: float, open_: Sequence[int]) -> None:
    for i in open_:
        level = levels[i]
        if level is not None:
            counts[i][level] += n


def _posterior(levels: Levels, m: Chances, u: Chances, share: float, open_: Sequence[int]) -> float:
    odds = share / (1 - share)
    for i in open_:
        level = levels[i]
        if level is not None:
            odds *= m[i][level] / u[i][level]
    return odds / (1 + odds)
