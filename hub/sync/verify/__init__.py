"""The invariants, checked on a live database: each difference in words, with what would mend it.

`findings` is for whoever judges by itself (the simulation does); `verify` counts, and mends.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from hub.sync.flow import Env
from hub.sync.steward.quarantine import Taker
from hub.sync.verify.finding import Finding, Progress
from hub.sync.verify.ledger import ledger
from hub.sync.verify.queues import queues
from hub.sync.verify.repair import WORDS, mend

__all__ = ["CHECKS", "Finding", "findings", "verify"]

CHECKS = (
    "journal", "values", "references", "merges", "links", "outbox", "intents", "aside", "conflicts",
    "runs", "cursors", "leases",
)  # fmt: skip
SHOWN = 20
"""So many examples of each kind of difference are kept; all are counted."""


def _quiet(event: Mapping[str, Any]) -> None:
    """Progress that nobody watches."""


def findings(
    env: Env, *, declared: Collection[str] = (), progress: Progress = _quiet
) -> Iterator[Finding]:
    """Every difference, as it is found; no transaction is open between two of them.

    *declared*: the names of all flows in the settings, those that are not enabled too.
    """
    return chain(ledger(env, progress), queues(env, declared, progress))


@dataclass
class _Kind:
    """One kind of difference: how often, and the first ones."""

    count: int = 0
    mended: int = 0
    examples: list[Finding] | None = None


def verify(
    env: Env,
    *,
    declared: Collection[str] = (),
    jobs: Taker | None = None,
    repair: bool = False,
    more: Callable[[], Iterator[Finding]] = lambda: iter(()),
    progress: Progress = _quiet,
) -> dict[str, Any]:
    """What was found, by kind, with examples; *repair*: and mended, as it was found.

    *more*: further findings, such as those of a look at the remote systems.
    """
    kinds: dict[tuple[str, str], _Kind] = {}
    for finding in chain(findings(env, declared=declared, progress=progress), more()):
        kind = kinds.setdefault((finding.check, finding.problem.code), _Kind(examples=[]))
        kind.count += 1
        if kind.examples is not None and len(kind.examples) < SHOWN:
            kind.examples.append(finding)
        if repair and finding.repair is not None:
            kind.mended += mend(env, jobs, finding.repair)
    found = [_kind_json(*key, kind) for key, kind in kinds.items()]
    return {
        "ok": all(kind["count"] == kind["mended"] for kind in found),
        "checks": list(CHECKS),
        "count": sum(kind["count"] for kind in found),
        "mended": sum(kind["mended"] for kind in found),
        "found": sorted(
            found, key=lambda kind: CHECKS.index(kind["check"]) if kind["check"] in CHECKS else 99
        ),
    }


def _kind_json(check: str, code: str, kind: _Kind) -> dict[str, Any]:
    examples = kind.examples or []
    first = examples[0]
    return {
        "check": check,
        "kind": code,
        "count": kind.count,
        "mended": kind.mended,
        "remedy": WORDS[first.repair.deed] if first.repair else None,
        "examples": [{**f.problem.to_json(), **f.about} for f in examples],
    }
