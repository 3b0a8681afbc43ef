"""Runs and flow states in the database: what is to be done, how far it is, and what stopped it."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    Connection,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    func,
    select,
    update,
)

from hub.errors import HubError
from hub.store.session import Store
from hub.store.tables import stamp
from hub.sync.flow import Counts, Env, Flow, Run, Work
from hub.sync.leases import LeaseLostError
from hub.sync.trial import refuse_broken_pins

LIVE = ("queued", "running")
APPLYING = "applying"
"""The state of a run that applies a plan: no worker takes it up."""
ORIGIN = "flow:{}"


def request(env: Env, flow: Flow, *, trigger: str, full: bool, reads: bool = True) -> str:
    """Ask for a run; a run of the flow that is still live is that run.  Returns its id.

    `reads` False: it only writes what is marked.
    """
    with env.work("request", "hub") as work:
        return request_in(env, work, flow, trigger=trigger, full=full, reads=reads)


def request_in(
    env: Env, work: Work, flow: Flow, *, trigger: str, full: bool, reads: bool = True
) -> str:
    """The same within a transaction."""
    run, connection = _table(env, "run"), work.connection
    state = _ensure_state(connection, env.store, flow)
    live = connection.execute(
        select(run.c.id, run.c.full_read, run.c.phase, run.c.trigger).where(
            run.c.flow == flow.name, run.c.state.in_(LIVE)
        )
    ).first()
    # A run that has done its reading makes room: what it has yet to write, the next one writes.
    reads_again = live and flow.settings.reads and live.phase != "pull" and live.trigger != "manual"
    if live is not None and (live.full_read or not full) and not reads_again:
        if trigger == "manual":  # a person waits for it, whoever asked first
            connection.execute(update(run).where(run.c.id == live.id).values(trigger=trigger))
        return str(live.id)
    if live is not None:
        _forget_seen(connection, env.store, live.id)
        connection.execute(
            update(run).where(run.c.id == live.id).values(state="superseded", finished_at=work.at)
        )
    complete = full or (not flow.stream.cursor_column)
    run_id = env.ids.new()
    connection.execute(
        run.insert().values(
            id=run_id,
            flow=flow.name,
            state="queued",
            phase="pull" if reads and flow.settings.reads else "push",
            full_read=complete and _has_links(connection, env.store, flow),
            cursor=None if complete else state["cursor"],
            trigger=trigger,
            requested_at=work.at,
            mapping_version=flow.mapping.version,
            counts=dump(Counts().to_json()),
        )
    )
    return run_id


def admit(env: Env, flow: Flow) -> None:
    """HubError if the flow's mapping may not run as it is: see `_admit`."""
    _admit(flow, flow_row(env, flow.name))


def _admit(flow: Flow, row: Any) -> None:
    """A changed key, cursor or stream on live data is refused until re-based; so is a new version
    of the mapping that breaks a pinned record."""
    if row is not None and row.identity != flow.identity and row.last_rows:
        raise HubError(
            "flow {flow!r}: the mapping's key, modified column, stream or entity changed, and"
            " {count} rows are linked under the old ones",
            flow=flow.name,
            count=row.last_rows,
            hint="Undo that change, or re-base the flow: give it a new name and remove the old one.",
        )
    if flow.pins and (row is None or row.mapping_version != flow.mapping.version):
        refuse_broken_pins(flow.name, flow.mapping, flow.pins)


def _ensure_state(connection: Connection, store: Store, flow: Flow) -> Mapping[str, Any]:
    """The flow's state row, with the version of the mapping that runs from now on."""
    state = store.metadata.tables["flow_state"]
    row = connection.execute(_state_of(state), {"flow": flow.name}).first()
    _admit(flow, row)
    version = {"identity": flow.identity, "mapping_version": flow.mapping.version}
    if row is None:
        connection.execute(
            state.insert().values(flow=flow.name, source_id=flow.source_id, **version)
        )
        return {"cursor": None, "last_rows": 0}
    if any(getattr(row, name) != value for name, value in version.items()):
        connection.execute(update(state).where(state.c.flow == flow.name).values(**version))
    return dict(row._mapping)


def _has_links(connection: Connection, store: Store, flow: Flow) -> bool:
    """Without any, a full read is a first load, and has no deletes to find."""
    link = store.metadata.tables["link"]
    query = select(link.c.id).where(link.c.source_id == flow.source_id).limit(1)
    return connection.execute(query).first() is not None


def _forget_seen(connection: Connection, store: Store, run_id: str) -> None:
    """The read is over: what it met need not be kept."""
    seen = store.metadata.tables["seen"]
    connection.execute(delete(seen).where(seen.c.run_id == run_id))


def live(env: Env, flow: str = "") -> list[Run]:
    """The runs under way or asked for, oldest first."""
    with env.store.read() as connection:
        return live_in(connection, env.store, flow)


def live_in(connection: Connection, store: Store, flow: str = "") -> list[Run]:
    """The same, as a transaction sees them."""
    run = store.metadata.tables["run"]
    query, values = (_live_of(run), {"flow": flow}) if flow else (_live(run), {})
    return [_run(row._asdict()) for row in connection.execute(query, values)]


@lru_cache(maxsize=8)
def _live(run: Table) -> Select[Any]:
    return select(run).where(run.c.state.in_(LIVE)).order_by(run.c.requested_at, run.c.id)


@lru_cache(maxsize=8)
def _live_of(run: Table) -> Select[Any]:
    return _live(run).where(run.c.flow == bindparam("flow"))


def load_run(connection: Connection, store: Store, run_id: str) -> Run:
    run = store.metadata.tables["run"]
    return _run(connection.execute(_run_of(run), {"run_id": run_id}).one()._asdict())


@lru_cache(maxsize=8)
def _run_of(run: Table) -> Select[Any]:
    return select(run).where(run.c.id == bindparam("run_id"))


def save(connection: Connection, store: Store, run: Run, **values: Any) -> None:
    """Keep how far the run is, in the transaction that did the work.

    LeaseLostError if the run is over: a person asked for another one in its place.
    """
    done = connection.execute(
        _save(store.metadata.tables["run"]),
        {
            "run_id": run.id,
            "state": run.state,
            "phase": run.phase,
            "cursor": dump(run.cursor) if run.cursor is not None else None,
            "counts": dump({**run.counts.to_json(), **_memory(run)}),
            "complete": run.complete,
            "started_at": run.started_at or None,
            "finished_at": None,
            "error": None,
            **values,
        },
    )
    if not done.rowcount:
        raise LeaseLostError(run.id)


@lru_cache(maxsize=8)
def _save(run: Table) -> Update:
    names = ("state", "phase", "cursor", "counts", "complete", "started_at", "finished_at", "error")
    return (
        update(run)
        .where(run.c.id == bindparam("run_id"), run.c.state.in_((*LIVE, APPLYING)))
        .values({name: bindparam(name) for name in names})
    )


def save_cursor(connection: Connection, store: Store, flow: str, cursor: Mapping[str, Any]) -> None:
    state = store.metadata.tables["flow_state"]
    values = {"cursor": dump(cursor), "attempts": 0, "retry_at": None}
    connection.execute(_set(state, *values), {"of_flow": flow, **values})


@lru_cache(maxsize=32)
def _set(state: Table, *names: str) -> Update:
    """Sets these columns of one flow's state."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return update(state).where(state.c.flow == bindparam("of_flow")).values(values)


def finish(work: Work, flow: Flow, run: Run, state: str, error: HubError | None = None) -> None:
    """The run is over; what stopped it, if anything did, is kept with it."""
    run.state = state
    links, table = work.store.metadata.tables["link"], work.store.metadata.tables["flow_state"]
    source = {"source_id": flow.source_id}
    rows = work.connection.execute(_live_links(links), source).scalar_one()
    work.connection.execute(_set(table, "last_rows"), {"of_flow": run.flow, "last_rows": rows})
    if run.full_read:
        _forget_seen(work.connection, work.store, run.id)
    save(
        work.connection,
        work.store,
        run,
        finished_at=work.at,
        error=dump(error_json(error)) if error else None,
    )


@lru_cache(maxsize=8)
def _live_links(link: Table) -> Select[Any]:
    mine = (link.c.source_id == bindparam("source_id"), link.c.state == "active")
    return select(func.count()).where(*mine)


def pause(work: Work, flow: Flow, error: HubError, *, plan: str | None = None) -> None:
    """Nothing of the flow runs until somebody resumes it; its marks stay.  `plan`: what it would do."""
    state = work.store.metadata.tables["flow_state"]
    paused = {**error_json(error), "at": work.at, "plan": plan}
    values = {"state": "paused", "paused": dump(paused)}
    known = update(state).where(state.c.flow == flow.name).values(**values)
    if not work.connection.execute(known).rowcount:  # it never ran
        new = state.insert().values(flow=flow.name, source_id=flow.source_id, **values)
        work.connection.execute(new)


def resume(env: Env, flow: str, *, approved: int = 0) -> None:
    """Let the flow run again; *approved*: so many deletes or changes may pass the brake once."""
    with env.work("resume", "hub") as work:
        resume_in(work, flow, approved=approved)


def resume_in(work: Work, flow: str, *, approved: int = 0) -> None:
    """The same within a transaction."""
    state = work.store.metadata.tables["flow_state"]
    work.connection.execute(
        update(state)
        .where(state.c.flow == flow)
        .values(
            state="active",
            paused=dump({"approved": approved}) if approved else None,
            attempts=0,
            retry_at=None,
        )
    )


def observes(flow: Flow, row: Any) -> bool:
    """Whether the flow's runs only plan: a person's last word, else what its settings say.

    `row`: where the flow stands, if it ever ran.
    """
    mode = row.mode if row is not None and row.mode else flow.settings.mode
    return bool(mode == "observe")


def promote(env: Env, flow: Flow, *, mode: str) -> None:
    """From now on the flow's runs act (`live`), or only plan again (`observe`)."""
    state = _table(env, "flow_state")
    with env.work("promote", "hub") as work:
        _ensure_state(work.connection, env.store, flow)
        values = {"mode": mode, "next_at": None}  # what it is due for is not what it was
        work.connection.execute(update(state).where(state.c.flow == flow.name).values(**values))


def planned(env: Env, run_id: str, plan_id: str) -> None:
    """The run ended with a plan, and did nothing else."""
    run = _table(env, "run")
    with env.work("planned", "hub") as work:
        row = work.connection.execute(select(run.c.counts).where(run.c.id == run_id)).one()
        counts = {**orjson.loads(row.counts), "plan": plan_id}
        work.connection.execute(
            update(run)
            .where(run.c.id == run_id)
            .values(
                state="planned",
                counts=dump(counts),
                started_at=func.coalesce(run.c.started_at, work.at),
                finished_at=work.at,
            )
        )


def retry_later(work: Work, flow: str, at: datetime, *, attempts: int) -> None:
    """Not before *at* again; *attempts*: so many in a row have failed."""
    state = work.store.metadata.tables["flow_state"]
    work.connection.execute(
        update(state).where(state.c.flow == flow).values(attempts=attempts, retry_at=stamp(at))
    )


def flow_row(env: Env, flow: str) -> Any:
    with env.store.read() as connection:
        return flow_row_in(connection, env.store, flow)


def flow_row_in(connection: Connection, store: Store, flow: str) -> Any:
    """The same, as a transaction sees it."""
    state = store.metadata.tables["flow_state"]
    return connection.execute(_state_of(state), {"flow": flow}).first()


@lru_cache(maxsize=8)
def _state_of(state: Table) -> Select[Any]:
    return select(state).where(state.c.flow == bindparam("flow"))


def error_json(error: HubError) -> dict[str, Any]:
    """An error as it is stored: template and values, to be shown in the reader's language."""
    values = {
        k: v if isinstance(v, str | int | float | bool | Mapping) else str(v)
        for k, v in error.values.items()
    }
    return {"code": error.code, "message": error.template, "hint": error.hint, "values": values}


def load(text: str) -> Any:
    return orjson.loads(text)


def dump(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS).decode()


def _memory(run: Run) -> dict[str, Any]:
    """What the run has to know of itself when it goes on."""
    return {"changed": run.changed, "sent": run.sent, "alone": run.alone}


def _table(env: Env, name: str) -> Table:
    return env.store.metadata.tables[name]


def _run(row: Mapping[str, Any]) -> Run:
    counts = orjson.loads(row["counts"])
    run = Run(
        row["id"],
        row["flow"],
        row["state"],
        row["phase"],
        row["full_read"],
        orjson.loads(row["cursor"]) if row["cursor"] else None,
        row["started_at"] or "",
        Counts.from_json(counts),
        row["complete"],
    )
    run.changed, run.sent = counts.get("changed", {}), counts.get("sent", {})
    run.alone = None if counts.get("alone") is None else tuple(counts["alone"])
    run.trigger = row["trigger"]
    return run
