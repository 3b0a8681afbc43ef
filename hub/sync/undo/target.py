"""What is to be taken back, and what each field of a record goes back to.  No store, no clock.

A field can go back where nobody changed it since.  An undo is no such change: it takes the field
back to what was in force before, and is itself taken back in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hub.entity import Field
from hub.sync.history import Line
from hub.sync.merge import ABSENT, UNDECIDED, Clash, Merging, Verdict

UNDO = "undo "


@dataclass(frozen=True, slots=True)
class Target:
    """A run, or one line of the journal."""

    run_id: str | None = None
    seq: int | None = None

    @property
    def reason(self) -> str:
        return f"{UNDO}{self.run_id}" if self.run_id else f"{UNDO}#{self.seq}"

    def covers(self, line: Line) -> bool:
        return line.seq == self.seq if self.seq is not None else line.run_id == self.run_id


def undone_by(line: Line) -> Target | None:
    """What the line took back, if it is of an undo."""
    if not (line.reason or "").startswith(UNDO):
        return None
    name = str(line.reason).removeprefix(UNDO)
    return Target(seq=int(name[1:])) if name.startswith("#") else Target(name)


@dataclass(frozen=True, slots=True)
class Way:
    """How a field goes back.  `since`: the line that stands in the way, where one does."""

    state: Literal["back", "already", "edited"]
    value: Any = None
    since: Line | None = None
    path: str = ""


def way_back(lines: Sequence[Line], name: str, target: Target, declared: Field | None) -> Way:
    """Where a field that the target changed goes; `lines`: the whole journal of the record."""
    entries = [line for line in lines if name in line.changes]
    force = _in_force(entries, name)
    last = len(entries) - 1
    top = last if target.covers(entries[last]) else force[last]
    if top >= 0 and target.covers(entries[top]):
        before = _before(entries, top, target)
        return Way("back", _value_after(entries, name, before))
    if entries[last].reason == target.reason:
        return Way("already")
    mine = max(i for i, line in enumerate(entries) if target.covers(line))
    return _between(entries, name, mine, target, declared)


def _in_force(entries: Sequence[Line], name: str) -> list[int]:
    """For each entry the one whose value is in force after it; -1: that before the first."""
    force: list[int] = []
    for i, line in enumerate(entries):
        undone, here = undone_by(line), i
        if undone is not None and i:
            top = i - 1 if undone.covers(entries[i - 1]) else force[i - 1]
            if top >= 0 and undone.covers(entries[top]):
                before = _before(entries, top, undone)
                if _value_after(entries, name, before) == line.changes[name][1]:
                    here = force[before] if before >= 0 else -1
        force.append(here)
    return force


def _before(entries: Sequence[Line], top: int, target: Target) -> int:
    """The entry before the block of the target's that ends at `top`; -1: there is none."""
    while top >= 0 and target.covers(entries[top]):
        top -= 1
    return top


def _value_after(entries: Sequence[Line], name: str, index: int) -> Any:
    return entries[index].changes[name][1] if index >= 0 else entries[0].changes[name][0]


# ------------------------------------------------------------------- part by part, item by item


def _between(
    entries: Sequence[Line], name: str, mine: int, target: Target, declared: Field | None
) -> Way:
    """The value was changed since; what the target did goes back where its parts were not."""
    since = next(line for line in entries[mine + 1 :])
    after, now = entries[mine].changes[name][1], entries[-1].changes[name][1]
    before = _value_after(entries, name, _before(entries, mine, target))
    if declared is None or declared.kind not in ("object", "list", "set"):
        return Way("edited", since=since)
    if declared.kind == "list" and not declared.key:
        return Way("edited", since=since)
    clashes: list[Clash] = []
    merging = Merging(_Refuse(), clashes)
    whole = _whole(declared, before, after, now)
    base = ABSENT if after is None and declared.kind != "set" else after
    merged = merging.value(declared, name, (base, now, whole))
    if merged is UNDECIDED or clashes:
        return Way("edited", since=since, path=clashes[0].field if clashes else "")
    return Way("already") if merged == now else Way("back", merged)


class _Refuse:
    """Nobody decides for a person: what both changed stays."""

    def __call__(self, path: str, base: Any, ours: Any, theirs: Any) -> Verdict:
        return "review"

    def refuses(self, path: str, ours: Any) -> bool:
        return False


def _whole(declared: Field, value: Any, *others: Any) -> Any:
    """The value with a null for every part that the others have and it has not: a part that was
    not there is to go, where in a merge it would be one that is not spoken of."""
    if declared.kind == "object" and isinstance(value, dict):
        parts = {n for other in others if isinstance(other, dict) for n in other}
        return {**dict.fromkeys(sorted(parts)), **value}
    if declared.kind == "list" and isinstance(value, list):
        return [_whole_item(declared, item, others) for item in value]
    return value


def _whole_item(declared: Field, item: dict[str, Any], others: tuple[Any, ...]) -> dict[str, Any]:
    parts = {
        name
        for other in others
        if isinstance(other, list)
        for there in other
        if there.get(declared.key) == item.get(declared.key)
        for name in there
    }
    return {**dict.fromkeys(sorted(parts)), **item}
