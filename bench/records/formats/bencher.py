"""Bencher Metric Format: https://bencher.dev/docs/reference/bencher-metric-format/

The measure ``latency`` is in nanoseconds.  Its bounds are the 95 % interval over processes; they are left out with
fewer than three processes.
"""

from __future__ import annotations

from typing import Any

from bench.records.formats.series import Run
from bench.stats import estimates

NANOSECONDS = 1e9  # in a second


def render(run: Run) -> dict[str, Any]:
    return {series.name: {"latency": metric_of(series.estimate())} for series in run.series}


def metric_of(estimate: estimates.Estimate) -> dict[str, float]:
    metric = {"value": estimate.center * NANOSECONDS}
    if estimate.low is not None and estimate.high is not None:
        metric |= {"lower_value": estimate.low * NANOSECONDS, "upper_value": estimate.high * NANOSECONDS}
    return metric
