"""Mapping documents: read, overlaid, checked against their schema, brought into normal form.

Everything wrong is said at once, each with file, line, row, value and remedy (`DocumentError`).
"""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hub.entity import Entity, Field
from hub.errors import Problem
from hub.mapping.compiler import build_cell, locate
from hub.mapping.kinds import Defaults
from hub.mapping.lens import LAWS
from hub.mapping.lenses import LENSES, ONE_WAY
from hub.mapping.paths import PathError, parse_path
from hub.mapping.problems import DocumentError, problem_of, shown
from hub.mapping.spec import Document, RowSpec
from hub.mapping.yamltext import Block, YamlError, read_yaml, write_yaml
from hub.values import currency_code

__all__ = ["Document", "RowSpec", "export", "load"]

MAX_LAYERS = 8
TOP = (
    *("extends", "entity", "stream", "key", "modified", "where", "match", "defaults", "policy"),
    *("owner", "kept", "refused", "tables", "note", "rows"),
)
OPTIONS = (
    *("direction", "inverse", "law", "blank", "required", "owner", "policy", "compare", "note"),
    *("rows",),
)
ROW = ("field", "from", *OPTIONS)
DIRECTIONS = ("both", "in", "out")
POLICIES = ("latest", "hub", "remote", "fill", "review", "owner")
COMPARES = ("exact", "casefold", "trimmed", "rounded")
DEFAULTS = ("zone", "region", "currency")

UNKNOWN_KEY = "{where} has no setting {value!r}"
UNKNOWN_FIELD = "the entity {entity!r} has no field {value!r}"
NEAR_HINT = "Did you mean {near!r}?"
KNOWN_HINT = "There are: {known}."
UNKNOWN_LENS = "there is no lens or option {value!r}"
ONE_WAY_ROW = "the lens {lens!r} has no way back, and the row does not say so"
ONE_WAY_HINT = "Say `direction: in` (or `out`); a formula may have an `inverse` instead."
ZONE_FAULT = "there is no time zone {value!r}"


def load(
    source: Path | str,
    *,
    entities: Mapping[str, Entity],
    find: Callable[[str], Path] | None = None,
    name: str = "",
) -> Document:
    """The document in a file, or in a YAML text.

    `find` gives the file of the mapping that this one `extends`.  *name*: as in "kingdee/customer".
    """
    tree, place = _read(source, name)
    tree = _with_template(tree, place, find, ())
    return _Checker(tree, place, entities).document(name or place)


def export(document: Document) -> str:
    """The document as YAML, byte for byte the same for the same content."""
    return write_yaml(document.raw)


# ---------------------------------------------------------------------------------------- reading


def _read(source: Path | str, name: str) -> tuple[Block, str]:
    if isinstance(source, Path):
        place = str(source)
        text = _decoded(source, place)
    else:
        text, place = source, name or "mapping"
    try:
        tree = read_yaml(text, place)
    except YamlError as e:
        raise _wrong(
            "yaml",
            "{place}, line {line}: " + e.template,
            "Check indentation, colons and quotes on that line.",
            place=place,
            line=e.line or 1,
            **e.values,
        ) from e
    if not isinstance(tree, Block):
        raise _wrong(
            "yaml",
            "{place} is not a mapping document",
            "It begins with `entity: customer`.",
            place=place,
        )
    return tree, place


def _decoded(path: Path, place: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        raise _wrong(
            "encoding",
            "{place} is not UTF-8 text: byte {byte} at position {at}",
            "Save the file as UTF-8.",
            place=place,
            byte=f"0x{e.object[e.start]:02x}",
            at=e.start,
        ) from e
    except OSError as e:
        raise _wrong(
            "unreadable", "{place} cannot be read: {reason}", place=place, reason=e.strerror or ""
        ) from e


def _wrong(code: str, message: str, hint: str = "", **values: Any) -> DocumentError:
    return DocumentError([Problem(code, message, hint=hint, values=values)])


def _with_template(
    tree: Block, place: str, find: Callable[[str], Path] | None, above: tuple[str, ...]
) -> Block:
    """The tree over the mapping it extends, if it does, and that over what it extends in turn."""
    if "extends" not in tree:
        return tree
    base = tree["extends"]
    if not isinstance(base, str) or find is None:
        raise _wrong(
            "extends",
            "{place}, line {line}: {value!r} cannot be extended",
            "`extends:` takes the name of a mapping, as in kingdee/customer.",
            place=place,
            line=tree.line,
            value=shown(base),
        )
    if base in above or len(above) >= MAX_LAYERS:
        raise _wrong(
            "extends",
            "{place}, line {line}: {value!r} extends itself",
            place=place,
            line=tree.line,
            value=base,
        )
    template, where = _read(find(base), base)
    return _overlay(_with_template(template, where, find, (*above, base)), tree)


def _overlay(base: Block, top: Block) -> Block:
    """The template with the layer's keys over it, and its rows by field."""
    merged = Block({**base, **{k: v for k, v in top.items() if k != "extends"}})
    merged.line, merged.place = top.line, top.place
    merged["rows"] = _overlaid_rows(base.get("rows"), top.get("rows"))
    return merged


def _overlaid_rows(below: Any, above: Any) -> list[Any]:
    rows = {_row_identity(r): r for r in below or () if isinstance(r, Block)}
    for row in above or ():
        identity = _row_identity(row) if isinstance(row, Block) else repr(row)
        if isinstance(row, Block) and row.get("drop") is True:
            rows.pop(identity, None)
        else:
            rows[identity] = _overlaid(rows.get(identity), row)
    return list(rows.values())


def _row_identity(row: Mapping[str, Any]) -> str:
    """The field; what is only written goes by its column too, as a field may have many of these."""
    if row.get("direction") == "out":
        return f"{row.get('field', '')} → {row.get('from')}"
    return str(row.get("field"))


def _overlaid(row: Any, over: Any) -> Any:
    """The keys of *over* win; its lens replaces whatever lens the row had."""
    if not isinstance(row, Block) or not isinstance(over, Block):
        return over
    dropped = _lenses_of(row) if _lenses_of(over) else []
    merged = Block({**{k: v for k, v in row.items() if k not in dropped}, **over})
    merged.line, merged.place = over.line, over.place
    if "rows" in row and "rows" in over:
        merged["rows"] = _overlaid_rows(row["rows"], over["rows"])
    return merged


def _lenses_of(row: Mapping[str, Any]) -> list[str]:
    """The keys that are no options of a row; `list: set` beside another lens only says its kind."""
    keys = [k for k in row if k not in ROW and k != "drop"]
    if len(keys) > 1 and row.get("list") == "set":
        keys.remove("list")
    return keys


# ----------------------------------------------------------------------------------------- schema


class _Checker:
    """Turns the tree into a `Document`, collecting every problem on the way."""

    def __init__(self, tree: Block, place: str, entities: Mapping[str, Entity]) -> None:
        self.tree, self.place, self.entities = tree, place, entities
        self.problems: list[Problem] = []
        self.defaults = Defaults()
        self.tables: Mapping[str, Any] = {}

    def document(self, name: str) -> Document:
        tree = self.tree
        self._known(tree, TOP, "the mapping")
        entity = self._entity()
        self.defaults, self.tables = self._defaults(), self._table("tables")
        key, modified = self._key(), self._modified()
        if not isinstance(tree.get("stream"), str) or not tree["stream"]:
            self._add("no-stream", "the mapping has no stream", "Say `stream:` with its name.")
        rows = self._rows(tree.get("rows"), entity.fields if entity else None)
        if not rows and not self.problems:
            self._add("no-rows", "the mapping maps nothing", "Add `rows:`.")
        match = self._match(entity)
        document = Document(
            name=name,
            place=self.place,
            entity=str(tree.get("entity")),
            stream=str(tree.get("stream")),
            key=key,
            modified=modified,
            where=self._table("where"),
            match=match,
            defaults=self.defaults,
            policy=self._one_of(tree, "policy", POLICIES, ""),
            owner=self._text(tree, "owner"),
            rows=rows,
            kept=self._texts("kept"),
            refused=self._table("refused"),
            tables=self.tables,
            raw=_normal(tree),
        )
        if self.problems:
            raise DocumentError(self.problems)
        return document

    # -- the head

    def _entity(self) -> Entity | None:
        name = self.tree.get("entity")
        if isinstance(name, str) and name in self.entities:
            return self.entities[name]
        near = _nearest(str(name), self.entities)
        self._add("unknown-entity", "there is no entity {value!r}", value=name, **near)
        return None

    def _key(self) -> tuple[str, ...]:
        key = self._texts("key")
        if not key and not any(p.values.get("key") == "key" for p in self.problems):
            self._add(
                "no-key",
                "the mapping has no key",
                "Say `key:` with the column(s) that identify a row;"
                " without it nothing can be synced safely.",
            )
        self._parsed(key, self.tree)
        return key

    def _modified(self) -> str:
        modified = self._text(self.tree, "modified")
        self._parsed([modified] if modified else [], self.tree)
        return modified

    def _parsed(self, paths: Iterable[str], block: Block, name: str = "") -> bool:
        try:
            for path in paths:
                parse_path(path)
        except PathError as e:
            hint = "Paths are made of names, [0], [?k='v'] and [*]; other names are \"quoted\"."
            template, values = str(e.args[0]), dict(e.values)
            self._add("path", template, hint, block=block, row=name, **values)
            return False
        return True

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self.tree.get(key)
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        if all(isinstance(i, str) and i for i in items):
            return tuple(items)
        template = "{key!r} must be a name or a list of names, not {value!r}"
        self._add("type", template, key=key, value=value)
        return ()

    def _table(self, key: str) -> Mapping[str, Any]:
        value = self.tree.get(key)
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return dict(_plain(value))
        self._add("type", "{key!r} must be a mapping of names, not {value!r}", key=key, value=value)
        return {}

    def _text(self, block: Mapping[str, Any], key: str, row: str = "") -> str:
        value = block.get(key)
        if value is None or isinstance(value, str):
            return value or ""
        self._add(
            "type",
            "{key!r} must be a text, not {value!r}",
            block=block,
            row=row,
            key=key,
            value=value,
        )
        return ""

    def _match(self, entity: Entity | None) -> tuple[tuple[str, ...], ...]:
        rules = self.tree.get("match")
        if rules is None:
            return ()
        rules = rules if isinstance(rules, list) else [rules]
        found = []
        for rule in rules:
            names = rule if isinstance(rule, list) else [rule]
            if not names or not all(isinstance(n, str) and n for n in names):
                hint = "A rule is a field, or a list of fields: `match: [[tax_id], [name, phone]]`."
                self._add("type", "{key!r} cannot be {value!r}", hint, key="match", value=rule)
                continue
            found.append(tuple(names))
            for name in names if entity else ():
                self._declared(str(name), entity.fields if entity else (), self.tree, "match")
        return tuple(found)

    def _defaults(self) -> Defaults:
        given = self.tree.get("defaults") or Block()
        self._known(given, DEFAULTS, "defaults")
        if not isinstance(given, Mapping):
            return Defaults()
        values = {k: v for k in DEFAULTS if (v := self._text(given, k))}
        for key, value in values.items():
            if fault := _default_fault(key, value):
                self._add("default", fault, block=given, value=value)
        return Defaults(**values)

    # -- the rows

    def _rows(self, rows: Any, fields: Collection[Field] | None) -> tuple[RowSpec, ...]:
        if rows is None:
            return ()
        if not isinstance(rows, list):
            self._add("type", "'rows' must be a list of rows, not {value!r}", value=rows)
            return ()
        found: list[RowSpec] = []
        for row in rows:
            if not isinstance(row, Block):
                hint = "Write it as {{field: code, from: FNumber}}."
                self._add("type", "a row cannot be {value!r}", hint, value=row)
            elif spec := self._row(row, fields):
                self._check_once(spec, found, row)
                found.append(spec)
        return tuple(found)

    def _check_once(self, spec: RowSpec, others: Iterable[RowSpec], row: Block) -> None:
        """One row reads a field, one writes it; a field with a list of parts has one for each."""
        for other in others:
            same = spec.field and other.field == spec.field
            if same and other.direction != "out" and spec.direction != "out":
                hint = "Leave one; `direction: in` and `out` may stand side by side."
                template = "the field {value!r} is mapped twice, first in line {first}"
                self._add("twice", template, hint, block=row, row=spec.name, value=spec.field,
                          first=other.line)  # fmt: skip

    def _row(self, row: Block, fields: Collection[Field] | None) -> RowSpec | None:
        name = self._field_name(row)
        if name is None:
            return None
        label = name or "→ " + str(row.get("from"))
        lens = self._lens(row, label)
        source = self._source(row, label, lens)
        if lens is None or source is None:
            return None
        spec = self._spec(row, name, label, source, lens)
        declared = Field.text("")
        if name and fields is not None:
            found = self._declared(name, fields, row, label)
            if found is None:
                return None
            declared = found
        if nested := row.get("rows"):
            spec = self._nested(spec, nested, declared, row)
        before = len(self.problems)
        self._check_lens(spec, row)
        if fields is not None and len(self.problems) == before:
            self._build(spec, [declared] if "." not in name else fields, row)
        return spec

    def _field_name(self, row: Block) -> str | None:
        name = row.get("field")
        if isinstance(name, str) and name:
            return name
        if name is None and row.get("direction") == "out":
            return ""
        hint = "Say `field:`; a column that is only written says `direction: out`."
        self._add("no-field", "a row has no field", hint, block=row)
        return None

    def _lens(self, row: Block, label: str) -> str | None:
        keys = _lenses_of(row)
        for key in keys:
            if key not in LENSES:
                near = _nearest(str(key), [*LENSES, *ROW])
                self._add("unknown-lens", UNKNOWN_LENS, block=row, row=label, value=key, **near)
                return None
        if len(keys) > 1:
            template = "a row takes one lens, not {value}"
            self._add("two-lenses", template, block=row, row=label, value=", ".join(keys))
            return None
        return keys[0] if keys else ""

    def _source(self, row: Block, label: str, lens: str | None) -> str | tuple[str, ...] | None:
        source = row.get("from")
        if source is None or source == "":
            needs = lens is not None and LENSES[lens or "copy"].needs_source
            if needs or row.get("direction") == "out":
                hint = "Say `from:` with the column."
                self._add("no-source", "the row names no column", hint, block=row, row=label)
                return None
            return ""
        items = source if isinstance(source, list) else [source]
        if not items or not all(isinstance(i, str) and i for i in items):
            template = "{key!r} must be a name or a list of names, not {value!r}"
            self._add("type", template, block=row, row=label, key="from", value=source)
            return None
        if not self._parsed(items, row, label):
            return None
        return tuple(items) if isinstance(source, list) else str(source)

    def _spec(self, row: Block, name: str, label: str, source: Any, lens: str) -> RowSpec:
        options = _plain(row[lens]) if lens else None
        if lens == "table" and isinstance(options, str):
            if options not in self.tables:
                near = _nearest(options, self.tables)
                template = "there is no table {value!r}"
                self._add("unknown-table", template, block=row, row=label, value=options, **near)
            options = {"rows": self.tables.get(options, {})}
        return RowSpec(
            field=name,
            source=source,
            lens=lens,
            options=options,
            direction=self._one_of(row, "direction", DIRECTIONS, "both", label),
            blank=self._one_of(row, "blank", ("clear", "ignore"), "clear", label),
            owner=self._text(row, "owner", label),
            policy=self._one_of(row, "policy", POLICIES, "", label),
            compare=self._compare(row, label),
            required=self._one_of(row, "required", (True, False), False, label) is True,
            inverse=self._text(row, "inverse", label),
            law=self._one_of(row, "law", LAWS, "", label),
            line=row.line,
            place=row.place,
        )

    def _nested(self, spec: RowSpec, rows: Any, declared: Field, row: Block) -> RowSpec:
        if spec.lens != "list":
            hint = "Rows stand under `list: {{key: …}}`."
            self._add("rows", "only a list has rows of its own", hint, block=row, row=spec.name)
            return spec
        parts = declared.fields or None
        return RowSpec(**{**vars(spec), "rows": self._rows(rows, parts)})

    def _compare(self, row: Block, label: str) -> Any:
        value = _plain(row.get("compare", "exact"))
        name, digits = value, 0
        if isinstance(value, Mapping) and len(value) == 1:
            name, digits = next(iter(value.items()))
        whole = isinstance(digits, int) and not isinstance(digits, bool) and 0 <= digits <= 30
        if name in COMPARES and whole:
            return value
        hint = "One of: exact, casefold, trimmed, {{rounded: 2}}."
        template = "{key!r} cannot be {value!r}"
        self._add("choice", template, hint, block=row, row=label, key="compare", value=value)
        return "exact"

    def _declared(
        self, name: str, fields: Collection[Field], row: Block, label: str
    ) -> Field | None:
        try:
            return locate(name, fields)[1]
        except KeyError as e:
            missing = str(e.args[0])
            near = _nearest(missing, _known_fields(fields, missing))
            self._add("unknown-field", UNKNOWN_FIELD, block=row, row=label, value=name,
                      entity=self.tree.get("entity"), **near)  # fmt: skip
            return None

    def _check_lens(self, spec: RowSpec, row: Block) -> None:
        lens = LENSES[spec.lens or "copy"]
        if spec.lens:
            for fault in lens.faults(spec.lens, spec.options):
                self._add_fault(fault, row, spec.name)
        if spec.inverse and spec.lens != "formula":
            hint = "Only a formula needs it; other lenses have a way back or none."
            self._add(
                "inverse", "`inverse` stands beside `formula`", hint, block=row, row=spec.name
            )

    def _build(self, spec: RowSpec, fields: Collection[Field], row: Block) -> None:
        """Compile the row: says what only then is found, in formulas, tables and options."""
        try:
            cell = build_cell(spec, fields, self.defaults)
        except (ValueError, KeyError) as e:
            fault = e if isinstance(e, ValueError) else ValueError(UNKNOWN_LENS)
            self._add_fault(fault, row, spec.name)
            return
        both = spec.direction == "both" and bool(spec.source)
        if both and cell.lens.law == ONE_WAY and spec.lens != "const":
            self._add(
                "one-way", ONE_WAY_ROW, ONE_WAY_HINT, block=row, row=spec.name, lens=spec.lens
            )
        if spec.lens == "formula" and spec.direction == "both" and not spec.source:
            self._add(
                "one-way", ONE_WAY_ROW, ONE_WAY_HINT, block=row, row=spec.name, lens=spec.lens
            )

    def _add_fault(self, fault: ValueError, row: Block, label: str) -> None:
        p = problem_of(fault, "", None)
        values = {k: v for k, v in p.values.items() if k not in ("place", "line", "row")}
        self._add(p.code, p.message, p.hint, block=row, row=label, **{"value": p.value, **values})

    # -- small

    def _one_of(
        self, block: Mapping[str, Any], key: str, choices: tuple[Any, ...], default: Any,
        row: str = "",
    ) -> Any:  # fmt: skip
        value = block.get(key, default)
        if value in (*choices, default) and type(value) in map(type, (*choices, default)):
            return value
        hint = "One of: {known}."
        self._add("choice", "{key!r} cannot be {value!r}", hint, block=block, row=row, key=key,
                  value=value, known=", ".join(map(str, choices)))  # fmt: skip
        return default

    def _known(self, block: Any, names: Collection[str], where: str) -> None:
        if not isinstance(block, Mapping):
            template = "{where} must be a mapping of names, not {value!r}"
            self._add("type", template, where=where, value=block)
            return
        for key in block:
            if key not in names:
                near = _nearest(str(key), names)
                self._add("unknown-key", UNKNOWN_KEY, block=block, where=where, value=key, **near)

    def _add(
        self, code: str, message: str, hint: str = "", *, block: Any = None, row: str = "",
        **values: Any,
    ) -> None:  # fmt: skip
        at = block if isinstance(block, Block) else self.tree
        value = shown(_plain(values.pop("value", None)))
        place = f"{at.place or self.place} [{row}]" if row else at.place or self.place
        kept = {k: shown(v) for k, v in values.items()}
        self.problems.append(
            Problem(
                code,
                "{place}, line {line}: " + message,
                row,
                value,
                hint,
                {"place": place, "line": at.line or 1, **kept},
            )
        )


def _default_fault(key: str, value: str) -> str:
    """What is wrong with a value under `defaults:`, "" if nothing is."""
    try:
        if key == "zone":
            from zoneinfo import ZoneInfo

            ZoneInfo(value)
        elif key == "currency":
            currency_code(value)
        elif len(value) != 2 or not value.isupper():
            return "not a country code of two letters: {value!r}"
    except ValueError as e:
        return str(e.args[0]) if key == "currency" else ZONE_FAULT
    except (KeyError, OSError):
        return ZONE_FAULT
    return ""


def _known_fields(fields: Iterable[Field], path: str) -> list[str]:
    """The fields that a misspelt path may have meant, with the path before the wrong part."""
    head, _, _ = path.rpartition(".")
    here: Iterable[Field] = fields
    for part in head.split(".") if head else ():
        here = next((f.fields for f in here if f.name == part), ())
    return [f"{head}.{f.name}" if head else f.name for f in here]


def _nearest(name: str, names: Iterable[str]) -> dict[str, str]:
    """The hint for a name that does not exist, and its values."""
    known = sorted({str(n) for n in names})
    close = difflib.get_close_matches(name[:80], known[:2000], 1, 0.6)
    if close:
        return {"near": close[0], "hint": NEAR_HINT}
    return {"known": ", ".join(known[:40]) or "—", "hint": KNOWN_HINT}


# ------------------------------------------------------------------------------------ normal form


def _normal(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its keys in order and without what is the default anyway."""
    found = {k: _plain(tree[k]) for k in TOP if tree.get(k) not in (None, "", [], {})}
    if isinstance(found.get("key"), list) and len(found["key"]) == 1:
        found["key"] = found["key"][0]
    if isinstance(found.get("match"), list):
        found["match"] = [r if isinstance(r, list) else [r] for r in found["match"]]
    if isinstance(tree.get("rows"), list):
        found["rows"] = [_normal_row(r) for r in tree["rows"] if isinstance(r, Mapping)]
    return found


_USUAL = {"direction": "both", "blank": "clear", "compare": "exact", "required": False}


def _normal_row(row: Mapping[str, Any]) -> dict[str, Any]:
    lenses = [k for k in row if k not in ROW and k != "drop"]
    order = ("field", "from", *lenses, *OPTIONS)
    found = {
        k: _plain(row[k])
        for k in order
        if k in row and (k in lenses or (row[k] is not None and _USUAL.get(k, "") != row[k]))
    }
    if isinstance(row.get("rows"), list):
        found["rows"] = [_normal_row(r) for r in row["rows"] if isinstance(r, Mapping)]
    return found


def _plain(value: Any) -> Any:
    """Without line numbers."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def walk_rows(rows: Iterable[RowSpec], above: str = "") -> Iterator[tuple[str, RowSpec]]:
    """All rows with their full names: "lines.qty"."""
    for row in rows:
        name = above + row.name
        yield name, row
        yield from walk_rows(row.rows, f"{name}.")
