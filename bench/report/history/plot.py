"""Trends as one SVG: a panel for each measurement, a line for each stack, and the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.document.svg import COLOURS, svg_of_figure
from bench.errors import BenchError
from bench.records.moments import order
from bench.report.history.series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_INCHES = (9.0, 2.4)
MAX_NAME = 60  # characters of a legend's entry
MAX_DATES = 12  # more do not fit under the axis; then runs are numbered


def trend_svg(chosen: Sequence[Series]) -> str:
    """Return the SVG of the trends; the same series give the same text, without date or random identifiers.

    Runs are at equal distances on the axis, independent of the time between them.

    Raises
    ------
    BenchError
        If there is no series to draw.
    """
    panels: dict[str, list[Series]] = {}
    for series in chosen:
        panels.setdefault(series.metric.measurement, []).append(series)
    if not panels:
        raise BenchError("there is no trend to draw: no run measured the chosen metrics.")
    styles = _styles(chosen)
    runs = _runs(chosen)

    def draw(figure: Figure) -> None:
        axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
        for panel, (measurement, members) in zip(axes, panels.items(), strict=True):
            _draw(panel, measurement, members, styles, list(runs))
        _name_runs(axes[-1], runs)

    width, height = PANEL_INCHES
    return svg_of_figure((width, height * len(panels)), draw)


def _styles(chosen: Sequence[Series]) -> dict[tuple[int, str], tuple[str, str]]:
    """Return {(conditions, stack): (colour, label)}, the same in every panel; conditions are named if several."""
    keys = dict.fromkeys((series.conditions.number, series.metric.stack) for series in chosen)
    several = len({number for number, _ in keys}) > 1
    return {
        (number, stack): (
            COLOURS[place % len(COLOURS)],
            (stack or "no stack") + (f", conditions {number}" if several else ""),
        )
        for place, (number, stack) in enumerate(keys)
    }


def _runs(chosen: Sequence[Series]) -> dict[str, str]:
    """Return {run: start time}, oldest first."""
    started = {point.run: point.started_at for series in chosen for point in series.points}
    return dict(sorted(started.items(), key=lambda entry: order(entry[1])))


def _draw(
    axes: Axes,
    measurement: str,
    members: Sequence[Series],
    styles: dict[tuple[int, str], tuple[str, str]],
    runs: list[str],
) -> None:
    for series in members:
        colour, label = styles[series.conditions.number, series.metric.stack]
        places = [runs.index(point.run) for point in series.points]
        seconds = [point.center for point in series.points]
        axes.plot(places, seconds, color=colour, marker="o", markersize=4, label=_plain(label))
        for step in series.trend.steps:
            axes.axvline(places[step.index] - 0.5, color=colour, linewidth=1, linestyle="--")
    axes.set_title(_plain(measurement), loc="left", fontsize=10)
    axes.set_ylabel("s")
    axes.set_ylim(0, 1.1 * max(point.center for series in members for point in series.points))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)


def _name_runs(axes: Axes, runs: dict[str, str]) -> None:
    axes.set_xlim(-0.5, len(runs) - 0.5)
    if len(runs) <= MAX_DATES:
        axes.set_xticks(range(len(runs)), [_plain(started[:10]) for started in runs.values()], rotation=30, ha="right")
    else:
        axes.set_xlabel("run, counted from 0, oldest first")


def _plain(text: str) -> str:
    """Cut long names and escape dollar signs, between which matplotlib reads mathematics."""
    return text[:MAX_NAME].replace("$", r"\$")
