"""Excel workbooks: read by calamine, written by XlsxWriter.

Reading gives values: of a formula its last result, of an error nothing.  Numbers that are whole are
integers, others the decimal that prints like them; dates are dates; a date with a time is text
without zone.

Writing writes the whole workbook anew, **values only**.  Kept are the sheets, their order, every
value, and dates as dates.  Lost are formats, column widths, formulas (their last results stay),
comments, charts, pictures, filters, validations and macros.  Use it for workbooks that exist to
carry rows.  A number of more than 15 digits is written as text, because Excel would round it; text
is written as text, so that nothing becomes a formula or a link.
"""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import xlsxwriter
from python_calamine import CalamineError, CalamineWorkbook

from hub.connector import BadRow, Row
from hub.errors import ConfigError

from .rows import to_text
from .tablefile import Entry, RefusedError, TableFile, no_column

LONGEST_TEXT = 32767
EXACT_DIGITS = 15
CHUNK = 1 << 20
Cells = list[list[Any]]


class XlsxFile(TableFile):
    @cached_property
    def _sheets(self) -> dict[str, Cells]:
        if not self.path.exists():
            return {}
        try:
            _check_sizes(self.path)
            with CalamineWorkbook.from_path(str(self.path)) as book:
                return {name: _cells(book, name) for name in book.sheet_names}
        except (CalamineError, zipfile.BadZipFile, OSError, EOFError) as e:
            raise ConfigError(
                "files: {file} cannot be read as a workbook: {words}",
                file=self.path.name,
                words=str(e),
                hint="Open it in Excel and save it as .xlsx, without a password.",
            ) from e

    @property
    def _sheet(self) -> str:
        sheets = self._sheets
        wanted = self.layout.sheet
        if wanted and sheets and wanted not in sheets:
            raise ConfigError(
                "files: {file} has no sheet {sheet!r}",
                file=self.path.name,
                sheet=wanted,
                hint="It has: {known}.",
                known=", ".join(sheets),
            )
        return wanted or next(iter(sheets), "Sheet1")

    @cached_property
    def _rows(self) -> Cells:
        return self._sheets.get(self._sheet, [])

    @cached_property
    def _names(self) -> list[str]:
        top = self.layout.skip_rows
        if len(self._rows) <= top:
            return list(self.layout.columns)
        found = [to_text(cell).strip() for cell in self._rows[top]]
        while found and not found[-1]:
            found.pop()
        names = [name or f"column_{n}" for n, name in enumerate(found, 1)]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(
                "files: {file}: the header names {name!r} twice",
                file=self.path.name,
                name=twice[0],
                hint="Give every column a name of its own.",
            )
        return names

    def header(self) -> Sequence[str]:
        return self._names

    def entries(self, start: int = 0, line: int = 0) -> Iterator[Entry]:
        names, first = self._names, self.layout.skip_rows + 1
        width = len(names)
        for n in range(max(start, first), len(self._rows)):
            cells = self._rows[n]
            place = f"{self.path.name} row {n + 1}"
            if any(cell is not None for cell in cells[width:]):
                bad = BadRow(place, list(map(to_text, cells)), "more cells than the header")
                yield Entry(bad, n, n + 1, n + 1)
            elif any(cell is not None for cell in cells):
                row = {name: _plain(cell) for name, cell in zip(names, cells, strict=False)}
                yield Entry(row, n, n + 1, n + 1)

    # -------------------------------------------------------------------------------------- write

    def stored(self, row: Row) -> dict[str, Any]:
        names = self._names or self.new_header([row])
        unknown = [name for name in row if name not in names]
        if unknown:
            raise no_column(self.path.name, unknown[0], names)
        return {name: self._stored_value(name, row.get(name)) for name in names}

    def _stored_value(self, name: str, value: Any) -> Any:
        cell = _writable(value)
        if isinstance(cell, str):
            if len(cell) > LONGEST_TEXT:
                raise RefusedError(
                    "a cell holds {most} characters", name, code="too-long", most=LONGEST_TEXT
                )
            if any("\ud800" <= sign <= "\udfff" for sign in cell):
                raise RefusedError("the text contains half a character", name, code="encoding")
        return _plain(_tidy(cell))

    def rewrite(
        self,
        target: Path,
        replaced: Mapping[int, tuple[int, Row | None]],
        added: Sequence[Row],
    ) -> None:
        own = self._sheet
        names = self._names or self.new_header(added)
        rows = list(self._rows) or [[] for _ in range(self.layout.skip_rows)] + [list(names)]
        written: Cells = []
        for n, cells in enumerate(rows):
            if n not in replaced:
                written.append(cells)
            elif (row := replaced[n][1]) is not None:
                written.append(_merged(names, cells, row))
        written += [[row.get(name) for name in names] for row in added]
        sheets = {name: written if name == own else cells for name, cells in self._sheets.items()}
        sheets.setdefault(own, written)
        _write_workbook(target, sheets)


def _merged(names: Sequence[str], cells: Sequence[Any], row: Row) -> list[Any]:
    """The row's values, as the old cell where it says the same: a time must not become text."""
    old = [*cells, *[None] * (len(names) - len(cells))]
    pairs = ((cell, row.get(name)) for name, cell in zip(names, old, strict=False))
    return [cell if _plain(cell) == value else value for cell, value in pairs]


def _check_sizes(path: Path) -> None:
    """Unpack once: a zip may lie about its sizes, and the check of the folder believes it."""
    with zipfile.ZipFile(path) as packed:
        for entry in packed.infolist():
            with packed.open(entry) as part:  # stops at the size that is told, then checks the sum
                while part.read(CHUNK):
                    pass


def _cells(book: CalamineWorkbook, name: str) -> Cells:
    sheet = book.get_sheet_by_name(name)
    return [[_tidy(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]


def _tidy(cell: Any) -> Any:
    """A cell as it is kept in memory; both an empty cell and an empty text are None."""
    if cell == "" or cell is None:
        return None
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, float | int | Decimal):
        number = Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell)
        return int(number) if number == number.to_integral_value() else number.normalize()
    if isinstance(cell, datetime) and cell.time() == time(0):
        return cell.date()
    return cell


def _plain(cell: Any) -> Any:
    """A cell as a row's value."""
    if isinstance(cell, datetime | time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, timedelta) else cell


def _writable(value: Any) -> Any:
    """A row's value as a cell: None, bool, number, date, time, or text."""
    if value is None or isinstance(value, bool | str | time | timedelta):
        return value
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, int | Decimal):
        return value if _is_exact(Decimal(value)) else to_text(value)
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.isoformat()
    if isinstance(value, date) and value < date(1900, 3, 1):  # before that Excel miscounts
        return value.isoformat()
    return value if isinstance(value, date) else to_text(value)


def _is_exact(number: Decimal) -> bool:
    """Excel keeps 15 digits."""
    return number.is_finite() and len(number.normalize().as_tuple().digits) <= EXACT_DIGITS


def _write_workbook(target: Path, sheets: Mapping[str, Cells]) -> None:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "default_date_format": "yyyy-mm-dd",
    }
    with xlsxwriter.Workbook(str(target), options) as book:
        moments = {
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            time: book.add_format({"num_format": "hh:mm:ss"}),
            timedelta: book.add_format({"num_format": "[h]:mm:ss"}),
        }
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for r, cells in enumerate(rows):
                for c, cell in enumerate(cells):
                    _write_cell(sheet, r, c, cell, moments)


def _write_cell(sheet: Any, r: int, c: int, value: Any, moments: Mapping[type, Any]) -> None:
    cell = _writable(value)
    if cell is None or cell == "":
        return
    if isinstance(cell, bool):
        sheet.write_boolean(r, c, cell)
    elif isinstance(cell, int | Decimal):
        sheet.write_number(r, c, cell)
    elif type(cell) in moments:
        sheet.write_datetime(r, c, cell, moments[type(cell)])
    elif isinstance(cell, date):
        sheet.write_datetime(r, c, cell)
    else:
        sheet.write_string(r, c, to_text(cell))
