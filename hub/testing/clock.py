"""A clock that stands still until it is told to move, or until somebody sleeps on it."""

from datetime import UTC, datetime, timedelta


class StillClock:
    """Virtual time: `sleep` moves it on at once."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)) -> None:
        self.moment = start

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)  # two events are never at one instant
        return self.moment

    def sleep(self, duration: timedelta) -> None:
        self.moment += duration

    def monotonic(self) -> float:
        return self.moment.timestamp()
