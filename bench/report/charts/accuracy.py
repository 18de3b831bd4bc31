"""Charts of learning: validation accuracy over time for every seed, and test accuracies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.document.chart import Chart, figure, hover_text, label, log_axis, rows_layout, scatter
from bench.records.stack_key import StackKey
from bench.report.charts.style import ACCENT, GREY, LOG_SCALE_FROM, drawn_stacks, line_across, styles_of
from bench.report.run.analysis import RunAnalysis
from bench.report.run.learning import TARGET, StackTimesToAccuracy, accuracy_curves
from bench.stats import estimates
from bench.stats.learning import TARGET_VALIDATION_ACCURACY
from bench.units import format_percent, format_seconds, number_of
from mlp.recipe import REFERENCE


def accuracy_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Draw a line for each seed, and the target accuracy."""
    curves = dict(accuracy_curves(analysis.frames))
    if not curves:
        return None
    styles = styles_of(drawn_stacks(analysis.frames))
    traces = [
        _curve(stack, run, styles[stack], first=number == 0)
        for stack, runs in curves.items()
        for number, run in enumerate(runs)
    ]
    ends = [run["elapsed_seconds"].iloc[-1] for runs in curves.values() for run in runs]
    first = min(run["elapsed_seconds"].iloc[0] for runs in curves.values() for run in runs)
    log = log_axis(first, max(ends)) if max(ends) > LOG_SCALE_FROM * min(ends) and first > 0 else {}
    target = {"text": TARGET, "textposition": "start", "font": {"size": 10}}
    layout = {
        "height": 420,
        "xaxis": {"title": {"text": "training and validation, s"}, "tickformat": "~g", **log},
        "yaxis": {"title": {"text": "validation accuracy, %"}},
        "shapes": [line_across("y", TARGET_VALIDATION_ACCURACY * 100) | {"label": target}],
        "hovermode": "closest",
    }
    title = "Validation accuracy against time, a line for each seed"
    return Chart(name, title, _alt(analysis.times_to_accuracy), figure(traces, **layout), _data(curves))


def _curve(stack: StackKey, run: pd.DataFrame, style: dict[str, Any], first: bool) -> Any:
    seed = run["seed"].iloc[0]
    which = f"process {run['process'].iloc[0]}" if pd.isna(seed) else f"seed {seed}"
    return scatter(
        x=run["elapsed_seconds"].tolist(),
        y=(run["validation_accuracy"] * 100).tolist(),
        mode="lines+markers",
        name=label(stack.name).replace("<br>", " "),
        legendgroup=hover_text(stack.name),
        showlegend=first,  # one entry in the legend for all seeds of a stack
        line={"color": style["color"], "dash": style["dash"], "width": 1},
        marker={"symbol": style["symbol"], "size": 4},
        customdata=run["epoch"].tolist(),
        hovertemplate=f"{hover_text(stack.name)}, {which}<br>"
        "epoch %{customdata}, %{x:.6g} s: %{y:.2f} %<extra></extra>",
    )


def _alt(times_to_accuracy: list[StackTimesToAccuracy]) -> str:
    found = [one for one in times_to_accuracy if one.median_seconds is not None]
    if not found:
        return f"Validation accuracy against time; no stack reaches {TARGET} in half of its seeds."
    soonest = min(found, key=lambda one: one.median_seconds)
    return (
        f"Validation accuracy against time, a line for each seed. {soonest.stack.name} reaches {TARGET} first, after "
        f"{format_seconds(soonest.median_seconds)} of training and validating (median over seeds)."
    )


def _data(curves: dict[StackKey, list[pd.DataFrame]]) -> pd.DataFrame:
    columns = ["process", "seed", "epoch", "elapsed_seconds", "validation_accuracy"]
    return pd.concat(
        [run[columns].assign(stack=stack.name)[["stack", *columns]] for stack, runs in curves.items() for run in runs]
    )


def test_accuracy_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Draw a dot for each seed, and the published accuracy with its binomial interval."""
    accuracies = {stack: values for stack, values in analysis.accuracies.items() if values}
    if not accuracies:
        return None
    published = REFERENCE.test_accuracy
    low, high = estimates.binomial_interval(published, REFERENCE.test_examples)
    points = [(row, stack.name, value) for row, (stack, values) in enumerate(accuracies.items()) for value in values]
    seeds = scatter(
        x=[value * 100 for *_, value in points],
        y=[row for row, *_ in points],
        mode="markers",
        name="one seed",
        marker={"color": ACCENT, "size": 8, "opacity": 0.7},
        text=[hover_text(stack) for _, stack, _ in points],
        hovertemplate="%{text}<br>test accuracy %{x:.2f} %<extra></extra>",
    )
    means = scatter(
        x=[float(np.mean(values)) * 100 for values in accuracies.values()],
        y=list(range(len(accuracies))),
        mode="markers",
        name="mean",
        marker={"symbol": "line-ns-open", "size": 16, "color": ACCENT, "line": {"width": 2}},
        text=[hover_text(stack.name) for stack in accuracies],
        hovertemplate="%{text}<br>mean test accuracy %{x:.3f} %<extra></extra>",
    )
    layout = rows_layout([stack.name for stack in accuracies], "test accuracy, %")
    layout["shapes"] = _published(low * 100, published * 100, high * 100)
    ends = [low, high, *(value for *_, value in points)]
    layout["xaxis"]["range"] = [min(ends) * 100 - 0.05, max(ends) * 100 + 0.05]
    alt = (
        f"Test accuracy of every seed of {number_of(len(accuracies), 'stack')}, "
        f"{format_percent(min(v for *_, v in points))} to "
        f"{format_percent(max(v for *_, v in points))}; published: {format_percent(published)}, binomial 95 % interval "
        f"{format_percent(low)} to {format_percent(high)}."
    )
    title = "Test accuracy, a dot for each seed; the band is the binomial 95 % interval of the published draw"
    data = pd.DataFrame([{"stack": stack, "test_accuracy": value} for _, stack, value in points])
    return Chart(name, title, alt, figure([seeds, means], **layout), data)


def _published(low_percent: float, percent: float, high_percent: float) -> list[dict[str, Any]]:
    line = line_across("x", percent) | {"layer": "below"}
    band = {"type": "rect", "x0": low_percent, "x1": high_percent, "fillcolor": GREY, "opacity": 0.15}
    return [line | band | {"line": {"width": 0}}, line]
