"""Progress on stderr: bars with rate and remaining time on a terminal, else a line now and then."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from hub.cli.screen import Screen
from hub.i18n import _
from hub.seams import SystemClock

EVERY = 5.0
PHASES = {
    "pull": _("reading"),
    "push": _("writing"),
    "index": _("indexing"),
    "scan": _("comparing"),
    "learn": _("learning"),
}


class Lines:
    """For files and services: a line every few seconds, never more."""

    def __init__(self, screen: Screen, monotonic: Callable[[], float]) -> None:
        self._screen = screen
        self._monotonic = monotonic
        self._began: dict[tuple[str, str], float] = {}
        self._said = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __call__(self, event: Mapping[str, Any]) -> None:
        now = self._monotonic()
        began = self._began.setdefault((event["flow"], event["phase"]), now)
        if now - self._said < EVERY:
            return
        self._said = now
        seconds = max(now - began, 0.001)
        rate = event["done"] / seconds
        template = _("{flow} {phase}: {done} of {total}, {rate}/s, {left} left")
        if not event.get("total"):
            template = _("{flow} {phase}: {done}, {rate}/s")
        self._screen.note(
            template,
            flow=event["flow"],
            phase=phase(self._screen, event["phase"]),
            done=event["done"],
            total=event.get("total"),
            rate=round(rate),
            left=_left(event, rate),
        )


def _left(event: Mapping[str, Any], rate: float) -> str:
    rows = max((event.get("total") or 0) - event["done"], 0)
    return str(timedelta(seconds=round(rows / rate))) if rate else "—"


PHASES = {
    "pull": _("reading"),
    "push": _("writing"),
    "plan": _("planning"),
    "apply": _("applying"),
}


def phase(screen: Screen, name: str) -> str:
    return screen.text(PHASES.get(name, name))


class Bars:
    """For people: a bar per flow and phase."""

    def __init__(self, screen: Screen) -> None:
        from rich import progress

        self._screen = screen
        self._tasks: dict[tuple[str, str], Any] = {}
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}", markup=False),
            progress.TimeRemainingColumn(),
            console=screen.err,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, tb: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, event: Mapping[str, Any]) -> None:
        key = (event["flow"], event["phase"])
        if key not in self._tasks:
            title = f"{event['flow']} {phase(self._screen, event['phase'])}"
            self._tasks[key] = self._bars.add_task(title, total=None, rate="")
        task = self._tasks[key]
        speed = next((t.speed for t in self._bars.tasks if t.id == task), None)
        rate = f"{speed:,.0f}/s" if speed else ""
        self._bars.update(task, completed=event["done"], total=event.get("total"), rate=rate)


def progress(screen: Screen) -> Lines | Bars:
    if screen.err.is_terminal and not screen.state.json:
        return Bars(screen)
    return Lines(screen, SystemClock().monotonic)
