"""Moves between the states of an entity's `status` field."""

from collections.abc import Mapping

from hub.entity import Entity
from hub.errors import Problem

UNKNOWN_STATE = "{entity} has no state {value!r}"
NO_MOVE = "{entity} cannot go from {old} to {value!r}"
NO_WAY = "{entity} cannot leave {old} for {value!r}, not even by a sync"
HINT = "Possible from here: {states}."


def move(entity: Entity, old: str | None, new: str, *, forced_by_sync: bool) -> Problem | None:
    """Why a record may not go from state *old* to *new*; None when it may.

    *old* None: the record is new; it starts in the first state or one step from it.  A sync reports
    what has happened elsewhere: it may start anywhere and skip states, but leaves a state only
    where a chain of allowed moves does.
    """
    states = entity.states
    if not states or old == new:
        return None
    if new not in states:
        return _problem(entity, "unknown-state", UNKNOWN_STATE, old, new)
    if old is None or old not in states:  # a state that is not in the model any more binds nobody
        start = next(iter(states))
        fits = forced_by_sync or new == start or new in states[start]
        return None if fits else _problem(entity, "bad-move", NO_MOVE, start, new)
    if forced_by_sync:
        fits = new in reachable(states, old)
        return None if fits else _problem(entity, "bad-move", NO_WAY, old, new)
    return None if new in states[old] else _problem(entity, "bad-move", NO_MOVE, old, new)


def reachable(states: Mapping[str, tuple[str, ...]], start: str) -> set[str]:
    """The states that moves lead to from *start*."""
    found: set[str] = set()
    ahead = list(states.get(start, ()))
    while ahead:
        state = ahead.pop()
        if state not in found:
            found.add(state)
            ahead += states.get(state, ())
    return found


def _problem(entity: Entity, code: str, message: str, old: str | None, new: str) -> Problem:
    ways = entity.states if old is None or code == "unknown-state" else entity.states.get(old, ())
    return Problem(
        code,
        message,
        "status",
        new,
        HINT,
        {"entity": entity.name, "old": old, "states": ", ".join(ways)},
    )
