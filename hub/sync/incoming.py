"""Rows on their way in, and what a page of them led to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.connector import BadRow, Row
from hub.errors import HubError, Problem
from hub.matching import Score
from hub.store.records import Record
from hub.sync.flow import Flow
from hub.sync.links import Link
from hub.sync.merge import Merged
from hub.sync.quarantine import Parked
from hub.sync.rows import encode, fingerprint


@dataclass(slots=True)
class Incoming:
    """One row on its way in.  `parked_id`: it comes out of the waiting room or the quarantine."""

    external_id: str
    row: Mapping[str, Any]
    text: str
    row_hash: str
    place: str = ""
    parked_id: str = ""
    new_id: str = ""
    modified_at: str | None = None
    version: str | None = None
    problems: list[Problem] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    link: Link | None = None
    record: Record | None = None
    matched: tuple[str, ...] = ()
    """The match rule that found its record."""
    merged: Merged | None = None
    waits: tuple[int, str] | None = None
    alike: Mapping[str, Score] = field(default_factory=dict)
    """Records that the row may be, for a person to look at, by what speaks for it."""

    @property
    def is_second(self) -> bool:
        """A row of a record that was merged into one which has a row here too."""
        return self.link is not None and self.link.state == "merged"


@dataclass(slots=True)
class Taken:
    """What a page led to beyond its own rows: rows of other flows that can go on now, and
    references that might be fetched."""

    woken: list[Parked] = field(default_factory=list)
    missing: dict[int, set[str]] = field(default_factory=dict)
    new_links: list[tuple[int, str]] = field(default_factory=list)


def prepare(flow: Flow, rows: Iterable[Row | BadRow]) -> list[Incoming]:
    """Encode and name the rows: all that needs no transaction."""
    out = []
    for number, row in enumerate(rows):
        if isinstance(row, BadRow):
            problem = Problem("unreadable", row.message, value=row.raw, values=row.values)
            text = encode({"raw": row.raw, "place": row.place})
            bad = Incoming("", {}, text, fingerprint(text), row.place, problems=[problem])
            bad.external_id = f"?{row.place}"
            out.append(bad)
            continue
        text = encode(row)
        incoming = Incoming("", row, text, fingerprint(text))
        try:
            incoming.external_id = flow.mapping.external_id(row)
        except (ValueError, HubError) as e:
            incoming.external_id = f"?{incoming.row_hash}"
            incoming.place = f"{flow.stream.name} #{number + 1}"
            incoming.problems.append(
                Problem(
                    "no-key",
                    "the row has no key: {why}",
                    field=", ".join(flow.mapping.key),
                    values={"why": str(e)},
                    hint="Fill the key in the source, or map another key.",
                )
            )
        out.append(incoming)
    return out
