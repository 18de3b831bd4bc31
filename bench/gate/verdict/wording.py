"""Sentences with the reasons of verdicts."""

from __future__ import annotations

from bench.gate.verdict.values import Metric
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
    """Return why a metric is unchanged: ``slower by 2.5 to 4.3 %, less than the 5.0 % that matters``.

    ``low`` and ``high`` bound the ratio, or for accuracy the difference.  If no change is shown, one that matters is
    excluded.
    """
    matters, neutral = effect(metric, metric.effect), 1.0 if metric.is_ratio else 0.0
    if low <= neutral <= high:
        return f"a change of {matters} is excluded in both directions"
    direction = DIRECTIONS[metric.unit][0 if low > neutral else 1]
    least, most = sorted((abs(low - neutral), abs(high - neutral)))
    span = f"{effect(metric, least).partition(' ')[0]} to {effect(metric, most)}"
    return f"{direction} by {span}, less than the {matters} that matters"
