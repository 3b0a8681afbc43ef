"""Every mapping that is shipped is right: its fields, its keys, and the laws of its lenses."""

from pathlib import Path

import pytest

from hub import mapping
from hub.model import ENTITIES

FOLDER = Path(__file__).parents[2] / "mappings"
SHIPPED = sorted(FOLDER.rglob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_shipped_mapping_has_no_problem(path):
    document = mapping.load(path, entities=ENTITIES)

    problems = mapping.check(document, ENTITIES[document.entity])

    assert not problems, [str(p) for p in problems]


def test_several_codes_of_one_meaning_keep_the_old_one():
    text = (
        "entity: customer\nstream: s\nkey: id\nrows:\n- {field: name, from: n}\n"
        "- {field: status, from: s, codes: {A: active, B: active, C: blocked}}\n"
    )
    compiled = mapping.compile(mapping.load(text, entities=ENTITIES), ENTITIES["customer"])

    row = {"id": 1, "n": "Ada", "s": "B"}

    assert compiled.put({"status": "active"}, row) == {}  # the old code still means it
    assert compiled.put({"status": "blocked"}, row) == {"s": "C"}
    assert compiled.put({"status": "active"}, {**row, "s": "C"}) == {"s": "A"}
