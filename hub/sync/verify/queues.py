"""What the engine keeps beside the records: marks, writes, rows set aside, conflicts, runs, cursors, leases.

Each check asks the database for what is wrong only, and for at most MOST of it.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from hub.store.tables import stamp
from hub.sync.flow import Counts, Env
from hub.sync.leases import is_dead
from hub.sync.verify.finding import Finding, Progress, Repair, noticed

MOST = 1000
OPEN_FOR = timedelta(hours=1)
"""A write whose outcome is open for so long is worth a look."""


def queues(env: Env, declared: Collection[str], progress: Progress) -> Iterator[Finding]:
    """All checks beside the ledger; `declared`: names of all flows in the settings, disabled ones too."""
    checks: tuple[Callable[[_Queues], Iterator[Finding]], ...] = (
        _Queues.marks,
        _Queues.waiting_marks,
        _Queues.parked_marks,
        _Queues.intents,
        _Queues.aside,
        _Queues.waiting_rows,
        _Queues.conflicts,
        _Queues.runs,
        _Queues.cursors,
        _Queues.leases,
    )
    for done, check in enumerate(checks, 1):
        with env.store.read() as connection:
            page = list(check(_Queues(env, connection, declared)))
        yield from page
        progress({"flow": "queues", "phase": "verify", "done": done, "total": len(checks)})


class _Queues:
    def __init__(self, env: Env, connection: Connection, declared: Collection[str]) -> None:
        self.env, self.connection = env, connection
        self.declared = {*declared, *env.flows}
        self.tables = env.store.metadata.tables

    def _rows(self, query: Select[Any]) -> list[Any]:
        return list(self.connection.execute(query.limit(MOST)))

    def _no_record(self, column: Any, entity: str | None = None) -> ColumnElement[bool]:
        """No table of an entity (or none of *entity*) has a record with the id in the column."""
        stored = {e.stored for e in self.env.store.entities.values()}
        names = sorted({entity} if entity else stored)
        tables = [self.env.store.tables[name] for name in names]
        return and_(*(~select(t.c.id).where(t.c.id == column).exists() for t in tables))

    # -- the outbox

    def marks(self) -> Iterator[Finding]:
        outbox = self.tables["outbox"]
        for row in self._rows(select(outbox).where(outbox.c.flow.not_in(self.declared))):
            yield self._stray(
                row, "mark-of-no-flow", "a mark of flow {flow!r}, which does not exist"
            )
        for row in self._rows(select(outbox).where(self._no_record(outbox.c.record_id))):
            message = "flow {flow!r} is to write record {record}, which does not exist"
            yield self._stray(row, "mark-of-no-record", message)

    def _stray(self, row: Any, code: str, message: str) -> Finding:
        about = {"flow": row.flow, "record": row.record_id}
        hint = "`hub verify --repair` takes the mark away."
        repair = Repair("unmark", about)
        return noticed("outbox", code, message, hint, about=about, repair=repair, **about)

    def waiting_marks(self) -> Iterator[Finding]:
        """Marks that wait for a record to have a row, though nothing will wake them."""
        outbox, link = self.tables["outbox"], self.tables["link"]
        waiting = outbox.c.state == "waiting"
        for flow in self.env.flows.values():
            sources = [
                f.source_id for f in self.env.flows.values() if f.connection == flow.connection
            ]
            has_row = (
                select(link.c.id)
                .where(
                    link.c.record_id == outbox.c.waits_for,
                    link.c.source_id.in_(sources),
                    link.c.state == "active",
                )
                .exists()
            )
            other = outbox.alias()
            on_its_way = (
                select(other.c.flow).where(other.c.record_id == outbox.c.waits_for).exists()
            )
            lost = or_(outbox.c.waits_for.is_(None), has_row, ~on_its_way)
            query = select(outbox).where(outbox.c.flow == flow.name, waiting, lost)
            for row in self._rows(query):
                about = {"flow": row.flow, "record": row.record_id}
                yield noticed(
                    "outbox",
                    "waits-for-nothing",
                    "flow {flow!r}: record {record} waits for {waits_for}, which will not come: it"
                    " is there already, or nothing brings it",
                    "`hub verify --repair` marks it again; it then asks for what it needs.",
                    about=about,
                    repair=Repair("mark", about),
                    waits_for=row.waits_for or "?",
                    **about,
                )

    def parked_marks(self) -> Iterator[Finding]:
        outbox, parked = self.tables["outbox"], self.tables["parked"]
        said = (
            select(parked.c.id)
            .where(
                parked.c.flow == outbox.c.flow,
                parked.c.record_id == outbox.c.record_id,
                parked.c.direction == "out",
                parked.c.state.in_(("open", "dismissed")),
            )
            .exists()
        )
        for row in self._rows(select(outbox).where(outbox.c.state == "parked", ~said)):
            about = {"flow": row.flow, "record": row.record_id}
            yield noticed(
                "outbox",
                "parked-unsaid",
                "flow {flow!r} does not write record {record} any more, and no entry in quarantine"
                " says why",
                "`hub verify --repair` marks it again.",
                about=about,
                repair=Repair("mark", about),
                **about,
            )

    # -- writes whose outcome is open

    def intents(self) -> Iterator[Finding]:
        intent, outbox = self.tables["intent"], self.tables["outbox"]
        marked = (
            select(outbox.c.flow)
            .where(outbox.c.flow == intent.c.flow, outbox.c.record_id == intent.c.record_id)
            .exists()
        )
        before = stamp(self.env.clock.now() - OPEN_FOR)
        columns = (intent.c.id, intent.c.flow, intent.c.record_id, intent.c.op, intent.c.at)
        for row in self._rows(select(*columns).where(intent.c.state == "open", ~marked)):
            about = {"flow": row.flow, "record": row.record_id}
            yield noticed(
                "intents",
                "open-forgotten",
                "flow {flow!r}: whether its {op} of record {record} on {at} arrived is not known,"
                " and nothing is going to look",
                "`hub verify --repair` marks the record; the next run looks before it writes.",
                about={**about, "intent": row.id},
                repair=Repair("mark", about),
                op=row.op,
                at=row.at,
                **about,
            )
        old = select(*columns).where(intent.c.state == "open", marked, intent.c.at < before)
        for row in self._rows(old):
            yield noticed(
                "intents",
                "open-long",
                "flow {flow!r}: whether its {op} of record {record} on {at} arrived is not known yet",
                "The next run looks: hub sync {flow}.  If it cannot tell: hub quarantine list",
                about={"flow": row.flow, "record": row.record_id, "intent": row.id},
                flow=row.flow,
                record=row.record_id,
                op=row.op,
                at=row.at,
            )

    # -- rows set aside

    def aside(self) -> Iterator[Finding]:
        parked, outbox = self.tables["parked"], self.tables["outbox"]
        open_ = parked.c.state == "open"
        for row in self._rows(select(parked).where(open_, parked.c.flow.not_in(self.declared))):
            message = "row {external_id!r} is set aside in flow {flow!r}, which does not exist"
            yield self._aside(row, "aside-of-no-flow", message)
        for row in self._rows(select(parked).where(open_)):
            if not _is_list(row.problems):
                message = "why row {external_id!r} of flow {flow!r} is set aside cannot be read"
                yield self._aside(row, "aside-unreadable", message)
        marked = (
            select(outbox.c.flow)
            .where(outbox.c.flow == parked.c.flow, outbox.c.record_id == parked.c.record_id)
            .exists()
        )
        outward = and_(open_, parked.c.direction == "out", ~marked)
        for row in self._rows(select(parked).where(outward)):
            message = (
                "flow {flow!r} reports a refused write of record {record}, which is not pending"
            )
            yield self._aside(row, "aside-settled", message)

    def _aside(self, row: Any, code: str, message: str) -> Finding:
        return noticed(
            "aside",
            code,
            message,
            "`hub verify --repair` closes the entry; a full read brings the row again.",
            about={"flow": row.flow, "entry": row.id},
            repair=Repair("close-parked", {"entry": row.id}),
            flow=row.flow,
            external_id=row.external_id,
            record=row.record_id,
        )

    def waiting_rows(self) -> Iterator[Finding]:
        """Rows that wait for a reference which is there."""
        parked, link = self.tables["parked"], self.tables["link"]
        there = (
            select(link.c.id)
            .where(
                link.c.source_id == parked.c.waits_source,
                link.c.external_id == parked.c.waits_key,
                link.c.part == "",
            )
            .exists()
        )
        query = select(parked).where(parked.c.state == "open", parked.c.kind == "waiting", there)
        for row in self._rows(query):
            yield noticed(
                "aside",
                "waits-for-what-is-there",
                "row {external_id!r} of flow {flow!r} waits for {waits_for!r}, which is there",
                "`hub verify --repair` takes it again, and so does: hub quarantine replay {entry}",
                about={"flow": row.flow, "entry": row.id},
                repair=Repair("wake", {"flow": row.flow, "entry": row.id}),
                flow=row.flow,
                external_id=row.external_id,
                waits_for=row.waits_key,
                entry=row.id,
            )

    # -- conflicts

    def conflicts(self) -> Iterator[Finding]:
        conflict, link = self.tables["conflict"], self.tables["link"]
        linked = (
            select(link.c.id)
            .where(
                link.c.source_id == conflict.c.source_id,
                link.c.external_id == conflict.c.external_id,
                link.c.record_id == conflict.c.record_id,
            )
            .exists()
        )
        lost = or_(self._no_record(conflict.c.record_id), ~linked)
        for row in self._rows(select(conflict).where(conflict.c.state == "open", lost)):
            yield noticed(
                "conflicts",
                "conflict-of-no-link",
                "conflict {conflict} over {field} of record {record} is open, but row {external_id!r}"
                " is not linked to it any more",
                "`hub verify --repair` closes it.",
                about={"conflict": row.id, "record": row.record_id},
                repair=Repair("close-conflict", {"conflict": row.id}),
                conflict=row.id,
                field=row.field,
                record=row.record_id,
                external_id=row.external_id,
            )

    # -- runs, cursors, leases

    def runs(self) -> Iterator[Finding]:
        run = self.tables["run"]
        after = ""
        while True:  # all of them, a page at a time: what was counted is JSON
            query = select(run.c.id, run.c.flow, run.c.state, run.c.counts).where(run.c.id > after)
            page = self._rows(query.order_by(run.c.id))
            for row in page:
                counts = _counts(row.counts)
                if counts is None or not counts.check():
                    yield noticed(
                        "runs",
                        "lost-count",
                        "run {run} of flow {flow!r} read {read} rows and counted {counted}",
                        "Rows may be missing: hub sync {flow} --full reads all of them.",
                        about={"run": row.id, "flow": row.flow},
                        run=row.id,
                        flow=row.flow,
                        read=counts.read if counts else "?",
                        counted=sum(counts.by.values()) if counts else "?",
                    )
            if len(page) < MOST:
                return
            after = page[-1].id

    def cursors(self) -> Iterator[Finding]:
        state = self.tables["flow_state"]
        for row in self._rows(select(state)):
            flow = self.env.flows.get(row.flow)
            if flow is None:
                continue
            code = ""
            if not _is_cursor(row.cursor):
                code, message = (
                    "cursor-unreadable",
                    "where flow {flow!r} stopped reading cannot be read",
                )
            elif row.source_id != flow.source_id:
                code, message = (
                    "cursor-of-another",
                    "where flow {flow!r} stopped reading belongs to another stream",
                )
            if code:
                yield noticed(
                    "cursors",
                    code,
                    message,
                    "`hub verify --repair` forgets it: the next run reads from the beginning.",
                    about={"flow": row.flow},
                    repair=Repair("reset-cursor", {"flow": row.flow}),
                    flow=row.flow,
                )

    def leases(self) -> Iterator[Finding]:
        source, now = self.tables["source"], self.env.clock.now()
        latest = stamp(now + 10 * self.env.settings.lease)
        for row in self._rows(select(source).where(source.c.lease_until.is_not(None))):
            far, dead = row.lease_until > latest, is_dead(row.lease_owner)
            if not far and not (dead and row.lease_until > stamp(now)):
                continue
            yield noticed(
                "leases",
                "lease-far" if far else "lease-dead",
                "{connection} {stream} is held by {owner} until {until}: longer than any worker may"
                if far
                else "{connection} {stream} is held by {owner} until {until}, but that worker has ended",
                "`hub verify --repair` releases it; a worker that lives takes it again.",
                about={"source": row.id},
                repair=Repair("release", {"source": row.id}),
                connection=row.connection,
                stream=row.stream,
                owner=row.lease_owner or "?",
                until=row.lease_until,
            )


def _counts(text: str) -> Counts | None:
    try:
        return Counts.from_json(orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError, AttributeError):
        return None


def _is_list(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), list)
    except orjson.JSONDecodeError:
        return False


def _is_cursor(text: str | None) -> bool:
    if text is None:
        return True
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
