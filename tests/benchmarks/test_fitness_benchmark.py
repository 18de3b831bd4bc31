"""The benchmark of the measured fitness grades every window of a trace, and the whole of it."""

import math

import pytest

from bench.gate.error_rates.resample import RecordedBlock
from benchmarks import fitness

BLOCKS = [RecordedBlock(((1.0 + number,),), 8.0) for number in range(7)]


@pytest.fixture
def measured(monkeypatch):
    """A slowdown is a hundredth of a window's first turn; the window from 4 on sees nothing."""

    def smallest_slowdown(blocks):
        first = blocks[0].turns[0][0]
        return None if first == 4 else first / 100

    monkeypatch.setattr(fitness, "smallest_slowdown", smallest_slowdown)
    monkeypatch.setattr(fitness, "share_found", lambda blocks, slowdown, trials: slowdown)


def test_each_window_of_three_and_of_five_blocks_and_the_whole_trace_have_a_row(measured):
    three, five, whole = fitness.rows("a trace", BLOCKS, step=1, trials=1)
    assert three[:6] == ["a trace", 3, 5, "1.0 %", "3.0 %", "none"]
    assert three[6:10] == [1, 2, 1, 1]  # 1 %; 2 and 3 %; 5 %; none
    assert five[:3] == ["a trace", 5, 3] and five[6:] == [1, 2, 0, 0, "2 %"]
    assert whole[:6] == ["a trace", 7, 1, "1.0 %", "1.0 %", "1.0 %"]


def test_a_step_leaves_windows_out(measured):
    assert fitness.slowdowns(BLOCKS, 3, step=3) == [0.01, math.inf]
