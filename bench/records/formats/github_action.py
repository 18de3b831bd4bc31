"""github-action-benchmark, tool ``customSmallerIsBetter``: one value for each benchmark (its ``src/extract.ts``)."""

from __future__ import annotations

from typing import Any

from bench.records.formats.series import ExportSeries, Run
from bench.units import format_interval


def render(run: Run) -> list[dict[str, Any]]:
    return [_result(series) for series in run.series]


def _result(series: ExportSeries) -> dict[str, Any]:
    estimate = series.estimate()
    result = {"name": series.name, "unit": "s", "value": estimate.center}
    if estimate.low is not None:
        result["range"] = f"95 %: {format_interval(estimate.low, estimate.high)}"
    result["extra"] = f"median of {estimate.num_processes} processes, {estimate.num_samples} samples"
    return result
