"""Bisections on recorded noise: what is injected is found, and a trace's laboratory injects exactly that."""

from pathlib import Path

import numpy as np
import pytest

from bench.gate.error_rates.bisection import InjectedRange, TraceLaboratory, one_step, replay_search, two_steps
from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.resample import RecordedBlock, recorded_blocks
from bench.gate.verdict.bisection.search import Outcome
from bench.measure.process import PROJECT

QUIET = Path(PROJECT / "results" / "noise" / "quiet.jsonl")


@pytest.fixture(scope="module")
def quiet():
    return recorded_blocks(read_trace(QUIET))


def test_the_injected_step_is_exact_whatever_the_noise(quiet):
    commits, positions = InjectedRange(8, ((3, 1.05), (6, 1.10))), (0, 8, 3, 5, 6)
    with_steps, without = (
        np.log(TraceLaboratory(quiet, one, np.random.default_rng(1)).measure(positions))
        for one in (commits, InjectedRange(8))
    )
    injected = with_steps - without
    assert injected - injected[0] == pytest.approx(np.log([1, 1.155, 1.05, 1.05, 1.155]), abs=1e-8)


def test_a_smaller_block_takes_its_share_of_the_time_and_the_trace_begins_again_at_its_end():
    blocks = [RecordedBlock(((1.0,) * 5,) * 3, 10.0)] * 2
    laboratory = TraceLaboratory(blocks, InjectedRange(4), np.random.default_rng(0))
    for _ in range(3):
        laboratory.measure((0, 4, 0))
    assert laboratory.seconds == pytest.approx(18) and laboratory.num_processes == 9


@pytest.mark.parametrize(
    ("draw", "outcome"),
    [
        (lambda random: InjectedRange(32), Outcome.NO_STEP),
        (lambda random: one_step(random, 64, 1.10), Outcome.CULPRIT),
        (lambda random: two_steps(random, 16, (1.10, 1.10)), Outcome.TWO_STEPS),
    ],
)
def test_what_was_injected_is_found(quiet, draw, outcome):
    for seed in range(3):
        found = replay_search(quiet, draw(np.random.default_rng(seed)), seed)
        assert found.outcome is outcome and found.is_right and not found.is_wrong
        assert all(0 < stated <= 1 + 1e-9 for stated, _ in found.stated)


def test_a_search_does_not_repeat_a_block_that_cannot_tell_a_fraction_of_the_step(quiet):
    """With the culprit beside the good end alone, again and again, this one had measured 504 processes in vain."""
    found = replay_search(quiet, InjectedRange(16, ((8, 1.05),)), 38)
    assert found.is_right and found.num_processes < 100


def test_noise_of_one_core_loaded_never_becomes_a_wrong_culprit_in_little_time():
    blocks = recorded_blocks(read_trace(QUIET.with_name("one-core-loaded.jsonl")))
    found = replay_search(blocks, one_step(np.random.default_rng(0), 16, 1.02), 0, budget_seconds=120)
    assert found.outcome is Outcome.UNDECIDED and not found.is_wrong
