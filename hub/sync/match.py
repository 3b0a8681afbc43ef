"""Which record is a row?  By its link; else by the first match rule that finds exactly one record."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select

from hub.entity import Entity
from hub.store import records
from hub.store.among import among, among_folded
from hub.store.session import Store
from hub.sync.flow import Flow
from hub.sync.links import links_of_records
from hub.sync.redirects import live_ids


@dataclass(frozen=True, slots=True)
class Match:
    """`record_id` None: no record; `candidates`: several fit, and a person must choose."""

    record_id: str | None = None
    rule: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()


def match(
    connection: Connection, store: Store, flow: Flow, values: Sequence[Mapping[str, Any]]
) -> list[Match]:
    """For each unlinked candidate, the record that its keys say it is.

    A record that this source has a row for already is no candidate: two rows of one system are two
    things, unless a person says otherwise.
    """
    rules = flow.mapping.match or flow.entity.match
    found = [Match() for _ in values]
    open_ = list(range(len(values)))
    for rule in rules:
        if not open_:
            return found
        hits = _by_rule(connection, store, flow, rule, [values[i] for i in open_])
        still = []
        for i, ids in zip(open_, hits, strict=True):
            if len(ids) == 1:
                found[i] = Match(ids[0], rule)
            elif ids:
                found[i] = Match(None, rule, tuple(ids))
            else:
                still.append(i)
        open_ = still
    return found


def _by_rule(
    connection: Connection,
    store: Store,
    flow: Flow,
    rule: tuple[str, ...],
    values: Sequence[Mapping[str, Any]],
) -> list[list[str]]:
    first = rule[0]
    wanted = [_key(v.get(first)) for v in values]
    usable = {str(v[first]) for v, w in zip(values, wanted, strict=True) if w}
    if not usable:
        return [[] for _ in values]
    by_key = records.find(connection, store, flow.entity, first, usable)
    ids = {i for found in by_key.values() for i in found}
    if not ids:
        return [[] for _ in values]
    taken = set(links_of_records(connection, store, flow.source_id, ids))
    known = records.load(connection, store, flow.stored, ids - taken)
    out = []
    for value, key in zip(values, wanted, strict=True):
        ids_here = [i for i in by_key.get(key, ()) if i in known] if key else []
        out.append([i for i in ids_here if _same(flow.entity, rule, value, known[i].values)])
    return out


def _same(
    entity: Entity, rule: tuple[str, ...], value: Mapping[str, Any], stored: Mapping[str, Any]
) -> bool:
    """All fields of the rule agree, and no hard stop speaks against it."""
    for name in rule[1:]:
        theirs = _key(value.get(name))
        if not theirs or theirs != _key(stored.get(entity.column(name))):
            return False
    for name in entity.hard_stops:
        theirs, ours = _key(value.get(name)), _key(stored.get(entity.column(name)))
        if theirs and ours and theirs != ours:
            return False
    return True


def _key(value: Any) -> str:
    return value.lower() if isinstance(value, str) else "" if value is None else str(value)


def find_by_code(
    connection: Connection, store: Store, entity: Entity, codes: Collection[str], by: str
) -> dict[str, str]:
    """Ids by exact code, for references that name a record by its code; ambiguous codes are left out.

    The code of a record that was merged away leads to its survivor, unless another one has it now.
    """
    table = store.tables[entity.stored]
    column = table.c[entity.column(by)]
    is_live, was_merged = table.c.deleted_at.is_(None), table.c.merged_into.is_not(None)
    found: dict[str, str] = {}
    merged: dict[str, str] = {}
    twice: set[str] = set()
    query = select(column, table.c.id, table.c.merged_into).where(
        among_folded(column, codes), among(column, codes), or_(is_live, was_merged)
    )
    for code, record_id, merged_into in connection.execute(query):
        if merged_into is not None:
            merged[code] = record_id
            continue
        if code in found:
            twice.add(code)
        found[code] = record_id
    if merged:
        leads = live_ids(connection, store, entity.stored, merged.values())
        found = {**{code: leads[i] for code, i in merged.items()}, **found}
    return {code: i for code, i in found.items() if code not in twice}
