"""`hub(...)` runs a command line over a fake of the facade."""

import copy
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from hub import mapping
from hub.cli import app
from hub.cli.base import State
from hub.connector import Column, Stream
from hub.errors import NotFoundError
from hub.model import ENTITIES
from hub.settings import load_settings
from hub.sync.trial import Suggested, try_row

CONFIG = """\
connections:
  erp: {connector: sql, title: Our ERP, settings: {url: "sqlite:////tmp/erp.db"}}
  shop: {connector: rest, settings: {base_url: "https://shop.example", streams: {}}}
flows:
  customers: {connection: erp, mapping: erp/customer}
  orders: {connection: shop, mapping: shop/order, direction: in, after: [customers]}
"""
STREAMS = [
    Stream(
        "customer",
        key=("id",),
        cursor_column="changed",
        label="Customers",
        columns={
            "id": Column("integer", required=True, writable=False),
            "name": Column("text", size=80),
            "group": Column("integer", target="customer_group"),
        },
    )
]


DOCUMENTS = {
    "erp/customer": """\
entity: customer
stream: customer
key: id
rows:
- {field: code, from: id}
- {field: name, from: name}
- {field: email, from: mail, email: true}
""",
    "shop/order": """\
entity: customer
stream: customer
key: id
rows:
- {field: code, from: id}
- {field: name, from: title, direction: in}
""",
}
ROWS = [
    {"id": 17, "name": "Ada", "mail": "a@b.cn", "since": Decimal("1.50")},
    {"id": 18, "name": "Bob", "mail": "no mail"},
]


def run(flow="customers", **values):
    """One run as the facade describes it, in which every row is accounted for."""
    counts = {"created": 1, "updated": 2, "unchanged": 3}
    counts |= dict.fromkeys(("quarantined", "waiting", "conflicted", "skipped"), 0)
    counts |= {k: v for k, v in values.items() if k in counts}
    written = {"created": 4, "updated": 0, "deleted": 0, "unchanged": 0, "rejected": 0}
    base = {
        "run": "r1",
        "flow": flow,
        "direction": "both",
        "state": "done",
        "read": sum(counts.values()),
        **counts,
        "deleted": 0,
        "written": {**written, "waiting": 0, "retry": 0},
        "started_at": "2025-03-01T00:30:00Z",
        "finished_at": "2025-03-01T00:30:02Z",
        "seconds": 2.0,
        "error": None,
    }
    return {**base, **values}


def flow_status(flow="customers", **values):
    base = {
        "flow": flow,
        "connection": "erp",
        "direction": "both",
        "state": "active",
        "last_run": run(flow),
        "next_due_at": "2025-03-01T00:35:00Z",
        "paused_reason": None,
    }
    return {**base, "outbox": 1, "waiting": 2, "quarantined": 3, "conflicts": 4, **values}


PARKED = {
    "id": "q1",
    "flow": "customers",
    "direction": "in",
    "kind": "quarantine",
    "state": "open",
    "external_id": "17",
    "record_id": None,
    "place": "",
    "since": "2025-03-01T00:30:00Z",
    "problems": [
        {
            "code": "required",
            "message": "there is no entity {name!r}",
            "field": "name",
            "hint": "There are: {known}.",
            "values": {"name": "x", "known": "a, b"},
            "text": "name: there is no entity 'x'",
        }
    ],
}
CONFLICT = {
    "id": "c1",
    "kind": "field",
    "entity": "customer",
    "record_id": "u1",
    "field": "name",
    "flow": "customers",
    "external_id": "17",
    "base": "Ada",
    "ours": "Ada L.",
    "theirs": "Ada B.",
    "at": "2025-03-01T00:30:00Z",
    "state": "open",
}
RECORD = {
    "entity": "customer",
    "id": "u1",
    "version": 2,
    "active": True,
    "updated_at": "2025-03-01T00:30:00Z",
    "updated_by": "flow:customers",
    "record": {"code": "C1", "name": "张三", "tags": ["a"]},
    "links": [{"connection": "erp", "stream": "customer", "external_id": "17", "state": "active"}],
    "journal": [
        {"at": "2025-03-01T00:30:00Z", "op": "update", "origin": "flow:customers", "changes": {}}
    ],
}


VERIFIED = {
    "ok": True,
    "checks": ["journal", "links", "outbox"],
    "count": 0,
    "mended": 0,
    "found": [],
}
DIFFERENT = {
    **VERIFIED,
    "ok": False,
    "count": 7,
    "found": [
        {
            "check": "journal",
            "kind": "differs",
            "count": 7,
            "mended": 0,
            "remedy": "put the record back to what the journal says",
            "examples": [
                {
                    "code": "no-journal",
                    "message": "{entity} {record} has no journal: nobody knows where it came from",
                    "hint": "`hub verify --repair` takes the mark away.",
                    "values": {"entity": "party", "record": "C\x1b[1m1"},
                    "entity": "party",
                }
            ],
        }
    ],
}


UNDO = {
    "run": "r1",
    "seq": None,
    "flow": "customers",
    "records": 1,
    "fields": 1,
    "refused": 1,
    "already": 0,
    "systems": {"crm": {"written": 1}},
    "undo": None,
    "steps": [
        {
            "entity": "customer",
            "id": "1",
            "record": "C1",
            "op": "update",
            "fields": [{"field": "name", "now": "Eve", "back": "Ada"}],
            "links": [],
            "refused": [],
            "systems": [],
        },
        {
            "entity": "customer",
            "id": "2",
            "record": "C2",
            "op": "update",
            "fields": [],
            "links": [],
            "refused": [
                {
                    "code": "edited",
                    "message": "changed since, on {at} by {origin} (line {seq})",
                    "field": "name",
                    "values": {"at": "2025-03-01T00:30:00Z", "origin": "user:ada", "seq": 9},
                }
            ],
            "systems": [],
        },
    ],
}
EXPLAINED = {
    "entity": "customer",
    "id": "1",
    "record": "C1",
    "fields": [
        {
            "field": "name",
            "value": "Ada",
            "clauses": [
                {
                    "code": "clause",
                    "message": "{field} of {entity} {record} is {value}",
                    "values": {
                        "field": "name",
                        "entity": "customer",
                        "record": "C1",
                        "value": "A\x1b[1mda",
                    },
                },
                {
                    "code": "clause",
                    "message": "{name} set it on {at}",
                    "values": {"name": "ada", "at": "2025-03-01T00:30:00Z"},
                },
            ],
        }
    ],
}
WHY_NOT = {
    "connection": "erp",
    "row": "17",
    "flows": [
        {
            "flow": "customers",
            "stream": "customer",
            "reasons": [
                {
                    "code": "never-run",
                    "message": "flow {flow!r} has never run",
                    "hint": "Run it: hub sync {flow}",
                    "values": {"flow": "customers"},
                }
            ],
        }
    ],
}
TIMELINE = {
    "entity": "customer",
    "id": "1",
    "more": False,
    "lines": [
        {
            "seq": 4,
            "at": "2025-03-01T00:30:00Z",
            "op": "create",
            "origin": "flow:customers",
            "connection": "erp",
            "external_id": "17",
            "changes": {"code": [None, "C1"]},
        }
    ],
}
LISTED = {
    "code": "C1",
    "name": "Ada",
    "id": "1",
    "version": 1,
    "active": True,
    "created_at": "2025-03-01T00:30:00Z",
    "created_by": "flow:customers",
    "updated_at": "2025-03-01T00:30:00Z",
    "updated_by": "flow:customers",
}


@dataclass
class FakeHub:
    """Answers with what a test puts into `answers`; an exception there is raised."""

    settings: Any
    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.calls.append(("closed",))

    def _answer(self, name, default, *args):
        self.calls.append((name, *args))
        answer = self.answers.get(name, default)
        answer = answer.get(args[0]) if isinstance(answer, dict) and name == "check" else answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def schema_state(self):
        return self._answer("schema_state", {"current": "0001", "head": "0001", "ok": True})

    def upgrade(self):
        return self._answer("upgrade", ["0001"])

    def check_connection(self, name):
        return self._answer("check", {"erp": "ERP 1.0 as ada", "shop": "Shop as bob"}, name)

    def discover(self, name):
        yield from self._answer("discover", STREAMS, name)

    entities = ENTITIES

    def document(self, name):
        text = self.answers.get("documents", DOCUMENTS).get(name)
        if text is None:
            raise NotFoundError("there is no mapping {name!r}", name=name)
        return mapping.load(text, entities=ENTITIES, name=name)

    def mapping(self, name):
        document = self.document(name)
        return mapping.compile(document, ENTITIES[document.entity])

    def mapping_names(self):
        return list(self.answers.get("documents", DOCUMENTS))

    def mappings(self):
        return {name: self.mapping(name) for name in self.mapping_names()}

    shipped_document = document

    def check_mapping(self, name, *, offline=False):
        self.calls.append(("check_mapping", name, offline))
        return mapping.check(self.document(name), ENTITIES["customer"], count=3)

    def try_mapping(self, name, connection="", rows=3):
        self.calls.append(("try_mapping", name, connection, rows))
        return [try_row(self.mapping(name), row) for row in ROWS[:rows]]

    def pin(self, name, external_id, connection=""):
        self.calls.append(("pin", name, external_id, connection))
        return self.settings.home / "mappings" / f"{name}.pins.yaml"

    def suggest_mapping(self, connection, stream, entity, known=""):
        self.calls.append(("suggest_mapping", connection, stream, entity, known))
        pairs = mapping.suggest(ENTITIES[entity], STREAMS[0])
        return Suggested(mapping.draft(ENTITIES[entity], STREAMS[0], pairs), pairs, ["group"])

    def sync(self, flows=(), *, full=False, progress):
        for done in (500, 1000):
            progress({"flow": "customers", "phase": "pull", "done": done, "total": 1000})
        return self._answer("sync", [run()], tuple(flows), full)

    def status(self):
        return self._answer("status", {"flows": [flow_status()], "records": {"customer": 7}})

    def runs(self, flow=None, limit=20):
        return self._answer("runs", [run()], flow, limit)

    def show(self, entity, key, at=None):
        return self._answer("show", RECORD, entity, key, *([at] if at else []))

    def modes(self):
        return {name: flow.mode for name, flow in self.settings.flows.items()}

    def resume(self, flow, *, approve=0):
        return self._answer("resume", None, flow, approve)

    def quarantine_list(self, flow=None, code=None, limit=100):
        return self._answer("quarantine_list", [PARKED], flow, code, limit)

    def quarantine_show(self, id):
        return self._answer("quarantine_show", {**PARKED, "row": {"id": 17, "name": None}}, id)

    def quarantine_fix(self, id, changes):
        fixed = {"id": id, "fixed": True, "counts": {"created": 1}}
        return self._answer("quarantine_fix", fixed, id, changes)

    def quarantine_replay(self, ids=(), flow=None):
        return self._answer("quarantine_replay", {"created": 1}, tuple(ids), flow)

    def quarantine_dismiss(self, ids, reason):
        return self._answer("quarantine_dismiss", len(ids), tuple(ids), reason)

    def conflicts_list(self, limit=100):
        return self._answer("conflicts_list", [CONFLICT])

    def conflict_resolve(self, id, choice, value=None):
        return self._answer("conflict_resolve", CONFLICT, id, choice, value)

    def verify(self, *, repair=False, remote=False, progress):
        progress({"flow": "party", "phase": "verify", "done": 1, "total": 1})
        return self._answer("verify", VERIFIED, repair, remote)

    def undo_plan(self, run, *, seq=None, fields=(), remake=False):
        return self._answer("undo_plan", UNDO, run, seq, tuple(fields), remake)

    def undo(self, run, *, seq=None, fields=(), remake=False, progress):
        progress({"flow": "undo", "phase": "undo", "done": 1, "total": 1})
        return self._answer("undo", {**UNDO, "undo": "u1"}, run, seq, tuple(fields), remake)

    def explain(self, entity, key, path=""):
        return self._answer("explain", copy.deepcopy(EXPLAINED), entity, key, path)

    def why_not(self, connection, row, *, look=False):
        return self._answer("why_not", WHY_NOT, connection, row, look)

    def why_not_record(self, connection, entity, key):
        return self._answer("why_not_record", WHY_NOT, connection, entity, key)

    def history(self, entity, key, limit=50):
        return self._answer("history", TIMELINE, entity, key, limit)

    def records(self, entity, *, where=(), at=None, after="", limit=50):
        found = {"entity": entity, "at": at, "next": None, "records": [LISTED]}
        return self._answer("records", found, entity, where, at, after, limit)

    def entity(self, name):
        return ENTITIES[name]

    def run_forever(self, stop):
        self._answer("run_forever", None, stop())


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with two connections and two flows; the surroundings say nothing of the language."""
    for name in ("HUB_LANG", "HUB_HOME", "HUB__LANGUAGE", "LC_ALL", "LC_MESSAGES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")
    folder = tmp_path / "home"
    (folder / "config").mkdir(parents=True)
    (folder / "data").mkdir(mode=0o700)
    (folder / "config" / "hub.yaml").write_text(CONFIG, encoding="utf-8")
    return folder


@pytest.fixture
def fake(home, monkeypatch):
    made = FakeHub(load_settings(home, {}, {}))

    def opened(state, *, upgrade=False):
        made.calls.append(("open", state.home, dict(state.overrides), upgrade))
        if isinstance(made.answers.get("open"), BaseException):
            raise made.answers["open"]
        return made

    monkeypatch.setattr(State, "hub", opened)
    monkeypatch.setattr(State, "unready_hub", opened)
    return made


@pytest.fixture
def hub(fake, home, capsys, monkeypatch):
    monkeypatch.setenv("HUB_HOME", str(home))

    def command(*args):
        code = app.run([str(a) for a in args])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return command


@pytest.fixture
def real(tmp_path, capsys, monkeypatch):
    """`real(...)` runs a command line over a real, empty hub."""
    for name in ("HUB_LANG", "HUB__LANGUAGE", "LC_ALL", "LC_MESSAGES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "hub"))
    app.run(["init", str(tmp_path / "hub")])
    capsys.readouterr()

    def command(*args):
        code = app.run([str(a) for a in args])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return command
