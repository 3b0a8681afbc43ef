"""connections: list, check, discover."""

from dataclasses import asdict
from typing import Any

import click

from hub.cli.base import Group, Outcome, State
from hub.cli.screen import Screen
from hub.errors import HubError, NotFoundError
from hub.i18n import _, render, render_hint


@click.group(cls=Group, help="The systems: list them, try them, see what they hold.")
def connections() -> None:
    pass


@connections.command("list", help="List the systems in the configuration.")
@click.pass_obj
def list_(state: State) -> Outcome:
    from hub.settings import load_settings

    settings = load_settings(state.home, state.overrides)
    found = [
        {
            "connection": name,
            "connector": c.connector,
            "title": c.title,
            "flows": [f.name for f in settings.flows.values() if f.connection == name],
        }
        for name, c in settings.connections.items()
    ]

    def show(screen: Screen) -> None:
        if not found:
            screen.line(_("No systems are connected yet."))
            return
        titles = [_("Connection"), _("Connector"), _("Title"), _("Flows")]
        rows = [[f["connection"], f["connector"], f["title"], ", ".join(f["flows"])] for f in found]
        screen.table(titles, rows)

    return Outcome(found, show)


@connections.command(help="Sign in to the systems NAME…, or to all.")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.pass_obj
def check(state: State, names: tuple[str, ...]) -> Outcome:
    with state.hub() as hub:
        chosen = names or tuple(hub.settings.connections)
        found = [_checked(hub, name, state.language) for name in chosen]

    def show(screen: Screen) -> None:
        for one in found:
            mark = "ok" if one["ok"] else "fail"
            screen.mark(mark, f"{one['connection']}: {one['message']}", one["hint"])
            for limit in one["limits"]:
                screen.line(f"    {limit}")

    code = next((one["exit_code"] for one in found if not one["ok"]), 0)
    return Outcome(found, show, code)


def _checked(hub: Any, name: str, language: str) -> dict[str, Any]:
    try:
        said = hub.check_connection(name)
    except HubError as e:
        message, hint = render(e, language), render_hint(e, language)
        bad = {"ok": False, "code": e.code, "exit_code": e.exit_code}
        return {"connection": name, "message": message, "hint": hint, "limits": [], **bad}
    good = {"ok": True, "code": "", "exit_code": 0}
    limits = _limits(hub, name, language)
    return {"connection": name, "message": said, "hint": "", "limits": limits, **good}


def _limits(hub: Any, name: str, language: str) -> list[str]:
    """What is not possible with the system, as its `connector.yaml` says."""
    from hub.extensions import manifest

    said = manifest(hub.settings.connections[name].connector).get("limits", [])
    return [str(limit.get(language) or limit["en"]) for limit in said]


@connections.command(help="Show the streams of the system NAME, or the columns of one STREAM.")
@click.argument("name")
@click.argument("stream", required=False)
@click.pass_obj
def discover(state: State, name: str, stream: str | None) -> Outcome:
    with state.hub() as hub:
        streams = list(hub.discover(name))
        limits = _limits(hub, name, state.language)
    if stream is None:
        shown = [_stream(s) for s in streams]
        return Outcome(shown, lambda screen: _streams(screen, streams, limits))
    found = next((s for s in streams if s.name == stream), None)
    if found is None:
        raise NotFoundError(
            "connection {name!r} has no stream {stream!r}",
            name=name,
            stream=stream,
            hint="See what it has: hub connections discover {name}",
        )
    return Outcome(asdict(found), lambda screen: _columns(screen, found))


def _stream(stream: Any) -> dict[str, Any]:
    return {
        "stream": stream.name,
        "label": stream.label,
        "key": list(stream.key),
        "cursor_column": stream.cursor_column,
        "writable": stream.writable,
        "columns": list(stream.columns),
    }


def _streams(screen: Screen, streams: list[Any], limits: list[str]) -> None:
    titles = [_("Stream"), _("Label"), _("Key"), _("Changed by"), _("Columns"), _("Writable")]
    screen.table(
        titles,
        [
            [s.name, s.label, ", ".join(s.key), s.cursor_column, len(s.columns), s.writable]
            for s in streams
        ],
    )
    for limit in limits:
        screen.line(limit)


def _columns(screen: Screen, stream: Any) -> None:
    titles = [_("Column"), _("Label"), _("Kind"), _("Required"), _("Writable"), _("Choices")]
    screen.table(
        titles,
        [
            [name, c.label, _kind(c), c.required, c.writable, ", ".join(c.choices)]
            for name, c in stream.columns.items()
        ],
    )


def _kind(column: Any) -> str:
    size = f"({column.size})" if column.size else ""
    return f"{column.kind}{size}" + (f" → {column.target}" if column.target else "")


COMMANDS: tuple[click.Command, ...] = (connections,)
