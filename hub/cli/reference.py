"""The settings as documents: the annotated `config/defaults.yaml`, and the reference's table."""

from collections.abc import Iterator
from typing import Any

import yaml

from hub.i18n import translate
from hub.settings import Declared, declared

HEAD = """\
# Every setting, what it means and its default.  Written by `hub config docs --yaml`.
# Your own values go into config/hub.yaml and config/local.yaml of the hub's home.
"""


def annotated(language: str = "en") -> str:
    """All defaults as YAML with comments; settings below a name are comments too."""
    lines = [HEAD]
    for setting in declared():
        lines += [""] if "." not in setting.path else []
        lines += _lines(setting, language)
    return "\n".join(lines) + "\n"


def _lines(setting: Declared, language: str) -> Iterator[str]:
    *above, name = setting.path.split(".")
    mark = "# " if "<name>" in above else ""
    indent = mark + "  " * len(above)
    yield f"{indent}# {_help(setting, language)}"
    if setting.kind != "section":
        yield f"{indent}{name}: {_text(setting)}".rstrip()
    elif setting.path in ("connections", "flows"):
        yield f"{name}: {{}}"
        yield "#   <name>:"
    else:
        yield f"{indent}{name}:"


def _help(setting: Declared, language: str) -> str:
    help = translate(setting.help, language)
    choices = f" [{' | '.join(setting.choices)}]" if setting.choices else ""
    needed = " *" if setting.required else ""
    return f"{help}{choices}{needed}"


def _text(setting: Declared) -> str:
    if setting.default is None:
        return ""
    return _flow(setting.default)


def _flow(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
        .split("\n...", maxsplit=1)[0]
        .strip()
    )


def rows(language: str) -> list[dict[str, Any]]:
    """Every setting as a row of the reference, with the name of its environment variable."""
    return [
        {
            "path": s.path,
            "kind": s.kind,
            "default": s.default,
            "choices": list(s.choices),
            "required": s.required,
            "variable": "HUB__" + s.path.replace(".", "__").replace("-", "_").upper(),
            "help": translate(s.help, language),
        }
        for s in declared()
        if s.kind != "section"
    ]
