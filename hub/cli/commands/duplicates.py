"""duplicates, merge and unmerge: records that may be one thing, side by side, and what people say."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from hub.cli.base import Command, Group, Outcome, State, language, option
from hub.cli.screen import Screen, moment
from hub.i18n import _, translate

LEVELS = {
    "same": _("same"),
    "close": _("close"),
    "similar": _("similar"),
    "different": _("different"),
    "missing": _("missing"),
}
REASONS = {
    "chosen": _("chosen"),
    "owner": _("of the system that owns the field"),
    "only": _("the only value"),
    "newer": _("changed last"),
    "longer": _("says more"),
    "united": _("both together"),
    "kept": _("kept"),
}
STATES = ("open", "later", "distinct", "merged")
SIDES = {"survivor": _("survivor"), "loser": _("loser")}
SHOWN = 60

keep_option = option(
    "--keep", default="", help="Which of the two stays; else the one with more links."
)
take_option = option(
    "--take",
    "taken",
    multiple=True,
    metavar="FIELD=KEY",
    help="Take this field from that record.",
)
value_option = option(
    "--value", "given", multiple=True, metavar="FIELD=TEXT", help="Give this field this value."
)


@click.group(cls=Group, help="Records that may be one and the same: find, compare, decide.")
def duplicates() -> None:
    pass


# ------------------------------------------------------------------------------------------ list


@duplicates.command("list", help="List the pairs that may be one thing, the likeliest first.")
@option("--entity", help="Only of this entity.")
@option("--state", "wanted", type=click.Choice(STATES), default="open", show_default=True,
        help="Only pairs in this state.")  # fmt: skip
@option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@click.pass_obj
def duplicates_list(state: State, entity: str | None, wanted: str, limit: int) -> Outcome:
    with state.hub() as hub:
        found = hub.duplicates_list(entity, wanted, limit=limit)

    def show(screen: Screen) -> None:
        if not found:
            _show_empty(screen, wanted)
            return
        titles = [_("Id"), _("Entity"), _("Score"), _("Record"), _("Record"), _("Since")]
        screen.table(titles, [_listed(one) for one in found])
        screen.note(_("→ See one side by side: hub duplicates show ID"))

    return Outcome(found, show)


def _show_empty(screen: Screen, wanted: str) -> None:
    if wanted == "open":
        screen.mark("ok", screen.text(_("No pair waits for a decision.")))
        screen.note(_("→ Look for duplicates in what is there: hub duplicates scan ENTITY"))
    else:
        screen.mark("ok", screen.text(_("There is no such pair.")))


def _listed(one: Mapping[str, Any]) -> list[Any]:
    names = [_name(one[side]) for side in ("left", "right")]
    return [one["id"], one["entity"], one["score"], *names, moment(one["at"])]


def _name(side: Mapping[str, Any]) -> str:
    known = " ".join(str(side[n]) for n in ("code", "name") if side.get(n))
    return known or str(side["id"])


# ----------------------------------------------------------------------------------- side by side


@duplicates.command("show", help="Show a pair side by side, and what speaks for and against.")
@click.argument("id")
@click.pass_obj
def duplicates_show(state: State, id: str) -> Outcome:
    with state.hub() as hub:
        found = hub.duplicates_show(id)
    return Outcome(found, lambda screen: _show_pair(screen, found))


@duplicates.command("next", help="Show the pair to decide next.")
@option("--entity", help="Only of this entity.")
@click.pass_obj
def duplicates_next(state: State, entity: str | None) -> Outcome:
    with state.hub() as hub:
        found = hub.duplicates_next(entity)

    def show(screen: Screen) -> None:
        if found is None:
            _show_empty(screen, "open")
        else:
            _show_pair(screen, found)

    return Outcome(found, show)


@duplicates.command("compare", help="Compare any two records, given by code or id.")
@click.argument("entity")
@click.argument("one")
@click.argument("other")
@click.pass_obj
def duplicates_compare(state: State, entity: str, one: str, other: str) -> Outcome:
    with state.hub() as hub:
        found = hub.duplicates_compare(entity, one, other)
    return Outcome(found, lambda screen: _show_pair(screen, found))


def _show_pair(screen: Screen, found: Mapping[str, Any]) -> None:
    left, right = found["left"], found["right"]
    rows = [
        [
            "≠" if f["differs"] else "",
            f["field"],
            _short(screen, f["left"]),
            _short(screen, f["right"]),
        ]
        for f in found["fields"]
    ]
    systems = [_systems(side) for side in (left, right)]
    if systems[0] or systems[1]:
        rows.append(["", translate(_("Systems"), screen.language), *systems])
    screen.table(["", _("Field"), _name(left), _name(right)], rows)
    screen.line()
    _show_score(screen, found["explanation"])
    if "id" in found:
        screen.note(
            _("→ Decide: hub duplicates merge {id} · distinct {id} · later {id}"), id=found["id"]
        )


def _systems(side: Mapping[str, Any]) -> str:
    return ", ".join(f"{n['connection']} {n['external_id']}" for n in side["links"])


def _short(screen: Screen, value: Any) -> str:
    text = screen.cell(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _show_score(screen: Screen, explanation: Mapping[str, Any]) -> None:
    """The score as the sum of its parts."""
    rows = [
        [
            part["trait"],
            translate(LEVELS.get(part["level"], part["level"]), screen.language),
            ", ".join(part["ours"]),
            ", ".join(part["theirs"]),
            f"{part['bits']:+.2f}",
        ]
        for part in explanation["parts"]
    ]
    rows.append(["=", "", "", "", f"{explanation['score']:+.2f}"])
    screen.table([_("Compared"), _("Level"), _("One"), _("Other"), _("Score")], rows)
    for name in explanation["vetoes"]:
        remedy = screen.text(_("They are never taken for one automatically."))
        screen.mark("fail", screen.text(_("They differ in {name}."), name=name), remedy)


# --------------------------------------------------------------------------------------- decisions


@duplicates.command("merge", help="Merge the two records of a pair; --keep left or right.")
@click.argument("id")
@keep_option
@take_option
@value_option
@click.pass_obj
def duplicates_merge(
    state: State, id: str, keep: str, taken: tuple[str, ...], given: tuple[str, ...]
) -> Outcome:
    choices = _choices(taken, given)
    with state.hub() as hub:
        found = hub.duplicates_merge(id, keep=keep, choices=choices)
    return Outcome(found, lambda screen: _show_merge(screen, found))


def _decision(name: str, state_of: str, help: str, said: str) -> click.Command:
    @duplicates.command(name, help=help)
    @click.argument("id")
    @click.pass_obj
    def decide(state: State, id: str) -> Outcome:
        with state.hub() as hub:
            found = hub.duplicates_decide(id, state_of)
        return Outcome(found, lambda screen: screen.mark("ok", screen.text(said, id=id)))

    return decide


_decision(
    "distinct",
    "distinct",
    _("Say that the two records of a pair are not the same; it is remembered."),
    _("Pair {id} is not the same; that is remembered."),
)
_decision(
    "later",
    "later",
    _("Put a pair off to the end of the queue."),
    _("Pair {id} is put off."),
)
_decision(
    "reopen",
    "open",
    _("Take back what was said of a pair."),
    _("Pair {id} is open again."),
)


# ---------------------------------------------------------------------------------- scan and train


@duplicates.command("scan", help="Compare all records of ENTITY with each other.")
@click.argument("entity")
@click.pass_obj
def duplicates_scan(state: State, entity: str) -> Outcome:
    from hub.cli.progress import progress

    with state.hub() as hub, progress(Screen(state)) as shown:
        found = hub.duplicates_scan(entity, progress=shown)

    def show(screen: Screen) -> None:
        template = _("{records} records, {compared} pairs compared: {likely} may be one thing.")
        screen.mark("ok", screen.text(template, **found))
        if found["raised"]:
            screen.note(_("→ {raised} are new: hub duplicates list"), raised=found["raised"])

    return Outcome(found, show)


@duplicates.command(
    "train", help="Learn how much each field says, from this hub's records and decisions."
)
@click.argument("entity")
@option("--reset", is_flag=True, help="Forget what was learnt.")
@click.pass_obj
def duplicates_train(state: State, entity: str, reset: bool) -> Outcome:
    from hub.cli.progress import progress

    with state.hub() as hub, progress(Screen(state)) as shown:
        found = hub.duplicates_train(entity, progress=shown, reset=reset)

    def show(screen: Screen) -> None:
        rows = [
            [name, *(f"{levels[n]:+.2f}" if n in levels else "" for n in list(LEVELS)[:-1])]
            for name, levels in found["weights"].items()
        ]
        titles = [_("Compared"), *(LEVELS[n] for n in list(LEVELS)[:-1])]
        screen.table(titles, rows)
        template = _("Taken for one from {auto}; shown to a person from {review}.")
        screen.mark("ok", screen.text(template, auto=found["auto"], review=found["review"]))

    return Outcome(found, show)


# ------------------------------------------------------------------------------- merge and unmerge


@click.command(
    cls=Command,
    help="Make one record of two, given by code or id.\n\n"
    "All links, references and pending writes follow; every system is told. It can be undone.",
)
@click.argument("entity")
@click.argument("one")
@click.argument("other")
@keep_option
@take_option
@value_option
@option("--anyway", is_flag=True, help="Although they were said to be not the same.")
@click.pass_obj
def merge(
    state: State,
    entity: str,
    one: str,
    other: str,
    *,
    keep: str,
    taken: tuple[str, ...],
    given: tuple[str, ...],
    anyway: bool,
) -> Outcome:
    choices = _choices(taken, given)
    with state.hub() as hub:
        found = hub.merge(entity, one, other, keep=keep, choices=choices, anyway=anyway)
    return Outcome(found, lambda screen: _show_merge(screen, found))


def _choices(taken: Sequence[str], given: Sequence[str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for text in taken:
        name, key = _split(text)
        chosen[name] = key
    for text in given:
        name, value = _split(text)
        chosen[name] = {"value": value or None}
    return chosen


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        wrong = translate(_("write FIELD=VALUE: {text!r}"), language()).format(text=text)
        raise click.BadParameter(wrong)
    return name, value


def _show_merge(screen: Screen, found: Mapping[str, Any]) -> None:
    text = screen.text(
        _("{loser} is now {survivor}: {links} links and {references} references followed."),
        **{**found, **{side: _name(found["names"][side]) for side in ("loser", "survivor")}},
    )
    screen.mark("ok", text)
    rows = [
        [
            name,
            _short(screen, (found["changes"].get(name) or ["", ""])[1])
            if name in found["changes"]
            else "",
            translate(REASONS.get(reason, reason), screen.language),
        ]
        for name, reason in found["reasons"].items()
    ]
    if rows:
        screen.table([_("Field"), _("New value"), _("Why")], rows)
    screen.note(
        _("→ Tell the systems: hub sync · take it back: hub unmerge {entity} {loser}"), **found
    )


@click.command(
    cls=Command,
    help="Split a merge: both records as they were.\n\n"
    "KEY is the record that was merged away, or the one that it was merged into.",
)
@click.argument("entity")
@click.argument("key")
@option(
    "--edits",
    type=click.Choice(["auto", "survivor", "loser"]),
    default="auto",
    show_default=True,
    help="To which of the two the edits since then belong; auto: by the row they came from.",
)
@click.pass_obj
def unmerge(state: State, entity: str, key: str, edits: str) -> Outcome:
    with state.hub() as hub:
        found = hub.unmerge(entity, key, edits=edits)

    def show(screen: Screen) -> None:
        text = screen.text(
            _("{loser} and {survivor} are two again: {links} links, {references} references."),
            **{**found, **{side: _name(found["names"][side]) for side in ("loser", "survivor")}},
        )
        screen.mark("ok", text)
        if found["edits"]:
            screen.line(_("Edited since the merge:"))
            titles = [_("Field"), _("Value"), _("When"), _("From"), _("Stays with")]
            rows = [
                [
                    e["field"],
                    _short(screen, e["value"]),
                    moment(e["at"]),
                    e["origin"],
                    translate(SIDES[e["stays"]], screen.language),
                ]
                for e in found["edits"]
            ]
            screen.table(titles, rows)
        screen.note(_("→ Tell the systems: hub sync"))

    return Outcome(found, show)


def _edit_row(screen: Screen, edit: Mapping[str, Any]) -> list[Any]:
    side = translate(SIDES[edit["stays"]], screen.language)
    value = _short(screen, edit["value"])
    return [edit["field"], value, moment(edit["at"]), edit["origin"], side]


COMMANDS: tuple[click.Command, ...] = (duplicates, merge, unmerge)
