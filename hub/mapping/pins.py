"""Pinned records: a row with what becomes of it both ways, as a test of the mapping.

They stand beside the mapping in `<mapping>.pins.yaml`, with the types that YAML lacks tagged:
`{$decimal: "12.50"}`, `{$date: 2025-03-01}`, `{$datetime: …}`, `{$bytes: …}`.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hub.errors import ConfigError, Problem
from hub.mapping.compiler import FieldMapping
from hub.mapping.problems import shown
from hub.mapping.yamltext import YamlError, read_yaml, write_yaml

BROKEN = "pinned record {id}: {field!r} becomes {found!r}, and was {value!r}"
BROKEN_BACK = "pinned record {id}: the column {field!r} is written as {found!r}, and was {value!r}"
BROKEN_HINT = "Correct the mapping; or pin the record again if this is what you want."
NO_PINS = "{place}, line {line}: these are no pinned records"


@dataclass(frozen=True, slots=True)
class Pin:
    """`values`: what the row is read as.  `created`: the columns that a create of it writes.
    `back`: what writing it back unedited changes; usually nothing.  `problems`: codes by field."""

    row: Mapping[str, Any]
    values: Mapping[str, Any]
    created: Mapping[str, Any] = field(default_factory=dict)
    back: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def pins_path(mapping_path: Path) -> Path:
    return mapping_path.with_name(f"{mapping_path.name.removesuffix('.yaml')}.pins.yaml")


def make_pin(mapping: FieldMapping, row: Mapping[str, Any]) -> Pin:
    """The row, and what this version of the mapping makes of it."""
    candidate = mapping.get(row)
    problems = {p.field: p.code for p in candidate.problems}
    created, back = {}, {}
    try:
        created = mapping.put(candidate.values)
        back = mapping.put(candidate.values, row)
    except ValueError as e:
        problems["→"] = getattr(e, "code", "invalid")
    return Pin(dict(row), candidate.values, created, back, problems)


def run_pins(mapping: FieldMapping, pins: Iterable[Pin]) -> list[Problem]:
    """What the mapping now does otherwise than when the records were pinned."""
    return [problem for pin in pins for problem in _run(mapping, pin)]


def _run(mapping: FieldMapping, pin: Pin) -> Iterator[Problem]:
    now = make_pin(mapping, pin.row)
    try:
        id_ = mapping.external_id(pin.row)
    except ValueError:
        id_ = "?"
    for template, before, after in (
        (BROKEN, pin.values, now.values),
        (BROKEN, pin.problems, now.problems),
        (BROKEN_BACK, pin.created, now.created),
        (BROKEN_BACK, pin.back, now.back),
    ):
        for name in dict.fromkeys((*before, *after)):
            if _tagged(before.get(name)) != _tagged(after.get(name)):
                values = {"id": id_, "field": name, "found": shown(after.get(name))}
                expected = shown(before.get(name))
                yield Problem("pin", template, name, expected, BROKEN_HINT, values)


def write_pins(pins: Iterable[Pin]) -> str:
    """As YAML, the same bytes for the same pins."""
    parts = ("row", "values", "created", "back", "problems")
    kept = [{p: v for p in parts if (v := _tagged(getattr(pin, p)))} for pin in pins]
    return write_yaml({"pins": kept})


def read_pins(source: Path | str) -> list[Pin]:
    """The pins in a file, none if it does not exist, or in a YAML text."""
    place = str(source) if isinstance(source, Path) else "pins"
    if isinstance(source, Path) and not source.is_file():
        return []
    line = 1
    try:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        tree = read_yaml(text, place)
        return [Pin(**{k: _untagged(v) for k, v in pin.items()}) for pin in tree["pins"]]
    except (YamlError, KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as e:
        line = e.line if isinstance(e, YamlError) else line
        raise ConfigError(NO_PINS, place=place, line=line) from e


def _tagged(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return {"$decimal": str(value)}
        case float():
            return {"$float": repr(value)}
        case datetime():
            return {"$datetime": value.isoformat()}
        case date():
            return {"$date": value.isoformat()}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case Mapping():
            return {str(k): _tagged(v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_tagged(v) for v in value]
    return str(value)


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(v) for v in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        ((tag, inner),) = value.items()
        if tag in _TAGS:
            return _TAGS[tag](inner)
    return {k: _untagged(v) for k, v in value.items()}


_TAGS: Mapping[Any, Any] = {
    "$decimal": Decimal,
    "$float": float,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$bytes": base64.b64decode,
}
