"""Estimates from plain sequences.  The process replicate is the unit: samples inside one process are not independent.

Intervals over few processes assume that the logarithms of the per-process medians are roughly normal; durations are
positive and skewed to the right, and machine effects multiply, so the logarithm is the natural scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A robust centre with its interval; ``low`` and ``high`` are None with fewer than two processes."""

    center: float
    low: float | None
    high: float | None
    num_processes: int
    num_samples: int


def estimate(samples_by_process: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Estimate:
    """Median of the per-process medians, with Student's t interval on their logarithms.

    The interval is that of the geometric mean of the per-process medians (t with n - 1 degrees of freedom; any
    textbook), widened where needed so that it contains the centre.

    Raises
    ------
    ValueError
        If there is no sample, or one is not a positive finite number: such a measurement must not look fine.
    """
    if not samples_by_process or any(len(samples) == 0 for samples in samples_by_process):
        raise ValueError("no samples to estimate from")
    if not all(math.isfinite(value) and value > 0 for samples in samples_by_process for value in samples):
        raise ValueError("every duration must be a positive finite number")
    medians = [float(np.median(samples)) for samples in samples_by_process]
    center = float(np.median(medians))
    low, high = _log_t_interval(np.log(medians), center, confidence)
    return Estimate(center, low, high, len(medians), sum(len(samples) for samples in samples_by_process))


@dataclass(frozen=True)
class Ratio:
    """How many times as large one thing is as another; ``low`` and ``high`` are None with fewer than two rounds."""

    center: float
    low: float | None
    high: float | None
    num_rounds: int

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 1; False also where there is none: then nothing was shown."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def paired_ratio(
    numerator: Mapping[int, float], denominator: Mapping[int, float], confidence: float = CONFIDENCE
) -> Ratio | None:
    """The ratio of two durations over the rounds that measured both, or None if no round did.

    Both map an interleaved round to seconds.  What one round measured ran close together, so that a drifting machine
    drifts for both and cancels in their ratio.  The centre is the median of the ratios and the interval Student's t,
    both on their logarithms, so that swapping the sides inverts all three numbers exactly.

    Raises
    ------
    ValueError
        If a duration is not a positive finite number.
    """
    rounds = sorted(numerator.keys() & denominator.keys())
    if not rounds:
        return None
    pairs = np.array([[numerator[number], denominator[number]] for number in rounds], float)
    if not (np.isfinite(pairs).all() and (pairs > 0).all()):
        raise ValueError("every duration must be a positive finite number")
    logs = np.log(pairs[:, 0]) - np.log(pairs[:, 1])
    center = math.exp(float(np.median(logs)))
    return Ratio(center, *_log_t_interval(logs, center, confidence), len(rounds))


def _log_t_interval(logs: np.ndarray, center: float, confidence: float) -> tuple[float | None, float | None]:
    """Student's t on logarithms, back on the scale of ``center`` and widened where needed to contain it."""
    low, high = _t_interval(logs, confidence)
    if low is None or high is None:
        return None, None
    return min(math.exp(low), center), max(math.exp(high), center)


def _t_interval(values: np.ndarray, confidence: float) -> tuple[float | None, float | None]:
    n = len(values)
    if n < 2:
        return None, None
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    return float(np.mean(values) - half), float(np.mean(values) + half)


@dataclass(frozen=True)
class BatchLaw:
    """t(B) = a + b*B.  ``a`` is the overhead of a step, ``b`` the time of one more example, both in seconds.

    ``knee_batch_size`` = a / b: there half of the greatest throughput 1/b is reached (B / t(B) = 1 / (2 b)).
    ``worst_residual`` is the largest relative distance between the law and a measured time.
    """

    a_seconds: float
    b_seconds: float
    a_low: float | None
    a_high: float | None
    b_low: float | None
    b_high: float | None
    worst_residual: float
    num_processes: int

    @property
    def knee_batch_size(self) -> float | None:
        """None where the law gives no overhead or no cost per example, so that there is no knee."""
        return self.a_seconds / self.b_seconds if self.a_seconds > 0 and self.b_seconds > 0 else None


def fit_batch_law(
    batch_sizes: Sequence[int], seconds_by_process: Sequence[Sequence[float]], confidence: float = CONFIDENCE
) -> BatchLaw:
    """Least squares on relative errors (weights 1/t), one fit for each process; a and b are the means of the fits.

    ``seconds_by_process[i][j]`` is the step time of process i at ``batch_sizes[j]``.  Intervals are Student's t over
    processes; with one process, from the covariance of its fit (Student's t with two degrees of freedom less than
    there are batch sizes), which knows the scatter about the line and not that between processes.

    Raises
    ------
    ValueError
        If there are fewer than three different batch sizes, one was not measured by every process, or a duration is
        not a positive finite number.
    """
    sizes = np.asarray(batch_sizes, float)
    times = np.asarray(seconds_by_process, float)
    if times.ndim != 2 or times.shape[1] != len(sizes) or len(set(sizes.tolist())) < 3:
        raise ValueError("at least three different batch sizes, each measured by every process, are needed")
    if not (np.isfinite(times).all() and (times > 0).all()):
        raise ValueError("every duration must be a positive finite number")
    fits = [_weighted_fit(sizes, row) for row in times]
    coefficients = np.array([fit[0] for fit in fits])
    a, b = coefficients.mean(axis=0)
    if len(fits) > 1:
        intervals = [_t_interval(coefficients[:, index], confidence) for index in range(2)]
    else:
        half = stats.t.ppf((1 + confidence) / 2, len(sizes) - 2) * np.sqrt(np.diag(fits[0][1]))
        intervals = [(float(a - half[0]), float(a + half[0])), (float(b - half[1]), float(b + half[1]))]
    median_times = np.median(times, axis=0)
    worst = float(np.max(np.abs((a + b * sizes) / median_times - 1)))
    return BatchLaw(float(a), float(b), *intervals[0], *intervals[1], worst, len(fits))


def _weighted_fit(sizes: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (a, b) and their covariance, from minimising the sum of ((a + b*B) / t - 1)**2."""
    design = np.column_stack([np.ones_like(sizes), sizes]) / times[:, None]
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.sum(axis=0)
    residuals = design @ coefficients - 1
    return coefficients, inverse * (residuals @ residuals) / (len(sizes) - 2)


def binomial_interval(fraction: float, num_examples: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval for an accuracy measured on ``num_examples`` examples (Wilson 1927, through SciPy).

    Raises ValueError if ``fraction`` is outside [0, 1] or there are no examples.
    """
    interval = stats.binomtest(round(fraction * num_examples), num_examples).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Agreement:
    """Whether a mean accuracy agrees with a published one; ``low`` to ``high`` is the interval of the difference.

    All four numbers are fractions.  Agreement means that sampling can explain the difference, not that there is none.
    """

    mean: float
    difference: float
    low: float
    high: float
    num_runs: int

    @property
    def agrees(self) -> bool:
        return self.low <= 0 <= self.high


def agreement_with_reference(
    accuracies: Sequence[float],
    num_examples: int,
    reference_accuracy: float,
    reference_examples: int,
    confidence: float = CONFIDENCE,
) -> Agreement:
    """Compare the mean accuracy of runs over seeds with one published draw.

    The variance of the difference is binomial on both sides: p(1-p)/n for the reference, and the same for our mean,
    because all our runs share one test set and their errors are largely common to them.  The spread between seeds
    is added once for the reference, itself one seed, and once divided by the number of runs for ours; one run knows
    no spread, so its interval is the binomial one.  The reference saw the same test set, so the interval errs on the
    wide side.

    Raises
    ------
    ValueError
        If there is no accuracy, or one is not a fraction: NaN agrees with nothing.
    """
    if not accuracies or not all(0 <= accuracy <= 1 for accuracy in accuracies):
        raise ValueError("accuracies must be fractions, and at least one is needed")
    mean = float(np.mean(accuracies))
    binomial = mean * (1 - mean) / num_examples + reference_accuracy * (1 - reference_accuracy) / reference_examples
    between = float(np.var(accuracies, ddof=1)) if len(accuracies) > 1 else 0.0
    half = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(binomial + between * (1 + 1 / len(accuracies)))
    difference = mean - reference_accuracy
    return Agreement(mean, difference, difference - half, difference + half, len(accuracies))
