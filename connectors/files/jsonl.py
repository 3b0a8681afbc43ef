"""JSON Lines: an object per line, with types of its own and children inside."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from hub.connector import BadRow, Column, Row

from .bytelines import Flaw, LineFile, Lines
from .rows import json_text
from .tablefile import SAMPLE_ROWS, Entry, RefusedError


class JsonLinesFile(LineFile):
    def header(self) -> Sequence[str]:
        return ()

    def columns(self) -> dict[str, Column]:
        """As the first rows show them; a list of objects is a child list."""
        found = super().columns()
        rows = [e.row for e, _ in zip(self.entries(), range(SAMPLE_ROWS), strict=False)]
        for name, column in found.items():
            lists = [row[name] for row in rows if not isinstance(row, BadRow) and row.get(name)]
            if column.kind == "json" and lists and all(map(_is_rows, lists)):
                parts = {part: Column("json") for rows_ in lists for row in rows_ for part in row}
                found[name] = Column("rows", columns=parts)
        return found

    def entries(self, start: int = 0, line: int = 0) -> Iterator[Entry]:
        if not self.head:
            return
        with self.path.open("rb") as file:
            lines = Lines(file, self.encoding, 0, 0)
            start = start or len(self.mark)
            lines.back_to(start, line)
            for text in lines:
                end = lines.offset
                if text.strip():
                    yield Entry(self._row(text, lines), start, end, lines.line)
                lines.flaw = None
                start = end

    def _row(self, text: str, lines: Lines) -> dict[str, Any] | BadRow:
        place = f"{self.path.name} line {lines.line}"
        flaw = lines.flaw
        try:
            row = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError) as e:
            row, flaw = None, flaw or Flaw("no JSON: {reason}", {"reason": str(e)})
        if not flaw and not isinstance(row, dict):
            flaw = Flaw("not an object")
        if flaw:
            return BadRow(place, text.rstrip("\r\n")[:2000], flaw.message, flaw.values)
        return dict(row)

    def stored(self, row: Row) -> dict[str, Any]:
        try:
            text = json_text(row)
        except (TypeError, ValueError) as e:
            raise RefusedError(str(e)) from e
        self.encoded(text)
        plain: dict[str, Any] = json.loads(text, parse_float=Decimal)
        return plain

    def encode(self, row: Row) -> bytes:
        return self.encoded(json_text(row))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
