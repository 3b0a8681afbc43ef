"""Which records are compared at all: those that share a blocking key."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, product

from xxhash import xxh3_64_intdigest

from hub.entity import Entity
from hub.matching.normalise import Features
from hub.matching.romanise import romanise

MAX_KEYS = 40
_SIGN = 1 << 63


def keys(entity: Entity, found: Features) -> list[int]:
    """The blocking keys of a record, as signed 64-bit numbers, ascending."""
    return sorted(keys_by_block(entity, found))[:MAX_KEYS]


def keys_by_block(entity: Entity, found: Features) -> dict[int, int]:
    """Blocking key → the number of the block that it is of."""
    made: dict[int, int] = {}
    for number, block in enumerate(entity.blocks):
        for values in product(*(_letters(found, part) for part in block)):
            text = "\x1f".join((entity.name, str(number), *values))
            made[xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) - _SIGN] = number
    return made


_PART = re.compile("([^:~]+)(?:([:~])(-?[0-9]+))?")


@lru_cache(256)
def trait_of(part: str) -> tuple[str, bool, int]:
    """The trait of a part of a block, whether it goes by sound, and how many letters; 0: all."""
    parsed = _PART.fullmatch(part)
    assert parsed is not None, part
    return parsed[1], parsed[2] == "~", int(parsed[3] or 0)


def _letters(found: Features, part: str) -> Sequence[str]:
    """The trait's values, or their first or last letters; a value shorter than that is its own."""
    name, by_sound, length = trait_of(part)
    values = found.get(name, ())
    if not length:
        return values
    spelt = [(romanise(v) if by_sound else v).replace(" ", "") for v in values]
    return list(dict.fromkeys(s[:length] if length > 0 else s[length:] for s in spelt))


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
