"""What taking back a run does to each record, and to the rows that systems have of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, select

from hub.entity import Entity
from hub.errors import Problem
from hub.store import records
from hub.store.records import Record
from hub.sync import history
from hub.sync.flow import Env, Flow
from hub.sync.history import ESTABLISHES, Line
from hub.sync.undo.target import Target, Way, undone_by, way_back


@dataclass(slots=True)
class LinkDeed:
    """What becomes of a row's link: `ignore` leaves the row out, `activate` takes it in again,
    `remake` forgets it, so that the row is made anew."""

    deed: Literal["ignore", "activate", "remake"]
    link_id: int
    source_id: int
    external_id: str


@dataclass(slots=True)
class Step:
    """One record: what it goes back to, what of it cannot, and what the systems are told."""

    record: Record
    entity: Entity
    changes: dict[str, Any] = field(default_factory=dict)
    envelope: dict[str, Any] = field(default_factory=dict)
    op: str = "update"
    links: list[LinkDeed] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    told: list[tuple[str, Problem]] = field(default_factory=list)
    already: int = 0
    now: dict[str, Any] = field(default_factory=dict)

    @property
    def moves(self) -> bool:
        return bool(self.changes or self.envelope or self.links)


def steps(
    env: Env,
    connection: Connection,
    stored: str,
    ids: Sequence[str],
    target: Target,
    fields: frozenset[str],
    *,
    remake: bool,
) -> list[Step]:
    """The steps of some records of one entity, locked where they are to be changed."""
    found = records.load(connection, env.store, stored, ids, lock=env.store.in_transaction)
    lines = history.lines_of(connection, env.store, ids)
    link = env.store.metadata.tables["link"]
    rows: dict[str, list[Any]] = {}
    query = select(link).where(link.c.record_id.in_(list(ids)), link.c.part == "")
    for row in connection.execute(query):
        rows.setdefault(row.record_id, []).append(row)
    wrote = _writes(env, connection, ids)
    out = []
    for id_ in ids:
        if id_ in found:
            maker = _Maker(env, found[id_], lines.get(id_, []), rows.get(id_, []), wrote, target)
            made = maker.step(fields, remake=remake)
            made.now = {name: made.record.values.get(name) for name in made.changes}
            out.append(made)
    return out


def _writes(env: Env, connection: Connection, ids: Sequence[str]) -> set[tuple[int, str, str]]:
    """(source, record, create or delete) of what the hub itself did there."""
    intent = env.store.metadata.tables["intent"]
    query = select(intent.c.source_id, intent.c.record_id, intent.c.op).where(
        intent.c.record_id.in_(list(ids)),
        intent.c.op.in_(("create", "delete")),
        intent.c.state.in_(("done", "adopted", "failed")),
    )
    return {(source, record, op) for source, record, op in connection.execute(query)}


class _Maker:
    """Makes the step of one record."""

    def __init__(
        self,
        env: Env,
        record: Record,
        lines: Sequence[Line],
        rows: Sequence[Any],
        wrote: set[tuple[int, str, str]],
        target: Target,
    ) -> None:
        self.env, self.record, self.lines, self.rows = env, record, lines, rows
        self.wrote, self.target = wrote, target
        self.mine = [line for line in lines if target.covers(line)]
        self.made = Step(record, _view(env, record))

    def step(self, fields: frozenset[str], *, remake: bool) -> Step:
        made = self.made
        if self.record.merged_into:
            self._refuse(
                "merged",
                "it was merged into another record since",
                "Split the records first.",
            )
            return made
        if any(line.op in ("merge", "unmerge") for line in self.mine):
            self._refuse(
                "merge", "a merge is not taken back so", "Split or merge the records instead."
            )
            return made
        if any(line.op == "create" for line in self.mine) and not fields:
            self._take_away()
        else:
            self._put_back(fields)
        if not fields and not made.refused:
            self._links(remake=remake)
        self._tell()
        return made

    def _refuse(self, code: str, message: str, hint: str, name: str = "", **values: Any) -> None:
        self.made.refused.append(Problem(code, message, name, hint=hint, values=values))

    # -- a record that the target made

    def _take_away(self) -> None:
        made, record = self.made, self.record
        later = [
            line
            for line in self.lines
            if line.changes and not self.target.covers(line) and not self._is_undo(line)
        ]
        if later:
            self._edited(later[-1], "")
            return
        if record.deleted_at or not record.active:
            made.already += 1
            return
        flow = self._origin()
        made.op = "delete" if flow and flow.settings.deletes.inbound == "delete" else "archive"
        made.envelope = {"active": False}
        if made.op == "delete":
            made.envelope |= {"deleted_at": "now", "deletion_reason": "undo"}
            return
        status = made.entity.field.get("status")
        if status is not None and "inactive" in status.choices:
            made.changes = {made.entity.column("status"): "inactive"}

    def _is_undo(self, line: Line) -> bool:
        """The line took the target back, or took that back."""
        undone = undone_by(line)
        while undone is not None and undone != self.target:
            source = next((n for n in self.lines if undone.covers(n)), None)
            undone = undone_by(source) if source is not None else None
        return undone is not None

    def _origin(self) -> Flow | None:
        line = next((n for n in self.mine if n.op == "create"), None)
        sources = (f for f in self.env.flows.values() if line and f.source_id == line.source_id)
        return next(sources, None)

    # -- fields

    def _put_back(self, fields: frozenset[str]) -> None:
        made, record = self.made, self.record
        stored = self.env.store.entities[record.entity]
        names = {n: None for line in self.mine for n in line.changes}
        for name in names:
            if fields and name not in fields:
                continue
            way = way_back(self.lines, name, self.target, stored.field.get(name))
            if way.state == "already":
                made.already += 1
            elif way.state == "edited":
                self._cannot(name, way)
            elif name.startswith("$"):
                if getattr(record, name[1:]) != way.value:
                    made.envelope[name[1:]] = way.value
            elif record.values.get(name) != way.value:
                made.changes[name] = way.value
        if made.envelope.get("active") or made.envelope.get("deleted_at", "") is None:
            made.op = "revive"
        elif made.envelope.get("active") is False:
            made.op = "archive"

    def _cannot(self, name: str, way: Way) -> None:
        assert way.since is not None
        self._edited(way.since, way.path or self.made.entity.from_column.get(name, name))

    def _edited(self, line: Line, name: str) -> None:
        self._refuse(
            "edited",
            "changed since, on {at} by {origin} (line {seq})",
            "Take that back first: hub undo --change {seq}; or change it by hand.",
            name,
            at=line.at,
            origin=line.origin,
            seq=line.seq,
        )

    # -- rows

    def _links(self, *, remake: bool) -> None:
        by_key = {(row.source_id, row.external_id): row for row in self.rows}
        said: dict[tuple[int, str], Line] = {}
        for line in self.mine:
            if (
                line.source_id is None
                or line.external_id is None
                or line.op in ("update", "revive")
            ):
                continue
            said[line.source_id, line.external_id] = line
        for key, line in said.items():
            row = by_key.get(key)
            if row is None:
                continue
            if line.op in ESTABLISHES:
                self._unlink(row, line)
            else:
                self._relink(row, line, remake=remake)
        if self.made.op == "revive":
            for key, row in by_key.items():
                if key not in said and row.state == "ghost":
                    self._remake_ours(row)

    def _remake_ours(self, row: Any) -> None:
        """The hub deleted the row because the record was put away: it is made again."""
        flow = self._writer(row.source_id)
        creates = flow is not None and flow.settings.create and flow.capabilities.creates
        if creates and (row.source_id, self.record.id, "delete") in self.wrote:
            self._deed("remake", row)
            self._told(row, "made-again", MADE_AGAIN)

    def _unlink(self, row: Any, line: Line) -> None:
        if row.state != "active":
            return
        if (row.source_id, self.record.id, "create") in self.wrote and line.op == "link":
            self._told(row, "made-there", MADE_THERE)
            return
        self._deed("ignore", row)
        self._told(row, "left-out", LEFT_OUT)

    def _relink(self, row: Any, line: Line, *, remake: bool) -> None:
        if row.state == "ignored" and undone_by(line) is not None:
            self._deed("activate", row)
        elif row.state == "ghost":
            by_us = (row.source_id, self.record.id, "delete") in self.wrote
            flow = self._writer(row.source_id)
            creates = flow is not None and flow.settings.create and flow.capabilities.creates
            if creates and (by_us or remake):
                self._deed("remake", row)
                self._told(row, "made-again", MADE_AGAIN)
            elif by_us or flow is None or not creates:
                self._told(row, "gone-for-good", GONE_FOR_GOOD)
            else:
                self._told(row, "gone-there", GONE_THERE)

    def _deed(self, deed: Literal["ignore", "activate", "remake"], row: Any) -> None:
        self.made.links.append(LinkDeed(deed, row.id, row.source_id, row.external_id))

    def _writer(self, source_id: int) -> Flow | None:
        flows = (f for f in self.env.flows.values() if f.source_id == source_id)
        return next((f for f in flows if f.settings.writes), None)

    # -- what the systems are told

    def _told(self, row: Any, code: str, message: str, **values: Any) -> None:
        flow = next((f for f in self.env.flows.values() if f.source_id == row.source_id), None)
        connection = flow.connection if flow else str(row.source_id)
        values = {"connection": connection, "external_id": row.external_id, **values}
        self.made.told.append((code, Problem(code, message, values=values)))

    def _tell(self) -> None:
        """For every row that the record has: whether it is put back too, and if not, why."""
        made = self.made
        if not (made.changes or made.envelope):
            return
        handled = {d.link_id for d in made.links}
        for row in self.rows:
            if row.state != "active" or row.id in handled:
                continue
            flow = self._writer(row.source_id)
            if flow is None:
                self._told(row, "only-read", ONLY_READ)
            elif made.op in ("archive", "delete") and flow.settings.deletes.outbound == "delete":
                can = flow.capabilities.deletes
                self._told(
                    row, "deleted-there" if can else "no-deletes", DELETED if can else NO_DELETES
                )
            elif flow.out_columns.isdisjoint(made.changes):
                self._told(row, "not-mapped", NOT_MAPPED)
            elif not flow.capabilities.updates:
                self._told(row, "no-updates", NO_UPDATES)
            else:
                self._told(row, "written", WRITTEN)


MADE_THERE = (
    "row {external_id!r}, which the hub made in {connection}, stays: undo what made the record"
)
LEFT_OUT = "row {external_id!r} stays in {connection} and is left out from now on"
MADE_AGAIN = "the row is made again in {connection}"
GONE_THERE = "row {external_id!r} is gone from {connection}; --remake makes it again there"
GONE_FOR_GOOD = "row {external_id!r} is gone from {connection}, and no flow can make it again"
ONLY_READ = "row {external_id!r} in {connection} stays as it is: no flow writes there"
DELETED = "row {external_id!r} is deleted in {connection}"
NO_DELETES = "row {external_id!r} stays in {connection}, which takes no deletes"
NOT_MAPPED = (
    "row {external_id!r} in {connection} is not touched: none of these fields is mapped there"
)
NO_UPDATES = "row {external_id!r} in {connection} stays as it is: it takes no updates"
WRITTEN = "row {external_id!r} is put back in {connection}"


def _view(env: Env, record: Record) -> Entity:
    """The entity that people see the record as: its first role, else its own."""
    stored = env.store.entities[record.entity]
    roles = record.values.get("roles") or ()
    views: Mapping[str, Entity] = {
        e.role: e for e in env.store.entities.values() if e.stored == stored.name and e.role
    }
    return next((views[role] for role in roles if role in views), stored)
