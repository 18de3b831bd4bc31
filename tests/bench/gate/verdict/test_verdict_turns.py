import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gate.verdict.turns import process_values

ROUNDS = st.integers(1, 8).flatmap(
    lambda n: st.lists(st.lists(st.floats(1e-4, 10), min_size=n, max_size=n), min_size=1, max_size=8)
)


def test_what_a_round_does_to_all_processes_is_divided_out():
    quiet = [[1.0, 1.1, 1.0, 1.1]] * 5
    burst = [[value * factor for value in row] for row, factor in zip(quiet, (1, 2, 1, 2, 2), strict=True)]
    values = process_values(burst)
    assert values[1] / values[0] == pytest.approx(1.1)
    assert values[3] / values[2] == pytest.approx(1.1)


def test_a_burst_that_meets_single_turns_changes_no_value():
    rounds = [[1.0, 1.1, 1.0, 1.1] for _ in range(7)]
    rounds[1][0] = rounds[3][2] = rounds[5][1] = 2.0
    values = process_values(rounds)
    assert values[1] / values[0] == pytest.approx(1.1)


@given(ROUNDS, st.floats(0.01, 100))
def test_another_unit_of_time_scales_the_values_and_nothing_else(rounds, factor):
    scaled = process_values([[value * factor for value in row] for row in rounds])
    assert scaled == pytest.approx([value * factor for value in process_values(rounds)])


def test_processes_that_are_slower_in_every_round_by_a_factor_are_slower_by_that_factor():
    random = np.random.default_rng(2)
    rounds = np.exp(random.normal(0, 0.3, (9, 1))) * np.array([1.0, 1.05, 1.0, 1.05])
    values = process_values(rounds.tolist())
    assert values[1] / values[0] == pytest.approx(1.05)


@pytest.mark.slow
def test_a_slowdown_within_the_noise_of_single_turns_is_not_shrunk():
    """Two slow processes of four must not pull the level of their rounds towards them."""
    random = np.random.default_rng(3)
    found = []
    for _ in range(400):
        turns = np.exp(random.exponential(0.04, (25, 4))) * [1.0, 1.0, 1.05, 1.05]
        logs = np.log(process_values(turns.tolist()))
        found.append(logs[2:].mean() - logs[:2].mean())
    standard_error = np.std(found) / len(found) ** 0.5
    assert np.mean(found) == pytest.approx(math.log(1.05), abs=3 * standard_error + 0.001)
    assert standard_error < 0.0005


def test_ties_are_ties_whatever_the_rounding():
    """Of three processes each is the middle one in a third of the rounds: their values are the same to the last bit."""
    scales = np.random.default_rng(4).uniform(0.01, 0.02, (21, 1))
    rounds = scales * np.tile(np.eye(3) * 0.1 + 1, (7, 1))
    assert len(set(process_values(rounds.tolist()))) == 1


def test_a_missing_turn_is_left_out_and_a_process_without_any_is_none():
    values = process_values([[1.0, None, None], [1.0, 1.2, None], [1.0, 1.2, None]])
    assert values[1] / values[0] == pytest.approx(1.2)
    assert values[2] is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_one_impossible_turn_makes_its_process_nan_and_spares_the_others(bad):
    values = process_values([[1.0, bad], [1.0, 1.0], [1.0, 1.0]])
    assert values[0] == pytest.approx(1.0)
    assert math.isnan(values[1])


def test_a_single_turn_is_its_own_value():
    assert process_values([[0.25, 0.5]]) == pytest.approx([0.25, 0.5])


def test_without_turns_there_are_no_values():
    assert process_values([]) == []


def test_rounds_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="one turn of each of its processes"):
        process_values([[1.0, 1.0], [1.0]])
