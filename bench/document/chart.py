"""Chart of a page: a Plotly figure, a text alternative, and its numbers as CSV.

Plotly reads a little HTML in labels (``<b>``, ``<br>``, ``<a href>``), so texts from a record go through ``label``
or ``hover_text`` before they become one.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.document.section import clean
from bench.records.csv_cells import cell, shielded

MAX_LINE = 28  # characters of a label's line: leaves room for a plot on a phone
ROW_PIXELS, FRAME_PIXELS = 40, 72  # height of a row; of everything around the rows
AXIS = {"automargin": True, "zeroline": False, "showline": True, "ticks": "outside", "ticklen": 4}
LAYOUT = {
    "template": {},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "system-ui, sans-serif", "size": 12},
    "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
    "hoverlabel": {"align": "left", "namelength": -1},
    # Below the plot, where it costs no width; measured from the figure's edge, so that it never covers an axis.
    "legend": {
        "orientation": "h",
        "traceorder": "normal",
        **{"xref": "container", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"},
        "bgcolor": "rgba(0,0,0,0)",
    },
}


@dataclass(frozen=True)
class Chart:
    """Chart; ``figure`` is JSON for Plotly, ``data`` the plotted values with units in the column names.

    ``name`` is the stem of the CSV file and part of an HTML id: letters, digits and underscores.
    """

    name: str
    title: str
    alt: str
    figure: dict[str, Any]
    data: pd.DataFrame

    @property
    def csv_name(self) -> str:
        return f"{self.name}.csv"

    @property
    def csv_uri(self) -> str:
        """CSV file as a data URI, which needs no server or script; texts are cut like all others."""
        cut = shielded(self.data, lambda value: cell(clean(value) if isinstance(value, str) else value))
        text = cut.to_csv(index=False).encode("utf-8", "replace")
        return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text).decode("ascii")


def label(name: str) -> str:
    """Format a name for an axis or legend: its device on a separate line, each line cut to ``MAX_LINE``."""
    lines = clean(name).rsplit(" on ", 1)
    lines = [lines[0], f"on {lines[1]}"] if len(lines) == 2 else lines
    return "<br>".join(
        html.escape(line if len(line) <= MAX_LINE else line[: MAX_LINE - 1] + "…", quote=False) for line in lines
    )


def hover_text(text: str) -> str:
    """Escape text for hover labels, also within a template, where ``%{`` begins a value."""
    return html.escape(clean(text, 160), quote=False).replace("{", "&#123;")


def figure(traces: Iterable[dict[str, Any]], **layout: Any) -> dict[str, Any]:
    """Return a figure without a background: the page's style sheet colours text, grid and paper.

    ``height`` in pixels is that of the plot; the page adds the legend's height.
    """
    from plotly.io.json import to_json_plotly

    axes = {name: AXIS | layout.get(name, {}) for name in ("xaxis", "yaxis")}
    return json.loads(to_json_plotly({"data": list(traces), "layout": {**LAYOUT, **layout, **axes}}))


def scatter(**options: Any) -> dict[str, Any]:
    """Return a trace of marks or lines, which the browser draws: Plotly's classes would only check it, at a price."""
    return {**options, "type": "scatter"}


def bar(**options: Any) -> dict[str, Any]:
    """Return a trace of bars."""
    return {**options, "type": "bar"}


def error_bars(points: Sequence[tuple[float, float | None, float | None]], scale: float = 1) -> dict[str, Any]:
    """Return Plotly's error bars of (center, low, high), times ``scale``; a missing bound has length 0."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if high is None else (high - center) * scale for center, _, high in points],
        "arrayminus": [0 if low is None else (center - low) * scale for center, low, _ in points],
        "thickness": 1.5,
    }


def log_axis(low: float, high: float) -> dict[str, Any]:
    """Return a logarithmic axis from ``low`` to ``high``, both positive, with few enough labels for a phone.

    Labels are the powers of ten within; if those are fewer than four, also three times them, up to the next outside.
    """
    tens = [10.0**decade for decade in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    inside = [value for value in tens if low <= value <= high]
    if len(inside) < 4:
        finer = [value for ten in tens for value in (ten, 3 * ten)]
        first = max((value for value in finer if value <= low), default=finer[0])
        last = min((value for value in finer if value >= high), default=finer[-1])
        inside = [value for value in finer if first <= value <= last]
    return {"type": "log", "tickvals": inside}


def rows_layout(names: Sequence[str], x_title: str, *, log: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return the layout of a plot with one row for each name, the first on top, at y = 0, 1, 2 ...

    ``log`` is the range of a logarithmic x axis.
    """
    return {
        "height": FRAME_PIXELS + ROW_PIXELS * len(names),
        "xaxis": {"title": {"text": x_title}, "tickformat": "~g", **(log_axis(*log) if log else {})},
        "yaxis": {
            "tickvals": list(range(len(names))),
            "ticktext": [label(name) for name in names],
            "range": [len(names) - 0.5, -0.5],
            "showgrid": False,
        },
        "hovermode": "closest",
    }
