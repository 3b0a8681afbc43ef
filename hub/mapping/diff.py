"""How two versions of a mapping differ, in terms of fields: «phone: owner crm → erp»."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.mapping.spec import Document

REBASE = ("entity", "stream", "key", "modified", "match")
"""What a flow on live data cannot change without being re-based."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` changed of `field` ("" for the document itself); None where there was or is nothing.

    `what` is "row" when the whole row was added or removed.
    """

    field: str
    what: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        name = self.field or "mapping"
        if self.what == "row":
            return f"{name}: {'+' if self.before is None else '−'}"
        return f"{name}: {self.what} {_said(self.before)} → {_said(self.after)}"


def _said(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_said(v)}" for k, v in value.items()) + "}"
    return ", ".join(map(_said, value)) if isinstance(value, list | tuple) else str(value)


def diff(before: Document, after: Document) -> list[Difference]:
    """What changes from one document to the other; notes and order count for nothing."""
    old, new = dict(before.raw), dict(after.raw)
    head = [k for k in dict.fromkeys((*old, *new)) if k not in ("rows", "note", "extends")]
    found = list(_of_values("", old, new, head))
    return found + list(_of_rows(_rows(old), _rows(new), ""))


def needs_rebase(differences: list[Difference]) -> list[Difference]:
    """Those that change what a flow takes for the same row or record."""
    return [d for d in differences if not d.field and d.what in REBASE]


def _rows(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    named: dict[str, Mapping[str, Any]] = {}
    for row in raw.get("rows") or ():
        name = str(row.get("field", ""))
        if row.get("direction") == "out" or not name:
            name = f"{name} → {row.get('from')}".strip()
        named[name] = row
    return named


def _of_rows(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]], above: str
) -> Iterator[Difference]:
    for name in dict.fromkeys((*old, *new)):
        path = above + name
        if name not in old or name not in new:
            yield Difference(path, "row", _shown(old.get(name)), _shown(new.get(name)))
            continue
        a, b = dict(old[name]), dict(new[name])
        keys = [k for k in dict.fromkeys((*a, *b)) if k not in ("field", "rows", "note")]
        yield from _of_values(path, a, b, keys)
        yield from _of_rows(_rows(a), _rows(b), f"{path}.")


def _by_text(table: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(k): v for k, v in table.items()}


def _shown(row: Mapping[str, Any] | None) -> Any:
    return None if row is None else {k: v for k, v in row.items() if k not in ("field", "note")}


def _of_values(
    path: str, old: Mapping[str, Any], new: Mapping[str, Any], keys: list[str]
) -> Iterator[Difference]:
    """Tables key by key, so that one new code is one difference."""
    for key in keys:
        a, b = old.get(key), new.get(key)
        if a == b and type(a) is type(b):
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            inside = [str(k) for k in dict.fromkeys((*a, *b))]
            old_table, new_table = _by_text(a), _by_text(b)
            for d in _of_values(path, old_table, new_table, inside):
                yield Difference(d.field, f"{key}.{d.what}", d.before, d.after)
        else:
            yield Difference(path, key, a, b)
