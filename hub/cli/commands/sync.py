"""sync, status, runs, flows."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from hub.cli.base import Command, Group, Outcome, State, option
from hub.cli.screen import Screen, moment
from hub.i18n import DIRECTIONS, STATES, _, said, translate

QUARANTINED, APPROVAL = 3, 7
# In the order of weight: what stops everything before what concerns one system.
EXIT_CODES = {
    "config": 4,
    "storage": 1,
    "busy": 8,
    "auth": 5,
    "remote": 6,
    "unavailable": 6,
    "rate-limit": 6,
    "rejected": 6,
    "protocol": 6,
    "brake": APPROVAL,
}
NO_FLOWS = _("No flows yet. Add one to config/hub.yaml; hub config docs says how.")
GO_ON = _("→ When that is mended, go on: hub flows resume {flow}")
OBSERVED = _(
    "→ {flow} only observes: see hub plans show {plan}; let it act: hub flows promote {flow}"
)
PLANNED = _("→ What it would do: hub plans show {plan}; do exactly that: hub apply {plan}")
COUNTED = (
    "created",
    "updated",
    "unchanged",
    "quarantined",
    "waiting",
    "conflicted",
    "skipped",
)
WRITTEN = ("created", "updated", "deleted", "unchanged", "rejected", "waiting", "retry")
TITLES = {
    "read": _("Read"),
    "created": _("Created"),
    "updated": _("Updated"),
    "unchanged": _("Unchanged"),
    "quarantined": _("Set aside"),
    "waiting": _("Waiting"),
    "conflicted": _("In conflict"),
    "skipped": _("Skipped"),
    "deleted": _("Deleted"),
    "rejected": _("Refused"),
    "retry": _("To try again"),
}


@click.command(cls=Command, help="Run the flows FLOW…, or all that are enabled, once.")
@click.argument("flows", metavar="[FLOW]...", nargs=-1)
@option("--full", is_flag=True, help="Read everything, not only what changed; finds deletes.")
@click.pass_obj
def sync(state: State, flows: tuple[str, ...], full: bool) -> Outcome:
    from hub.cli.progress import progress

    with state.hub() as hub, progress(Screen(state)) as shown:
        runs = hub.sync(flows, full=full, progress=shown)
    return Outcome({"runs": runs}, lambda screen: _show_runs(screen, runs), exit_code(runs))


def exit_code(runs: Sequence[Mapping[str, Any]]) -> int:
    """The gravest outcome of the runs, as an exit code."""
    codes = [run["error"]["code"] for run in runs if run.get("error")]
    # A record that is in no count is lost, whatever the run says of itself.
    if any(unaccounted(run) for run in runs):
        return 1
    for code, exit_ in EXIT_CODES.items():
        if code in codes:
            return exit_
    if codes or any(run["state"] == "failed" for run in runs):
        return 1
    if any(run["state"] == "paused" for run in runs):
        return APPROVAL
    aside = any(
        run.get("quarantined")
        or run.get("written", {}).get("rejected")
        or run["state"] == "partial"
        for run in runs
    )
    return QUARANTINED if aside else 0


def unaccounted(run: Mapping[str, Any]) -> int:
    """Rows that were read and are in no count."""
    return int(run.get("read") or 0) - sum(int(run.get(name) or 0) for name in COUNTED)


def _show_runs(screen: Screen, runs: Sequence[Mapping[str, Any]]) -> None:
    if not runs:
        screen.line(_("No flow is enabled. See: hub status"))
        return
    reading = [run for run in runs if run.get("direction") != "out"]
    writing = [
        run for run in runs if run.get("written") is not None and run.get("direction") != "in"
    ]
    if reading:
        _counts(screen, _("In"), ("read", *COUNTED, "deleted"), [(r, r) for r in reading])
    if writing:
        _counts(screen, _("Out"), WRITTEN, [(r, r["written"]) for r in writing])
    for run in runs:
        _remarks(screen, run)


def _counts(
    screen: Screen,
    title: str,
    names: Sequence[str],
    runs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> None:
    titles = [title, *(TITLES[name] for name in names), _("Seconds")]
    rows = [
        [run["flow"], *(int(counts.get(name) or 0) for name in names), _seconds(run)]
        for run, counts in runs
    ]
    if len(rows) > 1:
        sums = [sum(row[i] for row in rows) for i in range(1, len(titles))]
        rows.append([screen.text(_("Total")), *sums])
    screen.table(titles, rows)


def _seconds(run: Mapping[str, Any]) -> float:
    return round(float(run.get("seconds") or 0), 1)


def _remarks(screen: Screen, run: Mapping[str, Any]) -> None:
    """What the counts of one run mean for the reader."""
    flow = run["flow"]
    if lost := unaccounted(run):
        screen.trouble(
            screen.text(_("{flow}: {lost} rows are in no count."), flow=flow, lost=lost),
            screen.text(_("This is a fault of the hub; keep data/hub.log and report it.")),
        )
    if error := run.get("error"):
        message, hint = said(error, screen.language)
        screen.trouble(f"{flow}: {message}", hint)
    if run["state"] == "paused":
        screen.note(GO_ON, flow=flow)
    if run.get("plan"):
        screen.note(OBSERVED, flow=flow, plan=run["plan"])
    if run.get("quarantined") or run.get("written", {}).get("rejected"):
        screen.note(_("→ See what was set aside: hub quarantine list --flow {flow}"), flow=flow)
    if run.get("conflicted"):
        screen.note(_("→ Decide the conflicts: hub conflicts list"))


# ----------------------------------------------------------------------------------- status, runs


@click.command(cls=Command, help="Show each flow: its last run, what waits, what is wrong.")
@click.pass_obj
def status(state: State) -> Outcome:
    with state.hub() as hub:
        found = hub.status()
    return Outcome(found, lambda screen: _show_status(screen, found))


def _show_status(screen: Screen, found: Mapping[str, Any]) -> None:
    flows = found["flows"]
    if not flows:
        screen.line(NO_FLOWS)
        return
    titles = [
        _("Flow"),
        _("Connection"),
        _("Direction"),
        _("State"),
        _("Last run"),
        _("To write"),
        _("Waiting"),
        _("Set aside"),
        _("Conflicts"),
        _("Next run"),
    ]
    screen.table(titles, [_flow_row(screen, flow) for flow in flows])
    for flow in flows:
        if flow.get("paused_reason"):
            message = _("Flow {flow} is paused: {reason}")
            reason, hint = said(flow["paused_reason"], screen.language)
            screen.mark("warn", screen.text(message, flow=flow["flow"], reason=reason), hint)
            if planned := flow["paused_reason"].get("plan"):
                screen.note(PLANNED, plan=planned)
            screen.note(GO_ON, flow=flow["flow"])
    if records := found.get("records"):
        screen.table([_("Entity"), _("Records")], list(records.items()))


def _flow_row(screen: Screen, flow: Mapping[str, Any]) -> list[Any]:
    last = flow.get("last_run") or {}
    finished = last.get("finished_at") if isinstance(last, Mapping) else last
    return [
        flow["flow"],
        flow["connection"],
        translate(DIRECTIONS.get(flow["direction"], flow["direction"]), screen.language),
        _state(screen, flow["state"]),
        moment(finished),
        *(int(flow.get(name) or 0) for name in ("outbox", "waiting", "quarantined", "conflicts")),
        moment(flow.get("next_due_at")),
    ]


def _state(screen: Screen, state: str) -> str:
    return translate(STATES.get(state, state), screen.language)


@click.command(cls=Command, help="Show the last runs, of FLOW or of all.")
@click.argument("flow", required=False)
@option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.pass_obj
def runs(state: State, flow: str | None, limit: int) -> Outcome:
    with state.hub() as hub:
        found = hub.runs(flow, limit=limit)
    return Outcome(found, lambda screen: _show_history(screen, found))


def _show_history(screen: Screen, runs: Sequence[Mapping[str, Any]]) -> None:
    if not runs:
        screen.line(_("Nothing has run yet. Start with: hub sync"))
        return
    titles = [
        _("Started"),
        _("Flow"),
        _("State"),
        _("Read"),
        _("Changed"),
        _("Written"),
        _("Set aside"),
        _("Seconds"),
        _("Run"),
    ]
    screen.table(titles, [_run_row(screen, run) for run in runs])


def _run_row(screen: Screen, run: Mapping[str, Any]) -> list[Any]:
    written = run.get("written") or {}
    return [
        moment(run.get("started_at")),
        run["flow"],
        _state(screen, run["state"]),
        int(run.get("read") or 0),
        sum(int(run.get(name) or 0) for name in ("created", "updated", "deleted")),
        sum(int(written.get(name) or 0) for name in ("created", "updated", "deleted")),
        int(run.get("quarantined") or 0) + int(written.get("rejected") or 0),
        _seconds(run),
        run.get("run"),
    ]


# ------------------------------------------------------------------------------------------ flows


MODES = {"observe": _("observes"), "live": _("live")}
MODE_SET = {
    "live": _("Flow {flow} is live: its next run acts."),
    "observe": _("Flow {flow} only observes: its runs plan and change nothing."),
}


@click.group(cls=Group, help="The flows: list them, promote one, let a paused one go on.")
def flows() -> None:
    pass


@flows.command("list", help="List the flows in the configuration.")
@click.pass_obj
def flows_list(state: State) -> Outcome:
    names = ("connection", "mapping", "direction", "policy", "schedule", "enabled")
    with state.hub() as hub:
        modes, declared = hub.modes(), hub.settings.flows.values()
    found = [
        {"flow": f.name, **{n: getattr(f, n) for n in names}, "mode": modes[f.name]}
        for f in declared
    ]

    def show(screen: Screen) -> None:
        if not found:
            screen.line(NO_FLOWS)
            return
        titles = [_("Flow"), _("Connection"), _("Mapping"), _("Direction"), _("Policy")]
        titles += [_("Schedule"), _("Enabled"), _("Mode")]
        screen.table(titles, [_in_words(screen, f) for f in found])

    return Outcome(found, show)


def _in_words(screen: Screen, flow: Mapping[str, Any]) -> list[Any]:
    direction = translate(DIRECTIONS[flow["direction"]], screen.language)
    mode = translate(MODES[flow["mode"]], screen.language)
    return list({**flow, "direction": direction, "mode": mode}.values())


@flows.command(help="Let a FLOW that only observes act, from its next run on.")
@click.argument("flow")
@option("--back", is_flag=True, help="The other way: let it only observe again.")
@click.pass_obj
def promote(state: State, flow: str, back: bool) -> Outcome:
    mode = "observe" if back else "live"
    with state.hub() as hub:
        hub.promote(flow, mode)
        mode = hub.modes()[flow]

    def show(screen: Screen) -> None:
        screen.mark("ok", screen.text(MODE_SET[mode], flow=flow))

    return Outcome({"flow": flow, "mode": mode}, show)


@flows.command(help="Let a paused FLOW go on with its next run.")
@click.argument("flow")
@option(
    "--approve",
    type=click.IntRange(1),
    metavar="COUNT",
    help="So many deletes or changes may pass the brake, once.",
)
@click.pass_obj
def resume(state: State, flow: str, approve: int | None) -> Outcome:
    with state.hub() as hub:
        hub.resume(flow, approve=approve or 0)

    def show(screen: Screen) -> None:
        screen.mark("ok", screen.text(_("Flow {flow} goes on with its next run."), flow=flow))

    return Outcome({"flow": flow, "resumed": True, "approved": approve or 0}, show)


COMMANDS: tuple[click.Command, ...] = (sync, status, runs, flows)
