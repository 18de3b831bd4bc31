"""Laws of scaling recover the parameters of synthetic curves; the maxima are found numerically."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from bench.stats.scaling import FIT_FROM, fit_laws

COUNTS = [1, 2, 4, 8, 16]


def times(sigma, kappa, counts=COUNTS, one_seconds=2.0):
    n = np.asarray(counts, float)
    return (one_seconds * (1 + sigma * (n - 1) + kappa * n * (n - 1)) / n).tolist()


@given(st.floats(0, 0.9), st.floats(1e-4, 0.2), st.floats(1e-3, 100))
@settings(max_examples=50, deadline=None)
def test_the_universal_law_finds_the_parameters_of_an_exact_curve(sigma, kappa, one_seconds):
    law = fit_laws(COUNTS, [times(sigma, kappa, one_seconds=one_seconds)] * 3).usl
    assert law.sigma == pytest.approx(sigma, abs=1e-6) and law.kappa == pytest.approx(kappa, rel=1e-4)
    assert law.holds and law.worst_residual < 1e-6


def test_its_maximum_is_that_of_the_curve():
    law = fit_laws(COUNTS, [times(0.05, 0.01)] * 3).usl
    found = optimize.minimize_scalar(lambda n: -law.speedup(n), bounds=(1, 100), method="bounded")
    assert law.best_count == pytest.approx(found.x, rel=1e-3)
    assert law.best_speedup == pytest.approx(-found.fun, rel=1e-6)
    assert law.best_count == pytest.approx(math.sqrt(0.95 / 0.01))


def test_amdahls_law_is_the_other_without_coherency():
    laws = fit_laws(COUNTS, [times(0.1, 0.0)] * 3)
    assert laws.amdahl.sigma == pytest.approx(0.1) and laws.amdahl.kappa == 0
    assert laws.amdahl.best_speedup == pytest.approx(10) and laws.amdahl.best_count is None
    assert laws.usl.kappa == pytest.approx(0, abs=1e-9)


def test_perfect_scaling_has_no_limit():
    law = fit_laws(COUNTS, [times(0.0, 0.0)] * 3).amdahl
    assert law.best_speedup is None and law.speedup(32) == pytest.approx(32)


def test_threads_that_only_hurt_have_their_maximum_at_one():
    law = fit_laws(COUNTS, [times(0.9, 0.3)] * 3).usl
    assert law.best_count == 1 and law.best_speedup == 1


def test_amdahls_law_does_not_hold_for_a_curve_that_turns():
    laws = fit_laws(COUNTS, [times(0.0, 0.05)] * 3)
    assert laws.usl.holds and not laws.amdahl.holds


@pytest.mark.parametrize("counts", [[1], [1, 2], [1, 2, 4], [1, 2, 4, 4]])
def test_fewer_than_four_counts_are_not_fitted(counts):
    assert len(set(counts)) < FIT_FROM
    assert fit_laws(counts, [times(0.1, 0.01, counts)] * 6) is None


def test_one_round_has_no_interval_and_six_have_one_around_the_truth():
    random = np.random.default_rng(1)
    noisy = np.array(times(0.08, 0.004)) * np.exp(random.normal(0, 0.01, (6, len(COUNTS))))
    assert fit_laws(COUNTS, noisy[:1]).usl.sigma_bounds is None
    law = fit_laws(COUNTS, noisy).usl
    assert law.sigma_bounds[0] <= 0.08 <= law.sigma_bounds[1]
    assert law.best_count_bounds[0] <= math.sqrt(0.92 / 0.004) <= law.best_count_bounds[1]
    assert law.num_rounds == 6


def test_intervals_cover_the_truth_as_often_as_they_say():
    """300 experiments of three rounds: 95 % +- 3 standard errors is at least 91 %."""
    random = np.random.default_rng(2)
    truth = np.array(times(0.1, 0.01))
    hits = 0
    for _ in range(300):
        law = fit_laws(COUNTS, truth * np.exp(random.normal(0, 0.02, (3, len(COUNTS))))).usl
        hits += law.sigma_bounds[0] <= 0.1 <= law.sigma_bounds[1]
    assert hits >= 273


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_an_invalid_time_is_refused(bad):
    with pytest.raises(ValueError, match="positive finite"):
        fit_laws(COUNTS, [[1.0, 1.0, 1.0, 1.0, bad]])


def test_a_round_without_a_count_is_refused():
    with pytest.raises(ValueError, match="every round"):
        fit_laws(COUNTS, [[1.0, 2.0]])


def test_no_law_holds_without_one_thread_where_every_thread_makes_it_slower():
    counts = (2, 4, 8, 16)
    assert fit_laws(counts, [[count**2 for count in counts]] * 3) is None
