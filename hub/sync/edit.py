"""What a person or a module changes: through the one door, in one transaction, on somebody's behalf."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from hub.entity import Entity
from hub.errors import HubError, NotFoundError, Problem
from hub.model.kinds import normalise
from hub.store import records
from hub.store.records import Record
from hub.store.session import Store
from hub.sync import journal
from hub.sync.flow import Work
from hub.sync.journal import Proposal
from hub.sync.match import find_by_code

ENVELOPE = ("id", "version", "active", "created_at", "created_by", "updated_at", "updated_by")


class ChangedError(HubError):
    """The record is not as the caller expected it: somebody was faster."""

    code = "changed"


class RefusedError(HubError):
    """The values do not hold; `problems` says why, field by field."""

    code = "refused"
    exit_code = 3

    def __init__(self, entity: str, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "{entity}: {reason}",
            entity=entity,
            reason="; ".join(map(str, problems)),
            hint=problems[0].hint,
        )


class Changes:
    """The reads and writes of one transaction.  Records go in and out as dicts in canonical form."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def get(self, name: str, key: str) -> dict[str, Any]:
        """The record with this id or code, locked until the transaction ends; NotFoundError."""
        entity = self._entity(name)
        return as_dict(entity, self._record(entity, key))

    def match(self, name: str, values: Mapping[str, Any]) -> str | None:
        """The id of the one record that these values say it is, by the entity's exact rules."""
        entity = self._entity(name)
        return exact(self.work.connection, self.work.store, entity, values)

    def create(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """A new record; RefusedError says what does not hold."""
        entity = self._entity(name)
        record = Record(self.work.ids.new(), entity.stored)
        self._propose(record, entity, values, op="create")
        return as_dict(entity, record)

    def update(
        self,
        name: str,
        key: str,
        values: Mapping[str, Any],
        *,
        expect: Mapping[str, Any] | None = None,
        version: int | None = None,
    ) -> dict[str, Any]:
        """The record with these fields changed; None clears one.

        ChangedError if it is not at `version`, or has not the values in `expect`.
        """
        entity = self._entity(name)
        record = self._record(entity, key)
        if version is not None and record.version != version:
            raise _changed(entity, key, "version", version, record.version)
        found = as_dict(entity, record)
        for field, wanted in (expect or {}).items():
            if found.get(field) != wanted:
                raise _changed(entity, key, field, wanted, found.get(field))
        self._propose(record, entity, values, op="update")
        return as_dict(entity, record)

    def archive(self, name: str, key: str) -> dict[str, Any]:
        """The record put away; it stays where others refer to it, and can come back."""
        entity = self._entity(name)
        record = self._record(entity, key)
        journal.apply(
            self.work, [Proposal(record, entity, op="archive", envelope={"active": False})]
        )
        return as_dict(entity, record)

    def _entity(self, name: str) -> Entity:
        return self.work.store.entities[name]

    def _record(self, entity: Entity, key: str) -> Record:
        return _find(self.work.connection, self.work.store, entity, key, lock=True)

    def _propose(
        self, record: Record, entity: Entity, values: Mapping[str, Any], *, op: str
    ) -> None:
        problems: list[Problem] = []
        changes = {}
        for name, value in values.items():
            declared = entity.field.get(name)
            try:
                changes[entity.column(name)] = normalise(declared, value) if declared else value
            except ValueError as e:
                problems.append(Problem("invalid", str(e), name, str(value)))
        unknown = [name for name in values if name not in entity.field]
        problems += [Problem("unknown-field", UNKNOWN, name, value=name) for name in unknown]
        problems += self._missing_refs(entity, changes)
        if not problems:
            proposal = Proposal(record, entity, changes, op=op, strict=True)
            refused = journal.apply(self.work, [proposal])
            problems = refused[0].problems if refused else []
        if problems:
            raise RefusedError(entity.name, problems)

    def _missing_refs(self, entity: Entity, changes: Mapping[str, Any]) -> list[Problem]:
        problems = []
        for declared in entity.fields:
            value = changes.get(entity.column(declared.name))
            if declared.kind != "ref" or not value or not declared.target:
                continue
            target = self.work.store.entities[declared.target]
            if not records.load(self.work.connection, self.work.store, target.stored, [value]):
                problems.append(
                    Problem(
                        "unknown-reference",
                        "no {entity} is known as {value!r}",
                        declared.name,
                        value,
                        values={"entity": declared.target},
                    )
                )
        return problems


def get(connection: Connection, store: Store, entity: Entity, key: str) -> dict[str, Any]:
    """The record with this id or code; NotFoundError."""
    return as_dict(entity, _find(connection, store, entity, key, lock=False))


def exact(
    connection: Connection, store: Store, entity: Entity, values: Mapping[str, Any]
) -> str | None:
    """The id of the one live record that agrees with these values by an exact rule, if there is one."""
    for rule in entity.match:
        wanted = {name: str(values.get(name) or "").lower() for name in rule}
        if not all(wanted.values()):
            continue
        found = records.find(connection, store, entity, rule[0], [str(values[rule[0]])])
        ids = {i for some in found.values() for i in some}
        alike = [
            r.id
            for r in records.load(connection, store, entity.stored, ids).values()
            if _is_in(entity, r)
            and all(
                str(r.values.get(entity.column(name), "")).lower() == value
                for name, value in wanted.items()
            )
        ]
        if len(alike) == 1:
            return alike[0]
    return None


def _find(connection: Connection, store: Store, entity: Entity, key: str, *, lock: bool) -> Record:
    ids = {key}
    if entity.code in entity.field:
        ids |= set(find_by_code(connection, store, entity, [key], entity.code).values())
    found = records.load(connection, store, entity.stored, ids, lock=lock)
    for record in found.values():
        if not record.deleted_at and _is_in(entity, record):
            return record
    raise NotFoundError(
        "there is no {entity} {key!r}",
        entity=entity.name,
        key=key,
        hint="Give its id or its code; deleted records cannot be changed.",
    )


UNKNOWN = "{value!r} is not a field of this entity"


def as_dict(entity: Entity, record: Record) -> dict[str, Any]:
    """The record in the names of the entity, with its envelope; fields without a value are left out."""
    names = entity.from_column
    values = {names[c]: v for c, v in record.values.items() if c in names}
    return {**{name: getattr(record, name) for name in ENVELOPE}, **values}


def _is_in(entity: Entity, record: Record) -> bool:
    return not entity.role or entity.role in (record.values.get("roles") or ())


def _changed(entity: Entity, key: str, field: str, wanted: Any, found: Any) -> ChangedError:
    return ChangedError(
        "{entity} {key!r} was changed meanwhile: {field} is {found!r}, not {wanted!r}",
        entity=entity.name,
        key=key,
        field=field,
        found=found,
        wanted=wanted,
        hint="Look at it again, then repeat the change.",
    )
