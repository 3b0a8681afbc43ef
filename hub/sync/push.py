"""Hub → remote: bring a source up to the records that are marked, and read back what it stored.

Level-triggered: a mark says *which* record may differ, never what happened.  The three parts run
in this order, the middle one outside any transaction:

    plan (transaction: diff, intents) → send (remote calls) → settle (transaction: links, shadows)
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import bindparam, delete, select, update

from hub.connector import Change, Connector, Row, WriteResult
from hub.errors import Problem, RejectedError
from hub.mapping import Ref
from hub.store import bulk, records
from hub.store.records import Record
from hub.store.tables import stamp
from hub.store.types import dump, load
from hub.sync import journal, quarantine
from hub.sync.flow import Env, Flow, Run, Work
from hub.sync.journal import Proposal
from hub.sync.match import Link, keys_of_records, links_of_records, links_of_rows
from hub.sync.pull import Incoming, Taken, open_conflicts, prepare, take, walk
from hub.sync.quarantine import Parked
from hub.sync.rows import decode, encode, fingerprint

INTENT = (
    "id",
    "flow",
    "source_id",
    "record_id",
    "version",
    "op",
    "external_id",
    "sent",
    "at",
    "state",
    "run_id",
)


@dataclass(slots=True)
class Mark:
    """One record on its way out.  `sent`: the canonical values of the write, references as record ids."""

    record_id: str
    version: int
    attempts: int
    record: Record | None = None
    link: Link | None = None
    op: Literal["create", "update", "delete", ""] = ""
    sent: dict[str, Any] = field(default_factory=dict)
    change: Change | None = None
    intent: Mapping[str, Any] | None = None
    result: WriteResult | None = None
    stored: Row | None = None
    outcome: str = ""
    waits_for: str | None = None
    problem: Problem | None = None
    reuse: str = ""
    """The key of an idempotent create whose outcome is unknown: it is sent again under it."""

    @property
    def key(self) -> str:
        return self.change.key if self.change else ""


# ------------------------------------------------------------------------------------------ plan


def due(work: Work, flow: Flow, limit: int) -> list[Mark]:
    """Marks of the flow whose time has come, oldest first."""
    outbox = work.store.metadata.tables["outbox"]
    query = (
        select(outbox.c.record_id, outbox.c.version, outbox.c.attempts)
        .where(outbox.c.flow == flow.name, outbox.c.state == "due", outbox.c.due_at <= work.at)
        .order_by(outbox.c.due_at, outbox.c.record_id)
        .limit(limit)
    )
    return [Mark(*row) for row in work.connection.execute(query)]


def plan(env: Env, work: Work, flow: Flow, run: Run, marks: Sequence[Mark]) -> list[Mark]:
    """Decide for every mark what to write; commit the intents with *work*; return those to send.

    Marks that need no call are settled here.
    """
    ids = {m.record_id for m in marks}
    found = records.load(work.connection, work.store, flow.stored, ids)
    links = links_of_records(work.connection, work.store, flow.source_id, ids)
    frozen = open_conflicts(work, flow.source_id, ids)
    intents = _open_intents(work, flow, ids)
    for m in marks:
        m.record, m.link = found.get(m.record_id), links.get(m.record_id)
        m.intent = intents.get(m.record_id)
        if m.intent is not None and flow.capabilities.idempotent_writes and m.link is None:
            _send_again(m)
        elif m.intent is None:
            _decide(flow, m, frozen.get(m.record_id, frozenset()))
    _refer(env, work, flow, [m for m in marks if m.op and m.intent is None])
    _compose(
        work,
        flow,
        [m for m in marks if m.op and m.intent is None and not (m.waits_for or m.problem)],
    )
    to_send = [m for m in marks if m.change is not None or m.intent is not None]
    _save_intents(work, flow, [m for m in to_send if m.intent is None and not m.reuse])
    _finish(work, flow, run, [m for m in marks if m not in to_send])
    return to_send


def _send_again(m: Mark) -> None:
    assert m.intent is not None
    m.reuse, m.op, m.sent = str(m.intent["id"]), "create", load(str(m.intent["sent"]))
    m.version, m.intent = int(m.intent["version"]), None


def _decide(flow: Flow, m: Mark, frozen: frozenset[str]) -> None:
    """What the record needs there: fills `op` and, in `sent`, the fields that differ."""
    record, link = m.record, m.link
    if record is None or record.merged_into:
        m.outcome = "unchanged"
        return
    if record.deleted_at or (not record.active and flow.settings.deletes.outbound == "delete"):
        _decide_delete(flow, m)
        return
    if link is None:
        creates = flow.settings.create and not flow.settings.match_only
        if not (creates and flow.capabilities.creates) or not record.active:
            m.outcome = "unchanged"
            return
        m.op = "create"
        values = flow.project(record.values)
        m.sent = {k: v for k, v in values.items() if k in flow.out_fields and v is not None}
        return
    if link.state != "active":
        m.outcome = "unchanged"  # gone there: a later full read or a steward decides
        return
    m.sent = _difference(flow, record, link, frozen)
    if m.sent and flow.capabilities.updates:
        m.op = "update"
    else:
        m.outcome = "unchanged"


def _decide_delete(flow: Flow, m: Mark) -> None:
    alive = m.link is not None and m.link.state == "active"
    if alive and flow.settings.deletes.outbound == "delete" and flow.capabilities.deletes:
        m.op = "delete"
    else:
        m.outcome = "unchanged"


def _difference(flow: Flow, record: Record, link: Link, frozen: frozenset[str]) -> dict[str, Any]:
    shadow, equal = link.shadow or {}, flow.mapping.equal
    out = {}
    for name, value in flow.project(record.values).items():
        if name not in flow.out_fields or name in frozen:
            continue
        if equal(name, value, shadow.get(name)):
            continue
        if name in link.sent and equal(name, value, link.sent[name]):
            continue  # they hold our value in their own spelling
        out[name] = value
    return out


def _refer(env: Env, work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
    """Hold back the marks whose references have no row there yet, and ask for those rows first."""
    wanted: set[tuple[int, str]] = set()
    uses: list[tuple[Mark, Ref, int, str]] = []
    for m in marks:
        for ref in flow.mapping.refs:
            source_id = None if ref.by else env.source_of(flow, ref)
            for container, key in walk(m.sent, ref.path):
                if source_id is not None and container[key]:
                    uses.append((m, ref, source_id, container[key]))
                    wanted.add((source_id, container[key]))
                elif not ref.by and container[key]:
                    _unreachable(m, ref, container[key])
    known = keys_of_records(work.connection, work.store, wanted)
    asked: list[tuple[str, str, int]] = []
    for m, ref, source_id, record_id in uses:
        if (source_id, record_id) in known:
            continue
        writers = [f for f in env.flows.values() if f.source_id == source_id and f.settings.writes]
        if not writers:
            _unreachable(m, ref, record_id)
            continue
        m.waits_for = record_id
        asked += [(other.name, record_id, 0) for other in writers]
    _ask(work, asked)


def _unreachable(m: Mark, ref: Ref, record_id: str) -> None:
    m.outcome = "rejected"
    m.problem = Problem(
        "unknown-reference",
        "the {entity} {value!r} has no row in this system, and no flow creates one",
        field=".".join(ref.path),
        value=record_id,
        values={"entity": ref.entity},
        hint="Add a flow that writes it there, or link it by hand.",
    )


def _ask(work: Work, asked: Iterable[tuple[str, str, int]]) -> None:
    """Mark referred records that are not marked yet; those that are keep their place."""
    outbox = work.store.metadata.tables["outbox"]
    for flow, record_id, _ in sorted(set(asked)):
        there = select(outbox.c.flow).where(outbox.c.flow == flow, outbox.c.record_id == record_id)
        if work.connection.execute(there).first() is None:
            journal.mark(work, [(flow, record_id, 0)])


def _compose(work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
    """Canonical values → remote columns; a change of no column needs no call."""
    keys = work.ids.batch(len(marks))
    external = _external(work, flow, marks)
    for m, new_key in zip(marks, keys, strict=True):
        link, key = m.link, m.reuse or new_key
        remote_id = link.external_id if link else ""
        old = decode(link.row) if link else {}
        if m.op == "delete":
            version = link.external_version if link else None
            m.change = Change(key, "delete", {}, remote_id, version, old)
            continue
        values = _with_keys(flow, m.sent, external)
        try:
            columns = flow.mapping.put(values, old or None, fields=set(m.sent))
        except ValueError as e:
            m.problem = Problem("unwritable", str(e).replace("{", "{{").replace("}", "}}"))
            m.outcome = "rejected"
            continue
        if m.op == "update" and not columns:
            m.outcome = "unchanged"
            _remember_sent(work, m)
            continue
        if m.op == "update" and not flow.capabilities.patches:
            columns = {**old, **columns}
        m.change = Change(
            key,
            "create" if m.op == "create" else "update",
            columns,
            remote_id,
            link.external_version if link else None,
            old,
        )


def _external(work: Work, flow: Flow, marks: Sequence[Mark]) -> Mapping[str, str]:
    """record id → what the system calls it, for all references of these marks."""
    wanted: set[str] = set()
    coded: dict[tuple[str, str], set[str]] = {}
    for m in marks:
        for ref in flow.mapping.refs:
            for container, key in walk(m.sent, ref.path):
                if not container[key]:
                    continue
                if ref.by:
                    coded.setdefault((ref.entity, ref.by), set()).add(container[key])
                else:
                    wanted.add(container[key])
    found = _keys_in_connection(work, flow, wanted)
    for (entity, by), ids in coded.items():
        declared = work.store.entities[entity]
        for record in records.load(work.connection, work.store, declared.stored, ids).values():
            found[record.id] = str(record.values.get(declared.column(by), ""))
    return found


def _keys_in_connection(work: Work, flow: Flow, ids: Collection[str]) -> dict[str, str]:
    sources = {f.source_id for f in work.flows if f.connection == flow.connection}
    wanted = [(source_id, i) for source_id in sources for i in ids]
    found = keys_of_records(work.connection, work.store, wanted)
    return {record_id: external_id for (_, record_id), external_id in found.items()}


def _with_keys(flow: Flow, sent: Mapping[str, Any], external: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the values with references as external ids."""
    if not flow.mapping.refs:
        return dict(sent)
    values: dict[str, Any] = load(dump(sent))
    for ref in flow.mapping.refs:
        for container, key in walk(values, ref.path):
            if container[key]:
                container[key] = external.get(container[key])
    return values


def _remember_sent(work: Work, m: Mark) -> None:
    """The system cannot hold the difference: note it, so that it is not tried again and again."""
    assert m.link is not None
    table = work.store.metadata.tables["link"]
    work.connection.execute(
        update(table).where(table.c.id == m.link.id).values(sent=dump({**m.link.sent, **m.sent}))
    )


def _open_intents(work: Work, flow: Flow, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
    table = work.store.metadata.tables["intent"]
    found: dict[str, Mapping[str, Any]] = {}
    for some in records.chunks(sorted(ids)):
        query = select(table).where(
            table.c.source_id == flow.source_id,
            table.c.state == "open",
            table.c.record_id.in_(some),
        )
        for row in work.connection.execute(query):
            found[row.record_id] = row._asdict()
    return found


def _save_intents(work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
    rows = []
    for m in marks:
        assert m.change is not None
        rows.append(
            (
                m.change.key,
                flow.name,
                flow.source_id,
                m.record_id,
                m.version,
                m.op,
                m.change.remote_id,
                dump(m.sent),
                work.at,
                "open",
                work.run_id,
            )
        )
    bulk.insert(work.connection, work.store.metadata.tables["intent"], INTENT, rows)


# ------------------------------------------------------------------------------------------ send


def send(env: Env, flow: Flow, connector: Connector, marks: Sequence[Mark]) -> None:
    """Write what has a change, look for what has an open intent; fill `result` and `stored`.

    A mark left without a result has an unknown outcome: its intent stays open.  Errors that stop
    the whole batch are raised after the results so far are kept.
    """
    looked = [m for m in marks if m.intent is not None]
    fresh = [m for m in marks if m.change is not None]
    if looked:
        _look(flow, connector, looked)
    if fresh:
        _write(flow, connector, fresh)
        env.fault("push:written")
        _read_back(flow, connector, fresh)


def _write(flow: Flow, connector: Connector, marks: Sequence[Mark]) -> None:
    by_key = {m.key: m for m in marks}
    changes = [m.change for m in marks if m.change is not None]
    try:
        for result in connector.write(flow.stream, changes):
            if result.key in by_key:
                by_key[result.key].result = result
    except RejectedError as e:
        rest = [m for m in marks if m.result is None]
        if len(rest) == 1:
            rest[0].result = WriteResult.rejected(rest[0].key, code=e.code, message=str(e))
            return
        half = len(rest) // 2
        _write(flow, connector, rest[:half])
        _write(flow, connector, rest[half:])


def _read_back(flow: Flow, connector: Connector, marks: Sequence[Mark]) -> None:
    """What the system stored, where its answer did not say; and what made it refuse a stale write."""
    need = [m for m in marks if m.result and m.result.outcome in ("applied", "conflict")]
    missing: dict[str, Mark] = {}
    for m in need:
        assert m.result is not None and m.change is not None
        m.stored = m.result.row
        if m.stored is None and m.op != "delete":
            missing[m.result.remote_id or m.change.remote_id] = m
    if not missing:
        return
    for row in connector.fetch(flow.stream, list(missing)):
        m_ = missing.get(flow.mapping.external_id(row))
        if m_ is not None:
            m_.stored = row


def _look(flow: Flow, connector: Connector, marks: Sequence[Mark]) -> None:
    """Settle unknown outcomes by looking: never by sending again."""
    updates = {
        str(m.intent["external_id"]): m for m in marks if m.intent and m.intent["external_id"]
    }
    if updates:
        for row in connector.fetch(flow.stream, list(updates)):
            found = updates.get(flow.mapping.external_id(row))
            if found is not None:
                found.stored = row
        for m in updates.values():
            m.outcome = "looked" if m.stored is not None else "gone"
    for m in marks:
        if m.intent and not m.intent["external_id"]:
            _look_for_create(flow, connector, m)


def _look_for_create(flow: Flow, connector: Connector, m: Mark) -> None:
    assert m.intent is not None
    keys = _search_keys(flow, load(str(m.intent["sent"])))
    if not keys or not flow.capabilities.fetch_by_columns:
        m.outcome = "unknown"
        return
    for key in keys:
        rows = list(connector.fetch(flow.stream, [key]))
        if len(rows) == 1:
            m.stored, m.outcome = rows[0], "looked"
            return
        if len(rows) > 1:
            m.outcome = "unknown"
            return
    m.outcome = "resend"


def _search_keys(flow: Flow, sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Column values that would identify the row, from the mapping's key and match rules."""
    mapping, keys = flow.mapping, []
    refs = {ref.path[0] for ref in mapping.refs}
    rules: list[tuple[str, ...]] = [(flow.entity.code,), *(mapping.match or flow.entity.match)]
    for rule in rules:
        values = {name: sent.get(name) for name in rule if name not in refs}
        if len(values) < len(rule) or any(v in (None, "") for v in values.values()):
            continue
        columns = mapping.put(values, None, fields=set(rule))
        flat = {k: v for k, v in columns.items() if not isinstance(v, list | dict)}
        if flat and len(flat) >= len(rule):
            keys.append(flat)
    return keys


# ---------------------------------------------------------------------------------------- settle


def settle(env: Env, work: Work, flow: Flow, run: Run, marks: Sequence[Mark]) -> Taken:
    """Record the outcomes: links and shadows as the system stored them, marks cleared or kept."""
    taken = Taken()
    for m in marks:
        if m.result is not None:
            unread = m.result.outcome == "applied" and m.stored is None and m.op != "delete"
            m.outcome = "unread" if unread else m.result.outcome
        elif m.change is not None:
            m.outcome = "lost"
    made = [m for m in marks if m.outcome in ("applied", "looked", "unread") and m.op != "delete"]
    _link_created(work, flow, made)
    _take_stored(env, work, flow, run, [m for m in made if m.outcome != "unread"], taken)
    _close_intents(work, flow, marks)
    stale = [m for m in marks if m.outcome == "conflict"]
    _take_stored(env, work, flow, run, stale, taken)
    _save_versions(work, stale)
    _finish(work, flow, run, marks)
    return taken


def _save_versions(work: Work, marks: Sequence[Mark]) -> None:
    """What the system says its version is now: the next write is made against it."""
    table = work.store.metadata.tables["link"]
    for m in marks:
        if m.link is not None and m.result is not None:
            work.connection.execute(
                update(table)
                .where(table.c.id == m.link.id)
                .values(external_version=m.result.version)
            )


def _link_created(work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
    """A link for every row we made or found; a row that has one already belongs to that record."""
    new = [m for m in marks if m.link is None]
    if not new:
        return
    ids = {m.record_id: _remote_id(flow, m) for m in new}
    there = links_of_rows(work.connection, work.store, flow.source_id, set(ids.values()))
    rows, proposals = [], []
    for m in new:
        external_id = ids[m.record_id]
        if external_id in there or not external_id:
            m.outcome = "unknown"
            continue
        assert m.record is not None
        rows.append(
            (
                flow.source_id,
                external_id,
                "",
                flow.entity.name,
                m.record_id,
                "active",
                flow.mapping.version,
                m.result.version if m.result else None,
                work.at,
            )
        )
        proposals.append(
            Proposal(
                m.record,
                flow.entity,
                op="link",
                flow=flow,
                source_id=flow.source_id,
                external_id=external_id,
            )
        )
    columns = (
        "source_id", "external_id", "part", "entity", "record_id", "state", "mapping_version",
        "external_version", "last_out_at",
    )  # fmt: skip
    bulk.insert(work.connection, work.store.metadata.tables["link"], columns, rows)
    journal.apply(work, proposals)
    journal.wake(work, [m.record_id for m in new if m.outcome != "unknown"])


def _remote_id(flow: Flow, m: Mark) -> str:
    if m.result is not None and m.result.remote_id:
        return m.result.remote_id
    return flow.mapping.external_id(m.stored) if m.stored is not None else ""


def _take_stored(
    env: Env, work: Work, flow: Flow, run: Run, marks: Sequence[Mark], taken: Taken
) -> None:
    """Read back: the stored row becomes the shadow; a real difference is an ordinary remote change.

    The intent is still open here, so our own values are recognised, in their spelling too.
    """
    with_row = [m for m in marks if m.stored is not None and m.outcome != "unknown"]
    if not with_row:
        return
    rows = prepare(flow, [m.stored for m in with_row if m.stored is not None])
    if flow.settings.reads:
        counts = Run(
            run.id, run.flow, run.state, run.phase, False, None, run.started_at, type(run.counts)()
        )
        for incoming, m in zip(rows, with_row, strict=True):
            incoming.version = m.result.version if m.result else None
            incoming.parked_id = m.record_id
        woken = take(env, work, flow, counts, rows)
        taken.woken += woken.woken
    else:
        _keep_shadow(work, flow, with_row, rows)


def _keep_shadow(work: Work, flow: Flow, marks: Sequence[Mark], rows: Sequence[Incoming]) -> None:
    """For a flow that only writes: the shadow is what we sent, whatever they made of it."""
    links = links_of_records(
        work.connection, work.store, flow.source_id, {m.record_id for m in marks}
    )
    for m, incoming in zip(marks, rows, strict=True):
        link = links[m.record_id]
        _update_link(work, link, flow, m, {**(link.shadow or {}), **_sent(m)}, incoming.text)


def _sent(m: Mark) -> dict[str, Any]:
    if m.intent is not None:
        return dict(load(str(m.intent["sent"])))
    return m.sent


def _update_link(
    work: Work, link: Link, flow: Flow, m: Mark, shadow: Mapping[str, Any], text: str | None
) -> None:
    table = work.store.metadata.tables["link"]
    work.connection.execute(
        update(table)
        .where(table.c.id == link.id)
        .values(
            shadow=dump(shadow),
            row=text,
            row_hash=fingerprint(text) if text else None,
            mapping_version=flow.mapping.version,
            external_version=m.result.version if m.result else link.external_version,
            last_out_at=work.at,
        )
    )


def _close_intents(work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
    table = work.store.metadata.tables["intent"]
    states: dict[str, list[str]] = {}
    for m in marks:
        state = {
            "applied": "done",
            "looked": "adopted",
            "rejected": "rejected",
            "gone": "failed",
            "conflict": "failed",
            "resend": "unknown-resolved",
        }.get(m.outcome)
        if m.outcome == "resend" and not _may_resend(work, flow, m):
            m.outcome = "lost"
            continue
        id_ = str(m.intent["id"]) if m.intent is not None else m.key
        if m.outcome == "unread" and m.result is not None:
            work.connection.execute(
                update(table).where(table.c.id == id_).values(external_id=m.result.remote_id)
            )
        if state:
            states.setdefault(state, []).append(id_)
    for state, ids in states.items():
        for some in records.chunks(ids):
            work.connection.execute(
                update(table).where(table.c.id.in_(some)).values(state=state, settled_at=work.at)
            )


def _may_resend(work: Work, flow: Flow, m: Mark) -> bool:
    """A create that nobody can see may still be on its way, as long as the connector says."""
    assert m.intent is not None
    sent_at = datetime.fromisoformat(str(m.intent["at"]))
    return sent_at + flow.capabilities.settle <= work.moment


# ---------------------------------------------------------------------------------------- finish

_COUNTED = {
    "applied": "",
    "unchanged": "unchanged",
    "rejected": "rejected",
    "unknown": "rejected",
    "gone": "deleted",
}


def _finish(work: Work, flow: Flow, run: Run, marks: Sequence[Mark]) -> None:
    """Clear the marks that are done, if the record is still at the version that was sent."""
    outbox = work.store.metadata.tables["outbox"]
    done: list[Mark] = []
    parked: list[Parked] = []
    for m in marks:
        _count(run, m)
        if m.waits_for:
            _delay(work, flow, m, state="waiting")
        elif m.outcome in ("applied", "unchanged"):
            if m.op == "delete":
                _ghost(work, flow, m)
            done.append(m)
        elif m.outcome == "gone":
            _ghost(work, flow, m)
            done.append(m)
        elif m.outcome in ("conflict", "resend", "looked"):
            _delay(work, flow, m, state="due", later=m.attempts > 2)
        elif m.outcome in ("rejected", "unknown"):
            parked.append(_refusal(m))
            _delay(work, flow, m, state="parked")
        else:
            _delay(work, flow, m, state="due", later=True)
    if done:
        work.connection.execute(
            delete(outbox).where(
                outbox.c.flow == flow.name,
                outbox.c.record_id == bindparam("record"),
                outbox.c.version == bindparam("sent_version"),
            ),
            [{"record": m.record_id, "sent_version": m.version} for m in done],
        )
    _unpark(work, flow, [m.record_id for m in done])
    quarantine.park(work, flow, parked)


def _count(run: Run, m: Mark) -> None:
    name = _COUNTED.get(m.outcome, "retry")
    if m.waits_for:
        name = "waiting"
    elif m.outcome == "applied":
        name = {"create": "created", "update": "updated", "delete": "deleted"}[m.op or "update"]
    run.counts.written[name] += 1


def _delay(work: Work, flow: Flow, m: Mark, *, state: str, later: bool = False) -> None:
    outbox = work.store.metadata.tables["outbox"]
    wait = timedelta(seconds=min(2.0 * 2**m.attempts, 3600)) if later else timedelta(0)
    work.connection.execute(
        update(outbox)
        .where(
            outbox.c.flow == flow.name,
            outbox.c.record_id == m.record_id,
            outbox.c.version == m.version,
        )
        .values(
            state=state,
            due_at=stamp(work.moment + wait),
            attempts=m.attempts + (1 if later else 0),
            waits_for=m.waits_for,
        )
    )


def _refusal(m: Mark) -> Parked:
    if m.problem is not None:
        problem = m.problem
    elif m.outcome == "unknown":
        problem = Problem(
            "unknown-outcome",
            "it cannot be told whether the system made this record",
            hint="Look there; if it exists, link it, else replay this entry.",
        )
    else:
        assert m.result is not None
        problem = Problem(
            f"remote:{m.result.code}",
            "the system refused it: {words}",
            field=m.result.column or "",
            values={"words": m.result.message},
            hint="Correct the value, then replay.",
        )
    name = m.link.external_id if m.link else ""
    sent = encode(m.change.values) if m.change is not None else dump(_sent(m))
    return Parked(
        name, [problem], row=sent, direction="out", record_id=m.record_id, place=m.op or "update"
    )


def _unpark(work: Work, flow: Flow, record_ids: Collection[str]) -> None:
    table = work.store.metadata.tables["parked"]
    for some in records.chunks(sorted(record_ids)):
        work.connection.execute(
            update(table)
            .where(
                table.c.flow == flow.name,
                table.c.direction == "out",
                table.c.state == "open",
                table.c.record_id.in_(some),
            )
            .values(state="resolved", last_at=work.at)
        )


def _ghost(work: Work, flow: Flow, m: Mark) -> None:
    if m.link is None:
        return
    table = work.store.metadata.tables["link"]
    work.connection.execute(update(table).where(table.c.id == m.link.id).values(state="ghost"))
