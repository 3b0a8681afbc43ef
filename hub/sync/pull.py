"""Remote → hub: one page of rows becomes records, links, journal and marks, in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from xxhash import xxh3_64_intdigest

from hub.errors import Problem
from hub.store import bulk, records
from hub.store.records import Record
from hub.store.types import dump_as_is, load
from hub.sync import duplicates, intents, journal, quarantine, references
from hub.sync.alone import is_alone
from hub.sync.conflicts import calm, open_conflicts, recent_changes, save_conflicts, show_theirs
from hub.sync.flow import Env, Flow, Run, Work
from hub.sync.incoming import Incoming, Taken
from hub.sync.journal import Proposal
from hub.sync.links import Link, links_of_rows, load_shadows
from hub.sync.match import Match, match
from hub.sync.merge import Merged, merge
from hub.sync.policy import Policy
from hub.sync.quarantine import Parked

LINK = (
    "source_id",
    "external_id",
    "part",
    "entity",
    "record_id",
    "state",
    "row_hash",
    "mapping_version",
    "external_version",
    "external_modified_at",
    "last_in_at",
    "shadow",
    "sent",
    "row",
)

HELD = ("active", "merged")
"""Links whose row is there: as the record's own, or as the second one that the source had of it."""


def take(env: Env, work: Work, flow: Flow, run: Run, rows: Sequence[Incoming]) -> Taken:
    """Bring the rows into the hub within *work*; count every one of them in `run.counts`."""
    taken = Taken()
    rest = list(rows)
    while rest:  # rows of one key are taken one after the other
        first: dict[str, Incoming] = {}
        later = []
        for incoming in rest:
            if first.setdefault(incoming.external_id, incoming) is not incoming:
                later.append(incoming)
        _Intake(env, work, flow, run, taken).take(list(first.values()))
        rest = later
    taken.woken = quarantine.waiting_for(work, taken.new_links) if taken.new_links else []
    return taken


class _Intake:
    """The steps of one page, each over all of its rows."""

    def __init__(self, env: Env, work: Work, flow: Flow, run: Run, taken: Taken) -> None:
        self.env, self.work, self.flow, self.run, self.taken = env, work, flow, run, taken
        self.store, self.connection = work.store, work.connection
        self.parked: list[Parked] = []
        self.settled: set[str] = set()

    def take(self, rows: list[Incoming]) -> None:
        fresh = self._changed(rows)
        fresh = self._not_parked(fresh)
        fresh = self._mapped(fresh)
        fresh = self._referenced(fresh)
        fresh = self._identified(fresh)
        for some in _one_row_per_record(fresh):
            self._save_links(self._merged(some))
        if not self.flow.capabilities.unique_keys:
            self.run.met.update(_key_hash(row) for row in rows)
        quarantine.park(self.work, self.flow, self.parked)
        if self.settled:
            quarantine.close(self.work, self.flow, self.settled)

    # -- which rows need work at all

    def _changed(self, rows: list[Incoming]) -> list[Incoming]:
        links = links_of_rows(
            self.connection, self.store, self.flow.source_id, {r.external_id for r in rows}
        )
        version, fresh = self.flow.mapping.version, []
        unchanged = 0
        for row in rows:
            row.link = link = links.get(row.external_id)
            if link is not None and link.state == "ignored":
                self.run.counts.add("skipped")
            elif (
                link is not None
                and link.row_hash == row.row_hash
                and link.state in HELD
                and link.mapping_version == version
                and not row.problems
            ):
                unchanged += 1
            elif link is not None and link.state == "ignored":
                self.run.counts.add("skipped")
            else:
                fresh.append(row)
        self.run.counts.add("unchanged", unchanged)
        if self.run.full_read and links:
            self._see(links.values())
        return fresh

    def _see(self, links: Iterable[Link]) -> None:
        table = self.store.metadata.tables["seen"]
        rows = [(self.run.id, link.id) for link in links]
        on = ["run_id", "link_id"]
        bulk.upsert(self.connection, table, on, rows, on=on)

    def _not_parked(self, rows: list[Incoming]) -> list[Incoming]:
        """Without the rows that are in quarantine as they are: nothing has changed for them."""
        if not rows:
            return rows
        known = quarantine.known(self.work, self.flow, {r.external_id for r in rows})
        version, fresh = self.flow.mapping.version, []
        for row in rows:
            same = [
                k
                for k in known.get(row.external_id, ())
                if k.row_hash == row.row_hash
                and k.mapping_version == version
                and k.kind == "quarantine"
                and not row.parked_id
            ]
            if same:
                dismissed = same[-1].state == "dismissed"
                self.run.counts.add("skipped" if dismissed else "quarantined")
            else:
                fresh.append(row)
        return fresh

    # -- what the rows say

    def _mapped(self, rows: list[Incoming]) -> list[Incoming]:
        mapping, fresh = self.flow.mapping, []
        for row in rows:
            if row.problems:
                self._park(row)
                continue
            if self._is_repeated(row):
                continue
            candidate = mapping.get(row.row)
            row.values, row.problems = candidate.values, candidate.problems
            if row.problems:
                self._park(row)
                continue
            row.modified_at = candidate.modified_at
            if self._is_stale(row):
                self.run.counts.add("unchanged")
                continue
            fresh.append(row)
        return fresh

    def _is_stale(self, row: Incoming) -> bool:
        """Older than what the link has: a page that was read before our last write, say."""
        known = row.link.external_modified_at if row.link else None
        return bool(
            row.link
            and row.link.state in HELD
            and known
            and row.modified_at
            and _before(row.modified_at, known)
        )

    def _is_repeated(self, row: Incoming) -> bool:
        """In a source that cannot promise unique keys, a second row of a key is a defect."""
        link = row.link
        if self.flow.capabilities.unique_keys or row.parked_id:
            return False
        taken = link is not None and (link.last_in_at or "") >= self.run.started_at
        if not taken and _key_hash(row) not in self.run.met:
            return False
        row.problems.append(
            Problem(
                "duplicate-key",
                "the key {value!r} stands in another row of this source already",
                field=", ".join(self.flow.mapping.key),
                value=row.external_id,
                hint="Give one of the two rows a key of its own.",
            )
        )
        self._park(row)
        return True

    # -- references

    def _referenced(self, rows: list[Incoming]) -> list[Incoming]:
        if not self.flow.mapping.refs or not rows:
            return rows
        references.resolve(self.env, self.work, self.flow, rows, self.taken)
        fresh = []
        for row in rows:
            if row.waits or row.problems:
                self._park(row)
            else:
                fresh.append(row)
        return fresh

    # -- which record

    def _identified(self, rows: list[Incoming]) -> list[Incoming]:
        unlinked = [r for r in rows if r.link is None]
        hits = self._matches(unlinked)
        record_of: dict[str, str] = {}
        used: set[str] = set()
        barred = self._barred(unlinked)
        unknown = []
        for row, hit in zip(unlinked, hits, strict=True):
            if hit.candidates:
                row.problems.append(_ambiguous(hit.rule, hit.candidates))
                self._park(row)
            elif (
                hit.record_id
                and hit.record_id not in used
                and hit.record_id not in barred.get(row.external_id, ())
            ):
                record_of[row.external_id] = hit.record_id
                used.add(hit.record_id)
                row.matched = hit.rule
            else:
                unknown.append(row)
        if self.run.scored and unknown:
            self._look(unknown, barred, record_of, used)
        record_of.update({r.external_id: r.link.record_id for r in rows if r.link})
        loaded = records.load(
            self.connection, self.store, self.flow.stored, set(record_of.values()), lock=True
        )
        load_shadows(self.connection, self.store, [r.link for r in rows if r.link])
        fresh = [r for r in rows if not r.problems]
        new = [r for r in fresh if r.external_id not in record_of]
        for row, record_id in zip(new, self.work.ids.batch(len(new)), strict=True):
            row.record = Record(row.new_id or record_id, self.flow.stored)
        for row in fresh:
            if row.external_id in record_of:
                row.record = loaded[record_of[row.external_id]]
        return fresh

    def _matches(self, rows: Sequence[Incoming]) -> list[Match]:
        if not rows or is_alone(self.work, self.flow, self.run):
            return [Match()] * len(rows)
        return match(self.connection, self.store, self.flow, [r.values for r in rows])

    def _barred(self, rows: Sequence[Incoming]) -> Mapping[str, set[str]]:
        """The records that a person said these rows are not."""
        if not rows:
            return {}
        names = {r.external_id for r in rows}
        return duplicates.forbidden(self.work, self.flow.source_id, names)

    def _look(
        self,
        rows: Sequence[Incoming],
        barred: Mapping[str, set[str]],
        record_of: dict[str, str],
        used: set[str],
    ) -> None:
        """Rows that no key identifies: by their likeness, where that leaves no doubt."""
        bars = [used | barred.get(r.external_id, set()) for r in rows]
        for row, found in zip(
            rows,
            duplicates.look(self.work, self.flow, [r.values for r in rows], bars),
            strict=True,
        ):
            row.alike = found.candidates
            if found.record_id is not None and found.record_id not in used:
                record_of[row.external_id] = found.record_id
                used.add(found.record_id)
                row.matched = ("score",)

    # -- merge

    def _merged(self, rows: list[Incoming]) -> list[Incoming]:
        if not rows:
            return []
        known = [r.record.id for r in rows if r.record and r.record.version]
        pending = intents.pending(self.work, self.flow, known) if known else {}
        frozen = open_conflicts(self.work, self.flow.source_id, known) if known else {}
        recent = recent_changes(self.work, rows)
        proposals = []
        for row in rows:
            assert row.record is not None
            self._merge_row(row, pending.get(row.record.id), frozen.get(row.record.id), recent)
            proposals.append(self._proposal(row))
        before = [p.record.version for p in proposals]
        journal.apply(self.work, proposals)
        accepted = []
        for row, version, proposal in zip(rows, before, proposals, strict=True):
            if proposal.problems:
                row.problems = proposal.problems
                self._park(row)
                continue
            accepted.append(row)
            self._count(row, version, proposal)
        self._save_clashes(accepted)
        alike = {r.record.id: r.alike for r in accepted if r.alike and r.record}
        if alike:
            duplicates.save(self.work, self.flow, alike)
        return accepted

    def _merge_row(
        self,
        row: Incoming,
        pending: dict[str, Any] | None,
        frozen: frozenset[str] | None,
        recent: Mapping[str, list[dict[str, Any]]],
    ) -> None:
        record, link, flow = row.record, row.link, self.flow
        assert record is not None
        if record.version == 0:  # nothing to merge with
            row.merged = Merged(row.values, row.values)
            return
        shadow = None if link is None or link.shadow is None else dict(link.shadow)
        sent = dict(link.sent) if link else {}
        if pending:
            shadow = intents.recognise(row.values, pending, shadow, sent)
        row.merged = merge(
            flow.entity,
            row.values,
            flow.project(record.values),
            shadow=shadow,
            sent=sent,
            decide=Policy(flow, row.modified_at, _Since(self.work, record)),
            equal=flow.mapping.equal,
            frozen=frozen or frozenset(),
        )
        calm(flow, row, recent.get(record.id, ()))

    def _proposal(self, row: Incoming) -> Proposal:
        assert row.record is not None and row.merged is not None
        record, flow = row.record, self.flow
        changes = flow.columns(row.merged.changes)
        envelope: dict[str, Any] = {}
        op = "create" if record.version == 0 else "link" if row.matched else "update"
        if (
            op != "create"
            and flow.entity.role
            and flow.entity.role not in record.values.get("roles", ())
        ):
            changes["roles"] = sorted({*record.values.get("roles", ()), flow.entity.role})
        if row.link is not None and row.link.state == "ghost":
            op = "revive"
            envelope = {
                k: v
                for k, v in (("active", True), ("deleted_at", None), ("deletion_reason", None))
                if getattr(record, k) != v
            }
            changes.update(_active_again(flow, record, row))
        # what was changed while a row was gone has passed it by
        differs = op == "revive" or _differs(row)
        return Proposal(
            record,
            flow.entity,
            changes,
            envelope,
            op=op,
            flow=flow,
            differs=flow.settings.writes and differs,
            source_id=flow.source_id,
            external_id=row.external_id,
            source_at=row.modified_at,
            reason=f"match {','.join(row.matched)}" if row.matched else None,
        )

    def _count(self, row: Incoming, version: int, proposal: Proposal) -> None:
        assert row.merged is not None
        counts = self.run.counts
        if row.merged.clashes and any(c.verdict == "review" for c in row.merged.clashes):
            counts.add("conflicted")
        elif version == 0:
            counts.add("created")
        elif proposal.record.version > version:
            counts.add("updated")
            if proposal.op == "update":
                for name in proposal.changes:
                    self.run.changed[name] = self.run.changed.get(name, 0) + 1
        else:
            counts.add("unchanged")

    # -- what is written besides

    def _save_links(self, rows: list[Incoming]) -> None:
        flow, at, version = self.flow, self.work.at, self.flow.mapping.version
        source_id, entity = flow.source_id, flow.entity.name
        new: list[tuple[Any, ...]] = []
        old: list[tuple[Any, ...]] = []
        for row in rows:
            link, merged = row.link, row.merged
            assert row.record is not None and merged is not None
            (new if link is None else old).append(
                (
                    source_id,
                    row.external_id,
                    "",
                    entity,
                    row.record.id,
                    "merged" if row.is_second else "active",
                    row.row_hash,
                    version,
                    row.version or (link.external_version if link else None),
                    row.modified_at,
                    at,
                    dump_as_is(merged.shadow),
                    dump_as_is(merged.sent) if merged.sent else None,
                    row.text,
                )
            )
            self.settled.add(row.external_id)
        self.taken.new_links += [(source_id, values[1]) for values in new]
        table = self.store.metadata.tables["link"]
        bulk.insert(self.connection, table, LINK, new)
        bulk.upsert(self.connection, table, LINK, old, on=["source_id", "external_id", "part"])
        journal.wake(self.work, [v[4] for v in new])
        if self.run.full_read and new:
            ids = links_of_rows(self.connection, self.store, flow.source_id, [v[1] for v in new])
            self._see(ids.values())

    def _save_clashes(self, rows: Sequence[Incoming]) -> None:
        found = [(row, clash) for row in rows if row.merged for clash in row.merged.clashes]
        save_conflicts(self.work, self.flow, found)
        for row in rows:
            if row.merged and row.merged.frozen:
                show_theirs(self.work, self.flow, row)

    def _park(self, row: Incoming) -> None:
        waiting = row.waits is not None and all(p.code == "waiting" for p in row.problems)
        kind = "waiting" if waiting else "quarantine"
        self.run.counts.add("waiting" if waiting else "quarantined")
        self.parked.append(
            Parked(
                row.external_id,
                row.problems,
                row=row.text,
                row_hash=row.row_hash,
                place=row.place,
                kind=kind,
                waits=row.waits if waiting else None,
            )
        )


def _active_again(flow: Flow, record: Record, row: Incoming) -> dict[str, Any]:
    """What archiving a record does to its status, undone: as the row says, if it does."""
    status, column = flow.entity.field.get("status"), flow.entity.column("status")
    if status is None or "inactive" not in status.choices:
        return {}
    if record.values.get(column) != "inactive":
        return {}
    return {column: row.values.get("status") or "active"}


def _differs(row: Incoming) -> bool:
    """Whether the system must be told; what came from a second row is news to the first one."""
    assert row.merged is not None
    return bool(row.merged.changes) if row.is_second else row.merged.differs


def _one_row_per_record(rows: Sequence[Incoming]) -> Iterator[list[Incoming]]:
    """The rows in portions: two rows of one record, which a merge leads to, are taken one after the
    other, each against what the one before made of the record."""
    rest = list(rows)
    while rest:
        first: dict[str, Incoming] = {}
        later = []
        for row in rest:
            assert row.record is not None
            if first.setdefault(row.record.id, row) is not row:
                later.append(row)
        yield list(first.values())
        rest = later


def _key_hash(row: Incoming) -> int:
    return xxh3_64_intdigest(row.external_id.encode("utf-8", "surrogatepass"))


def _before(one: str, other: str) -> bool:
    """Whether instant *one* is earlier; text compares only where the fractions have one length."""
    if len(one) == len(other):
        return one < other
    return datetime.fromisoformat(one) < datetime.fromisoformat(other)


class _Since:
    """When our value of a field was last changed; asks the journal only if somebody wants to know."""

    def __init__(self, work: Work, record: Record) -> None:
        self._work, self._record = work, record

    def __call__(self, column: str) -> str | None:
        if not self._record.version:
            return None
        table = self._work.store.metadata.tables["journal"]
        query = (
            select(table.c.changes, table.c.source_at, table.c.at)
            .where(table.c.record_id == self._record.id)
            .order_by(table.c.seq.desc())
        )
        for changes, source_at, at in self._work.connection.execute(query):
            if column in load(changes):
                return str(source_at or at)
        return None


def _ambiguous(rule: tuple[str, ...], candidates: tuple[str, ...]) -> Problem:
    return Problem(
        "ambiguous",
        "{count} records have the same {rule}: {value}",
        field=", ".join(rule),
        value=", ".join(candidates[:5]),
        values={"count": len(candidates), "rule": ", ".join(rule)},
        hint="Merge these records, or give the row a key that only one of them has.",
    )
