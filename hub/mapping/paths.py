"""Paths into remote rows: `a.b`, `a[0]`, `a[?k='v']`, `a[*].b`.  What can be read can be written.

A name with a dot or bracket in it is quoted: `"No."`.  `put` never changes the row it is given: it
copies what lies on the way and leaves the rest shared.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal

MAX_INDEX = 999
MAX_STEPS = 32


class Missing(Enum):
    """The row says nothing: neither a value, nor null, nor "" ."""

    MISSING = "missing"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING

BAD_PATH = "path {path!r}: cannot be read from {rest!r} on"
BAD_INDEX = "path {path!r}: the index {index} is above {most}"
NOT_THERE = "the path {path!r} leads through a value without parts: {value!r}"
NOT_ITEMS = "the path {path!r} takes a list of items, and gets {value!r}"


class PathError(ValueError):
    """A path that cannot be parsed, or that a row has no room for.  A template and its values."""

    def __init__(self, template: str, **values: Any) -> None:
        super().__init__(template)
        self.values = values

    def __str__(self) -> str:
        return str(self.args[0]).format(**self.values)


@dataclass(frozen=True, slots=True)
class Index:
    number: int


@dataclass(frozen=True, slots=True)
class Where:
    """The first item whose `key` is `value` (compared as text)."""

    key: str
    value: str

    def holds(self, item: Any) -> bool:
        return isinstance(item, Mapping) and str(item.get(self.key)) == self.value


@dataclass(frozen=True, slots=True)
class Each:
    """All items."""


Step = str | Index | Where | Each
EACH = Each()

_name = re.compile(r'"((?:[^"]|"")+)"|([^.\[\]"]+)').match
_index = re.compile(r"\[([0-9]{1,9})\]").match
_where = re.compile(r"\[\?([^=\[\]']+)='((?:[^']|'')*)'\]").match


@dataclass(frozen=True, slots=True)
class Path:
    text: str
    steps: tuple[Step, ...]

    @property
    def column(self) -> str:
        """The top-level column the path begins in."""
        first = self.steps[0]
        return first if isinstance(first, str) else ""

    @property
    def simple(self) -> bool:
        """The path is one column."""
        return len(self.steps) == 1

    @property
    def has_each(self) -> bool:
        return EACH in self.steps

    def get(self, row: Any) -> Any:
        """The value; MISSING when the row does not speak of it; a list of values for `[*]`.

        Where the row says null or "" on the way, or a list lacks the item, the value is null.
        """
        return _get(row, self.steps, self.text)

    def put(self, row: Any, value: Any) -> Any:
        """A row with the value in it; the old row is left as it was."""
        return _put(row, self.steps, value, self.text)

    def put_into(self, row: dict[str, Any], value: Any) -> None:
        """Put the value into the caller's own row; what lies deeper is copied, not changed."""
        first = self.steps[0]
        if not isinstance(first, str):
            raise PathError(NOT_THERE, path=self.text, value=row)
        if len(self.steps) == 1:
            row[first] = value
        else:
            row[first] = _put(row.get(first), self.steps[1:], value, self.text)


def _get(value: Any, steps: tuple[Step, ...], path: str) -> Any:
    for n, step in enumerate(steps):
        if _is_nothing(value):
            return None
        if isinstance(step, str):
            if not isinstance(value, Mapping):
                raise PathError(NOT_THERE, path=path, value=value)
            value = value.get(step, MISSING)
            if value is MISSING:
                return MISSING
            continue
        if not isinstance(value, list | tuple):
            raise PathError(NOT_THERE, path=path, value=value)
        if isinstance(step, Each):
            return _get_each(value, steps[n + 1 :], path)
        value = _item(value, step)
    return value


def _is_nothing(value: Any) -> bool:
    """Null in its spellings: some systems send "" or false for an object that is not there."""
    return value is None or value is False or value == ""


def _get_each(items: Any, rest: tuple[Step, ...], path: str) -> list[Any]:
    found: list[Any] = []
    for item in items:
        value = _get(item, rest, path)
        if EACH in rest:
            found.extend(value or ())
        elif value is not MISSING:
            found.append(value)
    return found


def _item(items: Any, step: Index | Where) -> Any:
    if isinstance(step, Index):
        return items[step.number] if step.number < len(items) else None
    return next((item for item in items if step.holds(item)), None)


def _put(old: Any, steps: tuple[Step, ...], value: Any, path: str) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        record = dict(old) if isinstance(old, Mapping) else {}
        record[step] = _put(record.get(step), rest, value, path)
        return record
    items = list(old) if isinstance(old, list | tuple) else []
    if isinstance(step, Each):
        return _put_each(items, rest, value, path)
    at = _place(items, step)
    items[at] = _put(items[at], rest, value, path)
    return items


def _place(items: list[Any], step: Index | Where) -> int:
    """Where the item is; makes it if it is not there."""
    if isinstance(step, Index):
        items.extend(None for _ in range(step.number + 1 - len(items)))
        return step.number
    for n, item in enumerate(items):
        if step.holds(item):
            return n
    items.append({step.key: step.value})
    return len(items) - 1


def _put_each(items: list[Any], rest: tuple[Step, ...], values: Any, path: str) -> list[Any]:
    """An item for each value: the old item that has it, else a new one."""
    if values is None:
        return []
    if not isinstance(values, list | tuple) or EACH in rest:
        raise PathError(NOT_ITEMS, path=path, value=values)
    out, left = [], list(items)
    for value in values:
        known = next((n for n, i in enumerate(left) if _same(_get(i, rest, path), value)), None)
        out.append(_put(None, rest, value, path) if known is None else left.pop(known))
    return out


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


@lru_cache(4096)
def parse_path(text: str) -> Path:
    """PathError names the place from which on the text is no path."""
    steps: list[Step] = []
    at = 0
    while at < len(text) or not steps:
        found = _step(text, at, first=not steps)
        if found is None or len(steps) == MAX_STEPS:
            raise PathError(BAD_PATH, path=text, rest=text[at : at + 40])
        step, at = found
        steps.append(step)
    return Path(text, tuple(steps))


def _step(text: str, at: int, *, first: bool) -> tuple[Step, int] | None:
    if text[at : at + 3] == "[*]":
        return EACH, at + 3
    if found := _index(text, at):
        number = int(found[1])
        if number > MAX_INDEX:
            raise PathError(BAD_INDEX, path=text, index=number, most=MAX_INDEX)
        return Index(number), found.end()
    if found := _where(text, at):
        return Where(found[1].strip(), found[2].replace("''", "'")), found.end()
    if not first:
        if text[at : at + 1] != ".":
            return None
        at += 1
    found = _name(text, at)
    if not found or not (name := found[1].replace('""', '"') if found[1] else found[2].strip()):
        return None
    return name, found.end()


def column_path(name: str) -> str:
    """The path text of a top-level column, quoted where its name needs it."""
    quoted = name.replace('"', '""')
    return f'"{quoted}"' if re.search(r'[.\[\]"]', name) or name != name.strip() else name
