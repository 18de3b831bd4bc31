"""Charts of values sampled during the reference runs, over time: memory and power."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from bench.document.chart import Chart, figure, hover_text, label, scatter
from bench.records.stack_key import by_stack
from bench.report.charts.style import drawn_stacks, styles_of
from bench.report.run.analysis import RunAnalysis
from bench.units import format_number


class Quantity(NamedTuple):
    """Column of the timeline with the unit in which it is shown: ``per_unit`` of the column's own."""

    column: str
    title: str
    unit: str
    per_unit: float


QUANTITIES = {
    "memory": Quantity("rss_bytes", "resident memory, children included", "MiB", 2**20),
    "gpu_memory": Quantity("gpu_memory_bytes", "memory in use on the whole card", "MiB", 2**20),
    "power": Quantity("power_watts", "power of the whole card", "W", 1),
}


def timeline_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Draw a line for each process of a reference run; None if the quantity was not sampled."""
    quantity, frames = QUANTITIES[name], analysis.frames
    chosen = frames.timeline[frames.timeline["harness"] == "reference"].dropna(subset=[quantity.column, "t_seconds"])
    if chosen.empty:
        return None
    styles = styles_of(drawn_stacks(frames))
    traces = []
    for stack, rows in by_stack(chosen):
        for number, (process, run) in enumerate(rows.sort_values("t_seconds").groupby("process")):
            traces.append(
                scatter(
                    x=run["t_seconds"].tolist(),
                    y=(run[quantity.column] / quantity.per_unit).tolist(),
                    mode="lines" if len(run) > 1 else "markers",
                    name=label(stack.name).replace("<br>", " "),
                    legendgroup=hover_text(stack.name),
                    showlegend=number == 0,  # one entry in the legend for all processes of a stack
                    line={"color": styles[stack]["color"], "dash": styles[stack]["dash"], "width": 1.2},
                    hovertemplate=f"{hover_text(stack.name)}, process {process}<br>"
                    f"%{{x:.4g}} s: %{{y:,.5g}} {quantity.unit}<extra></extra>",
                )
            )
    layout = {
        "height": 320,
        "xaxis": {"title": {"text": "since the start of the run, s"}},
        "yaxis": {"title": {"text": f"{quantity.unit}"}, "rangemode": "tozero"},
        "hovermode": "closest",
    }
    title = f"Reference run: {quantity.title}, a line for each process"
    return Chart(name, title, _alt(quantity, chosen), figure(traces, **layout), _data(quantity, chosen))


def _alt(quantity: Quantity, chosen: pd.DataFrame) -> str:
    peaks = {stack.name: rows[quantity.column].max() / quantity.per_unit for stack, rows in by_stack(chosen)}
    highest = ", ".join(f"{name} {format_number(peak)} {quantity.unit}" for name, peak in peaks.items())
    return f"Over the seconds of the reference runs: {quantity.title}. Highest: {highest}."


def _data(quantity: Quantity, chosen: pd.DataFrame) -> pd.DataFrame:
    columns = ["process", "seed", "t_seconds", quantity.column]
    return pd.concat([rows[columns].assign(stack=stack.name)[["stack", *columns]] for stack, rows in by_stack(chosen)])
