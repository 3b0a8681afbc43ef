"""A document compiled, once per version, to two pure functions: row → candidate, record → columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hub.connector import join_key
from hub.entity import Entity, Field
from hub.errors import Problem
from hub.mapping.document import Document, RowSpec
from hub.mapping.kinds import as_text
from hub.mapping.lenses import (
    LENSES,
    ConstLens,
    DefaultLens,
    FormulaLens,
    JoinLens,
    Lens,
    ListLens,
    Ref,
    RefLens,
    WhenLens,
)
from hub.mapping.paths import MISSING, Path, PathError, parse_path
from hub.mapping.problems import LensError, RowError, problem_of
from hub.values import fold, instant_text, parse_decimal, round_half_up

Row = Mapping[str, Any]


@dataclass(slots=True)
class Candidate:
    """A row in canonical fields: `values` of those that could be read, `problems` of the others."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    modified_at: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Who wins a field and how its values compare; `rounded` has the number of digits."""

    policy: str = ""
    owner: str = ""
    compare: str = "exact"
    digits: int = 0


class Cell:
    """One compiled row of the document: `get(row)` a value or MISSING, `put` a row with it."""

    def __init__(self, spec: RowSpec, declared: Field, lens: Lens, place: tuple[str, ...]) -> None:
        self.spec, self.field, self.lens = spec, declared, lens
        self.name = spec.field
        self.top, self.sub = place[0], place[1:]
        self.source = spec.source
        texts = [spec.source] if isinstance(spec.source, str) else list(spec.source)
        self.paths: list[Path] = [parse_path(t) for t in texts if t]
        self.column = self.paths[0].column if len(self.paths) == 1 and self.paths[0].simple else ""
        self.ignores_blank = spec.blank == "ignore"
        self.keeps_empty = declared.kind == "text"
        self.reads, self.writes = spec.direction != "out", _writes(spec, lens)

    def get(self, row: Row) -> Any:
        raw = row.get(self.column, MISSING) if self.column else self.paths[0].get(row)
        if raw is MISSING:
            return MISSING
        if raw is None or (raw == "" and not self.keeps_empty):
            return MISSING if self.ignores_blank else None
        if raw == "" and self.ignores_blank:
            return MISSING
        return self.lens.get(raw)

    def old(self, row: Row) -> Any:
        """The raw remote value, for messages and for lenses that keep it."""
        try:
            return self.paths[0].get(row) if self.paths else MISSING
        except PathError:
            return MISSING

    def put(self, row: dict[str, Any], value: Any, *, create: bool) -> dict[str, Any]:
        old = self.old(row)
        if value is None:
            if create or old in (None, "", MISSING):
                return row
            return self.paths[0].put(row, None)  # type: ignore[no-any-return]
        return self.paths[0].put(row, self.lens.put(value, old))  # type: ignore[no-any-return]


class JoinCell(Cell):
    """Several columns make one value."""

    def get(self, row: Row) -> Any:
        raw = [p.get(row) for p in self.paths]
        if all(v is MISSING for v in raw):
            return MISSING
        value = self.lens.get(raw)
        return MISSING if value is None and self.ignores_blank else value

    def put(self, row: dict[str, Any], value: Any, *, create: bool) -> dict[str, Any]:
        old = [p.get(row) for p in self.paths]
        parts = self.lens.put(value, old) if value is not None else [None] * len(old)
        for path, part in zip(self.paths, parts, strict=True):
            row = path.put(row, part)
        return row


class KeyCell(Cell):
    """A reference by several columns: their joined key."""

    def get(self, row: Row) -> Any:
        raw = [p.get(row) for p in self.paths]
        if any(v is MISSING for v in raw):
            return MISSING
        return None if any(v in (None, "") for v in raw) else join_key(map(as_text, raw))


class ConstCell(Cell):
    """The same value for every row; in a create it is written where a column is named."""

    def get(self, row: Row) -> Any:
        return self.lens.get(None)

    def put(self, row: dict[str, Any], value: Any, *, create: bool) -> dict[str, Any]:
        if not self.paths or not create:
            return row
        return self.paths[0].put(row, self.lens.put(value, MISSING))  # type: ignore[no-any-return]


class DefaultCell(Cell):
    def get(self, row: Row) -> Any:
        return self.lens.get(self.paths[0].get(row))


class FormulaCell(Cell):
    """Computed from the whole row."""

    def get(self, row: Row) -> Any:
        value = self.lens.get(row)
        return MISSING if value is None and self.ignores_blank else value


class WhenCell(Cell):
    def __init__(self, spec: RowSpec, declared: Field, lens: Lens, place: tuple[str, ...]) -> None:
        super().__init__(spec, declared, lens, place)
        assert isinstance(lens, WhenLens)
        self.holds = lens.formula
        self.copy = Lens(spec, declared, lens.defaults)

    def get(self, row: Row) -> Any:
        if self.holds.evaluate(row) is not True:
            return MISSING
        raw = self.paths[0].get(row)
        return raw if raw in (None, MISSING) else self.copy.get(raw)

    def put(self, row: dict[str, Any], value: Any, *, create: bool) -> dict[str, Any]:
        if self.holds.evaluate(row) is not True or value is None:
            return row
        return self.paths[0].put(row, self.copy.put(value, self.old(row)))  # type: ignore[no-any-return]


class ListCell(Cell):
    """A list of rows in the row, merged by the key of its items."""

    def __init__(
        self,
        spec: RowSpec,
        declared: Field,
        lens: Lens,
        place: tuple[str, ...],
        cells: "Cells",
    ) -> None:
        super().__init__(spec, declared, lens, place)
        self.cells = cells
        self.key = lens.option("key") or declared.key
        self.leaves = lens.option("missing") == "leave"
        where = lens.option("where")
        self.where = _condition(where) if where else None

    def get(self, row: Row) -> Any:
        raw = self.paths[0].get(row)
        if raw is MISSING:
            return MISSING
        if raw in (None, ""):
            return MISSING if self.ignores_blank else None
        if not isinstance(raw, list | tuple):
            raise LensError("not a list: {value!r}", value=raw)
        where, cells = self.where, self.cells
        items: list[dict[str, Any]] = []
        problems: list[Problem] = []
        for number, item in enumerate(raw):
            if not isinstance(item, Mapping):
                raise LensError("not an object of named values: {value!r}", value=item)
            if where is None or where.evaluate(item) is True:
                items.append(cells.get(item, problems, f"{self.name}[{number}]."))
        if problems:
            raise RowError(problems)
        return items or None

    def put(self, row: dict[str, Any], value: Any, *, create: bool) -> dict[str, Any]:
        before = [i for i in self.old(row) or () if isinstance(i, Mapping)] if not create else []
        known = {self._key_of(i): i for i in before if self._is_ours(i)}
        out = []
        for item in value or ():
            old = known.pop(item.get(self.key), None) if self.key else None
            out.append(self.cells.put(dict(old or {}), item, create=old is None))
        aside = [i for i in before if not self._is_ours(i)]
        left = list(known.values()) if self.leaves else []
        return self.paths[0].put(row, [*out, *left, *aside])  # type: ignore[no-any-return]

    def _is_ours(self, item: Row) -> bool:
        return self.where is None or self.where.evaluate(item) is True

    def _key_of(self, item: Row) -> Any:
        return self.cells.get(item, [], "").get(self.key)


class Cells:
    """The rows of one level of the document."""

    def __init__(self, cells: list[Cell]) -> None:
        self.reading = [c for c in cells if c.reads]
        self.writing = [c for c in cells if c.writes]
        self.required = [c for c in cells if c.spec.required]

    def get(self, row: Row, problems: list[Problem], where: str = "") -> dict[str, Any]:
        values: dict[str, Any] = {}
        for cell in self.reading:
            try:
                value = cell.get(row)
            except RowError as e:
                problems.extend(e.problems)
                continue
            except ValueError as e:
                problems.append(problem_of(e, where + cell.name, cell.old(row)))
                continue
            if value is MISSING:
                continue
            if cell.sub:
                _set_part(values, cell, value)
            else:
                values[cell.top] = value
        for cell in self.required:
            if _at(values, cell) in (None, "", MISSING):
                problems.append(_missing(where + cell.name, cell))
        return values

    def put(
        self,
        row: dict[str, Any],
        values: Mapping[str, Any],
        *,
        create: bool,
        fields: Collection[str] | None = None,
    ) -> dict[str, Any]:
        for cell in self.writing:
            if isinstance(cell, ConstCell):
                row = cell.put(row, None, create=create)
            elif cell.top in values and (fields is None or cell.top in fields):
                value = _at(values, cell)
                row = cell.put(row, None if value is MISSING else value, create=create)
        return row


class FieldMapping:
    """A compiled mapping (exported as `hub.mapping.Mapping`)."""

    def __init__(self, document: Document, entity: Entity) -> None:
        self.document, self.entity = document, entity
        self.name, self.version = document.name, document.version
        self.stream, self.key = document.stream, document.key
        self.modified, self.where = document.modified, dict(document.where)
        self.match = document.match
        self._keys = [parse_path(k) for k in document.key]
        self._modified = parse_path(document.modified) if document.modified else None
        cells = [_cell(spec, entity.fields, document) for spec in document.rows]
        self.cells = Cells(cells)
        self.fields_in = tuple(dict.fromkeys(c.top for c in self.cells.reading))
        self.fields_out = tuple(
            dict.fromkeys(c.top for c in self.cells.writing if not isinstance(c, ConstCell))
        )
        self.refs = tuple(_refs(cells))
        self.rules = _rules(cells, document)
        self._loose = {n: r for n, r in self.rules.items() if r.compare != "exact"}

    def external_id(self, row: Row) -> str:
        """The row's id: its key columns joined.  RowError if one is missing or blank."""
        parts = []
        for path in self._keys:
            value = path.get(row)
            if value is MISSING or value is None or value == "":
                problem = Problem(
                    "no-key",
                    "the key column is {value!r}",
                    path.text,
                    None if value is MISSING else value,
                    "Fill it in the source, or map another key.",
                )
                raise RowError([problem])
            parts.append(as_text(value))
        return parts[0] if len(parts) == 1 and "|" not in parts[0] else join_key(parts)

    def modified_at(self, row: Row) -> str | None:
        """When the row was changed there; None where the column is no time (a counter)."""
        if self._modified is None:
            return None
        value = self._modified.get(row)
        if value in (None, "", MISSING) or isinstance(value, int | float | bytes):
            return None
        if isinstance(value, str) and value.isdigit():
            return None
        if type(value) is date or (isinstance(value, str) and len(value) == 10):
            value = f"{value}T00:00:00"
        return instant_text(value, self.document.defaults.zone or "UTC")

    def get(self, row: Row) -> Candidate:
        """The row in canonical fields, with every problem it has."""
        problems: list[Problem] = []
        values = self.cells.get(row, problems)
        modified_at = None
        if self._modified is not None:
            try:
                modified_at = self.modified_at(row)
            except ValueError as e:
                found = self._modified.get(row)
                problems.append(problem_of(e, self.document.modified, found))
        return Candidate(values, problems, modified_at)

    def put(
        self,
        values: Mapping[str, Any],
        old_row: Row | None = None,
        fields: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """The top-level columns that differ from the old row; for a create all that have a value."""
        before: dict[str, Any] = dict(old_row) if old_row else {}
        try:
            row = self.cells.put(before, values, create=not old_row, fields=fields)
        except PathError as e:
            raise LensError(str(e.args[0]), **e.values) from e
        if not old_row:
            return {k: v for k, v in row.items() if v is not None}
        return {k: v for k, v in row.items() if k not in old_row or old_row[k] != v}

    def equal(self, name: str, a: Any, b: Any) -> bool:
        """The same under the field's `compare`; null, "" and an empty object say the same."""
        if a == b:
            return True
        if not a and not b and a is not False and b is not False and 0 not in (a, b):
            return True
        rule = self._loose.get(name)
        if rule is not None and isinstance(a, str) and isinstance(b, str):
            return _equal_texts(rule, a, b)
        if isinstance(a, dict) or isinstance(b, dict):
            return bool(_solid(a) == _solid(b))
        return False

    def covers(self, row: Row) -> dict[str, str]:
        """What becomes of each column of the row: mapped, kept, refused, or unknown."""
        mapped = {p.column for c in [*self.cells.reading, *self.cells.writing] for p in c.paths}
        mapped |= {p.column for p in self._keys}
        mapped |= {self._modified.column} if self._modified else set()
        kept, refused = set(self.document.kept), set(self.document.refused)
        return {
            name: "mapped"
            if name in mapped
            else "refused"
            if name in refused
            else "kept"
            if name in kept or "*" in kept
            else "unknown"
            for name in row
        }


def compile(document: Document, entity: Entity) -> FieldMapping:
    """The document's two functions over *entity*."""
    return FieldMapping(document, entity)


# -------------------------------------------------------------------------------------- building


def _cell(spec: RowSpec, fields: Collection[Field], document: Document) -> Cell:
    place, declared = _place(spec, fields)
    lens_class = LENSES[spec.lens or "copy"]
    lens = lens_class(spec, declared, document.defaults)
    match lens:
        case ListLens() if spec.rows:
            nested = Cells([_cell(s, declared.fields, document) for s in spec.rows])
            return ListCell(spec, declared, lens, place, nested)
        case JoinLens():
            return JoinCell(spec, declared, lens, place)
        case RefLens() if isinstance(spec.source, tuple) and len(spec.source) > 1:
            return KeyCell(spec, declared, lens, place)
        case ConstLens():
            return ConstCell(spec, declared, lens, place)
        case DefaultLens():
            return DefaultCell(spec, declared, lens, place)
        case WhenLens():
            return WhenCell(spec, declared, lens, place)
        case FormulaLens():
            return FormulaCell(spec, declared, lens, place)
    return Cell(spec, declared, lens, place)


def _place(spec: RowSpec, fields: Collection[Field]) -> tuple[tuple[str, ...], Field]:
    if spec.field.startswith("ext."):
        return (spec.field,), Field.text(spec.field)
    parts = tuple(spec.field.split("."))
    here, found = fields, None
    for part in parts:
        found = next(f for f in here if f.name == part)
        here = found.fields
    assert found is not None
    return parts, found


def _writes(spec: RowSpec, lens: Lens) -> bool:
    if spec.direction == "in" or not spec.source:
        return False
    if isinstance(lens, FormulaLens) and not isinstance(lens, WhenLens):
        return False
    return not (isinstance(lens, ConstLens) and spec.direction == "both" and not spec.source)


def _condition(text: str) -> Any:
    from hub.mapping.formula import compile_formula

    return compile_formula(str(text))


def _refs(cells: Collection[Cell], above: tuple[str, ...] = ()) -> list[Ref]:
    found = []
    for cell in cells:
        place = (*above, cell.top, *cell.sub)
        if isinstance(cell.lens, RefLens):
            lens = cell.lens
            found.append(
                Ref(place, lens.entity, str(lens.option("stream", "")), str(lens.option("by", "")))
            )
        if isinstance(cell, ListCell):
            inner = [*cell.cells.reading, *cell.cells.writing]
            found += _refs(list(dict.fromkeys(inner)), (*place, "*"))
    return list(dict.fromkeys(found))


def _rules(cells: Collection[Cell], document: Document) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for cell in cells:
        spec, known = cell.spec, rules.get(cell.top)
        compare = spec.compare
        digits = 0
        if isinstance(compare, Mapping):
            compare, digits = next(iter(compare.items()))
        policy = spec.policy or (known.policy if known else "")
        owner = spec.owner or (known.owner if known else "")
        rules[cell.top] = Rule(
            policy or ("" if owner else document.policy),
            owner or ("" if policy else document.owner),
            str(compare),
            int(digits),
        )
    return rules


# ----------------------------------------------------------------------------------------- small


def _set_part(values: dict[str, Any], cell: Cell, value: Any) -> None:
    here = values.setdefault(cell.top, {})
    for part in cell.sub[:-1]:
        here = here.setdefault(part, {})
    here[cell.sub[-1]] = value


def _at(values: Mapping[str, Any], cell: Cell) -> Any:
    here: Any = values.get(cell.top, MISSING)
    for part in cell.sub:
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _missing(name: str, cell: Cell) -> Problem:
    return Problem(
        "missing",
        "a value is required, and column {column!r} has none",
        name,
        hint="Fill it in the source.",
        values={"column": str(cell.source)},
    )


def _equal_texts(rule: Rule, a: str, b: str) -> bool:
    match rule.compare:
        case "casefold":
            return fold(a) == fold(b)
        case "trimmed":
            return a.strip() == b.strip()
        case "rounded":
            try:
                return bool(_rounded(a, rule.digits) == _rounded(b, rule.digits))
            except ValueError:
                return False
    return a == b


def _rounded(text: str, digits: int) -> Any:
    return round_half_up(parse_decimal(text), digits)


def _solid(value: Any) -> Any:
    """Without parts that are null."""
    if isinstance(value, Mapping):
        return {k: s for k, v in value.items() if (s := _solid(v)) not in (None, {}, "")}
    return value if value is not None else {}
