"""Everything that can be said of a mapping before it runs.

`values["level"]` of a problem is "error" (do not publish) or "warning".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hub.connector import Column, Stream
from hub.entity import Entity, Field
from hub.errors import Problem, quoted
from hub.mapping.cells import Cell, Cells, ConstCell, FormulaCell, ListCell
from hub.mapping.compiler import FieldMapping, compile
from hub.mapping.formula import suggestion
from hub.mapping.kinds import as_text
from hub.mapping.laws import check_laws
from hub.mapping.lenses import CodesLens, DecimalLens, Lens, TextLens
from hub.mapping.paths import Path, PathError, parse_path
from hub.mapping.problems import problem_of
from hub.mapping.spec import Document

UNMAPPED = "the required field {value!r} is not mapped"
UNMAPPED_HINT = "Add a row for it; `const:` or `default:` where the system has no column."
NO_IDENTITY = "neither the mapping nor the entity {entity!r} says when two records are the same"
NO_IDENTITY_HINT = "Say `match:`, or map the field {known!r}."
NO_ITEM_KEY = "the items of {value!r} have no key here: the whole list counts as one value"
NO_ITEM_KEY_HINT = "Map a column to {key!r}, or say `list: {{key: …}}`."
UNKNOWN_COLUMN = "the stream {stream!r} has no column {value!r}"
NEAR_HINT = "Did you mean {near!r}?"
READ_ONLY = "the system computes the column {value!r}: it cannot be written"
READ_ONLY_HINT = "Say `direction: in`."
KINDS = "a column of kind {value!r} does not fit a field of kind {kind!r}"
KINDS_HINT = "Choose a lens that converts it."
LOSSY = "the column {column!r} holds whole numbers, and the field has {places} decimal places"
SHORT = "the column {column!r} takes {value} characters, and the field has up to {size}"
SHORT_HINT = "Say `text: {{max: {value}}}`, so that longer texts are refused with a reason."
UNFILLED = "the system requires the column {value!r}, and no row writes it"
UNFILLED_HINT = "Add a row for it; `const:` with `direction: out` where the hub has no field."
UNMAPPED_CODE = "the column {column!r} may hold {value!r}, which has no meaning here"
STRANGE_CODE = "the column {column!r} cannot hold {value!r}; it takes {known}"
FEWER = "{count} of {total} records: {reason}"

FITS: Mapping[str, frozenset[str]] = {
    "text": frozenset(("text", "integer", "decimal", "boolean", "date", "datetime", "binary")),
    "choice": frozenset(("text", "integer", "boolean")),
    "ref": frozenset(("text", "integer", "decimal")),
    "integer": frozenset(("integer", "decimal", "text")),
    "decimal": frozenset(("decimal", "integer", "text")),
    "boolean": frozenset(("boolean", "integer", "text")),
    "date": frozenset(("date", "datetime", "text")),
    "datetime": frozenset(("datetime", "text")),
    "list": frozenset(("rows", "json")),
    "object": frozenset(("json",)),
    "set": frozenset(("json", "rows")),
}
"""Which kinds of columns the plain copy carries into which kinds of fields."""


def check(
    document: Document,
    entity: Entity,
    stream: Stream | None = None,
    samples: Sequence[Mapping[str, Any]] = (),
    *,
    count: int = 300,
) -> list[Problem]:
    """What is wrong with the mapping; errors first.

    *stream*: as `discover` describes it.  *samples*: real rows.  *count*: generated values per row
    on which the laws of the lenses are tried.
    """
    try:
        mapping = compile(document, entity)
    except (ValueError, KeyError) as e:
        fault = e if isinstance(e, ValueError) else ValueError("{value!r} cannot be compiled")
        return [_levelled(problem_of(fault, document.name, document.entity), "error")]
    found = [*_coverage(mapping), *_lists(mapping.cells, entity.fields)]
    if stream is not None and stream.columns:
        found += _against_stream(mapping, stream)
    found += _sampled(mapping, samples)
    found += [_levelled(p, "error") for p in check_laws(mapping, samples, count=count)]
    return sorted(found, key=lambda p: p.values.get("level") != "error")


def _levelled(problem: Problem, level: str, **values: Any) -> Problem:
    p = problem
    told = {**p.values, **values, "level": level}
    return Problem(p.code, p.message, p.field, p.value, p.hint, told)


def _found(
    code: str, message: str, field: str, value: Any, hint: str, *, level: str, **values: Any
) -> Problem:
    return Problem(code, message, field, value, hint, {"level": level, **values})


# ----------------------------------------------------------------------------- by itself


def _coverage(mapping: FieldMapping) -> Iterator[Problem]:
    """Required fields and identity: what a record cannot come in without."""
    entity = mapping.entity
    if not mapping.fields_in:
        return
    covered = set(mapping.fields_in)
    for field in entity.fields:
        needed = field.required and field.default is None and not field.derived
        if needed and field.name not in covered:
            yield _found("unmapped", UNMAPPED, field.name, field.name, UNMAPPED_HINT, level="error")
    if not (mapping.match or entity.match or entity.code in covered):
        yield _found(
            "no-identity", NO_IDENTITY, "match", None, NO_IDENTITY_HINT,
            level="error", entity=entity.name, known=entity.code,
        )  # fmt: skip


def _lists(cells: Cells, fields: Iterable[Field]) -> Iterator[Problem]:
    for cell in cells.all:
        if not isinstance(cell, ListCell):
            continue
        if cell.reads and cell.field.key and not cell.key:
            yield _found(
                "no-item-key", NO_ITEM_KEY, cell.name, cell.name, NO_ITEM_KEY_HINT,
                level="error", key=cell.field.key,
            )  # fmt: skip
        covered = {c.top for c in cell.cells.reading}
        for part in cell.field.fields if cell.reads else ():
            if part.required and part.default is None and part.name not in covered | {cell.key}:
                name = f"{cell.name}.{part.name}"
                yield _found("unmapped", UNMAPPED, name, name, UNMAPPED_HINT, level="error")
        yield from _lists(cell.cells, cell.field.fields)


# ------------------------------------------------------------------------ against the system


def _against_stream(mapping: FieldMapping, stream: Stream) -> Iterator[Problem]:
    columns = stream.columns
    head = [("key", k) for k in mapping.key]
    head += [("modified", mapping.modified)] if mapping.modified else []
    for label, text in head:
        yield from _exists(label, parse_path(text), columns, stream.name)
    yield from _cells_against(mapping.cells, columns, stream, "")
    if stream.writable and mapping.cells.writing:
        yield from _unfilled(mapping.cells, columns, {*mapping.key})


def _cells_against(
    cells: Cells, columns: Mapping[str, Column], stream: Stream, above: str
) -> Iterator[Problem]:
    for cell in cells.all:
        name = above + (cell.name or cell.spec.name)
        for text in _read_paths(cell):
            yield from _exists(name, parse_path(text), columns, stream.name)
        for path in cell.paths:
            column = columns.get(path.column)
            if column is None:
                continue
            yield from _column_against(cell, name, path, column)
            if isinstance(cell, ListCell) and column.columns:
                yield from _cells_against(cell.cells, column.columns, stream, f"{name}.")


def _read_paths(cell: Cell) -> list[str]:
    texts = [p.text for p in cell.paths]
    if cell.reads:
        texts += cell.lens.lineage()
    return [t for t in dict.fromkeys(texts) if _parses(t)]


def _parses(text: str) -> bool:
    try:
        return bool(parse_path(text).column)
    except PathError:
        return False


def _exists(name: str, path: Path, columns: Mapping[str, Column], stream: str) -> Iterator[Problem]:
    if path.column in columns:
        return
    near = suggestion(path.column, columns)
    hint = NEAR_HINT if near else ""
    yield _found(
        "unknown-column", UNKNOWN_COLUMN, name, path.column, hint,
        level="error", stream=stream, near=near,
    )  # fmt: skip


def _column_against(cell: Cell, name: str, path: Path, column: Column) -> Iterator[Problem]:
    if cell.writes and not column.writable:
        yield _found("read-only", READ_ONLY, name, path.text, READ_ONLY_HINT, level="error")
    if isinstance(cell, ConstCell) or not path.simple:
        return
    yield from _kinds_against(cell, name, column)
    yield from _size_against(cell, name, path, column)
    if isinstance(cell.lens, CodesLens) and column.choices:
        yield from _codes_against(cell.lens, name, path, column)


def _kinds_against(cell: Cell, name: str, column: Column) -> Iterator[Problem]:
    """Only the plain copy is bound to kinds; every other lens is there to convert."""
    if type(cell.lens) is not Lens or isinstance(cell, FormulaCell | ListCell):
        return
    fits = FITS.get(cell.field.kind)
    if fits is not None and column.kind not in fits:
        yield _found(
            "kind", KINDS, name, column.kind, KINDS_HINT, level="error", kind=cell.field.kind
        )


def _size_against(cell: Cell, name: str, path: Path, column: Column) -> Iterator[Problem]:
    field = cell.field
    if not cell.writes:
        return
    places = field.precision[1] if field.kind == "decimal" and field.precision else 0
    if places and column.kind == "integer" and not isinstance(cell.lens, DecimalLens):
        yield _found(
            "lossy", LOSSY, name, column.kind, "", level="warning",
            column=path.text, places=places,
        )  # fmt: skip
    limited = isinstance(cell.lens, TextLens) and cell.lens.most
    if field.kind != "text" or not column.size or limited:
        return
    if field.size is None or field.size > column.size:
        yield _found(
            "lossy", SHORT, name, column.size, SHORT_HINT, level="warning",
            column=path.text, size=field.size or "∞",
        )  # fmt: skip


def _codes_against(lens: CodesLens, name: str, path: Path, column: Column) -> Iterator[Problem]:
    known = {as_text(c) for c in lens.meaning if not isinstance(c, bool)} - {""}
    if lens.booleans or not known:
        return
    for code in column.choices:
        if code and code not in known:
            yield _found(
                "unmapped-code", UNMAPPED_CODE, name, code, "Add a row for it to `codes`.",
                level="warning", column=path.text,
            )  # fmt: skip
    for code in sorted(known - set(column.choices)):
        yield _found(
            "strange-code", STRANGE_CODE, name, code, "",
            level="warning", column=path.text, known=", ".join(column.choices[:20]),
        )  # fmt: skip


def _unfilled(cells: Cells, columns: Mapping[str, Column], keys: set[str]) -> Iterator[Problem]:
    written = {p.column for c in cells.writing for p in c.paths}
    for name, column in columns.items():
        if column.required and column.writable and name not in written | keys:
            yield _found("unfilled", UNFILLED, name, name, UNFILLED_HINT, level="warning")


# ------------------------------------------------------------------------------- on real rows


def _sampled(mapping: FieldMapping, samples: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """The problems that real rows have, each kind once, with the number of rows."""
    found: dict[tuple[str, str, str], tuple[Problem, int]] = {}
    for row in samples:
        for p in mapping.get(row).problems:
            place = "".join(c for c in p.field if not c.isdigit())
            first, count = found.get((p.code, place, p.message), (p, 0))
            found[(p.code, place, p.message)] = first, count + 1
    for problem, count in found.values():
        values = {**problem.values, "reason": quoted(problem)}
        told = Problem(problem.code, FEWER, problem.field, problem.value, problem.hint, values)
        yield _levelled(told, "warning", count=count, total=len(samples))
