"""How many times as fast, from processes that were not interleaved: on plain sequences of seconds.

The two sides of such a ratio ran at different times, so nothing pairs them and a drift of the machine between them does
not cancel.  The intervals here combine the spread between the processes of both sides; what they cannot contain is a
difference that hits all processes of one side alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bench.stats import CONFIDENCE


@dataclass(frozen=True)
class SpeedRatio:
    """How many times as fast as the base; ``low`` and ``high`` are None unless both sides have two processes."""

    center: float
    low: float | None
    high: float | None
    num_base_processes: int
    num_processes: int

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 1; False also where there is none: then nothing was shown."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def speed_ratio(base: Sequence[float], other: Sequence[float], confidence: float = CONFIDENCE) -> SpeedRatio:
    """``base`` / ``other``, both the seconds of processes for the same work: above 1, ``other`` is the faster one.

    The centre is the ratio of the medians.  The interval is Welch's for the difference of two means (Welch 1947, the
    degrees of freedom after Satterthwaite), on the logarithms, widened where needed to contain the centre.

    Raises
    ------
    ValueError
        If a side is empty, or a duration is not a positive finite number.
    """
    for seconds in (base, other):
        if not len(seconds) or not all(math.isfinite(value) and value > 0 for value in seconds):
            raise ValueError("every duration must be a positive finite number, and each side needs one")
    center = float(np.median(base)) / float(np.median(other))
    interval = _welch_interval(np.log(base), np.log(other), confidence)
    return _ratio(math.log(center), interval, len(base), len(other))


def mean_speed_ratio(
    bases: Sequence[Mapping[int, float]], others: Sequence[Mapping[int, float]], confidence: float = CONFIDENCE
) -> SpeedRatio:
    """The geometric mean of the speed ratios of several metrics, each given as {interleaved round: seconds}.

    The geometric mean is the one that does not depend on which side is the base (Fleming and Wallace 1986).  Its
    interval is Welch's over rounds: what one round measured ran close together and shares its noise, so each side is
    reduced to one mean of logarithms for each round that measured everything, and those are compared.

    Raises
    ------
    ValueError
        If there is no metric, or one side of one has no positive finite duration.
    """
    if not bases or len(bases) != len(others):
        raise ValueError("a mean needs a metric, and both of its sides")
    ratios = [speed_ratio(list(base.values()), list(other.values())) for base, other in zip(bases, others, strict=True)]
    center = float(np.mean([math.log(ratio.center) for ratio in ratios]))
    base_rounds, other_rounds = _mean_logs_by_round(bases), _mean_logs_by_round(others)
    interval = _welch_interval(base_rounds, other_rounds, confidence)
    return _ratio(center, interval, len(base_rounds), len(other_rounds))


def _mean_logs_by_round(sides: Sequence[Mapping[int, float]]) -> np.ndarray:
    rounds = sorted(set.intersection(*(set(side) for side in sides)))
    return np.array([np.mean([math.log(side[number]) for side in sides]) for number in rounds])


def _ratio(log_center: float, interval: tuple[float | None, float | None], num_base: int, num_other: int) -> SpeedRatio:
    low, high = interval
    if low is None or high is None:
        return SpeedRatio(math.exp(log_center), None, None, num_base, num_other)
    return SpeedRatio(
        math.exp(log_center), math.exp(min(low, log_center)), math.exp(max(high, log_center)), num_base, num_other
    )


def _welch_interval(first: np.ndarray, second: np.ndarray, confidence: float) -> tuple[float | None, float | None]:
    """Of mean(first) - mean(second); (None, None) where a side has fewer than two values, and so no spread."""
    if min(len(first), len(second)) < 2:
        return None, None
    difference = float(np.mean(first) - np.mean(second))
    parts = [float(np.var(side, ddof=1)) / len(side) for side in (first, second)]
    if sum(parts) == 0:
        return difference, difference
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (first, second), strict=True)
    )
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(sum(parts))
    return difference - half, difference + half
