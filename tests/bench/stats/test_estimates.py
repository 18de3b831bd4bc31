"""Estimates against SciPy, closed forms and properties that must hold for every input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from bench.stats.estimates import (
    SPREAD_OVER_SEEDS,
    agreement_with_reference,
    binomial_interval,
    estimate,
    fit_batch_law,
    paired_ratio,
    two_groups,
)
from benchmarks.coverage import NOISE

durations = st.floats(1e-6, 1e4)
processes = st.lists(st.lists(durations, min_size=1, max_size=3), min_size=1, max_size=9)

# --- estimate ---------------------------------------------------------------------------------------------------


def test_the_centre_is_the_median_of_the_medians():
    # Pooled, the median would be 1: the long process must not outvote the others.
    found = estimate([[1.0] * 9, [2.0], [3.0, 4.0, 5.0]])
    assert found.center == 2.0
    assert (found.num_processes, found.num_samples) == (3, 13)


def test_three_to_five_processes_give_students_interval_of_the_geometric_mean():
    for medians in ([1.0, 1.1, 1.3], [1.0, 1.1, 1.3, 1.25], [1.0, 1.1, 1.3, 1.25, 0.9]):
        expected = np.exp(scipy_stats.ttest_1samp(np.log(medians), 0).confidence_interval(0.95))
        found = estimate([[median] for median in medians])
        assert (found.low, found.high) == pytest.approx(tuple(expected))
        assert found.interval_of == "geometric mean"


@pytest.mark.parametrize("num_processes", [6, 7, 9, 15, 16, 30, 61])
def test_from_six_processes_on_the_interval_is_the_exact_one_of_the_median(num_processes):
    values = np.random.default_rng(num_processes).lognormal(size=num_processes)
    expected = scipy_stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    found = estimate([[value] for value in values])
    assert (found.low, found.high, found.interval_of) == (expected.low, expected.high, "median")


def test_an_outlier_does_not_move_the_interval_off_the_samples():
    """Of 14 processes about 1.00 s and one of 6 s, Student's t on the logarithms would begin at 0.88 s."""
    found = estimate([[1 + i * 0.001] for i in range(14)] + [[6.0]])
    assert (found.low, found.center, found.high) == (1.003, 1.007, 1.011)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_fewer_than_three_processes_give_no_interval(num_processes):
    found = estimate([[1.0 + i] for i in range(num_processes)])
    assert (found.low, found.high, found.interval_of) == (None, None, None)


def test_one_process_gives_no_interval_however_many_samples():
    found = estimate([[1.0, 1.1, 1.2]])
    assert (found.center, found.low, found.high) == (1.1, None, None)


@given(processes)
def test_the_interval_contains_the_centre(samples):
    """Nothing is widened for it: with five values at most, the median lies within 0.9 deviations of the mean."""
    found = estimate(samples)
    if len(samples) >= 3:
        assert found.low * (1 - 1e-9) <= found.center <= found.high * (1 + 1e-9)


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


def two_speeds(random, num_processes, share_slow, ratio, noise=0.02):
    return np.exp(random.normal(0, noise, num_processes)) * np.where(np.arange(num_processes) < share_slow, ratio, 1)


def test_processes_of_two_speeds_are_two_groups():
    seconds = two_speeds(np.random.default_rng(1), 15, 4, 1.9) * 3.2e-3
    found = estimate([[value] for value in seconds]).groups
    assert (found.num_fast, found.num_slow) == (11, 4)
    assert found.fast_seconds == pytest.approx(np.median(seconds[4:]))
    assert found.slow_seconds == pytest.approx(np.median(seconds[:4]))


@pytest.mark.parametrize(
    ("slow", "ratio"),
    [(2, 1.9), (13, 1.9), (4, 1.04)],
    ids=["two outliers", "two fast ones", "less than 5 % apart"],
)
def test_outliers_and_close_speeds_are_no_groups(slow, ratio):
    assert two_groups(two_speeds(np.random.default_rng(1), 15, slow, ratio, noise=0.001)) is None


@pytest.mark.parametrize("num_processes", [6, 10, 15, 30])
@pytest.mark.parametrize("noise", sorted(NOISE.keys() - {"bimodal"}))
def test_noise_of_one_speed_is_seldom_taken_for_two(noise, num_processes):
    """At most 1.1 % in long simulations; 2.5 % leaves room for 400 of them."""
    draws = np.exp(NOISE[noise](np.random.default_rng(7), 400, num_processes))
    assert sum(two_groups(values) is not None for values in draws) <= 10


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_duration_that_cannot_be_is_refused(value):
    with pytest.raises(ValueError, match="positive finite"):
        estimate([[1.0], [1.0, value]])


@pytest.mark.parametrize("samples", [[], [[]], [[1.0], []]])
def test_no_samples_are_refused(samples):
    with pytest.raises(ValueError, match="no samples"):
        estimate(samples)


# --- ratios of pairs ------------------------------------------------------------------------------------------------

rounds = st.dictionaries(st.integers(0, 9), durations, min_size=1, max_size=9)


def test_a_ratio_is_that_of_the_pairs_and_not_of_the_medians():
    """The ratios are 2, 2 and 9; the medians of the sides, 9 and 2, would say 4.5.  Round 3 has no partner."""
    found = paired_ratio({0: 4.0, 1: 10.0, 2: 9.0}, {0: 2.0, 1: 5.0, 2: 1.0, 3: 500.0})
    assert (found.center, found.num_rounds) == (pytest.approx(2.0), 3)


def test_a_drift_that_hits_both_sides_leaves_their_ratio_exact():
    found = paired_ratio({0: 2.0, 1: 20.0, 2: 4.0}, {0: 1.0, 1: 10.0, 2: 2.0})
    assert (found.low, found.high) == (pytest.approx(2.0), pytest.approx(2.0))
    assert found.differs


def test_the_interval_of_a_ratio_over_many_rounds_is_the_exact_one_of_the_median():
    ratios = np.random.default_rng(2).lognormal(sigma=0.1, size=15)
    expected = scipy_stats.quantile_test(ratios, p=0.5).confidence_interval(0.95)
    found = paired_ratio(dict(enumerate(ratios)), dict.fromkeys(range(15), 1.0))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.interval_of == "median"


def test_the_interval_of_a_ratio_over_few_rounds_is_students_on_the_logarithms():
    ratios = [1.1, 1.3, 1.2, 1.35]
    expected = np.exp(scipy_stats.ttest_1samp(np.log(ratios), 0).confidence_interval(0.95))
    found = paired_ratio(dict(enumerate(ratios)), dict.fromkeys(range(4), 1.0))
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_two_common_rounds_give_a_ratio_without_an_interval_and_show_nothing():
    found = paired_ratio({0: 3.0, 1: 3.0, 2: 1.0}, {0: 1.0, 1: 1.0, 3: 1.0})
    assert (found.center, found.low, found.high, found.num_rounds) == (pytest.approx(3.0), None, None, 2)
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
        assert found.low * (1 - 1e-9) <= found.center <= found.high * (1 + 1e-9)
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


def test_one_process_is_scipys_weighted_fit_without_intervals():
    (times,) = noisy_times(1, 1)
    expected, _ = optimize.curve_fit(
        lambda size, a, b: a + b * size, np.array(SIZES, float), times, p0=(1e-3, 1e-5), sigma=times
    )
    law = fit_batch_law(SIZES, [times])
    assert (law.a_seconds, law.b_seconds) == pytest.approx(tuple(expected), rel=1e-4)
    assert (law.a_low, law.a_high, law.b_low, law.b_high) == (None, None, None, None)


def test_two_processes_give_no_interval_of_the_law_either():
    law = fit_batch_law(SIZES, noisy_times(1, 2))
    assert (law.a_low, law.b_high) == (None, None)


def test_several_processes_give_the_interval_of_their_coefficients():
    """On their logarithms, so that no bound of an overhead is negative."""
    times = noisy_times(2, 4)
    singles = [fit_batch_law(SIZES, [row]) for row in times]
    law = fit_batch_law(SIZES, times)
    logs = np.log([single.a_seconds for single in singles])
    expected = np.exp(scipy_stats.ttest_1samp(logs, 0).confidence_interval(0.95))
    assert (law.a_low, law.a_high) == pytest.approx(tuple(expected))
    assert law.b_seconds == pytest.approx(np.median([single.b_seconds for single in singles]))
    assert law.num_processes == 4


def test_an_overhead_that_is_negative_in_one_process_has_no_interval():
    exact = 0.002 + 0.00004 * np.array(SIZES)
    law = fit_batch_law(SIZES, [exact, exact, exact, exact - 0.00203])
    assert law.a_seconds == pytest.approx(0.002)
    assert (law.a_low, law.a_high) == (None, None)
    assert law.b_low is not None


def test_a_law_that_does_not_hold_has_no_knee():
    times = [0.002 + 0.00004 * size for size in SIZES]
    assert fit_batch_law(SIZES, [times]).holds
    times[-1] *= 2  # out of the cache
    law = fit_batch_law(SIZES, [times])
    assert law.worst_residual > 0.2
    assert (law.holds, law.knee_batch_size) == (False, None)


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


@pytest.mark.parametrize(("num_right", "num_examples"), [(9829, 10_000), (0, 5), (5, 5), (1, 1), (3, 7)])
def test_wilsons_interval_is_scipys(num_right, num_examples):
    expected = scipy_stats.binomtest(num_right, num_examples).proportion_ci(0.95, method="wilson")
    found = binomial_interval(num_right / num_examples, num_examples)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


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


def test_agreement_is_by_the_prediction_interval_of_one_more_seed():
    accuracies = [0.9824, 0.9839, 0.9817, 0.9842, 0.9824]
    found = agreement_with_reference(accuracies, 0.9829)
    half = scipy_stats.t.ppf(0.975, 4) * np.std(accuracies, ddof=1) * math.sqrt(1 + 1 / 5)
    assert (found.low, found.high) == pytest.approx((-half, half))
    assert found.agrees


@pytest.mark.parametrize(("loss", "low", "high"), [(0.0, 0.93, 0.97), (0.005, 0.0, 0.35)])
def test_a_seed_of_the_same_network_agrees_as_often_as_it_says_and_a_worse_one_does_not(loss, low, high):
    random = np.random.default_rng(3)
    ours = random.normal(0.9829 - loss, SPREAD_OVER_SEEDS, (2000, 5))
    theirs = random.normal(0.9829, SPREAD_OVER_SEEDS, 2000)
    agreed = [agreement_with_reference(list(five), one).agrees for five, one in zip(ours, theirs, strict=True)]
    assert low < np.mean(agreed) < high


@pytest.mark.parametrize(("accuracy", "agrees"), [(0.9829, True), (0.9800, True), (0.9797, False), (0.9861, False)])
def test_one_seed_is_judged_by_the_spread_of_the_records(accuracy, agrees):
    """1.96 * sqrt(2) * 0.11 points are 0.305."""
    found = agreement_with_reference([accuracy], 0.9829)
    assert (found.agrees, found.assumed_spread) == (agrees, True)
    assert found.high == pytest.approx(1.959964 * math.sqrt(2) * SPREAD_OVER_SEEDS)


@pytest.mark.parametrize("accuracies", [[], [float("nan")], [0.98, 98.0], [-0.1]])
def test_accuracies_that_cannot_be_agree_with_nothing(accuracies):
    with pytest.raises(ValueError, match="fractions"):
        agreement_with_reference(accuracies, 0.9829)
