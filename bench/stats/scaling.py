"""Laws of scaling with the number of threads: Amdahl's, and Gunther's universal scalability law (USL).

With T the time of one thread, both are

    t(n) = T * (1 + sigma * (n - 1) + kappa * n * (n - 1)) / n.

``sigma`` is the share of work that only one thread does (contention), ``kappa`` the cost of keeping pairs of threads
coherent.  Amdahl's law (1967) has ``kappa`` = 0; Gunther, "Guerrilla Capacity Planning" (2007), section 4.4.
Both are linear in T, T*sigma and T*kappa, which are not negative: non-negative least squares on relative errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from bench.stats.estimates import INTERVAL_FROM, MAX_RESIDUAL, UPPER_TAIL, order_of_lower_bound

FIT_FROM = 4  # different counts: with three, the USL passes through every point
ROUNDING = 1e-9  # smaller coefficients are rounding errors of an exact 0
Bounds = tuple[float, float] | None


@dataclass(frozen=True)
class ScalingLaw:
    """Fitted law: medians over rounds, with intervals over rounds; None with fewer than three of them.

    Attributes
    ----------
    sigma, kappa : float
        Dimensionless; ``kappa`` is 0 for Amdahl's law.
    best_count : float or None
        Count of the greatest speed-up, sqrt((1 - sigma) / kappa); None if it grows without end.
    best_speedup : float or None
        Greatest predicted speed-up, 1 / sigma for Amdahl's law; None if it is unlimited.
    worst_residual : float
        Largest relative distance between the law of the medians and a median time.
    """

    sigma: float
    kappa: float
    sigma_bounds: Bounds
    kappa_bounds: Bounds
    best_count: float | None
    best_count_bounds: Bounds
    best_speedup: float | None
    best_speedup_bounds: Bounds
    worst_residual: float
    num_rounds: int

    @property
    def holds(self) -> bool:
        """True if the law misses no measured time by more than ``MAX_RESIDUAL``."""
        return self.worst_residual <= MAX_RESIDUAL

    def speedup(self, count: float) -> float:
        return count / (1 + self.sigma * (count - 1) + self.kappa * count * (count - 1))


@dataclass(frozen=True)
class ScalingLaws:
    """Both laws of the same times."""

    amdahl: ScalingLaw
    usl: ScalingLaw


def fit_laws(counts: Sequence[int], seconds_by_round: Sequence[Sequence[float]]) -> ScalingLaws | None:
    """Fit both laws, once for each round; None with fewer than ``FIT_FROM`` different counts or without a round.

    None as well if a law gives one thread no time: counts without 1, and times that grow with them.
    ``seconds_by_round[i][j]`` is the time of round i with ``counts[j]`` threads.

    Raises
    ------
    ValueError
        If a round lacks a count, or a time is not a positive finite number.
    """
    if len(set(counts)) < FIT_FROM or len(seconds_by_round) == 0:
        return None
    times = np.asarray(seconds_by_round, float)
    if times.ndim != 2 or times.shape[1] != len(counts):
        raise ValueError("every round must have a time for every count")
    if not (np.isfinite(times).all() and (times > 0).all()):
        raise ValueError("every duration must be a positive finite number")
    amdahl, usl = (_law(np.asarray(counts, float), times, terms) for terms in (2, 3))
    return ScalingLaws(amdahl, usl) if math.isfinite(amdahl.sigma) and math.isfinite(usl.sigma) else None


def _law(counts: np.ndarray, times: np.ndarray, terms: int) -> ScalingLaw:
    fits = np.array([_fit(counts, row, terms) for row in times])
    medians = np.median(times, axis=0)
    one_seconds, sigma, kappa = _fit(counts, medians, terms)
    predicted = one_seconds * (1 + sigma * (counts - 1) + kappa * counts * (counts - 1)) / counts
    best = [_best(*fit[1:]) for fit in fits]
    best_count, best_speedup = _best(sigma, kappa)
    return ScalingLaw(
        sigma=sigma,
        kappa=kappa,
        sigma_bounds=_bounds(fits[:, 1]),
        kappa_bounds=_bounds(fits[:, 2]) if terms == 3 else None,
        best_count=best_count,
        best_count_bounds=_bounds([count for count, _ in best]),
        best_speedup=best_speedup,
        best_speedup_bounds=_bounds([speedup for _, speedup in best]),
        worst_residual=float(np.max(np.abs(predicted / medians - 1))),
        num_rounds=len(times),
    )


def _fit(counts: np.ndarray, times: np.ndarray, terms: int) -> tuple[float, float, float]:
    """Return (T, sigma, kappa) that minimise the sum of squared relative errors."""
    columns = [np.ones_like(counts), counts - 1, counts * (counts - 1)][:terms]
    design = np.column_stack(columns) / (times * counts)[:, None]
    found, _ = optimize.nnls(design, np.ones_like(counts))
    one_seconds = float(found[0])
    if one_seconds <= 0:  # times that grow with every thread from the first on
        return math.nan, math.nan, math.nan
    relative = (float(value) / one_seconds for value in (*found[1:], 0.0)[:2])
    sigma, kappa = (value if value > ROUNDING else 0.0 for value in relative)
    return one_seconds, sigma, kappa


def _best(sigma: float, kappa: float) -> tuple[float | None, float | None]:
    """Return the count of the greatest speed-up, and that speed-up; None where there is no limit."""
    if not math.isfinite(sigma):
        return None, None
    if kappa <= 0:
        return None, 1 / sigma if sigma > 0 else None
    count = math.sqrt((1 - sigma) / kappa) if sigma < 1 else 1.0
    count = max(1.0, count)
    return count, count / (1 + sigma * (count - 1) + kappa * count * (count - 1))


def _bounds(values: Sequence[float | None] | np.ndarray) -> Bounds:
    """Return the interval of the median by order statistics, with few values Student's t on the values, cut at 0.

    None with fewer than three values, or if one is None.  Not on logarithms, as in ``bench.stats.estimates``: a
    coefficient may be exactly 0.
    """
    if len(values) < INTERVAL_FROM or any(value is None for value in values):
        return None
    found = np.sort(np.asarray(values, float))
    if not np.isfinite(found).all():
        return None
    order = order_of_lower_bound(len(found))
    if order > 0:
        return float(found[order - 1]), float(found[-order])
    error = float(np.std(found, ddof=1)) / math.sqrt(len(found))
    half = float(special.stdtrit(len(found) - 1, UPPER_TAIL)) * error
    return max(0.0, float(np.mean(found)) - half), float(np.mean(found)) + half
