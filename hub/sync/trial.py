"""A mapping on the rows of its system: checked, tried both ways, pinned, suggested.

Rows are only read; nothing is written there, and here only the file of pinned records.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import select

from hub.connector import BadRow, Connector, Row, Stream
from hub.entity import Entity
from hub.errors import ConfigError, HubError, NotFoundError, Problem, quoted
from hub.mapping import (
    Document,
    Suggestion,
    check,
    draft,
    make_pin,
    read_pins,
    run_pins,
    suggest,
    write_pins,
)
from hub.mapping import Mapping as FieldMapping
from hub.mapping.problems import problem_of
from hub.settings import not_found
from hub.store import records
from hub.store.session import Store
from hub.sync.rows import decode, encode

Opener = Callable[[str], AbstractContextManager[Connector]]
STORED = 200
"""So many rows that the hub has already taken are tried when a mapping is checked."""
SAMPLES = 100
NOT_ASKED = "the system {value!r} was not asked for its columns: {reason}"
NO_STREAM = "connection {connection!r} has no stream {value!r}"
NO_STREAM_HINT = "See what it has: `hub connections discover {connection}`."
BLOCKED = (
    "flow {flow!r}: its mapping {mapping!r} breaks {count} of the pinned records; the first:"
    " {reason}"
)
BLOCKED_HINT = "See all of them: `hub mappings check {mapping}`."


@dataclass(frozen=True)
class Trial:
    """A mapping and where its rows are; `connection` is "" where no flow uses the mapping."""

    mapping: FieldMapping
    connection: str
    stream: Stream
    store: Store
    opened: Opener

    def check(self, pins: Path, *, offline: bool = False) -> list[Problem]:
        """What is wrong: with the document, against the system, on stored rows, on pinned ones."""
        described: Stream | None = None
        found: list[Problem] = []
        if self.connection and not offline:
            described, found = self._described()
        document, entity = self.mapping.document, self.mapping.entity
        found += check(document, entity, described, self._stored())
        return [*run_pins(self.mapping, read_pins(pins)), *found]

    def _described(self) -> tuple[Stream | None, list[Problem]]:
        """The stream as the system describes it now, or why that is not known."""
        name, values = self.stream.name, {"connection": self.connection}
        try:
            with self.opened(self.connection) as connector:
                streams = {s.name: s for s in connector.discover()}
        except HubError as e:
            told = {**e.values, "level": "warning", "reason": quoted(e)}
            return None, [Problem("not-asked", NOT_ASKED, "", self.connection, e.hint, told)]
        if name not in streams:
            told = {"level": "error", **values}
            return None, [Problem("no-stream", NO_STREAM, "stream", name, NO_STREAM_HINT, told)]
        return streams[name], []

    def _stored(self) -> list[Row]:
        """Rows of this stream as the hub last took them."""
        tables = self.store.metadata.tables
        link, source = tables["link"], tables["source"]
        query = (
            select(link.c.row)
            .join(source, source.c.id == link.c.source_id)
            .where(source.c.connection == self.connection, source.c.stream == self.stream.name)
            .where(link.c.row.is_not(None))
            .limit(STORED)
        )
        with self.store.read() as connection:
            return [decode(text) for text in connection.execute(query).scalars()]

    def rows(self, count: int) -> list[dict[str, Any]]:
        """Up to *count* rows of the system, each through the mapping and back."""
        with self.opened(self._system()) as connector:
            return [try_row(self.mapping, row) for row in _read(connector, self.stream, count)]

    def pin(self, external_id: str, path: Path) -> None:
        """Keep the row and what becomes of it, in place of an earlier pin of the same row."""
        with self.opened(self._system()) as connector:
            row = next(iter(connector.fetch(self.stream, [external_id])), None)
        if row is None:
            raise NotFoundError(
                "connection {connection!r} has no row {id!r} in {stream!r}",
                connection=self.connection,
                id=external_id,
                stream=self.stream.name,
                hint="Give the id as the system has it; `hub mappings try {mapping}` shows some.",
                mapping=self.mapping.name,
            )
        others = [p for p in read_pins(path) if _id(self.mapping, p.row) != external_id]
        text = write_pins([*others, make_pin(self.mapping, row)])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _system(self) -> str:
        if not self.connection:
            raise ConfigError(
                "no flow uses the mapping {mapping!r}, so there is no system to read rows from",
                mapping=self.mapping.name,
                hint="Name one: --connection NAME",
            )
        return self.connection


def try_row(mapping: FieldMapping, row: Row) -> dict[str, Any]:
    """One row both ways: what the hub makes of it, what a create of that would write, and what
    writing it back to the row would change."""
    candidate = mapping.get(row)
    problems, created, back = list(candidate.problems), {}, {}
    try:
        created = mapping.put(candidate.values)
        back = mapping.put(candidate.values, row, fields=set(candidate.values))
    except ValueError as e:
        problems += getattr(e, "problems", ()) or [problem_of(e, "", None)]
    return {
        "row": _plain(row),
        "values": candidate.values,
        "created": _plain(created),
        "back": _plain(back),
        "problems": [p.to_json() for p in problems],
        "columns": mapping.covers(row),
    }


def refuse_broken_pins(flow: str, mapping: FieldMapping, pins: Path) -> None:
    """ConfigError if this version of the mapping breaks a pinned record."""
    broken = run_pins(mapping, read_pins(pins))
    if broken:
        raise ConfigError(
            BLOCKED,
            flow=flow,
            mapping=mapping.name,
            count=len({p.values["id"] for p in broken}),
            reason=quoted(broken[0]),
            hint=BLOCKED_HINT,
        )


@dataclass(frozen=True)
class Suggested:
    """A mapping to begin with, for a person to check and save; `open`: columns without a pair."""

    document: str
    pairs: Sequence[Suggestion]
    open: Sequence[str]


def suggest_mapping(
    store: Store,
    connector: Connector,
    stream: str,
    entity: Entity,
    *,
    known: Document | None = None,
) -> Suggested:
    """Pairs of column and field, by names, kinds, codes and values; none that *known* maps."""
    streams = {s.name: s for s in connector.discover()}
    if stream not in streams:
        raise not_found("the system has no stream {name!r}", stream, streams, name=stream)
    found = streams[stream]
    samples = list(_read(connector, Stream(found.name, key=found.key), SAMPLES))
    pairs = suggest(entity, found, document=known, samples=samples, records=_records(store, entity))
    taken = {p.column for p in pairs}
    open_ = [c for c in found.columns if c not in taken and c not in found.key]
    return Suggested(draft(entity, found, pairs), pairs, open_)


def _records(store: Store, entity: Entity) -> list[dict[str, Any]]:
    """Some records of the hub, under the entity's field names."""
    table = store.tables[entity.stored]
    with store.read() as connection:
        ids = connection.execute(select(table.c.id).limit(SAMPLES)).scalars().all()
        found = records.load(connection, store, entity.stored, ids)
    return [{f.name: r.values.get(entity.column(f.name)) for f in entity.fields}
            for r in found.values()]  # fmt: skip


def _read(connector: Connector, stream: Stream, count: int) -> list[Row]:
    pages = connector.read(stream, None)
    rows = (row for page in pages for row in page.rows if not isinstance(row, BadRow))
    return list(islice(rows, count))


def _id(mapping: FieldMapping, row: Row) -> str:
    try:
        return mapping.external_id(row)
    except ValueError:
        return ""


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json.loads(encode(row)))
