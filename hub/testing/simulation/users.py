"""The people of a simulation: users who edit in every system, an admin, and a steward."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hub.jobs import runs
from hub.sync import steward
from hub.testing.memory import MemorySystem
from hub.testing.simulation import model

if TYPE_CHECKING:
    from hub.testing.simulation.run import Simulation

WORDS = ("Ada", "Grace Hopper", "Zoë & Sons ", " Ltd", "ab", "Straße 7", "客户", "X" * 14)
CUSTOMERS, PRODUCTS, ORDERS = "customers", "products", "orders"


class Users:
    """Everybody who edits.  All of it goes into the model first."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim, self.rng, self.model = sim, sim.rng, sim.model

    def plan(self) -> None:
        """Put the day's work on the stage."""
        scenario, begin = self.sim.scenario, self.sim.clock.moment
        for _ in range(self.rng.randrange(1, 4)):
            self._create()
        if scenario.orders:
            self._stock()
        for _ in range(scenario.edits):
            moment = begin + scenario.span * self.rng.random()
            self.sim.stage.at(moment, self._draw())

    def _draw(self) -> Callable[[], None]:
        shape, deletes = self.rng.random(), self.sim.scenario.deletes
        if shape < deletes:
            return self._delete
        if shape < deletes + 0.2:
            return self._create
        if shape < deletes + 0.28:
            return self._twins
        if self.sim.scenario.orders and shape < deletes + 0.55:
            return self._order
        return self._edit

    # -- customers

    def _create(self) -> None:
        self._new(self._system(), self._code())

    def _twins(self) -> None:
        """Two systems get the same customer before either hears of the other's."""
        code = self._code()
        for name in self.rng.sample(sorted(self.sim.world.systems), 2):
            self._new(name, code)

    def _code(self) -> str:
        code = f"C{len(self.model.codes) + 1}"
        self.model.codes.append(code)
        return code

    def _new(self, name: str, code: str) -> None:
        row: dict[str, Any] = {"code": code}
        for column in ("name", "note", "short", "city", "credit", "tags"):
            if column == "name" or self.rng.random() < 0.6:
                row[column] = self._value(code, column, name, "", None)
        self._put(name, CUSTOMERS, row)

    def _edit(self) -> None:
        name = self._system()
        rows = self.sim.world.systems[name].rows(CUSTOMERS)
        if not rows:
            return self._create()
        key = self.rng.choice(sorted(rows))
        columns = self.rng.sample(("name", "note", "short", "city", "credit", "tags"), 2)
        self._change(name, key, columns)
        if self.rng.random() < 0.4:  # on second thoughts
            wait = timedelta(seconds=self.rng.choice((1, 2, 4, 8)))
            again = self.sim.clock.moment + wait
            self.sim.stage.at(again, lambda: self._change(name, key, columns[:1]))

    def _change(self, name: str, key: str, columns: list[str]) -> None:
        old = self.sim.world.systems[name].rows(CUSTOMERS).get(key)
        if old is None:
            return
        row: dict[str, Any] = {"id": key}
        for column in columns:
            row[column] = self._value(old["code"], column, name, key, old.get(column))
        self._put(name, CUSTOMERS, row)

    def _value(self, code: str, column: str, name: str, key: str, old: Any) -> Any:
        """A value that only this write has."""
        if column == "tags":
            return self._tags(code, name, key, old)
        made = self.model.write(code, column, name, self.sim.clock.moment, old)
        if column == "credit":
            return model.amount(made.id, self.rng.randrange(1000))
        padding = self.rng.choice(("", "", "", "  "))
        return padding + model.text(made.id, self.rng.choice(WORDS)) + padding

    def _is_linked(self, name: str, key: str) -> bool:
        """The hub knows the row, and with it what stood there before."""
        source = self.sim.world.flows[f"{name}-{CUSTOMERS}"].source_id
        query = "SELECT shadow FROM link WHERE source_id = ? AND external_id = ?"
        row = self.sim.raw.execute(query, (source, key)).fetchone()
        return row is not None and row[0] is not None

    def _tags(self, code: str, name: str, key: str, old: Any) -> list[str]:
        """One tag more, or one less."""
        tags = list(old or ())
        if tags and self.rng.random() < 0.3:
            gone = self.rng.choice(tags)
            self.model.removed.update(model.tokens(gone))
            if not self._is_linked(name, key):
                self.model.excused.update(model.tokens(gone))  # it cannot be told from never there
            return [t for t in tags if t != gone]
        made = self.model.write(code, "tags", name, self.sim.clock.moment, None)
        return sorted([*tags, f"w{made.id:04}"])

    def _delete(self) -> None:
        name = self._system()
        rows = self.sim.world.systems[name].rows(CUSTOMERS)
        if not rows:
            return
        key = self.rng.choice(sorted(rows))
        row = dict(rows[key])
        self.sim.note(f"user of {name}", f"deletes customers {key} {row['code']}")
        self.model.deleted.add(row["code"])
        self.sim.world.systems[name].remove(CUSTOMERS, key)
        if self.rng.random() < 0.4:
            wait = timedelta(seconds=self.rng.choice((5, 60, 120)))
            self.sim.stage.at(self.sim.clock.moment + wait, lambda: self._return(name, key, row))

    def _return(self, name: str, key: str, row: dict[str, Any]) -> None:
        """The row comes back, under its id, as it was."""
        if key not in self.sim.world.systems[name].rows(CUSTOMERS):
            self._put(name, CUSTOMERS, {k: v for k, v in row.items() if k != "version"})

    # -- products and orders

    def _stock(self) -> None:
        for number in range(2):
            self._put(self._system(), PRODUCTS, {"code": f"P{number}", "name": f"Part {number}"})

    def _order(self) -> None:
        """A new order, or an old one changed by the system that wrote it: always as a whole."""
        name = self._system()
        system = self.sim.world.systems[name]
        customers, products = system.rows(CUSTOMERS), system.rows(PRODUCTS)
        if not customers or not products:
            return
        own = [r for r in system.rows(ORDERS).values() if r["code"].endswith(name)]
        if own and self.rng.random() < 0.5:
            old = self.rng.choice(sorted(own, key=lambda r: str(r["id"])))
            base = {k: old[k] for k in ("id", "code", "customer", "day")}
        else:
            number = f"O{len(self.model.orders) + 1}-{name}"
            base = {"code": number, "customer": self.rng.choice(sorted(customers))}
            base["day"] = "2026-01-05"
        states = self.model.orders.setdefault(base["code"], [])
        lines = self._lines(system)
        total = sum((line["amount"] for line in lines), Decimal(0))
        amounts = [line["amount"] for line in lines]
        states.append({"mark": f"m{len(states)}", "total": total, "amounts": amounts})
        self._put(
            name, ORDERS, {**base, "mark": states[-1]["mark"], "total": total, "lines": lines}
        )

    def _lines(self, system: MemorySystem) -> list[dict[str, Any]]:
        products = sorted(system.rows(PRODUCTS))
        lines = []
        for number in range(1, self.rng.randrange(1, 4) + 1):
            qty = self.rng.randrange(1, 9)
            price = Decimal(self.rng.randrange(1, 99999)).scaleb(-2)
            product = self.rng.choice(products)
            line = {"no": number, "product": product, "qty": Decimal(qty), "amount": price * qty}
            lines.append(line)
        return lines

    # -- how they write

    def _system(self) -> str:
        return self.rng.choice(sorted(self.sim.world.systems))

    def _put(self, name: str, stream: str, row: dict[str, Any]) -> None:
        system = self.sim.world.systems[name]
        at = self._stamp(name, stream, row.get("id", ""))
        key = system.put(stream, row, at=at)
        shown = {k: str(v) for k, v in row.items() if k not in ("id", "modified")}
        self.sim.note(f"user of {name}", f"puts {stream} {key} {shown}")

    def _stamp(self, name: str, stream: str, key: str) -> datetime:
        """Now; or, where commits are late, the moment at which the change began."""
        system = self.sim.world.systems[name]
        (plan,) = (p for p in self.sim.scenario.systems if p.name == name)
        now = self.sim.clock.moment
        if not self.sim.scenario.late_commits:
            return now
        began = now - plan.overlap * self.rng.choice((0.0, 0.02, 0.1, 0.5))
        old = system.rows(stream).get(key)
        last = datetime.fromisoformat(old["modified"]) - system.ahead if old else began
        return max(began, last)


class Admin:
    """Resumes what stopped, and lets deletes pass the brake."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim = sim

    def resume(self, *, approve: int = 0) -> None:
        for name in self.sim.world.flows:
            row = runs.flow_row(self.sim.world.env, name)
            if row is not None and row.state == "paused":
                self.sim.note("admin", f"resumes {name}")
                runs.resume(self.sim.world.env, name, approved=approve)


class Steward:
    """Decides conflicts and takes up again what was refused."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim = sim

    def decide(self) -> None:
        env = self.sim.world.env
        for conflict in steward.conflicts_list(env, 1000):
            choice = self.sim.rng.choice(("ours", "theirs"))
            self.sim.note("steward", f"{conflict['field']} of {conflict['external_id']}: {choice}")
            steward.conflict_resolve(env, conflict["id"], choice, None, by="user:steward")
        entries = self.sim.world.rows("parked", state="open", kind="quarantine")
        ids = sorted(entry.id for entry in entries)
        if ids:
            self.sim.note("steward", f"replays {len(ids)} of quarantine")
            steward.quarantine_replay(env, self.sim.world.jobs("steward"), ids, None)
