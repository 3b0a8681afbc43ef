"""Fixtures for the tests of a module: `-p hub.testing.modules`, or import them into a conftest.

def test_it(open_hub):
    hub = open_hub("returns", folder=HERE)      # a hub of its own, with this module alone
    hub.create("return", {...})
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.context import Hub, Seams
from hub.seams import no_fault
from hub.testing.clock import StillClock

OpenHub = Callable[..., Hub]


@pytest.fixture
def clock() -> StillClock:
    """The clock of the hubs of this test: it stands still until it is told to sleep."""
    return StillClock()


@pytest.fixture
def open_hub(tmp_path: Path, clock: StillClock) -> Iterator[OpenHub]:
    """open_hub(module, url="", settings={}, folder=None): a new hub, its database made.

    *module*: one name, or several with commas; *settings*: of the first; *folder*: where modules
    that are not installed stand.  A module in *folder* that has no migrations yet gets its tables
    all the same.
    """
    closing = ExitStack()

    def open_hub(
        module: str,
        url: str = "",
        settings: dict[str, Any] | None = None,
        folder: Path | None = None,
    ) -> Hub:
        home = tmp_path / f"home-{len(list(tmp_path.glob('home-*')))}"
        (home / "config").mkdir(parents=True)
        config: dict[str, Any] = {"plugins": module}
        if settings:
            config["modules"] = {module.split(",", maxsplit=1)[0]: settings}
        if url:
            config["database"] = {"url": url}
        if folder:
            config["plugin_dirs"] = [str(folder)]
        text = yaml.safe_dump(config, allow_unicode=True)
        (home / "config" / "hub.yaml").write_text(text, encoding="utf-8")
        hub = Hub.open(home, upgrade=True, seams=Seams(clock, random.Random(1), no_fault))
        closing.enter_context(hub)
        for broken in hub.modules.broken.values():
            raise broken
        hub.store.create_all()
        return hub

    with closing:
        yield open_hub
