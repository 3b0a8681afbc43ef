"""The promises of lenses, put to the test: generated values first, then the values of real rows.

`lossless`: what is read and written back is what was there, and what is written is read again.
`keeping`: the same, where the old remote value helps.  `one-way`: reading gives normal forms,
or says why not.  What is found is the smallest counter-example, in words.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

from hub.entity import Field
from hub.errors import Problem
from hub.mapping import kinds
from hub.mapping.cells import Cell, Cells, ConstCell, FormulaCell, ListCell, PartsCell, WhenCell
from hub.mapping.compiler import FieldMapping
from hub.mapping.lens import KEEPING, LOSSLESS, ONE_WAY
from hub.mapping.paths import MISSING
from hub.mapping.problems import shown

GET_PUT = "{value!r} becomes {back!r} on the way back: {count} of {total} generated values"
GET_PUT_REAL = "{value!r} becomes {back!r} on the way back: {count} of {total} records"
PUT_GET = (
    "{value!r} is written as {written!r} and read again as {back!r}: {count} of {total} values"
)
PUT_PUT = (
    "{value!r} is written as {back!r} or {other!r}, by what was there before: {count} of {total}"
)
NOT_NORMAL = (
    "{value!r} is read as {back!r}, which is no value of the field: {count} of {total} values"
)
BROKEN = "{value!r} breaks the lens: {reason}"
CHANGED = "the column {column!r} would change from {value!r} to {back!r} though nothing was edited: {count} of {total} records"  # noqa: E501
LAW_HINT = "The row promises to be {law}: choose another lens, or say `direction: in`."

Found = Problem | None


def check_laws(
    mapping: FieldMapping,
    rows: Sequence[Mapping[str, Any]] = (),
    *,
    count: int = 1000,
    seed: int = 0,
) -> list[Problem]:
    """Every broken promise of the mapping, once per row of the document and law."""
    found = list(_of_cells(mapping.cells, rows, Random(seed), count, ""))  # noqa: S311 - samples
    return found + list(_of_rows(mapping, rows))


def _of_cells(
    cells: Cells, rows: Sequence[Any], rng: Random, count: int, above: str
) -> Iterator[Problem]:
    for cell in cells.all:
        name = above + (cell.name or cell.spec.name)
        if isinstance(cell, ListCell):
            items = [item for row in rows for item in _items(cell, row)]
            yield from _of_cells(cell.cells, items, rng, count, f"{name}.")
        elif not isinstance(cell, ConstCell):
            generated = _Trial(cell, name, list(cell.lens.generate(rng, count)), rng, real=False)
            yield from generated.problems()
            real = [raw for row in rows if (raw := _raw(cell, row)) is not MISSING]
            if real:
                yield from _Trial(cell, name, real, rng, real=True).problems()


def _items(cell: ListCell, row: Any) -> list[Any]:
    items = cell.old(row)
    if not isinstance(items, list | tuple):
        return []
    return [item for item in items if isinstance(item, Mapping)]


def _raw(cell: Cell, row: Any) -> Any:
    if isinstance(cell, FormulaCell) and not cell.paths:
        return row
    raw = cell.old(row)
    return MISSING if isinstance(raw, list) and all(v is MISSING for v in raw) and raw else raw


class _Trial:
    """One cell over many raw values."""

    def __init__(self, cell: Cell, name: str, raws: list[Any], rng: Random, *, real: bool) -> None:
        self.cell, self.name, self.raws, self.rng, self.real = cell, name, raws, rng, real
        self.law = cell.spec.law or cell.lens.law
        if not (cell.reads and cell.writes):
            self.law = ONE_WAY
        # a `when` row is tried as if its condition held
        self.reader = Cell._read(cell) if isinstance(cell, WhenCell) else cell.read
        self.values: list[Any] = []
        bare = replace(cell.field, normal="", choices=(), required=False)
        self._plain = kinds.reader(_plain_kind(bare), cell.lens.defaults)
        self._normal = kinds.reader(cell.field, kinds.Defaults())

    def problems(self) -> list[Problem]:
        first = self.normal()
        if first is not None and first.message == BROKEN:
            return [first]
        checks: list[Callable[[], Found]] = [lambda: first]
        if self.law in (LOSSLESS, KEEPING):
            checks += [self.get_put, self.put_get]
        if self.law == LOSSLESS:
            checks.append(self.put_put)
        return [p for check in checks if (p := check()) is not None]

    # -- through the cell

    def row(self, raw: Any) -> dict[str, Any]:
        if isinstance(self.cell, FormulaCell) and not self.cell.paths:
            return raw if isinstance(raw, dict) else {}
        row: dict[str, Any] = {}
        values = raw if isinstance(self.cell, PartsCell) else [raw]
        for path, value in zip(self.cell.paths, values, strict=False):
            if value is not MISSING:
                path.put_into(row, value)
        return row

    def get(self, raw: Any) -> Any:
        """The canonical value; MISSING where the lens refuses the raw one, as it may."""
        try:
            return self.reader(self.row(raw), None)
        except (ValueError, ArithmeticError):
            return MISSING

    def write(self, value: Any, like: Any, *, keep: bool) -> Any:
        """What the cell makes of a value; MISSING where it refuses."""
        row = {} if like is MISSING else self.row(like)
        try:
            if keep and like is not MISSING and self.get(like) == value:
                return self.cell.old(row)
            if isinstance(self.cell, FormulaCell):
                self.cell.put_from(row, self._record(value), outer=None)
            elif value is None and not self.cell.lens.writes_null:
                return MISSING
            else:
                self.cell._write(row, value)
        except (ValueError, ArithmeticError):
            return MISSING
        return self.cell.old(row)

    def _record(self, value: Any) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for n, part in enumerate(reversed(self.cell.place)):
            record = {part: value if n == 0 else record}
        return record

    # -- the laws

    def normal(self) -> Found:
        """Every value is read once, for all laws, and is one of the field."""
        bad: list[tuple[Any, Any]] = []
        for raw in self.raws:
            try:
                value = self.get(raw)
            except Exception as e:  # whatever a lens of a module lets out
                return self._problem(BROKEN, raw, 1, reason=f"{type(e).__name__}: {e}")
            self.values.append(value)
            if value is not MISSING and value is not None and not self._is_normal(value):
                bad.append((raw, value))
        return self._smallest(NOT_NORMAL, bad)

    def _is_normal(self, value: Any) -> bool:
        """Whether reading the value once more would leave it as it is."""
        try:
            return bool(self._normal(value) == value)
        except ValueError:
            return False

    def get_put(self) -> Found:
        """lossless: without the old value, but for its type.  keeping: with it."""
        bad = []
        lossless = self.law == LOSSLESS
        for raw, value in zip(self.raws, self.values, strict=True):
            if value is MISSING or value is None or value == "":
                continue
            like = self._other(raw, value) if lossless else raw
            back = self.write(value, like, keep=not lossless)
            if back is not MISSING and not self._same(raw, back):
                bad.append((raw, back))
        return self._smallest(GET_PUT_REAL if self.real else GET_PUT, bad)

    def _other(self, raw: Any, value: Any) -> Any:
        """Another raw value of the same type, that means something else."""
        if isinstance(self.cell, PartsCell):
            return [MISSING for _ in raw]
        for _ in range(3):
            at = self.rng.randrange(len(self.raws))
            other = self.raws[at]
            if self.values[at] in (value, MISSING) or type(other) is not type(raw):
                continue
            if not isinstance(raw, str) or _style(other) == _style(raw):
                return other
        return MISSING

    def put_get(self) -> Found:
        bad = []
        lens, field, parts = self.cell.lens, self.cell.field, isinstance(self.cell, PartsCell)
        for n, raw in enumerate(self.raws):
            value = self.values[n] if self.real else self._canonical(lens)
            if value is MISSING or value is None:
                continue
            like = MISSING if n % 2 and not parts else raw  # a create, or over another value
            written = self.write(value, like, keep=self.law == KEEPING)
            back = MISSING if written is MISSING else self._again(written)
            if written is not MISSING and not self._equal(field, value, back):
                bad.append((value, written, back))
        return self._smallest_of(PUT_GET, bad, ("written", "back"))

    def _canonical(self, lens: Any) -> Any:
        if self.law == LOSSLESS and lens.law != LOSSLESS:
            return self.get(lens.remotes(self.rng))
        try:
            return lens.canonicals(self.rng)
        except (ValueError, ArithmeticError):
            return MISSING

    def _again(self, written: Any) -> Any:
        try:
            return self.reader(self.row(written), None)
        except (ValueError, ArithmeticError) as e:
            return f"⚠ {e}"

    def put_put(self) -> Found:
        """What is written does not depend on what was written before it."""
        bad = []
        values = [v for v in self.values[:2000] if v not in (MISSING, None, "")]
        for first, second in pairwise(values):
            like = self.rng.choice(self.raws)
            before = self.write(first, like, keep=False)
            if before is MISSING:
                continue
            a = self.write(second, like, keep=False)
            b = self.write(second, before, keep=False)
            if MISSING not in (a, b) and not self._same(a, b):
                bad.append((second, a, b))
        return self._smallest_of(PUT_PUT, bad, ("back", "other"))

    # -- comparing, telling

    def _same(self, a: Any, b: Any) -> bool:
        """The same remote value, in whatever type."""
        if isinstance(self.cell, PartsCell):
            blank = ("", None, MISSING)
            return all(x == y or (x in blank and y in blank) for x, y in zip(a, b, strict=False))
        if type(a) is type(b) and a == b:
            return True
        try:
            return bool(self._plain(a) == self._plain(b))
        except (ValueError, TypeError, AttributeError):
            return False

    def _equal(self, field: Field, a: Any, b: Any) -> bool:
        if a == b:
            return True
        return field.kind == "text" and self.law == KEEPING and a == "" and b is None

    def _smallest(self, template: str, bad: list[tuple[Any, Any]]) -> Found:
        return self._smallest_of(template, bad, ("back",))

    def _smallest_of(self, template: str, bad: Sequence[Any], names: tuple[str, ...]) -> Found:
        if not bad:
            return None
        first, *others = min(bad, key=lambda b: (len(repr(b[0])), repr(b[0])))
        values = {n: shown(v) for n, v in zip(names, others, strict=True)}
        return self._problem(template, first, len(bad), **values)

    def _problem(self, template: str, value: Any, count: int, **values: Any) -> Problem:
        told = {"law": self.law, "count": count, "total": len(self.raws), **values}
        return Problem("law", template, self.name, shown(value), LAW_HINT, told)


def _plain_kind(field: Field) -> Field:
    return Field.text("") if field.kind in ("choice", "ref") else field


def _style(value: Any) -> Any:
    """Texts of one notation: dates as dates, numbers as numbers."""
    if not isinstance(value, str):
        return None
    return "".join("0" if c.isdigit() else c for c in value if c in "-:./TZ+ " or c.isdigit())


# ------------------------------------------------------------------------------------ whole rows


def _of_rows(mapping: FieldMapping, rows: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """Rows that are read and written back unedited must stay as they are."""
    changed: dict[str, list[tuple[Any, Any]]] = {}
    total = 0
    for row in rows:
        candidate = mapping.get(row)
        if candidate.problems:
            continue
        total += 1
        try:
            written = mapping.put(candidate.values, row)
        except ValueError:
            continue
        for column, value in written.items():
            changed.setdefault(column, []).append((row.get(column), value))
    for column, bad in sorted(changed.items()):
        before, after = min(bad, key=lambda b: (len(repr(b[0])), repr(b[0])))
        values = {"column": column, "back": shown(after), "count": len(bad), "total": total}
        yield Problem("law", CHANGED, column, shown(before), values=values)
