"""Run by Alembic: migrations of the core's tables, inside the transaction that `migrate` opened."""

from alembic import context

from hub.store.migrate import VERSION_TABLE

config = context.config
store = config.attributes["store"]
context.configure(
    connection=config.attributes["connection"],
    target_metadata=store.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
