"""mappings: list, show, export."""

from typing import Any

import click

from hub.cli.base import Group, Outcome, State
from hub.cli.screen import Screen
from hub.i18n import _


@click.group(cls=Group, help="The mappings: see, check, try and compare them.")
def mappings() -> None:
    pass


@mappings.command("list", help="List the mappings, those of this hub and those it came with.")
@click.pass_obj
def list_(state: State) -> Outcome:
    with state.hub() as hub:
        found = [_described(name, m) for name, m in sorted(hub.mappings().items())]

    def show(screen: Screen) -> None:
        if not found:
            screen.line(_("There are no mappings yet."))
            return
        titles = [_("Mapping"), _("Entity"), _("Stream"), _("Key"), _("Version")]
        names = ("mapping", "entity", "stream", "key", "version")
        screen.table(
            titles, [[f[n] if n != "key" else ", ".join(f[n]) for n in names] for f in found]
        )

    return Outcome(found, show)


def _described(name: str, mapping: Any) -> dict[str, Any]:
    return {
        "mapping": name,
        "entity": mapping.entity.name,
        "stream": mapping.stream,
        "key": list(mapping.key),
        "version": mapping.version,
    }


COMMANDS: tuple[click.Command, ...] = (mappings,)
