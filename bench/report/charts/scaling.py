"""Charts of scaling: speed-up with the number of threads, rate with that of copies, speed-up with that of devices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pandas as pd

from bench.document.chart import Chart, error_bars, figure, hover_text, label, scatter
from bench.records.stack_key import StackKey
from bench.report.charts.style import COLOURS, GREY, styles_of
from bench.report.run.analysis import RunAnalysis
from bench.report.run.copies import CopyScaling, copy_rows
from bench.report.run.devices import STRONG, WEAK, DevicePoint, device_rows
from bench.report.run.threads import ThreadScaling
from bench.report.run.threads_sections import thread_rows
from bench.units import format_number, format_percent, format_range, format_seconds


def threads_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Return the speed-up of each stack against its one-thread run; None without two points of one stack."""
    scalings = [one for one in analysis.thread_scalings if len(_drawn(one)) > 1]
    if not scalings:
        return None
    styles = styles_of([one.stack for one in scalings])
    counts = sorted({point.threads for one in scalings for point in one.points})
    traces = [ideal_line(counts)]
    for one in scalings:
        traces += _traces(one, styles[one.stack])
    alt = f"Speed-up against one thread with {', '.join(map(str, counts))} threads: " + "; ".join(
        f"{one.stack.name} reaches {format_number(max(point.speedup.center for point in _drawn(one)))}"
        for one in scalings
    )
    title = "Threads: speed-up against one thread, ideal line, and the universal scalability law where fitted (dotted)"
    data = pd.DataFrame(thread_rows(scalings))
    return Chart(name, title, alt + ".", figure(traces, **scaling_layout(counts, "threads", "speed-up")), data)


def scaling_layout(counts: list[int], x_title: str, y_title: str) -> dict[str, Any]:
    return {
        "height": 440,
        "xaxis": {"title": {"text": x_title}, "tickvals": counts, "range": [0.8, counts[-1] * 1.05]},
        "yaxis": {"title": {"text": y_title}},
        "hovermode": "closest",
    }


def ideal_line(counts: list[int]) -> Any:
    """Return the line of a speed-up that is equal to the count."""
    line = {"color": GREY, "dash": "dash", "width": 1}
    return scatter(x=[1, counts[-1]], y=[1, counts[-1]], mode="lines", name="ideal", line=line, hoverinfo="skip")


def _drawn(scaling: ThreadScaling) -> list:
    return [point for point in scaling.points if point.speedup is not None]


def _traces(scaling: ThreadScaling, style: dict[str, Any]) -> Iterator[Any]:
    points, name = _drawn(scaling), hover_text(scaling.stack.name)
    yield scatter(
        x=[point.threads for point in points],
        y=[point.speedup.center for point in points],
        error_y=error_bars([(one.speedup.center, one.speedup.low, one.speedup.high) for one in points]),
        mode="lines+markers",
        name=label(scaling.stack.name).replace("<br>", " "),
        line={"color": style["color"], "dash": style["dash"], "width": 1.5},
        marker={"symbol": style["symbol"], "size": 8},
        legendgroup=name,
        text=[_hover(scaling.stack, point) for point in points],
        hovertemplate="%{text}<extra></extra>",
    )
    if scaling.laws is not None and scaling.laws.usl.holds:
        law, last = scaling.laws.usl, points[-1].threads
        xs = [1 + (last - 1) * step / 40 for step in range(41)]
        line = {"color": style["color"], "dash": "dot", "width": 1}
        fitted = [law.speedup(x) for x in xs]
        yield scatter(x=xs, y=fitted, mode="lines", line=line, showlegend=False, legendgroup=name)


def _hover(stack: StackKey, point) -> str:
    interval = format_range(point.speedup.low, point.speedup.high)
    return (
        f"{hover_text(stack.name)}<br>{point.threads} threads: epoch {format_seconds(point.epoch.center)}<br>speed-up "
        f"{format_number(point.speedup.center)} ({interval}), efficiency {format_percent(point.efficiency, 1)}"
    )


def copies_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Return the rate of each stack against the number of copies; None without two splits of one stack."""
    scalings = [one for one in analysis.copy_scalings if len(one.splits) > 1]
    if not scalings:
        return None
    styles = styles_of([one.stack for one in scalings])
    counts = sorted({split.copies for one in scalings for split in one.splits})
    traces = [_rate_trace(one, styles[one.stack]) for one in scalings]
    best = "; ".join(
        f"{one.stack.name} reaches {format_number(one.best.hourly.center)} with {one.best.name}" for one in scalings
    )
    alt = f"Trainings per hour with {', '.join(map(str, counts))} trainings side by side: {best}."
    layout = scaling_layout(counts, "trainings side by side", "trainings per hour")
    data = pd.DataFrame(copy_rows(scalings))
    title = "Copies: trainings per hour of each split of the cores"
    return Chart(name, title, alt, figure(traces, **layout), data)


def _rate_trace(scaling: CopyScaling, style: dict[str, Any]) -> Any:
    """Return the splits as marks: one training alone has several, with different numbers of threads."""
    splits, name = scaling.splits, hover_text(scaling.stack.name)
    return scatter(
        x=[split.copies for split in splits],
        y=[split.hourly.center for split in splits],
        error_y=error_bars([(one.hourly.center, one.hourly.low, one.hourly.high) for one in splits]),
        mode="markers",
        name=label(scaling.stack.name).replace("<br>", " "),
        marker={"color": style["color"], "symbol": style["symbol"], "size": 9},
        text=[f"{name}<br>{split.name}: {format_number(split.hourly.center)} trainings/h" for split in splits],
        hovertemplate="%{text}<extra></extra>",
    )


def devices_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Return strong and weak scaling over devices; None without two counts, and where devices are emulated."""
    points = [one for one in analysis.device_points if one.devices is not None and one.speedup and not one.emulated]
    counts = sorted({point.devices for point in points})
    if len(counts) < 2:
        return None
    curves = [(stack, mode) for stack in dict.fromkeys(one.name for one in points) for mode in (STRONG, WEAK)]
    traces = [ideal_line(counts)]
    for (stack, mode), color in zip(curves, cycle(COLOURS), strict=False):
        own = [one for one in points if one.name == stack and (one.mode == mode or one.devices == 1)]
        traces.append(_devices_trace(f"{stack}, {mode}", own, color))
    best = max(points, key=lambda one: one.speedup.center)
    alt = (
        f"Speed-up against the plain training with {', '.join(map(str, counts))} devices; the largest is "
        f"{format_number(best.speedup.center)}, {best.name}, {best.mode}, with {best.devices}."
    )
    names = {"batch_size": "global_batch_size", "train_epoch_seconds": "epoch_seconds"}
    data = pd.DataFrame(device_rows(points)).drop(columns=["emulated", "validation_accuracy"]).rename(columns=names)
    title = "Devices: examples per second against the plain training on one"
    return Chart(name, title, alt, figure(traces, **scaling_layout(counts, "devices", "speed-up")), data)


def _devices_trace(name: str, points: list[DevicePoint], color: str) -> Any:
    return scatter(
        x=[point.devices for point in points],
        y=[point.speedup.center for point in points],
        error_y=error_bars([(one.speedup.center, one.speedup.low, one.speedup.high) for one in points]),
        mode="lines+markers",
        name=hover_text(name),
        line={"color": color, "dash": "solid", "width": 1.5},
        marker={"symbol": "circle", "size": 8},
        text=[f"{hover_text(name)}<br>{one.devices} devices: {format_number(one.speedup.center)}" for one in points],
        hovertemplate="%{text}<extra></extra>",
    )
