"""Why a flow does not move, and why a system does not hold a record as the hub does.

Each reason is a `Problem`: what stands in the way, and what a person can do.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, select

from hub.errors import Problem
from hub.store.records import Record
from hub.store.tables import stamp
from hub.store.types import load
from hub.sync.compose import difference
from hub.sync.flow import Env, Flow
from hub.sync.links import Link
from hub.sync.merge import covers
from hub.sync.rows import decode


def of_flow(env: Env, connection: Connection, flow: Flow) -> list[Problem]:
    """What keeps the flow as a whole from moving; nothing if it moves."""
    tables, now = env.store.metadata.tables, stamp(env.clock.now())
    state = connection.execute(
        select(tables["flow_state"]).where(tables["flow_state"].c.flow == flow.name)
    ).first()
    out = []
    if state is None:
        out.append(_why("never-run", NEVER_RUN, RUN_IT, flow=flow.name))
    elif state.state == "paused":
        paused = orjson.loads(state.paused) if state.paused else {}
        out.append(_why("paused", PAUSED, RESUME, flow=flow.name, since=paused.get("at", "?")))
        if paused.get("message"):
            hint, values = paused.get("hint", ""), paused.get("values") or {}
            out.append(Problem(paused["code"], paused["message"], hint=hint, values=values))
    elif state.retry_at and state.retry_at > now:
        out.append(
            _why(
                "retry-later",
                LATER,
                RUN_IT,
                flow=flow.name,
                at=state.retry_at,
                attempts=state.attempts,
            )
        )
    breaker = tables["connection_state"]
    gate = connection.execute(
        select(breaker).where(breaker.c.connection == flow.connection)
    ).first()
    if gate is not None and gate.open_until and gate.open_until > now:
        out.append(
            _why(
                "breaker",
                BREAKER,
                CHECK,
                connection=flow.connection,
                count=gate.failures,
                until=gate.open_until,
            )
        )
    return out


def of_record(
    env: Env, connection: Connection, flow: Flow, record: Record, row: Any | None
) -> list[Problem]:
    """Why the system does not hold the record as it is; `row`: its link there.  Nothing: it does."""
    about = {"flow": flow.name, "connection": flow.connection}
    ends = _ends(flow, record, row, about)
    if ends:
        return ends
    waiting = _pending(env, connection, flow, record, about)
    if row is None:
        return waiting or [_why("unmarked", UNMARKED, VERIFY, **about)]
    names = differing(flow, record, row)
    if not names:
        return []
    if not flow.settings.writes:
        return [_why("only-read", ONLY_READ, SET_BOTH, fields=", ".join(names), **about)]
    if not flow.capabilities.updates:
        return [_why("no-updates", NO_UPDATES, BY_HAND, **about)]
    conflicts = _conflicts(env, connection, flow, record)
    conflicts += _row_aside(env, connection, flow, row)
    out = waiting or ([] if conflicts else [_why("unmarked", UNMARKED, VERIFY, **about)])
    return [*conflicts, *out]


def differing(
    flow: Flow, record: Record, row: Any, frozen: frozenset[str] = frozenset()
) -> list[str]:
    """The mapped fields in which the system was last seen to hold something else.

    A field of which its columns can hold no more than they do is no difference.
    """
    link = Link(row.id, row.external_id, row.record_id, row.state, None, None, None, None, None)
    link.shadow, link.sent = load(row.shadow) or {}, load(row.sent) or {}
    references, old = {ref.path[0] for ref in flow.mapping.refs}, decode(row.row)
    found = []
    for name, value in difference(flow, record, link, frozen).items():
        if name in references:
            differs = not covers(value, link.shadow.get(name))
        else:
            differs = _changes_columns(flow, name, value, old)
        if differs:
            found.append(name)
    return sorted(found)


def _changes_columns(flow: Flow, name: str, value: Any, old: Mapping[str, Any]) -> bool:
    try:
        return bool(flow.mapping.put({name: value}, dict(old) or None, fields={name}))
    except ValueError:
        return True  # it cannot be written: its mark will say so


def _ends(flow: Flow, record: Record, row: Any | None, about: Mapping[str, Any]) -> list[Problem]:
    """What will not change by waiting."""
    if record.merged_into:
        return [_why("merged", MERGED, SHOW_IT, into=record.merged_into, **about)]
    if flow.entity.role and flow.entity.role not in record.values.get("roles", ()):
        return [_why("no-role", NO_ROLE, GIVE_ROLE, role=flow.entity.role, **about)]
    if row is not None and row.state != "active":
        text, hint = STATES.get(row.state, (OTHER_STATE, SHOW_IT))
        return [
            _why(
                f"link-{row.state}",
                text,
                hint,
                external_id=row.external_id,
                state=row.state,
                **about,
            )
        ]
    if row is None and not flow.settings.writes:
        return [_why("only-read", ONLY_IN, SET_BOTH, **about)]
    if row is None and record.deleted_at:
        return [_why("deleted", DELETED, HISTORY, at=record.deleted_at, **about)]
    if row is None and not record.active:
        return [_why("archived", ARCHIVED, HISTORY, **about)]
    if row is None and (not flow.settings.create or flow.settings.match_only):
        return [_why("no-create", NO_CREATE, ALLOW_CREATE, **about)]
    if row is None and not flow.capabilities.creates:
        return [_why("no-creates", NO_CREATES, BY_HAND, **about)]
    return []


def _pending(
    env: Env, connection: Connection, flow: Flow, record: Record, about: Mapping[str, Any]
) -> list[Problem]:
    """What the record's mark and its open write say."""
    tables = env.store.metadata.tables
    outbox, intent = tables["outbox"], tables["intent"]
    mark = connection.execute(
        select(outbox).where(outbox.c.flow == flow.name, outbox.c.record_id == record.id)
    ).first()
    open_ = connection.execute(
        select(intent).where(
            intent.c.source_id == flow.source_id,
            intent.c.record_id == record.id,
            intent.c.state == "open",
        )
    ).first()
    out = []
    if open_ is not None:
        out.append(
            _why("unknown-outcome", UNKNOWN_OUTCOME, LOOKS, op=open_.op, at=open_.at, **about)
        )
    if mark is None:
        return out
    if mark.state == "waiting":
        out.append(_why("waiting", WAITING, WAITS_HINT, waits_for=mark.waits_for or "?", **about))
    elif mark.state == "parked":
        out += _refused(connection, tables["parked"], flow, record, about)
    elif mark.attempts:
        out.append(_why("tried", TRIED, RUN_IT, attempts=mark.attempts, at=mark.due_at, **about))
    else:
        out.append(_why("due", DUE, RUN_IT, at=mark.due_at, **about))
    return out


def _refused(
    connection: Connection, parked: Any, flow: Flow, record: Record, about: Mapping[str, Any]
) -> list[Problem]:
    query = select(parked).where(
        parked.c.flow == flow.name,
        parked.c.record_id == record.id,
        parked.c.direction == "out",
        parked.c.state.in_(("open", "dismissed")),
    )
    rows = connection.execute(query.order_by(parked.c.since)).all()
    if not rows:
        return [_why("parked", PARKED, VERIFY, **about)]
    last = rows[-1]
    if last.state == "dismissed":
        by, why = last.decided_by or "?", last.reason or "?"
        return [_why("dismissed", DISMISSED, REPLAY, by=by, why=why, entry=last.id, **about)]
    return problems_of(last)


def problems_of(row: Any) -> list[Problem]:
    """The reasons of an entry in quarantine, each with how to try again where it says nothing else."""
    stored = [Problem.from_json(p) for p in orjson.loads(row.problems)]
    return [
        Problem(
            p.code, p.message, p.field, p.value, p.hint or SHOW_ENTRY, {**p.values, "entry": row.id}
        )
        for p in stored
    ]


def _row_aside(env: Env, connection: Connection, flow: Flow, row: Any) -> list[Problem]:
    """What the system holds was refused on its way in: until that is mended nothing is compared."""
    parked = env.store.metadata.tables["parked"]
    query = select(parked).where(
        parked.c.flow == flow.name,
        parked.c.external_id == row.external_id,
        parked.c.direction == "in",
        parked.c.state == "open",
    )
    return [p for entry in connection.execute(query) for p in problems_of(entry)]


def _conflicts(env: Env, connection: Connection, flow: Flow, record: Record) -> list[Problem]:
    conflict = env.store.metadata.tables["conflict"]
    query = select(conflict).where(
        conflict.c.state == "open",
        conflict.c.record_id == record.id,
        conflict.c.source_id == flow.source_id,
    )
    return [conflict_of(row, flow) for row in connection.execute(query)]


def conflict_of(row: Any, flow: Flow) -> Problem:
    return _why(
        "conflict",
        CONFLICT,
        RESOLVE,
        field=row.field,
        conflict=row.id,
        connection=flow.connection,
        at=row.at,
    )


def _why(code: str, template: str, hint: str, **values: Any) -> Problem:
    return Problem(code, template, hint=hint, values=values)


NEVER_RUN = "flow {flow!r} has never run"
RUN_IT = "Run it: hub sync {flow}"
PAUSED = "flow {flow!r} is paused since {since}"
RESUME = "When that is mended: hub flows resume {flow}"
LATER = "flow {flow!r} failed {attempts} times and is tried again at {at}"
BREAKER = "connection {connection!r} failed {count} times in a row and is left alone until {until}"
CHECK = "See what is wrong: hub connections check {connection}"
MERGED = "the record was merged into {into}: that one goes to {connection}"
SHOW_IT = "See it: hub show ENTITY KEY"
NO_ROLE = "the record is no {role}, and {flow} brings only those to {connection}"
GIVE_ROLE = "It becomes one when a row of a flow for that role is linked to it."
ONLY_READ = "flow {flow!r} only reads; {connection} keeps its own {fields}"
ONLY_IN = "flow {flow!r} only reads from {connection}: it brings nothing there"
SET_BOTH = "Set its direction to both or out, if the hub shall write there."
DELETED = "the record was deleted on {at}"
ARCHIVED = "the record is archived: no row is made for it in {connection}"
HISTORY = "See why: hub history ENTITY KEY"
NO_CREATE = "flow {flow!r} makes no rows in {connection}: it only updates those that are linked"
ALLOW_CREATE = "Set create: true (and match_only: false) in the flow, if it shall."
NO_CREATES = "{connection} takes no new rows"
NO_UPDATES = "{connection} takes no updates"
BY_HAND = "Enter it there by hand; the next read links or takes it."
UNKNOWN_OUTCOME = "whether the {op} sent to {connection} on {at} arrived is not known"
LOOKS = "The next run looks before it writes: hub sync {flow}"
WAITING = "it refers to record {waits_for}, which has no row in {connection} yet"
WAITS_HINT = "See why that one is not there: hub why-not {connection} --record ENTITY {waits_for}"
PARKED = "{connection} refused it, and the reason is lost"
VERIFY = "Mark it again: hub verify --repair --yes"
DISMISSED = "{by} dismissed it: {why}"
REPLAY = "Try it all the same: hub quarantine replay {entry}"
TRIED = "it was tried {attempts} times and is tried again at {at}"
DUE = "it is on its way: due since {at}"
UNMARKED = "nothing is on its way to {connection}"
SHOW_ENTRY = "See it: hub quarantine show {entry}"
CONFLICT = "{field} waits for a decision since {at}: the hub and {connection} both changed it"
RESOLVE = "Decide it: hub conflicts resolve {conflict} ours|theirs"
OTHER_STATE = "row {external_id!r} in {connection} is {state}"
GONE = "row {external_id!r} is gone from {connection}"
GONE_HINT = "If it is there, a full read finds it again: hub sync {flow} --full"
IGNORED = "row {external_id!r} of {connection} is left out: an undo took it out"
IGNORED_HINT = "Take that undo back: hub runs, then hub undo RUN"
SECOND = "row {external_id!r} of {connection} belongs to a record that was merged away"
STATES = {
    "ghost": (GONE, GONE_HINT),
    "ignored": (IGNORED, IGNORED_HINT),
    "merged": (SECOND, SHOW_IT),
}
