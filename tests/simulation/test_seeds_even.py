"""Half of the histories; the other half is in a file of its own, so that two processes share them."""

import pytest

from tests.simulation.seeds import COUNT, FIRST, SHARD, failing


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, 2 * SHARD))
def test_every_invariant_holds_in_these_histories(first):
    assert not failing(range(first, first + SHARD))
