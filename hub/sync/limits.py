"""How much one run may change before a person looks: the brake of a flow, in and out.

A run that would go beyond stops before anything beyond is committed or sent; a plan of the rest of
it is stored, so that the person sees all of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from hub.errors import HubError
from hub.i18n import _
from hub.settings import Limits
from hub.sync import sweep
from hub.sync.flow import Flow, Run, Work

MESSAGES = {
    ("in", "creates"): _(
        "flow {flow!r}: the run would create {count} records here, {limit} are allowed"
    ),
    ("in", "updates"): _(
        "flow {flow!r}: the run would change {count} records here, {limit} are allowed"
    ),
    ("in", "deletes"): _(
        "flow {flow!r}: {count} of {total} rows are gone from the source, more than the brake"
        " allows ({limit})"
    ),
    ("in", "field"): _(
        "flow {flow!r}: the run would change {field!r} in more than {limit} of {total} records"
    ),
    ("out", "creates"): _(
        "flow {flow!r}: the run would create {count} rows in the system, {limit} are allowed"
    ),
    ("out", "updates"): _(
        "flow {flow!r}: the run would change {count} rows of the system, {limit} are allowed"
    ),
    ("out", "deletes"): _(
        "flow {flow!r}: the run would delete {count} of {total} rows of the system, {limit} are"
        " allowed"
    ),
    ("out", "field"): _(
        "flow {flow!r}: the run would change {field!r} in more than {limit} of {total} rows of the"
        " system"
    ),
}
"""What went beyond, by direction and kind."""
OF_KIND = {
    "create": "creates",
    "update": "updates",
    "link": "updates",
    "revive": "updates",
    "archive": "deletes",
    "delete": "deletes",
    "unlink": "deletes",
}


class BrakeError(HubError):
    """The run would do more than its brake allows."""

    code = "brake"
    exit_code = 7


@dataclass(slots=True)
class Tally:
    """What a run did so far in one direction, or is about to have done."""

    creates: int = 0
    updates: int = 0
    deletes: int = 0
    fields: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, fields: Iterable[str] = ()) -> None:
        name = OF_KIND.get(kind)
        if name is None or (kind == "link" and not tuple(fields)):
            return
        setattr(self, name, getattr(self, name) + 1)
        if kind == "update":
            for changed in fields:
                self.fields[changed] = self.fields.get(changed, 0) + 1


@dataclass(frozen=True, slots=True)
class Exceeded:
    """One limit that does not hold."""

    flow: str
    direction: str
    kind: str
    count: int
    limit: int
    total: int
    field: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "message": MESSAGES[self.direction, self.kind]}

    def error(self) -> BrakeError:
        return BrakeError(
            MESSAGES[self.direction, self.kind],
            **asdict(self),
            hint="Look at the plan; then apply it, or let the run go on: hub flows resume --approve.",
        )


def exceeded(
    flow: str, direction: str, limits: Limits, tally: Tally, *, total: int, approved: int = 0
) -> Iterator[Exceeded]:
    """Every limit that *tally* goes beyond.  *approved*: as much was allowed once, of each kind.

    `total`: how many rows are linked.
    """
    for kind, count, limit in (
        ("deletes", tally.deletes, max(limits.count, int(limits.share * total))),
        ("creates", tally.creates, limits.creates),
        ("updates", tally.updates, limits.updates),
    ):
        if limit is not None and count > max(limit, approved):
            yield Exceeded(flow, direction, kind, count, max(limit, approved), total)
    most = max(limits.count, int(limits.field_share * total), approved)
    for name, count in sorted(tally.fields.items()):
        if count > most:
            yield Exceeded(flow, direction, "field", count, most, total, name)


def hold(work: Work, flow: Flow, run: Run, direction: str, tally: Tally) -> None:
    """BrakeError for the first limit that does not hold.

    Links are counted anew only where as many as were there last time would be too few.
    """
    limits = flow.settings.brake if direction == "in" else flow.settings.brake.out
    known = 0 if tally.deletes else run.links
    if not any(exceeded(flow.name, direction, limits, tally, total=known)):
        return
    total = run.links = sweep.count_links(work, flow)
    approved = sweep.approved(work, flow)
    for found in exceeded(flow.name, direction, limits, tally, total=total, approved=approved):
        raise found.error()
