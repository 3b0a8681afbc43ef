"""plan, plans, apply: see before it happens, and let exactly that happen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from hub.cli.base import Command, Group, Outcome, State, option
from hub.cli.commands.sync import EXIT_CODES, QUARANTINED
from hub.cli.screen import Screen, moment
from hub.i18n import DIRECTIONS, _, said, translate

SHOWN = 20
WIDTH = 80
KINDS = {
    "match": ("=", _("In both")),
    "alone": (" ", _("In one")),
    "create": ("+", _("Created")),
    "update": ("~", _("Updated")),
    "echo": ("~", _("Taken back")),
    "link": ("=", _("Linked")),
    "revive": ("+", _("Revived")),
    "archive": ("-", _("Archived")),
    "delete": ("-", _("Deleted")),
    "unlink": ("-", _("Unlinked")),
    "quarantine": ("!", _("Set aside")),
    "waiting": ("…", _("Waiting")),
    "conflict": ("?", _("In conflict")),
    "decided": ("i", _("Decided by policy")),
}
STATES = {
    "building": _("unfinished"),
    "ready": _("ready"),
    "applying": _("partly applied"),
    "applied": _("applied"),
    "planned": _("planned"),
    "skipped": _("skipped"),
    "told": _("for information"),
}
PLAN_KINDS = {
    "manual": _("by hand"),
    "observe": _("observing"),
    "brake": _("stopped by a limit"),
    "firstload": _("first load"),
}
GIVEN = _("(given by the system)")


def _filters(command: Any) -> Any:
    """The options that choose which steps are shown."""
    for add in (
        option("--limit", type=click.IntRange(1), help="Show so many steps; all with --json. [20]"),
        option(
            "--state",
            "step_state",
            type=click.Choice(("planned", "applied", "skipped", "told")),
            help="Only steps in this state.",
        ),
        option("--field", help="Only steps that change this field."),
        option("--kind", type=click.Choice(tuple(KINDS)), help="Only steps of this kind."),
        option("--entity", help="Only steps on records of this entity."),
        option("--bucket", help="Only steps of this bucket of a first load."),
        option("--system", help="Only steps in this connection."),
    ):
        command = add(command)
    return command


@click.command(
    cls=Command,
    help="Show what a sync of FLOW…, or of all flows, would do: here and in every system.\n\n"
    "Nothing is changed anywhere. The plan is kept: hub apply PLAN does exactly what it says.",
)
@click.argument("flows", metavar="[FLOW]...", nargs=-1)
@option("--full", is_flag=True, help="Read everything, not only what changed; finds deletes.")
@_filters
@click.pass_obj
def plan(state: State, /, flows: tuple[str, ...], full: bool, **chosen: Any) -> Outcome:
    from hub.cli.progress import progress

    with state.hub() as hub:
        with progress(Screen(state)) as shown:
            made = hub.plan(flows, full=full, progress=shown)
        found = hub.plan_show(made, *_only(state, chosen))
    return Outcome(found, lambda screen: show_plan(screen, found), _exit_code(found))


def _only(state: State, chosen: Mapping[str, Any]) -> tuple[Any, int]:
    from hub.sync.plans import Filter

    limit = chosen.get("limit") or (0 if state.json else SHOWN)
    names = {name: "state" if name == "step_state" else name for name in chosen if name != "limit"}
    return Filter(**{name: chosen[given] or "" for given, name in names.items()}), limit


def _exit_code(found: Mapping[str, Any]) -> int:
    codes = {error["code"] for error in found["errors"]}
    for code, exit_ in EXIT_CODES.items():
        if code in codes:
            return exit_
    return 1 if codes else 0


def show_plan(screen: Screen, found: Mapping[str, Any], *, counted: bool = True) -> None:
    """The counts, the steps, and what to do next."""
    if counted:
        _heading(screen, found)
        _counts(screen, found)
    for step in found["shown"]:
        _step(screen, step)
    left = found["matching"] - len(found["shown"])
    if left:
        screen.note(
            _("… and {left} more steps: --limit N, or choose with --system, --kind, --field"),
            left=left,
        )
    _warnings(screen, found)
    if found["state"] in ("ready", "applying") and found["progress"].get("planned"):
        screen.note(_("→ Do exactly this: hub apply {plan}"), plan=found["plan"])


def _heading(screen: Screen, found: Mapping[str, Any]) -> None:
    screen.line(
        _("Plan {plan} of {flows}, {at}: {state}"),
        plan=found["plan"],
        flows=", ".join(found["flows"]),
        at=moment(found["at"]),
        state=translate(STATES.get(found["state"], found["state"]), screen.language),
    )


def _counts(screen: Screen, found: Mapping[str, Any]) -> None:
    rows = list(_count_rows(screen, found["systems"]))
    if not rows:
        screen.line(_("There is nothing to do: everything agrees."))
        return
    used = [k for k in KINDS if any(counts.get(k) for _s, _d, counts in rows)]
    titles = [_("System"), _("Direction"), *(KINDS[k][1] for k in used)]
    screen.table(titles, [[s, d, *(counts.get(k, 0) for k in used)] for s, d, counts in rows])


def _count_rows(
    screen: Screen, systems: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, int]]]:
    for system, directions in systems.items():
        for direction in ("in", "out"):
            if direction in directions:
                said_ = translate(DIRECTIONS[direction], screen.language)
                yield system, said_, directions[direction]


def _step(screen: Screen, step: Mapping[str, Any]) -> None:
    sign, title = KINDS.get(step["kind"], (" ", step["kind"]))
    arrow = "→" if step["direction"] == "in" else "←"
    name = " ".join(p for p in (step["title"], _row_name(screen, step)) if p)
    kind = translate(title, screen.language)
    state = "" if step["state"] in ("planned", "told") else f" [{_state(screen, step['state'])}]"
    head = f"{sign} {step['system']} {arrow} {step['entity']} {name}: {kind}{state}"
    screen.raw(screen.cell(head))
    for field, (old, new) in step["changes"].items() if step["kind"] != "conflict" else ():
        shown = _value(screen, new)
        change = shown if old is None else f"{_value(screen, old)} → {shown}"
        screen.raw(screen.cell(f"    {field}: {change}"))
    for reason in step["reasons"] if step["kind"] != "match" else step["reasons"][1:]:
        screen.raw(screen.cell(f"    {_reason(screen, reason)}"))
    if why := step.get("why"):
        told = f" ({why['told']})" if why.get("told") else ""
        screen.raw(screen.cell(f"    {said(why, screen.language)[0]}{told}"))


def _state(screen: Screen, state: str) -> str:
    return translate(STATES.get(state, state), screen.language)


def _row_name(screen: Screen, step: Mapping[str, Any]) -> str:
    from hub.sync.capture import is_foreseen

    row = step["row"]
    return "" if not row or is_foreseen(row) else f"({row})"


def _value(screen: Screen, value: Any) -> str:
    from hub.sync.capture import is_foreseen

    if is_foreseen(value):
        return screen.text(GIVEN)
    text = screen.cell(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _reason(screen: Screen, reason: Mapping[str, Any]) -> str:
    if reason["code"] == "differs":
        return screen.text(_("{field}: {wins} wins"), **reason)
    if "theirs" in reason:
        wins = screen.text(_("a person decides"))
        if reason.get("wins"):
            wins = screen.text(
                _("the system wins") if reason["wins"] == "theirs" else _("the hub wins")
            )
            wins += f" ({reason['by']})"
        names = (("base", _("before")), ("ours", _("hub")), ("theirs", _("system")))
        values = ", ".join(
            f"{translate(title, screen.language)} {_value(screen, reason[n])}" for n, title in names
        )
        return f"{reason['field']}: {values}: {wins}"
    where = f"{reason['field']}: " if reason.get("field") else ""
    return where + said(reason, screen.language)[0]


def _warnings(screen: Screen, found: Mapping[str, Any]) -> None:
    for beyond in found["exceeded"]:
        message = screen.text(beyond["message"], **{k: beyond[k] for k in beyond if k != "message"})
        screen.mark("warn", message)
    for error in found["errors"]:
        message, hint = said(error, screen.language)
        screen.trouble(f"{error['flow']}: {message}", hint)


# ------------------------------------------------------------------------------------------ plans


@click.group(cls=Group, help="The plans that were made: list, look, delete.")
def plans() -> None:
    pass


@plans.command("list", help="List the plans, the newest first.")
@option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.pass_obj
def plans_list(state: State, limit: int) -> Outcome:
    with state.hub() as hub:
        found = hub.plans_list(limit)

    def show(screen: Screen) -> None:
        if not found:
            screen.line(_("No plan yet. Make one: hub plan"))
            return
        titles = [_("Made"), _("Flows"), _("Why"), _("State"), _("Steps"), _("By"), _("Plan")]
        screen.table(titles, [_plan_row(screen, p) for p in found])

    return Outcome(found, show)


def _plan_row(screen: Screen, found: Mapping[str, Any]) -> list[Any]:
    return [
        moment(found["at"]),
        ", ".join(found["flows"]),
        translate(PLAN_KINDS.get(found["kind"], found["kind"]), screen.language),
        _state(screen, found["state"]),
        found["steps"],
        found["by"],
        found["plan"],
    ]


@plans.command("show", help="Show the PLAN, or those of its steps that you choose.")
@click.argument("plan")
@_filters
@click.pass_obj
def plans_show(state: State, /, plan: str, **chosen: Any) -> Outcome:
    with state.hub() as hub:
        found = hub.plan_show(plan, *_only(state, chosen))
    return Outcome(found, lambda screen: show_plan(screen, found))


@plans.command("delete", help="Forget the PLAN; what it did stays done.")
@click.argument("plan")
@click.pass_obj
def plans_delete(state: State, plan: str) -> Outcome:
    with state.hub() as hub:
        deleted = hub.plan_delete(plan)

    def show(screen: Screen) -> None:
        screen.mark("ok", screen.text(_("The plan {plan} is forgotten."), plan=deleted))

    return Outcome({"plan": deleted, "deleted": True}, show)


# ------------------------------------------------------------------------------------------ apply


@click.command(
    cls=Command,
    help="Do what the PLAN says, and nothing else.\n\n"
    "A step is skipped, with the reason, if what it rests on was changed since. Started again, it "
    "goes on where it stopped.",
)
@click.argument("plan")
@click.pass_obj
def apply(state: State, plan: str) -> Outcome:
    from hub.cli.progress import progress

    with state.hub() as hub, progress(Screen(state)) as shown:
        found = hub.plan_apply(plan, progress=shown)
    skipped = found["progress"].get("skipped", 0)
    return Outcome(
        found, lambda screen: skipped_steps(screen, found), QUARANTINED if skipped else 0
    )


def skipped_steps(screen: Screen, found: Mapping[str, Any]) -> None:
    done: Mapping[str, int] = found["progress"]
    screen.mark("ok", screen.text(_("{count} steps are done."), count=done.get("applied", 0)))
    skipped: Sequence[Mapping[str, Any]] = found["shown"]
    if skipped:
        screen.mark("warn", screen.text(_("{count} steps were skipped:"), count=len(skipped)))
    for step in skipped[:SHOWN]:
        _step(screen, step)
    if skipped:
        screen.note(
            _("→ All of them: hub plans show {plan} --state skipped; plan anew: hub plan"),
            plan=found["plan"],
        )
    if done.get("planned"):
        screen.note(
            _("→ {count} steps are left; go on: hub apply {plan}"),
            count=done["planned"],
            plan=found["plan"],
        )


COMMANDS: tuple[click.Command, ...] = (plan, plans, apply)
