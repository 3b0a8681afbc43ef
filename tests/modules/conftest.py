"""Modules written into a folder of their own for one test, and hubs that use them."""

import importlib
import sys
import textwrap

import pytest

from hub.context import Hub
from hub.model import ENTITIES
from hub.modules import load_modules

IMPORTS = "from hub.api import *\n"


@pytest.fixture
def folder(tmp_path):
    """A folder of modules; what was imported from it is forgotten afterwards."""
    package = importlib.import_module("hub.plugins")
    before = list(package.__path__)
    made = tmp_path / "own-modules"
    made.mkdir()
    yield made
    package.__path__[:] = before
    for name in [n for n in sys.modules if n.startswith("hub.plugins.")]:
        file = getattr(sys.modules[name], "__file__", "") or ""
        if file.startswith(str(made)):
            del sys.modules[name]
            if hasattr(package, name.rpartition(".")[2]):
                delattr(package, name.rpartition(".")[2])
    importlib.invalidate_caches()


@pytest.fixture
def write(folder):
    """write("shop", source): a module of that name."""

    def write(name, source):
        (folder / name).mkdir(exist_ok=True)
        text = IMPORTS + textwrap.dedent(source)
        (folder / name / "__init__.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()

    return write


@pytest.fixture
def load(folder):
    """The modules of the folder, and those named besides."""

    def load(*besides, **settings):
        wanted = {*(p.name for p in folder.iterdir()), *besides}
        return load_modules(ENTITIES, settings, folders=[folder], wanted=wanted)

    return load


@pytest.fixture
def hub_at(tmp_path, folder):
    """An opened hub with the folder's modules, made on the first call."""
    opened = []

    def hub_at(url="", plugins="all"):
        home = tmp_path / "home"
        (home / "config").mkdir(parents=True, exist_ok=True)
        (home / "config" / "hub.yaml").write_text(
            f"plugin_dirs: ['{folder}']\nplugins: {plugins}\n"
            + (f"database: {{url: '{url}'}}\n" if url else ""),
            encoding="utf-8",
        )
        hub = Hub.open(home, upgrade=True)
        opened.append(hub)
        return hub

    yield hub_at
    for hub in opened:
        hub.__exit__(None, None, None)
