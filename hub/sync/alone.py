"""The first load of the first system has nothing to be matched with, and need not look.

Looking up every row of a page by each of its keys is a quarter of what the database does in such a
load, and finds only records of this very source, which are no candidates.
"""

from sqlalchemy import func, or_, select

from hub.store.among import there_is
from hub.sync.flow import Flow, Run, Work

LAG = 3000
"""So many entries of the journal are looked at again: they are numbered before they are committed,
so that one of another transaction may turn up late."""


def is_alone(work: Work, flow: Flow, run: Run) -> bool:
    """Whether this run made every record of this kind, so that none of them can be what a row is.

    It is so as long as the run began with an empty table, no other source has a row of this kind,
    and nobody else has changed a record of this kind since.
    """
    if run.alone is None:
        empty = not there_is(work.connection, work.store.tables[flow.stored].c.id > "")
        run.alone = (_newest(work),) * 2 if empty else ()
    if run.alone and (_others(work, flow) or _foreign(work, flow, run)):
        run.alone = ()
    if run.alone:
        run.alone = run.alone[0], _newest(work)
    return bool(run.alone)


def _foreign(work: Work, flow: Flow, run: Run) -> bool:
    """Whether somebody else wrote about records of this kind since it was last looked."""
    assert run.alone
    began, looked = run.alone
    journal = work.store.metadata.tables["journal"]
    return there_is(
        work.connection,
        journal.c.seq > max(began, looked - LAG),
        journal.c.entity == flow.stored,
        or_(journal.c.run_id.is_(None), journal.c.run_id != run.id),
    )


def _others(work: Work, flow: Flow) -> bool:
    link = work.store.metadata.tables["link"]
    others = {f.source_id for f in work.flows if f.stored == flow.stored} - {flow.source_id}
    return any(there_is(work.connection, link.c.source_id == other) for other in sorted(others))


def _newest(work: Work) -> int:
    journal = work.store.metadata.tables["journal"]
    return int(work.connection.execute(select(func.max(journal.c.seq))).scalar_one() or 0)
