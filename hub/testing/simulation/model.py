"""What users did, as the oracle knows it: every value is unique, so a value names its write.

A write of a field *supersedes* the value its writer saw.  Of the writes that nobody superseded one
must be the final value, and every other one must be told in a conflict.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

_TEXT = re.compile(r"\s*w(\d{4})", re.IGNORECASE)
DEFAULT = 0
"""The token of what a system fills in by itself."""


@dataclass(slots=True)
class Write:
    id: int
    code: str
    column: str
    system: str
    at: datetime
    over: set[int] = field(default_factory=set)


@dataclass
class Model:
    """`excused`: writes that a system without versions let the hub overwrite unseen."""

    writes: dict[int, Write] = field(default_factory=dict)
    excused: set[int] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    """Codes of customers that a user deleted somewhere."""
    raced: set[str] = field(default_factory=set)
    """Codes that a user and the hub gave to new rows of one system at the same time."""
    removed: set[int] = field(default_factory=set)
    """Tags that a user took away."""
    codes: list[str] = field(default_factory=list)
    orders: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Order number → every state its only writer gave it."""

    def write(self, code: str, column: str, system: str, at: datetime, old: Any) -> Write:
        """A user sets the column, where *old* stands now."""
        made = Write(len(self.writes) + 1, code, column, system, at)
        made.over.update(tokens(old))
        self.writes[made.id] = made
        return made

    def of(self, code: str, column: str) -> list[Write]:
        return [w for w in self.writes.values() if (w.code, w.column) == (code, column)]

    def superseded(self, writes: Iterable[Write]) -> set[int]:
        return {id_ for w in writes for id_ in w.over if id_ != w.id}

    def lost(
        self, code: str, column: str, final: Any, told: set[int], *, by_time: bool
    ) -> Iterator[str]:
        """Writes of this field that vanished, and values that nobody wrote.

        *by_time*: no policy prefers a side, and every clock is right; then a value that somebody
        saw and replaced cannot come back.
        """
        writes = self.of(code, column)
        if column == "tags":
            yield from self._lost_tags(code, writes, set(tokens(final)))
            return
        known, ends = {w.id for w in writes}, set(tokens(final))
        over = self.superseded(writes)
        if ends - known - {DEFAULT}:
            yield f"{code}.{column} is {final!r}, which nobody wrote"
        for w in writes:
            if by_time and ends & w.over and w.id not in ends | self.excused:
                yield f"{code}.{column} is {final!r} again, which write {w.id} had replaced"
            if w.id in ends or w.id in over or w.id in told or w.id in self.excused:
                continue
            yield f"{code}.{column} is {final!r}; write {w.id} by a user of {w.system} is lost"

    def _lost_tags(self, code: str, writes: list[Write], final: set[int]) -> Iterator[str]:
        """A set merges: what was added and not taken away is there, and nothing else."""
        added = {w.id for w in writes}
        for id_ in sorted(final ^ (added - self.removed)):
            if id_ not in self.excused:
                verb = "came back" if id_ in final else "is lost"
                yield f"{code}.tags: w{id_:04} {verb}"


def text(number: int, words: str) -> str:
    return f"w{number:04} {words}"


def amount(number: int, cents: int) -> Decimal:
    return Decimal(number * 10) + Decimal(cents).scaleb(-3)


def tokens(value: Any) -> list[int]:
    """The writes a value stems from."""
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return [token for each in value for token in tokens(each)]
    if isinstance(value, Decimal):
        return [int(value) // 10]
    found = _TEXT.match(str(value))
    if found:
        return [int(found.group(1))]
    try:
        return [int(Decimal(str(value))) // 10]
    except ArithmeticError:
        return [DEFAULT]


def plain(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value)).normalize()
