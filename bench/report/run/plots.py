"""Accuracy against time, and throughput against batch size, as SVG files beside the report.

The same record gives the same bytes: no date, no random identifiers, no user settings.  Matplotlib is imported when the
first plot is drawn, and used without pyplot, so that no window system is needed.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.document.section import Plot, clean
from bench.records import files
from bench.records.frames import Frames
from bench.records.stack_key import StackKey, by_stack
from bench.report.run.batch_size import crossovers, step_curves
from bench.report.run.learning import TARGET, accuracy_curves
from bench.report.run.tables import of_whole_stacks
from bench.stats.crossover import Lead
from bench.stats.learning import TARGET_VALIDATION_ACCURACY
from bench.units import format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color universal design": distinguishable for the colour-blind.  Their yellow is too pale.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")
LINE_STYLES = {"cpu": "-", "cuda": "--"}
MARKERS = {"cpu": "os^D", "cuda": "v*PX"}  # the next one when the colours repeat
LOG_SCALE_FROM = 5  # ratio of slowest to fastest stack from which the axis is logarithmic
MAX_LABEL = 60  # characters
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


def draw_plots(folder: Path, frames: Frames) -> tuple[dict[str, Plot], list[str]]:
    """Draw the plots into ``folder/plots``; return them by name, and a sentence for each that failed."""
    plots, problems = {}, []
    for name, measured, draw, alt in (
        ("accuracy", not frames.epochs.empty, _accuracy, _accuracy_alt),
        ("batch_size", bool(step_curves(frames)), _throughput, _throughput_alt),
    ):
        if not measured:
            continue
        path = Path("plots") / f"{name}.svg"
        try:
            (folder / path).parent.mkdir(exist_ok=True)
            files.write(folder / path, svg_of(lambda axes, draw=draw: draw(axes, frames)))
        except Exception as error:  # a failing plot must not cost the numbers
            problems.append(f"{path.as_posix()} was not drawn ({type(error).__name__}: {error})")
        else:
            plots[name] = Plot(path.as_posix(), alt(frames))
    return plots, problems


def svg_of(draw: Callable[[Axes], None]) -> str:
    """Return the SVG of a pair of axes filled by ``draw``, with its legend."""

    def draw_one(figure: Figure) -> None:
        axes = figure.add_subplot()
        draw(axes)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False)

    return svg_of_figure((9.0, 5.0), draw_one)


def svg_of_figure(size_inches: tuple[float, float], draw: Callable[[Figure], None]) -> str:
    """Return the SVG of a figure filled by ``draw``, in the common style, independent of matplotlib's settings.

    Importing matplotlib fails if MPLBACKEND, as set by notebooks, names a backend that it cannot find; in a home
    without a writable font cache it logs five lines, which are suppressed.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    chosen = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib.style
    finally:
        if chosen is not None:
            os.environ["MPLBACKEND"] = chosen
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    text = io.StringIO()
    with matplotlib.style.context(["default", SETTINGS]):
        figure = Figure(figsize=size_inches, layout="constrained")
        draw(figure)
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return text.getvalue()


def _accuracy(axes: Axes, frames: Frames) -> None:
    """Draw the validation accuracy after each epoch over the seconds of training and validation."""
    looks, ends = _looks(frames), []
    for stack, runs in accuracy_curves(frames):
        label = _label(stack)
        for run in runs:
            seconds = run["elapsed_seconds"]
            axes.plot(seconds, run["validation_accuracy"] * 100, label=label, markersize=3, alpha=0.7, **looks[stack])
            label = None  # one entry in the legend for all seeds of a stack
            ends.append(seconds.iloc[-1])
    axes.axhline(TARGET_VALIDATION_ACCURACY * 100, color="#666666", linewidth=1, linestyle=":", label=TARGET)
    axes.set(xlabel="training and validation, s", ylabel="validation accuracy, %")
    if max(ends) > LOG_SCALE_FROM * min(ends):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")


def _accuracy_alt(frames: Frames) -> str:
    names = _names(stack for stack, _ in by_stack(frames.epochs))
    return f"Validation accuracy over seconds of training and validation, one line for each seed: {names}"


def _throughput(axes: Axes, frames: Frames) -> None:
    """Draw examples per second over the batch size, both logarithmic, with GPU/CPU crossovers."""
    looks = _looks(frames)
    for stack, curve in step_curves(frames).items():
        rates = [size / seconds for size, seconds in curve.items()]
        axes.plot(list(curve), rates, label=_label(stack), markersize=5, **looks[stack])
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
    axes.yaxis.set_major_formatter(lambda rate, _: f"{rate:,.0f}")
    axes.set(xlabel="batch size, examples", ylabel="training steps, examples/s")
    for pair, crossing in crossovers(frames):
        if crossing.lead is Lead.CROSSES:
            axes.axvline(crossing.batch_size, color="#666666", linewidth=1, linestyle=":")
            axes.annotate(
                f"from {format_number(crossing.batch_size)} on: {_label(pair.gpu)}",
                (crossing.batch_size, 0.98),
                xycoords=("data", "axes fraction"),
                rotation=90,
                va="top",
                ha="right",
                fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )


def _throughput_alt(frames: Frames) -> str:
    return f"Examples per second of a training step over the batch size: {_names(step_curves(frames))}"


def _label(stack: StackKey) -> str:
    """Cut a name and escape dollar signs, which Matplotlib takes for mathematics."""
    return clean(stack.name, MAX_LABEL).replace("$", r"\$")


def _names(stacks: Iterable[StackKey]) -> str:
    return ", ".join(clean(stack.name, MAX_LABEL) for stack in stacks)


def drawn_stacks(frames: Frames) -> list[StackKey]:
    """Return every stack that a plot may show, in the same order for all plots of a run."""
    timed = of_whole_stacks(frames.samples)
    return list(dict.fromkeys(stack for frame in (timed, frames.epochs) for stack, _ in by_stack(frame)))


def _looks(frames: Frames) -> dict[StackKey, dict[str, Any]]:
    """Return each stack's style in every plot: colour, and line and marker by kind of device."""
    looks = {}
    for index, stack in enumerate(drawn_stacks(frames)):
        markers = MARKERS.get(stack.device_kind, "o")
        looks[stack] = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": LINE_STYLES.get(stack.device_kind, "-."),
            "marker": markers[index // len(COLOURS) % len(markers)],
        }
    return looks
