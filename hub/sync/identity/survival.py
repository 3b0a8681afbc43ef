"""Which values a merged record has, field by field.  Pure: no store, no clock.

In order: what a person chose, the owner's value, the only value, the later change, the longer text.
Sets and lists with a key are united.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.entity import Entity, Field

Side = Literal["survivor", "loser"]
Reason = Literal["chosen", "owner", "only", "newer", "longer", "united", "kept"]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """A person's word on one field: a side's value, or one given (`side` empty)."""

    side: Side | None
    value: Any = None


@dataclass
class Survival:
    """`changes`: what the survivor takes, None clears.  `reasons`: why, for every field in which
    the two differed."""

    changes: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, Reason] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """`owner`: the side that a field's owner has, if one has it.  `later`: the side whose value was
    changed last.  `fixed`: fields in which the survivor's value stays: its codes."""

    owner: Callable[[str], Side | None]
    later: Callable[[str], Side | None]
    fixed: frozenset[str] = frozenset()
    choices: Mapping[str, Choice] = field(default_factory=dict)


def survive(entity: Entity, survivor: Values, loser: Values, rules: Rules) -> Survival:
    """What becomes of the survivor's stored values."""
    out = Survival()
    for name in sorted({str(n) for n in (*survivor, *loser, *rules.choices)}):  # not quoted_name
        ours, theirs = survivor.get(name), loser.get(name)
        if name in rules.choices:
            _take(out, name, ours, _chosen(rules.choices[name], ours, theirs), "chosen")
        elif ours != theirs and theirs is not None:
            value, reason = _survivor(entity.field.get(name), name, ours, theirs, rules)
            _take(out, name, ours, value, reason)
    return out


def _take(out: Survival, name: str, ours: Any, value: Any, reason: Reason) -> None:
    out.reasons[name] = reason
    if value != ours:
        out.changes[name] = value


def _chosen(choice: Choice, ours: Any, theirs: Any) -> Any:
    if choice.side is None:
        return choice.value
    return ours if choice.side == "survivor" else theirs


def _survivor(
    declared: Field | None, name: str, ours: Any, theirs: Any, rules: Rules
) -> tuple[Any, Reason]:
    if ours is None:
        return theirs, "only"
    if name in rules.fixed:
        return ours, "kept"
    united = unite(declared, ours, theirs)
    if united is not None:
        return united, "united"
    owner = rules.owner(name)
    if owner:
        return (ours if owner == "survivor" else theirs), "owner"
    later = rules.later(name)
    if later:
        return (ours if later == "survivor" else theirs), "newer"
    if _size(theirs) > _size(ours):
        return theirs, "longer"
    return ours, "kept"


def unite(declared: Field | None, ours: Any, theirs: Any) -> Any:
    """Both sides' items together, ours first; None where the field is one value."""
    if declared is None:
        return None
    if declared.kind == "set":
        return sorted({*ours, *theirs})
    if declared.kind != "list" or not declared.key:
        return None
    key = declared.key
    items = {item.get(key): item for item in ours}
    same = {_content(item, key) for item in ours}
    for item in theirs:
        known = items.get(item.get(key))
        if known is not None:
            items[item.get(key)] = {**item, **known}
        elif _content(item, key) not in same:
            items[item.get(key)] = item
    return list(items.values())


def _content(item: Values, key: str) -> str:
    return repr(sorted((k, v) for k, v in item.items() if k != key and v is not None))


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(value) if isinstance(value, Mapping) else 0


def taken_back(before: Any, after: Any, now: Any) -> tuple[Any, bool]:
    """What a value must become when the change from *before* to *after* is taken back, and whether
    that can be done at all: it cannot where one value was edited since."""
    if now == after:
        return before, True
    if _are_sets(before, after, now):
        gained, lost = set(after) - set(before or ()), set(before or ()) - set(after)
        return sorted((set(now) - gained) | lost) or None, True
    if isinstance(after, list) and isinstance(now, list):
        gained_items = [item for item in after if item not in (before or [])]
        if all(item in now for item in gained_items):
            return [item for item in now if item not in gained_items] or None, True
    return now, False


def _are_sets(before: Any, after: Any, now: Any) -> bool:
    lists = (before or [], after, now)
    return all(isinstance(v, list) and all(isinstance(i, str) for i in v) for v in lists)
