"""firstload: two full systems meet, and a person says what becomes of each kind of row."""

from collections.abc import Mapping
from typing import Any

import click

from hub.cli.base import Group, Outcome, State, option
from hub.cli.commands.plans import SHOWN, show_plan, skipped_steps
from hub.cli.commands.sync import QUARANTINED
from hub.cli.screen import Screen
from hub.i18n import _, translate

BUCKETS = {
    "matched": _("In both"),
    "here": _("Only in the first"),
    "there": _("Only in the second"),
    "ambiguous": _("Not clear"),
    "refused": _("Set aside"),
}


@click.group(cls=Group, help="Match two systems that are full already, before anything is written.")
def firstload() -> None:
    pass


@firstload.command(
    "match",
    help="Read the systems of the flows FIRST and SECOND, and show which rows are the same things.\n\n"
    "Nothing is written anywhere. Choose then what becomes of each bucket: hub firstload apply.",
)
@click.argument("first")
@click.argument("second")
@option("--bucket", type=click.Choice(tuple(BUCKETS)), help="Show only rows of this bucket.")
@option("--limit", type=click.IntRange(1), help="Show so many rows; all with --json. [20]")
@click.pass_obj
def match(state: State, first: str, second: str, bucket: str | None, limit: int | None) -> Outcome:
    from hub.cli.progress import progress
    from hub.sync.plans import Filter

    with state.hub() as hub:
        with progress(Screen(state)) as shown:
            made = hub.firstload(first, second, progress=shown)
        most = limit or (0 if state.json else SHOWN)
        found = hub.plan_show(made, Filter(bucket=bucket or ""), most)
    return Outcome(found, lambda screen: _show(screen, found))


def _show(screen: Screen, found: Mapping[str, Any]) -> None:
    rows = [
        [translate(title, screen.language), found["buckets"].get(name, 0), name]
        for name, title in BUCKETS.items()
    ]
    screen.table([_("Rows"), _("Count"), _("Bucket")], rows)
    show_plan(screen, {**found, "systems": {}, "state": ""}, counted=False)
    screen.note(
        _(
            "→ Choose: hub firstload apply {plan} --matched merge|link --here create|keep|ignore"
            " --there create|keep|ignore --ambiguous steward|ignore"
        ),
        plan=found["plan"],
    )


@firstload.command(
    "apply",
    help="Do with every bucket of the PLAN what is chosen for it; the others wait.\n\n"
    "merge: link, and let the policies decide each difference. link: link, and leave every "
    "difference. create: make it in the other system too. keep: in the hub only. steward: set it "
    "aside for a person. ignore: leave it alone for ever.",
)
@click.argument("plan")
@option("--matched", type=click.Choice(("merge", "link", "ignore")), help="Rows that are in both.")
@option("--here", type=click.Choice(("create", "keep", "ignore")), help="Rows of the first only.")
@option("--there", type=click.Choice(("create", "keep", "ignore")), help="Rows of the second only.")
@option("--ambiguous", type=click.Choice(("steward", "ignore")), help="Rows that fit several.")
@option("--refused", type=click.Choice(("steward", "ignore")), help="Rows that are not valid.")
@click.pass_obj
def apply(state: State, /, plan: str, **chosen: str | None) -> Outcome:
    from hub.cli.progress import progress

    choices = {bucket: choice for bucket, choice in chosen.items() if choice}
    with state.hub() as hub, progress(Screen(state)) as shown:
        found = hub.firstload_apply(plan, choices, progress=shown)
    skipped = found["progress"].get("skipped", 0)
    return Outcome(
        found, lambda screen: skipped_steps(screen, found), QUARANTINED if skipped else 0
    )


COMMANDS: tuple[click.Command, ...] = (firstload,)
