"""A database made by migrations is the one that the declarations describe."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hub.model import ENTITIES
from hub.store import migrate
from hub.store.session import Store


# SQLite cannot show indexes over expressions.
@pytest.mark.filterwarnings("ignore:autogenerate skipping", "ignore:Skipped unsupported reflection")
def test_migrations_make_what_the_declarations_say(database_url):
    store = Store.open(database_url, ENTITIES)

    migrate.upgrade(store)

    options = {"version_table": migrate.VERSION_TABLE, "compare_type": False}
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, store.metadata)
    store.close()
    assert differences == []


def test_a_second_upgrade_does_nothing(database_url):
    store = Store.open(database_url, ENTITIES)
    migrate.upgrade(store)

    assert migrate.upgrade(store) == []
    assert migrate.state(store)["ok"]
    store.close()
