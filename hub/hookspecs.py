"""The hooks of a module.  A new one ships with a bundled module that uses it, or not at all."""

from collections.abc import Iterable, Mapping
from typing import Any

import pluggy

from hub.declare import Declaration

PROJECT = "hub"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def hub_declare(settings: Mapping[str, Any]) -> Iterable[Declaration]:  # type: ignore[empty-body]
    """Everything the module adds.  `settings`: its own, from `modules.<name>`, checked.

    Called once when a hub opens, after the modules that this one `REQUIRES`.
    """
