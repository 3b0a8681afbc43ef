"""Plans in the database: stored step by step, listed, filtered, forgotten."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from hub.connector import batches
from hub.errors import ConfigError, HubError, NotFoundError
from hub.store import bulk
from hub.store.tables import stamp
from hub.sync.effects import Step
from hub.sync.flow import Env
from hub.sync.limits import Exceeded, Tally

BATCH = 1000
MOST_SHOWN = 200
STEP = (
    "plan_id",
    "seq",
    "flow",
    "connection",
    "direction",
    "kind",
    "entity",
    "record_id",
    "external_id",
    "title",
    "fields",
    "changes",
    "reasons",
    "base_version",
    "base_row",
    "bucket",
    "other_id",
    "state",
)


class StalePlanError(HubError):
    """The plan does not fit the configuration any more."""

    code = "stale-plan"


@dataclass(slots=True)
class Totals:
    """The counts of a plan: connection → direction → kind, and what every flow would change."""

    kinds: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    buckets: dict[str, int] = field(default_factory=dict)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    steps: int = 0

    def add(self, step: Step) -> None:
        self.steps += 1
        kinds = self.kinds.setdefault(step.connection, {}).setdefault(step.direction, {})
        kinds[step.kind] = kinds.get(step.kind, 0) + 1
        if step.bucket:
            self.buckets[step.bucket] = self.buckets.get(step.bucket, 0) + 1
        tally = self.tallies.setdefault((step.flow, step.direction), Tally())
        tally.add(step.kind, step.fields)


def begin(
    env: Env, *, by: str, kind: str, flows: Sequence[str], full: bool, covers: Iterable[str]
) -> str:
    """A new plan, empty; *covers*: the flows whose mapping versions it rests on."""
    plan = env.store.metadata.tables["plan"]
    mappings = {name: env.flows[name].mapping.version for name in sorted(covers)}
    with env.work("plan", "hub") as work:
        id_ = env.ids.new()
        work.connection.execute(
            plan.insert().values(
                id=id_,
                at=work.at,
                by=by,
                kind=kind,
                state="building",
                flows=json.dumps(list(flows)),
                full_read=full,
                mappings=json.dumps(mappings),
            )
        )
    return id_


def keep(env: Env, plan_id: str, steps: Iterable[Step]) -> Totals:
    """Store the steps, a batch in one transaction."""
    table, totals = env.store.metadata.tables["plan_step"], Totals()
    for batch in batches(steps, BATCH):
        rows = []
        for step in batch:
            totals.add(step)
            rows.append(_row(plan_id, totals.steps, step))
        with env.store.write("plan") as connection:
            bulk.insert(connection, table, STEP, rows)
    return totals


def _row(plan_id: str, seq: int, step: Step) -> tuple[Any, ...]:
    return (
        plan_id,
        seq,
        step.flow,
        step.connection,
        step.direction,
        step.kind,
        step.entity,
        step.record_id,
        step.external_id,
        step.title,
        f" {' '.join(step.fields)} ",
        json.dumps(step.changes),
        json.dumps(step.reasons),
        step.base_version,
        step.base_row,
        step.bucket,
        step.other_id,
        "told" if step.kind == "echo" else "planned",
    )


def complete(
    env: Env,
    plan_id: str,
    totals: Totals,
    *,
    errors: Sequence[Mapping[str, Any]],
    exceeded: Sequence[Exceeded],
) -> None:
    plan = env.store.metadata.tables["plan"]
    counts = {"steps": totals.steps, "systems": totals.kinds, "buckets": totals.buckets}
    with env.work("plan", "hub") as work:
        work.connection.execute(
            update(plan)
            .where(plan.c.id == plan_id)
            .values(
                state="ready",
                counts=json.dumps(counts),
                errors=json.dumps(list(errors)),
                exceeded=json.dumps([e.to_json() for e in exceeded]),
                finished_at=work.at,
            )
        )


def find(env: Env, plan_id: str) -> Row[Any]:
    """The plan with this id, or whose id is the only one that begins so."""
    plan = env.store.metadata.tables["plan"]
    query = select(plan).where(plan.c.id.startswith(plan_id, autoescape=True)).limit(2)
    with env.store.read() as connection:
        found = connection.execute(query).all() if plan_id else []
    if len(found) != 1:
        raise NotFoundError(
            "there is no plan {id!r}" if not found else "several plans begin with {id!r}",
            id=plan_id,
            hint="See: hub plans list",
        )
    return found[0]


def listed(env: Env, limit: int) -> list[dict[str, Any]]:
    plan = env.store.metadata.tables["plan"]
    query = select(plan).order_by(plan.c.at.desc(), plan.c.id.desc()).limit(limit)
    with env.store.read() as connection:
        return [to_json(row) for row in connection.execute(query)]


def to_json(row: Row[Any]) -> dict[str, Any]:
    return {
        "plan": row.id,
        "at": row.at,
        "by": row.by,
        "kind": row.kind,
        "state": row.state,
        "flows": json.loads(row.flows),
        "full": row.full_read,
        "mappings": json.loads(row.mappings),
        **{"steps": 0, "systems": {}, "buckets": {}, **json.loads(row.counts)},
        "errors": json.loads(row.errors),
        "exceeded": json.loads(row.exceeded),
        "finished_at": row.finished_at,
        "applied_at": row.applied_at,
    }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which steps to show; empty: all."""

    system: str = ""
    entity: str = ""
    kind: str = ""
    field: str = ""
    bucket: str = ""
    state: str = ""

    def clauses(self, step: Any) -> list[Any]:
        wanted = {
            "connection": self.system,
            "entity": self.entity,
            "kind": self.kind,
            "bucket": self.bucket,
            "state": self.state,
        }
        clauses = [step.c[name] == value for name, value in wanted.items() if value]
        if self.field:
            clauses.append(step.c.fields.contains(f" {self.field} ", autoescape=True))
        return clauses


def show(env: Env, plan_id: str, only: Filter | None = None, limit: int = 0) -> dict[str, Any]:
    """The plan with the steps that pass the filter, up to *limit* (0: all of them)."""
    row = find(env, plan_id)
    step = env.store.metadata.tables["plan_step"]
    clauses = [step.c.plan_id == row.id, *(only.clauses(step) if only else ())]
    query = select(step).where(*clauses).order_by(step.c.seq)
    with env.store.read() as connection:
        count = connection.execute(
            select(func.count()).select_from(step).where(*clauses)
        ).scalar_one()
        found = connection.execute(query.limit(limit) if limit else query)
        steps = [step_json(r) for r in found]
        states = connection.execute(
            select(step.c.state, func.count())
            .where(step.c.plan_id == row.id)
            .group_by(step.c.state)
        ).all()
    progress = {state: n for state, n in states}
    return {**to_json(row), "matching": int(count), "progress": progress, "shown": steps}


def step_json(row: Row[Any]) -> dict[str, Any]:
    return {
        "step": row.seq,
        "system": row.connection,
        "flow": row.flow,
        "direction": row.direction,
        "kind": row.kind,
        "entity": row.entity,
        "record": row.record_id,
        "row": row.external_id,
        "title": row.title,
        "changes": json.loads(row.changes),
        "fields": row.fields.split(),
        "reasons": json.loads(row.reasons),
        "bucket": row.bucket,
        "other_row": row.other_id,
        "state": row.state,
        "why": json.loads(row.why) if row.why else None,
    }


def forget(env: Env, plan_id: str) -> str:
    row = find(env, plan_id)
    with env.store.write("plan") as connection:
        _delete(env, connection, [row.id])
    return str(row.id)


def forget_old(env: Env, *, kind: str, flows: Sequence[str], but: str) -> None:
    """Only the newest of the plans that a flow makes by itself is kept, and none unfinished."""
    plan = env.store.metadata.tables["plan"]
    with env.work("plan", "hub") as work:
        day_ago = stamp(work.moment - timedelta(days=1))
        old = select(plan.c.id).where(
            plan.c.id != but,
            ((plan.c.kind == kind) & (plan.c.flows == json.dumps(list(flows))))
            | ((plan.c.state == "building") & (plan.c.at < day_ago)),
            plan.c.state.in_(("ready", "building")),
        )
        _delete(env, work.connection, list(work.connection.execute(old).scalars()))


def _delete(env: Env, connection: Connection, ids: Sequence[str]) -> None:
    tables = env.store.metadata.tables
    for id_ in ids:
        connection.execute(delete(tables["plan_step"]).where(tables["plan_step"].c.plan_id == id_))
        connection.execute(delete(tables["plan"]).where(tables["plan"].c.id == id_))


def check(env: Env, row: Row[Any]) -> None:
    """Whether the plan may be applied at all: it is complete, and means what it meant."""
    if row.state == "building":
        raise StalePlanError(
            "the plan {id} was never finished", id=row.id, hint="Make a new one: hub plan"
        )
    for name, version in sorted(json.loads(row.mappings).items()):
        flow = env.flows.get(name)
        if flow is None:
            raise ConfigError(
                "the plan {id} needs the flow {flow!r}, which is not there or not enabled",
                id=row.id,
                flow=name,
                hint="Make a new one: hub plan",
            )
        if flow.mapping.version != version:
            raise StalePlanError(
                "the mapping {mapping!r} of flow {flow!r} was changed after the plan {id} was made",
                mapping=flow.settings.mapping,
                flow=name,
                id=row.id,
                hint="Make a new one: hub plan",
            )


def steps_of(
    env: Env, plan_id: str, direction: str, *, bucket: str | None = None
) -> Iterator[Row[Any]]:
    """The steps still to be done, in order, a few at a time."""
    step, after = env.store.metadata.tables["plan_step"], 0
    while True:
        query = (
            select(step)
            .where(
                step.c.plan_id == plan_id,
                step.c.direction == direction,
                step.c.state == "planned",
                step.c.bucket == bucket,
                step.c.seq > after,
            )
            .order_by(step.c.seq)
            .limit(BATCH)
        )
        with env.store.read() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        yield from rows
        after = rows[-1].seq


def settle(
    connection: Connection,
    env: Env,
    plan_id: str,
    seqs: Sequence[int],
    state: str,
    why: Mapping[str, Any] | None = None,
) -> None:
    """Say what became of the steps."""
    step = env.store.metadata.tables["plan_step"]
    for start in range(0, len(seqs), 500):
        connection.execute(
            update(step)
            .where(step.c.plan_id == plan_id, step.c.seq.in_(seqs[start : start + 500]))
            .values(state=state, why=json.dumps(why) if why else None)
        )
