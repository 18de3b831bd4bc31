"""Ranks say who is faster, and admit where a run cannot tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats.ranking import Rank, p_equal, rank, rank_unpaired
from benchmarks.coverage import NOISE, false_and_found

DRIFT = [1.0, 1.5, 0.8, 1.2]


def rounds(seconds, noise=(1.0, 1.0, 1.0, 1.0)):
    """Four rounds on a machine that drifts for everybody."""
    return {number: seconds * drift * own for number, (drift, own) in enumerate(zip(DRIFT, noise, strict=True))}


def test_the_fastest_comes_first():
    found = rank({"slow": rounds(3.0), "fast": rounds(1.0), "middle": rounds(2.0)})
    assert list(found) == ["fast", "middle", "slow"]
    assert [str(place) for place in found.values()] == ["1", "2", "3"]


def test_a_common_drift_does_not_hide_a_difference_of_two_percent():
    """Unpaired, rounds that differ by a factor of two could never tell 2 % apart."""
    noise = (1.001, 0.999, 1.0, 1.001)
    assert rank({"a": rounds(1.0), "b": rounds(1.02, noise)}) == {"a": Rank(1, False), "b": Rank(2, False)}


def test_neighbours_within_the_noise_share_a_rank_and_the_count_goes_on():
    found = rank(
        {
            "a": rounds(1.0),
            "b": rounds(2.0),
            "c": rounds(2.0, (1.05, 0.96, 1.04, 0.97)),
            "d": rounds(3.0),
        }
    )
    assert {name: str(place) for name, place in found.items()} == {"a": "1", "b": "2=", "c": "2=", "d": "4"}


def test_a_chain_of_neighbours_within_the_noise_does_not_tie_its_ends():
    """D takes 1.18 times as long as A (1.12 to 1.24), although the run cannot tell A from B, B from C and C from D."""
    found = rank(
        {
            "A": {0: 1, 1: 1, 2: 1},
            "B": {0: 1.05, 1: 1.12, 2: 0.99},
            "C": {0: 1.12, 1: 1.09, 2: 1.16},
            "D": {0: 1.2, 1: 1.15, 2: 1.18},
        }
    )
    assert {name: str(place) for name, place in found.items()} == {"A": "1=", "B": "1=", "C": "1=", "D": "2"}


def test_what_is_faster_than_a_faster_one_is_faster_though_no_round_measured_both():
    rounds_of_a, rounds_of_c = ({number: seconds + number * 1e-4 for number in at} for seconds, at in A_AND_C)
    rounds_of_b = {number: 2.0 + number % 3 * 1e-4 for number in range(6)}
    assert rank({"c": rounds_of_c, "b": rounds_of_b, "a": rounds_of_a})["c"] == Rank(3, False)


A_AND_C = [(1.0, (0, 1, 2)), (4.0, (3, 4, 5))]


def test_within_a_rank_the_order_is_that_of_the_ratios_to_the_base():
    """B has the lesser median, but in the rounds that it shares with the base it is the slower one."""
    base = {0: 1.0, 1: 1.0, 2: 1.0, 3: 10.0, 4: 10.0}
    a = {0: 2.0, 1: 2.5, 2: 2.2, 3: 20.0, 4: 25.0}
    b = {0: 2.6, 1: 2.4, 2: 2.3}
    assert list(rank({"b": b, "a": a, "base": base}, "base")) == ["base", "a", "b"]


@pytest.mark.parametrize("num_rounds", [1, 2])
def test_fewer_than_three_rounds_give_no_rank_and_the_order_of_the_seconds(num_rounds):
    sides = {"b": {number: 5.0 for number in range(num_rounds)}, "a": {number: 1.0 for number in range(num_rounds)}}
    assert rank(sides) == {"a": None, "b": None}
    assert list(rank(sides)) == ["a", "b"]


def test_rounds_that_are_not_common_give_no_rank():
    assert rank({"a": dict.fromkeys(range(3), 1.0), "b": dict.fromkeys(range(3, 6), 5.0)}) == {"a": None, "b": None}


def test_one_that_shares_no_rounds_with_the_others_comes_last_without_a_rank():
    found = rank({"late": {7: 1.0}, "slow": rounds(3.0), "fast": rounds(1.0)})
    assert [(name, place and str(place)) for name, place in found.items()] == [
        ("fast", "1"),
        ("slow", "2"),
        ("late", None),
    ]


def test_none_and_one_alone_have_no_rank():
    assert rank({}) == {}
    assert rank({"a": rounds(1.0)}) == {"a": None}


@pytest.mark.parametrize("num_wins", [9, 10, 11, 12, 15])
def test_many_rounds_are_a_sign_test(num_wins):
    logs = np.array([0.1] * num_wins + [-5.0] * (15 - num_wins))
    assert p_equal(logs) == pytest.approx(stats.binomtest(num_wins, 15).pvalue)


def test_rounds_without_a_difference_count_for_neither_side():
    assert p_equal(np.array([0.1] * 12 + [0.0] * 3)) == pytest.approx(stats.binomtest(12, 15).pvalue)


@pytest.mark.parametrize(("num_rounds", "num_pairs"), [(3, 1), (7, 1), (11, 6), (14, 45)])
def test_rounds_too_few_for_the_sign_test_are_students_on_the_logarithms(num_rounds, num_pairs):
    """Of 11 rounds one against ten has p = 0.012, times six pairs 0.07: six sign tests would need every round."""
    logs = np.random.default_rng(num_rounds).normal(0.05, 0.1, num_rounds)
    assert p_equal(logs, num_pairs) == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)


@pytest.mark.parametrize("noise", sorted(NOISE))
@pytest.mark.parametrize("num_rounds", [3, 15])
def test_equal_stacks_are_seldom_told_apart(noise, num_rounds):
    """100 runs of four stacks: 5 % plus three standard errors; docs/statistics.md has more runs, and their power."""
    wrong, _ = false_and_found(NOISE[noise], 4, num_rounds, step=0.0, num_runs=100)
    assert wrong <= 0.05 + 3 * 0.022


@given(st.dictionaries(st.text(max_size=3), st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3), max_size=6))
def test_ranks_begin_at_one_and_never_fall(samples):
    places = list(rank({name: dict(enumerate(values)) for name, values in samples.items()}).values())
    numbers = [place.number for place in places if place is not None]
    assert len(numbers) in (0, len(samples))
    assert numbers == sorted(numbers)
    assert numbers[:1] in ([], [1])
    assert all(place.shared == (numbers.count(place.number) > 1) for place in places if place is not None)


# --- of independent values ------------------------------------------------------------------------------------------


NEAR = (0.98, 0.99, 1.0, 1.01, 1.02, 1.03)


def test_independent_values_are_ranked_by_median_and_neighbours_within_the_noise_share():
    values = {"c": 3.0, "a": 1.0, "a2": 1.005, "b": 2.0}
    found = rank_unpaired({name: [center * noise for noise in NEAR] for name, center in values.items()})
    assert {name: str(place) for name, place in found.items()} == {"a": "1=", "a2": "1=", "b": "3", "c": "4"}


def test_too_few_independent_values_have_no_rank():
    assert rank_unpaired({"a": [1.0, 1.1], "b": [2.0, 2.1, 2.2]}) == {"a": None, "b": Rank(1, False)}
    assert rank_unpaired({}) == {}


@given(st.lists(st.lists(st.floats(0.1, 10), min_size=1, max_size=7), max_size=8))
def test_ranks_of_independent_values_follow_the_medians_and_count_everybody(values):
    found = rank_unpaired(dict(enumerate(values)))
    placed = sorted((np.median(values[name]), place.number) for name, place in found.items() if place is not None)
    numbers = [number for _, number in placed]
    assert numbers == sorted(numbers)
    assert all(number == 1 + sum(other < number for other in numbers) for number in numbers)
