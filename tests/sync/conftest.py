import pytest

from hub.testing.world import World


@pytest.fixture
def world(database_url):
    made = World(database_url)
    yield made
    made.store.close()
