"""Applying a plan: its steps, by the same code as every run, and nothing beyond them.

Before a step the world is compared with what the step rests on (the system's row, the record's
version); after it, inside the same transaction, what was done with what was planned.  A step that
does not fit is skipped with the reason, and the others go on.  Every step's state is kept with its
effect, so that an interrupted apply is continued by starting it again.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Row, select, update

from hub.connector import Connector, batches
from hub.errors import BusyError, HubError
from hub.i18n import _
from hub.jobs import runner, runs
from hub.jobs.work import Jobs
from hub.store import records
from hub.sync import intents, leases, plans, pull, push, send, sweep
from hub.sync.capture import is_foreseen
from hub.sync.effects import columns_changed, last_seq, shown
from hub.sync.flow import Counts, Flow, Run, Work
from hub.sync.incoming import Incoming, prepare
from hub.sync.links import keys_of_records, links_of_records, links_of_rows
from hub.sync.outgoing import Mark
from hub.sync.sweep import Gone

CHUNK = 200
WAIT = timedelta(seconds=30)
ROUNDS = 3
GONE = ("archive", "delete", "unlink")
SET_ASIDE = ("quarantine", "waiting")
DISPUTED = ("conflict", "decided")
REASONS = {
    "row-changed": _("the row was changed in the system after the plan was made"),
    "row-gone": _("the row is not in the system any more"),
    "row-back": _("the row is in the system again"),
    "row-there": _("a row like it has appeared in the system"),
    "unreadable": _("the row could not be read; the next run sets it aside"),
    "record-changed": _("the record was changed in the hub after the plan was made"),
    "linked": _("the row was linked to a record after the plan was made"),
    "differs": _("what it would do now is not what was planned"),
    "nothing": _("there is nothing to do any more"),
    "waits": _("a record that it refers to is not in the system yet"),
    "refused": _("the system refused it"),
}


class DiffersError(Exception):
    """What the transaction did to these rows or records is not what was planned: undo it."""

    def __init__(self, keys: set[str]) -> None:
        super().__init__(keys)
        self.keys = keys


Moved = dict[str, str]
"""Row or record id → the reason why its step is skipped."""


def apply(jobs: Jobs, plan_id: str) -> dict[str, Any]:
    """Do what the plan says; what became of its steps, and the runs that did it."""
    env, plan = jobs.env, plans.find(jobs.env, plan_id)
    plans.check(env, plan)
    if plan.kind == "firstload":
        raise HubError(
            "the plan {id} is a first load: what becomes of its buckets is yours to choose",
            id=plan.id,
            hint="See: hub firstload apply --help",
        )
    work = Apply(jobs, plan)
    with runner.heartbeat(jobs):
        work.inbound()
        work.outbound()
    return work.finish()


class Apply:
    def __init__(self, jobs: Jobs, plan: Row[Any]) -> None:
        self.jobs, self.env, self.plan = jobs, jobs.env, plan
        self.run_ids: dict[str, str] = json.loads(plan.runs)
        self.done = 0
        self.total = int(json.loads(plan.counts).get("steps") or 0)

    # -- the steps, in order and in chunks that one call of the system can carry

    def inbound(self) -> None:
        for flow, steps in self._chunks("in", lambda flow: CHUNK):
            gone = [s for s in steps if s.kind in GONE or _is_delete(s)]
            there = [s for s in steps if s not in gone]
            with self._leased(flow) as fence:
                if there:
                    self._take(flow, fence, there)
                if gone:
                    self._let_go(flow, fence, gone)
            self._tell(flow, len(steps))

    def outbound(self) -> None:
        for flow, steps in self._chunks("out", lambda flow: flow.capabilities.write_batch):
            aside = [s for s in steps if s.kind in SET_ASIDE]
            self._settle(aside, "told")
            with self._leased(flow) as fence:
                self._write(flow, fence, [s for s in steps if s not in aside])
            self._tell(flow, len(steps))

    def _chunks(
        self, direction: str, size: Callable[[Flow], int]
    ) -> Iterator[tuple[Flow, list[Row[Any]]]]:
        steps = plans.steps_of(self.env, self.plan.id, direction)
        for name, group in groupby(steps, key=lambda s: str(s.flow)):
            flow = self.env.flows[name]
            for chunk in batches(group, size(flow)):
                yield flow, chunk

    # -- into the hub

    def _take(self, flow: Flow, fence: int, steps: Sequence[Row[Any]]) -> None:
        """Take the steps' rows as they are in the system, if they are what they were."""
        found = self._fetch(flow, {s.external_id for s in steps if s.external_id[:1] != "?"})
        moved: Moved = {}
        for s in steps:
            row = found.get(s.external_id)
            if row is None:
                moved[s.external_id] = "unreadable" if s.external_id[:1] == "?" else "row-gone"
            elif row.row_hash != s.base_row:
                moved[s.external_id] = "row-changed"
        self._attempt(flow, fence, steps, moved, lambda w, r, left: self._taken(w, r, left, found))

    def _taken(
        self, work: Work, run: Run, steps: Sequence[Row[Any]], found: Mapping[str, Incoming]
    ) -> None:
        flow = self.env.flows[run.flow]
        known = self._disputed(work, run, steps)
        steps = [s for s in steps if s.seq not in known]
        before = last_seq(work.connection, work.store)
        rows = {s.external_id: found[s.external_id].row for s in steps}
        incoming = prepare(flow, list(rows.values()))
        new = {s.external_id: s.record_id for s in steps if s.kind == "create"}
        for row in incoming:
            row.new_id = new.get(row.external_id) or ""
        run.counts.read += len(incoming)
        pull.take(self.env, work, flow, run, incoming)
        self._compare(work, run, steps, before)

    def _disputed(self, work: Work, run: Run, steps: Sequence[Row[Any]]) -> set[int]:
        """The conflicts among the steps that came with an earlier step of their row."""
        table = work.store.metadata.tables["conflict"]
        query = select(table.c.external_id, table.c.field).where(table.c.run_id == run.id)
        wanted = {s.external_id for s in steps if s.kind in DISPUTED}
        if not wanted:
            return set()
        found = {
            tuple(r)
            for r in work.connection.execute(query.where(table.c.external_id.in_(sorted(wanted))))
        }
        return {
            s.seq
            for s in steps
            if s.kind in DISPUTED and (s.external_id, s.fields.strip()) in found
        }

    def _let_go(self, flow: Flow, fence: int, steps: Sequence[Row[Any]]) -> None:
        """Take the deletes of rows that are still gone."""
        found = self._fetch(flow, {s.external_id for s in steps})
        moved: Moved = dict.fromkeys(found, "row-back")
        self._attempt(flow, fence, steps, moved, self._gone)

    def _gone(self, work: Work, run: Run, steps: Sequence[Row[Any]]) -> None:
        flow = self.env.flows[run.flow]
        before = last_seq(work.connection, work.store)
        ids = [s.external_id for s in steps]
        links = links_of_rows(work.connection, work.store, flow.source_id, ids)
        gone = [Gone(link.id, link.external_id, link.record_id) for link in links.values()]
        run.counts.deleted += sweep.apply(work, flow, gone)
        self._compare(work, run, steps, before)

    def _attempt(
        self,
        flow: Flow,
        fence: int,
        steps: Sequence[Row[Any]],
        moved: Moved,
        act: Callable[[Work, Run, list[Row[Any]]], None],
    ) -> None:
        """Act on the steps in one transaction; without those whose result differs, in another one."""
        while True:
            run = self._run(flow)
            try:
                with self.env.work("apply", runs.ORIGIN.format(flow.name), run.id) as work:
                    self.jobs.confirm(work, flow, fence)
                    here = {**self._moved_here(work, flow, steps), **moved}
                    left = [s for s in steps if s.external_id not in here]
                    if left:
                        act(work, run, left)
                        runs.save(work.connection, self.env.store, run)
                    self._keep(work, left, "applied")
                    for s in steps:
                        if s.external_id in here:
                            self._keep(work, [s], "skipped", here[s.external_id])
                return
            except DiffersError as e:
                moved.update(dict.fromkeys(e.keys, "differs"))

    def _moved_here(self, work: Work, flow: Flow, steps: Sequence[Row[Any]]) -> Moved:
        """What the steps rest on in the hub and is not so any more."""
        ids = {s.record_id for s in steps if s.record_id}
        known = records.load(work.connection, work.store, flow.stored, ids, lock=True)
        rows = {s.external_id for s in steps}
        links = links_of_rows(work.connection, work.store, flow.source_id, rows)
        moved: Moved = {}
        version: dict[str, int] = {}
        for s in steps:
            link, record = links.get(s.external_id), known.get(s.record_id)
            if s.kind in ("create", "link") and link is not None:
                moved[s.external_id] = "linked"
            elif s.base_version is None or s.external_id in moved:
                continue
            else:
                now = version.get(s.record_id, record.version if record else 0)
                if now != s.base_version:
                    moved[s.external_id] = "record-changed"
                elif json.loads(s.changes):
                    version[s.record_id] = s.base_version + 1
        return moved

    def _compare(self, work: Work, run: Run, steps: Sequence[Row[Any]], before: int) -> None:
        """Raise for the rows for which something else happened than was planned."""
        flow = self.env.flows[run.flow]
        done = self._happened(work, run, flow, {s.external_id for s in steps}, before)
        planned: dict[str, list[Any]] = {}
        for s in steps:
            if s.kind in SET_ASIDE:
                codes = sorted(p["code"] for p in json.loads(s.reasons))
                planned.setdefault(s.external_id, []).append((s.kind, codes))
            elif s.kind in DISPUTED:
                planned.setdefault(s.external_id, [])
            else:
                changes = _timeless(json.loads(s.changes))
                planned.setdefault(s.external_id, []).append((s.kind, changes))
        different = {key for key, effects in planned.items() if done.get(key, []) != effects}
        if different:
            raise DiffersError(different)

    def _happened(
        self, work: Work, run: Run, flow: Flow, keys: Iterable[str], before: int
    ) -> dict[str, list[Any]]:
        tables, done = work.store.metadata.tables, dict[str, list[Any]]()
        journal, parked, wanted = tables["journal"], tables["parked"], sorted(keys)
        query = select(journal).where(
            journal.c.run_id == run.id,
            journal.c.seq > before,
            journal.c.external_id.in_(wanted),
        )
        for row in work.connection.execute(query.order_by(journal.c.seq)):
            changes = _timeless(json.loads(row.changes))
            done.setdefault(row.external_id, []).append((row.op, shown(flow.entity, changes)))
        query = select(parked).where(
            parked.c.run_id == run.id,
            parked.c.state == "open",
            parked.c.flow == flow.name,
            parked.c.external_id.in_(wanted),
        )
        for row in work.connection.execute(query):
            codes = sorted(p["code"] for p in json.loads(row.problems))
            done.setdefault(row.external_id, []).append((row.kind, codes))
        return done

    # -- out of the hub

    def _write(self, flow: Flow, fence: int, steps: Sequence[Row[Any]]) -> None:
        steps = self._not_written(flow, steps)
        if not steps:
            return
        moved, rows = self._moved_there(flow, steps)
        for _round in range(ROUNDS):
            if not (steps := self._written(flow, fence, steps, moved, rows)):
                return

    def _written(
        self,
        flow: Flow,
        fence: int,
        steps: Sequence[Row[Any]],
        moved: Moved,
        rows: Mapping[str, Incoming],
    ) -> list[Row[Any]]:
        """Write the steps; those that were looked for, are not there and may be sent once more."""
        sending: list[Mark] = []
        since = self.jobs.env.clock.now()
        with self.jobs.open_connector(flow.connection) as connector:
            try:
                run, sending = self._intend(flow, fence, steps, moved, rows, connector)
                if sending:
                    self.jobs.send_some(run, flow, fence, connector, sending, since)
            finally:
                self._outcomes(steps, sending)
        again = {m.record_id for m in sending if m.outcome == "resend"}
        return [s for s in steps if s.record_id in again]

    def _intend(
        self,
        flow: Flow,
        fence: int,
        steps: Sequence[Row[Any]],
        moved: Moved,
        rows: Mapping[str, Incoming],
        connector: Connector,
    ) -> tuple[Run, list[Mark]]:
        """Commit the intents of the writes that are as planned; without the others, in another try."""
        while True:
            run = self._run(flow)
            try:
                with self.env.work("intent", runs.ORIGIN.format(flow.name), run.id) as work:
                    self.jobs.confirm(work, flow, fence)
                    sending = self._plan(work, run, steps, moved, rows, connector)
                    runs.save(work.connection, self.env.store, run)
                return run, sending
            except DiffersError as e:
                moved.update(dict.fromkeys(e.keys, "differs"))

    def _not_written(self, flow: Flow, steps: Sequence[Row[Any]]) -> list[Row[Any]]:
        """Without those that were written before this apply was interrupted."""
        intent = self.env.store.metadata.tables["intent"]
        query = select(intent.c.record_id).where(
            intent.c.run_id == self._run(flow).id,
            intent.c.state.in_(("done", "adopted")),
            intent.c.record_id.in_([s.record_id for s in steps]),
        )
        with self.env.store.read() as connection:
            written = set(connection.execute(query).scalars())
        self._settle([s for s in steps if s.record_id in written], "applied")
        return [s for s in steps if s.record_id not in written]

    def _moved_there(
        self, flow: Flow, steps: Sequence[Row[Any]]
    ) -> tuple[Moved, dict[str, Incoming]]:
        """Record id → why: the system has another row than the one that the step rests on; the rows.

        Where a write was made whose outcome is unknown, looking for it comes first.
        """
        moved: Moved = {}
        with self.env.work("look", "hub") as work:
            sent = intents.open_intents(work, flow, {s.record_id for s in steps})
        steps = [s for s in steps if s.record_id not in sent]
        old = [s for s in steps if s.kind != "create"]
        found = self._fetch(flow, {s.external_id for s in old}) if old else {}
        for s in old:
            row = found.get(s.external_id)
            if row is None:
                moved[s.record_id] = "row-gone"
            elif row.row_hash != s.base_row:
                moved[s.record_id] = "row-changed"
        new = {s.record_id for s in steps if s.kind == "create"}
        if new and flow.capabilities.fetch_by_columns:
            moved.update(dict.fromkeys(self._made_there(flow, new), "row-there"))
        return moved, found

    def _made_there(self, flow: Flow, record_ids: set[str]) -> set[str]:
        """The records for which the system has an unlinked row with the same keys already."""
        with self.env.store.read() as connection:
            known = records.load(connection, self.env.store, flow.stored, record_ids)
        keys: list[tuple[str, dict[str, Any]]] = []
        for record in known.values():
            for key in send.search_keys(flow, flow.project(record.values)):
                keys.append((record.id, key))
        if not keys:
            return set()
        found = self._fetch(flow, [key for _, key in keys])
        with self.env.store.read() as connection:
            linked = links_of_rows(connection, self.env.store, flow.source_id, set(found))
        rows = [row.row for name, row in found.items() if name not in linked]
        return {
            id_
            for id_, key in keys
            if any(all(r.get(c) == v for c, v in key.items()) for r in rows)
        }

    def _plan(
        self,
        work: Work,
        run: Run,
        steps: Sequence[Row[Any]],
        moved: Moved,
        rows: Mapping[str, Incoming],
        connector: Connector,
    ) -> list[Mark]:
        """The marks of the steps, ready to be sent; whatever differs from its step is not."""
        flow, by_record = self.env.flows[run.flow], {s.record_id: s for s in steps}
        known = records.load(work.connection, work.store, flow.stored, set(by_record), lock=True)
        links = links_of_records(work.connection, work.store, flow.source_id, set(by_record))
        for id_, s in by_record.items():
            record, link = known.get(id_), links.get(id_)
            if record is None or record.version != s.base_version:
                moved.setdefault(id_, "record-changed")
            elif s.kind == "create" and link is not None:
                moved.setdefault(id_, "linked")
        marks = _marks(work, flow, [id_ for id_ in by_record if id_ not in moved])
        sending = push.plan(self.env, work, flow, run, marks, connector.version_of)
        names = self._names(work, [by_record[m.record_id] for m in sending])
        different = {
            m.record_id
            for m in sending
            if m.change is not None and not _same(by_record[m.record_id], m, names, rows)
        }
        if different:
            raise DiffersError(different)
        ready = {m.record_id for m in sending}
        for m in marks:
            if m.record_id not in ready:
                moved[m.record_id] = "waits" if m.waits_for else "nothing"
        for id_, s in by_record.items():
            if id_ not in ready:
                self._keep(work, [s], "skipped", moved.get(id_, "nothing"))
        return sending

    def _names(self, work: Work, steps: Sequence[Row[Any]]) -> dict[str, str]:
        """Foreseen ids → those that the systems gave to the rows they stand for."""
        text = " ".join(s.changes for s in steps)
        wanted = {w for w in _words(text) if is_foreseen(w)}
        if not wanted:
            return {}
        step = work.store.metadata.tables["plan_step"]
        query = select(step.c.external_id, step.c.record_id, step.c.flow).where(
            step.c.plan_id == self.plan.id, step.c.external_id.in_(sorted(wanted))
        )
        names = {}
        for foreseen, record_id, name in work.connection.execute(query):
            source_id = self.env.flows[name].source_id
            found = keys_of_records(work.connection, work.store, [(source_id, record_id)])
            names.update(dict.fromkeys([foreseen], found.get((source_id, record_id), "")))
        return names

    def _outcomes(self, steps: Sequence[Row[Any]], sending: Sequence[Mark]) -> None:
        by_record = {s.record_id: s for s in steps}
        with self.env.work("apply", "hub") as work:
            for m in sending:
                if m.outcome in ("applied", "looked", "unread"):
                    self._keep(work, [by_record[m.record_id]], "applied")
                elif m.outcome in ("rejected", "gone", "conflict", "unknown"):
                    why = {"rejected": "refused", "gone": "row-gone", "conflict": "row-changed"}
                    told = m.result.message if m.result else ""
                    reason = why.get(m.outcome, "differs")
                    self._keep(work, [by_record[m.record_id]], "skipped", reason, told)

    # -- small

    def _fetch(self, flow: Flow, keys: Iterable[Any]) -> dict[str, Incoming]:
        """The rows that the system has of these now."""
        wanted = sorted(keys, key=str)
        remote = self.jobs.remote(flow)
        found: dict[str, Incoming] = {}
        with self.jobs.open_connector(flow.connection) as connector:
            for some in batches(wanted, flow.capabilities.read_page):
                rows = remote.read(_ask(connector, flow, some))
                found.update({r.external_id: r for r in prepare(flow, rows)})
        return found

    def _leased(self, flow: Flow) -> "_Lease":
        return _Lease(self.jobs, flow)

    def _run(self, flow: Flow) -> Run:
        """The run that applies the plan's steps of this flow; one, however often it is started."""
        if flow.name not in self.run_ids:
            self.run_ids[flow.name] = self._begin(flow)
        with self.env.store.read() as connection:
            return runs.load_run(connection, self.env.store, self.run_ids[flow.name])

    def _begin(self, flow: Flow) -> str:
        tables, run_id = self.env.store.metadata.tables, self.env.ids.new()
        plan = tables["plan"]
        with self.env.work("apply", "hub") as work:
            work.connection.execute(
                tables["run"]
                .insert()
                .values(
                    id=run_id,
                    flow=flow.name,
                    state=runs.APPLYING,
                    phase="apply",
                    full_read=False,
                    trigger="plan",
                    requested_at=work.at,
                    started_at=work.at,
                    mapping_version=flow.mapping.version,
                    counts=runs.dump(Counts().to_json()),
                )
            )
            named = json.dumps({**self.run_ids, flow.name: run_id})
            work.connection.execute(
                update(plan).where(plan.c.id == self.plan.id).values(state="applying", runs=named)
            )
        return run_id

    def _settle(self, steps: Sequence[Row[Any]], state: str) -> None:
        if steps:
            with self.env.work("apply", "hub") as work:
                self._keep(work, steps, state)

    def _keep(
        self, work: Work, steps: Sequence[Row[Any]], state: str, reason: str = "", told: str = ""
    ) -> None:
        why = {"code": reason, "message": REASONS[reason], "told": told} if reason else None
        seqs = [s.seq for s in steps]
        plans.settle(work.connection, self.env, self.plan.id, seqs, state, why)

    def _tell(self, flow: Flow, count: int) -> None:
        self.done += count
        self.jobs.progress(
            {"flow": flow.name, "phase": "apply", "done": self.done, "total": self.total}
        )

    def finish(self) -> dict[str, Any]:
        """Close the runs and the plan; what a brake had paused may go on."""
        env = self.env
        shown_ = plans.show(env, self.plan.id, limit=1)
        left = shown_["progress"].get("planned", 0)
        partial = left or shown_["progress"].get("skipped", 0)
        plan = env.store.metadata.tables["plan"]
        with env.work("apply", "hub") as work:
            for name, run_id in sorted(self.run_ids.items()):
                run = runs.load_run(work.connection, env.store, run_id)
                if run.state == runs.APPLYING and not left:
                    flow = env.flows[name]
                    runs.finish(work, flow, run, "partial" if partial else "done")
            work.connection.execute(
                update(plan)
                .where(plan.c.id == self.plan.id)
                .values(state="applying" if left else "applied", applied_at=work.at)
            )
        if self.plan.kind == "brake" and not left:
            for name in json.loads(self.plan.flows):
                runs.resume(env, name)
        skipped = plans.Filter(state="skipped")
        return {**plans.show(env, self.plan.id, skipped), "runs": self.run_ids}


class _Lease:
    """The lease of a flow's source, waited for."""

    def __init__(self, jobs: Jobs, flow: Flow) -> None:
        self.jobs, self.flow, self.fence = jobs, flow, 0

    def __enter__(self) -> int:
        env = self.jobs.env
        until = env.clock.now() + WAIT
        while True:
            with env.store.write("lease") as connection:
                fence = leases.acquire(
                    connection,
                    env.store,
                    self.flow.source_id,
                    owner=self.jobs.owner,
                    now=env.clock.now(),
                    length=env.settings.lease,
                )
            if fence is not None:
                self.fence = fence
                return fence
            if env.clock.now() > until:
                raise BusyError(
                    "the flow {flow!r} is at work elsewhere",
                    flow=self.flow.name,
                    hint="Start the same command again when it is done; it goes on where it stopped.",
                )
            env.clock.sleep(timedelta(seconds=0.5))

    def __exit__(self, *exc: object) -> None:
        env = self.jobs.env
        with suppress(HubError), env.store.write("release") as connection:
            leases.release(connection, env.store, self.flow.source_id, self.fence)


def _ask(connector: Connector, flow: Flow, keys: list[Any]) -> Callable[[], Iterable[Any]]:
    return lambda: connector.fetch(flow.stream, keys)


def _is_delete(step: Row[Any]) -> bool:
    return bool(step.kind == "conflict" and step.fields.strip() == "$row")


def _timeless(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Without the instants, which are those of the moment it is done."""
    return {k: v for k, v in changes.items() if k != "$deleted_at"}


def _marks(work: Work, flow: Flow, record_ids: Sequence[str]) -> list[Mark]:
    outbox = work.store.metadata.tables["outbox"]
    found = {}
    for some in records.chunks(sorted(record_ids)):
        query = select(outbox.c.record_id, outbox.c.version, outbox.c.attempts).where(
            outbox.c.flow == flow.name, outbox.c.record_id.in_(some)
        )
        found.update({row[0]: Mark(*row) for row in work.connection.execute(query)})
    return [found[id_] for id_ in record_ids if id_ in found]


def _same(
    step: Row[Any], mark: Mark, names: Mapping[str, str], rows: Mapping[str, Incoming]
) -> bool:
    """Whether the write is the planned one, but for ids that only the systems could give."""
    assert mark.change is not None
    if step.kind != mark.op:
        return False
    row = rows.get(step.external_id)
    now = columns_changed(mark.op, row.row if row else {}, mark.change.values)
    planned = {c: [old, _named(new, names)] for c, (old, new) in json.loads(step.changes).items()}
    if names:
        planned, now = _texts(planned), _texts(now)
    return planned == now


def _named(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {k: _named(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [_named(v, names) for v in value]
    return names.get(str(value), value) if is_foreseen(value) else value


def _texts(value: Any) -> Any:
    """Numbers as text: a foreseen id may have been read as the one or the other."""
    if isinstance(value, dict):
        return {k: _texts(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_texts(v) for v in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _words(text: str) -> Iterator[str]:
    for part in text.replace('"', " ").replace(",", " ").replace("]", " ").split():
        yield part.strip("}{[:")
