"""Ratios of runs that were not interleaved, against SciPy and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.estimates import estimate
from bench.stats.unpaired import mean_speed_ratio, speed_ratio
from benchmarks.coverage import NOISE, coverage_of_ratio

durations = st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=9)


def test_above_one_is_faster():
    assert speed_ratio([2.0, 2.0], [1.0, 1.0]).center == 2.0


def test_the_centre_is_the_ratio_of_the_medians_that_a_table_shows_beside_it():
    assert speed_ratio([1.0, 4.0, 30.0], [2.0, 2.0, 500.0]).center == 2.0


def test_the_interval_is_made_of_those_of_the_two_sides():
    """The distances from a median to its bounds, as logarithms, added as squares."""
    base, other = [1.9, 2.0, 2.1, 2.05, 1.8, 2.3], [1.0, 1.3, 0.9]
    one, two = (estimate([[value] for value in side]) for side in (base, other))
    down = math.hypot(math.log(one.center / one.low), math.log(two.high / two.center))
    up = math.hypot(math.log(one.high / one.center), math.log(two.center / two.low))
    found, center = speed_ratio(base, other), one.center / two.center
    assert (found.low, found.high) == pytest.approx((center * math.exp(-down), center * math.exp(up)))


def test_against_a_side_without_spread_the_interval_is_that_of_the_other_side():
    base = [1.9, 2.0, 2.1, 2.05, 1.8, 2.3]
    found, alone = speed_ratio(base, [1.0] * 6), estimate([[value] for value in base])
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize(("base", "other"), [([1.0], [2.0, 2.1, 2.2]), ([1.0, 1.1, 1.2], [2.0, 2.1]), ([1.0], [2.0])])
def test_two_processes_on_a_side_give_no_interval_and_show_nothing(base, other):
    found = speed_ratio(base, other)
    assert (found.low, found.high, found.differs) == (None, None, False)
    assert (found.num_base_processes, found.num_processes) == (len(base), len(other))


@given(durations, durations)
def test_swapping_the_sides_inverts_all_three_numbers(base, other):
    found, swapped = speed_ratio(base, other), speed_ratio(other, base)
    assert swapped.center == pytest.approx(1 / found.center)
    if found.low is not None:
        assert found.low * (1 - 1e-9) <= found.center <= found.high * (1 + 1e-9)
        assert swapped.low == pytest.approx(1 / found.high, rel=1e-6)


@given(durations, durations, st.floats(0.01, 100))
def test_a_machine_that_is_slower_by_a_factor_gives_that_factor(base, other, factor):
    found, slower = speed_ratio(base, other), speed_ratio(base, [value * factor for value in other])
    assert slower.center == pytest.approx(found.center / factor)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match="positive finite"):
        speed_ratio([1.0, bad], [1.0])
    with pytest.raises(ValueError, match="positive finite"):
        mean_speed_ratio([{0: 1.0}], [{0: bad}])


@pytest.mark.parametrize("sides", [([], [1.0]), ([1.0], [])])
def test_an_empty_side_is_refused(sides):
    with pytest.raises(ValueError, match="each side needs one"):
        speed_ratio(*sides)


@pytest.mark.parametrize("noise", sorted(NOISE))
@pytest.mark.parametrize("num_processes", [3, 6, 15])
def test_the_interval_covers_at_least_as_often_as_it_says(noise, num_processes):
    """95 % less three standard errors of 400 draws."""
    assert coverage_of_ratio(NOISE[noise], num_processes, 400) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)


# --- the geometric mean of several ---------------------------------------------------------------------------------


def test_the_mean_is_geometric():
    """2 and 8 have the geometric mean 4 and the arithmetic mean 5."""
    assert mean_speed_ratio([{0: 2.0}, {0: 8.0}], [{0: 1.0}, {0: 1.0}]).center == pytest.approx(4.0)


def test_which_side_is_the_base_does_not_matter_to_the_mean():
    one = [{0: 2.0, 1: 2.2, 2: 2.1}, {0: 5.0, 1: 4.0, 2: 4.4}]
    other = [{0: 1.0, 1: 1.1, 2: 1.3}, {0: 7.0, 1: 6.0, 2: 6.3}]
    found, swapped = mean_speed_ratio(one, other), mean_speed_ratio(other, one)
    assert swapped.center == pytest.approx(1 / found.center)
    assert (swapped.low, swapped.high) == pytest.approx((1 / found.high, 1 / found.low))


def test_of_one_metric_the_mean_is_its_ratio():
    base, other = {0: 2.0, 1: 2.2, 2: 1.9}, {0: 1.0, 1: 1.3, 2: 1.2}
    assert mean_speed_ratio([base], [other]) == speed_ratio(list(base.values()), list(other.values()))


def test_the_interval_of_a_mean_is_over_the_rounds_that_measured_everything():
    base = [{0: 2.0, 1: 2.2, 2: 1.9}, {0: 4.0, 1: 4.1, 2: 4.6, 3: 9.0}]
    other = [{0: 1.0, 1: 1.3, 2: 1.1, 3: 1.2}, {0: 3.0, 1: 3.3, 2: 3.2, 3: 3.1}]
    rounds = [math.sqrt(base[0][number] * base[1][number]) for number in range(3)]
    others = [math.sqrt(other[0][number] * other[1][number]) for number in range(4)]
    expected, found = speed_ratio(rounds, others), mean_speed_ratio(base, other)
    assert found.low / found.center == pytest.approx(expected.low / expected.center)
    assert found.high / found.center == pytest.approx(expected.high / expected.center)
    assert (found.num_base_processes, found.num_processes) == (3, 4)


def test_the_interval_of_a_mean_knows_that_a_round_slows_all_stacks_together():
    """Taken for independent, three stacks that drift together would seem to be known sqrt(3) times as well."""
    random, hits = np.random.default_rng(2), 0
    for _ in range(1000):
        sides = []
        for true in (1.25, 1.0):
            drift = random.normal(0, 0.1, 4)
            sides.append([dict(enumerate(true * np.exp(drift + random.normal(0, 0.01, 4)))) for _ in range(3)])
        found = mean_speed_ratio(*sides)
        hits += found.low <= 1.25 <= found.high
    assert hits / 1000 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 1000)


def test_without_common_rounds_a_mean_has_no_interval():
    found = mean_speed_ratio([{0: 1.0, 1: 1.0}, {2: 1.0, 3: 1.0}], [{0: 2.0, 1: 2.0}, {0: 2.0, 1: 2.0}])
    assert (found.center, found.low) == (pytest.approx(0.5), None)


@pytest.mark.parametrize("sides", [([], []), ([{0: 1.0}], [])])
def test_a_mean_of_nothing_is_refused(sides):
    with pytest.raises(ValueError, match="needs a metric"):
        mean_speed_ratio(*sides)
