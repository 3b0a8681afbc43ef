"""What every command is made of: the global options, help in two languages, and an outcome.

A command is a function that returns an `Outcome`; how that is shown, and how an error is, is
decided here once.  Nothing heavy is imported before a command runs.
"""

import copy
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub import i18n
from hub.errors import ConfigError
from hub.i18n import _, translate

if TYPE_CHECKING:
    from hub.cli.screen import Screen
    from hub.context import Hub


@dataclass
class Outcome:
    """What a command gives: `result` for --json, `show` for people, and the exit code."""

    result: Any
    show: Callable[["Screen"], None]
    exit_code: int = 0


@dataclass
class State:
    """The global options, wherever on the command line they stood."""

    home: Path
    language: str = "en"
    json: bool = False
    color: bool = True
    verbose: int = 0
    overrides: dict[str, str] = field(default_factory=dict)
    command: str = ""

    def hub(self, *, upgrade: bool = False) -> "Hub":
        """The opened hub; ConfigError if there is none at home, unless *upgrade* makes it."""
        from hub.cli import logs
        from hub.context import Hub

        self._need_home(making=upgrade)
        logs.begin(self)
        return Hub.open(self.home, self.overrides, upgrade=upgrade)

    def _need_home(self, *, making: bool = False) -> None:
        """Opening a database makes its file: not in a folder that somebody mistook for a home."""
        if not making and not (self.home / "data").is_dir():
            raise ConfigError(
                "there is no hub in {home}",
                home=str(self.home.resolve()),
                hint="Make one: hub init DIR; or name its folder: --home DIR, or HUB_HOME.",
            )

    def unready_hub(self) -> "Hub":
        """The hub whatever state its database is in: for the commands that are about that."""
        from hub.context import Hub
        from hub.settings import load_settings

        self._need_home()
        return Hub.unready(load_settings(self.home, self.overrides))


def state_of(args: list[str]) -> State:
    """The state before the command line is parsed, so that its own errors are in the language."""
    home = Path(_given(args, "--home") or os.environ.get("HUB_HOME") or ".")
    color = "--no-color" not in args and not os.environ.get("NO_COLOR")
    language = i18n.choose(_given(args, "--lang"), _setting(home))
    return State(home=home, language=language, json="--json" in args, color=color)


def _given(args: list[str], option: str) -> str | None:
    for i, arg in enumerate(args):
        if arg.startswith(option + "="):
            return arg.partition("=")[2]
        if arg == option and i + 1 < len(args):
            return args[i + 1]
    return None


def _setting(home: Path) -> str:
    """The `language` setting, read without the checks: help must be fast, also with a bad file."""
    found = ""
    for name in ("hub.yaml", "local.yaml"):
        try:
            text = (home / "config" / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            continue
        lines = re.findall(r"(?m)^language:[ \t]*[\"']?(\w+)", text)
        found = lines[-1] if lines else found
    return os.environ.get("HUB__LANGUAGE") or found


def language() -> str:
    context = click.get_current_context(silent=True)
    state = context.find_object(State) if context else None
    return state.language if state else i18n.choose()


# --------------------------------------------------------------------------- the global options


def _home(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value:
        ctx.ensure_object(State).home = Path(value)


def _set(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> None:
    for text in value:
        name, equals, given = text.partition("=")
        if not equals:
            raise click.BadParameter(
                translate(_("write NAME=VALUE, such as engine.batch=500"), language()), ctx, param
            )
        ctx.ensure_object(State).overrides[name] = given


def _verbose(ctx: click.Context, param: click.Parameter, value: int) -> None:
    ctx.ensure_object(State).verbose += value


class Option(click.Option):
    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        shown = copy.copy(self)
        shown.help = translate(self.help or "", language())
        return click.Option.get_help_record(shown, ctx)


def _show_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _globals(*, hidden: bool) -> list[click.Parameter]:
    common: dict[str, Any] = {"expose_value": False, "hidden": hidden}
    return [
        Option(
            ["--home"],
            metavar="DIR",
            callback=_home,
            help="The hub's folder. [HUB_HOME, else the current folder]",
            **common,
        ),
        Option(
            ["--lang"],
            type=click.Choice(i18n.LANGUAGES),
            help="The language of messages. [HUB_LANG]",
            **common,
        ),
        Option(["--json"], is_flag=True, help="Write the result as JSON.", **common),
        Option(["--no-color"], is_flag=True, help="Write without colours. [NO_COLOR]", **common),
        Option(
            ["--set"],
            multiple=True,
            metavar="NAME=VALUE",
            callback=_set,
            help="Override a setting for this command.",
            **common,
        ),
        Option(
            ["-v", "--verbose"],
            count=True,
            callback=_verbose,
            help="Say more; show where an unexpected error came from.",
            **common,
        ),
        Option(
            ["-h", "--help"],
            is_flag=True,
            is_eager=True,
            callback=_show_help,
            expose_value=False,
            help="Show this text.",
        ),
    ]


# ------------------------------------------------------------------------------------- commands


class _Bilingual(click.Command):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"add_help_option": False, **options})
        if type(self) is not Root:
            self.params += _globals(hidden=True)

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        return ["-h", "--help"]

    def get_short_help_str(self, limit: int = 45) -> str:
        return translate(self.help or "", language()).split("\n\n", maxsplit=1)[0]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(translate(self.help or "", language()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilog:
            formatter.write_paragraph()
            # Not wrapped: an epilog is a table or a list of examples.
            formatter.write(translate(self.epilog, language()) + "\n")


class Command(_Bilingual):
    def invoke(self, ctx: click.Context) -> Any:
        state = ctx.ensure_object(State)
        state.command = ctx.command_path.partition(" ")[2]
        outcome = super().invoke(ctx)
        if isinstance(outcome, Outcome):
            from hub.cli.screen import Screen

            Screen(state).show(state.command, outcome)
            ctx.exit(outcome.exit_code)
        return outcome


class Group(_Bilingual, click.Group):
    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


Group.group_class = Group


class Root(Group):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params += _globals(hidden=False)


def option(*names: str, **options: Any) -> Callable[[Any], Any]:
    return click.option(*names, cls=Option, **options)
