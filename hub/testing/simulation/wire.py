"""The way between hub and system in a simulation: slow, and as bad as the seed says."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from hub.connector import Change, WriteResult
from hub.errors import ProtocolError, RateLimitError, RemoteError, UnavailableError
from hub.testing.memory import Apply, MemorySystem, Wire

if TYPE_CHECKING:
    from hub.testing.simulation.run import Simulation
    from hub.testing.simulation.scenario import SystemPlan

CUT = "the connection was cut"


class BadWire(Wire):
    def __init__(self, sim: "Simulation", plan: "SystemPlan") -> None:
        self.sim, self.plan = sim, plan

    @property
    def system(self) -> MemorySystem:
        return self.sim.world.systems[self.plan.name]

    def call(self, kind: str) -> None:
        self.sim.wait_on_wire()
        if self._strikes("unavailable"):
            raise self._fault(kind, UnavailableError("no answer"))
        if self._strikes("rate"):
            wait = self.sim.rng.choice((None, 0, 1, 5, 60))
            after = None if wait is None else timedelta(seconds=wait)
            raise self._fault(kind, RateLimitError("slow down", retry_after=after))
        if self._strikes("protocol", 0.3):
            raise self._fault(kind, ProtocolError("a page of HTML"))

    def hollow(self, total: int | None, *, first: bool) -> bool:
        """Only where it can be noticed: at the very first page, or if the system counts its rows."""
        if (first or total is not None) and self._strikes("hollow"):
            self.sim.note(self.plan.name, "a reading ends early, without an error")
            return True
        return False

    def answer(self, kind: str) -> None:
        self.sim.fault(f"remote:{kind}")
        self.sim.wait_on_wire()
        if self._strikes("lost"):
            raise self._fault(kind, UnavailableError(CUT, may_have_acted=kind == "write"))

    def write(self, batch: Sequence[Change], apply: Apply) -> list[WriteResult]:
        if self._strikes("late") and self._may_be_late(batch):
            self._write_later(batch, apply)
            raise self._fault("write", UnavailableError("timed out", may_have_acted=True))
        results = []
        cut = self.sim.rng.randrange(len(batch)) if self._strikes("partial") else None
        for number, change in enumerate(batch):
            if number == cut:
                raise self._fault("write", UnavailableError(CUT, may_have_acted=True))
            results.append(self._one(change, apply))
        if self._strikes("missing"):
            self.sim.note(self.plan.name, "an answer lacks a result")
            results.pop(self.sim.rng.randrange(len(results)))
        self.sim.rng.shuffle(results)
        return results

    def _one(self, change: Change, apply: Apply) -> WriteResult:
        if change.op != "delete" and self._strikes("rejected"):
            self.sim.note(self.plan.name, f"refuses a {change.op} {change.remote_id}")
            return WriteResult.rejected(change.key, code="busy", message="not now")
        return self.sim.watch(self.system, change, apply)

    def _may_be_late(self, batch: Sequence[Change]) -> bool:
        """A late create is what `settle` promises to wait for; others a version must stop."""
        lag, can = self.system.lag, self.plan.capabilities
        return all(
            bool(lag) if c.op == "create" else can.conditional_writes and c.version is not None
            for c in batch
        )

    def _write_later(self, batch: Sequence[Change], apply: Apply) -> None:
        lag = self.system.lag or timedelta(seconds=20)
        moment = self.sim.clock.moment + lag * self.sim.rng.random()
        shown = dict(self.system.read_through)

        def act() -> None:
            for change in batch:
                self.sim.watch(self.system, change, apply, shown)

        self.sim.stage.at(moment, act)

    def _strikes(self, kind: str, share: float = 1.0) -> bool:
        rate = self.sim.faults[kind] * share
        return bool(rate) and self.sim.stormy and self.sim.rng.random() < rate

    def _fault(self, kind: str, error: RemoteError) -> RemoteError:
        self.sim.note(self.plan.name, f"{kind}: {type(error).__name__} {error}")
        return error
