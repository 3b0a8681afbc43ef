"""list, export, history: records now and as of any instant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hub.cli.base import Command, Outcome, State, language, option
from hub.cli.screen import Screen, moment
from hub.i18n import _, translate

AT = "As of then: '2h ago', yesterday, 2026-01-31, 2026-01-31T09:30."
WHERE = "Only where this holds: 'name~acme', address.city=Berlin, 'credit_limit>=1000'."
SHOWN = 6


@click.command("list", cls=Command, help="List the records of an entity, page by page.")
@click.argument("entity")
@option("--where", multiple=True, metavar="FILTER", help=WHERE)
@option("--at", metavar="INSTANT", help=AT)
@option("--after", metavar="ID", default="", help="Go on behind this record.")
@option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@click.pass_obj
def list_(
    state: State, entity: str, where: tuple[str, ...], at: str | None, after: str, limit: int
) -> Outcome:
    with state.hub() as hub:
        found = hub.records(entity, where=where, at=at, after=after, limit=limit)
        code = hub.entity(entity).code

    def show(screen: Screen) -> None:
        if found["at"]:
            screen.note(_("As of {at}."), at=moment(found["at"]))
        if not found["records"]:
            screen.line(_("There is no such record."))
            return
        names = _columns(found["records"], code)
        screen.table(names, [[record.get(n) for n in names] for record in found["records"]])
        if found["next"]:
            screen.note(_("→ The next page: --after {id}"), id=found["next"])

    return Outcome(found, show)


def _columns(records: list[Mapping[str, Any]], code: str) -> list[str]:
    """The code first, then the plain fields that most of the records have."""
    used: dict[str, int] = {}
    for record in records:
        for name, value in record.items():
            if not isinstance(value, dict | list) and value is not None:
                used[name] = used.get(name, 0) + 1
    last = ("active", "updated_at", "id")
    hidden = {code, "version", "created_at", "created_by", "updated_by", *last}
    fields = [n for n in used if n not in hidden and not n.startswith("ext.")]
    chosen = sorted(fields, key=lambda n: -used[n])[:SHOWN]
    return [code, *(n for n in fields if n in chosen), *last]


@click.command(
    cls=Command,
    help="Write all records of an entity to a file: csv, jsonl or xlsx.\n\n"
    "No text in it is taken for a formula by a spreadsheet program.",
)
@click.argument("entity")
@option("--format", "kind", type=click.Choice(["csv", "jsonl", "xlsx"]), help="[that of FILE]")
@option("--out", type=click.Path(path_type=Path), metavar="FILE", help="[standard output]")
@option("--where", multiple=True, metavar="FILTER", help=WHERE)
@option("--at", metavar="INSTANT", help=AT)
@click.pass_obj
def export(
    state: State,
    entity: str,
    kind: str | None,
    out: Path | None,
    where: tuple[str, ...],
    at: str | None,
) -> Outcome:
    from hub.cli.progress import progress

    kind = kind or (out.suffix.lstrip(".").lower() if out else "csv")
    if kind not in ("csv", "jsonl", "xlsx"):
        raise click.UsageError(translate(_("say --format: csv, jsonl or xlsx"), language()))
    if out is None and (kind == "xlsx" or state.json):
        raise click.UsageError(translate(_("say --out FILE"), language()))
    with state.hub() as hub, progress(Screen(state)) as told:
        done = hub.export(entity, kind, out, where=where, at=at, progress=told)

    def show(screen: Screen) -> None:
        screen.note(_("{records} records are written."), records=done["records"])

    return Outcome(done, show)


# ---------------------------------------------------------------------------------------- history


@click.command(cls=Command, help="All that happened to one record, newest first.")
@click.argument("entity")
@click.argument("key")
@option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@click.pass_obj
def history(state: State, entity: str, key: str, limit: int) -> Outcome:
    with state.hub() as hub:
        found = hub.history(entity, key, limit)

    def show(screen: Screen) -> None:
        titles = [_("When"), _("Change"), _("From"), _("Row"), _("Fields"), _("Number")]
        screen.table(titles, [_line(screen, line) for line in found["lines"]])
        if found["more"]:
            screen.note(_("There is more: --limit"))

    return Outcome(found, show)


def _line(screen: Screen, line: Mapping[str, Any]) -> list[Any]:
    fields = "; ".join(
        f"{name}: {screen.cell(old)} → {screen.cell(new)}"
        for name, (old, new) in line["changes"].items()
    )
    row = f"{line['connection']} {line['external_id']}" if line["connection"] else ""
    return [moment(line["at"]), line["op"], line["origin"], row, fields, line["seq"]]


COMMANDS: tuple[click.Command, ...] = (list_, export, history)
