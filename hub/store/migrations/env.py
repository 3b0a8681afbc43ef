"""Run by Alembic: migrations of one branch, inside the transaction that `migrate` opened."""

from typing import Any

from alembic import context
from alembic.operations import ops

from hub.store.types import DecimalText

config = context.config
store, branch = config.attributes["store"], config.attributes["branch"]


def owned(thing: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
    """Whether a drafted revision may speak of it: a module's may not touch other tables."""
    return type_ != "table" or not branch.tables or name in branch.tables


def rendered(kind: str, thing: Any, autogen_context: Any) -> Any:
    """A column type of the hub as the draft spells it; False: as Alembic does."""
    if kind != "type" or not type(thing).__module__.startswith("hub."):
        return False
    autogen_context.imports.add("from hub.store import types")
    name = type(thing).__name__
    return f"types.{name}({thing.precision if isinstance(thing, DecimalText) else ''})"


def completed(migration: Any, revision: Any, directives: list[Any]) -> None:
    """Add the indexes over expressions, which SQLite cannot show and Alembic leaves out."""
    upgrade = directives[0].upgrade_ops
    there = {op.index_name for op in upgrade.ops if isinstance(op, ops.CreateIndexOp)}
    for op in [o for o in upgrade.ops if isinstance(o, ops.CreateTableOp)]:
        for index in sorted(store.metadata.tables[op.table_name].indexes, key=lambda i: i.name):
            if index.name not in there:
                upgrade.ops.append(ops.CreateIndexOp.from_index(index))


context.configure(
    connection=config.attributes["connection"],
    target_metadata=store.metadata,
    version_table=branch.version_table,
    include_object=owned,
    render_item=rendered,
    process_revision_directives=completed,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
