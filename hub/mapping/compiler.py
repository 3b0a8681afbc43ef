"""A document compiled, once per version, to two pure functions.

row → candidate, record → columns.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hub.connector import join_key
from hub.entity import Entity, Field
from hub.errors import Problem
from hub.mapping.cells import (
    Cell,
    Cells,
    ConstCell,
    FormulaCell,
    ListCell,
    Row,
    cell_class,
    key_part,
)
from hub.mapping.kinds import Defaults, as_text
from hub.mapping.lenses import LENSES
from hub.mapping.paths import MISSING, PathError, parse_path
from hub.mapping.problems import LensError, RowError, problem_of
from hub.mapping.shapes import ListLens, Ref, RefLens
from hub.mapping.spec import Document, RowSpec
from hub.values import fold, instant_text, parse_decimal, round_half_up

NO_KEY = "the key column is {value!r}"
NO_KEY_HINT = "Fill it in the source, or map another key."


@dataclass(slots=True)
class Candidate:
    """A row in canonical fields: `values` of those that could be read, `problems` of the others."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    modified_at: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Who wins a field ("": as the flow says), and how its values compare.

    `digits`: for the comparison `rounded`.  `key`: the part that tells the items of a list apart.
    `missing`: what happens to items the other side lacks.
    """

    policy: str = ""
    owner: str = ""
    compare: str = "exact"
    digits: int = 0
    blank: str = "clear"
    key: str = ""
    missing: str = "remove"
    required: bool = False


class FieldMapping:
    """A compiled mapping (exported as `hub.mapping.Mapping`).

    `parts`: for objects mapped part by part, the parts covered, as dotted names below the field.
    """

    def __init__(self, document: Document, entity: Entity) -> None:
        self.document, self.entity = document, entity
        self.name, self.version = document.name, document.version
        self.stream, self.key = document.stream, document.key
        self.modified, self.where = document.modified, dict(document.where)
        self.match = document.match
        self._keys = [parse_path(k) for k in document.key]
        self._only_key = _plain_column(document.key)
        self._modified = parse_path(document.modified) if document.modified else None
        self._modified_column = _plain_column((document.modified,) if document.modified else ())
        self._zone = document.defaults.zone
        cells = [build_cell(s, entity.fields, document.defaults) for s in document.rows]
        self.cells = Cells(cells)
        self.fields_in = tuple(dict.fromkeys(c.top for c in self.cells.reading))
        self.fields_out = tuple(dict.fromkeys(c.top for c in self.cells.writing if _is_field(c)))
        self.refs = tuple(_refs(cells))
        self.rules = _rules(cells, document)
        self.parts = _parts(cells)
        self._compared = dict(_compared(cells))
        self._has_compared = frozenset(p.partition(".")[0] for p in self._compared)

    def external_id(self, row: Row) -> str:
        """The row's id: its key columns joined.  RowError if one is missing or blank."""
        if self._only_key:
            value = row.get(self._only_key)
            if type(value) is str and value and "|" not in value and "\\" not in value:
                return value
        parts = []
        for path in self._keys:
            value = path.get(row)
            if value is MISSING or value is None or value == "":
                shown = None if value is MISSING else value
                raise RowError([Problem("no-key", NO_KEY, path.text, shown, NO_KEY_HINT)])
            parts.append(as_text(value, self._zone))
        if not all(parts):
            raise RowError([Problem("no-key", NO_KEY, self.document.key[0], "", NO_KEY_HINT)])
        return join_key(parts)

    def modified_at(self, row: Row) -> str | None:
        """When the row was changed there; None where the column is no time (a counter)."""
        if self._modified is None:
            return None
        if self._modified_column:
            value = row.get(self._modified_column)
            if type(value) is str and len(value) > 10 and not value.isdigit():
                return instant_text(value, self._zone or "UTC")
        value = self._modified.get(row)
        if value in (None, "", MISSING) or isinstance(value, int | float | bytes):
            return None
        if isinstance(value, str) and value.isdigit():
            return None
        if type(value) is date or (isinstance(value, str) and len(value) == 10):
            value = f"{value}T00:00:00"
        return instant_text(value, self._zone or "UTC")

    def get(self, row: Row) -> Candidate:
        """The row in canonical fields, with every problem it has."""
        problems: list[Problem] = []
        values = self.cells.get(row, problems)
        modified_at = None
        if self._modified is not None:
            try:
                modified_at = self.modified_at(row)
            except (ValueError, ArithmeticError) as e:
                problems.append(problem_of(e, self.document.modified, self._modified.get(row)))
        return Candidate(values, problems, modified_at)

    def put(
        self,
        values: Mapping[str, Any],
        old_row: Row | None = None,
        fields: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """The top-level columns that differ from the old row; for a create all that have a value.

        *fields*: only these canonical fields.  RowError names everything that cannot be written.
        """
        before: Mapping[str, Any] = old_row or {}
        problems: list[Problem] = []
        row = self.cells.put(before, values, create=not old_row, fields=fields, problems=problems)
        if problems:
            raise RowError(problems)
        if not old_row:
            return {k: v for k, v in row.items() if v is not None}
        return {k: v for k, v in row.items() if k not in before or not _same(before[k], v)}

    def equal(self, name: str, a: Any, b: Any) -> bool:
        """The same under the field's `compare`; null, "" and empty objects and lists are one."""
        if a == b:
            return True
        if not a and not b and a is not False and b is not False and 0 not in (a, b):
            return True
        if name in self._has_compared or isinstance(a, dict | list) or isinstance(b, dict | list):
            return self._equal(name, a, b)
        return False

    def _equal(self, path: str, a: Any, b: Any) -> bool:
        if isinstance(a, dict) or isinstance(b, dict):
            a, b = _solid(a), _solid(b)
            return all(self._equal(f"{path}.{k}", a.get(k), b.get(k)) for k in {**a, **b})
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            key = (rule := self.rules.get(path)) and rule.key
            pairs = zip(_in_order(a, key), _in_order(b, key), strict=True)
            return all(self._equal(path, x, y) for x, y in pairs)
        if a == b or (a in (None, "") and b in (None, "")):
            return True
        compared = self._compared.get(path)
        if compared and isinstance(a, str) and isinstance(b, str):
            return _equal_texts(compared[0], compared[1], a, b)
        return False

    def covers(self, row: Row) -> dict[str, str]:
        """What becomes of each column of the row: mapped, custom (to a custom field only), kept,
        refused, or unknown to this document."""
        known = _columns(self.cells)
        for path in (*self._keys, *([self._modified] if self._modified else ())):
            known[path.column] = "mapped"
        kept, refused = self.document.kept, self.document.refused
        rest = "kept" if "*" in kept else "unknown"
        named = {**dict.fromkeys(kept, "kept"), **dict.fromkeys(refused, "refused")}
        return {name: known.get(name) or named.get(name, rest) for name in row}


def compile(document: Document, entity: Entity) -> FieldMapping:
    """The document's two functions over *entity*."""
    return FieldMapping(document, entity)


# -------------------------------------------------------------------------------------- building


def build_cell(spec: RowSpec, fields: Collection[Field], defaults: Defaults) -> Cell:
    """The compiled row.  ValueError if its options, paths or formulas are wrong."""
    place, declared = locate(spec.field, fields)
    lens = LENSES[spec.lens or "copy"](spec, declared, defaults)
    if isinstance(lens, ListLens) and spec.rows:
        inside = [build_cell(s, declared.fields, defaults) for s in nested_rows(spec, declared)]
        return ListCell(spec, declared, lens, place, Cells(inside, inner=True))
    return cell_class(spec, lens)(spec, declared, lens, place)


def nested_rows(spec: RowSpec, declared: Field) -> tuple[RowSpec, ...]:
    """The rows of a list, with one for the key of its items where `key` names only a column."""
    key = spec.options.get("key") if isinstance(spec.options, Mapping) else None
    part = key_part(spec, declared)
    if not key or not part or key == part or any(r.field == part for r in spec.rows):
        return spec.rows
    return (RowSpec(part, key, place=spec.place, line=spec.line), *spec.rows)


def locate(name: str, fields: Collection[Field]) -> tuple[tuple[str, ...], Field]:
    """Where a canonical field lives, and its declaration.  KeyError if there is none."""
    whole = next((f for f in fields if f.name == name), None)
    if whole is not None:
        return (name,), whole
    if not name or name.startswith("ext."):
        return ((name,) if name else ()), Field.text(name)
    parts, here = tuple(name.split(".")), fields
    found: Field | None = None
    for n, part in enumerate(parts):
        found = next((f for f in here if f.name == part), None)
        if found is None or (n + 1 < len(parts) and found.kind != "object"):
            raise KeyError(".".join(parts[: n + 1]))
        here = found.fields
    assert found is not None
    return parts, found


def _plain_column(keys: tuple[str, ...]) -> str:
    if len(keys) != 1:
        return ""
    path = parse_path(keys[0])
    return path.column if path.simple else ""


def _is_field(cell: Cell) -> bool:
    if isinstance(cell, FormulaCell) and cell.spec.direction == "out":
        return False
    return not isinstance(cell, ConstCell)


def _refs(cells: Collection[Cell], above: tuple[str, ...] = ()) -> list[Ref]:
    found = []
    for cell in cells:
        place, lens = (*above, *cell.place), cell.lens
        if isinstance(cell, ConstCell) and not cell.reads:
            continue
        if isinstance(lens, RefLens):
            stream, by = str(lens.option("stream", "")), str(lens.option("by", ""))
            found.append(Ref(place, lens.entity, stream, by))
        elif cell.field.kind == "ref" and cell.field.target:
            found.append(Ref(place, cell.field.target))
        if isinstance(cell, ListCell):
            found += _refs(cell.cells.all, (*place, "*"))
    return list(dict.fromkeys(found))


def _rules(cells: Collection[Cell], document: Document) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for cell in cells:
        if not cell.place:
            continue
        spec, known = cell.spec, rules.get(cell.top)
        compare, digits = comparison(spec.compare)
        policy = spec.policy or (known.policy if known else "")
        owner = spec.owner or (known.owner if known else "")
        key, leaves = (cell.key, cell.leaves) if isinstance(cell, ListCell) else ("", False)
        rules[cell.top] = Rule(
            policy or ("" if owner else document.policy),
            owner or ("" if policy else document.owner),
            compare,
            digits,
            spec.blank,
            key or cell.field.key,
            "leave" if leaves else "remove",
            cell.must,
        )
    return rules


def comparison(compare: Any) -> tuple[str, int]:
    """`compare:` as (name, digits)."""
    if isinstance(compare, Mapping):
        name, digits = next(iter(compare.items()))
        return str(name), int(digits)
    return str(compare), 0


def _parts(cells: Collection[Cell]) -> dict[str, tuple[str, ...]]:
    parts: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        if cell.sub:
            parts[cell.top] = (*parts.get(cell.top, ()), ".".join(cell.sub))
    return parts


def _compared(cells: Collection[Cell], above: str = "") -> list[tuple[str, tuple[str, int]]]:
    found = []
    for cell in cells:
        path = above + cell.name
        compared = comparison(cell.spec.compare)
        if compared[0] != "exact":
            found.append((path, compared))
        if isinstance(cell, ListCell):
            found += _compared(cell.cells.all, f"{path}.")
    return found


def _columns(cells: Cells) -> dict[str, str]:
    known: dict[str, str] = {}
    for cell in cells.all:
        what = "custom" if cell.top.startswith("ext.") else "mapped"
        texts = [p.text for p in cell.paths]
        if cell.reads:
            texts += cell.lens.lineage()
        for text in texts:
            try:
                column = parse_path(text).column
            except PathError:
                continue
            known[column] = "mapped" if known.get(column) == "mapped" else what
    return known


# ------------------------------------------------------------------------------------- comparing


def _same(a: Any, b: Any) -> bool:
    """Equal, and not a truth value taken for a number."""
    try:
        return a is b or (bool(a == b) and isinstance(a, bool) == isinstance(b, bool))
    except ArithmeticError:  # signalling NaN
        return False


def _in_order(items: list[Any], key: Any) -> list[Any]:
    if key and all(isinstance(i, dict) for i in items):
        return sorted(items, key=lambda i: str(i.get(key)))
    return items


def _equal_texts(compare: str, digits: int, a: str, b: str) -> bool:
    match compare:
        case "casefold":
            return fold(a) == fold(b)
        case "trimmed":
            return a.strip() == b.strip()
        case "rounded":
            try:
                return bool(_rounded(a, digits) == _rounded(b, digits))
            except ValueError:
                return False
    return a == b


def _rounded(text: str, digits: int) -> Any:
    return round_half_up(parse_decimal(text), digits)


def _solid(value: Any) -> dict[str, Any]:
    """Without parts that say nothing."""
    if not isinstance(value, Mapping):
        return {}
    return {k: v for k, v in value.items() if v is not None and v not in ("", {}, [])}


__all__ = [
    "Candidate",
    "FieldMapping",
    "LensError",
    "Ref",
    "Rule",
    "build_cell",
    "compile",
    "locate",
]
