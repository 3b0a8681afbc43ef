"""`hub`: the commands put together, and what becomes of every error."""

import gettext
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

import hub
from hub.cli.base import Option, Root, State, state_of
from hub.cli.commands import (
    configuration,
    connections,
    database,
    duplicates,
    explain,
    firstload,
    history,
    mappings,
    modules,
    plans,
    records,
    setup,
    simulate,
    sync,
    undo,
    verify,
)
from hub.errors import HubError
from hub.i18n import LOCALE, _, translate

USAGE = 2
INTERRUPTED = 130

EXIT_CODES = _("""\
Exit codes:
  0    done
  1    an error
  2    the command line is wrong
  3    finished, with records set aside
  4    the configuration is wrong
  5    a system refused the sign-in
  6    a system cannot be reached
  7    paused: a person has to approve
  8    another process is at work
  130  interrupted""")


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"hub {hub.__version__}")
        ctx.exit()


root = Root(
    "hub",
    help="Keep customers, orders and products the same in all your systems.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    params=[
        Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Show the version.",
        )
    ],
)
for _module in (
    setup,
    configuration,
    database,
    connections,
    mappings,
    sync,
    plans,
    firstload,
    records,
    history,
    duplicates,
    explain,
    undo,
    verify,
    modules,
    simulate,
):
    for _command in _module.COMMANDS:
        root.add_command(_command)


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: list[str]) -> int:
    """Run the command line; its exit code."""
    state = state_of(args)
    with _click_speaks(state.language):
        try:
            return int(root.main(args, "hub", standalone_mode=False, obj=state) or 0)
        except click.ClickException as e:
            return _usage(e, state)
        except (click.Abort, KeyboardInterrupt):
            click.echo(translate(_("Interrupted."), state.language), err=True)
            return INTERRUPTED
        except HubError as e:
            _screen(state).fail(state.command, e)
            return e.exit_code
        except Exception as e:  # the border: every other error is ours
            return _crash(e, state)
        finally:
            _end_logs()


def _end_logs() -> None:
    if "hub.cli.logs" in sys.modules:
        sys.modules["hub.cli.logs"].end()


def _screen(state: State) -> Any:
    from hub.cli.screen import Screen

    return Screen(state)


def _usage(error: click.ClickException, state: State) -> int:
    if state.json:
        context = getattr(error, "ctx", None)
        command = context.command_path.partition(" ")[2] if context else ""
        wrong = HubError("{message}", message=error.format_message())
        wrong.code, wrong.exit_code = "usage", USAGE
        _screen(state).fail(command, wrong)
    else:
        error.show()
    return USAGE


def _crash(error: Exception, state: State) -> int:
    from hub.cli import logs
    from hub.secrets import redactor

    code, path = logs.record(error, state)
    text = redactor.scrub(" ".join(f"{type(error).__name__}: {error}".split()))
    wrong = HubError(
        "unexpected error {crash}: {text}",
        crash=code,
        text=text[:300],
        path=str(path or ""),
        hint=_("This is a fault of the hub; {path} says where.")
        if path
        else _("This is a fault of the hub; -v shows where."),
    )
    wrong.code = "internal"
    _screen(state).fail(state.command, wrong)
    return wrong.exit_code


@contextmanager
def _click_speaks(chosen: str) -> Iterator[None]:
    """Click's own messages go through gettext, which asks the environment for the language."""
    before = os.environ.get("LANGUAGE")
    os.environ["LANGUAGE"] = chosen
    gettext.bindtextdomain("hub", str(LOCALE))
    gettext.textdomain("hub")
    try:
        yield
    finally:
        if before is None:
            del os.environ["LANGUAGE"]
        else:
            os.environ["LANGUAGE"] = before


# What click says, for the extractor; several of these it puts together itself.
CLICK = (
    _("Usage:"),
    _("Options"),
    _("Commands"),
    _("Error: {message}"),
    _("Try '{command} {option}' for help."),
    _("No such command {name!r}."),
    _("No such option {name!r}."),
    _("Missing command."),
    _("Missing argument"),
    _("Missing option"),
    _("Missing parameter"),
    _("Invalid value: {message}"),
    _("Invalid value for {param_hint}: {message}"),
    _("Option {name!r} requires an argument."),
    _("Option {name!r} does not take a value."),
    _("{value!r} is not a valid {number_type}."),
    _("{value!r} is not one of {choices}."),
    _("{value!r} is not {choice}."),
    _("{value} is not in the range {range}."),
    _("{name} {filename!r} does not exist."),
    _("Choose from:\n\t{choices}"),
    _("file"),
    _("directory"),
    _("path"),
    _("default: {default}"),
    _("required"),
)
PLURALS = (
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
)
