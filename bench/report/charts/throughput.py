"""Chart of training throughput in examples per second, with intervals and every process."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.document.chart import Chart, error_bars, figure, hover_text, rows_layout, scatter
from bench.report.charts.style import ACCENT, GREY, LOG_SCALE_FROM
from bench.report.run.analysis import RunAnalysis
from bench.report.run.ranking import RankedStack
from bench.report.run.rates import examples_per_second
from bench.report.run.tables import select
from bench.units import format_number, format_range, number_of


def throughput_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Draw the stacks fastest first; the interval of a rate is from that of the epoch's seconds."""
    frames = analysis.frames
    samples = frames.samples[(frames.samples["harness"] == "epoch") & (frames.samples["measurement"] == "train_epoch")]
    rows = [row for one in analysis.ranking if (row := _row(one, select(samples, one.stack))) is not None]
    if not rows:
        return None
    centers = [row["examples_per_second"] for row in rows]
    low, high = min(centers), max(centers)
    log = (low, high) if high > LOG_SCALE_FROM * low else None
    layout = rows_layout([row["stack"] for row in rows], "training, examples/s", log=log)
    layout["xaxis"]["tickformat"] = "~s"
    best, slowest = rows[0], rows[-1]
    alt = (
        f"Training throughput of {number_of(len(rows), 'stack')} with 95 % intervals, fastest first: from "
        f"{format_number(best['examples_per_second'])} examples/s ({best['stack']}) to "
        f"{format_number(slowest['examples_per_second'])} examples/s ({slowest['stack']})."
    )
    title = "Training throughput: median over processes with its 95 % interval, and every process"
    return Chart(name, title, alt, figure([_processes(rows), _centers(rows)], **layout), _data(rows))


def _row(one: RankedStack, samples: pd.DataFrame) -> dict[str, Any] | None:
    epoch = one.train_epoch
    rate = None if epoch is None else examples_per_second(samples, epoch.center)
    if epoch is None or rate is None:
        return None
    medians = samples.groupby("process")["seconds"].median()
    return {
        "stack": one.stack.name,
        "examples_per_second": rate,
        "low": None if epoch.high is None else examples_per_second(samples, epoch.high),
        "high": None if epoch.low is None else examples_per_second(samples, epoch.low),
        "by_process": {int(process): examples_per_second(samples, seconds) for process, seconds in medians.items()},
    }


def _processes(rows: list[dict[str, Any]]) -> Any:
    points = [(y, row["stack"], *one) for y, row in enumerate(rows) for one in row["by_process"].items()]
    return scatter(
        x=[rate for *_, rate in points],
        y=[y + 0.22 for y, *_ in points],
        mode="markers",
        name="one process",
        marker={"color": GREY, "size": 6, "symbol": "circle-open"},
        text=[f"{hover_text(stack)}<br>process {process}" for _, stack, process, _ in points],
        hovertemplate="%{text}: %{x:,.6g} examples/s<extra></extra>",
    )


def _centers(rows: list[dict[str, Any]]) -> Any:
    rates = [row["examples_per_second"] for row in rows]
    return scatter(
        x=rates,
        y=list(range(len(rows))),
        mode="markers",
        name="median and 95 % interval",
        marker={"color": ACCENT, "size": 9},
        error_x=error_bars([(row["examples_per_second"], row["low"], row["high"]) for row in rows]),
        text=[f"{hover_text(row['stack'])}<br>95 % interval {format_range(row['low'], row['high'])}" for row in rows],
        hovertemplate="%{text}<br>%{x:,.6g} examples/s<extra></extra>",
    )


def _data(rows: list[dict[str, Any]]) -> pd.DataFrame:
    centers = [{**row, "statistic": "median"} for row in rows]
    processes = [
        {"stack": row["stack"], "statistic": "process", "process": process, "examples_per_second": rate}
        for row in rows
        for process, rate in row["by_process"].items()
    ]
    columns = ["stack", "statistic", "process", "examples_per_second", "low", "high"]
    frame = pd.DataFrame([*centers, *processes], columns=columns)
    return frame.astype({"process": "Int64"})
