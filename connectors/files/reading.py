"""Reading a stream of files in pages that can be resumed, and finding rows in it.

The cursor says which files were read to their end, by the signature of their content (and of their
children's), and where reading stands in the one that was not:

    {"done": {"orders-1.csv": "512-…"}, "at": {"file": "orders-2.csv", "signature": "…",
     "place": 4096, "line": 37}}

A file with another signature is read again from its beginning; unchanged ones give nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.connector import BadRow, Cursor, Page, Row, Stream, join_key
from hub.errors import UnavailableError

from .csvfile import CsvFile
from .declared import Child, Declared, Layout
from .folder import Folder, signature, translated
from .jsonl import JsonLinesFile
from .rows import condition, same, to_text
from .tablefile import Entry, TableFile
from .xlsx import XlsxFile

FORMATS: dict[str, type[TableFile]] = {"csv": CsvFile, "jsonl": JsonLinesFile, "xlsx": XlsxFile}
Link = tuple[str, ...]


def table_file(path: Path, layout: Layout) -> TableFile:
    return FORMATS[layout.format](path, layout)


class Children:
    """The child rows of a stream's rows, held in memory by parent."""

    def __init__(self, folder: Folder, declared: Declared) -> None:
        self.bad: list[BadRow] = []
        self._found = {
            name: (child, self._by_parent(folder, child))
            for name, child in declared.children.items()
        }

    def complete(self, row: dict[str, Any]) -> dict[str, Any]:
        for name, (child, by_parent) in self._found.items():
            row[name] = by_parent.get(link_to(row, child), [])
        return row

    def _by_parent(self, folder: Folder, child: Child) -> dict[Link, list[Row]]:
        path = folder.existing(child.layout.file)
        folder.check_size(path)
        by_parent: dict[Link, list[Row]] = {}
        for entry in table_file(path, child.layout).entries():
            if isinstance(entry.row, BadRow):
                self.bad.append(entry.row)
            else:
                by_parent.setdefault(link_from(entry.row, child), []).append(entry.row)
        return by_parent


def link_to(row: Row, child: Child) -> Link:
    """The values by which children name this row."""
    return tuple(to_text(row.get(theirs)) for theirs in child.parent.values())


def link_from(row: Row, child: Child) -> Link:
    """The values by which this child row names its parent."""
    return tuple(to_text(row.get(own)) for own in child.parent)


# -------------------------------------------------------------------------------------------- read


def read_pages(
    folder: Folder, declared: Declared, stream: Stream, cursor: Cursor | None, *, size: int
) -> Iterator[Page]:
    paths = files_of(folder, declared)
    signatures = {folder.relative(path): _signature(folder, declared, path) for path in paths}
    cursor = cursor or {}
    known: Mapping[str, str] = cursor.get("done", {})
    done = {name: known[name] for name in signatures if name in known}
    at: Mapping[str, Any] = cursor.get("at", {})
    changed = [path for path in paths if done.get(folder.relative(path)) != _of(folder, path, signatures)]
    if not changed:
        return
    children = Children(folder, declared)
    if children.bad:
        yield Page(children.bad, dict(cursor))
    for path in changed:
        name = folder.relative(path)
        begun = at.get("file") == name and at.get("signature") == signatures[name]
        place, line = (at["place"], at["line"]) if begun else (0, 0)
        yield from _file_pages(
            folder, declared, stream, path, (place, line), signatures[name], done, children, size
        )
        done[name] = signatures[name]
