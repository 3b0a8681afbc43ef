"""Why a field has its value: who said so, when, by which rule, over whom; and who has it now."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from hub.entity import Entity, Field
from hub.errors import Problem
from hub.store import records
from hub.store.records import Record
from hub.store.types import load
from hub.sync import history, standing
from hub.sync.flow import Env, Flow
from hub.sync.history import Line
from hub.sync.listing import called, kind_at, value_at, view
from hub.sync.redirects import live_ids
from hub.sync.steward.past import sources_of
from hub.sync.steward.record import find_id


def explain(env: Env, entity: Entity, key: str, path: str = "") -> dict[str, Any]:
    """The story of one field (a part: "address.city", an item: "lines[3].qty"), or of all.

    Each is told in clauses: templates with values, to be joined into one sentence.
    """
    if path and not path.startswith("ext."):
        kind_at(entity, path)
    with env.store.read() as connection:
        asked = find_id(env, connection, entity, key)
        live = live_ids(connection, env.store, entity.stored, [asked])[asked]
        record = records.load(connection, env.store, entity.stored, [live])[live]
        teller = _Teller(env, connection, entity, record)
        paths = [path] if path else teller.all_paths()
        stories = [teller.story(p) for p in paths]
    return {
        "entity": entity.name,
        "id": record.id,
        "record": called(env.store, record),
        "fields": stories,
    }


class _Teller:
    """Tells the stories of one record's fields."""

    def __init__(self, env: Env, connection: Connection, entity: Entity, record: Record) -> None:
        self.env, self.connection, self.entity, self.record = env, connection, entity, record
        self.name = called(env.store, record)
        self.lines = history.lines_of(connection, env.store, [record.id]).get(record.id, [])
        self.sources = sources_of(env, connection)
        self.view = view(entity, record)
        conflict, link = env.store.metadata.tables["conflict"], env.store.metadata.tables["link"]
        clashes = select(conflict).where(conflict.c.record_id == record.id).order_by(conflict.c.at)
        self.clashes = list(connection.execute(clashes))
        rows = select(link).where(link.c.record_id == record.id, link.c.part == "")
        self.rows = list(connection.execute(rows))

    def all_paths(self) -> list[str]:
        """Every field that has a value or had one, in the order of the entity."""
        touched = {name for line in self.lines for name in line.changes}
        fields = [f.name for f in self.entity.fields if self.entity.column(f.name) in touched]
        return fields + sorted(n for n in touched if n.startswith("ext."))

    def story(self, path: str) -> dict[str, Any]:
        top = path if path.startswith("ext.") else _top(path)
        line, before = self._origin(path, top)
        value = value_at(self.entity.fields, self.view, path)
        lost = [self._lost(c) for c in self.clashes if self._is_about(c, path, top, line)]
        systems = self._systems(top)
        rule = self._rule(line, top) if line is not None else None
        clauses = [_clause(IS if value is not None else IS_NOT, field=path, entity=self.entity.name,
                           record=self.name, value=value)]  # fmt: skip
        if line is None:
            clauses.append(_clause(NEVER))
        else:
            clauses.append(self._who(line))
            clauses += [rule] if rule else []
            clauses.append(_clause(BEFORE, value=before) if before is not None else _clause(EMPTY))
        clauses += [_clause(LOST[alt["state"]], **alt) for alt in lost]
        clauses += _holders(systems)
        return {
            "field": path,
            "value": value,
            "since": line.at if line else None,
            **self._source(line),
            "before": before,
            "rule": rule.to_json() if rule else None,
            "lost": lost,
            "systems": systems,
            "clauses": [{"hint": "", **c.to_json()} for c in clauses],
        }

    def _origin(self, path: str, top: str) -> tuple[Line | None, Any]:
        """The line that gave the value, and the value before."""
        column = self.entity.column(top)
        declared = self.entity.field.get(top)
        for line in reversed(self.lines):
            if column in line.changes:
                old, new = (_part(declared, top, path, v) for v in line.changes[column])
                if old != new:
                    return line, old
        return None, None

    def _source(self, line: Line | None) -> dict[str, Any]:
        if line is None:
            return dict.fromkeys(
                (
                    "connection",
                    "row",
                    "by",
                    "run",
                    "mapping",
                    "mapping_version",
                    "line",
                    "source_at",
                )
            )
        return {
            "connection": self.sources.get(line.source_id or 0, (None,))[0],
            "row": line.external_id,
            "by": line.origin,
            "run": line.run_id,
            "mapping": self._mapping(line),
            "mapping_version": line.mapping_version,
            "line": line.seq,
            "source_at": line.source_at,
        }

    def _mapping(self, line: Line) -> str | None:
        flow = self.env.flows.get(line.origin.removeprefix("flow:"))
        return flow.mapping.name or flow.settings.mapping if flow else None

    def _who(self, line: Line) -> Problem:
        values: dict[str, Any] = {"at": line.source_at or line.at, **self._source(line)}
        if line.source_id is not None and line.external_id:
            return _clause(BY_ROW if line.run_id else BY_ROW_ASIDE, **{**values, "at": line.at})
        kind, _, name = line.origin.partition(":")
        if kind == "user":
            return _clause(BY_PERSON, name=name, at=line.at)
        return _clause(BY_HUB, name=line.origin, at=line.at)

    def _rule(self, line: Line, top: str) -> Problem | None:
        """What made this value win."""
        said, _, name = (line.reason or "").partition(" ")
        if said in REASONS:
            return _clause(REASONS[said], name=name)
        if line.op in OPS:
            return _clause(OPS[line.op])
        for c in self.clashes:
            same = c.run_id == line.run_id and c.at == line.at and _top(c.field) == top
            if same and c.choice == "theirs" and c.decided_by:
                return _clause(BY_POLICY, policy=c.decided_by.removeprefix("policy "))
        return _clause(UNCONTESTED) if line.source_id is not None else None

    def _is_about(self, c: Any, path: str, top: str, line: Line | None) -> bool:
        """An alternative to the value as it is: not one that an older value won over."""
        related = c.field == path or c.field.startswith((f"{path}.", f"{path}["))
        if not related and not (path.startswith(c.field) and _top(c.field) == top):
            return False
        return c.state == "open" or line is None or c.at >= line.at

    def _lost(self, c: Any) -> dict[str, Any]:
        """The value that did not win, whose it was, and who decided."""
        theirs = c.state == "open" or c.choice != "theirs"
        return {
            "value": load(c.theirs) if theirs else load(c.ours),
            "whose": self.sources.get(c.source_id, ("?",))[0] if theirs else "hub",
            "at": c.at,
            "by": c.decided_by or "",
            "field": c.field,
            "conflict": c.id,
            "state": "open" if c.state == "open" else "decided",
        }

    # -- who has it now

    def _systems(self, top: str) -> list[dict[str, Any]]:
        out = []
        column = self.entity.column(top)
        for flow in self.env.flows.values():
            name = flow.entity.from_column.get(column)
            if flow.stored != self.entity.stored or name is None:
                continue
            if name not in {n for n, _ in flow.covered}:
                continue
            row = next((r for r in self.rows if r.source_id == flow.source_id), None)
            out.append(self._held(flow, name, column, row))
        return out

    def _held(self, flow: Flow, name: str, column: str, row: Any | None) -> dict[str, Any]:
        told: dict[str, Any] = {
            "connection": flow.connection,
            "flow": flow.name,
            "external_id": row.external_id if row is not None else None,
        }
        if row is None or row.state != "active":
            why = standing.of_record(self.env, self.connection, flow, self.record, row)
            return {**told, "state": "absent", "value": None, "why": _json(why[:1])}
        shadow, sent = load(row.shadow) or {}, load(row.sent) or {}
        ours, theirs = self.record.values.get(column), shadow.get(name)
        if theirs == ours:
            return {**told, "state": "same", "value": theirs, "why": []}
        if flow.mapping.equal(name, ours, theirs) or (
            name in sent and flow.mapping.equal(name, ours, sent[name])
        ):
            return {**told, "state": "spelled", "value": theirs, "why": []}
        why = standing.of_record(self.env, self.connection, flow, self.record, row)
        why += standing.of_flow(self.env, self.connection, flow)
        return {**told, "state": "differs", "value": theirs, "why": _json(why[:2])}


def _part(declared: Field | None, top: str, path: str, value: Any) -> Any:
    if path == top or declared is None:
        return value
    return value_at((declared,), {top: value}, path)


def _top(path: str) -> str:
    return path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]


def _json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [{"hint": "", **p.to_json()} for p in problems]


def _holders(systems: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Who has it now: those that hold the same together, the others one by one."""
    same = [s["connection"] for s in systems if s["state"] == "same"]
    out = [_clause(SAME, connections=", ".join(dict.fromkeys(same)))] if same else []
    for s in systems:
        if s["state"] == "same":
            continue
        out.append(_clause(HELD[s["state"]], connection=s["connection"], value=s["value"]))
        out += [Problem.from_json(why) for why in s["why"]]
    return out or [_clause(NOBODY)]


def _clause(template: str, **values: Any) -> Problem:
    return Problem("clause", template, values=values)


IS = "{field} of {entity} {record} is {value}"
IS_NOT = "{field} of {entity} {record} has no value"
NEVER = "nobody ever gave it one"
BY_ROW = (
    "{connection} said so in row {row} on {at} (run {run}, mapping {mapping} {mapping_version})"
)
BY_ROW_ASIDE = "{connection} said so in row {row} on {at} (mapping {mapping} {mapping_version})"
BY_PERSON = "{name} set it on {at}"
BY_HUB = "the hub set it on {at} ({name})"
BEFORE = "before that it was {value}"
EMPTY = "before that it was empty"
UNCONTESTED = "nobody else had changed it"
BY_POLICY = "both sides had changed it, and the policy {policy} decided"
REASONS = {
    "match": "its row was found to be this record by {name}",
    "undo": "{name} was taken back",
    "conflict": "a person decided conflict {name}",
    "verify": "a repair put it back to what the journal says",
}
OPS = {
    "create": "the record was made with it",
    "merge": "two records were merged",
    "unmerge": "a merge was taken back",
}
LOST = {
    "open": "{whose} says {value} since {at}, and that waits for a decision",
    "decided": "{value}, which {whose} had, did not win on {at} ({by})",
}
SAME = "it is the same in {connections}"
HELD = {
    "spelled": "{connection} spells it {value}",
    "differs": "{connection} still has {value}",
    "absent": "{connection} has no row of it",
}
NOBODY = "no system has it"
