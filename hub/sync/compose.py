"""What a marked record needs in a remote system: nothing, a create, an update or a delete.

Canonical values → the columns that differ from the shadow.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import update

from hub.connector import Change, Row, Stream
from hub.mapping.problems import problem_of
from hub.store import records
from hub.store.records import Record
from hub.store.types import dump, load
from hub.sync import intents, references
from hub.sync.conflicts import open_conflicts
from hub.sync.flow import Env, Flow, Work
from hub.sync.links import Link, links_of_records
from hub.sync.outgoing import Mark
from hub.sync.rows import decode

VersionOf = Callable[[Stream, Row], str | None]


def no_version(stream: Stream, row: Row) -> None:
    """The rows do not say."""


def compose(
    env: Env, work: Work, flow: Flow, marks: Sequence[Mark], version_of: VersionOf = no_version
) -> None:
    """Decide for every mark what to write: fills `change`, or `intent`, or the outcome."""
    ids = {m.record_id for m in marks}
    found = records.load(work.connection, work.store, flow.stored, ids)
    links = links_of_records(work.connection, work.store, flow.source_id, ids)
    frozen = open_conflicts(work, flow.source_id, ids)
    unknown = intents.open_intents(work, flow, ids)
    for m in marks:
        m.record, m.link = found.get(m.record_id), links.get(m.record_id)
        m.intent = unknown.get(m.record_id)
        if m.intent is not None and flow.capabilities.idempotent_writes and m.link is None:
            _send_again(m)
        elif m.intent is None:
            _decide(flow, m, frozen.get(m.record_id, frozenset()))
    writing = [m for m in marks if m.op and m.intent is None]
    references.hold_back(env, work, flow, writing)
    _compose(work, flow, [m for m in writing if not (m.waits_for or m.problem)], version_of)


def _send_again(m: Mark) -> None:
    assert m.intent is not None
    m.reuse, m.op, m.sent = str(m.intent["id"]), "create", load(str(m.intent["sent"]))
    m.version, m.sent_at, m.intent = int(m.intent["version"]), str(m.intent["at"]), None


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
    m.sent = difference(flow, record, link, frozen)
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


def difference(flow: Flow, record: Record, link: Link, frozen: frozenset[str]) -> dict[str, Any]:
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


def _compose(work: Work, flow: Flow, marks: Sequence[Mark], version_of: VersionOf) -> None:
    """Canonical values → remote columns; a change of no column needs no call."""
    keys = work.ids.batch(len(marks))
    external = references.external_ids(work, flow, marks)
    for m, new_key in zip(marks, keys, strict=True):
        link, key = m.link, m.reuse or new_key
        remote_id = link.external_id if link else ""
        old = decode(link.row) if link else {}
        version = None
        if link and flow.capabilities.conditional_writes:
            version = version_of(flow.stream, old) or link.external_version
        if m.op == "delete":
            m.change = Change(key, "delete", {}, remote_id, version, old)
            continue
        values = references.with_keys(flow, m.sent, external)
        try:
            columns = flow.mapping.put(values, old or None, fields=set(m.sent))
        except ValueError as e:
            m.problem = problem_of(e, "", None)
            m.problem = replace(m.problem, code="unwritable")
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
            version,
            old,
        )


def _remember_sent(work: Work, m: Mark) -> None:
    """The system cannot hold the difference: note it, so that it is not tried again and again."""
    assert m.link is not None
    table = work.store.metadata.tables["link"]
    work.connection.execute(
        update(table).where(table.c.id == m.link.id).values(sent=dump({**m.link.sent, **m.sent}))
    )
