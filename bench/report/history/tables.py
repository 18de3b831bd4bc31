"""History as CSV, one row for each run and metric, and as JSON-ready values, one entry for each series."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.records import csv_cells
from bench.report.history.series import History, Series

CSV_COLUMNS = (
    *("conditions", "stack", "measurement", "run", "started_at"),
    *("seconds", "low_seconds", "high_seconds", "processes", "step_ratio"),
)


def to_csv(history: History) -> str:
    """Return a header and a row for each run and metric; ``step_ratio`` is given only where a step begins."""
    rows = []
    for series in history.series:
        steps = {step.index: step.ratio for step in series.trend.steps}
        for number, point in enumerate(series.points):
            seconds = point.seconds
            estimate = (seconds.center, seconds.low, seconds.high, seconds.num_processes)
            named = (series.conditions.number, *series.metric, point.run, point.started_at)
            rows.append([*named, *estimate, steps.get(number)])
    return csv_cells.to_csv(CSV_COLUMNS, rows)


def to_json(history: History) -> dict[str, Any]:
    conditions = [
        {"number": one.number, "name": one.name, "hardware": one.hardware, "differs_by": one.differs_by}
        for one in history.conditions
    ]
    return {
        "num_runs": history.num_runs,
        "conditions": conditions,
        "series": [_series(series) for series in history.series],
        "problems": [{"run": run, "problem": problem} for run, problem in history.problems],
    }


def _series(series: Series) -> dict[str, Any]:
    found = series.trend
    points = [
        {"run": point.run, "started_at": point.started_at, "seconds": asdict(point.seconds)} for point in series.points
    ]
    steps = [{"run": series.points[step.index].run, **asdict(step)} for step in found.steps]
    change = {"shape": found.shape.value, "steps": steps}
    change |= {"ratio_per_run": found.ratio_per_run, "total_ratio": found.total_ratio}
    return {"conditions": series.conditions.number, **series.metric._asdict(), **change, "points": points}
