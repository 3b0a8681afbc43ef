"""Every bundled connector says who keeps it, what it cannot do, and how good it is."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.cli.commands.connections import _limits
from hub.connector import load_settings
from hub.extensions import connector_class, connector_names, manifest
from hub.layers import Layers

ROOT = Path(__file__).parents[2]
RULES = {
    "bronze": 5,
    "silver": 4,
    "gold": 4,
}
WITH_DOCS = sorted(p.stem for p in (ROOT / "docs/connectors").glob("*.md") if "." not in p.stem)


@pytest.mark.parametrize("name", connector_names())
def test_a_manifest_is_complete_and_every_rule_is_done_todo_or_exempt_with_a_reason(name):
    said = manifest(name)

    assert said["title"]["zh"] and said["title"]["en"] and said["owner"] and said["versions"]
    assert {level: len(rules) for level, rules in said["quality"].items()} == RULES
    for rules in said["quality"].values():
        for rule, state in rules.items():
            kind, _, reason = state.partition(":")
            assert kind.split(",")[0] in {"done", "todo", "exempt"}, rule
            assert kind != "exempt" or reason.strip(), rule


@pytest.mark.parametrize("name", connector_names())
def test_limits_are_shown_in_both_languages(name):
    connection = SimpleNamespace(connector=name)
    hub = SimpleNamespace(settings=SimpleNamespace(connections={"x": connection}))

    limits = manifest(name).get("limits", [])

    assert _limits(hub, "x", "en") == [limit["en"] for limit in limits]
    assert _limits(hub, "x", "zh") == [limit["zh"] for limit in limits]


@pytest.mark.parametrize("name", WITH_DOCS)
def test_a_connector_with_a_page_has_it_in_both_languages_and_a_row_in_both_readmes(name):
    for readme, page in (("README.md", f"{name}.md"), ("README.zh.md", f"{name}.zh.md")):
        text = (ROOT / "docs/connectors" / page).read_text(encoding="utf-8")
        assert f"(docs/connectors/{page})" in (ROOT / readme).read_text(encoding="utf-8")
        assert text.count("\n## ") >= 6, (
            "credentials, rights, what syncs, what does not, limits, messages"
        )
    assert connector_class(name).__module__ == f"hub.connectors.{name}"
    assert (ROOT / "mappings" / name).is_dir()


@pytest.mark.parametrize(
    "page", [f"{n}{suffix}" for n in WITH_DOCS for suffix in (".md", ".zh.md")]
)
def test_the_configuration_that_a_page_shows_is_right(page, tmp_path):
    text = (ROOT / "docs/connectors" / page).read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(connections:.*?)```", text, re.DOTALL)
    (tmp_path / "hub.yaml").write_text(shown, encoding="utf-8")
    layers = Layers()
    layers.add_file(tmp_path / "hub.yaml", "hub.yaml")

    ((_, connection),) = layers.values["connections"].items()

    assert set(connection) <= {"connector", "settings", "title"}
    connector = connector_class(connection["connector"])
    given = {k: _revealed(v) for k, v in connection["settings"].items()}
    assert load_settings(connector.settings, given, where=page)


def _revealed(value):
    """A secret is given by reference: {secret: "store:NAME"}."""
    referred = isinstance(value, dict) and set(value) == {"secret"}
    assert not referred or value["secret"].startswith("store:")
    return "text" if referred else value
