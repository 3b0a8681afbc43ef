"""The remote calls of a push, outside any transaction.

Write, read back what was stored, and look where an outcome is unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.connector import Connector, WriteResult
from hub.errors import RejectedError
from hub.sync.flow import Env, Flow
from hub.sync.links import Link
from hub.sync.outgoing import Mark
from hub.sync.rows import encode, fingerprint

Guard = Callable[[], None]


def send(
    env: Env, flow: Flow, connector: Connector, marks: Sequence[Mark], guard: Guard = lambda: None
) -> None:
    """Write what has a change, look for what has an open intent; fill `result` and `stored`.

    A mark left without a result has an unknown outcome: its intent stays open.  Errors that stop
    the whole batch are raised after the results so far are kept.  `guard` raises, before a write,
    if another worker has taken the source over.
    """
    looked = [m for m in marks if m.intent is not None]
    fresh = [m for m in marks if m.change is not None]
    if looked:
        _look(flow, connector, looked)
    if fresh:
        _look_before(flow, connector, fresh)
        env.fault("push:sending")
        guard()
        _write(env, flow, connector, [m for m in fresh if m.result is None], guard)
        env.fault("push:written")
        _look_behind(flow, connector, fresh)
        _read_back(flow, connector, fresh)


def _look_before(flow: Flow, connector: Connector, marks: Sequence[Mark]) -> None:
    """Where no version guards a row, it is changed only if it is still as we last saw it."""
    blind = {
        m.change.remote_id: m
        for m in marks
        if m.change is not None and m.op != "create" and m.change.version is None
    }
    if not blind or not flow.settings.reads:
        return
    for row in connector.fetch(flow.stream, list(blind)):
        m = blind.get(flow.mapping.external_id(row))
        if m is not None and m.link is not None and not _is_as_seen(m.link, encode(row)):
            m.result, m.stored = WriteResult.conflict(m.key), row


def _is_as_seen(link: Link, text: str) -> bool:
    """By its hash too: of a row that was corrected in quarantine the link keeps the corrected text."""
    return text == link.row or fingerprint(text) == link.row_hash


def _write(env: Env, flow: Flow, connector: Connector, marks: Sequence[Mark], guard: Guard) -> None:
    if not marks:
        return
    by_key = {m.key: m for m in marks}
    changes = [m.change for m in marks if m.change is not None]
    try:
        for result in connector.write(flow.stream, changes):
            if result.key in by_key:
                by_key[result.key].result = result
                env.fault("push:result")
            guard()
    except RejectedError as e:
        rest = [m for m in marks if m.result is None]
        if len(rest) == 1:
            rest[0].result = WriteResult.rejected(rest[0].key, code=e.code, message=str(e))
            return
        half = len(rest) // 2
        _write(env, flow, connector, rest[:half], guard)
        _write(env, flow, connector, rest[half:], guard)


def _read_back(flow: Flow, connector: Connector, marks: Sequence[Mark]) -> None:
    """What the system stored, where its answer did not say; and what made it refuse a stale write."""
    need = [m for m in marks if m.result and m.result.outcome in ("applied", "conflict")]
    missing: dict[str, Mark] = {}
    for m in need:
        assert m.result is not None and m.change is not None
        m.stored = m.stored or m.result.row
        if m.stored is None and m.op != "delete":
            missing[m.result.remote_id or m.change.remote_id] = m
    if not missing:
        return
    for row in connector.fetch(flow.stream, list(missing)):
        m_ = missing.get(flow.mapping.external_id(row))
        if m_ is not None:
            m_.stored = row


def _look_behind(flow: Flow, connector: Connector, marks: Sequence[Mark]) -> None:
    """A create that is refused when it is sent again may have been made by the first sending."""
    for m in marks:
        if m.reuse and m.result is not None and m.result.outcome == "rejected":
            _look_for_create(flow, connector, m)
            if m.stored is not None:
                m.result = None


def _look(flow: Flow, connector: Connector, marks: Sequence[Mark]) -> None:
    """Settle unknown outcomes by looking: never by sending again."""
    updates = {
        str(m.intent["external_id"]): m for m in marks if m.intent and m.intent["external_id"]
    }
    if updates:
        for row in connector.fetch(flow.stream, list(updates)):
            found = updates.get(flow.mapping.external_id(row))
            if found is not None:
                found.stored = row
        for m in updates.values():
            m.outcome = "looked" if m.stored is not None else "gone"
    for m in marks:
        if m.intent and not m.intent["external_id"]:
            _look_for_create(flow, connector, m)


def _look_for_create(flow: Flow, connector: Connector, m: Mark) -> None:
    keys = search_keys(flow, m.values)
    if not keys or not flow.capabilities.fetch_by_columns:
        m.outcome = "unknown"
        return
    for key in keys:
        rows = list(connector.fetch(flow.stream, [key]))
        if len(rows) == 1:
            m.stored, m.outcome = rows[0], "looked"
            return
        if len(rows) > 1:
            m.outcome = "unknown"
            return
    m.outcome = "resend"


def search_keys(flow: Flow, sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Column values that would identify the row, from the mapping's key and match rules."""
    mapping, keys = flow.mapping, []
    refs = {ref.path[0] for ref in mapping.refs}
    rules: list[tuple[str, ...]] = [(flow.entity.code,), *(mapping.match or flow.entity.match)]
    for rule in rules:
        values = {name: sent.get(name) for name in rule if name not in refs}
        if len(values) < len(rule) or any(v in (None, "") for v in values.values()):
            continue
        columns = mapping.put(values, None, fields=set(rule))
        flat = {k: v for k, v in columns.items() if not isinstance(v, list | dict)}
        if flat and len(flat) >= len(rule):
            keys.append(flat)
    return keys
