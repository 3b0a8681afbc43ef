"""Which records are compared at all: those that share a blocking key."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product

from xxhash import xxh3_64_intdigest

from hub.entity import Entity
from hub.matching.normalise import Features

MAX_KEYS = 40
_SIGN = 1 << 63


def keys(entity: Entity, found: Features) -> list[int]:
    """The blocking keys of a record, as signed 64-bit numbers, ascending."""
    return sorted(keys_by_block(entity, found))[:MAX_KEYS]


def keys_by_block(entity: Entity, found: Features) -> dict[int, int]:
    """Blocking key → the number of the block that it is of."""
    made: dict[int, int] = {}
    for number, block in enumerate(entity.blocks):
        for values in product(*(_starts(found, part) for part in block)):
            text = "\x1f".join((entity.name, str(number), *values))
            made[xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) - _SIGN] = number
    return made


def _starts(found: Features, part: str) -> Sequence[str]:
    """The trait's values, or their first letters; a value shorter than that is its own."""
    name, _, length = part.partition(":")
    values = found.get(name, ())
    return [v.replace(" ", "")[: int(length)] for v in values] if length else values


def pairs_in(
    blocks: Iterable[tuple[int, Sequence[str]]], keys_of: Mapping[str, Sequence[int]]
) -> Iterable[tuple[str, str]]:
    """Every pair of records in these (key, record ids) blocks, each pair in one block only.

    A pair that shares several keys belongs to the least of them, whatever blocks are given: so the
    blocks can be gone through in portions.
    """
    for key, ids in blocks:
        for one, other in combinations(ids, 2):
            shared = set(keys_of[one]).intersection(keys_of[other])
            if key == min(shared, default=key):
                yield one, other
