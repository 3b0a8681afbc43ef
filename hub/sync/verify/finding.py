"""What `verify` says: a difference, in words, with what would mend it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hub.errors import Problem

Progress = Callable[[Mapping[str, Any]], None]
Deed = Literal[
    "restore", "mark", "unmark", "wake", "relink", "say-link", "drop-link", "forget", "release",
    "close-conflict", "close-parked", "reset-cursor",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repair:
    """One deed that mends a difference: `what` it is done to, by name (see `repair`)."""

    deed: Deed
    what: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference.  `check`: the invariant; `about`: the things it was found at, by name."""

    check: str
    problem: Problem
    about: Mapping[str, Any]
    repair: Repair | None = None


def noticed(
    check: str,
    code: str,
    message: str,
    hint: str,
    *,
    about: Mapping[str, Any],
    repair: Repair | None = None,
    **values: Any,
) -> Finding:
    return Finding(check, Problem(code, message, hint=hint, values=values), about, repair)
