"""What is wrong with a mapping is said with its place, the value and the remedy."""

import pytest

from hub import mapping
from hub.errors import ConfigError
from hub.i18n import render_hint
from hub.model import ENTITIES

GOOD = """\
entity: customer
stream: customers
key: id
rows:
- {field: name, from: name}
"""


def refusal(text, tmp_path=None):
    with pytest.raises(ConfigError) as caught:
        mapping.load(text, entities=ENTITIES)
    return f"{caught.value} → {render_hint(caught.value, 'en')}"


def test_a_good_document_loads():
    assert mapping.load(GOOD, entities=ENTITIES).key == ("id",)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("key: id\n", ""), "key"),
        (("field: name", "field: nmae"), "'name'"),
        (("entity: customer", "entity: custmer"), "'customer'"),
        (("from: name}", "from: name, codse: {a: b}}"), "codse"),
        (("rows:\n- {field: name, from: name}", "rows: 7"), "rows"),
        (("from: name}", "from: name, direction: sideways}"), "sideways"),
        (("stream: customers", "stream: [customers"), "line"),
        (("key: id", "key: id\nkey: no"), "key"),
    ],
)
def test_a_bad_document_is_refused_with_its_place(change, expected):
    message = refusal(GOOD.replace(*change))

    assert expected in message
    assert "line" in message


def test_a_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "customer.yaml"
    path.write_bytes("entity: customer  # 客户\n".encode("gb18030"))

    message = refusal(path)

    assert "customer.yaml" in message and "UTF-8" in message


def test_a_column_may_be_called_no():
    document = mapping.load(GOOD.replace("key: id", "key: no"), entities=ENTITIES)

    assert document.key == ("no",)
