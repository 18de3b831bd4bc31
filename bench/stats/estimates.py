"""Estimates from plain sequences, with the process replicate as the unit: its samples are not independent.

The interval beside a median is an interval of that median.  From ``EXACT_FROM`` values on it lies between two of them
(order statistics), and its coverage is at least the nominal one for any distribution.  Fewer values have no such
interval of 95 %: from ``INTERVAL_FROM`` on it is Student's t on their logarithms, which covers the geometric mean, and
the median too if times are lognormal.  An interval is within one run: variation between runs is not included.
``docs/statistics.md`` lists the coverage of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import special

CONFIDENCE = 0.95
UPPER_TAIL = (1 + CONFIDENCE) / 2  # the quantile of the upper bound
EXACT_FROM = 6  # values; with five, the smallest and the largest enclose the median in 93.75 % of cases
INTERVAL_FROM = 3  # values; with two, Student's t spans factors of ten and more


class IntervalOf(StrEnum):
    """The quantity that an interval covers."""

    MEDIAN = "median"
    GEOMETRIC_MEAN = "geometric mean"


class Interval(NamedTuple):
    """Interval bounds and the quantity covered; all None with too few values."""

    low: float | None
    high: float | None
    of: IntervalOf | None


NO_INTERVAL = Interval(None, None, None)


@cache
def order_of_lower_bound(num_values: int) -> int:
    """Return k such that the k-th smallest and largest values enclose the median with ``CONFIDENCE``; 0 if none.

    The largest k with P(fewer than k of n values lie below the median) <= (1 - CONFIDENCE) / 2, a binomial with 1/2
    (David and Nagaraja, "Order Statistics", section 7.1).
    """
    tails = special.bdtr(np.arange(num_values), num_values, 0.5)
    return int(np.searchsorted(tails, (1 - CONFIDENCE) / 2, side="right"))


def bounds_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, IntervalOf] | tuple[None, None, None]:
    """Return bounds of the median of positive values, or with few values of their geometric mean.

    ``values`` are (..., n), and the bounds (...).
    """
    num_values = values.shape[-1]
    order = order_of_lower_bound(num_values)
    if order > 0:
        ordered = np.sort(values, axis=-1)
        return ordered[..., order - 1], ordered[..., -order], IntervalOf.MEDIAN
    if num_values < INTERVAL_FROM:
        return None, None, None
    logs = np.log(values)
    error = np.std(logs, axis=-1, ddof=1) / math.sqrt(num_values)
    half = special.stdtrit(num_values - 1, UPPER_TAIL) * error
    middle = np.mean(logs, axis=-1)
    return np.exp(middle - half), np.exp(middle + half), IntervalOf.GEOMETRIC_MEAN


def interval_of(values: Sequence[float] | np.ndarray) -> Interval:
    """Return the interval of the median of positive values, or with few values of their geometric mean."""
    low, high, of = bounds_of(np.asarray(values, float))
    return NO_INTERVAL if low is None or high is None else Interval(float(low), float(high), of)


@dataclass(frozen=True)
class Groups:
    """Two groups of processes with different speeds: median seconds and number of processes of each."""

    fast_seconds: float
    num_fast: int
    slow_seconds: float
    num_slow: int


MIN_GROUP, MIN_GROUP_SHARE = 3, 6  # processes, and one in so many of all: fewer are outliers
MIN_GROUP_RATIO = 1.05  # of the two medians: closer groups are not reported


def two_groups(values: Sequence[float]) -> Groups | None:
    """Return the two groups that the values form, or None if they form one.

    On the logarithms, the widest gap between neighbours must exceed the spread (largest less smallest) of either side
    by the factor 20 / n, and by 1.25 at the least.  By simulation at most 1.1 % of sequences of one speed do:
    lognormal, uniform, exponential, t with 3 degrees of freedom, 10 % outliers, and AR(1) with 0.6.
    """
    logs = np.log(np.sort(values))
    least = max(MIN_GROUP, math.ceil(len(logs) / MIN_GROUP_SHARE))
    splits = range(least, len(logs) - least + 1)
    if not splits:
        return None
    split = max(splits, key=lambda at: logs[at] - logs[at - 1])
    spread = max(logs[split - 1] - logs[0], logs[-1] - logs[split])
    fast, slow = (float(np.exp(np.median(side))) for side in (logs[:split], logs[split:]))
    apart = logs[split] - logs[split - 1] > spread * max(20 / len(logs), 1.25)
    return Groups(fast, split, slow, len(logs) - split) if apart and slow >= MIN_GROUP_RATIO * fast else None


@dataclass(frozen=True)
class Estimate:
    """Robust centre with its interval; the bounds are None with fewer than three processes.

    ``interval_of`` is the quantity covered, see the module.  ``groups`` is None unless the processes ran at two speeds;
    the centre then describes at most one of them.
    """

    center: float
    low: float | None
    high: float | None
    num_processes: int
    num_samples: int
    interval_of: IntervalOf | None = None
    groups: Groups | None = None


def estimate(samples_by_process: Sequence[Sequence[float]]) -> Estimate:
    """Return the median of the per-process medians, with its interval.

    Raises
    ------
    ValueError
        If there is no sample, or one is not a positive finite number.
    """
    if not samples_by_process or any(len(samples) == 0 for samples in samples_by_process):
        raise ValueError("no samples to estimate from")
    processes = [np.asarray(samples, float) for samples in samples_by_process]
    pooled = np.concatenate(processes)
    if not (np.isfinite(pooled).all() and (pooled > 0).all()):
        raise ValueError("every duration must be a positive finite number")
    medians = [float(np.median(samples)) for samples in processes]
    low, high, of = interval_of(medians)
    return Estimate(float(np.median(medians)), low, high, len(medians), len(pooled), of, two_groups(medians))


@dataclass(frozen=True)
class Relative:
    """A ratio with its interval; the bounds are None with too few values."""

    center: float
    low: float | None
    high: float | None

    @property
    def differs(self) -> bool:
        """True if the interval excludes 1; False without an interval, as no difference is shown then."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


@dataclass(frozen=True)
class Ratio(Relative):
    """Ratio of two durations; the bounds are None with fewer than three rounds."""

    num_rounds: int
    interval_of: IntervalOf | None = None


def paired_ratio(numerator: Mapping[int, float], denominator: Mapping[int, float]) -> Ratio | None:
    """Return the ratio of two durations over the rounds that measured both, or None if no round did.

    Both map an interleaved round to seconds.  The measurements of one round ran close together, so that a drift of the
    machine cancels in their ratio.  Centre (the median) and interval are those of the logarithms of the ratios, so that
    swapping the sides inverts all three numbers exactly.

    Raises
    ------
    ValueError
        If a duration is not a positive finite number.
    """
    logs = paired_logs(numerator, denominator)
    if not len(logs):
        return None
    low, high, of = interval_of(np.exp(logs))
    return Ratio(math.exp(float(np.median(logs))), low, high, len(logs), of)


def paired_logs(numerator: Mapping[int, float], denominator: Mapping[int, float]) -> np.ndarray:
    """Return the logarithms of the ratios of the common rounds, by round; ValueError as for ``paired_ratio``."""
    rounds = sorted(numerator.keys() & denominator.keys())
    pairs = np.array([[numerator[number], denominator[number]] for number in rounds], float).reshape(-1, 2)
    if not (np.isfinite(pairs).all() and (pairs > 0).all()):
        raise ValueError("every duration must be a positive finite number")
    return np.log(pairs[:, 0]) - np.log(pairs[:, 1])


@dataclass(frozen=True)
class BatchLaw:
    """Linear law t(B) = a + b*B: ``a`` is the overhead of a step, ``b`` the time per example, in seconds.

    Each is the median over processes; its bounds are None with fewer than three of them, and if the coefficient of a
    process is not positive.  ``worst_residual`` is the largest relative distance between the law and a
    measured time.
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
    def holds(self) -> bool:
        """True if the law misses no measured time by more than ``MAX_RESIDUAL``."""
        return self.worst_residual <= MAX_RESIDUAL

    @property
    def knee_batch_size(self) -> float | None:
        """Batch size a / b of half of the greatest throughput 1/b, as B / t(B) = 1 / (2 b).

        None if the law does not hold, or a or b is not positive.
        """
        return self.a_seconds / self.b_seconds if self.holds and self.a_seconds > 0 and self.b_seconds > 0 else None


MAX_RESIDUAL = 0.10  # beyond it the law's knee was found at half of the batch size that reached half of the peak


def fit_batch_law(batch_sizes: Sequence[int], seconds_by_process: Sequence[Sequence[float]]) -> BatchLaw:
    """Fit the law by least squares on relative errors (weights 1/t), one fit for each process.

    ``seconds_by_process[i][j]`` is the step time of process i at ``batch_sizes[j]``.  Intervals are over processes, as
    the residuals of one fit do not contain the variation between processes.

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
    coefficients = np.array([_weighted_fit(sizes, row) for row in times])
    a, b = (float(center) for center in np.median(coefficients, axis=0))
    intervals = [interval_of(column) if (column > 0).all() else NO_INTERVAL for column in coefficients.T]
    (a_low, a_high, _), (b_low, b_high, _) = intervals
    worst = float(np.max(np.abs((a + b * sizes) / np.median(times, axis=0) - 1)))
    return BatchLaw(a, b, a_low, a_high, b_low, b_high, worst, len(times))


def _weighted_fit(sizes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the coefficients (a, b) that minimise the sum of ((a + b*B) / t - 1)**2."""
    design = np.column_stack([np.ones_like(sizes), sizes]) / times[:, None]
    return np.linalg.solve(design.T @ design, design.sum(axis=0))


def binomial_interval(fraction: float, num_examples: int) -> tuple[float, float]:
    """Return Wilson's interval of an accuracy on ``num_examples`` examples (Wilson 1927).

    Raises ValueError if ``fraction`` is outside [0, 1] or there are no examples.
    """
    if not 0 <= fraction <= 1 or num_examples < 1:
        raise ValueError(f"{fraction} of {num_examples} examples is not an accuracy")
    # In closed form: scipy.stats, which knows it too, takes a third of a second to import.
    z = float(special.ndtri(UPPER_TAIL))
    fraction = round(fraction * num_examples) / num_examples
    middle, scale = fraction + z**2 / (2 * num_examples), 1 + z**2 / num_examples
    half = z * math.sqrt(fraction * (1 - fraction) / num_examples + z**2 / (4 * num_examples**2))
    return (middle - half) / scale, (middle + half) / scale


# Standard deviation of the test accuracy of one stack over seeds, in the committed records: 0.11 points.
SPREAD_OVER_SEEDS = 0.0011


@dataclass(frozen=True)
class Agreement:
    """Mean accuracy of seeds compared with a published accuracy; all numbers are fractions.

    ``low`` to ``high`` is the prediction interval of the difference of one more seed from the mean.  With fewer than
    three seeds their spread is taken to be ``SPREAD_OVER_SEEDS`` (``assumed_spread``).
    """

    mean: float
    difference: float  # mean less published
    low: float
    high: float
    num_runs: int
    assumed_spread: bool

    @property
    def agrees(self) -> bool:
        """True if the published accuracy could be that of one more seed."""
        return self.low <= self.difference <= self.high


def agreement_with_reference(accuracies: Sequence[float], reference_accuracy: float) -> Agreement:
    """Compare the mean accuracy of runs over seeds with a published one, taken as one more seed.

    The prediction interval of one more draw from a normal distribution, mean +- t * s * sqrt(1 + 1/n) with n - 1
    degrees of freedom (Hahn and Meeker, "Statistical Intervals", section 4.7), or the normal quantile if the spread is
    assumed.  Accuracies are assumed normal over seeds, and both sides to use the same test images, so that sampling of
    images adds no variance.

    Raises
    ------
    ValueError
        If there is no accuracy, or one is not a fraction in [0, 1].
    """
    if not accuracies or not all(0 <= accuracy <= 1 for accuracy in accuracies):
        raise ValueError("accuracies must be fractions, and at least one is needed")
    mean, num = float(np.mean(accuracies)), len(accuracies)
    assumed = num < INTERVAL_FROM
    if assumed:
        half = float(special.ndtri(UPPER_TAIL)) * SPREAD_OVER_SEEDS * math.sqrt(1 + 1 / num)
    else:
        half = float(special.stdtrit(num - 1, UPPER_TAIL)) * float(np.std(accuracies, ddof=1)) * math.sqrt(1 + 1 / num)
    return Agreement(mean, mean - reference_accuracy, -half, half, num, assumed)
