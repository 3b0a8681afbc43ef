"""undo: take back what a run did, in the systems too."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from hub.cli.base import Command, Outcome, State, language, option
from hub.cli.screen import Screen
from hub.errors import Problem
from hub.i18n import _, render, render_hint, translate

REFUSED = 3
APPROVAL = 7
SHOWN = 20
TOLD = {
    "written": _("put back"),
    "made-again": _("made again"),
    "deleted-there": _("deleted"),
    "left-out": _("left out from now on"),
    "made-there": _("made by the hub, stay"),
    "gone-there": _("gone there, stay gone (--remake makes them again)"),
    "gone-for-good": _("gone there, cannot be made again"),
    "only-read": _("stay as they are: no flow writes there"),
    "no-updates": _("stay as they are: no updates are taken"),
    "no-deletes": _("stay: no deletes are taken"),
    "not-mapped": _("not touched: these fields are not mapped there"),
}


@click.command(
    cls=Command,
    help="Take back what a run did, wherever nobody changed it since; in the systems too.\n\n"
    "It shows what will be undone and what cannot be, and asks. An undo is a run of its own, and can"
    " itself be undone.",
)
@click.argument("run", required=False)
@option(
    "--change",
    "seq",
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Only this line of hub history.",
)
@option("--field", "fields", multiple=True, help="Only this field.")
@option("--remake", is_flag=True, help="Also make rows again that were deleted in a system.")
@option("--dry-run", is_flag=True, help="Show what would be undone, and end.")
@option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def undo(state: State, /, run: str | None, seq: int | None, **options: Any) -> Outcome:
    from hub.cli.progress import progress

    if (run is None) == (seq is None):
        raise click.UsageError(translate(_("give either RUN or --change NUMBER"), language()))
    screen = Screen(state)
    chosen = {"seq": seq, "fields": options["fields"], "remake": options["remake"]}
    with state.hub() as hub, progress(screen) as told:
        plan = hub.undo_plan(run, **chosen)
        if options["dry_run"] or not _something(plan):
            return Outcome(plan, lambda s: _show(s, plan), 0)
        if not options["yes"]:
            if state.json or not sys.stdin.isatty():
                return Outcome(plan, lambda s: _show(s, plan, ask=True), APPROVAL)
            _show(screen, plan)
            if not click.confirm(translate(_("Undo this?"), state.language)):
                raise click.Abort
        done = hub.undo(run, **chosen, progress=told)
    return Outcome(done, lambda s: _show(s, done), REFUSED if done["refused"] else 0)


def _something(plan: Mapping[str, Any]) -> bool:
    return bool(plan["records"])


def _show(screen: Screen, found: Mapping[str, Any], *, ask: bool = False) -> None:
    if not _something(found) and not found["refused"]:
        already = found["already"]
        text = _("It is taken back already.") if already else _("There is nothing to take back.")
        screen.mark("ok", screen.text(text))
        return
    rows = [row for step in found["steps"] for row in _rows(screen, step)]
    if rows:
        screen.table([_("Entity"), _("Record"), _("Field"), _("Now"), _("Back to")], rows[:SHOWN])
    if len(rows) > SHOWN:
        screen.line(
            _("… and {more} more: --json has {shown} records"),
            more=len(rows) - SHOWN,
            shown=len(found["steps"]),
        )
    for connection, kinds in sorted(found["systems"].items()):
        for kind, count in sorted(kinds.items()):
            what = screen.text(TOLD[kind])
            screen.line(
                _("{connection}: {count} rows: {what}"),
                connection=connection,
                count=count,
                what=what,
            )
    _show_refused(screen, found)
    if found["undo"]:
        text = _("{records} records are back, {fields} fields. Sent with the next run: hub sync")
        screen.mark("ok", screen.text(text, **_counts(found)))
        screen.note(_("→ Take this back in turn: hub undo {undo}"), undo=found["undo"])
    else:
        screen.line(
            _("{records} records would go back, {fields} fields; {refused} refused."),
            **_counts(found),
        )
    if ask:
        screen.note(_("→ Nothing was changed. Do it: --yes"))


def _counts(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("records", "fields", "refused")}


def _rows(screen: Screen, step: Mapping[str, Any]) -> list[list[Any]]:
    head = [step["entity"], step["record"]]
    rows = [[*head, f["field"], f["now"], f["back"]] for f in step["fields"]]
    if step["op"] != "update":
        rows.append([*head, f"({step['op']})", "", ""])
    return rows


def _show_refused(screen: Screen, found: Mapping[str, Any]) -> None:
    shown = 0
    for step in found["steps"]:
        for refused in step["refused"]:
            if shown < SHOWN:
                problem = screen.readable(Problem.from_json(refused))
                text = f"{step['record']} {render(problem, screen.language)}"
                screen.mark("fail", text, render_hint(problem, screen.language))
            shown += 1


COMMANDS: tuple[click.Command, ...] = (undo,)
