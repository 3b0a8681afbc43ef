"""What mends a difference.  Records change through the one door only; the rest is the engine's own.

Every deed looks again before it acts, so that it may be done twice, or late.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of
from typing import Any

from sqlalchemy import delete, select, update

from hub.errors import HubError
from hub.i18n import _
from hub.store import records
from hub.store.records import Record
from hub.sync import history, journal, quarantine
from hub.sync.flow import Env, Work
from hub.sync.journal import ENVELOPE, Proposal
from hub.sync.steward.quarantine import Taker
from hub.sync.verify.finding import Deed, Repair

ORIGIN = "hub:verify"
WORDS: Mapping[Deed, str] = {
    "restore": _("put the record back to what the journal says"),
    "mark": _("mark the record to be brought to that system"),
    "unmark": _("take the mark away"),
    "wake": _("take the row again"),
    "relink": _("link the row again"),
    "say-link": _("write the link into the journal"),
    "drop-link": _("drop the link"),
    "forget": _("forget what was kept of the row, so that it is compared anew"),
    "release": _("release the lease"),
    "close-conflict": _("close the conflict"),
    "close-parked": _("close the entry"),
    "reset-cursor": _("read from the beginning at the next run"),
}


def mend(env: Env, jobs: Taker | None, repair: Repair) -> bool:
    """Do the deed; False if there was nothing left to mend, or it could not be done."""
    what = repair.what
    if repair.deed == "wake":
        return jobs is not None and _wake(env, jobs, what)
    with env.work("verify", ORIGIN) as work:
        return _DEEDS[repair.deed](work, what)


def _restore(work: Work, what: Mapping[str, Any]) -> bool:
    """Through the one door: the record becomes what the journal says, and the journal says so."""
    entity, id_ = work.store.entities[what["entity"]], str(what["record"])
    folded = history.fold(
        work.store, history.lines_of(work.connection, work.store, [id_]).get(id_, [])
    )
    if folded is None:
        return False
    there = records.load(work.connection, work.store, entity.name, [id_], lock=True).get(id_)
    if there is None:
        records.save(work.connection, work.store, entity.name, [folded], new=True)
        return True
    custom = {n for n in (*there.values, *folded.values) if n.startswith("ext.")}
    names = [*(f.name for f in entity.fields), *sorted(custom)]
    changes = {
        n: folded.values.get(n) for n in names if there.values.get(n) != folded.values.get(n)
    }
    envelope = {n: getattr(folded, n) for n in ENVELOPE if getattr(there, n) != getattr(folded, n)}
    there.version = max(there.version, folded.version)
    for name in ("created_at", "created_by"):
        setattr(there, name, getattr(folded, name))
    if not changes and not envelope:
        return _same_envelope(work, there, folded)
    proposal = Proposal(there, entity, changes, envelope, reason="verify")
    return not journal.apply(work, [proposal])


def _same_envelope(work: Work, there: Record, folded: Record) -> bool:
    """Only version or times differ, which no change through the door would put back."""
    for f in fields_of(Record):
        if f.name not in ("id", "entity", "values"):
            setattr(there, f.name, getattr(folded, f.name))
    table = work.store.tables[there.entity]
    work.connection.execute(
        update(table)
        .where(table.c.id == there.id)
        .values(
            version=there.version,
            created_at=there.created_at,
            created_by=there.created_by,
            updated_at=there.updated_at,
            updated_by=there.updated_by,
        )
    )
    return True


def _mark(work: Work, what: Mapping[str, Any]) -> bool:
    flow = next((f for f in work.flows if f.name == what["flow"]), None)
    if flow is None:
        return False
    found = records.load(work.connection, work.store, flow.stored, [what["record"]])
    record = found.get(what["record"])
    if record is None:
        return False
    journal.mark(work, [(flow.name, record.id, record.version)])
    return True


def _unmark(work: Work, what: Mapping[str, Any]) -> bool:
    outbox = work.store.metadata.tables["outbox"]
    clause = (outbox.c.flow == what["flow"], outbox.c.record_id == what["record"])
    return bool(work.connection.execute(delete(outbox).where(*clause)).rowcount)


def _wake(env: Env, jobs: Taker, what: Mapping[str, Any]) -> bool:
    parked, flow = env.store.metadata.tables["parked"], env.flows.get(what["flow"])
    query = select(parked).where(parked.c.id == what["entry"], parked.c.state == "open")
    with env.store.read() as connection:
        row = connection.execute(query).first()
    if row is None or flow is None:
        return False
    jobs.take_parked(flow, [quarantine.entry_of(row._asdict())])
    return True


def _relink(work: Work, what: Mapping[str, Any]) -> bool:
    link = work.store.metadata.tables["link"]
    there = select(link.c.id).where(
        link.c.source_id == what["source"],
        (link.c.external_id == what["external_id"]) | (link.c.record_id == what["record"]),
        link.c.part == "",
    )
    if work.connection.execute(there).first() is not None:
        return False
    flow = next((f for f in work.flows if f.source_id == what["source"]), None)
    work.connection.execute(
        link.insert().values(
            source_id=what["source"],
            external_id=what["external_id"],
            entity=flow.entity.name if flow else what["entity"],
            record_id=what["record"],
        )
    )
    return True


def _say_link(work: Work, what: Mapping[str, Any]) -> bool:
    link = work.store.metadata.tables["link"]
    row = work.connection.execute(select(link).where(link.c.id == what["link"])).first()
    if row is None:
        return False
    entity = work.store.entities[row.entity]
    found = records.load(work.connection, work.store, entity.stored, [row.record_id])
    if row.record_id not in found:
        return False
    said = Proposal(
        found[row.record_id],
        entity,
        op="link",
        source_id=row.source_id,
        external_id=row.external_id,
        reason="verify",
    )
    journal.apply(work, [said])
    return True


def _drop_link(work: Work, what: Mapping[str, Any]) -> bool:
    link = work.store.metadata.tables["link"]
    return bool(work.connection.execute(delete(link).where(link.c.id == what["link"])).rowcount)


def _forget(work: Work, what: Mapping[str, Any]) -> bool:
    link = work.store.metadata.tables["link"]
    values = {**dict.fromkeys(what["columns"]), "row_hash": None}
    done = work.connection.execute(update(link).where(link.c.id == what["link"]).values(**values))
    return bool(done.rowcount)


def _release(work: Work, what: Mapping[str, Any]) -> bool:
    """The fence grows, so that a late result of the old holder is refused."""
    source = work.store.metadata.tables["source"]
    done = work.connection.execute(
        update(source)
        .where(source.c.id == what["source"])
        .values(lease_owner=None, lease_until=None, fence=source.c.fence + 1)
    )
    return bool(done.rowcount)


def _close_conflict(work: Work, what: Mapping[str, Any]) -> bool:
    conflict = work.store.metadata.tables["conflict"]
    done = work.connection.execute(
        update(conflict)
        .where(conflict.c.id == what["conflict"], conflict.c.state == "open")
        .values(state="closed", decided_by=ORIGIN, decided_at=work.at)
    )
    return bool(done.rowcount)


def _close_parked(work: Work, what: Mapping[str, Any]) -> bool:
    parked = work.store.metadata.tables["parked"]
    done = work.connection.execute(
        update(parked)
        .where(parked.c.id == what["entry"], parked.c.state == "open")
        .values(state="closed", decided_by=ORIGIN, last_at=work.at)
    )
    return bool(done.rowcount)


def _reset_cursor(work: Work, what: Mapping[str, Any]) -> bool:
    state = work.store.metadata.tables["flow_state"]
    flow = next((f for f in work.flows if f.name == what["flow"]), None)
    if flow is None:
        raise HubError("there is no flow {name!r}", name=what["flow"])
    work.connection.execute(
        update(state).where(state.c.flow == flow.name).values(cursor=None, source_id=flow.source_id)
    )
    return True


_DEEDS: Mapping[Deed, Callable[[Work, Mapping[str, Any]], bool]] = {
    "restore": _restore,
    "mark": _mark,
    "unmark": _unmark,
    "relink": _relink,
    "say-link": _say_link,
    "drop-link": _drop_link,
    "forget": _forget,
    "release": _release,
    "close-conflict": _close_conflict,
    "close-parked": _close_parked,
    "reset-cursor": _reset_cursor,
}
