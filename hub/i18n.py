"""The two languages: English templates in the code, their Chinese in `hub/locale`.

A template is translated first and filled afterwards, so that a stored `Problem` reads in any
language.  `_()` only marks a text for the extractor; who shows it translates it.
"""

import gettext
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hub.errors import HubError, Problem, fill

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = ("en", "zh")
# A place that is put before another template.
PREFIX = re.compile(r"\{\w+\}(?:, line \{\w+\})?: ")
# The values of a template that are messages themselves, from marshmallow or a connector.
_MESSAGES = ("message", "reason", "expected")


def _(text: str) -> str:
    """The text itself, marked for translation."""
    return text


STATES = {
    "done": _("done"),
    "partial": _("done, with records set aside"),
    "failed": _("failed"),
    "paused": _("paused"),
    "running": _("running"),
    "queued": _("about to run"),
    "superseded": _("replaced by another run"),
    "planned": _("planned only"),
    "applying": _("applying a plan"),
    "active": _("active"),
    "new": _("never run"),
}
DIRECTIONS = {"in": _("in"), "out": _("out"), "both": _("both ways")}


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    return gettext.translation("hub", LOCALE, [language], fallback=True)


def translate(template: str, language: str) -> str:
    """The template in the language; itself where there is no translation."""
    if not template or language == "en":  # gettext answers "" with the header of the catalog
        return template
    catalog = _catalog(language)
    translated = catalog.gettext(template)
    if translated == template and (found := PREFIX.match(template)):
        rest = template[found.end() :]
        return catalog.gettext(found[0]) + catalog.gettext(rest) if rest else translated
    return translated


def say(template: str, language: str, **values: Any) -> str:
    """The template in the language, filled."""
    return fill(translate(template, language), _said(values, language))


def _said(values: Mapping[str, Any], language: str) -> dict[str, Any]:
    return {name: _part(name, value, language) for name, value in values.items()}


def _part(name: str, value: Any, language: str) -> Any:
    if isinstance(value, Mapping) and value.keys() == {"message", "values"}:  # `errors.quoted`
        return say(value["message"], language, **value["values"])
    return translate(value, language) if name in _MESSAGES and isinstance(value, str) else value


def render(trouble: HubError | Problem, language: str) -> str:
    """The message of an error or a problem, without its hint; of several problems a line each."""
    problems = getattr(trouble, "problems", ())
    if problems and isinstance(trouble, HubError):
        return "\n".join(render(problem, language) for problem in problems)
    if isinstance(trouble, HubError):
        return say(trouble.template, language, **trouble.values)
    where = f"{trouble.field}: " if trouble.field else ""
    return where + say(trouble.message, language, **{"value": trouble.value, **trouble.values})


def render_hint(trouble: HubError | Problem, language: str) -> str:
    """What to do about it; "" where nobody knows."""
    values = dict(trouble.values)
    if isinstance(trouble, Problem):
        values = {"value": trouble.value, **values}
    return say(trouble.hint, language, **values)


def said(error: Mapping[str, Any], language: str) -> tuple[str, str]:
    """Message and hint of a stored error: templates with their values, or plain texts."""
    values = {"value": error.get("value"), **(error.get("values") or {})}
    texts = (str(error.get(part) or "") for part in ("message", "hint"))
    message, hint = (say(text, language, **values) for text in texts)
    return message, hint


def spoken(value: Any, language: str) -> Any:
    """Plain values with every stored error in them in the language, for programs to read."""
    if isinstance(value, list | tuple):
        return [spoken(part, language) for part in value]
    if not isinstance(value, Mapping):
        return value
    plain = {name: spoken(part, language) for name, part in value.items()}
    if {"code", "message"} <= set(value):
        plain["message"], plain["hint"] = said(value, language)
    return plain


def choose(
    option: str | None = None, setting: str = "auto", environ: Mapping[str, str] = os.environ
) -> str:
    """The language: `--lang`, `HUB_LANG`, the setting, then the terminal's; English otherwise."""
    wishes = [option, environ.get("HUB_LANG"), setting]
    # POSIX: LC_ALL overrides LC_MESSAGES, which overrides LANG, even where it names no language.
    wishes.append(next(filter(None, map(environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), ""))
    return next((found for wish in wishes if (found := _language(wish or ""))), "en")


def _language(wish: str) -> str:
    """`zh_CN.UTF-8` → zh; "" for auto, C and languages that the hub does not speak."""
    short = wish.lower().replace("_", "-").split("-")[0].split(".")[0]
    return short if short in LANGUAGES else ""


def from_header(accept: str) -> str:
    """The language of an `Accept-Language` header."""
    ranked = sorted(map(_ranked, accept.split(",")), key=lambda pair: -pair[1])
    return next((found for wish, _q in ranked if (found := _language(wish))), "en")


def _ranked(part: str) -> tuple[str, float]:
    wish, _sep, weight = part.strip().partition(";q=")
    try:
        return wish, float(weight or 1)
    except ValueError:
        return wish, 0.0
