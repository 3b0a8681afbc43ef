"""modules, actions, reports: what modules add, seen and used from the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.base import Group, Outcome, State
from hub.cli.screen import Screen
from hub.i18n import _, render, render_hint

if TYPE_CHECKING:
    from hub.declare import Action, Report

PARAMS = "NAME=VALUE..."


@click.group(cls=Group, help="See the modules of this hub: sales, CRM, finance and others.")
def modules() -> None:
    pass


@modules.command("list", help="List the modules in use, and those that cannot be used, with why.")
@click.pass_obj
def modules_list(state: State) -> Outcome:
    from hub.declare import Action, Report

    with state.unready_hub() as hub:
        used = [
            {
                "name": m.name,
                "title": m.zh if state.language == "zh" else m.en,
                "requires": list(m.requires),
                "entities": [e.name for e in m.entities],
                "actions": [a.name for a in m.of(Action)],
                "reports": [r.name for r in m.of(Report)],
                "place": m.place,
            }
            for m in hub.modules.used.values()
        ]
        broken = dict(hub.modules.broken)

    def show(screen: Screen) -> None:
        if not used and not broken:
            screen.line(_("No modules. Bundled ones are loaded with the setting `plugins: all`."))
        if used:
            titles = [_("Module"), _("Title"), _("Requires"), _("Entities")]
            rows = [
                [m["name"], m["title"], ", ".join(m["requires"]), ", ".join(m["entities"])]
                for m in used
            ]
            screen.table(titles, rows)
        for error in broken.values():
            screen.mark("fail", render(error, screen.language), render_hint(error, screen.language))

    found = [{"name": n, "code": e.code, "message": str(e)} for n, e in broken.items()]
    return Outcome({"used": used, "broken": found}, show, 4 if broken else 0)


@click.group(cls=Group, help="See and do what the modules offer to do.")
def actions() -> None:
    pass


@actions.command("list", help="List the actions, the records they are on and their parameters.")
@click.pass_obj
def actions_list(state: State) -> Outcome:
    with state.hub() as hub:
        found = [_described(a, state.language) for a in hub.modules.actions.values()]
    return _listed(found, [_("Action"), _("Title"), _("On"), _("Parameters")])


@actions.command(
    "run",
    help="Do ACTION to the record KEY (its code or id); to none if the action is on none: -.",
)
@click.argument("action")
@click.argument("key", default="-")
@click.argument("params", metavar=PARAMS, nargs=-1)
@click.pass_obj
def actions_run(state: State, action: str, key: str, params: tuple[str, ...]) -> Outcome:
    with state.hub() as hub:
        found = hub.act(action, "" if key == "-" else key, _given(params, state))

    def show(screen: Screen) -> None:
        screen.mark("ok", screen.text(_("Done.")))
        if isinstance(found, Mapping):
            screen.pairs(found)

    return Outcome(found, show)


@click.group(cls=Group, help="See the figures of the modules.")
def reports() -> None:
    pass


@reports.command("list", help="List the reports and their parameters.")
@click.pass_obj
def reports_list(state: State) -> Outcome:
    with state.hub() as hub:
        found = [_described(r, state.language) for r in hub.modules.reports.values()]
    return _listed(found, [_("Report"), _("Title"), _("Parameters")])


@reports.command("run", help="Show the figures of REPORT.")
@click.argument("report")
@click.argument("params", metavar=PARAMS, nargs=-1)
@click.pass_obj
def reports_run(state: State, report: str, params: tuple[str, ...]) -> Outcome:
    with state.hub() as hub:
        found = hub.report(report, _given(params, state))
        declared = hub.modules.reports[report]
    titles = [column.label(state.language) for column in declared.columns]
    hidden = {declared.drill}
    shown = [c.name for c in declared.columns if c.name not in hidden]

    def show(screen: Screen) -> None:
        if not found:
            screen.line(_("Nothing falls into this report."))
            return
        names = [t for t, c in zip(titles, declared.columns, strict=True) if c.name in shown]
        screen.table(names, [[row[name] for name in shown] for row in found])

    return Outcome({"report": report, "rows": found}, show)


def _described(declared: "Action | Report", language: str) -> dict[str, Any]:
    from hub.declare import Action

    params = declared.params().fields
    on = {"on": declared.on} if isinstance(declared, Action) else {}
    return {
        "name": declared.name,
        "title": declared.zh if language == "zh" else declared.en,
        **on,
        "params": [f"{n}{'' if f.required else '?'}" for n, f in params.items()],
    }


def _listed(found: Sequence[Mapping[str, Any]], titles: Sequence[str]) -> Outcome:
    def show(screen: Screen) -> None:
        if not found:
            screen.line(_("The modules in use offer none."))
            return
        rows = [[*list(f.values())[:-1], " ".join(f["params"])] for f in found]
        screen.table(titles, rows)

    return Outcome(list(found), show)


def _given(params: Sequence[str], state: State) -> dict[str, str]:
    """`NAME=VALUE` texts as they are: the declaration reads them."""
    given = {}
    for text in params:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(
                Screen(state).text(_("write NAME=VALUE, not {text!r}"), text=text)
            )
        given[name] = value
    return given


@click.group(cls=Group, help="Start a module or a connector of your own, with tests that pass.")
def new() -> None:
    pass


@new.command(help="Write the files of a new module NAME into DIR (else ./NAME).")
@click.argument("name")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
def plugin(name: str, folder: Path | None) -> Outcome:
    return _new("plugin", name, folder)


@new.command(help="Write the files of a new connector NAME into DIR (else ./NAME).")
@click.argument("name")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
def connector(name: str, folder: Path | None) -> Outcome:
    return _new("connector", name, folder)


def _new(kind: str, name: str, folder: Path | None) -> Outcome:
    from hub.cli import templates

    target = folder or Path(name)
    written = templates.write(kind, name, target)

    def show(screen: Screen) -> None:
        for path in written:
            screen.mark("ok", str(path))
        screen.note(
            _("→ Try it: cd {folder} && pytest; README.md says how to use it."), folder=target
        )

    return Outcome({"folder": str(target), "files": [str(p) for p in written]}, show)


COMMANDS: tuple[click.Command, ...] = (modules, actions, reports, new)
