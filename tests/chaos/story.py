"""Three systems, one hub, and what happens there in four days: the story that is killed everywhere.

`erp` is a database that is always read in full; `crm` answers a write without the row, finds rows by
column and has no idempotency; `shop` is only written to, with idempotency.  Between them there is a
create, an update, a delete, an order that waits for its customer on the way in and one on the way
out, a conflict with its decision, a full read, a shop that is down, and one that refuses us.  Rows
that are refused are corrected, dismissed or tried again by a steward.
"""

import mmap
import random
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.connector import Capabilities, Connector
from hub.connectors.sql import Sql
from hub.jobs import runner, runs
from hub.jobs.work import Jobs
from hub.settings import Deletes
from hub.store.types import load
from hub.sync import leases, steward
from hub.testing.world import World
from tests.chaos.desk import Desk, DeskConnector

CUSTOMER = """
entity: customer
stream: customers
key: {key}
{modified}
match: [[code]]
defaults: {{zone: UTC}}
rows:
- {{field: code, from: code, required: true}}
- {{field: name, from: name, required: true, policy: review}}
- {{field: email, from: email, email: true}}
- {{field: phone, from: phone, text: {{trim: true}}}}
- {{field: address.city, from: city}}
"""
ORDER = """
entity: sales_order
stream: orders
key: {key}
{modified}
match: [[number]]
defaults: {{zone: UTC}}
rows:
- {{field: number, from: number, required: true}}
- {{field: customer, from: customer, ref: customer}}
- {{field: currency, from: currency}}
- {{field: doc_date, from: ordered_on}}
- {{field: status, from: status, codes: {{open: confirmed, done: completed}}}}
- {{field: untaxed_total, from: amount}}
- field: lines
  from: lines
  list: {{key: line_no}}
  rows:
  - {{field: line_no, from: line_no}}
  - {{field: sku, from: goods}}
  - {{field: qty, from: qty}}
  - {{field: net_amount, from: amount}}
"""
ERP = """
CREATE TABLE customers (code TEXT PRIMARY KEY, name TEXT, email TEXT, phone TEXT, city TEXT);
CREATE TABLE orders (number TEXT PRIMARY KEY, customer TEXT, currency TEXT, ordered_on DATE,
    status TEXT, amount NUMERIC(12, 2));
CREATE TABLE order_lines (number TEXT, line_no INTEGER, goods TEXT, qty NUMERIC(12, 2),
    amount NUMERIC(12, 2), PRIMARY KEY (number, line_no));
CREATE TABLE log (op TEXT, code TEXT);
CREATE TRIGGER made AFTER INSERT ON customers BEGIN INSERT INTO log VALUES ('create', new.code); END;
CREATE TRIGGER changed AFTER UPDATE ON customers
    BEGIN INSERT INTO log VALUES ('update', new.code); END;
CREATE TRIGGER gone AFTER DELETE ON customers BEGIN INSERT INTO log VALUES ('delete', old.code); END;
"""
DELETES = Deletes(inbound="delete", outbound="delete")
KEPT = "id", "created_at", "created_by", "updated_at", "updated_by", "deleted_at"


class SharedClock:
    """Virtual time that goes on from process to process, in memory that forked processes share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)
        self.set(datetime(2026, 1, 5, 9, tzinfo=UTC))

    def set(self, moment: datetime) -> None:
        self._memory[:] = struct.pack("d", moment.timestamp())

    def now(self) -> datetime:
        self.sleep(timedelta(milliseconds=1))
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def sleep(self, duration: timedelta) -> None:
        self._memory[:] = struct.pack("d", self.monotonic() + duration.total_seconds())

    def monotonic(self) -> float:
        return float(struct.unpack("d", self._memory[:])[0])


class Office(World):
    """The hub of the story, with its systems as files in *folder*."""

    def __init__(self, url: str, folder: Path, clock: SharedClock) -> None:
        super().__init__(url)
        self.clock, self.folder = clock, folder
        self.erp_path = folder / "erp.db"
        self._system("crm", Capabilities(read_page=2, write_batch=3, deletes=True), echo=False)
        self._system(
            "shop",
            Capabilities(
                read_page=2,
                write_batch=3,
                idempotent_writes=True,
                conditional_writes=True,
            ),
        )
        orders = {"key": ["number"], "children": {"lines": LINES}}
        declared = {"customers": {"key": ["code"]}, "orders": orders}
        url = f"sqlite:///{self.erp_path}"
        self.systems["erp"] = Sql({"url": url, "streams": declared})  # type: ignore[assignment]
        erp, desk = {"key": "code", "modified": ""}, {"key": "id", "modified": "modified: modified"}
        self.flow("erp-customers", "erp", CUSTOMER.format(**erp), deletes=DELETES)
        self.flow("erp-orders", "erp", ORDER.format(**{**erp, "key": "number"}), direction="in")
        self.flow("crm-customers", "crm", CUSTOMER.format(**desk), deletes=DELETES)
        self.flow("crm-orders", "crm", ORDER.format(**desk))
        self.flow("shop-customers", "shop", CUSTOMER.format(**desk), direction="out")

    def _system(self, name: str, capabilities: Capabilities, **options: Any) -> None:
        path = self.folder / f"{name}.desk"
        self.systems[name] = Desk(self.clock, path=path, capabilities=capabilities, **options)

    @contextmanager
    def _open(self, connection: str) -> Iterator[Connector]:
        system = self.systems[connection]
        with DeskConnector(system) if isinstance(system, Desk) else system as connector:
            yield connector

    owner = ""

    def jobs(self, owner: str = "") -> Jobs:
        order = ["crm-customers", "erp-customers", "shop-customers", "erp-orders", "crm-orders"]
        return Jobs(
            self.env, self._open, {"shop": 18}, owner or self.owner or leases.owner_name(), order
        )

    # -- what the people do, each in their own system

    @contextmanager
    def desk(self, name: str) -> Iterator[Desk]:
        desk = self.systems[name]
        assert isinstance(desk, Desk)
        desk.load()
        yield desk
        desk.save()

    @contextmanager
    def erp(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.erp_path)) as connection, connection:
            yield connection

    def people(self, stage: str) -> None:
        """What they did before the hub runs again."""
        getattr(self, f"_{stage}")()
        with self.erp() as erp:
            erp.execute("DELETE FROM log")
        for name in ("crm", "shop"):
            with self.desk(name) as desk:
                desk.log.clear()

    def _first_load(self) -> None:
        with self.erp() as erp:
            erp.executescript(ERP)
            customers = [(f"C{n}", f"Customer {n}", None, f"{n}", "Wien") for n in range(1, 6)]
            customers.append(("C6", "Customer 6", "no address", "6", "Wien"))
            erp.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", customers)
            for number, customer in (("O1", "C1"), ("O2", "C9"), ("O3", "C2")):
                _order(erp, number, customer)
        with self.desk("crm") as crm:
            crm.put("customers", {"code": "C2", "name": "Customer 2", "email": "c2@crm.example"})
            crm.put("customers", {"code": "M1", "name": "Only in the CRM", "city": "Graz"})
            crm.rows("orders")
        with self.desk("shop") as shop:
            shop.rows("customers")

    def _edits(self) -> None:
        with self.erp() as erp:
            erp.execute("INSERT INTO customers VALUES ('C9', 'Customer 9', NULL, '9', 'Linz')")
            erp.execute("UPDATE customers SET phone = '11' WHERE code = 'C1'")
            erp.execute("UPDATE customers SET name = 'By the ERP' WHERE code = 'C3'")
            erp.execute("UPDATE customers SET email = 'c6@erp.example' WHERE code = 'C6'")
            _order(erp, "O4", "C1")
        with self.desk("crm") as crm:
            crm.put("customers", {"id": crm.id_of("C2"), "email": "new@crm.example"})
            crm.put("customers", {"id": crm.id_of("C3"), "name": "By the CRM", "city": "Graz"})
            crm.put("customers", {"code": "M2", "name": "New in the CRM"})
        with self.desk("shop") as shop:
            shop.troubles.append("unavailable")

    def _deletes(self) -> None:
        with self.erp() as erp:
            erp.execute("DELETE FROM customers WHERE code = 'C4'")
            erp.execute("UPDATE order_lines SET qty = 7 WHERE number = 'O1' AND line_no = 2")
            erp.execute("DELETE FROM order_lines WHERE number = 'O3' AND line_no = 1")
            erp.execute("UPDATE orders SET status = 'done' WHERE number = 'O1'")
        with self.desk("crm") as crm:
            crm.remove("customers", crm.id_of("M1"))
            crm.put("customers", {"id": crm.id_of("C5"), "phone": "55"})

    def _repairs(self) -> None:
        with self.erp() as erp:
            for code in ("C7", "C8"):
                erp.execute("INSERT INTO customers VALUES (?, 'New', 'no address', '', '')", [code])
            erp.execute("INSERT INTO customers VALUES ('C10', 'To be refused', NULL, '', '')")
            erp.execute("UPDATE customers SET city = 'Bonn' WHERE code = 'C1'")
        with self.desk("shop") as shop:
            shop.troubles.append("auth")

    # -- what the hub and its steward do then

    def run(self, stage: str) -> None:
        """Bring everything up to date.  After a kill the same is simply asked for again."""
        self.rng = random.Random(stage)  # every process draws the same waits
        for row in self.rows("conflict", state="open") if stage == "deletes" else ():
            steward.conflict_resolve(self.env, row.id, "ours", None, by="user:ada")
        self.bring_up(full=stage == "deletes")
        if stage == "repairs":
            self._repair()
            self.bring_up()

    def bring_up(self, *, full: bool = False) -> None:
        env = self.env
        ids = [runs.request(env, f, trigger="manual", full=full) for f in env.flows.values()]
        runner.finish_runs(self.jobs(), ids)

    def _repair(self) -> None:
        """What a steward does about what is on the list now."""
        env, jobs = self.env, self.jobs()
        for row in self.rows("parked", state="open"):
            if row.direction == "out":
                steward.quarantine_replay(env, jobs, [row.id], None)
            elif row.external_id == "C7":
                changes = {"email": "c7@erp.example"}
                steward.quarantine_fix(env, jobs, row.id, changes, by="user:ada")
            else:
                steward.quarantine_dismiss(env, [row.id], "a test", by="user:ada")
        for row in self.rows("flow_state", state="paused"):
            runs.resume(env, row.flow)

    # -- what there is to compare

    def contents(self) -> dict[str, Any]:
        """All that must not depend on how often the hub was killed; rows by their codes."""
        codes = self._codes()
        with self.erp() as erp:
            there = {
                table: sorted(erp.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
                for table in ("customers", "orders", "order_lines", "log")
            }
        for name in ("crm", "shop"):
            with self.desk(name) as desk:
                there[name] = sorted(map(_row, desk.everything()), key=repr)
                there[f"{name} log"] = sorted(desk.log)
        return {
            "systems": there,
            "records": self._records(codes),
            "folded": self._folded(codes),
            "links": self._links(codes),
            "journal": self._journal(codes),
            "conflicts": sorted(
                (codes[r.record_id], r.field, r.ours, r.theirs, r.state, r.choice)
                for r in self.rows("conflict")
            ),
            "aside": sorted(
                (r.flow, r.external_id, codes.get(r.record_id), r.kind, r.state)
                for r in self.rows("parked")
                if r.state in ("open", "dismissed", "fixed")
            ),
            "marks": [(r.flow, codes.get(r.record_id)) for r in self.rows("outbox")],
            "intents": [tuple(r) for r in self.rows("intent", state="open")],
            "runs": sorted((r.flow, r.state) for r in self.rows("run") if r.state in runs.LIVE),
        }

    def _codes(self) -> dict[str, str]:
        customers = {r.id: r.customer_code for r in self.rows("party")}
        return {**customers, **{r.id: r.number for r in self.rows("sales_order")}}

    def _records(self, codes: dict[str, str]) -> list[Any]:
        lines = [
            (codes[r.record_id], *tuple(v for k, v in r._asdict().items() if k != "record_id"))
            for r in self.rows("sales_order_lines")
        ]
        found = [_named(r._asdict(), codes) for t in ("party", "sales_order") for r in self.rows(t)]
        return sorted(found, key=repr) + sorted(lines, key=repr)

    def _links(self, codes: dict[str, str]) -> list[Any]:
        return sorted(
            (
                r.source_id,
                codes[r.record_id],
                r.state,
                _named(load(r.shadow), codes) if r.shadow else None,
                # not `sent`: that a value is merely spelled differently is noted when it is met
            )
            for r in self.rows("link")
        )

    def _journal(self, codes: dict[str, str]) -> list[Any]:
        """What happened to each record, in no order between the systems."""
        return sorted(
            (codes[r.record_id], r.op, r.origin, r.source_id, repr(_named(load(r.changes), codes)))
            for r in self.rows("journal")
        )

    def _folded(self, codes: dict[str, str]) -> list[Any]:
        """The records as the journal alone tells them."""
        folded: dict[str, dict[str, Any]] = {}
        for row in sorted(self.rows("journal"), key=lambda r: r.seq):
            values = folded.setdefault(row.record_id, {})
            values["version"] = row.version
            for name, (old, new) in load(row.changes).items():
                assert values.get(name) == old or name.startswith("$"), (name, old, values)
                values[name] = new
        return sorted(((codes[k], _named(v, codes)) for k, v in folded.items()), key=repr)

    def duplicates(self) -> list[Any]:
        """Business keys that a system holds twice."""
        found = []
        for name in ("crm", "shop"):
            with self.desk(name) as desk:
                for stream, rows in desk.streams.items():
                    codes = [r.get("code") or r.get("number") for r in rows.values()]
                    found += [(name, stream, c) for c in set(codes) if codes.count(c) > 1]
        return found


STAGES = ("first_load", "edits", "deletes", "repairs")
LINES = {"table": "order_lines", "parent": {"number": "number"}, "key": ["line_no"]}


def _order(erp: sqlite3.Connection, number: str, customer: str) -> None:
    values = (number, customer, "EUR", "2026-01-05", "open", "30.50")
    erp.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", values)
    lines = [(number, n, f"Goods {n}", n, f"{n}0.25") for n in (1, 2)]
    erp.executemany("INSERT INTO order_lines VALUES (?, ?, ?, ?, ?)", lines)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a desk without what it counts itself."""
    return {k: v for k, v in row.items() if k not in ("id", "modified", "version")}


def _named(values: Any, codes: dict[str, str]) -> Any:
    """The values with record ids as codes, without ids and times of their own."""
    if isinstance(values, dict):
        return {k: _named(v, codes) for k, v in values.items() if k.lstrip("$") not in KEPT}
    if isinstance(values, list):
        return [_named(v, codes) for v in values]
    return codes.get(values, values) if isinstance(values, str) else values
