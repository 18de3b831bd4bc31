"""Change points of simulated histories whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.change_points import MIN_RUNS, MIN_SEGMENT_RUNS, Trend, TrendShape, _step_starts, trend


def noise(random, num_runs, scatter=0.02):
    return random.normal(0.0, scatter, num_runs)


NOISES = {
    "normal": noise,
    "heavy tails": lambda random, num_runs: 0.02 * random.standard_t(3, num_runs),
    "skewed": lambda random, num_runs: 0.02 * random.lognormal(0.0, 0.7, num_runs),
}


@pytest.mark.parametrize("num_runs", [8, 20])
@pytest.mark.parametrize("kind", NOISES)
def test_where_nothing_changed_almost_nothing_is_found(kind, num_runs):
    """300 seeds; measured over 1500, at most 1.7 % (skewed, 8 runs).  More than 4.5 % is 3 standard errors too many."""
    found = [
        trend(np.exp(NOISES[kind](np.random.default_rng(seed), num_runs))).shape is not TrendShape.CONSTANT
        for seed in range(300)
    ]
    assert np.mean(found) <= 0.045


def with_step(seed, num_runs=20, at=12, ratio=1.1, scatter=0.02):
    logs = noise(np.random.default_rng(seed), num_runs, scatter)
    logs[at:] += math.log(ratio)
    return np.exp(logs)


@pytest.mark.parametrize("ratio", [1.1, 1 / 1.1], ids=["slower", "faster"])
def test_a_step_of_ten_percent_is_found_at_its_run(ratio):
    found = [trend(with_step(seed, ratio=ratio)) for seed in range(60)]
    exact = [one for one in found if len(one.steps) == 1 and abs(one.steps[0].index - 12) <= 1]
    assert len(exact) >= 50
    assert np.median([one.steps[0].ratio for one in exact]) == pytest.approx(ratio, rel=0.02)


def test_a_step_between_quiet_levels_is_exact():
    assert trend([2.0] * 6 + [3.0] * 6).steps[0].index == 6
    assert trend([2.0] * 6 + [3.0] * 6).steps[0].ratio == pytest.approx(1.5)


def least_cost(logs, penalty):
    """Of all ways to cut ``logs`` into segments of at least three, tried one by one."""
    costs = [0.0] + [math.inf] * len(logs)
    for end in range(MIN_SEGMENT_RUNS, len(logs) + 1):
        for begin in range(end - MIN_SEGMENT_RUNS + 1):
            costs[end] = min(costs[end], costs[begin] + cost(logs[begin:end], [], penalty) + (penalty if begin else 0))
    return costs[-1]


def cost(logs, starts, penalty):
    segments = np.split(logs, starts)
    return sum(np.abs(segment - np.median(segment)).sum() for segment in segments) + penalty * len(starts)


@pytest.mark.parametrize("seed", range(40))
def test_no_other_steps_cost_less(seed):
    random = np.random.default_rng(seed)
    logs = random.normal(0.0, 0.02, int(random.integers(8, 30)))
    for at in random.integers(0, len(logs), seed % 4):
        logs[at:] += random.normal(0.0, 0.1)
    logs = np.round(logs, 2) if seed % 5 == 0 else logs  # ties
    found = _step_starts(logs, 0.2)
    assert np.diff([0, *found, len(logs)]).min() >= MIN_SEGMENT_RUNS
    assert cost(logs, found, 0.2) == pytest.approx(least_cost(logs, 0.2))


def test_thousands_of_runs_are_explained_too():
    """A step and a drift in 2,000 runs each, at their run and slope."""
    assert [step.index for step in trend(with_step(1, 2000, 1200)).steps] == [1200]
    drift = trend(np.exp(1e-4 * np.arange(2000) + noise(np.random.default_rng(1), 2000)))
    assert (drift.shape, drift.ratio_per_run) == (TrendShape.DRIFT, pytest.approx(math.exp(1e-4), rel=1e-5))


def test_two_steps_are_two():
    found = trend([1.0, 1.01, 0.99, 1.0, 1.3, 1.31, 1.29, 1.3, 1.0, 0.99, 1.01, 1.0])
    assert [step.index for step in found.steps] == [4, 8]
    assert [step.ratio for step in found.steps] == pytest.approx([1.3, 1 / 1.3], rel=0.02)


@pytest.mark.parametrize("at", range(12))
def test_one_run_that_took_half_as_long_again_is_no_change(at):
    seconds = np.exp(noise(np.random.default_rng(at), 12))
    seconds[at] *= 1.5
    assert trend(seconds) == Trend(TrendShape.CONSTANT)


def test_an_outlier_does_not_hide_a_step():
    found = []
    for seed in range(40):
        seconds = with_step(seed)
        seconds[4] *= 1.5
        found.append([step.index for step in trend(seconds).steps])
    assert sum(len(steps) == 1 and abs(steps[0] - 12) <= 1 for steps in found) >= 25


def test_a_drift_is_a_drift_and_not_a_staircase():
    found = [trend(np.exp(0.01 * np.arange(20) + noise(np.random.default_rng(seed), 20))) for seed in range(40)]
    drifts = [one for one in found if one.shape is TrendShape.DRIFT]
    assert len(drifts) >= 36
    assert np.median([one.ratio_per_run for one in drifts]) == pytest.approx(math.exp(0.01), rel=0.002)
    assert all(one.steps == () for one in drifts)


@pytest.mark.parametrize("num_runs", range(MIN_RUNS))
def test_too_few_runs_say_so_however_clear_the_step(num_runs):
    assert trend([1.0, 2.0] * (num_runs // 2) + [2.0] * (num_runs % 2)) == Trend(TrendShape.TOO_FEW)


def test_runs_that_agree_to_the_last_digit_are_constant():
    assert trend([1.5] * 10) == Trend(TrendShape.CONSTANT)


def test_less_than_what_two_runs_can_agree_by_is_no_step():
    """0.02 % between two levels without any noise: no clock knows a machine that well."""
    assert trend([1.0] * 6 + [1.0002] * 6).shape is TrendShape.CONSTANT


@given(st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_the_unit_does_not_matter(seed, scale):
    seconds = with_step(seed)
    found, scaled = trend(seconds), trend(seconds * scale)
    assert scaled.shape is found.shape
    assert [step.index for step in scaled.steps] == [step.index for step in found.steps]


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match="positive finite"):
        trend([1.0] * 9 + [bad])
