"""The schema and its versions.  A new database is made in one step; an older one by migrations."""

from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from hub.store.session import Store

VERSION_TABLE = "alembic_version_core"


def upgrade(store: Store) -> list[str]:
    """Bring the tables up to this version; the revisions applied, oldest first."""
    before, script = current(store), ScriptDirectory.from_config(config(store))
    head = script.get_current_head()
    if before == head:
        return []
    steps = [s.revision for s in script.iterate_revisions(head, before or "base")]
    with store.write("migrate") as connection:
        cfg = config(store)
        cfg.attributes["connection"] = connection
        command.upgrade(cfg, "head")
    return list(reversed(steps))


def state(store: Store) -> dict[str, Any]:
    """The database's revision, this version's, and whether they agree."""
    head = ScriptDirectory.from_config(config(store)).get_current_head()
    now = current(store)
    return {"current": now, "head": head, "ok": now == head}


def current(store: Store) -> str | None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision()


def config(store: Store) -> Config:
    cfg = Config()
    location = str(resources.files("hub.store").joinpath("migrations"))
    cfg.set_main_option("script_location", location.replace("%", "%%"))
    cfg.attributes["store"] = store
    return cfg
