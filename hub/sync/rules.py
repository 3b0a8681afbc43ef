"""Rules of modules at the door: they see a change before it is written, amend it or refuse it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.declare import Rule
from hub.entity import Entity
from hub.errors import Problem
from hub.values import instant_text

if TYPE_CHECKING:
    from hub.sync.journal import Proposal

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ProposedChange:
    """`hub.declare.Change` over a proposal: the names of its entity, the values of the proposal."""

    entity: Entity
    record_id: str
    op: str
    origin: str
    at: str
    before: Mapping[str, Any]
    after: dict[str, Any]
    setting: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def changed(self, *names: str) -> bool:
        wanted = names or self.entity.field
        return any(self.before.get(name) != self.after.get(name) for name in wanted)

    def set(self, name: str, value: Any) -> None:
        if name not in self.entity.field:
            raise KeyError(name)
        self.setting[name] = value
        if value is None:
            self.after.pop(name, None)
        else:
            self.after[name] = value

    def refuse(self, problem: Problem) -> None:
        self.problems.append(problem)


def apply_rules(
    rules: Mapping[str, tuple[tuple[Rule, Entity], ...]], p: "Proposal", *, origin: str, at: str
) -> None:
    """Run the rules on the proposal's record; what they set becomes part of the proposal."""
    for rule, entity in rules.get(p.record.entity, ()):
        change = _change(p, entity, origin, at)
        if change is None:
            continue
        try:
            rule.check(change)
        except Exception as e:  # the border to a module: name it, refuse the record, go on
            log.exception("rule %s failed", rule.name)
            p.problems.append(_broken(rule, e))
            continue
        p.problems.extend(change.problems)
        p.changes.update({entity.column(name): v for name, v in change.setting.items()})


def _change(p: "Proposal", entity: Entity, origin: str, at: str) -> ProposedChange | None:
    """The change in the names of the rule's entity; None if the record is not one of those."""
    stored = {**p.record.values, **p.changes}
    if entity.role and entity.role not in (stored.get("roles") or ()):
        return None
    before = _named(entity, p.record.values) if p.op != "create" else {}
    return ProposedChange(
        entity, p.record.id, p.op, origin, instant_text(at), before, _named(entity, stored)
    )


def _named(entity: Entity, values: Mapping[str, Any]) -> dict[str, Any]:
    names = entity.from_column
    return {names[c]: v for c, v in values.items() if c in names and v is not None}


def _broken(rule: Rule, error: Exception) -> Problem:
    return Problem(
        "rule-failed",
        "the rule {rule!r} broke: {reason}",
        values={"rule": rule.name, "reason": f"{type(error).__name__}: {error}"},
        hint="It is a fault of the module.  Correct or remove the module, then replay.",
    )
