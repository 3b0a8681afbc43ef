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
# A column that is wider may be broken where it has spaces.
SENTENCE = 24
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
        """Rows under translated titles; numbers are set to the right.

        Nothing is cut off: where a terminal is too narrow, a row is some lines of `title: value`.
        """
        listed = [list(row) for row in rows]
        titles = [translate(title, self.language) for title in columns]
        cells = [[self.cell(value) for value in row] for row in listed]
        numbers = [
            bool(listed) and all(_is_number(r[i]) for r in listed) for i in range(len(titles))
        ]
        if not self.out.is_terminal:
            self._piped(titles, cells, numbers)
        elif not self._fitted(titles, cells, numbers):
            self._in_lines(titles, cells)

    def _piped(self, titles: list[str], cells: list[list[str]], numbers: list[bool]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for title, number in zip(titles, numbers, strict=True):
            table.add_column(Text(title), justify="right" if number else "left", no_wrap=True)
        for row in cells:
            table.add_row(*map(Text, row))
        with self.out.capture() as captured:
            self.out.print(table, soft_wrap=False)
        sys.stdout.writelines(line.rstrip() + "\n" for line in captured.get().splitlines())

    def _fitted(self, titles: list[str], cells: list[list[str]], numbers: list[bool]) -> bool:
        """Shown as a table, if it fits with only its sentences broken."""
        from rich import box
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        widths = [max(map(cell_len, column)) for column in zip(titles, *cells, strict=True)]
        breaks = [
            width > SENTENCE and any(" " in row[i].strip() for row in cells)
            for i, width in enumerate(widths)
        ]
        needed = sum(SENTENCE if b else w for w, b in zip(widths, breaks, strict=True))
        if needed + 2 * len(titles) + 1 > self.out.width:
            return False
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for title, width, broken, number in zip(titles, widths, breaks, numbers, strict=True):
            table.add_column(
                Text(title),
                justify="right" if number else "left",
                no_wrap=not broken,
                min_width=SENTENCE if broken else width,
                overflow="fold",
            )
        for row in cells:
            table.add_row(*map(Text, row))
        self.out.print(table, soft_wrap=False)
        return True

    def _in_lines(self, titles: list[str], cells: list[list[str]]) -> None:
        """The first cell of a row, and under it the others, as many as go into a line."""
        from rich.cells import cell_len

        template = _("{title}: {value}")
        for head, *others in cells:
            self.out.print(self.text(template, title=titles[0], value=head), style="bold")
            line = ""
            for title, value in zip(titles[1:], others, strict=True):
                part = self.text(template, title=title, value=value)
                if line and cell_len(line) + cell_len(part) + 5 > self.out.width:
                    self.out.print(f"  {line}")
                    line = ""
                line += f"   {part}" if line else part
            self.out.print(f"  {line}")

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
