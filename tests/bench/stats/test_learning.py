"""The verdict on learning: how often it is wrong, how often it sees a loss, and what it refuses to claim."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats.learning import ALPHA, MARGIN, Learning, TimeToAccuracy, censored_median, holm, judge, time_to_accuracy

SEED_SPREAD = 0.0011  # standard deviation of the canonical stack's test accuracy over seeds, as measured on MNIST
ACCURACIES = [0.9824, 0.9839, 0.9817, 0.9833, 0.9827]


def learning(canonical, other):
    return judge(canonical, {"other": other})["other"].learning


# --- how often it is right, by simulation ---------------------------------------------------------------------------


def verdicts(losses, spread=SEED_SPREAD, num_seeds=5, num_runs=1000):
    """For each of ``num_runs`` simulated runs: the verdicts on stacks whose true mean is lower by ``losses``."""
    random = np.random.default_rng(20261124)

    def draw(loss):
        # An accuracy of 10,000 images comes in steps of 0.0001.
        return np.round(random.normal(0.9829 - loss, spread, num_seeds), 4).clip(0, 1).tolist()

    found = [judge(draw(0.0), {index: draw(loss) for index, loss in enumerate(losses)}) for _ in range(num_runs)]
    return [[verdict.learning for verdict in run.values()] for run in found]


def share(runs, event):
    return sum(map(event, runs)) / len(runs)


@pytest.mark.slow
def test_among_five_equal_stacks_not_even_one_is_called_worse():
    """The two keys together: at the spread that was measured, less than 1 % of runs raise one false alarm."""
    assert share(verdicts([0.0] * 5), lambda run: Learning.WORSE in run) < 0.01


@pytest.mark.slow
def test_with_a_wild_spread_one_false_alarm_stays_below_alpha():
    """Ten times the spread: now the margin protects from nothing, and only the test does.

    All five are compared with the same five canonical draws, and Holm allows for that; 0.05 plus two standard errors
    of a share of 1000 runs.
    """
    runs = verdicts([0.0] * 5, spread=10 * SEED_SPREAD)
    assert share(runs, lambda run: Learning.WORSE in run) < ALPHA + 0.014


@pytest.mark.slow
def test_a_loss_of_half_a_point_is_nearly_always_seen():
    runs = verdicts([0.005, 0.0, 0.0, 0.0, 0.0])
    assert share(runs, lambda run: run[0] is Learning.WORSE) > 0.95


def test_an_equal_stack_is_mostly_told_to_learn_as_well():
    assert share(verdicts([0.0]), lambda run: run[0] is Learning.NON_INFERIOR) > 0.75


def test_a_loss_of_the_margin_is_let_pass_in_less_than_alpha():
    runs = verdicts([MARGIN])
    assert share(runs, lambda run: run[0] is Learning.NON_INFERIOR) < ALPHA + 0.014


# --- two keys -------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_certain_but_small_is_not_worse():
    canonical = [0.98290, 0.98291, 0.98292, 0.98290, 0.98291]
    other = [accuracy - 0.0005 for accuracy in canonical]
    verdict = judge(canonical, {"other": other})["other"]
    assert verdict.p_worse < 1e-6
    assert verdict.learning is Learning.NON_INFERIOR


def test_a_loss_that_is_large_but_uncertain_is_undecided():
    wild = [0.960, 0.999, 0.950, 0.998, 0.970]
    assert learning(ACCURACIES, wild) is Learning.UNDECIDED


def test_who_learns_better_learns_as_well():
    assert learning(ACCURACIES, [accuracy + 0.005 for accuracy in ACCURACIES]) is Learning.NON_INFERIOR


def test_the_numbers_are_scipys_welch_test():
    other = [0.9800, 0.9811, 0.9790, 0.9815]
    verdict = judge(ACCURACIES, {"other": other})["other"]
    expected = stats.ttest_ind(other, ACCURACIES, equal_var=False, alternative="less")
    assert verdict.p_worse == pytest.approx(expected.pvalue)
    two_sided = stats.ttest_ind(other, ACCURACIES, equal_var=False).confidence_interval(1 - 2 * ALPHA)
    assert verdict.low == pytest.approx(two_sided.low)


# --- few seeds, none, and what cannot be ----------------------------------------------------------------------------


def test_four_seeds_are_too_few_to_learn_as_well():
    assert learning(ACCURACIES, ACCURACIES) is Learning.NON_INFERIOR
    assert learning(ACCURACIES, ACCURACIES[:4]) is Learning.UNDECIDED
    assert learning(ACCURACIES[:4], ACCURACIES) is Learning.UNDECIDED


def test_a_stack_that_learns_nothing_cannot_hide_behind_few_seeds():
    assert learning(ACCURACIES[:3], [0.1010, 0.0980]) is Learning.WORSE


def test_one_seed_decides_nothing():
    verdict = judge(ACCURACIES, {"other": [0.5]})["other"]
    assert verdict.learning is Learning.UNDECIDED
    assert (verdict.low, verdict.p_worse) == (None, None)
    assert verdict.difference == pytest.approx(0.5 - np.mean(ACCURACIES))


@pytest.mark.parametrize(("canonical", "other"), [([], ACCURACIES), (ACCURACIES, []), ([], [])])
def test_without_a_run_on_both_sides_nothing_was_measured(canonical, other):
    verdict = judge(canonical, {"other": other})["other"]
    assert verdict.learning is Learning.NOT_MEASURED
    assert verdict.difference is None


def test_without_any_spread_the_difference_is_exact():
    assert learning([0.98] * 5, [0.98] * 5) is Learning.NON_INFERIOR
    assert learning([0.98] * 5, [0.97] * 5) is Learning.WORSE


@pytest.mark.parametrize("accuracy", [float("nan"), -0.1, 98.3])
def test_what_is_no_fraction_is_refused(accuracy):
    with pytest.raises(ValueError, match="fractions"):
        judge(ACCURACIES, {"other": [*ACCURACIES, accuracy]})


accuracy_lists = st.lists(st.integers(9000, 10_000).map(lambda hits: hits / 10_000), min_size=2, max_size=7)


@pytest.mark.slow
@given(accuracy_lists, accuracy_lists, st.randoms())
def test_the_order_of_seeds_does_not_matter(canonical, other, random):
    shuffled = judge(random.sample(canonical, len(canonical)), {"other": random.sample(other, len(other))})["other"]
    verdict = judge(canonical, {"other": other})["other"]
    assert shuffled.difference == pytest.approx(verdict.difference, abs=1e-12)
    assert shuffled.low == pytest.approx(verdict.low, abs=1e-9)


@given(accuracy_lists, accuracy_lists)
def test_never_do_both_sides_learn_worse_than_the_other(one, other):
    assert [learning(one, other), learning(other, one)].count(Learning.WORSE) < 2


@given(accuracy_lists, st.lists(accuracy_lists, min_size=1, max_size=4))
def test_more_stacks_in_a_run_make_no_one_look_worse(canonical, others):
    alone = judge(canonical, {0: others[0]})[0]
    together = judge(canonical, dict(enumerate(others)))[0]
    assert together.p_worse >= alone.p_worse
    assert together.difference == alone.difference


# --- Holm -----------------------------------------------------------------------------------------------------------


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; the last may not fall below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_lies_between_the_plain_value_and_bonferronis(p_values):
    for plain, adjusted in zip(p_values, holm(p_values), strict=True):
        assert plain <= adjusted <= min(1.0, len(p_values) * plain) + 1e-12


# --- time to accuracy -------------------------------------------------------------------------------------------------


def test_a_run_arrives_at_the_end_of_the_first_epoch_that_is_good_enough():
    assert time_to_accuracy([0.97, 0.98, 0.979, 0.99], [1.0, 2.0, 4.0, 8.0]) == TimeToAccuracy(2, 3.0)


def test_a_run_that_never_arrives_has_no_time():
    assert time_to_accuracy([0.97, 0.9799], [1.0, 1.0]) is None
    assert time_to_accuracy([], []) is None
    assert time_to_accuracy([float("nan")], [1.0]) is None


def test_the_rounding_of_a_float32_mean_is_no_miss():
    assert time_to_accuracy([float(np.float32(0.98) - np.float32(6e-8))], [1.0]) == TimeToAccuracy(1, 1.0)


def test_a_seed_that_never_arrived_counts_as_the_latest():
    assert censored_median([3.0, None, 1.0]) == 3.0  # leaving it out would say 2.0
    assert censored_median([1.0, None, None]) is None
    assert censored_median([1.0, None]) is None
    assert censored_median([]) is None


# --- seed by seed ---------------------------------------------------------------------------------------------------


def test_where_a_seed_decides_everything_the_differences_are_tested():
    differences = [-0.0030, -0.0028, -0.0031, -0.0029, -0.0032]
    other = [accuracy + difference for accuracy, difference in zip(ACCURACIES, differences, strict=True)]
    expected = stats.ttest_1samp(differences, 0, alternative="less")
    (found,) = judge(ACCURACIES, {"other": other}, {"other": differences}).values()
    assert found.p_worse == pytest.approx(expected.pvalue)
    assert found.low == pytest.approx(stats.ttest_1samp(differences, 0).confidence_interval(1 - 2 * ALPHA).low)
    assert found.learning is Learning.WORSE


def test_differences_of_too_few_seeds_are_no_verdict():
    (found,) = judge(ACCURACIES, {"other": [0.98]}, {"other": [-0.0024]}).values()
    assert found.learning is Learning.UNDECIDED
