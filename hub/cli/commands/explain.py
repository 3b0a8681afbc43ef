"""explain and why-not: why a field is as it is, and why something did not arrive."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from hub.cli.base import Command, Outcome, State, language, option
from hub.cli.screen import Screen, clean
from hub.errors import Problem
from hub.i18n import _, render, render_hint, translate

JOINED = {"en": ("; ", "."), "zh": ("；", "。")}


@click.command(
    cls=Command,
    help="Why a field has its value: who said so, when, by which rule, over whom, and who has it"
    " now.\n\nFIELD may be a part or an item: address.city, lines[3].qty; without it, all fields.",
)
@click.argument("entity")
@click.argument("key")
@click.argument("field", required=False, default="")
@click.pass_obj
def explain(state: State, entity: str, key: str, field: str) -> Outcome:
    with state.hub() as hub:
        found = hub.explain(entity, key, field)
    screen = Screen(state)
    for story in found["fields"]:
        story["sentence"] = _sentence(screen, story.pop("clauses"))

    def show(screen: Screen) -> None:
        if not found["fields"]:
            screen.line(_("Nothing is known of this record."))
        for story in found["fields"]:
            screen.raw(story["sentence"])

    return Outcome(found, show)


def _sentence(screen: Screen, clauses: Sequence[Mapping[str, Any]]) -> str:
    between, end = JOINED[screen.language]
    texts = [render(screen.readable(Problem.from_json(c)), screen.language) for c in clauses]
    return clean(between.join(texts) + end)


# ---------------------------------------------------------------------------------------- why-not


@click.command(
    "why-not",
    cls=Command,
    help="Why a row did not arrive from CONNECTION; ROW is its key there.\n\n"
    "With --record ENTITY KEY: why a record of the hub is not there.",
)
@click.argument("connection")
@click.argument("row", required=False)
@option("--record", nargs=2, metavar="ENTITY KEY", help="This record, on its way out.")
@option("--look", is_flag=True, help="Ask the system for the row as well.")
@click.pass_obj
def why_not(
    state: State, connection: str, row: str | None, record: tuple[str, str] | None, look: bool
) -> Outcome:
    if (row is None) == (record is None):
        raise click.UsageError(translate(_("give either ROW or --record ENTITY KEY"), language()))
    with state.hub() as hub:
        if record is not None:
            found = hub.why_not_record(connection, *record)
        else:
            found = hub.why_not(connection, str(row), look=look)
    return Outcome(found, lambda screen: _show_reasons(screen, found))


def _show_reasons(screen: Screen, found: Mapping[str, Any]) -> None:
    for flow in found["flows"]:
        if flow["flow"]:
            screen.line(_("Flow {flow} {stream}:"), flow=flow["flow"], stream=flow["stream"])
        for reason in flow["reasons"]:
            problem = screen.readable(Problem.from_json(reason))
            state = "ok" if problem.code in FINE else "warn"
            text = render(problem, screen.language)
            screen.mark(state, text, render_hint(problem, screen.language))


FINE = ("arrived", "there", "spelled", "unchanged", "due", "will-be-read")

COMMANDS: tuple[click.Command, ...] = (explain, why_not)
