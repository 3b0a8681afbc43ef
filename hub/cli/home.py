"""The folder a hub lives in: what `hub init` puts there besides the database."""

import os
from importlib import resources
from pathlib import Path

from hub.errors import StorageError
from hub.secrets import Secrets

IGNORED = "data/\nconfig/local.yaml\n"


def create_home(home: Path) -> list[str]:
    """Make what is missing; the paths made, as text."""
    try:
        return [str(path) for path in _create(home)]
    except OSError as e:
        raise StorageError(
            "cannot make {path}: {reason}",
            path=str(e.filename or home),
            reason=e.strerror or str(e),
            hint="Choose a folder that you may write to: hub init DIR",
        ) from e


def _create(home: Path) -> list[Path]:
    made = []
    for folder in (home, home / "config", home / "mappings", home / "data"):
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700 if folder.name == "data" else 0o777)
            made.append(folder)
    starter = (resources.files("hub.config") / "starter.yaml").read_text(encoding="utf-8")
    for path, text in ((home / "config" / "hub.yaml", starter), (home / ".gitignore", IGNORED)):
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            made.append(path)
    secrets = Secrets(home, os.environ)
    return [*made, secrets.key_path] if secrets.create_key() else made
