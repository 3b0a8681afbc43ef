"""show, and the two lists of work for people: quarantine and conflicts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from hub.cli.base import Command, Group, Outcome, State, language, option
from hub.cli.screen import Screen, clean, moment
from hub.errors import Problem
from hub.i18n import _, render, render_hint, translate

KINDS = {"quarantine": _("Set aside"), "waiting": _("Waiting")}
LINKS = {
    "active": _("active"),
    "ghost": _("gone there"),
    "merged": _("merged"),
    "ignored": _("ignored"),
}


@click.command(
    cls=Command,
    help="Show one record: its fields, where it is linked, what happened to it last.\n\n"
    "KEY is its code or its id.",
)
@click.argument("entity")
@click.argument("key")
@option(
    "--at", metavar="INSTANT", help="As of then: '2h ago', yesterday, 2026-01-31, 2026-01-31T09:30."
)
@click.pass_obj
def show(state: State, entity: str, key: str, at: str | None) -> Outcome:
    with state.hub() as hub:
        found = hub.show(entity, key, at)
    return Outcome(found, lambda screen: _show_record(screen, found))


def _show_record(screen: Screen, found: Mapping[str, Any]) -> None:
    if found.get("asked_for", found["id"]) != found["id"]:
        asked_for = found["asked_for"]
        screen.note(_("{key!r} was merged into this record."), key=asked_for)
    envelope = ("id", "version", "active", "updated_at", "updated_by")
    screen.pairs({**found["record"], **{n: found[n] for n in envelope}})
    screen.line()
    if found.get("at"):
        screen.note(_("As of {at}."), at=moment(found["at"]))
    links = found.get("links") or []
    if links:
        titles = [_("Connection"), _("Stream"), _("Id there"), _("State")]
        screen.table(titles, [_link_row(screen, link) for link in links])
    else:
        screen.line(_("No system holds this record yet."))
    for merge in found.get("merges") or ():
        when = moment(merge["at"])
        screen.line(
            _("{loser} was merged into it on {when} by {who}; hub unmerge takes it back."),
            loser=merge["loser"],
            when=when,
            who=merge["by"],
        )
    if journal := found.get("journal"):
        titles = [_("When"), _("From"), _("Change"), _("Fields")]
        screen.table(titles, [_journal_row(entry) for entry in journal])


def _link_row(screen: Screen, link: Mapping[str, Any]) -> list[Any]:
    state = translate(LINKS.get(link["state"], link["state"]), screen.language)
    return [link["connection"], link["stream"], link["external_id"], state]


def _journal_row(entry: Mapping[str, Any]) -> list[Any]:
    return [
        moment(entry.get("at")),
        entry.get("origin"),
        entry.get("op"),
        entry.get("changes"),
    ]


# --------------------------------------------------------------------------------- quarantine


@click.group(cls=Group, help="Records that were set aside: see why, mend, try again.")
def quarantine() -> None:
    pass


@quarantine.command("list", help="List what was set aside, with the reason of each.")
@option("--flow", help="Only of this flow.")
@option("--code", help="Only with this error code.")
@option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@click.pass_obj
def quarantine_list(state: State, flow: str | None, code: str | None, limit: int) -> Outcome:
    with state.hub() as hub:
        found = hub.quarantine_list(flow, code, limit=limit)

    def show(screen: Screen) -> None:
        if not found:
            screen.mark("ok", screen.text(_("Nothing is set aside.")))
            return
        titles = [_("Id"), _("Flow"), _("Kind"), _("Row"), _("Code"), _("Reason"), _("Since")]
        screen.table(titles, [_aside_row(one, screen.language) for one in found])
        screen.note(_("→ See one with its data: hub quarantine show ID"))

    return Outcome(found, show)


def _problems(one: Mapping[str, Any]) -> list[Problem]:
    """The stored problems; `text` is their English, which is said again in the language."""
    stored = [dict(p) for p in one.get("problems") or []]
    return [Problem.from_json({k: v for k, v in p.items() if k != "text"}) for p in stored]


def _aside_row(one: Mapping[str, Any], language: str) -> list[Any]:
    problems = _problems(one)
    more = f" (+{len(problems) - 1})" if len(problems) > 1 else ""
    reason = render(problems[0], language) + more if problems else ""
    code = problems[0].code if problems else ""
    kind = translate(KINDS.get(one["kind"], one["kind"]), language)
    row = one["external_id"] or one["place"]
    return [one["id"], one["flow"], kind, row, code, reason, moment(one["since"])]


@quarantine.command("show", help="Show one record that was set aside: reasons, data, remedy.")
@click.argument("id")
@click.pass_obj
def quarantine_show(state: State, id: str) -> Outcome:
    with state.hub() as hub:
        found = hub.quarantine_show(id)

    def show(screen: Screen) -> None:
        hidden = ("problems", "row")
        screen.pairs({name: v for name, v in found.items() if name not in hidden})
        for problem in _problems(found):
            hint = render_hint(problem, screen.language)
            screen.mark("fail", render(problem, screen.language), hint)
        if found["row"] is not None:
            screen.line(_("The row as it was read:"))
            screen.raw(clean(json.dumps(found["row"], ensure_ascii=False, indent=2)))

    return Outcome(found, show)


@quarantine.command(
    "fix",
    help="Change columns of a record that was set aside, and try it again.\n\n"
    "NAME=TEXT gives a text, NAME:=JSON a number, true, null or a list.",
)
@click.argument("id")
@click.argument("changes", metavar="NAME=TEXT...", nargs=-1, required=True)
@click.pass_obj
def quarantine_fix(state: State, id: str, changes: tuple[str, ...]) -> Outcome:
    values = dict(_change(text) for text in changes)
    with state.hub() as hub:
        found = hub.quarantine_fix(id, values)

    def show(screen: Screen) -> None:
        if found["fixed"]:
            screen.mark("ok", screen.text(_("The record is taken.")))
        else:
            remedy = screen.text(_("See why: hub quarantine show {id}"), id=id)
            screen.mark("fail", screen.text(_("The record is still refused.")), remedy)

    return Outcome(found, show, 0 if found["fixed"] else 3)


def _change(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or name in ("", ":"):
        raise click.BadParameter(
            translate(_("write NAME=TEXT or NAME:=JSON: {text!r}"), language()).format(text=text)
        )
    if not name.endswith(":"):
        return name, value
    try:
        # Decimals stay text: that is their normal form.
        return name[:-1], json.loads(value, parse_float=str)
    except ValueError as e:
        message = translate(_("this is not JSON: {text!r}"), language()).format(text=value)
        raise click.BadParameter(message) from e


@quarantine.command("replay", help="Try ID… again, or everything set aside in a flow.")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@option("--flow", help="Everything of this flow.")
@click.pass_obj
def quarantine_replay(state: State, ids: tuple[str, ...], flow: str | None) -> Outcome:
    if bool(ids) == bool(flow):
        raise click.UsageError(translate(_("give either ids or --flow"), language()))
    with state.hub() as hub:
        counts = hub.quarantine_replay(ids, flow)
    code = 3 if counts.get("quarantined") else 0
    return Outcome(counts, lambda screen: screen.pairs(counts), code)


@quarantine.command("dismiss", help="Leave ID… for good; say why.")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@option("--reason", required=True, help="Why; it is kept with the record.")
@click.pass_obj
def quarantine_dismiss(state: State, ids: tuple[str, ...], reason: str) -> Outcome:
    with state.hub() as hub:
        dismissed = hub.quarantine_dismiss(ids, reason)

    def show(screen: Screen) -> None:
        screen.mark("ok", screen.text(_("{count} records are dismissed."), count=dismissed))

    return Outcome({"dismissed": dismissed}, show)


# ---------------------------------------------------------------------------------- conflicts


@click.group(cls=Group, help="Fields that two sides changed at once: see and decide.")
def conflicts() -> None:
    pass


@conflicts.command("list", help="List the conflicts with both values.")
@click.pass_obj
def conflicts_list(state: State) -> Outcome:
    with state.hub() as hub:
        found = hub.conflicts_list()
    return Outcome(found, lambda screen: _show_conflicts(screen, found))


def _show_conflicts(screen: Screen, found: Sequence[Mapping[str, Any]]) -> None:
    if not found:
        screen.mark("ok", screen.text(_("There are no conflicts.")))
        return
    titles = [
        _("Id"),
        _("Flow"),
        _("Row"),
        _("Field"),
        _("Before"),
        _("Ours"),
        _("Theirs"),
        _("Since"),
    ]
    names = ("id", "flow", "external_id", "field", "base", "ours", "theirs")
    rows = [[*(c[n] for n in names), moment(c["at"])] for c in found]
    screen.table(titles, rows)
    screen.note(_("→ Decide one: hub conflicts resolve ID ours|theirs|value"))


@conflicts.command("resolve", help="Decide a conflict: our value, theirs, or another VALUE.")
@click.argument("id")
@click.argument("choice", type=click.Choice(["ours", "theirs", "value"]))
@click.argument("value", required=False)
@option("--json-value", is_flag=True, help="VALUE is JSON.")
@click.pass_obj
def conflicts_resolve(
    state: State, id: str, choice: str, value: str | None, json_value: bool
) -> Outcome:
    if (choice == "value") != (value is not None):
        raise click.UsageError(translate(_("a VALUE goes with the choice value"), language()))
    given = _change(f"value:={value}")[1] if json_value and value is not None else value
    with state.hub() as hub:
        hub.conflict_resolve(id, choice, value=given)

    def show(screen: Screen) -> None:
        screen.mark("ok", screen.text(_("Conflict {id} is decided."), id=id))

    return Outcome({"id": id, "choice": choice}, show)


COMMANDS: tuple[click.Command, ...] = (show, quarantine, conflicts)
