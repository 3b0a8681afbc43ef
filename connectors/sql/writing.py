"""Writing a batch in one transaction.

All changes are tried together, statement by kind.  If one is refused, everything is taken back to
the savepoint and each change is tried alone, so that a refusal stops no other.  The rows are read
again inside the transaction, and results are given only after COMMIT.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NullType

from hub.connector import Change, Stream, WriteResult, batches, join_key

from .children import Delta, apply_delta, compare
from .database import CommitRefusedError, Database
from .failures import Refusal, refusal
from .reading import AT_ONCE, children_of, id_values, rows_by
from .tables import ChildSource, Source

Key = tuple[Any, ...]
Values = dict[str, Any]


class MissedError(Exception):
    """A statement did not find all the rows it was to change."""


@dataclass(slots=True)
class Task:
    """One change in the driver's values.  The `key` of a create is known once it is inserted."""

    change: Change
    values: Values
    children: Mapping[str, list[Values]]
    key: Key | None
    version: Any = None


@dataclass(slots=True)
class Batch:
    """The changes of one call, and what became of them."""

    source: Source
    stream: Stream
    results: dict[str, WriteResult] = field(default_factory=dict)
    done: list[Task] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that make the id of a row."""
        return self.stream.key or self.source.key

    def refuse(self, change: Change, refused: Refusal) -> None:
        self.results[change.key] = WriteResult.rejected(
            change.key, code=refused.code, message=refused.message, column=refused.column
        )


def write_batch(
    database: Database, source: Source, stream: Stream, changes: Sequence[Change]
) -> Iterator[WriteResult]:
    """One result per change, after COMMIT."""
    try:
        yield from _transaction(database, source, stream, changes).results.values()
        return
    except CommitRefusedError as e:
        if len(changes) == 1:
            batch = Batch(source, stream)
            batch.refuse(changes[0], e.refused)
            yield from batch.results.values()
            return
    for change in changes:  # a constraint checked at COMMIT names no row: each alone
        yield from write_batch(database, source, stream, [change])


def _transaction(
    database: Database, source: Source, stream: Stream, changes: Sequence[Change]
) -> Batch:
    batch = Batch(source, stream)
    with database.writing(source.table.name) as connection:
        tasks = [task for change in changes if (task := _task(batch, change))]
        tasks = _without_replayed(connection, batch, tasks)
        if tasks and not _together(connection, batch, tasks):
            for task in tasks:
                _alone(connection, batch, task)
        _read_back(connection, batch)
    return batch


# ---------------------------------------------------------------------------------------- the task


def _task(batch: Batch, change: Change) -> Task | None:
    """The change in driver's values; None when its result is known already."""
    source = batch.source
    key = None
    if change.op != "create":
        key = id_values(source, batch.stream, change.remote_id)
        if key is None:
            batch.results[change.key] = WriteResult.gone(change.key)
            return None
    try:
        values = source.values(change.values) if change.op != "delete" else {}
        children = {
            name: [child.source.values(row) for row in change.values[name] or []]
            for name, child in source.children.items()
            if name in change.values and change.op != "delete"
        }
        version = _version_value(source, change.version)
    except (ValueError, OverflowError) as e:
        batch.refuse(change, Refusal("value", str(e), None))
        return None
    return Task(change, _prepared(source, change, values), children, key, version)


def _version_value(source: Source, version: str | None) -> Any:
    column = source.declared.version_column
    return source.cells[column].write(version) if column and version is not None else None


def _prepared(source: Source, change: Change, values: Values) -> Values:
    """With the key of the hub, and the version counted on, as other writers of the table do."""
    declared = source.declared
    if change.op == "create" and declared.hub_key_column:
        values = {**values, declared.hub_key_column: change.key}
    version = declared.version_column
    if not version or version in values or change.op == "delete":
        return values
    cell = source.cells[version]
    if cell.column.kind != "integer" or cell.computed:
        return values
    if change.op == "create":
        return values if cell.has_default else {**values, version: 1}
    return {**values, version: func.coalesce(source.table.c[version], 0) + 1}


def _without_replayed(
    connection: Connection, batch: Batch, tasks: list[Task], *, locks: bool = False
) -> list[Task]:
    """Creates whose key a row carries already were done before; the others remain."""
    column = batch.source.declared.hub_key_column
    creates = [task for task in tasks if task.change.op == "create"]
    if not column or not creates:
        return tasks
    table = batch.source.table
    keys = [task.change.key for task in creates]
    query = select(table.c[column], *(table.c[k] for k in batch.key)).where(
        table.c[column].in_(keys)
    )
    if locks:  # sees what was committed since this transaction began
        query = query.with_for_update()
    known = {row[0]: tuple(row[1:]) for row in connection.execute(query)}
    for task in creates:
        if task.change.key in known:
            batch.done.append(replace(task, key=known[task.change.key]))
    return [t for t in tasks if t.change.op != "create" or t.change.key not in known]


# ------------------------------------------------------------------------- all, or each alone


def _together(connection: Connection, batch: Batch, tasks: Sequence[Task]) -> bool:
    try:
        with connection.begin_nested():
            _apply(connection, batch, tasks)
    except (SQLAlchemyError, OverflowError, MissedError) as e:
        if not isinstance(e, MissedError) and refusal(e) is None:
            raise
        return False
    batch.done += tasks
    return True


def _alone(connection: Connection, batch: Batch, task: Task) -> None:
    try:
        with connection.begin_nested():
            _apply(connection, batch, [task])
        batch.done.append(task)
    except MissedError:
        batch.results[task.change.key] = _missed(connection, batch, task)
    except (SQLAlchemyError, OverflowError) as e:
        refused = refusal(e)
        if refused is None:
            raise
        if not _was_created_meanwhile(connection, batch, task, refused):
            batch.refuse(task.change, refused)


def _was_created_meanwhile(
    connection: Connection, batch: Batch, task: Task, refused: Refusal
) -> bool:
    """A create with our key was committed by a slower call of ours since we looked."""
    unique = refused.code == "unique" and task.change.op == "create"
    return unique and not _without_replayed(connection, batch, [task], locks=True)


def _missed(connection: Connection, batch: Batch, task: Task) -> WriteResult:
    """The row is gone, or has another version."""
    found = rows_by(connection, batch.source, batch.key, [task.key or ()])
    if not found:
        return WriteResult.gone(task.change.key)
    return WriteResult.conflict(task.change.key, version=version_of(batch.source, found[0]))


def _apply(connection: Connection, batch: Batch, tasks: Sequence[Task]) -> None:
    by_op: dict[str, list[Task]] = {"create": [], "update": [], "delete": []}
    for task in tasks:
        by_op[task.change.op].append(task)
    _insert(connection, batch, by_op["create"])
    _update(connection, batch, by_op["update"])
    _delete(connection, batch, by_op["delete"])
    for name in batch.source.children:
        if parents := [task for task in tasks if name in task.children]:
            _write_children(connection, batch, name, parents)


# ----------------------------------------------------------------------- insert, update, delete


def _insert(connection: Connection, batch: Batch, tasks: Sequence[Task]) -> None:
    """Insert the rows and note their keys."""
    for group in _alike(tasks):
        rows = [task.values for task in group]
        if all(row.get(k) is not None for row in rows for k in batch.key):
            connection.execute(insert(batch.source.table), rows)
            keys = [tuple(row[k] for k in batch.key) for row in rows]
        else:
            keys = _insert_keyless(connection, batch, rows)
        for task, key in zip(group, keys, strict=True):
            task.key = key


def _insert_keyless(connection: Connection, batch: Batch, rows: Sequence[Values]) -> list[Key]:
    """Insert rows whose key the database gives; their keys, in the order of the rows."""
    statement = insert(batch.source.table)
    columns = [batch.source.table.c[k] for k in batch.key]
    if connection.dialect.name == "postgresql" and _is_typed(batch.source, rows[0]):
        returning = statement.returning(*columns, sort_by_parameter_order=True)
        return [tuple(row) for row in connection.execute(returning, list(rows))]
    if connection.dialect.insert_returning:
        returning = statement.returning(*columns)
        return [tuple(connection.execute(returning, row).one()) for row in rows]
    return [_key_of_inserted(connection, batch, statement, row) for row in rows]


def _is_typed(source: Source, row: Values) -> bool:
    """Rows inserted together are cast by the types of their columns: all must be known."""
    return bool(row) and not any(isinstance(source.table.c[n].type, NullType) for n in row)


def _key_of_inserted(connection: Connection, batch: Batch, statement: Any, row: Values) -> Key:
    primary = tuple(connection.execute(statement, row).inserted_primary_key or ())
    if batch.key == batch.source.key:
        return primary
    table = batch.source.table
    found = and_(*(table.c[k] == v for k, v in zip(batch.source.key, primary, strict=True)))
    return tuple(connection.execute(select(*(table.c[k] for k in batch.key)).where(found)).one())


def _update(connection: Connection, batch: Batch, tasks: Sequence[Task]) -> None:
    for group in _alike(tasks):
        condition, parameters = _finding(batch, group)
        values = group[0].values
        if not values:  # only children change: the rows must be there
            count = select(func.count()).select_from(batch.source.table).where(condition)
            if any(connection.execute(count, one).scalar() != 1 for one in parameters):
                raise MissedError
            continue
        names = {n: f"_v{i}" for i, (n, v) in enumerate(values.items()) if not _is_sql(v)}
        for task, one in zip(group, parameters, strict=True):
            one.update({bound: task.values[name] for name, bound in names.items()})
        bound = {n: bindparam(names[n]) if n in names else v for n, v in values.items()}
        _found(connection, update(batch.source.table).where(condition).values(bound), parameters)
        for task in group:
            pairs = zip(batch.key, task.key or (), strict=True)
            task.key = tuple(task.values.get(column, value) for column, value in pairs)


def _delete(connection: Connection, batch: Batch, tasks: Sequence[Task]) -> None:
    if not tasks:
        return
    for child in batch.source.children.values():
        links = list(_links(connection, batch, child, tasks).values())
        statement = delete(child.source.table).where(_link_condition(child))
        if links:
            connection.execute(statement, [_link_parameters(link) for link in links])
    for group in _alike(tasks):
        condition, parameters = _finding(batch, group)
        _found(connection, delete(batch.source.table).where(condition), parameters)


def _finding(batch: Batch, group: Sequence[Task]) -> tuple[ColumnElement[bool], list[Values]]:
    """The condition that finds one row of the group, and its parameters for each."""
    table = batch.source.table
    conditions = [table.c[k] == bindparam(f"_k{n}") for n, k in enumerate(batch.key)]
    parameters: list[Values] = [
        {f"_k{n}": value for n, value in enumerate(task.key or ())} for task in group
    ]
    if group[0].version is not None:
        conditions.append(table.c[batch.source.declared.version_column] == bindparam("_version"))
        for task, one in zip(group, parameters, strict=True):
            one["_version"] = task.version
    return and_(*conditions), parameters


def _found(connection: Connection, statement: Any, parameters: list[Values]) -> None:
    """Execute for each; MissedError when a row was not there."""
    if len(parameters) == 1 or connection.dialect.supports_sane_multi_rowcount:
        if connection.execute(statement, parameters).rowcount != len(parameters):
            raise MissedError
        return
    for one in parameters:
        _found(connection, statement, [one])


def _alike(tasks: Sequence[Task]) -> list[list[Task]]:
    """The tasks that one statement can serve."""
    groups: dict[tuple[Any, ...], list[Task]] = {}
    for task in tasks:
        groups.setdefault((*sorted(task.values), task.version is None), []).append(task)
    return list(groups.values())


def _is_sql(value: Any) -> bool:
    return isinstance(value, ColumnElement)


# ---------------------------------------------------------------------------------------- children


def _write_children(connection: Connection, batch: Batch, name: str, tasks: Sequence[Task]) -> None:
    child = batch.source.children[name]
    links = _links(connection, batch, child, tasks)
    updated = [links[t.change.key] for t in tasks if t.change.op == "update"]
    stored = children_of(connection, child, updated) if updated else {}
    delta = Delta()
    for task in tasks:
        link = links[task.change.key]
        compare(child, link, task.children[name], stored.get(link, []), delta)
    apply_delta(connection, child, delta)


def _links(
    connection: Connection, batch: Batch, child: ChildSource, tasks: Sequence[Task]
) -> dict[str, Key]:
    """The values by which the children of each task's row name their parent, by change."""
    columns = [theirs for _, theirs in child.parent]
    if set(columns) <= set(batch.key):
        at = [batch.key.index(column) for column in columns]
        return {t.change.key: tuple((t.key or ())[n] for n in at) for t in tasks}
    links = {}
    for task in tasks:
        condition, [parameters] = _finding(batch, [replace(task, version=None)])
        query = select(*(batch.source.table.c[c] for c in columns)).where(condition)
        row = connection.execute(query, parameters).one_or_none()
        if row is None:
            raise MissedError
        links[task.change.key] = tuple(row)
    return links


def _link_condition(child: ChildSource) -> ColumnElement[bool]:
    table = child.source.table
    return and_(*(table.c[own] == bindparam(f"_k{n}") for n, (own, _) in enumerate(child.parent)))


def _link_parameters(link: Key) -> Values:
    return {f"_k{n}": value for n, value in enumerate(link)}


# --------------------------------------------------------------------------------------- read back


def _read_back(connection: Connection, batch: Batch) -> None:
    """The results of what was done, each with the row as it is now stored."""
    written = [task for task in batch.done if task.change.op != "delete"]
    stored: dict[str, Mapping[str, Any]] = {}
    for some in batches(written, AT_ONCE // len(batch.key)):
        keys = [task.key or () for task in some]
        for found in rows_by(connection, batch.source, batch.key, keys):
            stored[join_key(found[k] for k in batch.key)] = found
    for task in batch.done:
        key, remote_id = task.change.key, task.change.remote_id
        row: Mapping[str, Any] | None = None
        if task.change.op != "delete":
            remote_id = _remote_id(batch, task)
            row = stored.get(remote_id)
        batch.results[key] = WriteResult.applied(
            key, remote_id=remote_id, version=version_of(batch.source, row), row=row
        )


def _remote_id(batch: Batch, task: Task) -> str:
    cells = [batch.source.cells[k] for k in batch.key]
    pairs = zip(cells, task.key or (), strict=True)
    return join_key(cell.read(value) if cell.read else value for cell, value in pairs)


def version_of(source: Source, row: Mapping[str, Any] | None) -> str | None:
    value = row.get(source.declared.version_column) if row else None
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)
