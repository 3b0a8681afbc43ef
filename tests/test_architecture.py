"""Who may import whom: read from the source, without importing anything."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "hub"

LAYERS = [
    ["hub.errors", "hub.seams", "hub"],
    ["hub.values"],
    ["hub.entity", "hub.connector"],
    ["hub.declare", "hub.hookspecs"],
    ["hub.layers", "hub.settings", "hub.http", "hub.secrets", "hub.i18n"],
    ["hub.model"],
    ["hub.matching"],
    ["hub.store"],
    ["hub.mapping"],
    ["hub.sync"],
    ["hub.jobs"],
    ["hub.extensions", "hub.modules"],
    ["hub.context"],
    ["hub.api"],
    ["hub.web"],
    ["hub.testing"],
    ["hub.cli"],
    ["hub.__main__"],
]
PURE = [
    "hub/mapping",
    "hub/matching",
    "hub/model",
    "hub/values",
    "hub/sync/merge.py",
    "hub/sync/policy.py",
]
OUTSIDE = {"sqlalchemy", "requests", "flask", "time", "socket", "urllib3"}
CONNECTOR_MAY = {
    "hub.connector",
    "hub.errors",
    "hub.http",
    "hub.values",
    "hub.seams",
}


def modules(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "migrations" not in p.parts)


def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found += [(node.lineno, node.module)]
            if node.module == "hub":
                found += [(node.lineno, f"hub.{alias.name}") for alias in node.names]
    return found


def layer(name: str) -> int:
    best, rank = -1, -1
    for i, names in enumerate(LAYERS):
        for known in names:
            if (name == known or name.startswith(f"{known}.")) and len(known) > best:
                best, rank = len(known), i
    return rank


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", modules(CORE), ids=module_name)
def test_the_core_imports_downwards_only(path):
    name = module_name(path)
    known = {n for names in LAYERS for n in names} - {"hub"}
    listed = name in ("hub", "hub.__main__") or any(
        name == k or name.startswith(f"{k}.") for k in known
    )
    assert listed, f"{name} is in no layer: add it to LAYERS"
    for line, target in imports(path):
        if target == "hub" or not target.startswith("hub."):
            continue
        upward = f"{path}:{line} imports {target}, which lies above {name}"
        assert layer(target) <= layer(name), upward
        assert not target.startswith(("hub.connectors", "hub.plugins")), upward


@pytest.mark.parametrize(
    "path",
    [f for p in PURE for f in ([ROOT / p] if p.endswith(".py") else modules(ROOT / p))],
    ids=module_name,
)
def test_mappings_and_merge_stay_pure(path):
    for line, target in imports(path):
        top = target.split(".")[0]
        assert top not in OUTSIDE, f"{path}:{line} imports {target}"
        assert not target.startswith(("hub.store", "hub.http")), f"{path}:{line}"


@pytest.mark.parametrize("path", modules(ROOT / "connectors"), ids=module_name)
def test_a_connector_imports_the_contract_and_itself_only(path):
    own = ".".join(["hub", *path.relative_to(ROOT).parts[:2]])
    for line, target in imports(path):
        if target.startswith("hub."):
            allowed = target in CONNECTOR_MAY or target.startswith(own) or target == "hub"
            assert allowed, f"{path}:{line} imports {target}"


@pytest.mark.parametrize("path", modules(ROOT / "plugins"), ids=module_name)
def test_a_module_imports_the_public_facade_and_itself_only(path):
    own = ".".join(["hub", *path.relative_to(ROOT).parts[:2]])
    for line, target in imports(path):
        if target.startswith("hub."):
            allowed = target == "hub.api" or target.startswith(own)
            assert allowed, f"{path}:{line} imports {target}"


def test_mappings_and_config_hold_data_only():
    for folder in ("mappings", "config"):
        code = [p for p in modules(ROOT / folder) if p.name != "__init__.py"]
        assert not code
