"""What every format offers: rows with their places, and the file written anew with some changed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from hub.connector import BadRow, Column, Row

from .declared import Layout

SAMPLE_ROWS = 200


class Entry(NamedTuple):
    """One row or broken row.  `start` and `end` are its place in the format's own terms: bytes, or
    the number of the row; `line` is how many lines end with it."""

    row: dict[str, Any] | BadRow
    start: int
    end: int
    line: int


class RefusedError(Exception):
    """The file cannot hold this value."""

    def __init__(
        self, message: str, column: str | None = None, code: str = "value", **values: Any
    ) -> None:
        super().__init__(message)
        self.message, self.column, self.code, self.values = message, column, code, values


def no_column(file: str, column: str, names: Sequence[str]) -> RefusedError:
    return RefusedError(
        "{file} has no column {name!r}; it has: {known}",
        column,
        code="column",
        file=file,
        name=column,
        known=", ".join(names),
    )


class TableFile(ABC):
    """One file, which may not exist yet.  Made anew for each use: it remembers the header."""

    untyped: ClassVar[bool] = False
    """Every value is text."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self.layout = path, layout

    @abstractmethod
    def header(self) -> Sequence[str]:
        """The columns in their order; empty where the format or the file has none.

        ConfigError: the header cannot be read.
        """

    @abstractmethod
    def entries(self, start: int = 0, line: int = 0) -> Iterator[Entry]:
        """The rows from a place on, which is 0 or the end of an entry."""

    @abstractmethod
    def stored(self, row: Row) -> dict[str, Any]:
        """The row as reading would give it back.  RefusedError: the file cannot hold it."""

    @abstractmethod
    def rewrite(
        self,
        target: Path,
        replaced: Mapping[int, tuple[int, Row | None]],
        added: Sequence[Row],
    ) -> None:
        """Write the file to *target* with the entries at these starts replaced (None: left out;
        the int is the entry's end), and rows added at the end."""

    def columns(self) -> dict[str, Column]:
        """The columns with the kinds that the first rows show."""
        kinds: dict[str, set[str]] = {name: set() for name in self.header()}
        for number, entry in enumerate(self.entries()):
            if number == SAMPLE_ROWS:
                break
            if not isinstance(entry.row, BadRow):
                for name, value in entry.row.items():
                    kinds.setdefault(name, set()).add(_kind(value))
        required = set(self.layout.key)
        return {n: Column(_together(k), required=n in required) for n, k in kinds.items()}

    def new_header(self, rows: Sequence[Row]) -> list[str]:
        """The columns of a file that is not there yet: as declared, or as the rows have them."""
        if self.layout.columns:
            return list(self.layout.columns)
        found = dict.fromkeys((*self.layout.key, *(name for row in rows for name in row)))
        return list(found)


def _kind(value: Any) -> str:
    for kind, name in KINDS.items():
        if isinstance(value, kind):
            return name
    return "" if value is None else "decimal"


KINDS: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    str: "text",
    list: "json",
    dict: "json",
}


def _together(kinds: set[str]) -> str:
    """The kind of a column whose rows show these."""
    kinds = kinds - {""}
    if kinds == {"integer", "decimal"}:
        return "decimal"
    return kinds.pop() if len(kinds) == 1 else "text"
