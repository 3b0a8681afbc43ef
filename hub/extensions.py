"""Finding connectors: bundled ones in `hub.connectors`, others by the entry point `hub.connectors`."""

import importlib
import pkgutil
from functools import cache
from importlib import resources
from importlib.metadata import entry_points
from typing import Any

import yaml

from hub.connector import Connector
from hub.errors import ConfigError


@cache
def connector_class(name: str) -> type[Connector]:
    """The connector called *name*; ConfigError lists those there are."""
    for entry in entry_points(group="hub.connectors"):
        if entry.name == name:
            return _class_in(entry.load(), name)
    try:
        module = importlib.import_module(f"hub.connectors.{name}")
    except ModuleNotFoundError as e:
        if e.name != f"hub.connectors.{name}":
            raise ConfigError(
                "connector {name!r} needs the package {package!r}, which is not installed",
                name=name,
                package=e.name or "",
                hint="Install it with pip, in the hub's environment.",
            ) from e
        raise ConfigError(
            "there is no connector {name!r}",
            name=name,
            hint="Known connectors: {known}.",
            known=", ".join(connector_names()),
        ) from e
    return _class_in(module, name)


def connector_names() -> list[str]:
    package = importlib.import_module("hub.connectors")
    bundled = [m.name for m in pkgutil.iter_modules(package.__path__)]
    return sorted({*bundled, *(e.name for e in entry_points(group="hub.connectors"))})


def manifest(name: str) -> dict[str, Any]:
    """The connector's `connector.yaml`: title, versions, limits, quality list; {} where it has none."""
    try:
        folder = resources.files(connector_class(name).__module__)
        text = folder.joinpath("connector.yaml").read_text("utf-8")
    except (FileNotFoundError, TypeError):
        return {}
    return dict(yaml.safe_load(text))


def _class_in(module: Any, name: str) -> type[Connector]:
    if isinstance(module, type) and issubclass(module, Connector):
        return module
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Connector)
            and getattr(value, "name", "") == name
        ):
            return value
    raise ConfigError(
        "the package of connector {name!r} has no Connector class of that name", name=name
    )
