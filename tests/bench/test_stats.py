"""Estimates against SciPy, closed forms and properties that must hold for every input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from bench.stats import agreement_with_reference, binomial_interval, estimate, fit_batch_law, paired_ratio

durations = st.floats(1e-6, 1e4)
processes = st.lists(st.lists(durations, min_size=1, max_size=6), min_size=1, max_size=6)

# --- estimate ---------------------------------------------------------------------------------------------------


def test_the_centre_is_the_median_of_the_medians():
    # Pooled, the median would be 1: the long process must not outvote the others.
    found = estimate([[1.0] * 9, [2.0], [3.0, 4.0, 5.0]])
    assert found.center == 2.0
    assert (found.num_processes, found.num_samples) == (3, 13)


def test_the_interval_is_students_on_the_logarithms():
    medians = [1.0, 1.1, 1.3, 1.25]
    expected = np.exp(scipy_stats.ttest_1samp(np.log(medians), 0).confidence_interval(0.95))
    found = estimate([[median] for median in medians])
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_one_process_gives_no_interval_however_many_samples():
    found = estimate([[1.0, 1.1, 1.2]])
    assert (found.center, found.low, found.high) == (1.1, None, None)


@given(processes)
def test_the_interval_contains_the_centre(samples):
    found = estimate(samples)
    if len(samples) > 1:
        assert found.low <= found.center <= found.high


@given(processes, st.floats(0.01, 100))
def test_another_unit_gives_the_same_estimate_in_that_unit(samples, scale):
    found, scaled = estimate(samples), estimate([[value * scale for value in process] for process in samples])
    assert scaled.center == pytest.approx(found.center * scale)
    if found.low is not None:
        assert scaled.low == pytest.approx(found.low * scale, rel=1e-6)


@given(processes, st.randoms())
def test_the_order_of_samples_and_processes_does_not_matter(samples, random):
    shuffled = [random.sample(process, len(process)) for process in random.sample(samples, len(samples))]
    first, second = estimate(samples), estimate(shuffled)
    assert first.center == second.center
    assert (first.low is None) == (second.low is None)
    if first.low is not None:
        assert (first.low, first.high) == pytest.approx((second.low, second.high))


def test_the_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        found = estimate([[value] for value in np.exp(random.normal(0.0, 0.1, size=4))])
        hits += found.low <= 1.0 <= found.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.02)  # widening to hold the centre can only add


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_duration_that_cannot_be_is_refused(value):
    with pytest.raises(ValueError, match="positive finite"):
        estimate([[1.0], [1.0, value]])


@pytest.mark.parametrize("samples", [[], [[]], [[1.0], []]])
def test_no_samples_are_refused(samples):
    with pytest.raises(ValueError, match="no samples"):
        estimate(samples)


# --- ratios of pairs ------------------------------------------------------------------------------------------------

rounds = st.dictionaries(st.integers(0, 6), durations, min_size=1, max_size=6)


def test_a_ratio_is_that_of_the_pairs_and_not_of_the_medians():
    """The ratios are 2, 2 and 9; the medians of the sides, 9 and 2, would say 4.5.  Round 3 has no partner."""
    found = paired_ratio({0: 4.0, 1: 10.0, 2: 9.0}, {0: 2.0, 1: 5.0, 2: 1.0, 3: 500.0})
    assert (found.center, found.num_rounds) == (pytest.approx(2.0), 3)


def test_a_drift_that_hits_both_sides_leaves_their_ratio_exact():
    found = paired_ratio({0: 2.0, 1: 20.0, 2: 4.0}, {0: 1.0, 1: 10.0, 2: 2.0})
    assert (found.low, found.high) == (pytest.approx(2.0), pytest.approx(2.0))
    assert found.differs


def test_the_interval_of_a_ratio_is_students_on_the_logarithms():
    ratios = [1.1, 1.3, 1.2, 1.35]
    expected = np.exp(scipy_stats.ttest_1samp(np.log(ratios), 0).confidence_interval(0.95))
    found = paired_ratio(dict(enumerate(ratios)), dict.fromkeys(range(4), 1.0))
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_one_common_round_gives_a_ratio_without_an_interval_and_shows_nothing():
    found = paired_ratio({0: 3.0, 1: 1.0}, {0: 1.0, 2: 1.0})
    assert (found.center, found.low, found.high, found.num_rounds) == (pytest.approx(3.0), None, None, 1)
    assert not found.differs


def test_without_a_common_round_there_is_no_ratio():
    assert paired_ratio({0: 1.0}, {1: 1.0}) is None


@given(rounds, rounds)
def test_swapping_the_sides_inverts_a_ratio(one, other):
    found, swapped = paired_ratio(one, other), paired_ratio(other, one)
    if found is None:
        assert swapped is None
        return
    assert swapped.center == pytest.approx(1 / found.center)
    if found.low is not None:
        assert found.low <= found.center <= found.high
        assert swapped.low == pytest.approx(1 / found.high, rel=1e-6)


@given(rounds, rounds, st.floats(0.01, 100))
def test_a_unit_cancels_in_a_ratio(one, other, scale):
    found = paired_ratio(one, other)
    scaled = paired_ratio(*({number: value * scale for number, value in side.items()} for side in (one, other)))
    assert (found is None) == (scaled is None)
    if found is not None:
        assert scaled.center == pytest.approx(found.center)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_no_ratio_of_a_duration_that_cannot_be(seconds):
    with pytest.raises(ValueError, match="positive finite"):
        paired_ratio({0: 1.0}, {0: seconds})


# --- t(B) = a + b*B ------------------------------------------------------------------------------------------------

SIZES = [1, 2, 16, 128, 500, 4096]


@given(st.floats(1e-5, 1e-1), st.floats(1e-7, 1e-3), st.integers(1, 4))
def test_an_exact_law_is_found_again(a, b, num_processes):
    law = fit_batch_law(SIZES, [[a + b * size for size in SIZES]] * num_processes)
    assert (law.a_seconds, law.b_seconds) == pytest.approx((a, b), rel=1e-4)
    assert law.knee_batch_size == pytest.approx(a / b, rel=1e-3)
    assert law.worst_residual < 1e-6


def test_at_the_knee_half_of_the_greatest_throughput_is_reached():
    law = fit_batch_law(SIZES, [[0.002 + 0.00004 * size for size in SIZES]])
    knee = law.knee_batch_size
    assert knee / (law.a_seconds + law.b_seconds * knee) == pytest.approx(0.5 / law.b_seconds)


def noisy_times(seed, num_processes):
    noise = np.random.default_rng(seed).normal(1.0, 0.05, size=(num_processes, len(SIZES)))
    return (0.002 + 0.00004 * np.array(SIZES)) * noise


def test_one_process_is_scipys_weighted_fit():
    (times,) = noisy_times(1, 1)
    expected, covariance = optimize.curve_fit(
        lambda size, a, b: a + b * size, np.array(SIZES, float), times, p0=(1e-3, 1e-5), sigma=times
    )
    law = fit_batch_law(SIZES, [times])
    assert (law.a_seconds, law.b_seconds) == pytest.approx(tuple(expected), rel=1e-4)
    half = scipy_stats.t.ppf(0.975, len(SIZES) - 2) * np.sqrt(np.diag(covariance))
    assert (law.a_high - law.a_seconds, law.b_high - law.b_seconds) == pytest.approx(tuple(half), rel=1e-3)


def test_several_processes_give_students_interval_of_their_fits():
    times = noisy_times(2, 4)
    singles = [fit_batch_law(SIZES, [row]) for row in times]
    law = fit_batch_law(SIZES, times)
    expected = scipy_stats.ttest_1samp([single.a_seconds for single in singles], 0).confidence_interval(0.95)
    assert (law.a_low, law.a_high) == pytest.approx(tuple(expected))
    assert law.b_seconds == pytest.approx(np.mean([single.b_seconds for single in singles]))
    assert law.num_processes == 4


def test_a_law_that_does_not_hold_shows_in_its_residual():
    times = [0.002 + 0.00004 * size for size in SIZES]
    times[-1] *= 2  # out of the cache
    assert fit_batch_law(SIZES, [times]).worst_residual > 0.2


def test_without_overhead_there_is_no_knee():
    assert fit_batch_law([1, 2, 4], [[1.0, 2.1, 4.3]]).knee_batch_size is None


@pytest.mark.parametrize(
    ("sizes", "times", "why"),
    [
        ([1, 2], [[1.0, 2.0]], "three different batch sizes"),
        ([4, 4, 4], [[1.0, 1.0, 1.0]], "three different batch sizes"),
        ([1, 2, 4], [[1.0, 2.0]], "measured by every process"),
        ([1, 2, 4], [], "measured by every process"),
        ([1, 2, 4], [[1.0, float("nan"), 4.0]], "positive finite"),
        ([1, 2, 4], [[1.0, 0.0, 4.0]], "positive finite"),
    ],
)
def test_a_law_is_not_fitted_to_too_little(sizes, times, why):
    with pytest.raises(ValueError, match=why):
        fit_batch_law(sizes, times)


# --- accuracy -------------------------------------------------------------------------------------------------------


def test_wilsons_interval_of_the_reference():
    # Closed form: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).
    p, n, z = 0.9829, 10_000, 1.959964
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = ((middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n))
    assert binomial_interval(p, n) == pytest.approx(expected, abs=1e-7)


@given(st.integers(1, 10_000), st.data())
def test_an_accuracy_lies_in_its_interval_and_the_interval_in_0_to_1(num_examples, data):
    accuracy = data.draw(st.integers(0, num_examples)) / num_examples
    low, high = binomial_interval(accuracy, num_examples)
    assert -1e-12 <= low <= accuracy + 1e-12
    assert accuracy - 1e-12 <= high <= 1 + 1e-12


@pytest.mark.parametrize(("accuracy", "num_examples"), [(1.5, 100), (-0.1, 100), (float("nan"), 100)])
def test_what_is_no_fraction_has_no_interval(accuracy, num_examples):
    with pytest.raises(ValueError):
        binomial_interval(accuracy, num_examples)


def test_one_run_has_the_binomial_interval_of_a_difference():
    found = agreement_with_reference([0.9800], 10_000, 0.9829, 10_000)
    half = 1.959964 * math.sqrt(0.98 * 0.02 / 10_000 + 0.9829 * 0.0171 / 10_000)
    assert found.difference == pytest.approx(-0.0029)
    assert (found.low, found.high) == pytest.approx((-0.0029 - half, -0.0029 + half))
    assert found.agrees


def test_the_spread_of_seeds_widens_the_interval():
    calm = agreement_with_reference([0.98, 0.98, 0.98], 10_000, 0.9829, 10_000)
    wild = agreement_with_reference([0.97, 0.98, 0.99], 10_000, 0.9829, 10_000)
    assert calm.mean == pytest.approx(wild.mean)
    assert wild.high - wild.low > calm.high - calm.low


@pytest.mark.parametrize(("accuracy", "agrees"), [(0.9829, True), (0.9810, True), (0.9780, False), (0.9880, False)])
def test_agreement_is_what_sampling_can_explain(accuracy, agrees):
    assert agreement_with_reference([accuracy] * 3, 10_000, 0.9829, 10_000).agrees is agrees


@pytest.mark.parametrize("accuracies", [[], [float("nan")], [0.98, 98.0], [-0.1]])
def test_accuracies_that_cannot_be_agree_with_nothing(accuracies):
    with pytest.raises(ValueError, match="fractions"):
        agreement_with_reference(accuracies, 10_000, 0.9829, 10_000)
