"""Chart of throughput against batch size: processes, medians, linear laws and crossovers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from bench.document.chart import Chart, figure, hover_text, label, scatter
from bench.records.stack_key import StackKey, by_stack
from bench.report.charts.style import drawn_stacks, line_across, styles_of
from bench.report.run.analysis import RunAnalysis
from bench.report.run.comparisons import DevicePair
from bench.stats import estimates
from bench.stats.crossover import Crossover, Lead
from bench.units import format_number, format_seconds

COLUMNS = ["stack", "statistic", "process", "batch_size", "step_seconds", "examples_per_second"]


def batch_size_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    curves, frames = analysis.step_curves, analysis.frames
    if not curves:
        return None
    styles = styles_of(drawn_stacks(frames))
    samples = dict(by_stack(frames.samples[frames.samples["harness"] == "batch_size"]))
    laws = {one.stack: one.law for one in analysis.scalings if one.law is not None and one.law.holds}
    traces, rows = [], []
    for stack, curve in curves.items():
        law = laws.get(stack)
        medians = samples[stack].groupby(["process", "batch_size"], observed=True)["seconds"].median()
        traces += _traces(stack, curve, law, medians, styles[stack])
        rows += _rows(stack, curve, law, medians)
    sizes = sorted({size for curve in curves.values() for size in curve})
    layout = {
        "height": 440,
        "xaxis": {
            "type": "log",
            "title": {"text": "batch size, examples"},
            "tickvals": [size for size in sizes if size.bit_count() == 1][::3] or sizes,
            "tickformat": ",",
        },
        "yaxis": {"type": "log", "title": {"text": "training steps, examples/s"}, "tickformat": "~s", "dtick": "D2"},
        "hovermode": "closest",
        **_crossings(analysis.crossovers),
    }
    alt = f"Examples per second of a training step against the batch size, {sizes[0]:,} to {sizes[-1]:,}: " + "; ".join(
        f"{stack.name} reaches {format_number(max(size / seconds for size, seconds in curve.items()))}"
        for stack, curve in curves.items()
    )
    title = "Batch size: medians, every process (small), and the law t(B) = a + b·B where it holds (dotted)"
    data = pd.DataFrame(rows, columns=COLUMNS).astype({"process": "Int64"})
    return Chart(name, title, alt + ".", figure(traces, **layout), data)


def _traces(
    stack: StackKey, curve: dict[int, float], law: estimates.BatchLaw | None, medians: pd.Series, style: dict[str, Any]
) -> Iterator[Any]:
    """Yield the traces of one stack; one entry in the legend toggles all of them."""
    name = hover_text(stack.name)
    shared = {"legendgroup": name, "hoverlabel": {"bordercolor": style["color"]}}
    sizes = sorted(curve)
    yield scatter(
        x=[int(size) for _, size in medians.index],
        y=[int(size) / seconds for (_, size), seconds in medians.items()],
        mode="markers",
        marker={"color": style["color"], "size": 4, "opacity": 0.55, "symbol": f"{style['symbol']}-open"},
        text=[f"{name}<br>process {process}, median step {format_seconds(t)}" for (process, _), t in medians.items()],
        hovertemplate="%{text}<br>B = %{x:,}: %{y:,.6g} examples/s<extra></extra>",
        showlegend=False,
        **shared,
    )
    if law is not None:
        rates = [size / (law.a_seconds + law.b_seconds * size) for size in sizes]
        yield scatter(
            x=sizes,
            y=[rate if rate > 0 else None for rate in rates],
            mode="lines",
            line={"color": style["color"], "dash": "dot", "width": 1, "shape": "spline"},
            hovertemplate=f"{name}<br>the law at B = %{{x:,}}: %{{y:,.6g}} examples/s<extra></extra>",
            showlegend=False,
            **shared,
        )
    yield scatter(
        x=sizes,
        y=[size / curve[size] for size in sizes],
        mode="lines+markers",
        name=label(stack.name).replace("<br>", " "),
        line={"color": style["color"], "dash": style["dash"], "width": 1.5},
        marker={"symbol": style["symbol"], "size": 7},
        text=[f"{name}<br>median step {format_seconds(curve[size])}" for size in sizes],
        hovertemplate="%{text}<br>B = %{x:,}: %{y:,.6g} examples/s<extra></extra>",
        **shared,
    )


def _crossings(crossovers: list[tuple[DevicePair, Crossover]]) -> dict[str, Any]:
    """Return vertical lines at the crossovers, as shapes and annotations of the layout."""
    found = [(pair, crossing) for pair, crossing in crossovers if crossing.lead is Lead.CROSSES]
    return {
        "shapes": [line_across("x", one.batch_size) for _, one in found],
        "annotations": [
            {
                "text": f"from {format_number(one.batch_size)} on: {hover_text(pair.gpu.name)}",
                "x": math.log10(one.batch_size),  # Plotly takes the logarithm here, for annotations only
                "y": 1,
                "yref": "paper",
                "textangle": -90,
                "xanchor": "right",
                "yanchor": "top",
                "showarrow": False,
                "font": {"size": 10},
            }
            for pair, one in found
        ],
    }


def _rows(stack: StackKey, curve: dict[int, float], law: estimates.BatchLaw | None, medians: pd.Series) -> list[Any]:
    """Return the values of ``COLUMNS``."""
    rows = [("median", None, size, curve[size]) for size in sorted(curve)]
    if law is not None:
        rows += [("law", None, size, law.a_seconds + law.b_seconds * size) for size in sorted(curve)]
    rows += [("process", int(process), int(size), seconds) for (process, size), seconds in medians.items()]
    return [(stack.name, statistic, process, size, s, size / s) for statistic, process, size, s in rows]
