"""Statistical evidence of the blocks on one metric, vectorized over runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bench.gate.verdict.design import DESIGN, InterimLooks
from bench.gate.verdict.ranks import BlockShape, lower_bound, num_pairs_distribution, shift, upper_bound
from bench.gate.verdict.samples import from_scale
from bench.gate.verdict.values import Metric


@dataclass(frozen=True)
class Evidence:
    """Estimates and test results of one metric; every field is an array with the leading axes of the differences.

    The scale is that of the differences, and positive is worse: the logarithm of a ratio, or points of accuracy lost.
    ``different``: statistically significant, by any size.  ``worse`` and ``better``: significant, and the estimate is
    nearer to the effect that matters than to none, with that effect not excluded.  ``unchanged``: the interval excludes
    the effect in both directions.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    different: np.ndarray
    worse: np.ndarray
    better: np.ndarray
    unchanged: np.ndarray


def evidence_of(
    differences: np.ndarray, shapes: Sequence[BlockShape], effect: float, looks: InterimLooks, alpha: float
) -> Evidence:
    """Compute the evidence of ``differences``, float64 (..., num_pairs), ascending along the last axis.

    ``shapes`` are those of the blocks of the differences, in chronological order.  ``alpha`` is one-sided.

    "Beyond the effect that matters" is not "estimate > effect": a change of exactly the effect would then be missed
    every other time.
    """
    estimate = shift(differences)
    boundary = looks.boundary(shapes, DESIGN.interval_alpha / 2)
    impossible = differences.shape[-1] + 1
    low = lower_bound(differences, boundary or impossible)
    high = upper_bound(differences, boundary or impossible)
    unchanged = (low > -effect) & (high < effect)
    red_boundary = looks.boundary(shapes, alpha) or impossible
    larger = (differences > 0).sum(axis=-1) >= red_boundary
    smaller = (differences < 0).sum(axis=-1) >= red_boundary
    worse = larger & (estimate > effect / 2) & ~unchanged
    better = smaller & (estimate < -effect / 2) & ~unchanged
    return Evidence(estimate, low, high, larger | smaller, worse, better, unchanged)


def control_evidence(
    differences: np.ndarray, shapes: Sequence[BlockShape], effect: float, num_metrics: int
) -> tuple[Evidence, np.ndarray]:
    """Return the evidence of base against base, and a mask that is True where the runner is unfit for this metric.

    One criterion suffices here, so that doubt gives undecided and never regressed: the control is significantly
    different, or its estimate is nearer to the effect that matters than to none.
    """
    evidence = evidence_of(differences, shapes, effect, DESIGN.control_looks, DESIGN.control_alpha / (2 * num_metrics))
    return evidence, evidence.different | (np.abs(evidence.estimate) > effect / 2)


def detectable(evidence: Evidence, shapes: Sequence[BlockShape], effect: float, alpha: float) -> float | None:
    """Return the smallest worsening that one run with this spread detects with the power of the design.

    On the scale of the differences; None if no change is detectable.  The standard error is derived from the interval,
    whose half-width is z standard errors for the z of its boundary, and the detectable change is (z_alpha + z_power)
    standard errors (e.g. Lachin 1981), or z_power of them beyond half the effect, if that is more.
    """
    interval_boundary = DESIGN.looks.boundary(shapes, DESIGN.interval_alpha / 2)
    red_boundary = DESIGN.looks.boundary(shapes, alpha)
    if interval_boundary is None or red_boundary is None:
        return None
    half_width = float(evidence.high - evidence.low) / 2
    error = half_width / _normal_quantile(shapes, interval_boundary)
    needed = max(_normal_quantile(shapes, red_boundary) * error, effect / 2)
    return needed + float(special.ndtri(DESIGN.power)) * error


def reported(metric: Metric, evidence: Evidence) -> dict[str, float | None]:
    """Return ``ratio``, ``low`` and ``high`` of one run for a judgement; no interval if it is unbounded."""
    ratio, *bounds = (from_scale(metric, float(x)) for x in (evidence.estimate, evidence.low, evidence.high))
    low, high = sorted(bounds) if all(math.isfinite(x) for x in (evidence.low, evidence.high)) else (None, None)
    return {"ratio": ratio, "low": low, "high": high}


def _normal_quantile(shapes: Sequence[BlockShape], boundary: int) -> float:
    """Return the normal quantile with the tail probability of reaching ``boundary`` pairs at this look alone."""
    distribution = np.ones(1)
    for shape in shapes:
        distribution = np.convolve(distribution, num_pairs_distribution(*shape))
    return -float(special.ndtri(distribution[boundary:].sum()))
