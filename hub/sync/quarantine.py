"""Rows set aside: waiting for a reference, or refused with every reason.  Nothing is dropped.

A row stays where it is until its content, its mapping or a person changes something: the next run
does not try it again blindly.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import select, update

from hub.errors import Problem
from hub.store import bulk
from hub.store.among import among, there_is
from hub.store.tables import stamp
from hub.sync.flow import Flow, Work

COLUMNS = (
    "id",
    "flow",
    "direction",
    "kind",
    "state",
    "external_id",
    "record_id",
    "place",
    "row_hash",
    "row",
    "problems",
    "waits_source",
    "waits_key",
    "mapping_version",
    "since",
    "last_at",
    "run_id",
)


@dataclass(slots=True)
class Parked:
    """One row set aside.  `waits`: the (source, external id) whose link would wake it."""

    external_id: str
    problems: Sequence[Problem]
    row: str | None = None
    row_hash: str = ""
    place: str = ""
    kind: str = "quarantine"
    direction: str = "in"
    record_id: str | None = None
    waits: tuple[int, str] | None = None
    id: str = ""
    mapping_version: str | None = None
    state: str = "open"
    flow: str = ""
    since: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def known(work: Work, flow: Flow, external_ids: Collection[str]) -> dict[str, list[Parked]]:
    """What is parked (or was dismissed) of these rows, by external id."""
    table = work.store.metadata.tables["parked"]
    found: dict[str, list[Parked]] = {}
    parked = (table.c.flow == flow.name, table.c.state.in_(("open", "dismissed")))
    if not there_is(work.connection, *parked):
        return found
    query = select(
        table.c.id,
        table.c.external_id,
        table.c.row_hash,
        table.c.kind,
        table.c.mapping_version,
        table.c.state,
    ).where(*parked, among(table.c.external_id, external_ids), table.c.direction == "in")
    for id_, external_id, row_hash, kind, version, state in work.connection.execute(query):
        entry = Parked(external_id, (), row_hash=row_hash, kind=kind, id=id_, state=state)
        entry.mapping_version = version
        found.setdefault(external_id, []).append(entry)
    return found


def park(work: Work, flow: Flow, entries: Sequence[Parked]) -> None:
    """Set the rows aside, in place of what was parked of the same row or record before."""
    if not entries:
        return
    inbound = {
        e.external_id
        for e in entries
        if e.direction == "in" and e.external_id and e.problems[0].code != "duplicate-key"
    }
    close(work, flow, inbound, state="replaced")
    outward = {e.record_id for e in entries if e.direction == "out" and e.record_id}
    close_outward(work, flow, outward, state="replaced")
    at = work.at
    new = work.ids.batch(len(entries))
    rows = []
    for entry, id_ in zip(entries, new, strict=True):
        entry.id = id_
        rows.append(
            (
                id_,
                flow.name,
                entry.direction,
                entry.kind,
                "open",
                entry.external_id,
                entry.record_id,
                entry.place,
                entry.row_hash,
                entry.row,
                orjson.dumps([p.to_json() for p in entry.problems], default=str).decode(),
                entry.waits[0] if entry.waits else None,
                entry.waits[1] if entry.waits else None,
                flow.mapping.version,
                at,
                at,
                work.run_id,
            )
        )
    bulk.insert(work.connection, work.store.metadata.tables["parked"], COLUMNS, rows)


def close(
    work: Work,
    flow: Flow,
    external_ids: Collection[str],
    *,
    state: str = "resolved",
) -> None:
    """A later success closes what was parked of these rows."""
    _close(work, flow, "in", "external_id", external_ids, state)


def close_outward(
    work: Work, flow: Flow, record_ids: Collection[str], *, state: str = "resolved"
) -> None:
    """The same for what the system had refused of these records."""
    _close(work, flow, "out", "record_id", record_ids, state)


def _close(
    work: Work, flow: Flow, direction: str, column: str, values: Collection[str], state: str
) -> None:
    table = work.store.metadata.tables["parked"]
    parked = (table.c.flow == flow.name, table.c.state == "open")
    if not values or not there_is(work.connection, *parked):
        return
    work.connection.execute(
        update(table)
        .where(*parked, table.c.direction == direction, among(table.c[column], values))
        .values(state=state, last_at=work.at)
    )


def waiting_for(work: Work, keys: Iterable[tuple[int, str]]) -> list[Parked]:
    """The rows that wait for one of these (source, external id), oldest first."""
    table = work.store.metadata.tables["parked"]
    by_source: dict[int, set[str]] = {}
    for source_id, external_id in keys:
        by_source.setdefault(source_id, set()).add(external_id)
    found = []
    for source_id, wanted in sorted(by_source.items()):
        if not there_is(work.connection, table.c.waits_source == source_id):
            continue
        query = select(table).where(
            table.c.state == "open",
            table.c.kind == "waiting",
            table.c.waits_source == source_id,
            among(table.c.waits_key, wanted),
        )
        found += [entry_of(row._asdict()) for row in work.connection.execute(query)]
    return sorted(found, key=lambda entry: entry.id)


def out_of_patience(work: Work, flow: Flow, patience: timedelta) -> int:
    """Waiting rows whose reference never came go into quarantine; how many."""
    table = work.store.metadata.tables["parked"]
    statement = (
        update(table)
        .where(
            table.c.flow == flow.name,
            table.c.state == "open",
            table.c.kind == "waiting",
            table.c.since < stamp(work.moment - patience),
        )
        .values(kind="quarantine", last_at=work.at)
    )
    return work.connection.execute(statement).rowcount


def entry_of(row: Any) -> Parked:
    return Parked(
        row["external_id"],
        [Problem.from_json(p) for p in orjson.loads(row["problems"])],
        row=row["row"],
        row_hash=row["row_hash"],
        place=row["place"],
        kind=row["kind"],
        direction=row["direction"],
        record_id=row["record_id"],
        id=row["id"],
        mapping_version=row["mapping_version"],
        state=row["state"],
        flow=row["flow"],
        since=row["since"],
    )
