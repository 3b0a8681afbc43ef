"""simulate: histories from seeds, judged by every invariant."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from hub.cli.base import Command, Outcome, State, option
from hub.cli.screen import Screen
from hub.errors import ConfigError
from hub.i18n import _
from hub.seams import SystemClock

if TYPE_CHECKING:
    from hub.testing.simulation import Outcome as History

FAILED = 1
SHOWN = 5


@click.command(
    name="simulate",
    cls=Command,
    help="Play histories of simulated systems, users and faults against the sync engine.",
)
@option("--seeds", type=click.IntRange(1), default=200, help="So many histories. [200]")
@option("--seed", type=click.IntRange(0), default=0, help="The first seed, or the one to tell. [0]")
@option("--trace", is_flag=True, help="Tell one history, event by event.")
@click.pass_obj
def simulate(state: State, seeds: int, seed: int, trace: bool) -> Outcome:
    if trace:
        history = _play(seed)
        return Outcome(_told(history), lambda screen: _tell(screen, history), _exit([history]))
    from hub.cli.progress import progress

    clock, begin, failed, crashes = SystemClock(), SystemClock().monotonic(), [], 0
    with progress(Screen(state)) as shown:
        for done, history in enumerate(_histories(seed, seeds), 1):
            crashes += history.counts.get("crashes", 0)
            failed += [history] if history.violations else []
            shown({"flow": "simulate", "phase": "seeds", "done": done, "total": seeds})
    seconds = clock.monotonic() - begin
    result = {
        "first": seed,
        "seeds": seeds,
        "crashes": crashes,
        "seconds": round(seconds, 1),
        "per_minute": round(seeds / max(seconds, 0.001) * 60),
        "failing": [{"seed": h.seed, "violations": h.violations} for h in failed],
    }
    return Outcome(result, lambda screen: _sum_up(screen, result), _exit(failed))


def _histories(first: int, count: int) -> Iterator["History"]:
    for seed in range(first, first + count):
        yield _play(seed)


def _play(seed: int) -> "History":
    try:
        from hub.testing.simulation import simulate as play
    except ModuleNotFoundError as e:
        raise ConfigError(
            "simulations need the package {name}",
            name=e.name or "greenlet",
            hint="Install it: pip install 'integration-hub[simulate]'.",
        ) from e
    return play(seed)


def _exit(histories: list["History"]) -> int:
    return FAILED if any(h.violations for h in histories) else 0


def _told(history: "History") -> dict[str, Any]:
    begin = history.events[0][0]
    events = [
        {"second": round((at - begin).total_seconds(), 3), "who": who, "what": what}
        for at, who, what in history.events
    ]
    told = {"seed": history.seed, "events": events, "digest": history.digest}
    return {**told, "violations": history.violations}


def _tell(screen: Screen, history: "History") -> None:
    events = _told(history)["events"]
    screen.table(
        [_("Second"), _("Who"), _("What")],
        [(f"{e['second']:.2f}", e["who"], e["what"]) for e in events],
    )
    _judge(screen, history.violations)


def _judge(screen: Screen, violations: list[str]) -> None:
    for violation in violations:
        screen.mark("fail", violation)
    if not violations:
        screen.mark("ok", screen.text(_("Every invariant holds.")))


def _sum_up(screen: Screen, result: Mapping[str, Any]) -> None:
    for failing in result["failing"]:
        screen.mark("fail", screen.text(_("seed {seed}"), seed=failing["seed"]))
        for violation in failing["violations"][:SHOWN]:
            screen.line("  {text}", text=violation)
        screen.line(_("  → Tell it: hub simulate --seed {seed} --trace"), seed=failing["seed"])
    screen.line(
        _("{seeds} histories, {failed} of them failing; {crashes} crashes; {rate} a minute."),
        seeds=result["seeds"],
        failed=len(result["failing"]),
        crashes=result["crashes"],
        rate=result["per_minute"],
    )


COMMANDS = [simulate]
