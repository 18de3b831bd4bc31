"""Speed ratios of processes that were not interleaved, on plain sequences of seconds.

The two sides of such a ratio ran at different times, so they are not paired and a drift of the machine between them
does not cancel.  The intervals combine those of the two sides, each within its own run; they do not contain a
difference that affects all processes of one side alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.stats.estimates import Relative, interval_of


@dataclass(frozen=True)
class SpeedRatio(Relative):
    """Speed relative to the base; the bounds are None unless both sides have three processes."""

    num_base_processes: int
    num_processes: int


def speed_ratio(base: Sequence[float], other: Sequence[float]) -> SpeedRatio:
    """Return the ratio ``base`` / ``other`` of the seconds of the same work: above 1, ``other`` is faster.

    The centre is the ratio of the medians.  The interval combines the intervals of the two medians on the logarithmic
    scale: the distances from median to bound are added as squares, those that make the ratio small to one bound and
    those that make it large to the other (Zou and Donner 2008, "Construction of confidence limits about effect
    measures").  Its coverage is at least the nominal one, see ``docs/statistics.md``.

    Raises
    ------
    ValueError
        If a side is empty, or a duration is not a positive finite number.
    """
    for seconds in (base, other):
        if not len(seconds) or not all(math.isfinite(value) and value > 0 for value in seconds):
            raise ValueError("every duration must be a positive finite number, and each side needs one")
    center = float(np.median(base)) / float(np.median(other))
    return _ratio(center, base, other)


def mean_speed_ratio(bases: Sequence[Mapping[int, float]], others: Sequence[Mapping[int, float]]) -> SpeedRatio:
    """Return the geometric mean of the speed ratios of several metrics, each as {interleaved round: seconds}.

    The geometric mean does not depend on which side is the base (Fleming and Wallace 1986).  Its interval is over
    rounds: the measurements of one round ran close together and share its noise, so each side is reduced to one mean
    for each round that measured every metric.

    Raises
    ------
    ValueError
        If there is no metric, or one side of a metric has no positive finite duration.
    """
    if not bases or len(bases) != len(others):
        raise ValueError("a mean needs a metric, and both of its sides")
    ratios = [speed_ratio(list(base.values()), list(other.values())) for base, other in zip(bases, others, strict=True)]
    center = math.exp(float(np.mean([math.log(ratio.center) for ratio in ratios])))
    return _ratio(center, _means_by_round(bases), _means_by_round(others))


def _means_by_round(sides: Sequence[Mapping[int, float]]) -> list[float]:
    """Return the geometric mean of the seconds of all metrics, for each round that measured them all."""
    rounds = sorted(set.intersection(*(set(side) for side in sides)))
    return [math.exp(float(np.mean([math.log(side[number]) for side in sides]))) for number in rounds]


def _ratio(center: float, base: Sequence[float], other: Sequence[float]) -> SpeedRatio:
    ours, theirs = _factors_to_bounds(base), _factors_to_bounds(other)
    if ours is None or theirs is None:
        return SpeedRatio(center, None, None, len(base), len(other))
    low = center / math.exp(math.hypot(ours[0], theirs[1]))
    high = center * math.exp(math.hypot(ours[1], theirs[0]))
    return SpeedRatio(center, low, high, len(base), len(other))


def _factors_to_bounds(seconds: Sequence[float]) -> tuple[float, float] | None:
    """Return the logarithms of median / lower bound and of upper bound / median; None without an interval."""
    low, high, _ = interval_of(seconds)
    if low is None or high is None:
        return None
    median = float(np.median(seconds))
    return math.log(median / low), math.log(high / median)
