"""Charts of one run's page, a file for each kind, drawn from values that the tables show, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.document.html.chart import Chart
from bench.records.frames import Frames
from bench.report.charts.accuracy import accuracy_chart, test_accuracy_chart
from bench.report.charts.batch_size import batch_size_chart
from bench.report.charts.lanes import ablation_chart, ceilings_chart, compile_chart, epoch_chart, loading_chart
from bench.report.charts.lower_bound import light_chart
from bench.report.charts.operations import operations_chart
from bench.report.charts.phases import phases_chart
from bench.report.charts.throughput import throughput_chart
from bench.report.charts.timeline import timeline_chart
from bench.report.run.profiles import CHART as OPERATIONS
from bench.report.run.profiles import StepOfStack

DRAW = {
    "phases": phases_chart,
    "throughput": throughput_chart,
    "light": light_chart,
    "ceilings": ceilings_chart,
    "batch_size": batch_size_chart,
    "accuracy": accuracy_chart,
    "test_accuracy": test_accuracy_chart,
    "memory": timeline_chart,
    "gpu_memory": timeline_chart,
    "power": timeline_chart,
    "compile": compile_chart,
    "loading": loading_chart,
    "train_epoch": epoch_chart,
    "validate_epoch": epoch_chart,
    "train_step": epoch_chart,
    "ablation": ablation_chart,
}


def draw_charts(
    header: dict[str, Any], frames: Frames, profiled: Sequence[StepOfStack] = ()
) -> tuple[dict[str, Chart], list[str]]:
    """Draw the charts of the measurements; return them by name, and a sentence for each that failed."""
    charts, problems = {}, []
    for name, draw in {**DRAW, OPERATIONS: lambda *_: operations_chart(profiled)}.items():
        try:
            chart = draw(name, header, frames)
        except Exception as error:  # a failing chart must not cost the numbers
            problems.append(f"the plot {name} of report.html was not drawn ({type(error).__name__}: {error})")
            continue
        if chart is not None:
            charts[name] = chart
    return charts, problems
