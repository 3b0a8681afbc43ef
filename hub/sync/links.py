"""Links: which row of which source is which record, and what was last seen stored there."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from hub.store.among import among
from hub.store.session import Store
from hub.store.types import load


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
    query = select(*columns).where(
        link.c.source_id == source_id, among(link.c.external_id, external_ids), link.c.part == ""
    )
    for row in connection.execute(query):
        found[row[1]] = Link(*row)
    return found


def load_shadows(connection: Connection, store: Store, links: Iterable[Link]) -> None:
    """Complete the links with shadow, what was sent, and the row."""
    by_id = {link.id: link for link in links}
    table = store.metadata.tables["link"]
    if not by_id:
        return
    query = select(table.c.id, table.c.shadow, table.c.sent, table.c.row).where(
        among(table.c.id, by_id)
    )
    for row_id, shadow, sent, row in connection.execute(query):
        found = by_id[row_id]
        found.shadow, found.sent, found.row = load(shadow), load(sent) or {}, row


def links_of_records(
    connection: Connection, store: Store, source_id: int, record_ids: Collection[str]
) -> dict[str, Link]:
    """The links of these records in one source, by record id, complete; not those of rows that
    turned out to be a second one of the same thing."""
    link = store.metadata.tables["link"]
    columns = [link.c[name] for name in (*_NARROW, "shadow", "sent", "row")]
    found: dict[str, Link] = {}
    query = select(*columns).where(
        link.c.source_id == source_id,
        among(link.c.record_id, record_ids),
        link.c.part == "",
        link.c.state != "merged",
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
        query = select(link.c.external_id, link.c.record_id).where(
            link.c.source_id == source_id, among(link.c.external_id, wanted), link.c.part == ""
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
        query = select(link.c.record_id, link.c.external_id).where(
            link.c.source_id == source_id,
            among(link.c.record_id, ids),
            link.c.part == "",
            link.c.state == "active",
        )
        for record_id, external_id in connection.execute(query):
            found[source_id, record_id] = external_id
    return found
