"""Looking again and again does not inflate the error rate."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from bench.gate.verdict.design import DESIGN, InterimLooks


def share_that_ever_crosses(looks, alpha, shape, increments):
    """Of paths, (num_paths, num_blocks) pairs in which B is larger, the share that reaches a boundary at any look."""
    totals = np.cumsum(increments, axis=1)
    crossed = np.zeros(len(totals), bool)
    for count in range(1, totals.shape[1] + 1):
        boundary = looks.boundary([shape] * count, alpha)
        if boundary is not None:
            crossed |= totals[:, count - 1] >= boundary
    return crossed.mean()


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.4])
def test_over_every_path_of_signs_the_chance_to_cross_any_boundary_is_at_most_alpha(alpha):
    looks = InterimLooks(first=2, last=10)
    paths = np.array(list(product((0, 1), repeat=10)))
    crossing = share_that_ever_crosses(looks, alpha, (1, 1), paths)
    assert 0.5 * alpha < crossing <= alpha


@pytest.mark.parametrize("shape", [(2, 2), (2, 1), (3, 3)])
def test_simulated_looks_after_every_block_err_no_more_than_alpha(shape):
    random = np.random.default_rng(5)
    num_paths, alpha = 20_000, 0.05
    values = random.standard_normal((num_paths, DESIGN.looks.last, sum(shape)))
    a, b = values[..., : shape[0]], values[..., shape[0] :]
    pairs = (b[..., :, None] > a[..., None, :]).sum(axis=(-1, -2))
    crossing = share_that_ever_crosses(DESIGN.looks, alpha, shape, pairs)
    assert crossing <= alpha + 4 * np.sqrt(alpha * (1 - alpha) / num_paths)
    assert crossing > 0.6 * alpha, "a design that never errs has no power either"


def test_a_naive_gate_would_err_far_more_often():
    """Control: the same test at 5 %, repeated at every look without boundaries."""
    random = np.random.default_rng(5)
    signs = random.integers(0, 2, size=(20_000, 16))
    naive = [stats.binom.isf(0.05, count, 0.5) + 1 for count in range(1, 17)]
    ever = (np.cumsum(signs, axis=1) >= np.array(naive))[:, 3:].any(axis=1).mean()
    assert ever > 0.08
    assert share_that_ever_crosses(InterimLooks(4, 16), 0.05, (1, 1), signs) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 20_000)


def test_alpha_is_spent_by_pocock_s_function_early_and_in_whole():
    looks = InterimLooks(first=1, last=4)
    spent = [looks.spent(count) for count in range(1, 5)]
    assert spent == pytest.approx([0.3574, 0.6201, 0.8280, 1.0], abs=5e-5)  # ln(1 + (e - 1) t)


def test_two_fresh_blocks_can_confirm_in_the_longest_confirmation_that_allows_it():
    looks, alpha = DESIGN.confirming_looks, DESIGN.confirming_alpha
    assert looks.boundary([(2, 2)] * 2, alpha) == 8
    assert InterimLooks(2, looks.last + 1).boundary([(2, 2)] * 2, alpha) is None


def test_a_single_look_has_the_binomial_distributions_boundary():
    boundary = InterimLooks(first=12, last=12).boundary([(1, 1)] * 12, 0.025)
    assert boundary == int(stats.binom.isf(0.025, 12, 0.5)) + 1


def test_there_is_no_boundary_before_the_first_look_after_the_last_or_where_it_is_out_of_reach():
    looks = InterimLooks(first=2, last=3)
    assert looks.boundary([(2, 2)], 0.5) is None
    assert looks.boundary([(2, 2)] * 4, 0.5) is None
    assert looks.boundary([(1, 1)] * 2, 0.05) is None, "two signs are never rarer than one in four"


def test_red_excludes_1_whatever_the_number_of_metrics():
    for num_metrics, count, shape in product((1, 2, 5, 12, 30), range(4, 17), ((2, 2), (1, 1), (2, 1))):
        of_red = DESIGN.looks.boundary([shape] * count, DESIGN.alpha_of_each(num_metrics))
        of_interval = DESIGN.looks.boundary([shape] * count, DESIGN.interval_alpha / 2)
        assert of_red is None or (of_interval is not None and of_red >= of_interval)


def test_two_independent_findings_keep_false_alarms_below_one_percent():
    assert DESIGN.alpha * DESIGN.confirming_alpha <= 0.01


@pytest.mark.parametrize(("first", "last"), [(0, 3), (4, 3)])
def test_impossible_looks_are_refused(first, last):
    with pytest.raises(ValueError, match="the first must be 1 to the last"):
        InterimLooks(first, last)
