"""mappings: list, show, check, try, pin, diff, suggest, export."""

from collections.abc import Mapping
from dataclasses import asdict
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
    help="Check the mappings NAME…, or all: documents, laws of the lenses, the columns of the"
    " systems that use them, rows taken before, pinned rows."
)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@option("--offline", is_flag=True, help="Do not ask the systems for their columns.")
@click.pass_obj
def check(state: State, names: tuple[str, ...], offline: bool) -> Outcome:
    with state.hub() as hub:
        found = [_checked(hub, name, offline) for name in names or hub.mapping_names()]

    def display(screen: Screen) -> None:
        for one in found:
            if one["ok"]:
                screen.mark("ok", one["mapping"])
            for problem in map(Problem.from_json, one["problems"]):
                said = render(problem, screen.language)
                hint = render_hint(problem, screen.language)
                sign = "warn" if _is_warning(problem) else "fail"
                screen.mark(sign, f"{one['mapping']}: {said}", hint)

    code = 0 if all(one["ok"] for one in found) else ConfigError.exit_code
    return Outcome(found, display, code)


def _checked(hub: Any, name: str, offline: bool) -> dict[str, Any]:
    try:
        problems = hub.check_mapping(name, offline=offline)
    except NotFoundError:
        raise
    except HubError as e:
        problems = getattr(e, "problems", ()) or [
            Problem(e.code, e.template, hint=e.hint, values=e.values)
        ]
    ok = all(map(_is_warning, problems))
    return {"mapping": name, "ok": ok, "problems": [p.to_json() for p in problems]}


def _is_warning(problem: Problem) -> bool:
    return problem.values.get("level") == "warning"


@mappings.command(
    "try",
    help="Read some rows and show what the hub makes of them, and what goes back.\n\n"
    "Nothing is written, neither here nor there.",
)
@click.argument("name")
@option("--connection", default="", help="The system to read from; else that of the first flow.")
@option("--rows", type=click.IntRange(1), default=3, show_default=True, help="How many.")
@click.pass_obj
def try_(state: State, name: str, connection: str, rows: int) -> Outcome:
    with state.hub() as hub:
        found = hub.try_mapping(name, connection, rows)

    def display(screen: Screen) -> None:
        if not found:
            screen.line(_("The system gave no row."))
        for one in found:
            _show_tried(screen, one)

    return Outcome(found, display, 3 if any(one["problems"] for one in found) else 0)


def _show_tried(screen: Screen, one: Mapping[str, Any]) -> None:
    screen.table([_("Column"), _("In the system")], list(one["row"].items()))
    screen.table([_("Field"), _("In the hub")], list(one["values"].items()))
    for problem in map(Problem.from_json, one["problems"]):
        hint = render_hint(problem, screen.language)
        screen.mark("fail", render(problem, screen.language), hint)
    if one["back"]:
        screen.mark("warn", screen.text(_("Written back as it is, it would change there:")))
        changed = [[name, one["row"].get(name), value] for name, value in one["back"].items()]
        screen.table([_("Column"), _("Before"), _("After")], changed)
    else:
        screen.mark("ok", screen.text(_("Written back as it is, nothing would change there.")))
    if one["created"]:
        screen.line(_("A new record with these values would be written there as:"))
        screen.table([_("Column"), _("Value")], list(one["created"].items()))
    unknown = [name for name, what in one["columns"].items() if what == "unknown"]
    if unknown:
        message = _("Columns that are not mapped: {names}")
        screen.mark("warn", screen.text(message, names=", ".join(unknown)))
    screen.line()


@mappings.command(
    help="Keep the row ID and what becomes of it as a test: hub mappings check tells when a change"
    " breaks it, and no flow runs with a mapping that does."
)
@click.argument("name")
@click.argument("id")
@option("--connection", default="", help="The system to read from; else that of the first flow.")
@click.pass_obj
def pin(state: State, name: str, id: str, connection: str) -> Outcome:
    with state.hub() as hub:
        path = hub.pin(name, id, connection)

    def display(screen: Screen) -> None:
        screen.mark("ok", screen.text(_("Row {id} is kept in {path}."), id=id, path=path))

    return Outcome({"mapping": name, "id": id, "path": str(path)}, display)


@mappings.command(
    help="Show how the mapping NAME differs from OTHER, field by field.\n\n"
    "OTHER is a mapping or a file; without it, the mapping that the hub came with."
)
@click.argument("name")
@click.argument("other", required=False)
@click.pass_obj
def diff(state: State, name: str, other: str | None) -> Outcome:
    from hub.mapping import diff as differences
    from hub.mapping import needs_rebase

    with state.hub() as hub:
        before = hub.document(other) if other else hub.shipped_document(name)
        found = differences(before, hub.document(name))
    again = [d.what for d in needs_rebase(found)]
    rows = [asdict(d) for d in found]

    def display(screen: Screen) -> None:
        if not found:
            screen.mark("ok", screen.text(_("They are the same.")))
            return
        titles = [_("Field"), _("What"), _("Before"), _("After")]
        screen.table(titles, [[*row.values()] for row in rows])
        if again:
            message = _("A flow that has run already refuses a change of: {names}")
            screen.mark("warn", screen.text(message, names=", ".join(again)))

    return Outcome(
        {"before": before.name, "after": name, "changes": rows, "rebase": again}, display
    )


@mappings.command(
    help="Suggest a mapping of STREAM to ENTITY: columns and fields that are alike in name, kind,"
    " codes or values.\n\n"
    "It is written to standard output, for you to check and save."
)
@click.argument("connection")
@click.argument("stream")
@click.argument("entity")
@option("--beside", default="", metavar="NAME", help="Leave out what this mapping has already.")
@click.pass_obj
def suggest(state: State, connection: str, stream: str, entity: str, beside: str) -> Outcome:
    with state.hub() as hub:
        found = hub.suggest_mapping(connection, stream, entity, beside)

    def display(screen: Screen) -> None:
        screen.raw(found.document)
        if found.open:
            names = ", ".join(found.open)
            screen.note(_("Columns without a suggestion: {names}"), names=names)

    return Outcome(asdict(found), display)


@mappings.command(help="Write the mapping NAME as YAML: the same bytes for the same content.")
@click.argument("name")
@click.pass_obj
def export(state: State, name: str) -> Outcome:
    from hub.mapping import export as as_yaml

    with state.hub() as hub:
        text = as_yaml(hub.document(name))
    return Outcome({"mapping": name, "document": text}, lambda screen: screen.raw(text))


COMMANDS: tuple[click.Command, ...] = (mappings,)
