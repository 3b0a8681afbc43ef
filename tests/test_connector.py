"""What the connector contract gives to connectors."""

import pytest

from hub.connector import Connector, Delivery, Settings, keyset
from hub.errors import ConfigError, ProtocolError

ROWS = [(t, i) for t, i in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 4), (3, 2)]]


def asking(rows, size):
    def ask(moment, row_id):
        behind = (moment, 0) if row_id is None else (moment, row_id)
        found = rows if moment is None else [r for r in rows if r > behind]
        return sorted(found)[:size]

    return ask


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_keyset_gives_every_row_once_also_where_moments_are_equal(size):
    parts = list(keyset(asking(ROWS, size), lambda r: r, None))

    assert [r for part in parts for r in part] == ROWS


def test_keyset_begins_at_a_moment():
    assert next(keyset(asking(ROWS, 2), lambda r: r, 2)) == [(2, 1), (2, 4)]


@pytest.mark.parametrize("answer", [[(2, 1), (1, 1)], [(5, 1)]])
def test_keyset_stops_at_rows_out_of_order_and_at_rows_that_come_again(answer):
    with pytest.raises(ProtocolError, match="not in the order"):
        list(keyset(lambda moment, row_id: answer, lambda r: r, None))


def test_a_system_that_pushes_nothing_says_so():
    class Quiet(Connector):
        name = "quiet"
        settings = Settings
        open = check = discover = read = fetch = write = lambda self, *args: None

    with pytest.raises(ConfigError, match="quiet: this system pushes no changes"):
        list(Quiet({}).receive(Delivery(b"")))
