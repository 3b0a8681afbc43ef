"""The child rows of a written row: the list given is the whole list, told apart by its key."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, update

from hub.connector import join_key

from .tables import ChildSource

Values = dict[str, Any]


@dataclass(slots=True)
class Delta:
    """What makes the stored child rows the desired ones."""

    inserts: list[Values] = field(default_factory=list)
    updates: list[tuple[Values, Values]] = field(default_factory=list)
    deletes: list[Values] = field(default_factory=list)


def compare(
    child: ChildSource,
    link: tuple[Any, ...],
    desired: Sequence[Values],
    stored: Sequence[Mapping[str, Any]],
    delta: Delta,
) -> None:
    """Add to *delta* what makes the stored rows of one parent the desired ones."""
    parent = {own: value for (own, _), value in zip(child.parent, link, strict=True)}
    there = {_name(row[k] for k in child.key): row for row in stored}
    for row in desired:
        plain = {n: _plain(child, n, v) for n, v in row.items()}
        has_key = all(plain.get(k) is not None for k in child.key)
        old = there.pop(_name(plain[k] for k in child.key), None) if has_key else None
        if old is None:
            delta.inserts.append({**row, **parent})
            continue
        changed = {n: v for n, v in row.items() if not _same(old[n], plain[n]) and n not in parent}
        if changed:
            delta.updates.append(({**parent, **{k: row[k] for k in child.key}}, changed))
    write = {k: child.source.cells[k].write for k in child.key}
    delta.deletes += [
        {**parent, **{k: write[k](old[k]) for k in child.key}} for old in there.values()
    ]


def _plain(child: ChildSource, name: str, value: Any) -> Any:
    read = child.source.cells[name].read
    return read(value) if read else value


def _name(parts: Iterable[Any]) -> str:
    return join_key(_comparable(part) for part in parts)


def _comparable(value: Any) -> str:
    """The same text for 1, 1.0 and "1.00" of a numeric column."""
    if isinstance(value, Decimal | int | float):
        return format(
            Decimal(str(int(value) if isinstance(value, bool) else value)).normalize(), "f"
        )
    return str(value)


def _same(stored: Any, desired: Any) -> bool:
    if stored is None or desired is None:
        return stored is desired
    return stored == desired or _comparable(stored) == _comparable(desired)


def apply_delta(connection: Connection, child: ChildSource, delta: Delta) -> None:
    """Deletes first: what they free may be taken by the others."""
    table = child.source.table
    for columns, rows in _grouped(delta.deletes).items():
        condition = and_(*(table.c[c] == bindparam(f"_k{n}") for n, c in enumerate(columns)))
        parameters = [{f"_k{n}": row[c] for n, c in enumerate(columns)} for row in rows]
        connection.execute(delete(table).where(condition), parameters)
    for found, changed in delta.updates:
        condition = and_(*(table.c[c] == v for c, v in found.items()))
        connection.execute(update(table).where(condition).values(changed))
    for rows in _grouped(delta.inserts).values():
        connection.execute(insert(table), rows)


def _grouped(rows: Iterable[Values]) -> dict[tuple[str, ...], list[Values]]:
    groups: dict[tuple[str, ...], list[Values]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    return groups
