"""Sentences with the reasons of verdicts."""

from __future__ import annotations

from bench.gate.verdict.values import Judgement, Metric, Verdict
from bench.units import format_percent, format_points


def change(metric: Metric, ratio: float, low: float | None = None, high: float | None = None) -> str:
    """Format ``1.052 times the base (1.031 to 1.074)``; for accuracy ``-0.31 points (-0.42 to -0.20)``."""
    if metric.is_ratio:
        interval = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
        return f"{ratio:.3f} times the base{interval}"
    interval = "" if low is None or high is None else f" ({low * 100:+.2f} to {high * 100:+.2f})"
    return f"{format_points(ratio)}{interval}"


def effect(metric: Metric, size: float) -> str:
    return format_percent(size, 1) if metric.is_ratio else f"{size * 100:.2f} points"


DIRECTIONS = {
    **{"seconds": ("slower", "faster"), "bytes": ("larger", "smaller")},
    **{"loss": ("larger", "smaller"), "accuracy": ("better", "worse")},
}


def no_change_that_matters(metric: Metric, low: float, high: float) -> str:
    """Return why a metric is unchanged; ``low`` and ``high`` bound the ratio, or for accuracy the difference.

    If no change is shown, one that matters is excluded.
    """
    excluded = f"a change of {effect(metric, metric.effect)} is excluded in both directions"
    return small_change(metric, low, high) or excluded


def small_change(metric: Metric, low: float, high: float) -> str | None:
    """Return ``slower by 2.5 to 4.3 %, less than the 5.0 % that matters``; None if no change is shown."""
    neutral = 1.0 if metric.is_ratio else 0.0
    least, most = sorted((abs(low - neutral), abs(high - neutral)))
    if low <= neutral <= high or most > metric.effect:
        return None
    span = f"{effect(metric, least).partition(' ')[0]} to {effect(metric, most)}"
    return f"{_direction(metric, low)} by {span}, less than the {effect(metric, metric.effect)} that matters"


def verdict(one: Judgement) -> str:
    """Return the verdict, or ``slower by less than 5.0 %`` for a change that is shown and does not matter."""
    if not small_change_of(one):
        return one.verdict.value
    return f"{_direction(one.metric, one.low)} by less than {effect(one.metric, one.metric.effect)}"


def small_change_of(one: Judgement) -> str | None:
    """Return the ``small_change`` of an unchanged metric; None for every other verdict."""
    if one.verdict is not Verdict.UNCHANGED or one.low is None or one.high is None:
        return None
    return small_change(one.metric, one.low, one.high)


def _direction(metric: Metric, low: float) -> str:
    """Return the word for a change whose interval, which excludes the neutral value, begins at ``low``."""
    return DIRECTIONS[metric.unit][0 if low > (1.0 if metric.is_ratio else 0.0) else 1]
