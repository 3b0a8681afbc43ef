"""mappings: list, show, check, try, pin, diff, suggest, export."""

from collections.abc import Mapping
from typing import Any

import click

from hub.cli.base import Group, Outcome, State, option
from hub.cli.screen import Screen
from hub.errors import ConfigError, HubError, NotFoundError, Problem
from hub.i18n import _, render, render_hint


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
        screen.table(titles, [[*f.values()] for f in found])

    return Outcome(found, show)


def _described(name: str, mapping: Any) -> dict[str, Any]:
    return {
        "mapping": name,
        "entity": mapping.entity.name,
        "stream": mapping.stream,
        "key": ", ".join(mapping.key),
        "version": mapping.version,
    }


@mappings.command(help="Show the rows of a mapping: which field comes from which column.")
@click.argument("name")
@click.pass_obj
def show(state: State, name: str) -> Outcome:
    with state.hub() as hub:
        mapping = hub.mapping(name)
    found = {**_described(name, mapping), "rows": [_row(r) for r in mapping.document.rows]}

    def display(screen: Screen) -> None:
        screen.pairs({k: v for k, v in found.items() if k != "rows"})
        titles = [_("Field"), _("Column"), _("Conversion"), _("Direction"), _("Policy")]
        screen.table(titles, [[*row.values()] for row in found["rows"]])

    return Outcome(found, display)


def _row(row: Any) -> dict[str, Any]:
    source = row.source if isinstance(row.source, str) else ", ".join(row.source)
    return {
        "field": row.field,
        "column": source,
        "conversion": row.lens,
        "direction": row.direction,
        "policy": row.owner or row.policy,
    }


@mappings.command(
    help="Check the mappings NAME…, or all: documents, laws of the lenses, pinned rows."
)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.pass_obj
def check(state: State, names: tuple[str, ...]) -> Outcome:
    with state.hub() as hub:
        found = [_checked(hub, name) for name in names or hub.mapping_names()]

    def display(screen: Screen) -> None:
        for one in found:
            if one["ok"]:
                screen.mark("ok", one["mapping"])
            for problem in map(_problem, one["problems"]):
                said = render(problem, screen.language)
                hint = render_hint(problem, screen.language)
                screen.mark("fail", f"{one['mapping']}: {said}", hint)

    code = 0 if all(one["ok"] for one in found) else ConfigError.exit_code
    return Outcome(found, display, code)


def _checked(hub: Any, name: str) -> dict[str, Any]:
    from hub.cli.mapping_tools import broken_pins
    from hub.mapping import check as check_document

    try:
        mapping = hub.mapping(name)
        faults = check_document(mapping.document, mapping.entity)
        pins = list(broken_pins(hub.settings.home, name, mapping))
    except NotFoundError:
        raise
    except HubError as e:
        problems = getattr(e, "problems", ()) or [
            Problem(e.code, e.template, hint=e.hint, values=e.values)
        ]
        return {"mapping": name, "ok": False, "problems": [p.to_json() for p in problems]}
    template = _("pinned row {id}: {field} becomes {found!r}, and was {expected!r}")
    problems = [*faults, *(Problem("pin", template, values=values) for values in pins)]
    wrong = [p for p in problems if p.values.get("level") != "warning"]
    return {"mapping": name, "ok": not wrong, "problems": [p.to_json() for p in problems]}


def _problem(stored: Mapping[str, Any]) -> Problem:
    return Problem.from_json(stored)


@mappings.command(
    "try",
    help="Read some rows and show what the hub makes of them.\n\n"
    "Nothing is written, neither here nor there.",
)
@click.argument("name")
@option("--connection", help="The system to read from; else that of the first flow.")
@option("--rows", type=click.IntRange(1), default=3, show_default=True, help="How many.")
@click.pass_obj
def try_(state: State, name: str, connection: str | None, rows: int) -> Outcome:
    from hub.cli.mapping_tools import sample

    with state.hub() as hub:
        found = sample(hub, name, connection, rows)

    def display(screen: Screen) -> None:
        if not found:
            screen.line(_("The system gave no row."))
        for one in found:
            _show_tried(screen, one)

    return Outcome(found, display, 3 if any(one["problems"] for one in found) else 0)


def _show_tried(screen: Screen, one: Mapping[str, Any]) -> None:
    screen.table([_("Column"), _("In the system")], list(one["row"].items()))
    screen.table([_("Field"), _("In the hub")], list(one["values"].items()))
    for problem in map(_problem, one["problems"]):
        hint = render_hint(problem, screen.language)
        screen.mark("fail", render(problem, screen.language), hint)
    if one["back"]:
        screen.mark("warn", screen.text(_("Written back as it is, it would change there:")))
        changed = [[name, one["row"].get(name), value] for name, value in one["back"].items()]
        screen.table([_("Column"), _("Before"), _("After")], changed)
    else:
        screen.mark("ok", screen.text(_("Written back as it is, nothing would change there.")))
    unknown = [name for name, what in one["columns"].items() if what == "unknown"]
    if unknown:
        message = _("Columns that are not mapped: {names}")
        screen.mark("warn", screen.text(message, names=", ".join(unknown)))
    screen.line()


@mappings.command(help="Keep the row ID and what becomes of it as a test for hub mappings check.")
@click.argument("name")
@click.argument("id")
@option("--connection", help="The system to read from; else that of the first flow.")
@click.pass_obj
def pin(state: State, name: str, id: str, connection: str | None) -> Outcome:
    from hub.cli import mapping_tools

    with state.hub() as hub:
        path = mapping_tools.pin(hub, name, connection, id)

    def display(screen: Screen) -> None:
        screen.mark("ok", screen.text(_("Row {id} is kept in {path}."), id=id, path=path))

    return Outcome({"mapping": name, "id": id, "path": str(path)}, display)


@mappings.command(help="Show how the mapping NAME differs from OTHER, field by field.")
@click.argument("name")
@click.argument("other")
@click.pass_obj
def diff(state: State, name: str, other: str) -> Outcome:
    from hub.cli.mapping_tools import differences

    with state.hub() as hub:
        found = differences(hub.document(name), hub.document(other))

    def display(screen: Screen) -> None:
        if found:
            titles = [_("Field"), _("What"), name, other]
            screen.table(titles, [[*one.values()] for one in found])
        else:
            screen.mark("ok", screen.text(_("They are the same.")))

    return Outcome(found, display)


@mappings.command(
    help="Suggest a mapping of STREAM to ENTITY: columns and fields with like names.\n\n"
    "It is written to standard output, for you to check and save."
)
@click.argument("connection")
@click.argument("stream")
@click.argument("entity")
@click.pass_obj
def suggest(state: State, connection: str, stream: str, entity: str) -> Outcome:
    from hub.cli.mapping_tools import skeleton, suggestions
    from hub.settings import unknown

    with state.hub() as hub:
        if entity not in hub.entities:
            raise unknown(_("there is no entity {name!r}"), entity, hub.entities, name=entity)
        streams = {s.name: s for s in hub.discover(connection)}
        if stream not in streams:
            template = _("connection {connection!r} has no stream {name!r}")
            raise unknown(template, stream, streams, connection=connection, name=stream)
        found, pairs = streams[stream], suggestions(hub.entities[entity], streams[stream])
        text = skeleton(hub.entities[entity], found, pairs)
    open_ = sorted(set(found.columns) - {p["from"] for p in pairs})

    def display(screen: Screen) -> None:
        screen.raw(text)
        if open_:
            screen.note(_("Columns without a suggestion: {names}"), names=", ".join(open_))

    return Outcome({"document": text, "pairs": pairs, "open": open_}, display)


@mappings.command(help="Write the mapping NAME as YAML: the same bytes for the same content.")
@click.argument("name")
@click.pass_obj
def export(state: State, name: str) -> Outcome:
    from hub.mapping import export as as_yaml

    with state.hub() as hub:
        text = as_yaml(hub.document(name))
    return Outcome({"mapping": name, "document": text}, lambda screen: screen.raw(text))


COMMANDS: tuple[click.Command, ...] = (mappings,)
