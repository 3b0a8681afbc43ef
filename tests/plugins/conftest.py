"""A hub of its own for each test, with the module under test and a clock that stands still."""

import random

import pytest

from hub.context import Hub, Seams
from hub.seams import no_fault
from hub.testing.clock import StillClock


@pytest.fixture
def clock():
    return StillClock()


@pytest.fixture
def open_hub(tmp_path, clock):
    """open_hub("sales", database_url, settings): a hub with this module, its database made."""
    opened = []

    def open_hub(module, url="", settings="{}"):
        home = tmp_path / f"home{len(opened)}"
        (home / "config").mkdir(parents=True)
        (home / "config" / "hub.yaml").write_text(
            f"plugins: {module}\nmodules: {{{module}: {settings}}}\n"
            + (f"database: {{url: '{url}'}}\n" if url else ""),
            encoding="utf-8",
        )
        hub = Hub.open(home, upgrade=True, seams=Seams(clock, random.Random(1), no_fault))
        opened.append(hub)
        return hub

    yield open_hub
    for hub in opened:
        hub.__exit__(None, None, None)
