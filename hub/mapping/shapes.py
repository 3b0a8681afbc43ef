"""The lenses that change the shape of a row: several columns into one value, lists, formulas."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hub.connector import join_key, split_key
from hub.entity import Field
from hub.mapping import kinds, samples
from hub.mapping.formula import Formula, compile_formula
from hub.mapping.kinds import Defaults, as_text
from hub.mapping.lens import (
    KEEPING,
    LENSES,
    LOSSLESS,
    ONE_WAY,
    TABLE,
    TEXT,
    Allowed,
    Lens,
)
from hub.mapping.paths import MISSING, parse_path
from hub.mapping.problems import LensError
from hub.mapping.spec import RowSpec

HAS_SEPARATOR = "{value!r} holds the separator {by!r}"
BAD_KEY = "the key {value!r} does not have {count} parts"
NOT_A_LIST = "not a list: {value!r}"
TWO_INSIDE = "`when` takes one lens for its rows, not {value!r}"


class SplitLens(Lens):
    """`split: {by: ";"}`: one text holds several."""

    law = KEEPING
    allowed: ClassVar[Allowed] = {"by": TEXT, "write": TEXT}
    bare = "by"

    @property
    def by(self) -> str:
        by = self.option("by", ";")
        return by if isinstance(by, str) and by else ";"

    def read(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return self._reader(value)
        parts = [p for text in as_text(value).split(self.by) if (p := text.strip())]
        return sorted(set(parts)) if self.field.kind == "set" else parts

    def write(self, value: Any, old: Any) -> Any:
        texts = value
        if isinstance(old, str):
            before = [t.strip() for t in old.split(self.by)]
            kept = [t for t in dict.fromkeys(before) if t in value]
            texts = kept + [t for t in value if t not in kept]
        for part in value:
            if self.by in part or part != part.strip():
                raise LensError(HAS_SEPARATOR, value=part, by=self.by)
        return str(self.option("write", self.by)).join(texts)

    def remotes(self, rng: Random) -> Any:
        parts = [samples.text(rng, 12).replace(self.by, "") for _ in range(rng.randrange(1, 5))]
        return self.by.join(parts)


class JoinLens(Lens):
    """`from: [last, first]`, `join: {by: " "}`: several columns make one text.

    Written back it is split from the left; the last column takes the rest.
    """

    law = KEEPING
    reads_blank = True
    allowed: ClassVar[Allowed] = {"by": TEXT}
    bare = "by"

    @property
    def by(self) -> str:
        by = self.option("by", " ")
        return by if isinstance(by, str) else " "

    def read(self, value: Any) -> Any:
        parts = ["" if v in (None, MISSING) else as_text(v) for v in value]
        return self.by.join(p for p in parts if p) or None

    def write(self, value: Any, old: Any) -> Any:
        count = len(self.spec.sources)
        parts = value.split(self.by, count - 1) if self.by else [value]
        return [*parts, *[None] * (count - len(parts))]

    def remotes(self, rng: Random) -> Any:
        return [samples.text(rng, 12).replace(self.by, "") or "x" for _ in self.spec.sources]


class RefLens(Lens):
    """`ref: customer` or `ref: {entity: customer, stream: …, by: code}`: the referred row's id.

    With several columns in `from` the id is their joined key.  `type: integer`: it is written as a
    number.
    """

    law = LOSSLESS
    allowed: ClassVar[Allowed] = {
        "entity": TEXT,
        "stream": TEXT,
        "by": TEXT,
        "type": ("integer", "text"),
    }
    bare = "entity"

    @classmethod
    def faults(cls, name: str, options: Any) -> Any:
        return super().faults(name, {} if options is True else options)

    def read(self, value: Any) -> Any:
        return None if value is False else as_text(value) or None

    def write(self, value: Any, old: Any) -> Any:
        if self.option("type") == "integer":
            return int(value) if value.lstrip("-").isdigit() else value
        return kinds.write_as(value, old)

    def read_parts(self, values: list[Any]) -> Any:
        if any(v is None or v is False or v == "" for v in values):
            return None
        return join_key(as_text(v) for v in values)

    def write_parts(self, value: str, old: list[Any]) -> list[Any]:
        parts = split_key(value)
        if len(parts) != len(old):
            raise LensError(BAD_KEY, value=value, count=len(old))
        return [self.write(part, before) for part, before in zip(parts, old, strict=True)]

    @property
    def entity(self) -> str:
        given = self.option("entity")
        return given if isinstance(given, str) else self.field.target

    def remotes(self, rng: Random) -> Any:
        if len(self.spec.sources) > 1:
            return [samples.text(rng, 20) for _ in self.spec.sources]
        if self.option("type") == "integer":
            return rng.randrange(10**6)
        return rng.choice((samples.text(rng, 20), rng.randrange(10**6)))

    def canonicals(self, rng: Random) -> Any:
        found = self.remotes(rng)
        return self.read_parts(found) if isinstance(found, list) else as_text(found)


class ConstLens(Lens):
    """`const: organization`: the same for every row; written out where a column is named."""

    law = ONE_WAY
    needs_source = False
    reads_blank = True
    bare = "value"
    allowed: ClassVar[Allowed] = {"value": "any"}

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.value = self.option("value")
        if spec.direction != "out" and self.value is not None:
            self.value = self._reader(self.value)

    def read(self, value: Any) -> Any:
        return self.value

    def write(self, value: Any, old: Any) -> Any:
        return self.option("value")


class DefaultLens(Lens):
    """`default: EUR`: stands in where the row says nothing; a blank that means it stays blank."""

    law = KEEPING
    reads_blank = True
    bare = "value"
    allowed: ClassVar[Allowed] = {"value": "any"}

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.value = self._reader(self.option("value"))

    def read(self, value: Any) -> Any:
        return self.value if value is MISSING or value in (None, "") else self._reader(value)

    def remotes(self, rng: Random) -> Any:
        return rng.choice((None, "", samples.remote(self.field, rng)))


class PickLens(Lens):
    """`pick: first`, `pick: last`, or `pick: {where: {type: work}, take: number}`: one of a list
    stands for it; the others stay as they are."""

    law = KEEPING
    allowed: ClassVar[Allowed] = {"which": ("first", "last"), "where": TABLE, "take": TEXT}
    bare = "which"

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.where = {str(k): as_text(v) for k, v in (self.option("where") or {}).items()}
        self.take = parse_path(self.option("take")) if self.option("take") else None
        self.last = self.option("which") == "last"

    def read(self, value: Any) -> Any:
        items = value if isinstance(value, list | tuple) else [value]
        at = self._place(items)
        if at is None:
            return None
        found = self.take.get(items[at]) if self.take else items[at]
        return None if found is MISSING or found in (None, "") else self._reader(found)

    def _place(self, items: Any) -> int | None:
        order = range(len(items) - 1, -1, -1) if self.last else range(len(items))
        return next((n for n in order if self._fits(items[n])), None)

    def _fits(self, item: Any) -> bool:
        if not self.where:
            return True
        if not isinstance(item, Mapping):
            return False
        return all(as_text(item.get(k, "") or "") == v for k, v in self.where.items())

    def write(self, value: Any, old: Any) -> Any:
        if old is not MISSING and old is not None and not isinstance(old, list | tuple):
            return self._writer(value, old)
        items = list(old or ())
        at = self._place(items)
        if at is None:
            items.append(dict(self.where) if self.take else MISSING)
            at = len(items) - 1
        items[at] = self._filled(items[at], value)
        return items

    def _filled(self, item: Any, value: Any) -> Any:
        if self.take is None:
            return self._writer(value, item)
        before = self.take.get(item)
        return self.take.put(item, self._writer(value, before))

    def remotes(self, rng: Random) -> Any:
        return [self._filled(self._blank(), samples.canonical(self.field, rng)) for _ in range(2)]

    def _blank(self) -> Any:
        return dict(self.where) if self.take else MISSING


class ListLens(Lens):
    """`list: set`, or `list: {key: …, missing: leave, where: formula}` with nested rows.

    `key`: the part that tells items apart, or the column it comes from; without one the list is one
    value.  `missing`: what happens to items the hub does not have, `remove` (default) or `leave`.
    Items for which `where` does not hold are none of ours.
    """

    law = KEEPING
    allowed: ClassVar[Allowed] = {
        "kind": ("set",),
        "key": TEXT,
        "missing": ("leave", "remove"),
        "where": TEXT,
    }
    bare = "kind"

    @classmethod
    def faults(cls, name: str, options: Any) -> Any:
        return super().faults(name, {} if options is True else options)

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        where = self.option("where")
        self.where: Formula | None = compile_formula(where) if where else None


class FormulaLens(Lens):
    """`formula: 'CONCAT(a, b)'`: sees the whole row; one-way unless the row has an `inverse`."""

    law = ONE_WAY
    needs_source = False
    reads_blank = True
    bare = "get"
    allowed: ClassVar[Allowed] = {"get": TEXT}

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        super().__init__(spec, field, defaults)
        self.formula = compile_formula(str(self.option("get")))
        self.inverse = compile_formula(spec.inverse) if spec.inverse else None
        if self.inverse:
            self.law = LOSSLESS
        self.convert = _rounded_reader(field, defaults)

    def read(self, value: Any) -> Any:
        found = self.formula.evaluate(value)
        return found if found is None else self.convert(found)

    def lineage(self) -> tuple[str, ...]:
        return self.formula.lineage if self.spec.direction != "out" else ()


def _rounded_reader(field: Field, defaults: Defaults) -> Any:
    """Results of divisions have more digits than any field: they are rounded to the field's."""
    read, places = kinds.reader(field, defaults), field.precision[1] if field.precision else None
    if field.kind != "decimal" or places is None:
        return read

    def convert(value: Any) -> Any:
        text = read(value)
        return text if len(text.partition(".")[2]) <= places else kinds.rounded(text, places)

    return convert


class WhenLens(Lens):
    """`when: 'type = "B2B"'`: the row counts for those remote rows only; `when: {if: …, codes: …}`
    for another lens than the plain copy."""

    law = KEEPING

    def __init__(self, spec: RowSpec, field: Field, defaults: Defaults) -> None:
        options = spec.options if isinstance(spec.options, Mapping) else {"if": spec.options}
        super().__init__(spec, field, defaults)
        name, inner = next(((k, v) for k, v in options.items() if k != "if"), ("copy", None))
        inside = RowSpec(spec.field, spec.source, name, inner, place=spec.place, line=spec.line)
        self.inner = LENSES[name](inside, field, defaults)
        self.formula = compile_formula(str(options.get("if")))
        self.law = ONE_WAY if self.inner.law == ONE_WAY else KEEPING
        self.reads_blank = self.inner.reads_blank
        self.says_empty = self.inner.says_empty or type(self.inner) is Lens
        self.get = self.inner.get

    @classmethod
    def faults(cls, name: str, options: Any) -> Any:
        if not isinstance(options, Mapping):
            options = {"if": options}
        inside = {k: v for k, v in options.items() if k != "if"}
        if not isinstance(options.get("if"), str):
            yield LensError("{lens} needs the option {option!r}", lens=name, option="if")
        if len(inside) > 1 or any(k not in LENSES or k in _OUTER for k in inside):
            yield LensError(TWO_INSIDE, value=", ".join(map(str, inside)))
            return
        for key, value in inside.items():
            yield from LENSES[key].faults(key, value)

    def read(self, value: Any) -> Any:
        return self.inner.get(value)

    def write(self, value: Any, old: Any) -> Any:
        return self.inner.write(value, old)

    def lineage(self) -> tuple[str, ...]:
        return (*self.spec.sources, *self.formula.lineage)

    def remotes(self, rng: Random) -> Any:
        return self.inner.remotes(rng)


_OUTER = ("when", "list", "formula", "const", "default", "join")

LENSES |= {
    "const": ConstLens,
    "default": DefaultLens,
    "join": JoinLens,
    "split": SplitLens,
    "ref": RefLens,
    "list": ListLens,
    "pick": PickLens,
    "when": WhenLens,
    "formula": FormulaLens,
}


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference in the canonical values: the path to it, with `*` for every item of a list."""

    path: tuple[str, ...]
    entity: str
    stream: str = ""
    by: str = ""
