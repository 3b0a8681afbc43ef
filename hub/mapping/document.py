"""The mapping document: YAML checked against its schema, layers overlaid, brought into normal form.

Everything wrong is said at once, each with file, line, value and remedy (`DocumentError`).
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml
from xxhash import xxh3_64_hexdigest

from hub.entity import Entity, Field
from hub.errors import Problem
from hub.mapping.kinds import Defaults
from hub.mapping.problems import DocumentError

MAX_BYTES = 1_000_000
TOP = (
    *("entity", "stream", "key", "modified", "where", "match", "defaults", "policy", "owner"),
    *("extends", "rows", "note", "kept", "refused"),
)
ROW = (
    *("field", "from", "direction", "blank", "owner", "policy", "compare", "required", "note"),
    "rows",
)
DIRECTIONS = ("both", "in", "out")
POLICIES = ("latest", "hub", "remote", "fill", "review", "owner")
COMPARES = ("exact", "casefold", "trimmed", "rounded")
DEFAULTS = ("zone", "region", "currency")


@dataclass(frozen=True)
class RowSpec:
    """One row as written.  `lens` "" is the plain copy; `line` is where it stands, for messages."""

    field: str
    source: str | tuple[str, ...]
    lens: str = ""
    options: Any = None
    direction: str = "both"
    blank: str = "clear"
    owner: str = ""
    policy: str = ""
    compare: Any = "exact"
    required: bool = False
    rows: tuple["RowSpec", ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Document:
    """A checked mapping document.  `raw` is its normal form: what `version` is the hash of."""

    name: str
    place: str
    entity: str
    stream: str
    key: tuple[str, ...]
    modified: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    match: tuple[tuple[str, ...], ...] = ()
    defaults: Defaults = Defaults()  # noqa: RUF009 - frozen
    policy: str = ""
    owner: str = ""
    rows: tuple[RowSpec, ...] = ()
    kept: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def version(self) -> str:
        text = orjson.dumps(self.raw, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
        return xxh3_64_hexdigest(text)


def load(
    source: Path | str,
    *,
    entities: Mapping[str, Entity],
    find: Callable[[str], Path] | None = None,
    name: str = "",
) -> Document:
    """The document in a file, or in a YAML text.  `find` gives the file of a mapping to extend."""
    tree, place = _read(source, name)
    if "extends" in tree and find is not None:
        base, _ = _read(find(str(tree["extends"])), str(tree["extends"]))
        tree = _overlay(base, tree)
    return _Checker(tree, place, entities).document(name or place)


def export(document: Document) -> str:
    """The document as YAML, byte for byte the same for the same content."""
    return yaml.safe_dump(dict(document.raw), allow_unicode=True, sort_keys=False, width=100)


# ------------------------------------------------------------------------------------------ YAML


class _Lines(yaml.SafeLoader):
    """Refuses duplicate keys and aliases, and remembers the line of every mapping."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a single value", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        made = super().construct_mapping(node, deep=True)
        made["__line__"] = node.start_mark.line + 1
        return made

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)


# As in YAML 1.2: only true and false are booleans, so that a column may be called `no` or `on`.
_Lines.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Lines.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def _read(source: Path | str, name: str) -> tuple[dict[str, Any], str]:
    if isinstance(source, Path):
        place = str(source)
        raw = source.read_bytes()
        text = _decoded(raw, place)
    else:
        text, place = source, name or "mapping"
    if len(text) > MAX_BYTES:
        raise _wrong("too-long", "{place} is longer than a mapping may be", place=place)
    try:
        tree = yaml.load(text, Loader=_Lines)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as e:
        raise _broken(e, place) from e
    except RecursionError as e:
        raise _wrong("yaml", "{place} is nested too deeply", place=place) from e
    if not isinstance(tree, dict):
        raise _wrong(
            "yaml",
            "{place} is not a mapping document",
            "It begins with `entity: customer`.",
            place=place,
        )
    return tree, place


def _decoded(raw: bytes, place: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise _wrong(
            "encoding",
            "{place} is not UTF-8 text: byte {byte} at position {at}",
            "Save the file as UTF-8.",
            place=place,
            byte=f"0x{raw[e.start]:02x}",
            at=e.start,
        ) from e


def _broken(e: yaml.YAMLError, place: str) -> DocumentError:
    mark = getattr(e, "problem_mark", None)
    return _wrong(
        "yaml",
        "{place}, line {line}: broken YAML: {why}",
        "Check indentation, colons and quotes on that line.",
        place=place,
        line=mark.line + 1 if mark else "?",
        why=getattr(e, "problem", None) or str(e),
    )


def _wrong(code: str, message: str, hint: str = "", **values: Any) -> DocumentError:
    return DocumentError([Problem(code, message, hint=hint, values=values)])


def _overlay(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """The template with the layer's keys over it, rows by field."""
    rows = {r.get("field"): r for r in base.get("rows", ()) if isinstance(r, dict)}
    for row in top.get("rows", ()):
        if isinstance(row, dict):
            known = rows.get(row.get("field"), {})
            if row.get("drop"):
                rows.pop(row.get("field"), None)
            else:
                rows[row.get("field")] = {**known, **row} if not _lens_of(row) else row
    merged = {**base, **{k: v for k, v in top.items() if k != "extends"}}
    return {**merged, "rows": list(rows.values())}


def _lens_of(row: Mapping[str, Any]) -> list[str]:
    return [k for k in row if k not in ROW and k not in ("__line__", "drop")]


# ----------------------------------------------------------------------------------------- schema


class _Checker:
    """Turns the tree into a `Document`, collecting every problem on the way."""

    def __init__(self, tree: dict[str, Any], place: str, entities: Mapping[str, Entity]) -> None:
        self.tree, self.place, self.entities = tree, place, entities
        self.problems: list[Problem] = []

    def document(self, name: str) -> Document:
        tree = self.tree
        self._known(tree, TOP, "the mapping")
        entity = self._entity()
        key = self._texts("key")
        if not key:
            self._add("no-key", "the mapping has no key", "Say `key:` with the column(s) that"
                      " identify a row; without it nothing can be synced safely.")  # fmt: skip
        if not isinstance(tree.get("stream"), str):
            self._add("no-stream", "the mapping has no stream", "Say `stream:` with its name.")
        rows = self._rows(tree.get("rows"), entity.fields if entity else None)
        if not rows and not self.problems:
            self._add("no-rows", "the mapping maps nothing", "Add `rows:`.")
        document = Document(
            name=name,
            place=self.place,
            entity=str(tree.get("entity")),
            stream=str(tree.get("stream")),
            key=key,
            modified=str(tree.get("modified") or ""),
            where=_clean(tree.get("where") or {}),
            match=self._match(entity),
            defaults=self._defaults(),
            policy=self._one_of(tree, "policy", POLICIES, ""),
            owner=str(tree.get("owner") or ""),
            rows=rows,
            kept=self._texts("kept"),
            refused=_clean(tree.get("refused") or {}),
            raw=_clean(tree),
        )
        if self.problems:
            raise DocumentError(self.problems)
        return document

    def _entity(self) -> Entity | None:
        name = str(self.tree.get("entity"))
        if name in self.entities:
            return self.entities[name]
        self._add(
            "unknown-entity",
            "there is no entity {value!r}",
            _nearest(str(name), self.entities),
            value=name,
        )
        return None

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self.tree.get(key)
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        if all(isinstance(i, str) for i in items):
            return tuple(items)
        self._add("type", "{key!r} must be a name or a list of names, not {value!r}", key=key,
                  value=_clean(value))  # fmt: skip
        return ()

    def _match(self, entity: Entity | None) -> tuple[tuple[str, ...], ...]:
        rules = self.tree.get("match") or []
        if not isinstance(rules, list):
            self._add("type", "'match' must be a list of rules, not {value!r}", value=rules)
            return ()
        out = tuple(tuple(r) if isinstance(r, list) else (str(r),) for r in rules)
        for name in [n for rule in out for n in rule]:
            if entity and name not in entity.field and not name.startswith("ext."):
                self._unknown_field(name, entity.fields, self.tree.get("__line__", 0))
        return out

    def _defaults(self) -> Defaults:
        given = self.tree.get("defaults") or {}
        self._known(given, DEFAULTS, "defaults")
        return Defaults(**{k: str(v) for k, v in given.items() if k in DEFAULTS})

    def _rows(self, rows: Any, fields: Iterable[Field] | None) -> tuple[RowSpec, ...]:
        if rows is None:
            return ()
        if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
            self._add("type", "'rows' must be a list of rows")
            return ()
        out = []
        seen: dict[str, int] = {}
        for row in rows:
            spec = self._row(row, fields)
            if spec is None:
                continue
            if spec.field in seen and spec.direction == "both":
                self._add("twice", "field {value!r} is mapped twice", line=spec.line,
                          value=spec.field)  # fmt: skip
            seen[spec.field] = spec.line
            out.append(spec)
        return tuple(out)

    def _row(self, row: dict[str, Any], fields: Iterable[Field] | None) -> RowSpec | None:
        from hub.mapping.lenses import LENSES  # lenses need the specs of nested rows

        line, name = row.get("__line__", 0), row.get("field")
        if not isinstance(name, str):
            self._add("no-field", "a row has no field", "Say `field:`.", line=line)
            return None
        lens = _lens_of(row)
        for key in [k for k in lens if k not in LENSES]:
            self._add(
                "unknown-lens",
                "field {field!r}: there is no lens or option {value!r}",
                _nearest(str(key), [*LENSES, *ROW]),
                line=line,
                field=name,
                value=key,
            )
            return None
        if len(lens) > 1:
            self._add("two-lenses", "field {field!r}: a row takes one lens, not {value}", line=line,
                      field=name, value=", ".join(lens))  # fmt: skip
        declared = self._declared(name, fields, line)
        source = row.get("from", ())
        needs = not lens or LENSES[lens[0]].needs_source
        if needs and not source:
            self._add("no-source", "field {field!r} does not say where it comes from",
                      "Say `from:` with the column.", line=line, field=name)  # fmt: skip
            return None
        return RowSpec(
            field=name,
            source=tuple(source) if isinstance(source, list) else str(source or ""),
            lens=lens[0] if lens else "",
            options=_clean(row[lens[0]]) if lens else None,
            direction=self._one_of(row, "direction", DIRECTIONS, "both"),
            blank=self._one_of(row, "blank", ("clear", "ignore"), "clear"),
            owner=str(row.get("owner") or ""),
            policy=self._one_of(row, "policy", POLICIES, ""),
            compare=self._compare(row),
            required=row.get("required") is True,
            rows=self._rows(row.get("rows"), declared.fields if declared else None),
            line=line,
        )

    def _compare(self, row: dict[str, Any]) -> Any:
        value = _clean(row.get("compare", "exact"))
        name = next(iter(value)) if isinstance(value, dict) and value else value
        if name not in COMPARES:
            self._add("compare", "{value!r} is no way to compare", _nearest(str(name), COMPARES),
                      line=row.get("__line__", 0), value=value)  # fmt: skip
        return value

    def _declared(self, name: str, fields: Iterable[Field] | None, line: int) -> Field | None:
        if fields is None or name.startswith("ext."):
            return None
        here: Iterable[Field] = fields
        found: Field | None = None
        for part in name.split("."):
            found = next((f for f in here if f.name == part), None)
            if found is None:
                self._unknown_field(name, fields, line)
                return None
            here = found.fields
        return found

    def _unknown_field(self, name: str, fields: Iterable[Field], line: int) -> None:
        self._add(
            "unknown-field",
            "there is no field {value!r} in {entity}",
            _nearest(name, [f.name for f in fields]),
            line=line,
            value=name,
            entity=self.tree.get("entity"),
        )

    def _one_of(self, tree: dict[str, Any], key: str, choices: Iterable[str], default: str) -> str:
        value = tree.get(key, default)
        if value in (*choices, default):
            return str(value)
        self._add("choice", "{key!r} cannot be {value!r}", "One of: " + ", ".join(choices) + ".",
                  line=tree.get("__line__", 0), key=key, value=value)  # fmt: skip
        return default

    def _known(self, tree: Any, names: Iterable[str], where: str) -> None:
        if not isinstance(tree, dict):
            self._add("type", "{where} must be a mapping of names", where=where)
            return
        for key in tree:
            if key not in (*names, "__line__"):
                self._add("unknown-key", "{where} has no setting {value!r}",
                          _nearest(str(key), names), line=tree.get("__line__", 0), where=where,
                          value=key)  # fmt: skip

    def _add(
        self, code: str, message: str, hint: str = "", *, line: int = 0, **values: Any
    ) -> None:
        value = values.pop("value", None)
        at = line or self.tree.get("__line__", 1)
        self.problems.append(
            Problem(
                code,
                "{place}, line {line}: " + message,
                str(values.get("field", "")),
                value,
                hint,
                {"place": self.place, "line": at, **values},
            )
        )


def _nearest(name: str, names: Iterable[str]) -> str:
    known = sorted(names)
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"Did you mean {close[0]!r}?" if close else "Known: " + ", ".join(known[:40]) + "."


def _clean(value: Any) -> Any:
    """Without the line numbers."""
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if k != "__line__"}
    if isinstance(value, list):
        return [_clean(v) for v in value]
    return value
