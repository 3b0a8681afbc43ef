"""Lists of records as files: CSV and XLSX for people, JSON lines for programs.

A spreadsheet program takes a text that begins with = + - @ for a formula.  In CSV such a text gets
an apostrophe in front, as the files connector writes and reads it; in XLSX it is written as text.
JSON lines hold every value as it is.
"""

import csv
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import orjson
import xlsxwriter

from hub.entity import Entity, Field
from hub.errors import HubError
from hub.sync.flow import Env
from hub.sync.listing import ENVELOPE, count, filters, walk

FORMATS = ("csv", "jsonl", "xlsx")
TELL = 500
XLSX_ROWS = 1_048_576
XLSX_TEXT = 32_767
_FORMULA = re.compile("'*[=+\\-@\t\r＝＋－＠]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def titles(entity: Entity) -> list[str]:
    """The columns of a table of these records: an object has one for each part."""
    found = [name for f in entity.fields for name in _names(f)]
    return [*found, "ext", *ENVELOPE]


def _names(field: Field) -> list[str]:
    if field.kind == "object":
        return [f"{field.name}.{part.name}" for part in field.fields]
    return [field.name]


def cells(entity: Entity, view: Mapping[str, Any]) -> Iterator[Any]:
    """The view in the order of `titles`; a list is JSON, a set is joined by commas."""
    for field in entity.fields:
        value = view.get(field.name)
        if field.kind == "object":
            yield from (_cell((value or {}).get(part.name)) for part in field.fields)
        elif field.kind == "set":
            yield ", ".join(value or ()) or None
        else:
            yield _cell(value)
    custom = {k[4:]: v for k, v in view.items() if k.startswith("ext.")}
    yield _cell(custom) if custom else None
    yield from (view[name] for name in ENVELOPE)


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def guarded(value: Any) -> Any:
    """A text that no spreadsheet program takes for a formula."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def export(
    env: Env,
    entity: Entity,
    kind: str,
    target: Path | None,
    *,
    where: Sequence[str] = (),
    at: str | None = None,
    progress: Callable[[Mapping[str, Any]], None],
) -> int:
    """Write the records to *target*, None: standard output; how many they were.

    A file is written beside its place and moved there at the end: what stands there is whole.
    """
    wanted, total = filters(entity, where), None
    part = target.with_name(f".{target.name}.part") if target is not None else None

    def told(views: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for done, view in enumerate(views, 1):
            if done % TELL == 0:
                progress({"flow": entity.name, "phase": "export", "done": done, "total": total})
            yield view

    try:
        with env.store.read() as connection:
            if not where:
                total = count(connection, env.store, entity, at)
            views = told(walk(connection, env.store, entity, at=at, where=wanted))
            written = _write(kind, entity, views, part)
        if part is not None and target is not None:
            part.replace(target)
    except OSError as e:
        raise HubError(
            "{file} cannot be written: {reason}",
            file=str(target or ""),
            reason=e.strerror or str(e),
            hint="Choose another place with --out.",
        ) from e
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()
    return written


def _write(
    kind: str, entity: Entity, views: Iterable[Mapping[str, Any]], target: Path | None
) -> int:
    if kind == "xlsx":
        assert target is not None
        return _write_xlsx(entity, views, target)
    if target is None:
        return _write_text(kind, entity, views, sys.stdout)
    # A spreadsheet program takes a CSV without this mark for one in the encoding of its country.
    encoding = "utf-8-sig" if kind == "csv" else "utf-8"
    with target.open("w", encoding=encoding, newline="") as out:
        return _write_text(kind, entity, views, out)


def _write_text(kind: str, entity: Entity, views: Iterable[Mapping[str, Any]], out: TextIO) -> int:
    if kind == "csv":
        rows = csv.writer(out, lineterminator="\r\n")
        rows.writerow(titles(entity))
    number = 0
    for view in views:
        number += 1
        if kind == "csv":
            rows.writerow([guarded(value) for value in cells(entity, view)])
        else:
            out.write(orjson.dumps(view).decode() + "\n")
    return number


def _write_xlsx(entity: Entity, views: Iterable[Mapping[str, Any]], target: Path) -> int:
    number = 0
    with xlsxwriter.Workbook(str(target), {"constant_memory": True}) as book:
        sheet = book.add_worksheet(entity.name[:31])
        sheet.freeze_panes(1, 0)
        for column, title in enumerate(titles(entity)):
            sheet.write_string(0, column, title)
        for number, view in enumerate(views, 1):
            if number >= XLSX_ROWS:
                raise HubError(
                    "an XLSX sheet holds {limit} rows; there are more",
                    limit=XLSX_ROWS,
                    hint="Export as csv or jsonl, or filter with --where.",
                )
            for column, value in enumerate(cells(entity, view)):
                _write_cell(sheet, number, column, value)
    return number


def _write_cell(sheet: Any, row: int, column: int, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
        return
    if isinstance(value, int) and abs(value) < 10**15:
        sheet.write_number(row, column, value)
        return
    text = _UNWRITABLE.sub("\ufffd", str(value))  # a decimal stays text: a float would round it
    if len(text) > XLSX_TEXT:
        raise HubError(
            "a cell of an XLSX sheet holds {limit} characters; row {row} has {count}",
            limit=XLSX_TEXT,
            row=row + 1,
            count=len(text),
            hint="Export as csv or jsonl.",
        )
    sheet.write_string(row, column, text)
