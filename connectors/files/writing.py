"""Writing a batch: all of it is decided on the rows as they are, then the files are replaced whole.

If somebody else changed a file between the reading and the replacing, everything is done again on
the new content.  Children's files are replaced before their parents', so that a row never appears
without its children; when the process dies between the two, the repeated write completes it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.connector import BadRow, Change, Row, Stream, WriteResult
from hub.errors import ConfigError, UnavailableError

from .declared import Child, Declared
from .folder import Folder, locked, put_in_place, replacement, signature, translated
from .reading import Link, id_of, key_of, link_from, link_to, table_file
from .rows import comparable, missing_key, same, version_of
from .tablefile import Entry, RefusedError, TableFile

ATTEMPTS = 5


def write_batch(
    folder: Folder, declared: Declared, stream: Stream, batch: Sequence[Change]
) -> list[WriteResult]:
    key = key_of(declared, stream)
    if declared.layout.is_pattern or not key:
        raise ConfigError(
            "files: stream {name!r} can only be read",
            name=declared.name,
            hint="To be written it needs one `file`, not a pattern, and a `key`.",
        )
    layouts = (declared.layout, *(child.layout for child in declared.children.values()))
    paths = [folder.path(layout.file) for layout in layouts]
    with ExitStack() as locks:
        for path in sorted(set(paths)):
            locks.enter_context(locked(path))
            if path.exists():
                folder.check_size(path)
        for _ in range(ATTEMPTS):
            results = _attempt(paths, declared, key, batch)
            if results is not None:
                return results
    raise UnavailableError(
        "files: {file} is being changed by somebody else", file=declared.layout.file
    )


NO_KEY = "the key column {name!r} has no value"
NO_CHILD_KEY = "a child row has no {name!r}"
EXISTS = "a row with the key {id} exists"


def _attempt(
    paths: Sequence[Path], declared: Declared, key: Sequence[str], batch: Sequence[Change]
) -> list[WriteResult] | None:
    """The results; None when a file was changed meanwhile, and nothing was written."""
    before = [signature(path) for path in paths]
    with translated(paths[0]), ExitStack() as temporaries:
        plan = Plan(paths, declared, key)
        plan.load(batch)
        results = [plan.decide(change) for change in batch]
        written = []
        for path, edits in plan.edits():
            temporary = temporaries.enter_context(replacement(path))
            edits.file.rewrite(temporary, edits.replaced, edits.added)
            written.append((temporary, path))
        if [signature(path) for path in paths] != before:
            return None
        for temporary, path in written:
            put_in_place(temporary, path)
    return results


# ---------------------------------------------------------------------------------------- one file


@dataclass
class Edits:
    """What is to change in one file: entries replaced or (None) left out, and rows added."""

    file: TableFile
    replaced: dict[int, tuple[int, Row | None]] = field(default_factory=dict)
    new: list["Placed"] = field(default_factory=list)

    @property
    def added(self) -> list[Row]:
        return [placed.row for placed in self.new if placed.row is not None]

    def put(self, placed: "Placed", row: Row | None) -> None:
        placed.row = row
        if placed.entry is not None:
            self.replaced[placed.entry.start] = (placed.entry.end, row)

    def add(self, row: Row) -> "Placed":
        placed = Placed(row, None)
        self.new.append(placed)
        return placed


@dataclass
class Placed:
    """A row as it will be (None: deleted), and the entry it comes from, if it was there before."""

    row: Row | None
    entry: Entry | None


Operation = tuple[Placed | None, Row | None]


# ---------------------------------------------------------------------------------------- the plan


class Plan:
    """The rows that a batch concerns, changed by one change after the other."""

    def __init__(self, paths: Sequence[Path], declared: Declared, key: Sequence[str]) -> None:
        self._key = key
        self._main = Edits(table_file(paths[0], declared.layout))
        self._rows: dict[str, list[Placed]] = {}
        self._children = {
            name: ChildPlan(Edits(table_file(path, child.layout)), child)
            for path, (name, child) in zip(paths[1:], declared.children.items(), strict=True)
        }

    def load(self, batch: Sequence[Change]) -> None:
        """One pass over each file for the rows that the changes name."""
        ids = self._named(batch)
        for entry in self._main.file.entries():
            if isinstance(entry.row, BadRow):
                continue
            name = id_of(entry.row, self._key)
            if ids is None or name in ids:
                self._rows.setdefault(name, []).append(Placed(entry.row, entry))
        rows = [placed.row for found in self._rows.values() for placed in found if placed.row]
        for child in self._children.values():
            child.load([*rows, *(change.values for change in batch)])

    def _named(self, batch: Sequence[Change]) -> set[str] | None:
        """The ids that rows have or may get; None when they cannot be known before the rows are."""
        ids = {change.remote_id for change in batch}
        for change in batch:
            key = {k: change.values[k] for k in self._key if k in change.values}
            if len(key) == len(self._key):
                with suppress(RefusedError):  # `decide` will say so
                    ids.add(id_of(self._main.file.stored(key), self._key))
            elif key and change.op == "update":
                return None
        return ids

    def edits(self) -> Iterator[tuple[Path, Edits]]:
        """The files that change, children first."""
        for edits in (*(child.edits for child in self._children.values()), self._main):
            if edits.replaced or edits.added:
                yield edits.file.path, edits

    def decide(self, change: Change) -> WriteResult:
        try:
            if change.op == "create":
                return self._create(change)
            found = self._live(change.remote_id)
            if not found:
                return WriteResult.gone(change.key)
            if len(found) > 1:
                raise RefusedError("{count} rows have this key", code="ambiguous", count=len(found))
            now = version_of(self._whole(found[0]))
            if change.version is not None and change.version != now:
                return WriteResult.conflict(change.key, version=now)
            act = self._delete if change.op == "delete" else self._update
            return act(change, found[0])
        except RefusedError as e:
            return WriteResult.rejected(
                change.key, code=e.code, message=e.message, column=e.column, values=e.values
            )

    def _create(self, change: Change) -> WriteResult:
        row, lists = self._split(change.values)
        if column := missing_key(row, self._key):
            raise RefusedError(NO_KEY, column, code="not-null", name=column)
        stored = self._main.file.stored(row)
        name = id_of(stored, self._key)
        there = self._live(name)
        if there and not all(same((there[0].row or {}).get(c), stored[c]) for c in row):
            raise RefusedError(EXISTS, self._key[0], code="unique", id=name)
        operations = self._operations(stored, lists)
        if there:  # the same create again
            placed = there[0]
        else:
            placed = self._main.add(stored)
            self._rows.setdefault(name, []).append(placed)
        self._carry_out(operations)
        return self._applied(change, placed)

    def _update(self, change: Change, placed: Placed) -> WriteResult:
        values, lists = self._split(change.values)
        old = placed.row or {}
        if column := missing_key({**old, **values}, self._key):
            raise RefusedError(NO_KEY, column, code="not-null", name=column)
        stored = self._main.file.stored({**old, **values})
        name = id_of(stored, self._key)
        if name != change.remote_id and self._live(name):
            raise RefusedError(EXISTS, self._key[0], code="unique", id=name)
        operations = self._operations(stored, lists)
        if stored != old:
            self._main.put(placed, stored)
        if name != change.remote_id:
            self._rows.setdefault(name, []).append(placed)
            self._rows[change.remote_id].remove(placed)
        self._carry_out(operations)
        return self._applied(change, placed)

    def _delete(self, change: Change, placed: Placed) -> WriteResult:
        everything: dict[str, list[Row]] = {name: [] for name in self._children}
        self._carry_out(self._operations(placed.row or {}, everything))
        self._main.put(placed, None)
        return WriteResult.applied(change.key, remote_id=change.remote_id)

    # ---------------------------------------------------------------------------------------- rows

    def _live(self, name: str) -> list[Placed]:
        return [placed for placed in self._rows.get(name, ()) if placed.row is not None]

    def _whole(self, placed: Placed) -> dict[str, Any]:
        """The row with its children, as reading gives it."""
        row = placed.row or {}
        return {**row, **{name: child.rows_of(row) for name, child in self._children.items()}}

    def _applied(self, change: Change, placed: Placed) -> WriteResult:
        row = self._whole(placed)
        name = id_of(row, self._key)
        return WriteResult.applied(change.key, remote_id=name, version=version_of(row), row=row)

    def _split(self, values: Row) -> tuple[dict[str, Any], dict[str, list[Row]]]:
        """The row's own values, and the lists of its children."""
        own = {name: value for name, value in values.items() if name not in self._children}
        return own, {name: list(values[name] or []) for name in self._children if name in values}

    def _operations(
        self, row: Row, lists: Mapping[str, Sequence[Row]]
    ) -> list[tuple["ChildPlan", Operation]]:
        """What to do with child rows; all of it is checked before any of it is done."""
        plans = ((self._children[name], rows) for name, rows in lists.items())
        return [(plan, one) for plan, rows in plans for one in plan.operations(row, rows)]

    def _carry_out(self, operations: Iterable[tuple["ChildPlan", Operation]]) -> None:
        for plan, operation in operations:
            plan.carry_out(operation)


class ChildPlan:
    """The child rows of the rows that a batch concerns."""

    def __init__(self, edits: Edits, child: Child) -> None:
        self.edits, self._child = edits, child
        self._rows: dict[Link, list[Placed]] = {}

    def load(self, parents: Iterable[Row]) -> None:
        links = {link_to(row, self._child) for row in parents}
        for entry in self.edits.file.entries():
            if not isinstance(entry.row, BadRow):
                link = link_from(entry.row, self._child)
                if link in links:
                    self._rows.setdefault(link, []).append(Placed(entry.row, entry))

    def rows_of(self, parent: Row) -> list[Row]:
        placed = self._rows.get(link_to(parent, self._child), ())
        return [p.row for p in placed if p.row is not None]

    def operations(self, parent: Row, desired: Sequence[Row]) -> list[Operation]:
        """Each child row that changes with what it becomes; without a place it is new."""
        key = self._child.layout.key
        there: dict[Link, list[Placed]] = {}
        for placed in self._rows.get(link_to(parent, self._child), ()):
            if placed.row is not None:
                there.setdefault(_name(placed.row, key), []).append(placed)
        linked = {own: parent.get(theirs) for own, theirs in self._child.parent.items()}
        found: list[Operation] = []
        for row in desired:
            if column := missing_key(row, key):
                raise RefusedError(NO_CHILD_KEY, column, code="not-null", name=column)
            same_key = there.get(_name(row, key))
            old = same_key.pop(0) if same_key else None
            stored = self.edits.file.stored({**((old and old.row) or {}), **row, **linked})
            if old is None or stored != old.row:
                found.append((old, stored))
        return found + [(placed, None) for left in there.values() for placed in left]

    def carry_out(self, operation: Operation) -> None:
        placed, row = operation
        if placed is not None:
            self.edits.put(placed, row)
        elif row is not None:
            link = link_from(row, self._child)
            self._rows.setdefault(link, []).append(self.edits.add(row))


def _name(row: Row, key: Sequence[str]) -> Link:
    return tuple(comparable(row.get(column)) or "" for column in key)
