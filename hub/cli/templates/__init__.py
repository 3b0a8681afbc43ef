"""The files that `hub new` writes: `__name__` stands for the name, `__Name__` for it as a class."""

import keyword
import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from hub.errors import ConfigError

SUFFIX = ".txt"  # the templates are no Python yet: nothing may import or check them


def write(kind: str, name: str, folder: Path) -> list[Path]:
    """Write the files of a new plugin or connector into *folder*, which must not have them yet."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ConfigError(
            "{name!r} cannot be the name of a package",
            name=name,
            hint="Small letters, digits and _, beginning with a letter, such as returns.",
        )
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(
            "the folder {folder} is not empty",
            folder=str(folder),
            hint="Name another one, or remove what is in it.",
        )
    package = name if kind == "plugin" else f"hub_{name}"
    written = []
    for path, text in _files(resources.files(__name__).joinpath(kind), ""):
        renamed = path.replace("name/", f"{package}/").replace("test_name", f"test_{name}")
        target = folder / renamed
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_filled(text, name), encoding="utf-8")
        written.append(target)
    return written


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, str]]:
    for child in sorted(folder.iterdir(), key=lambda c: c.name):
        if child.is_dir():
            yield from _files(child, f"{above}{child.name}/")
        elif child.name.endswith(SUFFIX):
            yield above + child.name.removesuffix(SUFFIX), child.read_text(encoding="utf-8")


def _filled(text: str, name: str) -> str:
    title = "".join(part.capitalize() for part in name.split("_"))
    return text.replace("__Name__", title).replace("__name__", name)
