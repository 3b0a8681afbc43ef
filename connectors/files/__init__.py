"""A folder as a system: its CSV, JSON Lines and Excel files are the streams.

Source: RFC 4180 and what Excel, WPS and LibreOffice write; jsonlines.org; GB 18030-2022.
Time:   values are as the file spells them; a moment in an Excel cell is text without zone.
Money:  exact: text in CSV, decimals in JSON Lines; Excel keeps 15 digits, longer numbers are text.
Limits: a file is read whole again when its content changed, in its own order; writing a batch reads
        and writes the whole file.  Children's files are held in memory.  One writer at a time.

Every file in the folder is a stream named like it; a stream in the setting `streams` says more:

    orders:
      file: orders-*.csv         # a name, or a pattern: then it is read only
      format: csv                # csv, jsonl or xlsx; else by the suffix
      encoding: gb18030          # else by the mark at its beginning, else utf-8
      delimiter: ";"             # else the likeliest of , ; tab |
      empty: "null"              # or text: what an empty CSV cell is
      skip_rows: 2               # rows above the header
      sheet: Orders              # of a workbook; else the first
      key: [OrderID]
      cursor_column: ShippedDate # passed on
      columns: [OrderID, No]     # the header of a file that the hub creates
      guard_formulas: true
      children:
        lines: {file: order_lines.csv, parent: {OrderID: OrderID}, key: [ProductID]}

**Incremental reads** go by content: a file whose content is what it was gives no page.
**Broken rows** (encoding, columns, quotes, JSON) are `BadRow`s that name file and line.
**Formulas.**  A text that a spreadsheet program would compute (it begins with = + - @, tab, return
or their wide forms, and is no number) is written to CSV as `'` and the text; reading takes the `'`
away, so that the text comes back exactly.  `guard_formulas: false` switches both off, for files
that only programs read.  In Excel files text is text.
**Writing** keeps columns, order, encoding, line endings and every row that is not concerned, byte
by byte in CSV and JSON Lines; for Excel see `xlsx.py` on what is lost.  The new file takes the
place of the old one at once.  A file that somebody else changed meanwhile is read again first.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from marshmallow import validate

from hub.connector import (
    Capabilities,
    Change,
    Column,
    Connector,
    Cursor,
    Nested,
    Number,
    Page,
    Row,
    Settings,
    Stream,
    Text,
    WriteResult,
)
from hub.errors import ConfigError

from .declared import FORMATS, Declared, Layout, declared_stream
from .folder import Folder, translated
from .reading import Reading, fetch_rows, table_file
from .rows import version_of
from .writing import write_batch


class FilesSettings(Settings):
    folder = Text(help="Path of the folder: /var/lib/exchange/shop")
    max_megabytes = Number(
        help="Largest file that is read, unpacked",
        load_default=512,
        validate=validate.Range(1, 1 << 20),
    )
    streams = Nested(
        help="Per stream: file (a name or a pattern) and, where needed, key, children, format,"
        " encoding, delimiter, empty, skip_rows, sheet, cursor_column, columns, guard_formulas",
        load_default=dict,
    )


class Files(Connector):
    name = "files"
    settings = FilesSettings
    capabilities: Capabilities = Capabilities(
        read_page=1000,
        write_batch=1000,
        deletes=True,
        conditional_writes=True,
        idempotent_writes=True,
        unique_keys=False,
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        told: Mapping[str, Any] = self.config["streams"]
        self._declared = {name: declared_stream(name, more or {}) for name, more in told.items()}

    def open(self) -> None:
        max_bytes = self.config["max_megabytes"] << 20
        self._folder = Folder(self.config["folder"], max_bytes=max_bytes)

    def check(self) -> str:
        self._folder.matching("*")
        streams = self._streams()
        for declared in self._declared.values():
            if not declared.layout.is_pattern:
                self._folder.path(declared.layout.file)
        files = len(self._folder.names())
        return f"Folder {self._folder.root} with {files} files, {len(streams)} streams"

    def discover(self) -> Iterator[Stream]:
        for declared in self._streams().values():
            yield Stream(
                name=declared.name,
                key=declared.layout.key,
                cursor_column=declared.cursor_column,
                writable=bool(declared.layout.key) and not declared.layout.is_pattern,
                columns=self._columns(declared),
                label=declared.layout.file,
            )

    def read(self, stream: Stream, cursor: Cursor | None) -> Iterator[Page]:
        declared = self._stream(stream.name)
        size = self.capabilities.read_page
        yield from Reading(self._folder, declared, stream, size).pages(cursor)

    def fetch(self, stream: Stream, keys: Sequence[str | Mapping[str, Any]]) -> Iterator[Row]:
        yield from fetch_rows(self._folder, self._stream(stream.name), stream, keys)

    def write(self, stream: Stream, batch: Sequence[Change]) -> Iterator[WriteResult]:
        if batch:
            yield from write_batch(self._folder, self._stream(stream.name), stream, batch)

    def version_of(self, stream: Stream, row: Row) -> str | None:
        return version_of(row)

    def _streams(self) -> dict[str, Declared]:
        """The declared ones, and every other file by its name."""
        used = {
            self._folder.relative(path)
            for declared in self._declared.values()
            for layout in (declared.layout, *(c.layout for c in declared.children.values()))
            for path in self._folder.matching(layout.file)
        }
        found = dict(self._declared)
        for name in self._folder.names():
            path = PurePath(name)
            if name not in used and path.suffix.lower() in FORMATS:
                found.setdefault(path.stem, declared_stream(path.stem, {"file": name}))
        return found

    def _stream(self, name: str) -> Declared:
        if name in self._declared:
            return self._declared[name]
        streams = self._streams()
        if name not in streams:
            raise ConfigError(
                "files: there is no stream {name!r} in {folder}",
                name=name,
                folder=str(self._folder.root),
                hint="There are: {known}.",
                known=", ".join(streams) or "—",
            )
        return streams[name]

    def _columns(self, declared: Declared) -> dict[str, Column]:
        columns = self._columns_of(declared.layout)
        for name, child in declared.children.items():
            parts = self._columns_of(child.layout)
            columns[name] = Column("rows", columns=parts, target=child.layout.file)
        return columns

    def _columns_of(self, layout: Layout) -> dict[str, Column]:
        """Of a pattern's last file, which shows what is delivered now; without one as declared."""
        paths = self._folder.matching(layout.file)
        if not paths:
            names = dict.fromkeys((*layout.key, *layout.columns))
            return {name: Column("text", required=name in layout.key) for name in names}
        with translated(paths[-1]):
            self._folder.check_size(paths[-1])
            return table_file(paths[-1], layout).columns()
