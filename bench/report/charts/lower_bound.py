"""Chart of each stack's shares of dense library calls and operations needed, from this machine's ceilings."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.document.chart import Chart, error_bars, figure, hover_text, rows_layout, scatter
from bench.report.charts.style import ACCENT, GREY, line_across
from bench.report.run.analysis import RunAnalysis
from bench.report.run.lower_bound import Share
from bench.stats import estimates
from bench.units import format_percent

KINDS = {  # of epoch: its attribute of a share, colour, symbol, and height in a row
    "training epoch": ("train_epoch", ACCENT, "circle", -0.1),
    "validation epoch": ("validate_epoch", GREY, "square-open", 0.2),
    "training epoch, operations needed": ("needed_train_epoch", ACCENT, "diamond-open", 0.05),
}


def lower_bound_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Draw the median share over interleaved rounds with its interval, and a line at 100 %."""
    shares = [share for device in analysis.lower_bounds for share in device.shares]
    if not any(share.train_epoch or share.validate_epoch or share.needed_train_epoch for share in shares):
        return None
    rows = [_row(y, share, kind) for kind in KINDS for y, share in enumerate(shares)]
    rows = [row for row in rows if row is not None]
    layout = rows_layout([share.stack.name for share in shares], "bound / measured, %")
    layout["xaxis"]["rangemode"] = "tozero"
    layout["shapes"] = [line_across("x", 100)]
    traces = [_trace(kind, [row for row in rows if row["measurement"] == kind]) for kind in KINDS]
    alt = "Dense library calls / training epoch: " + "; ".join(
        f"{share.stack.name} {format_percent(share.train_epoch.center, 1)}" for share in shares if share.train_epoch
    )
    title = "Dense library calls (epochs) and operations needed / measured: median over rounds with its 95 % interval"
    data = pd.DataFrame(rows).drop(columns=["y"])
    return Chart(name, title, f"{alt}.", figure(traces, **layout), data)


def _row(y: int, share: Share, kind: str) -> dict[str, Any] | None:
    attribute, _, _, offset = KINDS[kind]
    ratio: estimates.Ratio | None = getattr(share, attribute)
    if ratio is None:
        return None
    shared = {"stack": share.stack.name, "measurement": kind, "rounds": ratio.num_rounds, "y": y + offset}
    return {**shared, "share": ratio.center, "low": ratio.low, "high": ratio.high}


def _trace(kind: str, rows: list[dict[str, Any]]) -> Any:
    _, color, symbol, _ = KINDS[kind]
    return scatter(
        x=[row["share"] * 100 for row in rows],
        y=[row["y"] for row in rows],
        mode="markers",
        name=kind,
        marker={"color": color, "symbol": symbol, "size": 8},
        error_x=error_bars([(row["share"], row["low"], row["high"]) for row in rows], scale=100),
        text=[f"{hover_text(row['stack'])}<br>{kind}, {row['rounds']} rounds" for row in rows],
        hovertemplate="%{text}: %{x:.4g} %<extra></extra>",
    )
