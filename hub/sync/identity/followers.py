"""What belongs to a record besides its fields, and goes where it goes: links, marks, intents,
conflicts, rows set aside, and pairs that wait for a steward."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, Table, delete, select, update

from hub.entity import Entity
from hub.errors import BusyError, HubError
from hub.store.records import Record
from hub.sync import journal, leases
from hub.sync.flow import Env, Flow, Work
from hub.sync.journal import Proposal
from hub.sync.redirects import identities

Kept = dict[str, Any]
"""What a merge keeps, as JSON, to be taken back."""


def writers(work: Work, stored: str) -> list[Flow]:
    return [f for f in work.flows if f.stored == stored and f.settings.writes]


def take_leases(env: Env, work: Work, stored: str) -> None:
    """Nobody is in the middle of reading or writing these records: BusyError if somebody is.

    Whoever comes back late to work it had begun before finds its lease gone.
    """
    sources = sorted({f.source_id for f in work.flows if f.stored == stored})
    owner = f"merge:{work.run_id}"
    for source_id in sources:
        fence = leases.acquire(
            work.connection,
            env.store,
            source_id,
            owner=owner,
            now=work.moment,
            length=env.settings.lease,
        )
        if fence is None:
            flows = ", ".join(f.name for f in work.flows if f.source_id == source_id)
            raise BusyError(
                "{flows} is being synced right now",
                flows=flows,
                hint="Try again in a moment; nothing was changed.",
            )
        leases.release(work.connection, env.store, source_id, fence)


# ------------------------------------------------------------------------------------------- links


def move_links(work: Work, entity: Entity, survivor: Record, loser: Record) -> list[Kept]:
    """Give the survivor the loser's links.  Where both have one in a source, one stays active: the
    survivor's, unless only the loser's row is still there."""
    link = work.store.metadata.tables["link"]
    found = _links(work, survivor.id, loser.id)
    mine = {
        (row.source_id, row.part): row
        for row in found
        if row.record_id == survivor.id and row.state != "merged"
    }
    kept, moves = [], []
    for row in (r for r in found if r.record_id == loser.id):
        own, state = mine.get((row.source_id, row.part)), row.state
        if own is not None and state == "active" and own.state != "active":
            _set_link(work, link, own.id, own.record_id, "merged")
            kept.append(_kept_link(own, "merged"))
        elif own is not None and state != "merged":
            state = "merged"
        _set_link(work, link, row.id, survivor.id, state)
        kept.append(_kept_link(row, state))
        moves += _moved(entity, loser, survivor, row)
    journal.apply(work, moves)
    return kept


def return_links(
    work: Work, entity: Entity, survivor: Record, loser: Record, kept: Iterable[Kept]
) -> list[Kept]:
    """Give the loser its links back; those that have gone elsewhere since, stay there."""
    link = work.store.metadata.tables["link"]
    now = {(r.source_id, r.external_id, r.part): r for r in _links(work, survivor.id, loser.id)}
    moves, back = [], []
    for entry in sorted(kept, key=lambda k: k["record_id"] != loser.id):
        row = now.get((entry["source_id"], entry["external_id"], entry["part"]))
        if row is None or row.record_id != survivor.id:
            continue
        state = entry["state"] if row.state == "merged" else row.state
        if entry["record_id"] == loser.id:
            _set_link(work, link, row.id, loser.id, state)
            moves += _moved(entity, survivor, loser, row)
            back.append(entry)
        elif not _is_taken(work, link, row):
            _set_link(work, link, row.id, survivor.id, state)
    journal.apply(work, moves)
    return back


def _links(work: Work, *record_ids: str) -> list[Row[Any]]:
    link = work.store.metadata.tables["link"]
    columns = [link.c[n] for n in ("id", "source_id", "external_id", "part", "record_id", "state")]
    query = select(*columns).where(link.c.record_id.in_(record_ids)).order_by(link.c.id)
    return list(work.connection.execute(query))


def _set_link(work: Work, link: Table, link_id: int, record_id: str, state: str) -> None:
    work.connection.execute(
        update(link).where(link.c.id == link_id).values(record_id=record_id, state=state)
    )


def _is_taken(work: Work, link: Table, row: Row[Any]) -> bool:
    query = select(link.c.id).where(
        link.c.source_id == row.source_id,
        link.c.record_id == row.record_id,
        link.c.part == row.part,
        link.c.state != "merged",
    )
    return work.connection.execute(query).first() is not None


def _kept_link(row: Row[Any], state: str) -> Kept:
    return {**_plain(row), "then": state}


def _plain(row: Any) -> Kept:
    return {str(name): value for name, value in row._mapping.items()}  # not quoted_name


def _moved(entity: Entity, old: Record, new: Record, row: Row[Any]) -> list[Proposal]:
    place = {"source_id": row.source_id, "external_id": row.external_id}
    return [
        Proposal(old, entity, op="unlink", **place),
        Proposal(new, entity, op="link", **place),
    ]


# ------------------------------------------------------------------------- marks and what is pending


def move_marks(work: Work, old: Record, new: Record) -> None:
    """The old record's marks go; what waits for its row waits for the new one's, and looks again."""
    outbox = work.store.metadata.tables["outbox"]
    work.connection.execute(delete(outbox).where(outbox.c.record_id == old.id))
    work.connection.execute(
        update(outbox).where(outbox.c.waits_for == old.id).values(waits_for=new.id)
    )
    journal.wake(work, [new.id])


def tell_all(work: Work, record: Record) -> None:
    """Mark the record in every flow that writes such records."""
    roles = record.values.get("roles", ())
    journal.mark(
        work,
        [
            (flow.name, record.id, record.version)
            for flow in writers(work, record.entity)
            if not flow.entity.role or flow.entity.role in roles
        ],
    )


FOLLOWING = (("intent", "record_id"), ("conflict", "record_id"), ("parked", "record_id"))


def move_pending(work: Work, old: Record, new: Record) -> dict[str, list[str]]:
    """Intents, conflicts and refused writes that are open belong to the new record now."""
    _check_intents(work, old, new)
    moved: dict[str, list[str]] = {}
    for name, column in FOLLOWING:
        table = work.store.metadata.tables[name]
        clause = (table.c[column] == old.id, table.c.state == "open")
        ids = [row[0] for row in work.connection.execute(select(table.c.id).where(*clause))]
        if ids:
            work.connection.execute(update(table).where(*clause).values({column: new.id}))
            moved[name] = ids
    return moved


def return_pending(work: Work, moved: Mapping[str, list[str]], old: Record) -> None:
    for name, column in FOLLOWING:
        table = work.store.metadata.tables[name]
        work.connection.execute(
            update(table)
            .where(table.c.id.in_(moved.get(name, ())), table.c.state == "open")
            .values({column: old.id})
        )


def _check_intents(work: Work, old: Record, new: Record) -> None:
    """A create whose outcome nobody knows may have made a second row: it has to be settled first."""
    intent, link = work.store.metadata.tables["intent"], work.store.metadata.tables["link"]
    query = select(intent.c.source_id, intent.c.record_id, intent.c.op, intent.c.flow).where(
        intent.c.record_id.in_((old.id, new.id)), intent.c.state == "open"
    )
    open_ = work.connection.execute(query).all()
    linked = {
        row[0]
        for row in work.connection.execute(
            select(link.c.source_id).where(link.c.record_id.in_((old.id, new.id)))
        )
    }
    sources = [row.source_id for row in open_]
    for row in open_:
        if sources.count(row.source_id) > 1 or (row.op == "create" and row.source_id in linked):
            raise HubError(
                "it is not known yet whether {flow} made a row for one of the two",
                flow=row.flow,
                hint="Run `hub sync {flow}` first; it looks there.",
            )


# ------------------------------------------------------------------------------------- candidates


def close_candidates(work: Work, survivor: Record, loser: Record) -> list[Kept]:
    """Pairs that have become one record are decided by that."""
    table = work.store.metadata.tables["match_candidate"]
    ids = identities(work.connection, work.store, [survivor.id, loser.id])
    query = select(table.c.id, table.c.state, table.c.decided_by, table.c.decided_at).where(
        table.c.left_id.in_(ids), table.c.right_id.in_(ids), table.c.state != "merged"
    )
    rows = [_plain(row) for row in work.connection.execute(query)]
    work.connection.execute(
        update(table)
        .where(table.c.id.in_([row["id"] for row in rows]))
        .values(state="merged", decided_by=work.origin, decided_at=work.at)
    )
    return rows


def reopen_candidates(work: Work, kept: Iterable[Kept]) -> None:
    table = work.store.metadata.tables["match_candidate"]
    for row in kept:
        work.connection.execute(
            update(table)
            .where(table.c.id == row["id"], table.c.state == "merged")
            .values(**{k: v for k, v in row.items() if k != "id"})
        )
