"""What an administrator does with a mapping: try it on real rows, pin those, compare, suggest."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hub.connector import BadRow, Column, Stream
from hub.entity import Entity, Field
from hub.errors import ConfigError, HubError, NotFoundError
from hub.sync.rows import decode, encode

if TYPE_CHECKING:
    from hub.context import Hub
    from hub.mapping import Document
    from hub.mapping import Mapping as FieldMapping

# Which kinds of columns may hold a kind of field; another pair is not suggested.
FITS = {
    "text": {"text"},
    "choice": {"text", "boolean", "integer"},
    "ref": {"text", "integer"},
    "integer": {"integer", "decimal", "text"},
    "decimal": {"decimal", "integer", "text"},
    "boolean": {"boolean", "integer", "text"},
    "date": {"date", "datetime", "text"},
    "datetime": {"datetime", "date", "text"},
    "list": {"rows", "json"},
    "object": {"json"},
    "set": {"text", "json"},
}
ENOUGH = 0.62


# ------------------------------------------------------------------------------------------ try


def connection_of(hub: "Hub", mapping: str) -> tuple[str, str]:
    """The connection and stream of the first flow that uses the mapping."""
    for flow in hub.settings.flows.values():
        if flow.mapping == mapping:
            return flow.connection, flow.stream
    raise ConfigError(
        "no flow uses the mapping {mapping!r}, so there is no system to read rows from",
        mapping=mapping,
        hint="Name one: --connection NAME",
    )


def sample(hub: "Hub", name: str, connection: str | None, count: int) -> list[dict[str, Any]]:
    """Up to *count* rows of the system, through the mapping and back.  Nothing is written."""
    mapping = hub.mapping(name)
    used, stream = (connection, "") if connection else connection_of(hub, name)
    wanted = Stream(stream or mapping.stream, key=mapping.key, where=mapping.where)
    with hub.opened(used) as connector:
        pages = connector.read(wanted, None)
        rows = islice((row for page in pages for row in page.rows), count)
        return [tried(mapping, row) for row in rows if not isinstance(row, BadRow)]


def tried(mapping: "FieldMapping", row: Mapping[str, Any]) -> dict[str, Any]:
    """One row: what the hub makes of it, and what writing that back would change."""
    candidate = mapping.get(row)
    problems = list(candidate.problems)
    try:
        back = mapping.put(candidate.values, row, fields=set(candidate.values))
    except (HubError, ValueError) as e:
        back, problems = {}, [*problems, *_problems_of(e)]
    return {
        "row": json.loads(encode(row)),
        "values": candidate.values,
        "back": json.loads(encode(back)),
        "problems": [p.to_json() for p in problems],
        "columns": mapping.covers(row),
    }


def _problems_of(error: Exception) -> list[Any]:
    from hub.errors import Problem

    template = getattr(error, "template", str(error))
    values = {k: str(v) for k, v in getattr(error, "values", {}).items()}
    return [Problem(getattr(error, "code", "put"), template, values=values)]


# ----------------------------------------------------------------------------------------- pins


def pins_path(home: Path, name: str) -> Path:
    return home / "mappings" / f"{name}.pins.yaml"


def pin(hub: "Hub", name: str, connection: str | None, external_id: str) -> Path:
    """Keep the row and what becomes of it; `check` compares with it from now on."""
    mapping = hub.mapping(name)
    used, stream = (connection, "") if connection else connection_of(hub, name)
    with hub.opened(used) as connector:
        wanted = Stream(stream or mapping.stream, key=mapping.key, where=mapping.where)
        row = next(iter(connector.fetch(wanted, [external_id])), None)
    if row is None:
        raise NotFoundError(
            "connection {connection!r} has no row {id!r} in {stream!r}",
            connection=used,
            id=external_id,
            stream=wanted.name,
            hint="Give the id as the system has it; hub mappings try {name} shows some.",
            name=name,
        )
    found = tried(mapping, row)
    kept = {part: found[part] for part in ("row", "values", "back")}
    path = pins_path(hub.settings.home, name)
    pins = [p for p in read_pins(path) if p["row"] != kept["row"]] + [kept]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pins, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def read_pins(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        pins = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        return [{part: dict(p[part]) for part in ("row", "values", "back")} for p in pins]
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, ValueError) as e:
        reason = " ".join(str(e).split())
        raise ConfigError("{path}: these are no pins: {reason}", path=path, reason=reason) from e


def broken_pins(home: Path, name: str, mapping: "FieldMapping") -> Iterator[dict[str, Any]]:
    """The pins whose row becomes something else under this version of the mapping."""
    for expected in read_pins(pins_path(home, name)):
        found = tried(mapping, decode(json.dumps(expected["row"])))
        for part in ("values", "back"):
            for field in sorted({*expected[part], *found[part]}):
                before, now = expected[part].get(field), found[part].get(field)
                if before != now:
                    id_ = mapping.external_id(decode(json.dumps(expected["row"])))
                    yield {"id": id_, "field": field, "expected": before, "found": now}


# ----------------------------------------------------------------------------------------- diff


def differences(before: "Document", after: "Document") -> list[dict[str, Any]]:
    """What changes from one document to the other, field by field."""
    found = []
    for part in ("entity", "stream", "key", "modified", "where", "match", "policy", "owner"):
        old, new = getattr(before, part), getattr(after, part)
        if old != new:
            found.append({"field": "", "what": part, "before": old, "after": new})
    rows_before, rows_after = _rows(before), _rows(after)
    for field in dict.fromkeys([*rows_before, *rows_after]):
        old_row, new_row = rows_before.get(field, {}), rows_after.get(field, {})
        for what in dict.fromkeys([*old_row, *new_row]):
            if old_row.get(what) != new_row.get(what):
                values = {"before": old_row.get(what), "after": new_row.get(what)}
                found.append({"field": field, "what": what, **values})
    return found


def _rows(document: "Document") -> dict[str, dict[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = document.raw.get("rows", [])
    return {str(r["field"]): {k: v for k, v in r.items() if k != "field"} for r in rows}


# -------------------------------------------------------------------------------------- suggest


def suggestions(entity: Entity, stream: Stream) -> list[dict[str, Any]]:
    """Pairs of column and field that look alike, best first; every one is used once."""
    pairs = sorted(
        (
            (score, column, field.name)
            for column, declared in stream.columns.items()
            for field in entity.fields
            if not field.derived and (score := _alike(column, declared, field)) >= ENOUGH
        ),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    columns: set[str] = set()
    fields: set[str] = set()
    found = []
    for score, column, name in pairs:
        if column not in columns and name not in fields:
            columns.add(column)
            fields.add(name)
            found.append({"field": name, "from": column, "score": round(score, 2)})
    return found


def _alike(name: str, column: Column, field: Field) -> float:
    """From 0 to 1: how alike the names are, in either language; 0 where the kinds do not fit."""
    if column.kind not in FITS.get(field.kind, {column.kind}):
        return 0.0
    ours = {_plain(field.name), _plain(field.en), _plain(field.zh)} - {""}
    theirs = {_plain(name), _plain(column.label)} - {""}
    return max(
        (difflib.SequenceMatcher(None, a, b).ratio() for a in ours for b in theirs), default=0.0
    )


def _plain(name: str) -> str:
    """`CustomerName`, `customer_name` and `Customer name` are the same name."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.sub(r"[\W_]+", " ", spaced).lower().split())


def skeleton(entity: Entity, stream: Stream, pairs: Sequence[Mapping[str, Any]]) -> str:
    """A mapping document to begin with; nothing uses it before somebody saves it."""
    head: dict[str, Any] = {"entity": entity.name, "stream": stream.name, "key": list(stream.key)}
    if stream.cursor_column:
        head["modified"] = stream.cursor_column
    lines = [yaml.safe_dump(head, allow_unicode=True, sort_keys=False).rstrip(), "rows:"]
    for pair in pairs:
        row = yaml.safe_dump(
            {"field": pair["field"], "from": pair["from"]},
            default_flow_style=True,
            allow_unicode=True,
            sort_keys=False,
            width=1000,
        )
        lines.append(f"- {row.strip()}    # {pair['score']:.0%}")
    return "\n".join(lines) + "\n"
