"""init, doctor, demo, run, serve."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from hub.cli.base import Command, Outcome, State, option
from hub.cli.screen import Screen
from hub.i18n import _


@click.command(
    cls=Command,
    help="Make a hub in DIR: its configuration, mappings and database.\n\n"
    "What is already there is left as it is.",
)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def init(state: State, folder: Path | None) -> Outcome:
    from hub.cli.home import create_home

    state.home = folder or state.home
    foreign = (
        state.home.is_dir() and not (state.home / "data").is_dir() and any(state.home.iterdir())
    )
    created = create_home(state.home)
    with state.hub(upgrade=True) as hub:
        ready = hub.schema_state()

    def show(screen: Screen) -> None:
        for path in created:
            screen.mark("ok", path)
        if not created:
            screen.line(_("There is nothing to do: {home} is a hub already."), home=state.home)
        if foreign:
            message = _("The folder was not empty; what was there is left as it is.")
            screen.mark("warn", screen.text(message))
        screen.mark("ok", screen.text(_("The database is up to date ({current})."), **ready))
        screen.note(_("→ Describe your systems in {path}, then: hub doctor"), path=_config(state))

    return Outcome({"home": str(state.home.resolve()), "created": created, "database": ready}, show)


def _config(state: State) -> Path:
    return state.home / "config" / "hub.yaml"


@click.command(cls=Command, help="Check everything the hub needs, with what to do about each.")
@option("--offline", is_flag=True, help="Do not call the systems.")
@click.pass_obj
def doctor(state: State, offline: bool) -> Outcome:
    from hub.cli.doctor import examine

    findings = list(examine(state, offline=offline))
    code = next((f.exit_code for f in findings if f.state == "fail"), 0)

    def show(screen: Screen) -> None:
        for finding in findings:
            screen.mark(finding.state, finding.message, finding.remedy)

    result = {"ok": code == 0, "checks": [f.to_json() for f in findings]}
    return Outcome(result, show, code)


@click.command(cls=Command, help="Make a hub with three systems that disagree, and watch it work.")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def demo(state: State, folder: Path | None) -> Outcome | None:
    from hub.cli.demo import run_demo

    outcome = run_demo(folder or Path("hub-demo"), Screen(state))
    return outcome if isinstance(outcome, Outcome) else None


@click.command(cls=Command, help="Run the flows by their schedules until stopped.")
@click.pass_obj
def run(state: State) -> Outcome:
    screen = Screen(state)
    with state.hub() as hub, _stopped_by_signal() as stop:
        screen.note(_("The flows run by their schedules. Stop with Ctrl-C."))
        hub.run_forever(stop.is_set)
    return Outcome({"stopped": True}, lambda s: s.note(_("Stopped.")))


@click.command(cls=Command, help="Serve the status page.")
@option("--host", help="The address to serve on. [web.host]")
@option("--port", type=int, help="The port to serve on. [web.port]")
@click.pass_obj
def serve(state: State, host: str | None, port: int | None) -> Outcome:
    from hub.web import create_app, serve_forever

    screen = Screen(state)
    with state.hub() as hub:
        web = hub.settings.web
        host, port = host or web.host, web.port if port is None else port
        if host not in ("127.0.0.1", "::1", "localhost"):
            screen.note(
                _("! {host} can be reached by others, and the page asks for no password."),
                host=host,
            )
        with _stopped_by_signal() as stop:
            serve_forever(create_app(hub), host, port, stop, _announce(screen))
    return Outcome({"stopped": True}, lambda s: s.note(_("Stopped.")))


def _announce(screen: Screen) -> Callable[[str], None]:
    return lambda url: screen.note(_("The status page is at {url}. Stop with Ctrl-C."), url=url)


@contextmanager
def _stopped_by_signal() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets, to stop in order; a second one breaks off."""
    stop, interrupted = threading.Event(), threading.Event()

    def stopped(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if number == signal.SIGINT:
            interrupted.set()

    before = {n: signal.signal(n, stopped) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted.is_set():
        raise KeyboardInterrupt


COMMANDS = (init, doctor, demo, run, serve)
