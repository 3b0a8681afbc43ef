"""db: upgrade, status, check."""

from typing import Any

import click

from hub.cli.base import Group, Outcome, State
from hub.cli.screen import Screen
from hub.i18n import _


@click.group("db", cls=Group, help="Upgrade and check the hub's own database.")
def database() -> None:
    pass


@database.command(help="Bring the database to what this version needs.")
@click.pass_obj
def upgrade(state: State) -> Outcome:
    with state.unready_hub() as hub:
        steps = hub.upgrade()

    def show(screen: Screen) -> None:
        for step in steps:
            screen.mark("ok", step)
        if not steps:
            screen.line(_("The database is up to date already."))

    return Outcome({"steps": steps}, show)


@database.command(help="Show the version of the database.")
@click.pass_obj
def status(state: State) -> Outcome:
    return _schema(state, failing=False)


@database.command(help="The same as status; exit code 1 when an upgrade is needed.")
@click.pass_obj
def check(state: State) -> Outcome:
    return _schema(state, failing=True)


@database.command(help="For authors of modules: draft the next migration of MODULE's own tables.")
@click.argument("module")
@click.option("-m", "--message", default="tables", show_default=True)
@click.pass_obj
def revision(state: State, module: str, message: str) -> Outcome:
    with state.unready_hub() as hub:
        path = hub.draft_migration(module, message)
    return Outcome({"path": path}, lambda screen: screen.mark("ok", path))


def _schema(state: State, *, failing: bool) -> Outcome:
    with state.unready_hub() as hub:
        found: dict[str, Any] = hub.schema_state()

    def show(screen: Screen) -> None:
        if found["ok"]:
            screen.mark("ok", screen.text(_("The database is up to date ({current})."), **found))
        else:
            message = _("The database is at {current}; this version needs {head}.")
            screen.mark("fail", screen.text(message, **found), "hub db upgrade")

    return Outcome(found, show, 1 if failing and not found["ok"] else 0)


COMMANDS: tuple[click.Command, ...] = (database,)
