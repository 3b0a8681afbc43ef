"""Run by Alembic: migrations of one branch, inside the transaction that `migrate` opened."""

from typing import Any

from alembic import context

config = context.config
store, branch = config.attributes["store"], config.attributes["branch"]


def owned(thing: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
    """Whether a drafted revision may speak of it: a module's may not touch other tables."""
    return type_ != "table" or not branch.tables or name in branch.tables


context.configure(
    connection=config.attributes["connection"],
    target_metadata=store.metadata,
    version_table=branch.version_table,
    include_object=owned,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
