"""Charts of one run's page, a file for each kind, drawn from values that the tables show, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.document.chart import Chart
from bench.document.section import Plot
from bench.document.svg import svg_of_chart
from bench.records import files
from bench.report.charts.accuracy import accuracy_chart, test_accuracy_chart
from bench.report.charts.batch_size import batch_size_chart
from bench.report.charts.lanes import ablation_chart, ceilings_chart, compile_chart, epoch_chart, loading_chart
from bench.report.charts.lower_bound import lower_bound_chart
from bench.report.charts.operations import operations_chart
from bench.report.charts.phases import phases_chart
from bench.report.charts.scaling import copies_chart, devices_chart, threads_chart
from bench.report.charts.throughput import throughput_chart
from bench.report.charts.timeline import timeline_chart
from bench.report.run.analysis import RunAnalysis
from bench.report.run.profiles import CHART as OPERATIONS

DRAW = {
    "phases": phases_chart,
    "throughput": throughput_chart,
    "lower_bound": lower_bound_chart,
    "ceilings": ceilings_chart,
    "batch_size": batch_size_chart,
    "threads": threads_chart,
    "copies": copies_chart,
    "devices": devices_chart,
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
    OPERATIONS: lambda _, analysis: operations_chart([one.step for one in analysis.profiles]),
}

IN_MARKDOWN = ("throughput", "batch_size", "threads", "copies", "devices", "accuracy")


def draw_charts(analysis: RunAnalysis) -> tuple[dict[str, Chart], list[str]]:
    """Return the charts of a run by name, and a sentence for each that failed."""
    charts, problems = {}, []
    for name, draw in DRAW.items():
        try:
            chart = draw(name, analysis)
        except Exception as error:  # a failing chart must not cost the numbers
            problems.append(f"the plot {name} of report.html was not drawn ({type(error).__name__}: {error})")
            continue
        if chart is not None:
            charts[name] = chart
    return charts, problems


def draw_plots(folder: Path, charts: Mapping[str, Chart]) -> tuple[dict[str, Plot], list[str]]:
    """Draw the charts that a report in Markdown shows, as SVG files in ``folder/plots``.

    Returns the plots by name, and a sentence for each that failed.
    """
    plots, problems = {}, []
    for name in (name for name in IN_MARKDOWN if name in charts):
        path = Path("plots") / f"{name}.svg"
        try:
            (folder / path).parent.mkdir(exist_ok=True)
            files.write(folder / path, svg_of_chart(charts[name]))
        except Exception as error:  # a failing plot must not cost the numbers
            problems.append(f"{path.as_posix()} was not drawn ({type(error).__name__}: {error})")
        else:
            plots[name] = Plot(path.as_posix(), charts[name].alt)
    return plots, problems
