"""CSV: a header, then rows; every value is text."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

from hub.connector import BadRow, Column, Row
from hub.errors import ConfigError

from .bytelines import MARK, Flaw, LineFile, Lines, other_than
from .rows import guard, to_text, unguard
from .tablefile import Entry, RefusedError, no_column

DELIMITERS = ",;\t|"
RAW_SHOWN = 2000
COLUMNS = "{found} columns, the header has {width}"
NO_CSV = "no CSV: {reason}"


class Beginning(NamedTuple):
    """The header, and where the rows begin."""

    names: list[str]
    delimiter: str
    offset: int = 0
    line: int = 0


class CsvFile(LineFile):
    untyped = True

    # ------------------------------------------------------------------------------------- header

    def header(self) -> Sequence[str]:
        return self._beginning.names

    @cached_property
    def _beginning(self) -> Beginning:
        if not self.head:
            return Beginning(list(self.layout.columns), self.layout.delimiter or ",")
        with self.path.open("rb") as file:
            lines = Lines(file, self.encoding, len(self.mark), 0)
            file.seek(lines.offset)
            texts = iter(lines)
            for _ in range(self.layout.skip_rows):
                next(texts, "")
            lines.flaw = None
            first = next(texts, "")
            delimiter = self.layout.delimiter or max(DELIMITERS, key=first.count)
            names = self._names(lines, chain([first], texts), delimiter)
            return Beginning(names, delimiter, lines.offset, lines.line)

    def _names(self, lines: Lines, texts: Iterable[str], delimiter: str) -> list[str]:
        try:
            found = next(csv.reader(texts, delimiter=delimiter, strict=True), [])
        except csv.Error as e:
            lines.flaw, found = lines.flaw or Flaw(NO_CSV, {"reason": str(e)}), []
        if lines.flaw:
            raise ConfigError(
                "files: {file} line {line}: {flaw}",
                file=self.path.name,
                line=lines.line,
                flaw=lines.flaw.quoted(),
                hint="This should be the header: set the stream's `encoding`, for example to"
                " {other}, or `skip_rows`.",
                other=other_than(lines.encoding),
            )
        names = [name.strip() or f"column_{n}" for n, name in enumerate(found, 1)]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(
                "files: {file}: the header names {name!r} twice",
                file=self.path.name,
                name=twice[0],
                hint="Give every column a name of its own.",
            )
        return names

    def columns(self) -> dict[str, Column]:
        required = set(self.layout.key)
        return {name: Column("text", required=name in required) for name in self.header()}

    # --------------------------------------------------------------------------------------- read

    def entries(self, start: int = 0, line: int = 0) -> Iterator[Entry]:
        begin = self._beginning
        if not self.head:
            return
        with self.path.open("rb") as file:
            lines = Lines(file, self.encoding, 0, 0)
            lines.back_to(*((start, line) if start else (begin.offset, begin.line)))
            yield from self._entries(lines, begin.names)

    def _entries(self, lines: Lines, names: list[str]) -> Iterator[Entry]:
        reader = self._reader(lines)
        width, null_empty, guards = len(names), self._null_empty, self.layout.guard_formulas
        while True:
            start, above = lines.offset, lines.line
            lines.first = b""
            try:
                fields = next(reader, None)
            except csv.Error as e:
                lines.flaw, fields = lines.flaw or Flaw(NO_CSV, {"reason": str(e)}), []
            if fields is None:
                return
            if len(fields) != width or lines.flaw:
                if not fields and not lines.flaw:
                    continue  # an empty line
                if not any(fields) and not lines.flaw:
                    continue  # a line of nothing but delimiters
                flaw = lines.flaw or Flaw(COLUMNS, {"found": len(fields), "width": width})
                if lines.line > above + 1:  # an open quote took lines that may be good
                    lines.back_to(start + len(lines.first), above + 1)
                    reader = self._reader(lines)
                lines.flaw, lines.quotes = None, False
                bad = self._bad(lines.first, above + 1, flaw)
                yield Entry(bad, start, lines.offset, lines.line)
                continue
            if lines.quotes:
                lines.quotes = False
                if guards:
                    fields = [unguard(text) for text in fields]
            if null_empty and "" in fields:
                if not any(fields):
                    continue
                yield Entry(
                    {n: f or None for n, f in zip(names, fields, strict=True)},
                    start,
                    lines.offset,
                    lines.line,
                )
            else:
                yield Entry(dict(zip(names, fields, strict=True)), start, lines.offset, lines.line)

    def _reader(self, lines: Lines) -> Iterator[list[str]]:
        return csv.reader(iter(lines), delimiter=self._beginning.delimiter, strict=True)

    @property
    def _null_empty(self) -> bool:
        return self.layout.empty == "null"

    def _bad(self, raw: bytes, line: int, flaw: Flaw) -> BadRow:
        shown = raw[:RAW_SHOWN].decode(self.encoding, "backslashreplace").rstrip("\r\n")
        place = f"{self.path.name} line {line}"
        return BadRow(place, shown.replace("\0", "\\0"), flaw.message, flaw.values)

    # -------------------------------------------------------------------------------------- write

    def stored(self, row: Row) -> dict[str, Any]:
        names = self.header() or list(row)
        unknown = [name for name in row if name not in names]
        if unknown:
            raise no_column(self.path.name, unknown[0], names)
        texts = {}
        for name in names:
            text = to_text(row.get(name))
            if "\0" in text:
                raise RefusedError("a CSV file cannot hold a NUL character", name)
            if len(text) > csv.field_size_limit():
                raise RefusedError("the text is too long for a CSV field", name, code="too-long")
            self.encoded(text, name)
            texts[name] = (text or None) if self._null_empty else text
        return texts

    def beginning(self, rows: Sequence[Row]) -> bytes:
        names = self.new_header(rows)
        self._beginning = Beginning(names, self.layout.delimiter or ",")
        # without the mark, Excel takes UTF-8 for the local encoding
        mark = MARK if self.layout.encoding.lower() in ("", "utf-8-sig") else b""
        return mark + self._line(names) + self.ending

    def encode(self, row: Row) -> bytes:
        texts = [to_text(row.get(name)) for name in self.header()]
        return self._line([guard(text) for text in texts] if self.layout.guard_formulas else texts)

    def _line(self, texts: Sequence[str]) -> bytes:
        out = io.StringIO()
        delimiter = self._beginning.delimiter
        # the writer quotes what contains a sign of its line terminator
        csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerow(texts)
        return self.encoded(out.getvalue().removesuffix("\r\n"))
