"""The two ways a mapping fails: the document is wrong, or one value or row does not fit it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.errors import ConfigError, HubError, Problem, fill


class LensError(ValueError):
    """A value that a lens cannot carry across; becomes a `Problem` of the row's field.

    `template` is a template over `value` and `values`, as in `Problem`.
    """

    def __init__(self, template: str, *, code: str = "invalid", hint: str = "", **values: Any):
        super().__init__(template)
        self.template = template
        self.code = code
        self.hint = hint
        self.values = values

    def __str__(self) -> str:
        return fill(self.template, self.values)


class RowError(HubError, ValueError):
    """A row without identity, or a record that this system has no room for; `problems` say why."""

    code = "mapping"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        values = {"value": first.value, "field": first.field, **first.values}
        super().__init__("{field}: " + first.message, hint=first.hint, **values)


class DocumentError(ConfigError):
    """A mapping document that cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.message, hint=first.hint, **{"value": first.value, **first.values})

    def __str__(self) -> str:
        return "\n".join(fill(p.message, {"value": p.value, **p.values}) for p in self.problems)


UNREADABLE = "cannot be computed: {reason}"
_FIELDS = re.compile(r"\{(?!value!r\})|(?<!\{value!r)\}")


def problem_of(error: ValueError | ArithmeticError, field: str, value: Any) -> Problem:
    """The problem that an error of a lens, of a path or of `hub.values` stands for."""
    template = str(error.args[0]) if error.args else ""
    if isinstance(error, ArithmeticError):
        template = UNREADABLE
    elif not hasattr(error, "values"):  # it may quote what was found, which is no template
        template = _FIELDS.sub(lambda brace: brace[0] * 2, template)
    values: Mapping[str, Any] = getattr(error, "values", {})
    code, hint = getattr(error, "code", "invalid"), getattr(error, "hint", "")
    kept = {k: shown(v) for k, v in values.items()}
    if template == UNREADABLE:
        kept.setdefault("reason", type(error).__name__)
    found = kept.pop("value", None) if "value" in kept else shown(value)
    return Problem(code, template, field, found, hint, kept)


def shown(value: Any, *, most: int = 200) -> Any:
    """The value as a problem may keep it: JSON, short."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else "…"
    text = _outline(value) if isinstance(value, Mapping | list | tuple) else _text(value)
    short = text if len(text) <= most else text[:most] + "…"
    return short.encode("utf-8", "backslashreplace").decode()


def _outline(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> str:
    """The first parts only: the text of a large value costs time and nobody reads it."""
    parts: Iterable[Any] = list(value)[:8]
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_text(k):.40}: {_text(value[k]):.40}" for k in parts)
        return "{" + inside + "}"
    return "[" + ", ".join(f"{_text(v):.40}" for v in parts) + "]"


def _text(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # an integer of thousands of digits
        return "…"
