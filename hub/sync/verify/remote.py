"""What the systems hold, read in full, against what the hub last saw there.

Whether the hub's own records agree with what it saw is the ledger's question; together they say
whether the systems agree.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import select

from hub.connector import Connector
from hub.store.records import chunks
from hub.sync.flow import Env, Flow
from hub.sync.incoming import Incoming, prepare
from hub.sync.links import Link, links_of_rows, load_shadows
from hub.sync.remote import Remote
from hub.sync.verify.finding import Finding, Progress, noticed

Opener = Callable[[str], AbstractContextManager[Connector]]
SEEN_THERE = ("active", "ghost")


def _quiet(event: Mapping[str, Any]) -> None:
    """Progress that nobody watches."""


def compare(
    env: Env, opened: Opener, limits: Mapping[str, int | None], progress: Progress = _quiet
) -> Iterator[Finding]:
    """Every difference between a row and its shadow, every row without link, every link without row."""
    for flow in env.flows.values():
        if flow.settings.reads:
            limit = limits.get(flow.connection) or flow.capabilities.calls_per_minute
            gate = Remote(env, flow.connection, limit)
            with opened(flow.connection) as connector:
                yield from _Comparison(env, flow, progress).run(gate, connector)


class _Comparison:
    def __init__(self, env: Env, flow: Flow, progress: Progress) -> None:
        self.env, self.flow, self.progress = env, flow, progress
        self.met: set[int] = set()
        """Ids of the links met: what grows with the stream, by a few bytes a row."""
        self.done = 0

    def run(self, gate: Remote, connector: Connector) -> Iterator[Finding]:
        for page in gate.pages(connector.read(self.flow.stream, None)):
            rows = [r for r in prepare(self.flow, page.rows) if not r.problems]
            yield from self._page(rows)
            self.done += len(page.rows)
            event = {"flow": self.flow.name, "phase": "pull", "done": self.done}
            self.progress({**event, "total": page.total})
        yield from self._gone()

    def _page(self, rows: Sequence[Incoming]) -> list[Finding]:
        store, flow = self.env.store, self.flow
        ids = {r.external_id for r in rows}
        with store.read() as connection:
            links = links_of_rows(connection, store, flow.source_id, ids)
            changed = [
                link
                for r in rows
                if (link := links.get(r.external_id)) and link.row_hash != r.row_hash
            ]
            load_shadows(connection, store, changed)
            parked = self._parked(connection, ids - links.keys())
        self.met.update(link.id for link in links.values())
        out = []
        for row in rows:
            link = links.get(row.external_id)
            if link is None and row.external_id not in parked:
                out.append(self._say(row.external_id, "never-read", NEVER, SYNC))
            elif link is not None and link.state in SEEN_THERE:
                out += self._compared(row, link)
        return out

    def _parked(self, connection: Any, ids: set[str]) -> set[str]:
        parked = self.env.store.metadata.tables["parked"]
        there: set[str] = set()
        for some in chunks(sorted(ids)):
            query = select(parked.c.external_id).where(
                parked.c.flow == self.flow.name,
                parked.c.state.in_(("open", "dismissed")),
                parked.c.external_id.in_(some),
            )
            there.update(connection.execute(query).scalars())
        return there

    def _compared(self, row: Incoming, link: Link) -> list[Finding]:
        if link.state == "ghost":
            return [self._say(row.external_id, "came-back", BACK, SYNC)]
        if link.row_hash == row.row_hash:
            return []
        candidate, shadow = self.flow.mapping.get(row.row), link.shadow or {}
        names = sorted(
            name
            for name, value in candidate.values.items()
            if name not in _references(self.flow)
            and not self.flow.mapping.equal(name, value, shadow.get(name))
        )
        if not names:
            return []
        return [
            self._say(row.external_id, "changed-there", CHANGED, SYNC, fields=", ".join(names[:5]))
        ]

    def _gone(self) -> Iterator[Finding]:
        link, after = self.env.store.metadata.tables["link"], 0
        while True:
            query = (
                select(link.c.id, link.c.external_id)
                .where(
                    link.c.source_id == self.flow.source_id,
                    link.c.state == "active",
                    link.c.part == "",
                    link.c.id > after,
                )
                .order_by(link.c.id)
                .limit(1000)
            )
            with self.env.store.read() as connection:
                page = connection.execute(query).all()
            if not page:
                return
            after = page[-1].id
            for row in page:
                if row.id not in self.met:
                    yield self._say(row.external_id, "gone-there", GONE, SYNC)

    def _say(self, external_id: str, code: str, message: str, hint: str, **values: Any) -> Finding:
        about = {"flow": self.flow.name, "row": external_id}
        values = {"flow": self.flow.name, "external_id": external_id, **values}
        return noticed(
            "remote", code, message, hint, about=about, connection=self.flow.connection, **values
        )


NEVER = "row {external_id!r} of {connection} was never read by {flow}"
CHANGED = "row {external_id!r} of {connection} was changed there since {flow} read it: {fields}"
BACK = "row {external_id!r} of {connection} was gone, and is there again"
GONE = "row {external_id!r} of {connection} is not there any more"
SYNC = "hub sync {flow} --full takes it."


def _references(flow: Flow) -> set[str]:
    """Fields with references: a row has external ids where the shadow has ids of records."""
    return {ref.path[0] for ref in flow.mapping.refs}
