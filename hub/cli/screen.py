"""What people and programs read: results on stdout, everything else on stderr."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hub.cli.base import Outcome, State
from hub.errors import HubError, Problem
from hub.i18n import _, render, render_hint, say, spoken, translate

if TYPE_CHECKING:
    from rich.console import Console

# A value from another system must not be able to drive the terminal.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# What the values of a message are called where they are instants.
MOMENTS = ("at", "since", "until")
MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


class Screen:
    def __init__(self, state: State) -> None:
        self.state = state
        self.language = state.language

    @cached_property
    def out(self) -> "Console":
        return self._console(sys.stdout)

    @cached_property
    def err(self) -> "Console":
        return self._console(sys.stderr)

    def _console(self, file: Any) -> "Console":
        from rich.console import Console

        wide = None if file.isatty() else 500  # a pipe gets whole values, not what fits 80
        return Console(
            file=file,
            width=wide,
            no_color=not self.state.color,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
        )

    # ---------------------------------------------------------------------------- outcomes

    def show(self, command: str, outcome: Outcome) -> None:
        if self.state.json:
            self._json(command, outcome.result, None)
        else:
            outcome.show(self)

    def fail(self, command: str, error: HubError) -> None:
        message, hint = render(error, self.language), render_hint(error, self.language)
        if self.state.json:
            found = {"code": error.code, "message": message, "hint": hint}
            self._json(command, None, {**found, "exit_code": error.exit_code})
        else:
            self.trouble(message, hint)

    def trouble(self, message: str, hint: str = "") -> None:
        self.err.print(f"✗ {clean(message)}", style="red")
        if hint:
            self.err.print(f"→ {clean(hint)}")

    def _json(self, command: str, result: Any, error: Any) -> None:
        spoke = spoken(result, self.language)
        document = {"hub": 1, "command": command, "result": spoke, "error": error}
        text = json.dumps(document, ensure_ascii=False, indent=2, default=plain)
        sys.stdout.write(text + "\n")

    # ------------------------------------------------------------------------------- lines

    def text(self, template: str, **values: Any) -> str:
        return say(template, self.language, **values)

    def line(self, template: str = "", **values: Any) -> None:
        self.out.print(clean(self.text(template, **values)))

    def raw(self, text: str) -> None:
        """The text as it is: a document that may be piped into a file."""
        sys.stdout.write(text if text.endswith("\n") else text + "\n")

    def note(self, template: str, **values: Any) -> None:
        self.err.print(clean(self.text(template, **values)))

    def mark(self, state: str, text: str, remedy: str = "") -> None:
        """One line of a check, with a mark that does not depend on colour."""
        sign, style = MARKS[state]
        self.out.print(f"{sign} {clean(text)}", style=style if state != "ok" else None)
        if remedy:
            self.out.print(f"  → {clean(remedy)}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Rows under translated titles; numbers are set to the right."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        listed = [list(row) for row in rows]
        terminal = self.out.is_terminal
        table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
        for i, title in enumerate(columns):
            number = bool(listed) and all(_is_number(r[i]) for r in listed)
            header = Text(translate(title, self.language))
            table.add_column(header, justify="right" if number else "left", no_wrap=not terminal)
        for row in listed:
            table.add_row(*(Text(self.cell(value)) for value in row))
        if terminal:
            self.out.print(table, soft_wrap=False)
            return
        with self.out.capture() as captured:
            self.out.print(table, soft_wrap=False)
        sys.stdout.writelines(line.rstrip() + "\n" for line in captured.get().splitlines())

    def pairs(self, values: Mapping[str, Any]) -> None:
        """One line per value, under untranslated names: what a person may have to type again."""
        width = max(map(len, values), default=0)
        for name, value in values.items():
            self.out.print(f"{name:<{width}}  {self.cell(value)}")

    def readable(self, problem: Problem) -> Problem:
        """The problem with its values as people read them: instants in the local zone, lists as JSON."""
        values = {
            name: moment(value)
            if name in MOMENTS
            else value
            if _is_plain(value)
            else self.cell(value)
            for name, value in problem.values.items()
        }
        return replace(problem, values=values)

    def cell(self, value: Any) -> str:
        if value is None or value == "":
            return "—"
        if isinstance(value, bool):
            return translate(_("yes") if value else _("no"), self.language)
        if isinstance(value, Mapping | list | tuple):
            return clean(json.dumps(value, ensure_ascii=False, default=plain))
        return clean(moment(value) if isinstance(value, datetime) else str(value))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != "" and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def clean(text: str) -> str:
    """The text without control characters; they are shown as their code."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def moment(value: datetime | str | None) -> str:
    """An instant in the local zone, to the second."""
    if isinstance(value, str) and value:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return str(value)
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S") if value else "—"


def plain(value: Any) -> Any:
    """What JSON cannot hold, as the text it has elsewhere in the hub."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
