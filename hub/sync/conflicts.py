"""Fields that two sides changed: journaled, and left alone while a steward decides.

A field that two systems keep turning back and forth is frozen the same way.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from hub.store import bulk
from hub.store.among import among
from hub.store.tables import stamp
from hub.store.types import dump, load
from hub.sync.flow import Flow, Work
from hub.sync.incoming import Incoming
from hub.sync.merge import Clash
from hub.sync.policy import Policy

OSCILLATION_WINDOW = timedelta(hours=24)
OSCILLATION_TURNS = 3


def open_conflicts(work: Work, source_id: int, ids: Collection[str]) -> dict[str, frozenset[str]]:
    """Fields that wait for a steward, by record id, between this source and the hub."""
    table = work.store.metadata.tables["conflict"]
    found: dict[str, set[str]] = {}
    query = select(table.c.record_id, table.c.field).where(
        table.c.state == "open", table.c.source_id == source_id, among(table.c.record_id, ids)
    )
    for record_id, path in work.connection.execute(query):
        found.setdefault(record_id, set()).add(path.split(".")[0].split("[")[0])
    return {k: frozenset(v) for k, v in found.items()}


def show_theirs(work: Work, flow: Flow, row: Incoming) -> None:
    """An open conflict shows what the system has now."""
    table = work.store.metadata.tables["conflict"]
    assert row.merged is not None and row.record is not None
    for name, their in row.merged.frozen.items():
        work.connection.execute(
            update(table)
            .where(
                table.c.state == "open",
                table.c.source_id == flow.source_id,
                table.c.record_id == row.record.id,
                table.c.field == name,
            )
            .values(theirs=dump(their))
        )


def save_conflicts(work: Work, flow: Flow, found: Iterable[tuple[Incoming, Clash]]) -> None:
    """Journal every clash: open for a steward, or decided, with the loser's value."""
    rows = []
    found = list(found)
    for (row, clash), id_ in zip(found, work.ids.batch(len(found)), strict=True):
        assert row.record is not None
        review = clash.verdict == "review"
        policy = Policy(flow, None, lambda _: None).name(clash.field)
        rows.append(
            (
                id_,
                flow.entity.name,
                row.record.id,
                clash.field,
                flow.name,
                flow.source_id,
                row.external_id,
                "edit",
                dump(clash.base),
                dump(clash.ours),
                dump(clash.theirs),
                work.at,
                work.run_id,
                "open" if review else "decided",
                None if review else clash.verdict,
                None if review else f"policy {policy}",
                None if review else work.at,
            )
        )
    columns = (
        "id", "entity", "record_id", "field", "flow", "source_id", "external_id", "kind", "base",
        "ours", "theirs", "at", "run_id", "state", "choice", "decided_by", "decided_at",
    )  # fmt: skip
    bulk.insert(work.connection, work.store.metadata.tables["conflict"], columns, rows)


def recent_changes(work: Work, rows: Iterable[Incoming]) -> Mapping[str, list[dict[str, Any]]]:
    """The latest journaled changes of the rows' records, oldest first, by record id."""
    limit = stamp(work.moment - OSCILLATION_WINDOW)
    ids = [r.record.id for r in rows if r.record and r.record.version > OSCILLATION_TURNS]
    table = work.store.metadata.tables["journal"]
    found: dict[str, list[dict[str, Any]]] = {}
    if not ids:
        return found
    query = (
        select(table.c.record_id, table.c.changes)
        .where(among(table.c.record_id, ids), table.c.at > limit, table.c.op == "update")
        .order_by(table.c.seq)
    )
    for record_id, changes in work.connection.execute(query):
        found.setdefault(record_id, []).append(load(changes))
    return found


def calm(flow: Flow, row: Incoming, recent: Iterable[dict[str, Any]]) -> None:
    """Freeze a field that two systems keep turning back and forth, as a conflict."""
    assert row.merged is not None
    recent = list(recent)
    for name in list(row.merged.changes) if recent else ():
        column = flow.entity.column(name)
        new = row.merged.changes[name]
        turns = [changes[column][1] for changes in recent if column in changes]
        if turns.count(new) < OSCILLATION_TURNS or len(set(map(dump, turns))) < 2:
            continue
        old = row.link.shadow.get(name) if row.link and row.link.shadow else None
        row.merged.changes.pop(name)
        row.merged.shadow[name] = old
        ours = row.record.values.get(column) if row.record else None
        row.merged.clashes.append(Clash(name, old, ours, new, "review"))
