"""The trends as one SVG: a panel for each measurement, a line for each stack, and where it steps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.history.series import Series
from bench.report.plots import COLOURS, SETTINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (9.0, 2.4)
MAX_NAME = 60  # characters of a legend's entry


def trend_svg(chosen: Sequence[Series]) -> str:
    """The same series give the same text: no date, no random identifiers.  Empty text if there are no series.

    Runs stand at equal distances: how long nobody measured is no part of a trend.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    panels: dict[str, list[Series]] = {}
    for series in chosen:
        panels.setdefault(series.metric.measurement, []).append(series)
    if not panels:
        return ""
    with matplotlib.style.context(["default", SETTINGS]):
        width, height = PANEL_INCHES
        figure = Figure(figsize=(width, height * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), squeeze=False)[:, 0]
        order = _run_order(chosen)
        for panel, (measurement, members) in zip(axes, panels.items(), strict=True):
            _draw(panel, measurement, members, order)
        _name_runs(axes[-1], order)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _run_order(chosen: Sequence[Series]) -> dict[str, int]:
    """{run: its place on the axis}, oldest first."""
    started = {point.run: point.started_at for series in chosen for point in series.points}
    return {run: place for place, run in enumerate(sorted(started, key=lambda run: started[run]))}


def _draw(axes: Axes, measurement: str, members: Sequence[Series], order: dict[str, int]) -> None:
    for number, series in enumerate(members):
        look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "markersize": 4}
        places = [order[point.run] for point in series.points]
        label = _plain(f"{series.metric.stack or 'no stack'}, conditions {series.conditions.number}")
        axes.plot(places, [point.seconds.center for point in series.points], marker="o", label=label, **look)
        for step in series.course.steps:
            axes.axvline(places[step.index] - 0.5, color=look["color"], linewidth=1, linestyle="--")
    axes.set_title(_plain(measurement), loc="left", fontsize=10)
    axes.set_ylabel("s")
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)


def _name_runs(axes: Axes, order: dict[str, int]) -> None:
    axes.set_xlabel("run, oldest first")
    axes.set_xlim(-0.5, len(order) - 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _plain(text: str) -> str:
    """Matplotlib reads mathematics between dollar signs, so there are none; a hostile name is cut."""
    return text[:MAX_NAME].replace("$", r"\$")
