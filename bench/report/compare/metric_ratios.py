"""Speed ratio of two sides for each metric."""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.compare.comparable import Comparable, StackMeasurement
from bench.report.compare.refusal import common_metrics
from bench.stats import estimates
from bench.stats.unpaired import SpeedRatio, speed_ratio

# A shorter duration is that of an empty call and of reading the clock, e.g. the "compilation" of NumPy.
SHORTEST_SECONDS = 1e-5


@dataclass(frozen=True)
class MetricRatio:
    """Measurement of ``run`` beside the base's; ``speed`` is the speed ratio to the base."""

    run: str
    metric: StackMeasurement
    base_seconds: estimates.Estimate
    seconds: estimates.Estimate
    speed: SpeedRatio


def metric_ratios(base: Comparable, other: Comparable) -> list[MetricRatio]:
    """Return the ratios of all metrics that may be compared, in the order of ``base``."""
    found = []
    for metric in common_metrics(base, other):
        if too_short(metric, base, other):
            continue
        measured = [estimates.estimate(list(side.samples[metric].values())) for side in (base, other)]
        medians = [list(side.medians(metric).values()) for side in (base, other)]
        found.append(MetricRatio(other.name, metric, *measured, speed_ratio(*medians)))
    return found


def too_short(metric: StackMeasurement, *sides: Comparable) -> bool:
    if any(side.per_iteration for side in sides):
        return False
    return min(min(side.medians(metric).values()) for side in sides) < SHORTEST_SECONDS
