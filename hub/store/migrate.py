"""The schema and its versions: the core's, and each module's own in a version table of its own.

A module whose package is gone leaves its tables and its version behind, and stops nothing.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from hub.store.session import Store

VERSION_TABLE = "alembic_version_core"


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of migrations.  `folder`: of its revisions; `tables`: those it owns, all if empty."""

    name: str
    folder: str
    tables: frozenset[str] = frozenset()

    @property
    def version_table(self) -> str:
        return f"alembic_version_{self.name}"


CORE = Branch("core", str(resources.files("hub.store").joinpath("migrations", "versions")))


def upgrade(store: Store, modules: Mapping[str, str] | None = None) -> list[str]:
    """Bring the tables up to this version, modules (name → folder) last; the revisions applied."""
    done: list[str] = []
    for branch in _branches(modules):
        before, head = _current(store, branch), _script(store, branch).get_current_head()
        if before == head:
            continue
        steps = _script(store, branch).iterate_revisions(head, before or "base")
        prefix = "" if branch is CORE else f"{branch.name} "
        done += reversed([f"{prefix}{s.revision}" for s in steps])
        with store.write("migrate") as connection:
            cfg = config(store, branch)
            cfg.attributes["connection"] = connection
            command.upgrade(cfg, "head")
    return done


def state(store: Store, modules: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The database's revision, this version's, and whether they agree; of each module too."""
    found = {}
    for branch in _branches(modules):
        head, now = _script(store, branch).get_current_head(), _current(store, branch)
        found[branch.name] = {"current": now, "head": head, "ok": now == head}
    core = found.pop("core")
    return {**core, "ok": core["ok"] and all(m["ok"] for m in found.values()), "modules": found}


def draft(store: Store, branch: Branch, message: str) -> str:
    """Write the next revision of the branch from what its tables lack; the file's path.

    For authors of modules: read the file before it is used.
    """
    with store.write("draft") as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # indexes over expressions: `env.completed` adds them
        cfg = config(store, branch)
        cfg.attributes["connection"] = connection
        known = sum(1 for _ in _script(store, branch).walk_revisions())
        made = command.revision(cfg, message, autogenerate=True, rev_id=f"{known + 1:04d}")
    return str(getattr(made, "path", ""))


def _branches(modules: Mapping[str, str] | None) -> list[Branch]:
    return [CORE, *(Branch(name, folder) for name, folder in (modules or {}).items() if folder)]


def _current(store: Store, branch: Branch) -> str | None:
    with store.read() as connection:
        options = {"version_table": branch.version_table}
        return MigrationContext.configure(connection, opts=options).get_current_revision()


def _script(store: Store, branch: Branch) -> ScriptDirectory:
    return ScriptDirectory.from_config(config(store, branch))


def config(store: Store, branch: Branch = CORE) -> Config:
    cfg = Config(stdout=io.StringIO())  # what it says is not for the reader of our results
    location = str(resources.files("hub.store").joinpath("migrations"))
    for option, folder in (("script_location", location), ("version_locations", branch.folder)):
        cfg.set_main_option(option, folder.replace("%", "%%"))
    cfg.set_main_option("path_separator", "os")
    cfg.attributes.update(store=store, branch=branch)
    return cfg
