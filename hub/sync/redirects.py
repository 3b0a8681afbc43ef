"""The id of a record that was merged away leads to its survivor, for ever."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from hub.store.among import among
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
        query = select(table.c.id, table.c.merged_into).where(
            among(table.c.id, ahead), table.c.merged_into.is_not(None)
        )
        onward: dict[str, str] = {old: new for old, new in connection.execute(query)}
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
        query = select(table.c.loser_id).where(
            among(table.c.survivor_id, ahead), table.c.state == "merged"
        )
        more = {row[0] for row in connection.execute(query)}
        ahead = more - found
        found |= more
    return found
