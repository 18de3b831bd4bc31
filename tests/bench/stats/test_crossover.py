"""Crossover of GPU and CPU, against the closed form of two laws t = a + b*B."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.stats.crossover import Lead, crossover, half_peak

SIZES = sorted([2**power for power in range(14)] + [500])


def law(a, b, sizes=SIZES):
    return {size: a + b * size for size in sizes}


def test_two_laws_cross_where_algebra_says():
    # (a2 - a1) / (b1 - b2) = (4e-4 - 1e-4) / (3e-5 - 1e-6)
    found = crossover(law(1e-4, 3e-5), law(4e-4, 1e-6))
    assert found.lead is Lead.CROSSES
    assert found.batch_size == pytest.approx(3e-4 / 2.9e-5)
    assert (found.below, found.above, found.largest) == (8, 16, 8192)


@given(st.floats(1e-5, 1e-2), st.floats(1e-8, 1e-4), st.floats(1.1, 100), st.floats(1.5, 8000))
def test_any_two_laws_that_cross_in_the_measured_range_are_found(a, b, times_slower, crossing):
    slower_b = b * times_slower
    later_a = a + (slower_b - b) * crossing  # solves a + slower_b * B = later_a + b * B for B = crossing
    assume(crossing not in SIZES)
    found = crossover(law(a, slower_b), law(later_a, b))
    assert found.lead is Lead.CROSSES
    assert found.batch_size == pytest.approx(crossing, rel=1e-3)
    assert found.below <= found.batch_size <= found.above


@given(st.floats(1e-3, 1e3))
def test_a_machine_that_is_slower_throughout_crosses_at_the_same_batch_size(scale):
    cpu, gpu = law(1e-4, 3e-5), law(4e-4, 1e-6)
    slower = [{size: seconds * scale for size, seconds in curve.items()} for curve in (cpu, gpu)]
    assert crossover(*slower).batch_size == pytest.approx(crossover(cpu, gpu).batch_size)


def test_ahead_at_every_batch_size_is_an_answer():
    found = crossover(law(1e-3, 1e-5), law(1e-4, 1e-6))
    assert (found.lead, found.batch_size, found.largest) == (Lead.ALWAYS, None, 8192)


def test_behind_at_the_largest_batch_size_is_never_ahead():
    assert crossover(law(1e-4, 1e-6), law(1e-3, 1e-5)).lead is Lead.NEVER
    # Ahead once, in the middle, and behind at the end: there is no batch size from which it stays ahead.
    assert crossover({1: 1.0, 8: 1.0, 64: 1.0}, {1: 2.0, 8: 0.5, 64: 2.0}).lead is Lead.NEVER


def test_equally_fast_is_not_ahead():
    assert crossover({1: 1.0, 2: 1.0}, {1: 1.0, 2: 1.0}).lead is Lead.NEVER


def test_of_several_crossings_the_last_one_counts():
    found = crossover({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, {1: 2.0, 2: 0.5, 4: 1.5, 8: 0.5})
    assert (found.below, found.above) == (4, 8)
    assert found.batch_size == pytest.approx(6.0)  # +0.5 at 4 and -0.5 at 8


def test_only_batch_sizes_that_both_measured_count():
    found = crossover(law(1e-4, 3e-5, [1, 64, 4096]), law(4e-4, 1e-6, [1, 8, 64, 512]))
    assert (found.below, found.above, found.largest) == (1, 64, 64)
    assert crossover({1: 1.0}, {2: 1.0}) is None


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_that_cannot_be_is_refused(seconds):
    with pytest.raises(ValueError, match="positive finite"):
        crossover({1: 1.0, 2: 1.0}, {1: 1.0, 2: seconds})


# --- half of the peak -----------------------------------------------------------------------------------------------


def test_half_of_the_peak_of_a_law_is_where_the_law_has_it():
    """t = a + b*B between 1 and 1024: half of 1024 / t(1024) is at B = a*p / (1 - b*p) for p = half of the peak."""
    a, b = 0.002, 0.00004
    found = half_peak({size: a + b * size for size in (1, 4, 16, 64, 256, 1024)})
    rate = 1024 / (a + b * 1024) / 2
    assert found.peak_examples_per_second == pytest.approx(2 * rate)
    assert found.batch_size == pytest.approx(a * rate / (1 - b * rate))
    assert (found.below, found.above) == (16, 64)


def test_half_of_the_peak_counts_from_where_all_larger_sizes_up_to_the_peak_have_it():
    """8 has it by a lucky step, 16 has not; behind the peak throughput falls again and does not count."""
    rates = {4: 1.0, 8: 6.0, 16: 4.0, 32: 8.0, 64: 10.0, 128: 2.0}
    found = half_peak({size: size / rate for size, rate in rates.items()})
    assert (found.below, found.above) == (16, 32)


def test_a_smallest_size_at_half_of_the_peak_needs_no_search():
    found = half_peak({8: 1.0, 16: 1.5})
    assert (found.batch_size, found.below, found.above) == (None, None, 8)


def test_without_a_size_there_is_no_half_of_the_peak():
    assert half_peak({}) is None
