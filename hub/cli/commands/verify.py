"""verify: whether the hub's own books are right, and what would mend them."""

from collections.abc import Mapping
from typing import Any

import click

from hub.cli.base import Command, Outcome, State, language, option
from hub.cli.screen import Screen
from hub.errors import Problem
from hub.i18n import _, render, render_hint, translate

DIFFERENT = 1
CHECKS = {
    "journal": _("the journal gives the records"),
    "values": _("values hold, money to the last digit"),
    "references": _("references lead somewhere"),
    "merges": _("merged records lead to one that lives"),
    "links": _("links are as the journal says, and readable"),
    "outbox": _("what differs is on its way"),
    "intents": _("every write has an outcome"),
    "aside": _("what is set aside waits for a reason"),
    "conflicts": _("conflicts are about linked rows"),
    "runs": _("every row read is counted once"),
    "cursors": _("every read knows where to go on"),
    "leases": _("nothing is held by the dead"),
    "remote": _("the systems hold what the hub saw there"),
}


@click.command(
    cls=Command,
    help="Check the hub's own books: journal, links, pending writes, counts.\n\n"
    "--repair says what would mend each difference; with --yes it is done. Records change only as"
    " every record does: journaled, and told to the systems.",
)
@option("--repair", is_flag=True, help="Say what would mend each difference.")
@option("--yes", is_flag=True, help="Do it.")
@option("--remote", is_flag=True, help="Also read the systems in full and compare.")
@click.pass_obj
def verify(state: State, repair: bool, yes: bool, remote: bool) -> Outcome:
    from hub.cli.progress import progress

    if yes and not repair:
        raise click.UsageError(translate(_("--yes goes with --repair"), language()))
    with state.hub() as hub, progress(Screen(state)) as told:
        found = hub.verify(repair=repair and yes, remote=remote, progress=told)
    return Outcome(
        found,
        lambda screen: _show(screen, found, plan=repair and not yes),
        0 if found["ok"] else DIFFERENT,
    )


def _show(screen: Screen, found: Mapping[str, Any], *, plan: bool) -> None:
    wrong = {kind["check"] for kind in found["found"]}
    for check in found["checks"]:
        if check not in wrong:
            screen.mark("ok", screen.text(CHECKS[check]))
    for kind in found["found"]:
        _show_kind(screen, kind)
    if not found["found"]:
        return
    screen.line()
    if found["mended"]:
        screen.line(_("{mended} of {count} differences are mended."), **_counted(found))
    elif plan:
        _show_plan(screen, found)
    else:
        screen.line(
            _("{count} differences. What would mend them: hub verify --repair"), **_counted(found)
        )


def _counted(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("count", "mended")}


def _show_kind(screen: Screen, kind: Mapping[str, Any]) -> None:
    state = "ok" if kind["mended"] == kind["count"] else "fail"
    title = screen.text(CHECKS[kind["check"]])
    screen.mark(state, f"{title}: {kind['count']} ({kind['kind']})")
    shown = kind["examples"][:3]
    for example in shown:
        problem = Problem(
            example["code"],
            example["message"],
            hint=example.get("hint", ""),
            values=example.get("values", {}),
        )
        screen.mark("warn", "  " + render(problem, screen.language))
    screen.mark("ok" if state == "ok" else "warn", "  → " + render_hint(problem, screen.language))
    if kind["count"] > len(shown):
        screen.line(
            _("    … and {more} more: --json has examples"), more=kind["count"] - len(shown)
        )


def _show_plan(screen: Screen, found: Mapping[str, Any]) -> None:
    titles = [_("Kind"), _("How many"), _("What would be done")]
    rows = [
        [
            kind["kind"],
            kind["count"],
            screen.text(kind["remedy"]) if kind["remedy"] else _by_hand(screen),
        ]
        for kind in found["found"]
    ]
    screen.table(titles, rows)
    screen.line(_("Nothing was changed. Do it: hub verify --repair --yes"))


def _by_hand(screen: Screen) -> str:
    return screen.text(_("nothing by itself: see the remedy above"))


COMMANDS: tuple[click.Command, ...] = (verify,)
