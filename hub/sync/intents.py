"""What is written to a remote is written down first, and closed when its outcome is known."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from hub.store import bulk
from hub.store.among import among
from hub.store.types import dump, load
from hub.sync.flow import Flow, Work
from hub.sync.merge import is_spelling
from hub.sync.outgoing import Mark

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


def open_intents(work: Work, flow: Flow, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The intents of these records whose outcome is unknown, by record id."""
    table = work.store.metadata.tables["intent"]
    found: dict[str, Mapping[str, Any]] = {}
    query = select(table).where(
        table.c.source_id == flow.source_id, table.c.state == "open", among(table.c.record_id, ids)
    )
    for row in work.connection.execute(query):
        found[row.record_id] = row._asdict()
    return found


def pending(work: Work, flow: Flow, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What was sent to this source and not yet confirmed, by record id."""
    found = open_intents(work, flow, ids)
    return {record_id: load(str(intent["sent"])) for record_id, intent in found.items()}


def recognise(
    theirs: Mapping[str, Any],
    pending: Mapping[str, Any],
    shadow: dict[str, Any] | None,
    sent: dict[str, Any],
) -> dict[str, Any]:
    """The shadow as if our pending write had arrived, wherever the row shows that it has.

    A row found after a create is not taken for ours in the rest: somebody may have edited it, or
    made it.
    """
    base = dict(shadow or {})
    for name, value in pending.items():
        their = theirs.get(name)
        if name in theirs and is_spelling(value, their):
            base[name] = their
            if their != value:
                sent[name] = value
    return base


def save(work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
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


def close(work: Work, flow: Flow, marks: Sequence[Mark]) -> None:
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
        if m.reuse and m.outcome == "rejected" and (m.unproven or not _may_resend(work, flow, m)):
            continue
        id_ = str(m.intent["id"]) if m.intent is not None else m.key
        if m.outcome == "unread" and m.result is not None:
            work.connection.execute(
                update(table).where(table.c.id == id_).values(external_id=m.result.remote_id)
            )
        if state:
            states.setdefault(state, []).append(id_)
    for state, ids in states.items():
        work.connection.execute(
            update(table).where(among(table.c.id, ids)).values(state=state, settled_at=work.at)
        )


def _may_resend(work: Work, flow: Flow, m: Mark) -> bool:
    """A create that nobody can see may still be on its way, as long as the connector says."""
    sent_at = datetime.fromisoformat(str(m.intent["at"]) if m.intent else m.sent_at)
    return sent_at + flow.capabilities.settle <= work.moment
