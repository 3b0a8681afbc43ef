"""What a module may add, as plain frozen declarations.  Declaring opens nothing and changes nothing.

A module yields these, and `Entity`, from its one hook `hub_declare`.  Names are owned: tables,
actions, reports, jobs and rules begin with the module's name.  Labels are given in both languages,
so that a module needs no catalogue of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hub.connector import Settings
from hub.entity import Entity, Field
from hub.errors import Problem

Record = dict[str, Any]
"""A record in the names of its entity, with its envelope (`id`, `version`, …)."""


class Params(Settings):
    """The parameters of an action or a report; unknown ones are refused."""


class NoParams(Params):
    """For what takes none."""


class Change(Protocol):
    """One change on its way through the door, as a rule sees it: all of one record version.

    Field names are those of the entity that the rule is on.  `before` is empty for a new record.
    """

    entity: Entity
    record_id: str
    op: str
    origin: str
    at: str

    @property
    def before(self) -> Mapping[str, Any]: ...

    @property
    def after(self) -> Mapping[str, Any]: ...

    def changed(self, *names: str) -> bool:
        """Whether any of these fields (any field at all, if none are named) gets another value."""

    def set(self, name: str, value: Any) -> None:
        """Give a field another value, as part of the same change."""

    def refuse(self, problem: Problem) -> None:
        """The change does not happen; the problem says why, which field, and what to do."""


@dataclass(frozen=True, slots=True)
class Extension:
    """Fields that a module adds to an entity of another: stored and mapped as `ext.<module>.<name>`."""

    entity: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold of an entity's records, whoever changes them: person, sync, import or undo.

    `check` runs inside the transaction of every change, before it is written; it reads the change
    and nothing else, and is not run again for what it sets itself.
    """

    name: str
    on: str
    check: Callable[[Change], None]
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person, a rule or a call can have done.

    `run(hub, record, **params)` gets the record of entity `on` as a dict (no record if `on` is
    empty), and returns JSON.  It is repeatable: a second run with the same input does nothing twice.
    """

    name: str
    run: Callable[..., Any]
    zh: str
    en: str
    scope: str
    on: str = ""
    params: type[Params] = NoParams


@dataclass(frozen=True, slots=True)
class Report:
    """Figures.  `run(hub, **params)` returns one dict per row, with the keys of `columns` in order.

    Nothing in it asks the clock: a date is a parameter.  `drill` names the column that holds the ids
    of the records behind a row.
    """

    name: str
    run: Callable[..., Sequence[Mapping[str, Any]]]
    columns: tuple[Field, ...]
    zh: str
    en: str
    scope: str
    params: type[Params] = NoParams
    drill: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """Work by schedule (`every 1h`, or a cron text).  `run(hub, moment)` is short and repeatable."""

    name: str
    run: Callable[..., None]
    schedule: str
    zh: str
    en: str


Declaration = Entity | Extension | Rule | Action | Report | Job
