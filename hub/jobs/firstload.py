"""Two full systems meet: which rows are the same things, before anything is written anywhere.

Both systems are read into a copy of the hub, where the engine's own matching decides.  What it found
is a plan in four buckets; a person chooses per bucket what becomes of its rows, and that is done row
by row, resumable, and only where the row still is what was looked at.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select

from hub.connector import batches
from hub.errors import HubError
from hub.jobs import runner, runs
from hub.jobs.applying import CHUNK, Apply, DiffersError
from hub.jobs.planning import Rehearsal, rehearsal
from hub.jobs.work import Jobs
from hub.mapping import Mapping as FieldMapping
from hub.store import bulk, records
from hub.store.session import Store
from hub.store.types import dump, load
from hub.sync import journal, plans, pull
from hub.sync.effects import Step, titles
from hub.sync.flow import Flow, Run, Work
from hub.sync.incoming import Incoming, prepare
from hub.sync.journal import Proposal
from hub.sync.links import links_of_records, links_of_rows

CHOICES: Mapping[str, tuple[str, ...]] = {
    "matched": ("merge", "link", "ignore"),
    "here": ("create", "keep", "ignore"),
    "there": ("create", "keep", "ignore"),
    "ambiguous": ("steward", "ignore"),
    "refused": ("steward", "ignore"),
}
"""What can become of a bucket.  merge: link, and let the policies decide every difference; link: link,
and leave every difference as it is; create: make it in the other system too; keep: in the hub only;
steward: set it aside for a person; ignore: leave the row alone for ever."""
PAGE = 1000


def make(jobs: Jobs, left: str, right: str, *, by: str = "hub") -> str:
    """Read both flows' systems and match them; the id of the plan with the four buckets."""
    env = jobs.env
    one, other = env.flows[left], env.flows[right]
    if one.stored != other.stored or one.source_id == other.source_id:
        raise HubError(
            "the flows {left!r} and {right!r} are not two systems' rows of one entity",
            left=left,
            right=right,
            hint="Name two flows over the same entity, in two connections: hub flows list",
        )
    names = [left, right]
    plan_id = plans.begin(env, by=by, kind="firstload", flows=names, full=True, covers=names)
    with rehearsal(jobs, names, direction="in") as rehearsed:
        ids = rehearsed.run(names, full=True, others=())
        totals = plans.keep(env, plan_id, _Buckets(rehearsed, left, right))
        errors = rehearsed.errors(ids)
    plans.complete(env, plan_id, totals, errors=errors, exceeded=())
    return plan_id


class _Buckets:
    """The steps of a first load, from the links that the rehearsal made."""

    def __init__(self, rehearsed: Rehearsal, left: str, right: str) -> None:
        self.store: Store = rehearsed.env.store
        self.left, self.right = rehearsed.env.flows[left], rehearsed.env.flows[right]

    def __iter__(self) -> Iterator[Step]:
        with self.store.read() as connection:
            yield from self._linked(connection, self.left, self.right, "here")
            yield from self._linked(connection, self.right, self.left, "there")
            yield from self._aside(connection)

    def _linked(
        self, connection: Connection, flow: Flow, other: Flow, alone: str
    ) -> Iterator[Step]:
        link = self.store.metadata.tables["link"]
        query = select(link).where(
            link.c.source_id == flow.source_id, link.c.state == "active", link.c.part == ""
        )
        after = 0
        while rows := connection.execute(
            query.where(link.c.id > after).order_by(link.c.id).limit(PAGE)
        ).all():
            after = rows[-1].id
            ids = {r.record_id for r in rows}
            there = links_of_records(connection, self.store, other.source_id, ids)
            known = records.load(connection, self.store, flow.stored, ids)
            named = titles(connection, self.store, flow.entity, ids)
            for row in rows:
                second = there.get(row.record_id)
                if second is not None and second.state == "active":
                    if alone == "there":
                        continue  # it stands under the first flow
                    values = flow.project(known[row.record_id].values)
                    changes, reasons = _differences(flow, other, row, second.shadow or {}, values)
                    yield _step(
                        flow,
                        "match",
                        row,
                        bucket="matched",
                        title=named.get(row.record_id, ""),
                        other_id=second.external_id,
                        fields=tuple(sorted(changes)),
                        changes=changes,
                        reasons=[{"code": "other-row", "hash": second.row_hash}, *reasons],
                    )
                else:
                    yield _step(
                        flow, "alone", row, bucket=alone, title=named.get(row.record_id, "")
                    )

    def _aside(self, connection: Connection) -> Iterator[Step]:
        parked = self.store.metadata.tables["parked"]
        flows = {f.name: f for f in (self.left, self.right)}
        query = (
            select(parked)
            .where(parked.c.state == "open", parked.c.direction == "in", parked.c.flow.in_(flows))
            .order_by(parked.c.id)
        )
        after = ""
        while rows := connection.execute(query.where(parked.c.id > after).limit(PAGE)).all():
            after = rows[-1].id
            for row in rows:
                problems = json.loads(row.problems)
                unclear = any(p["code"] == "ambiguous" for p in problems)
                step = _step(flows[row.flow], row.kind, row, bucket="refused", title=row.place)
                yield replace(step, bucket="ambiguous" if unclear else "refused", reasons=problems)


def _step(flow: Flow, kind: str, row: Row[Any], **more: Any) -> Step:
    return Step(
        flow.name,
        flow.connection,
        "in",
        kind,
        flow.entity.name,
        row.record_id,
        row.external_id,
        base_row=row.row_hash,
        **more,
    )


def _differences(
    flow: Flow, other: Flow, row: Row[Any], theirs: Mapping[str, Any], merged: Mapping[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The fields in which the two rows differ, and whose value the policies would take."""
    mine = load(row.shadow) or {}
    changes, reasons = {}, []
    equal = flow.mapping.equal
    for name in sorted(mine.keys() & theirs.keys()):
        if equal(name, mine[name], theirs[name]):
            continue
        changes[name] = [mine[name], theirs[name]]
        now = merged.get(name)
        wins = (
            flow.connection
            if equal(name, now, mine[name])
            else other.connection
            if equal(name, now, theirs[name])
            else "hub"
        )
        reasons.append({"code": "differs", "field": name, "wins": wins})
    return changes, reasons


# ------------------------------------------------------------------------------------------ choose


def apply(jobs: Jobs, plan_id: str, choices: Mapping[str, str]) -> dict[str, Any]:
    """Do with every bucket what was chosen for it; buckets without a choice are left for later."""
    for bucket, choice in choices.items():
        if choice not in CHOICES.get(bucket, ()):
            raise HubError(
                "{choice!r} is nothing that can become of the bucket {bucket!r}",
                choice=choice,
                bucket=bucket,
                known=", ".join(CHOICES.get(bucket, CHOICES)),
                hint="Choose one of: {known}.",
            )
    plan = plans.find(jobs.env, plan_id)
    plans.check(jobs.env, plan)
    _may_link(jobs, plan, choices)
    work = _FirstLoad(jobs, plan, choices)
    with runner.heartbeat(jobs):
        for bucket in choices:
            work.bucket(bucket)
    return work.finish()


def _may_link(jobs: Jobs, plan: Row[Any], choices: Mapping[str, str]) -> None:
    """To link without a look at the values, they must be values: no references to other rows."""
    right = jobs.env.flows[json.loads(plan.flows)[1]]
    if choices.get("matched") == "link" and right.mapping.refs:
        raise HubError(
            "rows of flow {flow!r} refer to others, so that they cannot only be linked",
            flow=right.name,
            hint="Choose merge for the bucket matched.",
        )


class _FirstLoad(Apply):
    def __init__(self, jobs: Jobs, plan: Row[Any], choices: Mapping[str, str]) -> None:
        super().__init__(jobs, plan)
        self.choices = choices
        self.left, self.right = (self.env.flows[n] for n in json.loads(plan.flows))

    def bucket(self, bucket: str) -> None:
        choice = self.choices[bucket]
        steps = plans.steps_of(self.env, self.plan.id, "in", bucket=bucket)
        for chunk in batches(steps, CHUNK):
            for flow in (self.left, self.right):
                mine = [s for s in chunk if s.flow == flow.name]
                if mine:
                    self._chosen(flow, mine, choice)

    def _chosen(self, flow: Flow, steps: Sequence[Row[Any]], choice: str) -> None:
        other = self.right if flow is self.left else self.left
        rows = self._fetch(flow, {s.external_id for s in steps if s.external_id[:1] != "?"})
        seconds = self._fetch(other, {s.other_id for s in steps if s.other_id})
        moved = _moved(steps, rows, seconds)

        def act(work: Work, run: Run, left: list[Row[Any]]) -> None:
            if choice == "ignore":
                self._ignore(work, flow, [s.external_id for s in left])
                return
            self._take_rows(work, flow, run, left, rows)
            if choice == "keep":
                self._keep_away(work, other, flow, left)
            elif choice == "link":
                self._link(work, other, flow, left, seconds)
            elif choice == "merge":
                self._take_seconds(work, other, flow, left, seconds)

        self._run(other)
        with self._leased(flow) as fence, self._leased(other):
            self._attempt(flow, fence, steps, moved, act)
        self._tell(flow, len(steps))

    def _take_rows(
        self,
        work: Work,
        flow: Flow,
        run: Run,
        steps: Sequence[Row[Any]],
        rows: Mapping[str, Incoming],
    ) -> None:
        fresh = prepare(flow, [rows[s.external_id].row for s in steps])
        ids = {s.external_id: s.record_id for s in steps}
        for row in fresh:
            row.new_id = ids.get(row.external_id) or ""
        run.counts.read += len(fresh)
        pull.take(self.env, work, flow, run, fresh)
        linked = links_of_rows(work.connection, work.store, flow.source_id, set(ids))
        different = {
            s.external_id
            for s in steps
            if (s.external_id in linked) != (s.kind in ("match", "alone"))
        }
        if different:
            raise DiffersError(different)

    def _take_seconds(
        self,
        work: Work,
        other: Flow,
        flow: Flow,
        steps: Sequence[Row[Any]],
        seconds: Mapping[str, Incoming],
    ) -> None:
        """The rows of the other system that are the same things, under its own run."""
        run = self._run_in(work, other)
        theirs = replace(work, origin=runs.ORIGIN.format(other.name), run_id=run.id)
        fresh = prepare(other, [seconds[s.other_id].row for s in steps])
        run.counts.read += len(fresh)
        pull.take(self.env, theirs, other, run, fresh)
        runs.save(work.connection, self.env.store, run)
        mine = links_of_rows(
            work.connection, work.store, flow.source_id, {s.external_id for s in steps}
        )
        found = links_of_rows(
            work.connection, work.store, other.source_id, {s.other_id for s in steps}
        )
        different = {
            s.external_id
            for s in steps
            if s.other_id not in found
            or found[s.other_id].record_id != mine[s.external_id].record_id
        }
        if different:
            raise DiffersError(different)

    def _link(
        self,
        work: Work,
        other: Flow,
        flow: Flow,
        steps: Sequence[Row[Any]],
        seconds: Mapping[str, Incoming],
    ) -> None:
        """Link the second row as it is: our value counts as sent, so neither side is told to change."""
        mine = links_of_rows(
            work.connection, work.store, flow.source_id, {s.external_id for s in steps}
        )
        there = links_of_rows(
            work.connection, work.store, other.source_id, {s.other_id for s in steps}
        )
        ids = {link.record_id for link in mine.values()}
        known = records.load(work.connection, work.store, flow.stored, ids)
        links, proposals = [], []
        for s in steps:
            if s.other_id in there:
                continue
            record, second = known[mine[s.external_id].record_id], seconds[s.other_id]
            candidate = other.mapping.get(second.row)
            ours = other.project(record.values)
            sent = _unlike(other.mapping, candidate.values, ours)
            links.append(
                (
                    other.source_id,
                    s.other_id,
                    "",
                    other.entity.name,
                    record.id,
                    "active",
                    second.row_hash,
                    other.mapping.version,
                    candidate.modified_at,
                    work.at,
                    dump(candidate.values),
                    dump(sent) if sent else None,
                    second.text,
                )
            )
            proposals.append(
                Proposal(
                    record,
                    other.entity,
                    op="link",
                    flow=other,
                    source_id=other.source_id,
                    external_id=s.other_id,
                )
            )
        bulk.insert(work.connection, work.store.metadata.tables["link"], LINK, links)
        journal.apply(work, proposals)

    def _keep_away(self, work: Work, other: Flow, flow: Flow, steps: Sequence[Row[Any]]) -> None:
        """The records are never to be made in the other system."""
        ids = {s.external_id for s in steps}
        mine = links_of_rows(work.connection, work.store, flow.source_id, ids)
        held = {link.record_id for link in mine.values()}
        known = links_of_records(work.connection, work.store, other.source_id, held)
        rows = [
            (other.source_id, f"-{record_id}", "", other.entity.name, record_id, "ignored")
            for record_id in sorted(held - set(known))
        ]
        bulk.insert(work.connection, work.store.metadata.tables["link"], LINK[:6], rows)

    def _ignore(self, work: Work, flow: Flow, external_ids: Sequence[str]) -> None:
        """The rows are never to be read: links to records that are not there."""
        known = links_of_rows(work.connection, work.store, flow.source_id, set(external_ids))
        new = [e for e in external_ids if e not in known]
        rows = [
            (flow.source_id, e, "", flow.entity.name, id_, "ignored")
            for e, id_ in zip(new, work.ids.batch(len(new)), strict=True)
        ]
        bulk.insert(work.connection, work.store.metadata.tables["link"], LINK[:6], rows)

    def _run_in(self, work: Work, flow: Flow) -> Run:
        return runs.load_run(work.connection, self.env.store, self.run_ids[flow.name])


LINK = (
    "source_id",
    "external_id",
    "part",
    "entity",
    "record_id",
    "state",
    "row_hash",
    "mapping_version",
    "external_modified_at",
    "last_in_at",
    "shadow",
    "sent",
    "row",
)


def _moved(
    steps: Sequence[Row[Any]], rows: Mapping[str, Incoming], seconds: Mapping[str, Incoming]
) -> dict[str, str]:
    moved = {}
    for s in steps:
        row = rows.get(s.external_id)
        if row is None:
            moved[s.external_id] = "unreadable" if s.external_id[:1] == "?" else "row-gone"
        elif row.row_hash != s.base_row:
            moved[s.external_id] = "row-changed"
        elif s.other_id:
            second, known = seconds.get(s.other_id), json.loads(s.reasons)[0]["hash"]
            if second is None:
                moved[s.external_id] = "row-gone"
            elif second.row_hash != known:
                moved[s.external_id] = "row-changed"
    return moved


def _unlike(
    mapping: FieldMapping, theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> dict[str, Any]:
    return {n: ours.get(n) for n, v in theirs.items() if not mapping.equal(n, v, ours.get(n))}
