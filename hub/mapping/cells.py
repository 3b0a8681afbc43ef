"""The rows of a document, compiled: each cell reads one canonical value from a row, and writes it.

`read(row, outer)` gives MISSING where the row does not speak of the field.  `outer` is the row that
an item of a list stands in, for formulas.  Rows are never changed in place.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from hub.entity import Field
from hub.errors import Problem
from hub.mapping import kinds
from hub.mapping.lens import Lens
from hub.mapping.paths import MISSING, Path, PathError, parse_path
from hub.mapping.problems import LensError, RowError, problem_of
from hub.mapping.shapes import FormulaLens, JoinLens, ListLens, RefLens, WhenLens
from hub.mapping.spec import RowSpec

Row = Mapping[str, Any]
Read = Callable[[Any, Any], Any]

NOT_A_LIST = "not a list: {value!r}"
NOT_AN_ITEM = "not an object of named values: {value!r}"
TWO_ITEMS = "two items of the list have the key {value!r}"
TWO_HINT = "Each item needs a key of its own: correct the source, or map another column to it."
MISSING_VALUE = "a value is required, and column {column!r} has none"
MISSING_HINT = "Fill it in the source, or give the row a `default`."


class Cell:
    """One row of the document over one value."""

    def __init__(self, spec: RowSpec, declared: Field, lens: Lens, place: tuple[str, ...]) -> None:
        self.spec, self.field, self.lens = spec, declared, lens
        self.name, self.place = spec.field, place
        self.top, self.sub = place[0] if place else "", place[1:]
        self.source = spec.source
        self.paths: list[Path] = [parse_path(t) for t in spec.sources]
        simple = len(self.paths) == 1 and self.paths[0].simple
        self.column = self.paths[0].column if simple else ""
        self.ignores_blank = spec.blank == "ignore"
        self.reads = spec.direction != "out"
        self.writes = spec.direction != "in" and bool(self.paths)
        self.must = spec.required or (
            declared.required and declared.default is None and not self.ignores_blank
        )
        self.read = self._read()

    # -- reading

    def _read(self) -> Read:
        get, path = self.lens.get, self.paths[0]
        if self.lens.reads_blank:
            return self._unless_blank(lambda row, outer: get(path.get(row)))
        empty = self._empty()
        null = MISSING if self.ignores_blank or self._has_default() else None
        if path.simple and path.column:
            if (
                type(self.lens) is Lens
                and kinds.is_plain_text(self.field)
                and not self.ignores_blank
            ):
                return _text_reader(path.column, get, null)
            return _column_reader(path.column, get, null, empty, self.ignores_blank)
        read = _path_reader(path, get, null, empty)
        return self._unless_blank(read)

    def _has_default(self) -> bool:
        """A blank does not beat the default that the hub has for a required field."""
        return self.field.required and self.field.default is not None

    def _empty(self) -> Callable[[str], Any] | None:
        """What "" means: a value of its own only where the canonical kind is text."""
        says = self.lens.says_empty or type(self.lens) is Lens
        return self.lens.get if says and self.field.kind == "text" else None

    def _unless_blank(self, read: Read) -> Read:
        if not self.ignores_blank:
            return read

        def read_some(row: Any, outer: Any) -> Any:
            value = read(row, outer)
            return MISSING if value is None or value == "" else value

        return read_some

    def old(self, row: Any) -> Any:
        """The raw remote value; MISSING if there is none."""
        if self.column and type(row) is dict:
            return row.get(self.column, MISSING)
        return _found(self.paths[0], row) if self.paths else MISSING

    def says(self, row: Any, value: Any, outer: Any) -> bool:
        """Whether the row says the value already, in whatever spelling."""
        try:
            return bool(self.read(row, outer) == value)
        except (ValueError, ArithmeticError):
            return False

    # -- writing

    def put(self, row: dict[str, Any], value: Any, *, create: bool, outer: Any) -> None:
        """Make the row say the value; nothing happens if it did already."""
        if not create and self.says(row, value, outer):
            return
        if value is not None or self.lens.writes_null:
            self._write(row, value)
        elif not create:
            self._clear(row)

    def _write(self, row: dict[str, Any], value: Any) -> None:
        if self.column:
            row[self.column] = self.lens.write(value, row.get(self.column, MISSING))
        else:
            self.paths[0].put_into(row, self.lens.write(value, self.old(row)))

    def _clear(self, row: dict[str, Any]) -> None:
        for path in self.paths:
            before = path.get(row)
            if not (before is MISSING or before is None or before == ""):
                path.put_into(row, None)


def _found(path: Path, row: Any) -> Any:
    """The raw value; MISSING where the row has another shape than the path."""
    try:
        return path.get(row)
    except PathError:
        return MISSING


def _column_reader(
    column: str, get: Callable[[Any], Any], null: Any, empty: Any, ignores: bool
) -> Read:
    """Most cells are one column: the shortest way there is."""

    def read(row: Any, outer: Any) -> Any:
        raw = row.get(column, MISSING)
        if raw.__class__ is str:
            if raw:
                return get(raw)
            return null if empty is None or ignores else empty(raw)
        if raw is None:
            return null
        return raw if raw is MISSING else get(raw)

    if not ignores:
        return read

    def read_some(row: Any, outer: Any) -> Any:
        value = read(row, outer)
        return MISSING if value is None or value == "" else value

    return read_some


def _text_reader(column: str, get: Callable[[Any], Any], null: Any) -> Read:
    """Most columns are texts that mean themselves: shorter still."""

    def read(row: Any, outer: Any) -> Any:
        raw = row.get(column, MISSING)
        if raw.__class__ is str:
            return raw if raw.isascii() and raw.isprintable() else get(raw)
        if raw is None:
            return null
        return raw if raw is MISSING else get(raw)

    return read


def _path_reader(path: Path, get: Callable[[Any], Any], null: Any, empty: Any) -> Read:
    find = _finder(path)

    def read(row: Any, outer: Any) -> Any:
        raw = find(row)
        if raw is MISSING:
            return raw
        if raw is None or (raw == "" and empty is None):
            return null
        return get(raw)

    return read


def _finder(path: Path) -> Callable[[Any], Any]:
    """`path.get`, with a short way for `group.column`."""
    if len(path.steps) != 2 or not all(isinstance(step, str) for step in path.steps):
        return path.get
    first, second = path.steps

    def find(row: Any) -> Any:
        group = row.get(first)
        return group.get(second, MISSING) if type(group) is dict else path.get(row)

    return find


class PartsCell(Cell):
    """Several columns make one value: `join`, and references with a key of several columns."""

    def _read(self) -> Read:
        lens, paths = self.lens, self.paths
        get = lens.read_parts if isinstance(lens, RefLens) else lens.get

        def read(row: Any, outer: Any) -> Any:
            raw = [p.get(row) for p in paths]
            if any(v is MISSING for v in raw) and (
                isinstance(lens, RefLens) or all(v is MISSING for v in raw)
            ):
                return MISSING
            return get(raw)

        return self._unless_blank(read)

    def old(self, row: Any) -> Any:
        return [_found(path, row) for path in self.paths]

    def _write(self, row: dict[str, Any], value: Any) -> None:
        old, lens = self.old(row), self.lens
        parts = (
            lens.write_parts(value, old) if isinstance(lens, RefLens) else lens.write(value, old)
        )
        for path, part, before in zip(self.paths, parts, old, strict=True):
            if part is not None or before is not MISSING:
                path.put_into(row, part)


class ConstCell(Cell):
    """The same value for every row; in a create it is written where a column is named."""

    def _read(self) -> Read:
        value = self.lens.get(None)
        return lambda row, outer: value

    def put(self, row: dict[str, Any], value: Any, *, create: bool, outer: Any) -> None:
        if create:
            self.paths[0].put_into(row, self.lens.write(value, MISSING))


class FormulaCell(Cell):
    """Computed from the whole row; written by the `inverse`, from the whole record."""

    lens: FormulaLens

    def __init__(self, spec: RowSpec, declared: Field, lens: Lens, place: tuple[str, ...]) -> None:
        super().__init__(spec, declared, lens, place)
        self.back = self.lens.formula if spec.direction == "out" else self.lens.inverse
        self.writes = self.writes and self.back is not None
        self._needs = tuple(self.back.lineage if self.back else ())

    def _read(self) -> Read:
        evaluate, convert = self.lens.formula.evaluate, self.lens.convert

        def read(row: Any, outer: Any) -> Any:
            value = evaluate(row, outer)
            return None if value is None else convert(value)

        return self._unless_blank(read)

    def reacts(self, fields: Collection[str]) -> bool:
        """Whether one of the fields is in the formula."""
        return any(
            need == name or need.startswith((f"{name}.", f"{name}["))
            for need in self._needs
            for name in fields
        )

    def put_from(self, row: dict[str, Any], values: Row, *, outer: Any) -> None:
        """Write what the formula makes of the canonical values."""
        assert self.back is not None
        value, old = self.back.evaluate(_with_ext(values), outer), self.old(row)
        written = None if value is None else kinds.retyped(value, old)
        if written != old and not (written is None and old is MISSING):
            self.paths[0].put_into(row, written)


def _with_ext(values: Row) -> Row:
    """Custom fields stand under flat names, and formulas ask for parts."""
    flat = [name for name in values if name.startswith("ext.")]
    if not flat:
        return values
    nested = dict(values)
    for name in flat:
        set_part(nested, tuple(name.split(".")), values[name])
    return nested


class WhenCell(Cell):
    """Counts for those rows only for which the condition holds."""

    lens: WhenLens

    def _read(self) -> Read:
        read, holds = super()._read(), self.lens.formula.holds
        return lambda row, outer: read(row, outer) if holds(row, outer) else MISSING

    def put(self, row: dict[str, Any], value: Any, *, create: bool, outer: Any) -> None:
        if self.lens.formula.holds(row, outer):
            super().put(row, value, create=create, outer=outer)


class ListCell(Cell):
    """A list of rows in the row, merged by the key of its items."""

    def __init__(
        self, spec: RowSpec, declared: Field, lens: Lens, place: tuple[str, ...], cells: "Cells"
    ) -> None:
        assert isinstance(lens, ListLens)
        self.cells, self.where = cells, lens.where
        covered = {c.top for c in cells.reading}
        self.key = key if (key := key_part(spec, declared)) in covered else ""
        self.leaves = lens.option("missing") == "leave"
        super().__init__(spec, declared, lens, place)

    def _read(self) -> Read:
        find, null = self.paths[0].get, MISSING if self.ignores_blank else None
        name, key, read_items = self.name, self.key, self._items()

        def read(row: Any, outer: Any) -> Any:
            raw = find(row)
            if raw is MISSING:
                return raw
            if raw is None or raw == "" or raw is False:
                return null
            if not isinstance(raw, list | tuple):
                raise LensError(NOT_A_LIST, value=raw)
            problems: list[Problem] = []
            items = read_items(raw, problems, row if outer is None else outer)
            if key and not problems and len({i.get(key) for i in items}) < len(items):
                problems.append(_two_items(items, key, name))
            if problems:
                raise RowError(problems)
            return items or null

        return read

    def _items(self) -> Callable[[Any, list[Problem], Any], list[dict[str, Any]]]:
        name, get = self.name, self.cells.get
        holds = self.where.holds if self.where else None

        def read(raw: Any, problems: list[Problem], outer: Any) -> list[dict[str, Any]]:
            items, count = [], 0
            for number, item in enumerate(raw):
                if type(item) is not dict and not isinstance(item, Mapping):
                    raise LensError(NOT_AN_ITEM, value=item)
                if holds is None or holds(item, outer):
                    items.append(get(item, problems, outer))
                    if len(problems) > count:
                        count = _placed(problems, count, f"{name}[{number}].")
            return items

        return read

    # -- writing

    def put(self, row: dict[str, Any], value: Any, *, create: bool, outer: Any) -> None:
        if not create and self.says(row, value, outer):
            return
        raw = self.old(row)
        before = list(raw) if isinstance(raw, list | tuple) else []
        items = self._merged(before, list(value or ()), row if outer is None else outer)
        if items or before:
            self.paths[0].put_into(row, items)

    def _merged(self, before: list[Any], wanted: list[Any], outer: Any) -> list[Any]:
        """The wanted items over the old ones they belong to, in the wanted order; old items that
        are not ours stay where they are."""
        ours = [n for n, item in enumerate(before) if self._is_ours(item, outer)]
        base = self._bases(before, ours, wanted, outer)
        made = [
            self.cells.put(
                {} if n is None else before[n], item, create=n is None, outer=outer, problems=None
            )
            for item, n in zip(wanted, base, strict=True)
        ]
        return _woven(before, frozenset(ours), made, base, leaves=self.leaves)

    def _is_ours(self, item: Any, outer: Any) -> bool:
        if not isinstance(item, Mapping):
            return False
        return self.where is None or self.where.holds(item, outer)

    def _bases(
        self, before: list[Any], ours: list[int], wanted: list[Any], outer: Any
    ) -> list[int | None]:
        """For each wanted item the place of the old one it is, by key or by being the same."""
        known = [(self._identity(before[n], outer), n) for n in ours]
        left = dict(reversed(known)) if self.key else {}
        if self.key:
            return [left.pop(item.get(self.key), None) for item in wanted]
        found: list[int | None] = []
        for item in wanted:
            at = next((i for i, (v, _) in enumerate(known) if v == item), None)
            found.append(None if at is None else known.pop(at)[1])
        if len(wanted) == len(ours):  # edited in place, as nothing was added or removed
            found = [n if n is not None else known.pop(0)[1] for n in found]
        return found

    def _identity(self, item: Any, outer: Any) -> Any:
        values = self.cells.get(item, [], outer)
        return values.get(self.key) if self.key else values


def key_part(spec: RowSpec, declared: Field) -> str:
    """The part of an item that tells it apart; `key` may name it, or the column it comes from."""
    key = spec.options.get("key") if isinstance(spec.options, Mapping) else None
    if not key:
        return declared.key
    if declared.part(key) or any(r.field == key for r in spec.rows):
        return str(key)
    by_column = next((r.field for r in spec.rows if r.source == key), "")
    return by_column or declared.key


def _two_items(items: list[dict[str, Any]], key: str, name: str) -> Problem:
    seen: set[Any] = set()
    for number, item in enumerate(items):
        if item.get(key) in seen:
            place = f"{name}[{number}].{key}"
            return Problem("duplicate-item", TWO_ITEMS, place, item.get(key), TWO_HINT)
        seen.add(item.get(key))
    raise AssertionError("no two items have one key")


def _placed(problems: list[Problem], since: int, where: str) -> int:
    """Say in which item the problems are."""
    for n in range(since, len(problems)):
        p = problems[n]
        problems[n] = Problem(p.code, p.message, where + p.field, p.value, p.hint, p.values)
    return len(problems)


def _woven(
    before: list[Any],
    ours: frozenset[int],
    made: list[Any],
    base: list[int | None],
    *,
    leaves: bool,
) -> list[Any]:
    """*made* in its order, each group up to a known item in the place that item's kin had."""
    used = {n for n in base if n is not None}
    out: list[Any] = []
    at = 0
    for n, item in enumerate(before):
        if n in used:
            while at < len(made):
                at += 1
                out.append(made[at - 1])
                if base[at - 1] is not None:
                    break
        elif n not in ours or leaves:
            out.append(item)
    return out + made[at:]


class Cells:
    """The rows of one level of the document."""

    def __init__(self, cells: Collection[Cell], *, inner: bool = False) -> None:
        self.all = tuple(cells)
        self._inner = inner  # of an item, where an absent part says the same as null
        self.reading = [c for c in cells if c.reads]
        self.writing = [c for c in cells if c.writes]
        self._plan = [(c.top, c.sub, c.read, c) for c in self.reading]
        self._musts = [c for c in self.reading if c.must]

    def get(self, row: Any, problems: list[Problem], outer: Any = None) -> dict[str, Any]:
        """The canonical values of a row; what cannot be read is left out and told."""
        values: dict[str, Any] = {}
        before = len(problems)
        for top, sub, read, cell in self._plan:
            try:
                value = read(row, outer)
            except RowError as e:
                problems.extend(e.problems)
                continue
            except (ValueError, ArithmeticError) as e:
                problems.append(problem_of(e, cell.name, cell.old(row)))
                continue
            if value is MISSING:
                continue
            if not sub:
                values[top] = value
            elif len(sub) > 1:
                set_part(values, cell.place, value)
            elif top in values:
                values[top][sub[0]] = value
            else:
                values[top] = {sub[0]: value}
        for cell in self._musts:
            found = part_of(values, cell.place) if cell.sub else values.get(cell.top)
            if found is None or found is MISSING or found == "":
                _demand(cell, problems, before)
        return values

    def put(
        self,
        old: Row,
        values: Row,
        *,
        create: bool,
        outer: Any = None,
        fields: Collection[str] | None = None,
        problems: list[Problem] | None,
    ) -> dict[str, Any]:
        """The row with the values; `problems` collects what cannot be written, None raises it."""
        row = dict(old)
        for cell in self.writing:
            try:
                self._put_cell(cell, row, values, create=create, outer=outer, fields=fields)
            except (ValueError, ArithmeticError) as e:
                found = _unwritten(e, cell, values)
                if problems is None:
                    raise RowError(found) from e
                problems.extend(found)
        return row

    def _put_cell(
        self,
        cell: Cell,
        row: dict[str, Any],
        values: Row,
        *,
        create: bool,
        outer: Any,
        fields: Collection[str] | None,
    ) -> None:
        if isinstance(cell, ConstCell):
            cell.put(row, None, create=create, outer=outer)
        elif isinstance(cell, FormulaCell):
            if fields is None or create or cell.reacts(fields):
                cell.put_from(row, values, outer=outer)
        elif (fields is None or cell.top in fields) and (self._inner or cell.top in values):
            value = part_of(values, cell.place) if cell.sub else values.get(cell.top)
            cell.put(row, None if value is MISSING else value, create=create, outer=outer)


def _demand(cell: Cell, problems: list[Problem], before: int) -> None:
    """Tell that the value is missing, unless what was told of it already says why."""
    if not any(p.field.startswith(cell.name) for p in problems[before:]):
        values = {"column": ", ".join(cell.spec.sources)}
        problems.append(Problem("missing", MISSING_VALUE, cell.name, None, MISSING_HINT, values))


def _unwritten(e: ValueError | ArithmeticError, cell: Cell, values: Row) -> list[Problem]:
    if isinstance(e, RowError):
        return list(e.problems)
    value = part_of(values, cell.place) if cell.place else None
    return [problem_of(e, cell.spec.name, None if value is MISSING else value)]


def cell_class(spec: RowSpec, lens: Lens) -> type[Cell]:
    """The cell for a row that has no nested rows."""
    if isinstance(lens, JoinLens) or (isinstance(lens, RefLens) and len(spec.sources) > 1):
        return PartsCell
    if isinstance(lens, WhenLens):
        return WhenCell
    if isinstance(lens, FormulaLens):
        return FormulaCell
    return ConstCell if not lens.needs_source else Cell


def set_part(values: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    here = values
    for part in place[:-1]:
        here = here.setdefault(part, {})
    here[place[-1]] = value


def part_of(values: Any, place: tuple[str, ...]) -> Any:
    """The part at a place of an object; MISSING if the object lacks it."""
    here = values
    for part in place:
        if type(here) is not dict and not isinstance(here, Mapping):
            return MISSING
        here = here.get(part, MISSING)
    return here
