"""The id of a record that was merged away leads to its survivor, for ever."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from hub.store.records import chunks
from hub.store.session import Store

LONGEST_CHAIN = 100


def live_ids(
    connection: Connection, store: Store, stored: str, ids: Iterable[str]
) -> dict[str, str]:
    """id → the record it stands for now; ids that nothing was merged from stand for themselves."""
    table = store.tables[stored]
    leads = {i: i for i in ids}
    ahead = set(leads)
    for _ in range(LONGEST_CHAIN):
        onward: dict[str, str] = {}
        for some in chunks(sorted(ahead)):
            query = select(table.c.id, table.c.merged_into).where(
                table.c.id.in_(some), table.c.merged_into.is_not(None)
            )
            onward.update({old: new for old, new in connection.execute(query)})
        if not onward:
            break
        leads = {i: onward.get(now, now) for i, now in leads.items()}
        ahead = set(onward.values())
    return leads


def identities(connection: Connection, store: Store, record_ids: Iterable[str]) -> set[str]:
    """These records and all that were merged into them, step by step."""
    table = store.metadata.tables["record_merge"]
    found = set(record_ids)
    ahead = set(found)
    while ahead:
        more: set[str] = set()
        for some in chunks(sorted(ahead)):
            query = select(table.c.loser_id).where(
                table.c.survivor_id.in_(some), table.c.state == "merged"
            )
            more.update(row[0] for row in connection.execute(query))
        ahead = more - found
        found |= more
    return found
