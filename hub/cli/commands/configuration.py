"""config: show, check, docs, and the secrets."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import click

from hub.cli.base import Group, Outcome, State, option
from hub.cli.screen import Screen
from hub.errors import ConfigError, HubError
from hub.i18n import _, render, render_hint

MASK = "••••••"
# Names that hide a secret even where no schema says so.
SECRET_NAME = re.compile(r"passw|secret|token|api_?key|private", re.I)
PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^@/]+@")


@click.group(cls=Group, help="Show and check the settings; keep secrets.")
def config() -> None:
    pass


@config.command(help="Show every setting that is given, with its value.")
@option("--origin", is_flag=True, help="Show the file and line each value came from.")
@click.pass_obj
def show(state: State, origin: bool) -> Outcome:
    from hub.settings import load_settings

    settings = load_settings(state.home, state.overrides)
    values = {path: value for path, value in _leaves(settings.values)}
    for path in [p for p in values if _is_secret(p, settings.origins)]:
        values[path] = MASK
    places = {path: settings.origin(path) for path in values}
    shown = {p: {"value": v, "origin": places[p]} for p, v in values.items()} if origin else values

    def display(screen: Screen) -> None:
        titles = [_("Setting"), _("Value"), *([_("From")] if origin else [])]
        rows = [[p, v, *([places[p]] if origin else [])] for p, v in values.items()]
        screen.table(titles, rows)

    return Outcome(shown, display)


def _leaves(values: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and value and set(value) != {"secret"}:
            yield from _leaves(value, path + ".")
        elif value != {}:
            yield path, _masked(name, value)


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return value
    if SECRET_NAME.search(name) and value is not None:
        return MASK
    return PASSWORD.sub(rf"\1:{MASK}@", value) if isinstance(value, str) else value


def _is_secret(path: str, origins: Any) -> bool:
    """A connector's settings that did not come from a file: it may be a secret given directly."""
    keys = tuple(path.split("."))
    origin = origins.get(keys)
    given = origin is not None and origin.layer in ("environment", "command line")
    return given and keys[0] == "connections" and "settings" in keys


@config.command(help="Check the configuration; show every error with its line.")
@click.pass_obj
def check(state: State) -> Outcome:
    from hub.cli.checks import config_errors

    errors = config_errors(state)

    def display(screen: Screen) -> None:
        for error in errors:
            screen.mark("fail", *_said(error, screen.language))
        if not errors:
            screen.mark("ok", screen.text(_("The configuration is valid.")))

    found = [dict(zip(("message", "hint"), _said(e, state.language), strict=True)) for e in errors]
    code = ConfigError.exit_code if errors else 0
    return Outcome({"ok": not errors, "errors": found}, display, code)


def _said(error: HubError, language: str) -> tuple[str, str]:
    return render(error, language), render_hint(error, language)


@config.command(help="Describe every setting: what it means, its default, its variable.")
@option("--yaml", "as_yaml", is_flag=True, help="As an annotated file with all defaults.")
@click.pass_obj
def docs(state: State, as_yaml: bool) -> Outcome:
    from hub.cli.reference import annotated, rows

    if as_yaml:
        text = annotated(state.language)
        return Outcome(text, lambda screen: screen.raw(text))
    described = rows(state.language)

    def display(screen: Screen) -> None:
        titles = [_("Setting"), _("Default"), _("Meaning")]
        lines = [[r["path"], r["default"], _meaning(r)] for r in described]
        screen.table(titles, lines)

    return Outcome(described, display)


def _meaning(row: dict[str, Any]) -> str:
    choices = f" [{' | '.join(row['choices'])}]" if row["choices"] else ""
    return f"{row['help']}{choices}"


@config.command(
    "set-secret",
    help="Keep a secret, encrypted, under NAME.\n\n"
    "The secret is asked for, or read from standard input; never given on the command line.",
)
@click.argument("name")
@click.pass_obj
def set_secret(state: State, name: str) -> Outcome:
    from hub.secrets import Secrets

    Secrets(state.home).set(name, _ask_secret(name, Screen(state)))

    def display(screen: Screen) -> None:
        screen.mark("ok", screen.text(_("Secret {name} is kept."), name=name))
        screen.note(_("→ Use it in the configuration as {use}"), use=f'{{secret: "store:{name}"}}')

    return Outcome({"name": name, "reference": f"store:{name}"}, display)


def _ask_secret(name: str, screen: Screen) -> str:
    if sys.stdin.isatty():
        question = screen.text(_("Secret {name}"), name=name)
        return str(click.prompt(question, hide_input=True, err=True))
    return sys.stdin.read().rstrip("\r\n")


@config.command(help="List the names of the secrets that are kept.")
@click.pass_obj
def secrets(state: State) -> Outcome:
    from hub.secrets import Secrets

    names = Secrets(state.home).names()

    def display(screen: Screen) -> None:
        if names:
            screen.table([_("Name")], [[name] for name in names])
        else:
            screen.line(_("No secrets are kept yet."))

    return Outcome(names, display)


@config.command("rotate-key", help="Encrypt all secrets under a new key.")
@click.pass_obj
def rotate_key(state: State) -> Outcome:
    from hub.secrets import Secrets

    count = Secrets(state.home).rotate()

    def display(screen: Screen) -> None:
        message = _("{count} secrets are under a new key. Back up data/secret.key.")
        screen.mark("ok", screen.text(message, count=count))

    return Outcome({"secrets": count}, display)


COMMANDS: tuple[click.Command, ...] = (config,)
