"""SVG plots in the one style of all reports, also from the charts of pages.

The same record gives the same bytes: no date, no random identifiers, no user settings.  Matplotlib is imported when the
first plot is drawn, and used without pyplot, so that no window system is needed.
"""

from __future__ import annotations

import html
import io
import logging
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.document.chart import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color universal design": distinguishable for the colour-blind.  Their yellow is too pale.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")
SETTINGS = {
    "svg.hashsalt": "mlp-bench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.5,
}
INK, PAPER = "#E6EDF3", "#0D1117"
DARK = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), PAPER),
    "grid.color": "#30363D",
}


def svg_of(draw: Callable[[Axes], None], dark: bool = False) -> str:
    """Return the SVG of a pair of axes filled by ``draw``, with its legend, on white or dark paper."""

    def draw_one(figure: Figure) -> None:
        axes = figure.add_subplot()
        draw(axes)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False)

    return svg_of_figure((9.0, 5.0), draw_one, dark)


def svg_of_figure(size_inches: tuple[float, float], draw: Callable[[Figure], None], dark: bool = False) -> str:
    """Return the SVG of a figure filled by ``draw``, in the common style, independent of matplotlib's settings.

    Importing matplotlib fails if MPLBACKEND, as set by notebooks, names a backend that it cannot find.
    """
    chosen = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib.style
    finally:
        if chosen is not None:
            os.environ["MPLBACKEND"] = chosen
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # without a home for its fonts it draws the same
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    text = io.StringIO()
    with matplotlib.style.context(["default", SETTINGS, DARK if dark else {}]):
        figure = Figure(figsize=size_inches, layout="constrained")
        draw(figure)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "constrained_layout not applied")  # names longer than the paper
            FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return text.getvalue()


# --- from the description of a chart ----------------------------------------------------------------------------------

DASHES = {"solid": "-", "dash": "--", "dot": ":"}
SYMBOLS = {
    **{"circle": "o", "square": "s", "triangle-up": "^", "diamond": "D", "star": "*", "cross": "P", "x": "X"},
    **{"hexagon": "h", "line-ns": "|"},
}


def svg_of_chart(chart: Chart, dark: bool = False) -> str:
    """Draw a chart whose traces are scatter plots; it has the colours, marks, axes and legend of its page."""
    return svg_of(lambda axes: draw_chart(axes, chart), dark)


def draw_chart(axes: Axes, chart: Chart) -> None:
    figure = chart.figure
    layout = figure["layout"]
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        _set_axis(axes, name, axis, layout[f"{name}axis"])
    for trace in figure["data"]:
        _draw_trace(axes, trace)
    for shape in layout.get("shapes", ()):
        _draw_line(axes, shape)
    for note in layout.get("annotations", ()):
        x = 10 ** note["x"] if layout["xaxis"].get("type") == "log" else note["x"]
        where = {"xycoords": ("data", "axes fraction"), "va": "top", "ha": "right", "rotation": -note["textangle"]}
        axes.annotate(_plain(note["text"]), (x, 0.98), fontsize=7, **where)


def _set_axis(axes: Axes, name: str, axis: Any, described: dict[str, Any]) -> None:
    if described.get("type") == "log":
        getattr(axes, f"set_{name}scale")("log")
        axis.set_minor_formatter(lambda value, _: "")
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    getattr(axes, f"set_{name}label")(described.get("title", {}).get("text", ""))
    if "tickvals" in described:
        texts = described.get("ticktext")
        axis.set_ticks(described["tickvals"], labels=texts and [_plain(text) for text in texts])
    if "range" in described:
        getattr(axes, f"set_{name}lim")(*described["range"])
    if described.get("showgrid") is False:
        axis.grid(False)


def _draw_trace(axes: Axes, trace: dict[str, Any]) -> None:
    marker, line, lines = trace.get("marker", {}), trace.get("line", {}), "lines" in trace["mode"]
    symbol = marker.get("symbol", "circle")
    color = line.get("color") if lines else marker["color"]
    axes.plot(
        trace["x"],
        trace["y"],
        color=color,
        linestyle=DASHES[line.get("dash", "solid")] if lines else "",
        linewidth=line.get("width", 1.5),
        marker=SYMBOLS[symbol.removesuffix("-open")] if "markers" in trace["mode"] else "",
        markersize=marker.get("size", 6) * 0.75,  # pixels of a page are 3/4 of a point
        markerfacecolor="none" if symbol.endswith("-open") else color,
        alpha=marker.get("opacity"),
        label=_plain(trace["name"]) if trace.get("showlegend", True) else None,
    )
    for name in ("x", "y"):
        if bars := trace.get(f"error_{name}"):
            errors = {f"{name}err": [bars["arrayminus"], bars["array"]]}
            axes.errorbar(trace["x"], trace["y"], **errors, fmt="none", ecolor=color)


def _draw_line(axes: Axes, shape: dict[str, Any]) -> None:
    """Draw a line across the whole plot, with its label."""
    style = {"color": shape["line"]["color"], "linewidth": 1, "linestyle": DASHES[shape["line"]["dash"]]}
    text = _plain(shape["label"]["text"]) if "label" in shape else None
    if shape.get("xref") == "paper":
        axes.axhline(shape["y0"], label=text, **style)
    else:
        axes.axvline(shape["x0"], label=text, **style)


def _plain(text: str) -> str:
    """Return a label of a page as plain text, with the dollar signs escaped, which Matplotlib takes for mathematics."""
    return html.unescape(text.replace("<br>", "\n")).replace("$", r"\$")
