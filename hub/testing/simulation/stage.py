"""Virtual time: workers as greenlets, everything else as events, in an order that the seed decides.

Production code stays blocking: each sleep, remote call and fault point outside of a transaction may
hand over to whoever is due next.
"""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

from hub.testing.clock import StillClock


class Crash(BaseException):
    """The process ends here; nothing of it is left but the database."""


class StageClock(StillClock):
    """On the stage, whoever sleeps lets others act; off it, time moves on at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pause: Callable[[timedelta], None] | None = None

    def sleep(self, duration: timedelta) -> None:
        if self.pause is not None and isinstance(getcurrent(), Player):
            self.pause(duration)
        else:
            super().sleep(duration)


class Player(greenlet):
    """A worker process on the stage.  `killed`: it was killed, and every step it takes ends at once."""

    def __init__(self, act: Callable[["Player"], None], name: str) -> None:
        super().__init__(lambda: act(self))
        self.name = name
        self.killed = False


class Stage:
    """Who acts when."""

    def __init__(self, clock: StageClock) -> None:
        self.clock = clock
        clock.pause = self.pause
        self._queue: list[tuple[datetime, int, Any]] = []
        self._number = 0
        self._main = getcurrent()

    def at(self, moment: datetime, act: "Callable[[], None] | Player") -> None:
        self._number += 1
        heapq.heappush(self._queue, (moment, self._number, act))

    def pause(self, duration: timedelta) -> None:
        """The acting player waits; others may act meanwhile."""
        player = getcurrent()
        assert isinstance(player, Player)
        self.at(self.clock.moment + duration, player)
        self._main.switch()
        if player.killed:
            raise Crash(player.name)

    def play(self, until: datetime) -> None:
        """Let everybody act until then."""
        while self._queue and self._queue[0][0] <= until:
            moment, _, act = heapq.heappop(self._queue)
            self.clock.moment = max(self.clock.moment, moment)
            if isinstance(act, Player):
                if not act.killed:
                    act.switch()
            else:
                act()
        self.clock.moment = max(self.clock.moment, until)

    def clear(self) -> None:
        """Kill every player where it stands; what else was due still comes."""
        rest, self._queue = self._queue, []
        for moment, number, act in sorted(rest, key=lambda entry: entry[:2]):
            if isinstance(act, Player):
                act.killed = True
                if act:
                    act.throw(Crash(act.name))
            else:
                heapq.heappush(self._queue, (moment, number, act))

    @staticmethod
    def player() -> Player | None:
        current = getcurrent()
        return current if isinstance(current, Player) else None
