"""Formats whose rows are lines: places are byte offsets, unchanged lines are copied as they are."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple

from hub.connector import Row
from hub.errors import ConfigError

from .tablefile import RefusedError, TableFile

LONGEST_LINE = 1 << 20
MARK = b"\xef\xbb\xbf"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
COPY_BYTES = 1 << 20
NOT_ENCODED = (
    "byte {place} ({byte}) is not {encoding}; set the stream's `encoding`, for example to {other}"
)


class Flaw(NamedTuple):
    """What is wrong with a line: a template and its values."""

    message: str
    values: Mapping[str, Any] = {}

    def quoted(self) -> dict[str, Any]:
        return {"message": self.message, "values": dict(self.values)}


class Lines:
    """Decoded lines with their places.

    `flaw` says what was wrong with a line since it was last cleared; `first` is the first raw line
    since it was last cleared; `quotes`: a `'` was seen since.
    """

    def __init__(self, file: IO[bytes], encoding: str, offset: int, line: int) -> None:
        self.file, self.encoding = file, encoding
        self.offset, self.line = offset, line
        self.flaw: Flaw | None = None
        self.first = b""
        self.quotes = False

    def __iter__(self) -> Iterator[str]:
        readline, encoding = self.file.readline, self.encoding
        while raw := readline(LONGEST_LINE):
            if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
                self._skip_rest()
            self.offset += len(raw)
            self.line += 1
            if not self.first:
                self.first = raw
            if b"'" in raw:
                self.quotes = True
            if b"\0" in raw:
                self.flaw = self.flaw or Flaw("the line contains a NUL character")
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError as e:
                text = raw.decode(encoding, "replace")
                self.flaw = self.flaw or self._undecodable(raw, e)
            yield text

    def back_to(self, offset: int, line: int) -> None:
        self.file.seek(offset)
        self.offset, self.line = offset, line

    def _skip_rest(self) -> None:
        self.flaw = Flaw("the line is longer than {most} MiB", {"most": LONGEST_LINE >> 20})
        while rest := self.file.readline(LONGEST_LINE):
            self.offset += len(rest)
            if rest.endswith(b"\n"):
                return

    def _undecodable(self, raw: bytes, error: UnicodeDecodeError) -> Flaw:
        values = {
            "place": self.offset - len(raw) + error.start,
            "byte": f"0x{raw[error.start]:02x}",
            "encoding": self.encoding,
            "other": other_than(self.encoding),
        }
        return Flaw(NOT_ENCODED, values)


def other_than(encoding: str) -> str:
    """The encoding to try next."""
    return "utf-8" if encoding == "gb18030" else "gb18030"


class LineFile(TableFile):
    """A file of lines in some encoding."""

    @cached_property
    def head(self) -> bytes:
        """The first bytes; none where there is no file."""
        try:
            with self.path.open("rb") as file:
                return file.read(1 << 16)
        except FileNotFoundError:
            return b""

    @cached_property
    def encoding(self) -> str:
        """By the mark at the beginning of the file, or as declared, or UTF-8."""
        if self.head.startswith(UTF_16_MARKS):
            raise ConfigError(
                "files: {file} is UTF-16, which cannot be read",
                file=self.path.name,
                hint="Save it as UTF-8; in Excel as «CSV UTF-8».",
            )
        declared = self.layout.encoding.lower()
        return "utf-8" if self.mark or declared == "utf-8-sig" else declared or "utf-8"

    @property
    def mark(self) -> bytes:
        """The byte order mark at the beginning, which belongs to no row."""
        return MARK if self.head.startswith(MARK) else b""

    @property
    def ending(self) -> bytes:
        """How lines end in this file."""
        first, newline, _ = self.head.partition(b"\n")
        return b"\r\n" if newline and first.endswith(b"\r") else b"\n"

    def encode(self, row: Row) -> bytes:
        """The row as a line, without its ending.  RefusedError: it cannot be written."""
        raise NotImplementedError

    def beginning(self, rows: Sequence[Row]) -> bytes:
        """What a file that is not there yet begins with."""
        return b""

    def rewrite(
        self,
        target: Path,
        replaced: Mapping[int, tuple[int, Row | None]],
        added: Sequence[Row],
    ) -> None:
        ending = self.ending
        with target.open("wb") as out:
            if self.head:
                self._copy_with(out, replaced, ending)
            else:
                out.write(self.beginning(added))
            for row in added:
                out.write(self.encode(row) + ending)

    def _copy_with(
        self, out: IO[bytes], replaced: Mapping[int, tuple[int, Row | None]], ending: bytes
    ) -> None:
        """The file as it is but for the replaced entries, complete with a last line ending."""
        with self.path.open("rb") as file:
            for start in sorted(replaced):
                end, row = replaced[start]
                _copy(file, out, start - file.tell())
                if row is not None:
                    out.write(self.encode(row) + ending)
                file.seek(end)
            _copy(file, out, -1)
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    out.write(ending)

    def encoded(self, text: str, column: str | None = None) -> bytes:
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError as e:
            raise RefusedError(
                "{encoding} cannot write the character {sign}",
                column,
                code="encoding",
                encoding=self.encoding,
                sign=ascii(text[e.start]),
            ) from e


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    """Copy so many bytes; all the rest if negative."""
    while count and (chunk := source.read(min(count, COPY_BYTES) if count > 0 else COPY_BYTES)):
        target.write(chunk)
        count -= len(chunk) if count > 0 else 0
