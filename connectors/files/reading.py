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
from .rows import comparable, condition, to_text
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


class Reading:
    """One read of one stream."""

    def __init__(self, folder: Folder, declared: Declared, stream: Stream, size: int) -> None:
        self.folder, self.declared, self.size = folder, declared, size
        self._accepts = condition(stream.where)
        self._done: dict[str, str] = {}

    def pages(self, cursor: Cursor | None) -> Iterator[Page]:
        cursor = cursor or {}
        files = [_Found(self.folder, self.declared, path) for path in self._paths()]
        read: Mapping[str, str] = cursor.get("done", {})
        self._done = {f.name: read[f.name] for f in files if f.name in read}
        changed = [f for f in files if self._done.get(f.name) != f.signature]
        if not changed:
            return
        self._children = Children(self.folder, self.declared)
        if self._children.bad:
            yield Page(self._children.bad, dict(cursor))
        for found in changed:
            yield from self._pages_of(found, cursor.get("at", {}))

    def _paths(self) -> list[Path]:
        paths = files_of(self.folder, self.declared)
        for path in paths:
            self.folder.check_size(path)
        return paths

    def _pages_of(self, found: "_Found", at: Mapping[str, Any]) -> Iterator[Page]:
        goes_on = (at.get("file"), at.get("signature")) == (found.name, found.signature)
        place, line = (at["place"], at["line"]) if goes_on else (0, 0)
        rows: list[Row | BadRow] = []
        with translated(found.path):
            entries = table_file(found.path, self.declared.layout).entries(place, line)
            for entry in entries:
                if len(rows) == self.size:  # and there is more: not the last page
                    yield Page(rows, self._at(found, place, line))
                    rows = []
                row = self._row(entry)
                if row is not None:
                    rows.append(row)
                place, line = entry.end, entry.line
            found.check_unchanged()
        self._done[found.name] = found.signature
        if rows:
            yield Page(rows, {"done": dict(self._done)})

    def _row(self, entry: Entry) -> Row | BadRow | None:
        if isinstance(entry.row, BadRow):
            return entry.row
        row = self._children.complete(entry.row)
        return row if self._accepts is None or self._accepts(row) else None

    def _at(self, found: "_Found", place: int, line: int) -> Cursor:
        at = {"file": found.name, "signature": found.signature, "place": place, "line": line}
        return {"done": dict(self._done), "at": at}


class _Found:
    """A file as it was when the read came to it."""

    def __init__(self, folder: Folder, declared: Declared, path: Path) -> None:
        self.path, self.name = path, folder.relative(path)
        self._before = path.stat()
        children = [folder.path(child.layout.file) for child in declared.children.values()]
        with translated(path):
            self.signature = "+".join(signature(file) for file in (path, *children))

    def check_unchanged(self) -> None:
        """A file that is written while it is read is not complete; a new one in its place is no
        harm, the old one was read to its end."""
        now = self.path.stat()
        is_same = (now.st_dev, now.st_ino) == (self._before.st_dev, self._before.st_ino)
        changed = (now.st_size, now.st_mtime_ns) != (self._before.st_size, self._before.st_mtime_ns)
        if is_same and changed:
            raise UnavailableError(
                "files: {file} was changed while it was read",
                file=self.name,
                hint="It is read again by itself, once whoever writes it has finished.",
            )


def files_of(folder: Folder, declared: Declared) -> list[Path]:
    """The files of a stream; a file that is named must be there, a pattern may match none."""
    layout = declared.layout
    return folder.matching(layout.file) if layout.is_pattern else [folder.existing(layout.file)]


# ------------------------------------------------------------------------------------------- fetch


def fetch_rows(
    folder: Folder,
    declared: Declared,
    stream: Stream,
    keys: Sequence[str | Mapping[str, Any]],
) -> Iterator[Row]:
    """One pass over the files, whatever the number of keys."""
    wanted = _Wanted(key_of(declared, stream), keys)
    paths = folder.matching(declared.layout.file)
    if not keys or not paths:
        return
    children = Children(folder, declared)
    for path in paths:
        with translated(path):
            for entry in table_file(path, declared.layout).entries():
                row = entry.row
                if not isinstance(row, BadRow) and row in wanted:
                    yield children.complete(row)


def key_of(declared: Declared, stream: Stream) -> tuple[str, ...]:
    """The columns that make the id of a row."""
    return stream.key or declared.layout.key


def id_of(row: Row, key: Sequence[str]) -> str:
    return join_key(row.get(column) for column in key)


class _Wanted:
    """Ids and column values to look for, so that a row is tested at once against all of them."""

    def __init__(self, key: Sequence[str], keys: Sequence[str | Mapping[str, Any]]) -> None:
        self._key = key
        self._ids = {one for one in keys if isinstance(one, str)}
        self._values: dict[tuple[str, ...], set[Any]] = {}
        for one in keys:
            if not isinstance(one, str):
                columns = tuple(sorted(one))
                values = tuple(comparable(one[column]) for column in columns)
                self._values.setdefault(columns, set()).add(values)

    def __contains__(self, row: Row) -> bool:
        if self._ids and id_of(row, self._key) in self._ids:
            return True
        return any(
            tuple(comparable(row.get(column)) for column in columns) in values
            for columns, values in self._values.items()
        )
