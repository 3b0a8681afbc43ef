"""The checks of the configuration that need the connectors."""

from collections.abc import Iterator

from hub.cli.base import State
from hub.errors import ConfigError
from hub.extensions import connector_class
from hub.secrets import check_settings
from hub.settings import check, load_settings, read_layers


def config_errors(state: State) -> list[ConfigError]:
    """Everything wrong with the configuration; the connections' own settings once the rest fits."""
    errors = check(read_layers(state.home, state.overrides))
    return errors or list(_bad_connections(state))


def _bad_connections(state: State) -> Iterator[ConfigError]:
    settings = load_settings(state.home, state.overrides)
    for name, connection in settings.connections.items():
        place = settings.origin(f"connections.{name}.connector")
        try:
            schema = connector_class(connection.connector).settings
            check_settings(connection, schema, f"{place}: connection {name!r}")
        except ConfigError as e:
            yield e
