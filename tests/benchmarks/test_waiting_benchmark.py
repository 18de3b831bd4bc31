"""The candidates of the replays on a busy machine differ from the base as they are named."""

import pytest

from bench.gate.error_rates.resample import RecordedBlock
from benchmarks.waiting import CANDIDATES, changed

BLOCK = RecordedBlock(((3.0, 2.0),), 8.0, ((1.0, None),))  # the second turn is all waiting


@pytest.mark.parametrize(
    ("name", "seconds", "running"),
    [
        ("the same", 3.0, 1.0),
        ("all 10 % longer", 3.3, 1.1),
        ("waits 30 % longer", 3.6, 1.0),
        ("waits 30 % less", 2.4, 1.0),
        ("runs 10 % longer, waits that much less", 3.0, 1.1),
    ],
)
def test_a_candidate_runs_and_waits_as_it_is_named(name, seconds, running):
    found = changed(BLOCK, CANDIDATES[name])
    assert (found.turns[0][0], found.running[0][0]) == pytest.approx((seconds, running))
    assert found.turns[0][1] >= 2.0
