import pytest

from hub.testing.world import World


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """A fresh database for the hub's store, on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def world(database_url):
    made = World(database_url)
    yield made
    made.store.close()
