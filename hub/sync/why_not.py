"""Why a row did not arrive, and why a record did not go out: always an answer to act on."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, select

from hub.connector import Connector
from hub.entity import Entity
from hub.errors import HubError, NotFoundError, Problem
from hub.settings import FlowSettings
from hub.store import records
from hub.sync import standing
from hub.sync.flow import Env, Flow
from hub.sync.links import links_of_rows
from hub.sync.listing import called
from hub.sync.match import match
from hub.sync.redirects import live_ids
from hub.sync.remote import Remote
from hub.sync.rows import encode, fingerprint
from hub.sync.steward.record import find_id

Opener = Callable[[str], AbstractContextManager[Connector]]


def why_not_row(
    env: Env,
    declared: Mapping[str, FlowSettings],
    connection: str,
    row: str,
    *,
    look: Opener | None = None,
) -> dict[str, Any]:
    """For every flow that reads from the connection: where the row with this key is, and why.

    *look*: the system is asked for the row, too.
    """
    flows = _flows(env, declared, connection)
    out = []
    for name, flow in flows.items():
        settings = flow.settings if flow else declared[name]
        if not settings.reads:
            reasons = [_why("only-written", ONLY_WRITTEN, SET_DIRECTION, flow=name)]
        elif flow is None:
            reasons = [_why("disabled", DISABLED, ENABLE, flow=name)]
        else:
            reasons = _row(env, flow, row, look)
        out.append(_flow_json(name, flow, reasons))
    return {"connection": connection, "row": row, "flows": out}


def why_not_record(
    env: Env, declared: Mapping[str, FlowSettings], connection: str, entity: Entity, key: str
) -> dict[str, Any]:
    """For every flow of the connection that could bring the record there: what it waits for."""
    flows = _flows(env, declared, connection)
    with env.store.read() as reading:
        asked = find_id(env, reading, entity, key)
        live = live_ids(reading, env.store, entity.stored, [asked])[asked]
        record = records.load(reading, env.store, entity.stored, [live])[live]
        link = env.store.metadata.tables["link"]
        out = []
        for name, flow in flows.items():
            if flow is None:
                out.append(_flow_json(name, None, [_why("disabled", DISABLED, ENABLE, flow=name)]))
                continue
            if flow.stored != entity.stored:
                continue
            query = select(link).where(
                link.c.source_id == flow.source_id, link.c.record_id == live, link.c.part == ""
            )
            row = reading.execute(query).first()
            reasons = standing.of_record(env, reading, flow, record, row)
            if reasons:
                reasons += standing.of_flow(env, reading, flow)
            else:
                assert row is not None
                reasons = [_is_there(flow, row)]
            out.append(_flow_json(name, flow, reasons))
        known = called(env.store, record)
    if not out:
        reasons = [_why("no-flow", NO_FLOW, ADD_FLOW, connection=connection, entity=entity.name)]
        out.append(_flow_json("", None, reasons))
    return {
        "connection": connection,
        "entity": entity.name,
        "id": live,
        "record": known,
        "flows": out,
    }


def _flows(
    env: Env, declared: Mapping[str, FlowSettings], connection: str
) -> dict[str, Flow | None]:
    """The connection's flows by name; None: it is not enabled."""
    names = [n for n, s in declared.items() if s.connection == connection]
    names += [n for n, f in env.flows.items() if f.connection == connection and n not in names]
    if not names:
        known = sorted(
            {s.connection for s in declared.values()} | {f.connection for f in env.flows.values()}
        )
        raise NotFoundError(
            "no flow uses a connection {name!r}",
            name=connection,
            hint="There are: {known}.",
            known=", ".join(known) or "—",
        )
    return {n: env.flows.get(n) for n in names}


def _flow_json(name: str, flow: Flow | None, reasons: Sequence[Problem]) -> dict[str, Any]:
    return {
        "flow": name,
        "stream": flow.stream.name if flow else "",
        "reasons": [{"hint": "", **r.to_json()} for r in reasons],
    }


# ------------------------------------------------------------------------------------- one row


def _row(env: Env, flow: Flow, row: str, look: Opener | None) -> list[Problem]:
    with env.store.read() as connection:
        link = links_of_rows(connection, env.store, flow.source_id, [row]).get(row)
        reasons = _linked(env, connection, flow, link) if link else []
        arrived = bool(reasons) and reasons[0].code == "arrived"
        if not arrived:
            reasons += _set_aside(env, connection, flow, row)
        reasons += _open_conflicts(env, connection, flow, row)
        stopped = standing.of_flow(env, connection, flow)
    if look is not None:
        seen = _look(env, flow, row, link, look)
        return [*reasons, *seen, *stopped]
    if not reasons:
        reasons.append(_never(env, flow, row))
    return reasons + ([] if arrived else stopped)


def _linked(env: Env, connection: Connection, flow: Flow, link: Any) -> list[Problem]:
    found = records.load(connection, env.store, flow.stored, [link.record_id])
    record = found.get(link.record_id)
    if link.state != "active":
        text, hint = standing.STATES.get(link.state, (standing.OTHER_STATE, standing.SHOW_IT))
        values = {"external_id": link.external_id, "connection": flow.connection}
        return [_why(f"link-{link.state}", text, hint, flow=flow.name, state=link.state, **values)]
    if record is None:
        return [_why("link-to-nothing", LOST, VERIFY, id=link.record_id)]
    name = called(env.store, record)
    values = {"entity": flow.entity.name, "record": name, "at": link.last_in_at or "?"}
    if record.merged_into:
        return [_why("merged", MERGED, SHOW, into=record.merged_into, **values)]
    if record.deleted_at or not record.active:
        return [_why("arrived", ARCHIVED, HISTORY, **values)]
    return [_why("arrived", ARRIVED, EXPLAIN, **values)]


def _set_aside(env: Env, connection: Connection, flow: Flow, row: str) -> list[Problem]:
    parked = env.store.metadata.tables["parked"]
    query = select(parked).where(
        parked.c.flow == flow.name,
        parked.c.external_id == row,
        parked.c.direction == "in",
        parked.c.state.in_(("open", "dismissed")),
    )
    out: list[Problem] = []
    for entry in connection.execute(query.order_by(parked.c.since)):
        if entry.state == "dismissed":
            by, why = entry.decided_by or "?", entry.reason or "?"
            out.append(_why("dismissed", DISMISSED, REPLAY, by=by, why=why, entry=entry.id))
        else:
            out += standing.problems_of(entry)
    return out


def _open_conflicts(env: Env, connection: Connection, flow: Flow, row: str) -> list[Problem]:
    conflict = env.store.metadata.tables["conflict"]
    query = select(conflict).where(
        conflict.c.state == "open",
        conflict.c.source_id == flow.source_id,
        conflict.c.external_id == row,
    )
    return [standing.conflict_of(found, flow) for found in connection.execute(query)]


def _never(env: Env, flow: Flow, row: str) -> Problem:
    """No trace of the row: it was filtered, is new, changed before the first read, or is not there."""
    values = {"external_id": row, "flow": flow.name, "connection": flow.connection}
    where = ", ".join(f"{k} = {v}" for k, v in flow.mapping.where.items())
    hint = LOOK_FILTERED if where else LOOK
    return _why("never-read", NEVER_READ, hint, where=where, stream=flow.stream.name, **values)


# ---------------------------------------------------------------------------- a look at the system


def _look(env: Env, flow: Flow, row: str, link: Any, opened: Opener) -> list[Problem]:
    values = {"external_id": row, "flow": flow.name, "connection": flow.connection}
    gate = Remote(env, flow.connection, flow.capabilities.calls_per_minute)
    try:
        with opened(flow.connection) as connector:
            rows = gate.read(lambda: connector.fetch(flow.stream, [row]))
    except HubError as e:
        return [
            _why("no-look", NO_LOOK, CHECK, **values),
            Problem(e.code, e.template, hint=e.hint, values=_plain(e.values)),
        ]
    if not rows:
        return [_why("not-there", NOT_THERE, LOOK_THERE, stream=flow.stream.name, **values)]
    return _weigh(env, flow, rows[0], link, values)


def _weigh(
    env: Env, flow: Flow, row: Mapping[str, Any], link: Any, values: Mapping[str, Any]
) -> list[Problem]:
    """What the flow would make of the row as it is there now."""
    failed = [
        f"{k} = {row.get(k)}" for k, v in flow.mapping.where.items() if _differs(row.get(k), v)
    ]
    if failed:
        return [_why("filtered", FILTERED, CHANGE_WHERE, found=", ".join(failed), **values)]
    candidate = flow.mapping.get(row)
    if candidate.problems:
        return list(candidate.problems)
    if link is not None and link.row_hash == fingerprint(encode(row)):
        return [_why("unchanged", UNCHANGED, FULL, **values)]
    if link is None:
        with env.store.read() as connection:
            (hit,) = match(connection, env.store, flow, [candidate.values])
        if hit.candidates:
            shown = ", ".join(hit.candidates[:5])
            return [
                _why("ambiguous", AMBIGUOUS, MERGE, rule=", ".join(hit.rule), shown=shown, **values)
            ]
    at = candidate.modified_at
    return [_why("will-be-read", WILL_BE_READ, FULL, at=at or "?", **values)]


def _differs(found: Any, wanted: Any) -> bool:
    allowed = wanted if isinstance(wanted, list) else [wanted]
    return not any(found == one or str(found).casefold() == str(one).casefold() for one in allowed)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, str | int | float | bool) else str(v) for k, v in values.items()}


def _is_there(flow: Flow, row: Any) -> Problem:
    values = {
        "external_id": row.external_id,
        "connection": flow.connection,
        "at": row.last_out_at or row.last_in_at,
    }
    if row.sent:
        return _why("spelled", SPELLED, NOTHING_TO_DO, **values)
    return _why("there", THERE, NOTHING_TO_DO, **values)


def _why(code: str, template: str, hint: str, **values: Any) -> Problem:
    return Problem(code, template, hint=hint, values=values)


ONLY_WRITTEN = "flow {flow!r} only writes: it takes no rows from there"
SET_DIRECTION = "Set its direction to both or in, if the hub shall read there."
DISABLED = "flow {flow!r} is not enabled"
ENABLE = "Set enabled: true in it: hub config show says where."
NO_FLOW = "no flow brings a {entity} to {connection}"
ADD_FLOW = "Add one to config/hub.yaml; hub config docs says how."
ARRIVED = "it did arrive: it is {entity} {record}, last taken on {at}"
EXPLAIN = "Why a field is as it is: hub explain {entity} {record}"
ARCHIVED = "it did arrive, last on {at}, but {entity} {record} was archived or deleted since"
HISTORY = "See why: hub history {entity} {record}"
MERGED = "it did arrive, last on {at}, but {entity} {record} was merged into {into}"
SHOW = "See it: hub show {entity} {into}"
LOST = "it is linked to record {id}, which does not exist"
VERIFY = "Mend it: hub verify --repair --yes"
DISMISSED = "{by} dismissed it: {why}"
REPLAY = "Try it all the same: hub quarantine replay {entry}"
NEVER_READ = "flow {flow!r} has never met row {external_id!r} in {stream}"
LOOK = "Ask the system for it: hub why-not {connection} {external_id} --look"
LOOK_FILTERED = (
    "The flow only takes rows with {where}.  Ask the system: hub why-not {connection} {external_id}"
    " --look"
)
NO_LOOK = "{connection} could not be asked"
CHECK = "See what is wrong: hub connections check {connection}"
NOT_THERE = "{connection} has no row {external_id!r} in {stream}"
LOOK_THERE = "Check the key: it is the id in that system, not the code in the hub."
FILTERED = "the flow leaves it out: {found}"
CHANGE_WHERE = "Change the row there, or `where` in the mapping."
UNCHANGED = "it is as it was when it was last read: there is nothing to take"
FULL = "To take it all the same: hub sync {flow} --full"
AMBIGUOUS = "several records have the same {rule}: {shown}"
MERGE = "Merge them, or give the row a key that only one has."
WILL_BE_READ = "it is fine, changed there at {at}: the next read that reaches it takes it"
SPELLED = "it is there as row {external_id!r}, in the spelling of {connection}, since {at}"
THERE = "it is there as row {external_id!r}, as the hub has it, since {at}"
NOTHING_TO_DO = ""
