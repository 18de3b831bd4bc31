"""The closed form of a block's likelihood agrees with numerical integration over its level."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import integrate

from bench.gate.verdict.bisection import model
from bench.gate.verdict.bisection.model import SIGMAS, SPREAD, MeasuredBlock, log_likelihood, step_grid


def density(residual, sigma):
    """The contaminated normal distribution of a process."""
    normal = [NormalDist(0, sigma * scale).pdf(residual) for scale in (1, model.OUTLIER_SCALE)]
    return (1 - model.OUTLIER_PROBABILITY) * normal[0] + model.OUTLIER_PROBABILITY * normal[1]


def integrated(values, fractions, size, sigma):
    """The same by quadrature: over the level of the block, and over the standard deviation of the block."""
    total = 0.0
    for weight, scale in zip(SPREAD, (0.25, 0.5, 1, 2, 4), strict=True):
        one = lambda level, s=sigma * scale: math.prod(  # noqa: E731
            density(v - level - size * f, s) for v, f in zip(values, fractions, strict=True)
        )
        centers = [v - size * f for v, f in zip(values, fractions, strict=True)]
        total += weight * integrate.quad(one, min(centers) - 1, max(centers) + 1, points=centers, limit=500)[0]
    return math.log(total)


def test_the_likelihood_is_that_of_a_contaminated_normal_with_the_level_integrated_out(monkeypatch):
    monkeypatch.setattr(model, "MAX_OUTLIERS", 3)
    values, fractions, sizes = (0.01, 0.06, 0.3), np.array([[0, 1, 1], [0, 0, 1.0]]), np.array([0.05, 0.3])
    found = log_likelihood(values, fractions, sizes)
    assert found.shape == (2, 2, len(SIGMAS))
    for pattern, size, sigma in ((0, 0, 7), (1, 1, 7), (1, 0, 9), (0, 1, 8)):
        expected = integrated(values, fractions[pattern], sizes[size], SIGMAS[sigma])
        assert found[pattern, size, sigma] == pytest.approx(expected, abs=1e-3)


def test_a_common_factor_of_a_block_does_not_matter():
    fractions, sizes = np.array([[0, 1, 0.5]]), np.array([0.05])
    one = log_likelihood((0.0, 0.04, 0.03), fractions, sizes)
    assert one == pytest.approx(log_likelihood((5.0, 5.04, 5.03), fractions, sizes))


@pytest.mark.parametrize("step", [-0.5, 0.0, 0.02, 0.7, 3.0])
def test_the_grid_of_steps_is_dense_where_the_data_are_and_its_prior_is_one(step):
    blocks = [MeasuredBlock((0, 4, 0, 4), (0, step + noise, 0, step)) for noise in (0.001, -0.002, 0.003)]
    grid = step_grid(blocks, 4, 0.01)
    assert grid.sizes.min() >= 0.01 and np.all(np.diff(grid.sizes) > 0)
    if step > 0.01:
        assert np.diff(grid.sizes)[np.argmin(np.abs(grid.sizes - step))] < 0.001
    assert np.exp(grid.log_prior).sum() < 1.3


def test_a_block_refuses_a_value_that_is_not_finite():
    with pytest.raises(ValueError, match="finite"):
        MeasuredBlock((0, 1), (0.1, math.nan))
