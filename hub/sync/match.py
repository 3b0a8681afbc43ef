"""Which record is a row?  By its link; else by the first match rule that finds exactly one record."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from hub.entity import Entity
from hub.store import records
from hub.store.records import chunks
from hub.store.session import Store
from hub.store.types import load
from hub.sync.flow import Flow


@dataclass(slots=True)
class Link:
    """A link as stored.  `shadow` and `row` are loaded only where they are asked for."""

    id: int
    external_id: str
    record_id: str
    state: str
    row_hash: str | None
    mapping_version: str | None
    external_version: str | None
    external_modified_at: str | None
    last_in_at: str | None
    shadow: dict[str, Any] | None = None
    sent: dict[str, Any] = field(default_factory=dict)
    row: str | None = None


_NARROW = (
    "id",
    "external_id",
    "record_id",
    "state",
    "row_hash",
    "mapping_version",
    "external_version",
    "external_modified_at",
    "last_in_at",
)


def links_of_rows(
    connection: Connection, store: Store, source_id: int, external_ids: Collection[str]
) -> dict[str, Link]:
    """The links of these rows, by external id, without shadows."""
    link = store.metadata.tables["link"]
    columns = [link.c[name] for name in _NARROW]
    found: dict[str, Link] = {}
    for some in chunks(sorted(external_ids)):
        query = select(*columns).where(
            link.c.source_id == source_id, link.c.external_id.in_(some), link.c.part == ""
        )
        for row in connection.execute(query):
            found[row[1]] = Link(*row)
    return found


def load_shadows(connection: Connection, store: Store, links: Iterable[Link]) -> None:
    """Complete the links with shadow, what was sent, and the row."""
    by_id = {link.id: link for link in links}
    table = store.metadata.tables["link"]
    ids = sorted(by_id)
    for start in range(0, len(ids), records.IN_LIMIT):
        query = select(table.c.id, table.c.shadow, table.c.sent, table.c.row).where(
            table.c.id.in_(ids[start : start + records.IN_LIMIT])
        )
        for row_id, shadow, sent, row in connection.execute(query):
            found = by_id[row_id]
            found.shadow, found.sent, found.row = load(shadow), load(sent) or {}, row


def links_of_records(
    connection: Connection, store: Store, source_id: int, record_ids: Collection[str]
) -> dict[str, Link]:
    """The links of these records in one source, by record id, complete."""
    link = store.metadata.tables["link"]
    columns = [link.c[name] for name in (*_NARROW, "shadow", "sent", "row")]
    found: dict[str, Link] = {}
    for some in chunks(sorted(record_ids)):
        query = select(*columns).where(
            link.c.source_id == source_id, link.c.record_id.in_(some), link.c.part == ""
        )
        for row in connection.execute(query):
            link_ = Link(*row[:-3])
            link_.shadow, link_.sent, link_.row = load(row.shadow), load(row.sent) or {}, row.row
            found[link_.record_id] = link_
    return found


def records_of_keys(
    connection: Connection, store: Store, keys: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], str]:
    """(source, external id) → record id, for references."""
    link = store.metadata.tables["link"]
    by_source: dict[int, set[str]] = {}
    for source_id, external_id in keys:
        by_source.setdefault(source_id, set()).add(external_id)
    found: dict[tuple[int, str], str] = {}
    for source_id, wanted in sorted(by_source.items()):
        for some in chunks(sorted(wanted)):
            query = select(link.c.external_id, link.c.record_id).where(
                link.c.source_id == source_id, link.c.external_id.in_(some), link.c.part == ""
            )
            for external_id, record_id in connection.execute(query):
                found[source_id, external_id] = record_id
    return found


def keys_of_records(
    connection: Connection, store: Store, wanted: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], str]:
    """(source, record id) → external id of the live row, for references on the way out."""
    link = store.metadata.tables["link"]
    clauses: dict[int, set[str]] = {}
    for source_id, record_id in wanted:
        clauses.setdefault(source_id, set()).add(record_id)
    found: dict[tuple[int, str], str] = {}
    for source_id, ids in sorted(clauses.items()):
        for some in chunks(sorted(ids)):
            query = select(link.c.record_id, link.c.external_id).where(
                link.c.source_id == source_id,
                link.c.record_id.in_(some),
                link.c.part == "",
                link.c.state == "active",
            )
            for record_id, external_id in connection.execute(query):
                found[source_id, record_id] = external_id
    return found


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
    usable = {w for w in wanted if w}
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
    """Ids by exact code, for references that name a record by its code; ambiguous codes are left out."""
    table = store.tables[entity.stored]
    column = table.c[entity.column(by)]
    found: dict[str, str] = {}
    twice: set[str] = set()
    for some in chunks(sorted(codes)):
        query = select(column, table.c.id).where(column.in_(some), table.c.deleted_at.is_(None))
        for code, record_id in connection.execute(query):
            if code in found:
                twice.add(code)
            found[code] = record_id
    return {code: i for code, i in found.items() if code not in twice}
