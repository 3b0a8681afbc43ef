"""What the core takes from outside: time, ids, randomness, and the points where a test may crash it.

Nothing in `hub/` reads a clock, draws a random number or makes an id in another way, so that a
simulation can own all three and replay a history from its seed.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current instant, aware, in UTC."""

    def sleep(self, duration: timedelta) -> None: ...

    def monotonic(self) -> float:
        """Seconds that never run backwards: for rates and deadlines, not for dates."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, duration: timedelta) -> None:
        time.sleep(max(0.0, duration.total_seconds()))  # noqa: TID251 - the one place

    def monotonic(self) -> float:
        return time.monotonic()


class Ids:
    """UUID version 7: ordered by the millisecond of `clock`, unique by 74 random bits."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._bits = rng.getrandbits

    def new(self) -> str:
        return self.batch(1)[0]

    def batch(self, count: int) -> list[str]:
        """`count` ids of one instant, ascending, so that a batch is inserted in index order."""
        stamp = f"{int(self._clock.now().timestamp() * 1000):012x}"
        bits = self._bits
        tails = sorted(bits(74) for _ in range(count))
        head = f"{stamp[:8]}-{stamp[8:]}-7"
        out = []
        for tail in tails:
            text = f"{0x8000 | (tail >> 48 & 0x3FFF):04x}{tail & 0xFFFFFFFFFFFF:012x}"
            out.append(f"{head}{tail >> 62:03x}-{text[:4]}-{text[4:]}")
        return out


FaultPoint = Callable[[str], None]


def no_fault(name: str) -> None:
    """The fault point of production: passes."""


def kill_at(nth: int, name: str = "") -> FaultPoint:
    """A fault point that kills this process, as `kill -9` does, when it is passed for the nth time.

    With *name*, only fault points of that name count.
    """
    passed = 0

    def fault(point: str) -> None:
        nonlocal passed
        passed += not name or point == name
        if passed == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return fault


def fault_from_environment() -> FaultPoint:
    """For crash tests on real processes: where `HUB_KILL_AT` says, the process kills itself.

    `HUB_KILL_AT=7`: at the seventh fault point; `settle:before-commit@2`: at the second of that name.
    """
    name, _, nth = os.environ.get("HUB_KILL_AT", "").rpartition("@")
    if not nth.isdigit():
        name, nth = nth, "1" if nth else "0"
    return kill_at(int(nth), name) if int(nth) else no_fault
