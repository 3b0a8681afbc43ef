"""Unmerge: both records as they were, but for what was edited since, which stays where it belongs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, select, update

from hub.errors import HubError, NotFoundError
from hub.store import records
from hub.store.records import Record
from hub.store.types import load
from hub.sync import journal
from hub.sync.flow import Env, Work
from hub.sync.identity import followers, references
from hub.sync.identity.merging import moved_sources
from hub.sync.identity.survival import Side, taken_back
from hub.sync.journal import Proposal

EditsTo = Literal["auto", "survivor", "loser"]


@dataclass(frozen=True)
class Edit:
    """A field that was edited after the merge, and on which side the edit stays."""

    field: str
    value: Any
    at: str
    origin: str
    stays: Side

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Split:
    """What an unmerge did."""

    merge_id: str
    survivor: str
    loser: str
    restored: Sequence[str]
    edits: Sequence[Edit]
    links: int
    references: int


def unmerge_records(
    env: Env,
    merge_id: str,
    *,
    by: str,
    edits: EditsTo = "auto",
    edit_of: Mapping[str, Side] | None = None,
) -> Split:
    """Split a merge.  *edits* says to whom edits since then belong; *edit_of*, by stored field.

    By itself an edit belongs to the record whose row it came from, and else to the survivor.
    """
    split_id = env.ids.new()
    with env.work("unmerge", by, split_id) as work:
        row = _merge_row(work, merge_id)
        stored = work.store.entities[row.entity]
        followers.take_leases(env, work, stored.name)
        survivor, loser = _pair(work, row)
        kept = load(row.kept)
        made = _Edits(work, kept, survivor, loser)
        found = made.sorted_out(edits, edit_of or {})
        links, turned = _take_back(env, work, survivor, loser, made)
        table = work.store.metadata.tables["record_merge"]
        work.connection.execute(
            update(table)
            .where(table.c.id == merge_id)
            .values(state="unmerged", undone_at=work.at, undone_by=by)
        )
        return Split(merge_id, survivor.id, loser.id, sorted(made.ours), found, links, turned)


def _merge_row(work: Work, merge_id: str) -> Row[Any]:
    table = work.store.metadata.tables["record_merge"]
    row = work.connection.execute(select(table).where(table.c.id == merge_id)).first()
    if row is None or row.state != "merged":
        raise NotFoundError(
            "there is no merge {id!r} to take back",
            id=merge_id,
            hint="`hub show` of a record lists its merges.",
        )
    return row


def _pair(work: Work, row: Row[Any]) -> tuple[Record, Record]:
    found = records.load(
        work.connection, work.store, row.entity, [row.survivor_id, row.loser_id], lock=True
    )
    survivor, loser = found[row.survivor_id], found[row.loser_id]
    if survivor.merged_into:
        raise HubError(
            "the survivor was merged into {id} since",
            id=survivor.merged_into,
            hint="Take that merge back first.",
        )
    return survivor, loser


def _take_back(
    env: Env, work: Work, survivor: Record, loser: Record, made: "_Edits"
) -> tuple[int, int]:
    """Values, links, references and what is pending; how many links and references went back."""
    kept, stored = made.kept, work.store.entities[survivor.entity]
    revived = {
        k: before for k, (before, after) in kept["revived"].items() if getattr(survivor, k) == after
    }
    proposals = [
        Proposal(survivor, stored, made.ours, revived, op="unmerge"),
        Proposal(loser, stored, made.theirs, dict(kept["envelope"]), op="unmerge"),
    ]
    refused = journal.apply(work, proposals)
    if refused:
        raise HubError(
            "the record does not hold as it was: {why}",
            why="; ".join(map(str, refused[0].problems)),
            hint="Say to which of the two the edits belong.",
        )
    links = followers.return_links(work, stored, survivor, loser, kept["links"])
    turned = _return_references(env, work, survivor, loser, kept)
    followers.return_pending(work, kept["pending"], loser)
    followers.reopen_candidates(work, kept["candidates"])
    for record in (survivor, loser):
        followers.tell_all(work, record)
    return len(links), turned


# --------------------------------------------------------------------------------------- references


def _return_references(
    env: Env, work: Work, survivor: Record, loser: Record, kept: Mapping[str, Any]
) -> int:
    """Records whose field is as the merge left it refer to the loser again; so do those that came
    since from a row that refers to the loser's."""
    back = _turn_back(work, kept["references"])
    rows = [k for k in kept["links"] if k["record_id"] == loser.id]
    found = references.referring(work, survivor.entity, survivor.id)
    later = [r for r in found if r.id not in {b.id for b in back}]
    since = references.from_rows(env, work, survivor.entity, later, rows)
    turning = references.Turning(env, work, survivor.entity, survivor.id, loser.id)
    turning.records(since)
    turning.shadows([*back, *since], moved_sources(kept["links"], loser))
    return len(back) + len(since)


def _turn_back(work: Work, turned: Sequence[Mapping[str, Any]]) -> list[Record]:
    """The records whose field the merge turned, and nobody since: they refer to the loser again."""
    by_entity: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for one in turned:
        by_entity.setdefault(one["entity"], {}).setdefault(one["record_id"], []).append(one)
    back, proposals = [], []
    for entity, by_id in sorted(by_entity.items()):
        found = records.load(work.connection, work.store, entity, by_id, lock=True)
        for record in found.values():
            changes = {
                one["field"]: one["before"]
                for one in by_id[record.id]
                if record.values.get(one["field"]) == one["after"]
            }
            if changes:
                back.append(record)
                proposals.append(Proposal(record, work.store.entities[entity], changes))
    references.follow(work, proposals)
    return back


# -------------------------------------------------------------------------------------------- edits


class _Edits:
    """The fields edited after the merge, and what both records become: `ours` and `theirs`."""

    def __init__(
        self, work: Work, kept: Mapping[str, Any], survivor: Record, loser: Record
    ) -> None:
        self.kept, self.survivor = kept, survivor
        self.rows = {
            (k["source_id"], k["external_id"]) for k in kept["links"] if k["record_id"] == loser.id
        }
        self.ours: dict[str, Any] = {}
        self.theirs: dict[str, Any] = {}
        self.before: dict[str, Any] = {}
        self.last: dict[str, Row[Any]] = {}
        self._read(work, int(kept["seq"]))

    def _read(self, work: Work, seq: int) -> None:
        table = work.store.metadata.tables["journal"]
        query = (
            select(table)
            .where(table.c.record_id == self.survivor.id, table.c.seq > seq)
            .order_by(table.c.seq)
        )
        for row in work.connection.execute(query):
            for name, (old, _) in load(row.changes).items():
                if not name.startswith("$"):
                    self.before.setdefault(name, old)
                    self.last[name] = row

    def sorted_out(self, edits: EditsTo, edit_of: Mapping[str, Side]) -> list[Edit]:
        found = []
        for name, (before, after) in self.kept["values"].items():
            value, can = taken_back(before, after, self.survivor.values.get(name))
            if can:
                self.ours[name] = value
        for name in sorted(self.last):
            now, at_merge = self.survivor.values.get(name), self.before[name]
            if now == at_merge:
                continue
            side = edit_of.get(name) or self._side(name, edits)
            if side == "loser":
                self.theirs[name] = now
                self.ours[name] = self.kept["values"].get(name, [at_merge])[0]
            row = self.last[name]
            found.append(Edit(name, now, row.source_at or row.at, row.origin, side))
        return found

    def _side(self, name: str, edits: EditsTo) -> Side:
        if edits != "auto":
            return edits
        row = self.last[name]
        return "loser" if (row.source_id, row.external_id) in self.rows else "survivor"
