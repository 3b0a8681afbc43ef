"""One history from its seed: the storm, the calm after it, and the verdict.

outcome = simulate(42)
outcome.violations      # what the oracle found; empty: every invariant holds
outcome.events          # what happened, in order
"""

import random
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from xxhash import xxh3_64_hexdigest

from hub.connector import Change, WriteResult
from hub.jobs import runs
from hub.model import ENTITIES
from hub.store.session import Store
from hub.testing.memory import Apply, MemorySystem
from hub.testing.simulation import model, oracle, scenario
from hub.testing.simulation.stage import Crash, Player, Stage, StageClock
from hub.testing.simulation.users import Admin, Steward, Users
from hub.testing.simulation.wire import BadWire
from hub.testing.world import World

CYCLES = 10
STEPS = 400
PATIENCE = timedelta(seconds=3)
"""How long a worker that found nothing to do sleeps at least."""
TRACKED = ("name", "note", "short", "city", "credit", "tags")
PAUSABLE = ("pull:read", "push:sent", "lease:after-commit", "remote:read", "remote:fetch")
PROTECTED = ("pull", "sweep", "intent", "settle")
"""Transactions that only the holder of a lease may commit."""

Event = tuple[datetime, str, str]


@dataclass
class Outcome:
    seed: int
    violations: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    digest: str = ""


class Violation(Exception):
    """An invariant does not hold, seen while the history runs."""


def simulate(seed: int) -> Outcome:
    """Play the seed's history, and judge it."""
    return Simulation(scenario.draw(seed)).run()


@cache
def _store() -> tuple[Store, sqlite3.Connection]:
    """The store that all histories of this process use, and its empty schema."""
    store = Store.open("sqlite://", ENTITIES)
    store.create_all()
    empty = sqlite3.connect(":memory:")
    _raw(store).backup(empty)
    return store, empty


def _raw(store: Store) -> sqlite3.Connection:
    with store.engine.connect() as connection:
        raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


class Simulation:
    """Everything one history needs.  The hub in it is the real one, on the real store."""

    def __init__(self, drawn: scenario.Scenario) -> None:
        self.scenario = drawn
        self.rng = random.Random(drawn.seed + 1)
        self.clock = StageClock()
        store, empty = _store()
        self.raw = _raw(store)
        empty.backup(self.raw)
        self.world = World.on(store, self.clock, self.rng, self.fault)
        self.stage = Stage(self.clock)
        self.faults = dict(drawn.faults)
        self.stormy = True
        self.crashes, self.pauses, self.lives = drawn.crashes, drawn.pauses, 0
        self.model = model.Model()
        self.outcome = Outcome(drawn.seed)
        self.creates: dict[tuple[str, str], int] = {}
        self.users, self.admin, self.steward = Users(self), Admin(self), Steward(self)
        for plan in drawn.systems:
            self._connect(plan)

    def _connect(self, plan: scenario.SystemPlan) -> None:
        system = self.world.system(
            plan.name,
            capabilities=plan.capabilities,
            normalise=plan.normalise,
            echo=plan.echo,
            tick=plan.tick,
            ahead=plan.ahead,
            lag=plan.lag,
            counts_rows=plan.counts_rows,
            tells_version=plan.tells_version,
        )
        system.wire = BadWire(self, plan)
        common: dict[str, Any] = {
            "direction": plan.direction,
            "deletes": plan.deletes,
            "brake": plan.brake,
        }
        common["overlap"] = plan.overlap
        common["schedule"] = f"every {self.scenario.every}s"
        if plan.full:
            common["full_schedule"] = f"every {self.scenario.every * 2}s"
        mappings = {"customers": scenario.customer_mapping(plan)}
        if self.scenario.orders:
            mappings |= {"products": scenario.PRODUCT, "orders": scenario.ORDER}
        for stream, document in mappings.items():
            self.world.flow(f"{plan.name}-{stream}", plan.name, document, **common)

    # ---------------------------------------------------------------------------------- the storm

    def run(self) -> Outcome:
        try:
            self._storm()
            self._calm()
        except Violation as e:
            self.outcome.violations.append(str(e))
        except Exception as e:
            self.outcome.violations.append(f"the engine raised {type(e).__name__}: {e}")
        self.outcome.digest = xxh3_64_hexdigest(repr((self.outcome.events, self.tables())).encode())
        return self.outcome

    def _storm(self) -> None:
        begin = self.clock.moment
        self.users.plan()
        for _ in range(self.scenario.workers):
            self._enter(timedelta(seconds=self.rng.random()))
        for seconds in range(20, int(self.scenario.span.total_seconds()) + 60, 40):
            self.stage.at(begin + timedelta(seconds=seconds), self.admin.resume)
        self.stage.play(begin + self.scenario.span + timedelta(seconds=self.rng.choice((1, 30))))

    def _enter(self, wait: timedelta) -> None:
        """A worker process starts."""
        self.lives += 1
        player = Player(self._work, f"worker-{self.lives}")
        self.stage.at(self.clock.moment + wait, player)

    def _work(self, player: Player) -> None:
        jobs = self.world.jobs(player.name)
        try:
            while True:
                now = self.clock.now()
                wake_at = jobs.step(now, schedules=True)
                wait = (wake_at - self.clock.moment) if wake_at else timedelta(0)
                self.stage.pause(max(wait, PATIENCE) if wake_at else timedelta(0))
        except Crash:
            return

    def fault(self, name: str) -> None:
        """A fault point was passed: crash here, pause here, let others act, or go on."""
        player = Stage.player()
        if player is None:
            return
        if player.killed:
            raise Crash(player.name)
        if self.stormy and self.crashes and self.rng.random() < self.scenario.crash:
            self._crash(player, name)
        if self.world.store.in_transaction:
            self._check_lease(player, name)
        elif self.stormy and self.pauses and name in PAUSABLE and self.rng.random() < 0.1:
            self.pauses -= 1
            wait = timedelta(seconds=self.rng.choice((5, 9, 20)))
            self.note(player.name, f"sleeps {wait.seconds} s at {name}")
            self.stage.pause(wait)
        elif self.rng.random() < 0.2:
            self.stage.pause(timedelta(0))

    def _crash(self, player: Player, name: str) -> None:
        self.crashes -= 1
        self.outcome.counts["crashes"] = self.outcome.counts.get("crashes", 0) + 1
        self.note(player.name, f"is killed at {name}")
        player.killed = True
        self._enter(timedelta(seconds=self.rng.choice((0.1, 3, 10))))
        raise Crash(player.name)

    def _check_lease(self, player: Player, name: str) -> None:
        """I10: what a worker commits, it commits under a lease that is its own."""
        work, _, when = name.partition(":")
        if when != "before-commit" or work not in PROTECTED:
            return
        held = self.raw.execute(
            "SELECT count(*) FROM source WHERE lease_owner = ?", (player.name,)
        ).fetchone()[0]
        if not held:
            self.outcome.violations.append(f"I10: {player.name} commits {work} without a lease")
        if work == "sweep":
            self._check_ghosts()

    def _check_ghosts(self) -> None:
        """I11: what was there all through a reading is not taken for deleted when it ends."""
        flows = {flow.source_id: flow for flow in self.world.flows.values()}
        ghosts = "SELECT source_id, external_id FROM link WHERE state = 'ghost'"
        for source_id, key in self.raw.execute(ghosts).fetchall():
            stream, system = (
                flows[source_id].stream.name,
                self.world.systems[flows[source_id].connection],
            )
            since = system.reading_since.get(stream)
            if key in system.rows(stream) and since and system.born[key] < since:
                text = f"I11: {flows[source_id].name} {key} was taken for deleted, and is there"
                self.outcome.violations.append(text)

    def wait_on_wire(self) -> None:
        """A call takes its time.  A living process renews its leases meanwhile."""
        player = Stage.player()
        if player is None:
            return
        if player.killed:
            raise Crash(player.name)
        wait = self.rng.choice((0.01, 0.05, 0.3, 2.0))
        self.stage.pause(timedelta(seconds=wait))

    def watch(
        self,
        system: MemorySystem,
        change: Change,
        apply: Apply,
        shown: Mapping[str, datetime] | None = None,
    ) -> WriteResult:
        """Apply a write of the hub, and see what it overwrites.

        *shown*: how far the hub had read, by stream, when it sent a write that acts only now.
        """
        before = {k: dict(r) for s in system.streams.values() for k, r in s.items()}
        writes = system.writes
        result = apply(change)
        name = next(n for n, s in self.world.systems.items() if s is system)
        what = change.remote_id or change.values.get("code", "")
        columns = {k: str(v) for k, v in change.values.items()}
        self.note(name, f"{change.op} {what} {columns}: {result.outcome} {result.remote_id}")
        if result.outcome != "applied" or system.writes == writes:
            return result
        if change.op == "create":
            self._count_create(name, change, shown or system.read_through)
        elif "customers" in system.streams and result.remote_id in system.streams["customers"]:
            old = before[result.remote_id]
            self._needless(name, change, old, system.streams["customers"][result.remote_id])
            self._overwritten(name, change, old, system.streams["customers"][result.remote_id])
        return result

    def _count_create(self, name: str, change: Change, shown: Mapping[str, datetime]) -> None:
        code = str(change.values.get("code"))
        key = (name, code)
        self.creates[key] = self.creates.get(key, 0) + 1
        if code in self.model.deleted | self.model.raced:
            return
        system = self.world.systems[name]
        stream = {"P": "products", "O": "orders"}.get(code[0], "customers")
        rows = [r for r in system.rows(stream).values() if r["code"] == code]
        if self.creates[key] > 1:
            self.outcome.violations.append(f"I2: {code} was created twice in {name}")
        elif len(rows) > 1:
            born = min(system.born[r["id"]] for r in rows)
            seen = shown.get(stream)
            if seen and born < seen:
                text = f"I2: {code} was created in {name}, where the hub had been shown it"
                self.outcome.violations.append(text)
            self.model.raced.add(code)

    def _needless(
        self, name: str, change: Change, old: dict[str, Any], new: dict[str, Any]
    ) -> None:
        """I4: an update changes something, unless the system has a will of its own."""
        (plan,) = (p for p in self.scenario.systems if p.name == name)
        stamps = ("modified", "version")
        same = all(old.get(c) == new.get(c) for c in {*old, *new} if c not in stamps)
        if same and not plan.habits:
            self.outcome.violations.append(f"I4: an update of {name} {old['id']} changed nothing")

    def _overwritten(
        self, name: str, change: Change, old: dict[str, Any], new: dict[str, Any]
    ) -> None:
        """I3: a write must not wipe what the hub never saw, where the system would have told."""
        for column in TRACKED:
            gone = set(model.tokens(old.get(column))) - set(model.tokens(new.get(column)))
            unseen = gone - set(model.tokens(change.row.get(column)))
            if not unseen:
                continue
            looked = self.world.systems[name].fetched.get(change.remote_id)
            for token in sorted(unseen):
                write = self.model.writes.get(token)
                if change.version is None and looked and write and write.at >= looked:
                    self.model.excused.add(token)  # between the look and the write
                else:
                    text = f"I3: {name} {change.remote_id}.{column}: a write wiped {token}"
                    self.outcome.violations.append(f"{text}, which the hub had never seen")

    # ----------------------------------------------------------------------------------- the calm

    def _calm(self) -> None:
        """Faults end and users stop; the hub must come to rest, and everything must agree."""
        self.stormy = False
        self.stage.clear()
        self.note("storm", "ends")
        self.stage.play(self.clock.moment + timedelta(hours=1))
        if runs.live(self.world.env):
            self._cycle(full=False)  # what was begun in the storm, without another overlap
        for cycle in range(CYCLES):
            self.admin.resume(approve=1000)
            self.steward.decide()
            before = self._pulse()
            self._cycle(full=cycle >= 1)
            if cycle == 0:
                oracle.check_reads(self)
            if cycle >= 2 and self._pulse() == before:
                oracle.check(self)
                return
        raise Violation(f"I1: no rest after {CYCLES} cycles without edits or faults")

    def _pulse(self) -> tuple[Any, ...]:
        seq = self.raw.execute("SELECT max(seq) FROM journal").fetchone()[0]
        conflicts = self.raw.execute("SELECT count(*) FROM conflict").fetchone()[0]
        return (self.world.writes, seq, conflicts)

    def _cycle(self, *, full: bool) -> None:
        """Every flow once, by one worker that nothing disturbs."""
        self.note("hub", "full cycle" if full else "cycle")
        self.clock.moment += timedelta(minutes=10)
        env, jobs = self.world.env, self.world.jobs("calm")
        for flow in self.world.flows.values():
            runs.request(env, flow, trigger="manual", full=full)
        for _ in range(STEPS):
            wake_at = jobs.step(self.clock.now(), schedules=False)
            if wake_at is not None:
                if not runs.live(env):
                    return
                self.clock.moment = max(self.clock.moment, wake_at)
        raise Violation(f"I1: a cycle did not end within {STEPS} steps")

    # ------------------------------------------------------------------------------------- records

    def note(self, who: str, what: str) -> None:
        self.outcome.events.append((self.clock.moment, who, what))

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table, whole."""
        names = [row[0] for row in self.raw.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]  # fmt: skip
        return {n: self.raw.execute(f'SELECT * FROM "{n}"').fetchall() for n in names}
