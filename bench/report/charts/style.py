"""Styles of stacks and phases in the plots of a page, on light and on dark background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.records.frames import Frames
from bench.records.stack_key import StackKey, by_stack
from bench.report.run.tables import exclude_ablation

# After Okabe and Ito (2008), "Color universal design", distinguishable for the colour-blind.  Their orange, sky blue
# and purple are darkened for a contrast of 3:1 with white and with the page's dark background (WCAG 2.2, 1.4.11).
BLUE, VERMILION, GREEN, PURPLE, OCHRE, SKY, GREY = (
    *("#0072B2", "#D55E00", "#009E73", "#B8649A", "#AE7C00", "#3F8FC0"),
    "#767C83",
)
LOG_SCALE_FROM = 5  # ratio of slowest to fastest stack from which the axis is logarithmic
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, OCHRE, SKY, GREY)
ACCENT = BLUE
SYMBOLS = {"cpu": ("circle", "square", "triangle-up", "diamond"), "cuda": ("star", "cross", "x", "hexagon")}
DASHES = {"cpu": "solid", "cuda": "dash"}
PHASES = {
    "load": GREY,
    "build": PURPLE,
    "transfer": OCHRE,
    "compile": VERMILION,
    "train": BLUE,
    "validate": SKY,
    "test": GREEN,
}
# Of operations in a profile: (colour, pattern), as there are more kinds than colours.
KINDS = {
    "gemm": (BLUE, ""),
    "elementwise": (SKY, ""),
    "rng": (VERMILION, ""),
    "reduction": (PURPLE, ""),
    "copy": (OCHRE, ""),
    "softmax": (GREEN, ""),
    "update": (GREEN, "/"),
    "host": (GREY, ""),
    "program": (BLUE, "/"),
}
REST = (GREY, "/")
DOTTED = {"color": GREY, "width": 1, "dash": "dot"}
# A dot on top of a bar of any colour.
DOT = {"color": "#FFFFFF", "size": 6, "line": {"color": "#24292E", "width": 1.2}}


def drawn_stacks(frames: Frames) -> list[StackKey]:
    """Return every stack that a plot may show, in the same order for all plots of a run."""
    timed = exclude_ablation(frames.samples[[*StackKey._fields, "harness"]])
    return list(dict.fromkeys(stack for frame in (timed, frames.epochs) for stack, _ in by_stack(frame)))


def styles_of(stacks: Sequence[StackKey]) -> dict[StackKey, dict[str, Any]]:
    """Return {stack: {"color", "symbol", "dash"}}; after seven stacks colours repeat with the next symbol."""
    styles = {}
    for index, stack in enumerate(stacks):
        symbols = SYMBOLS.get(stack.device_kind, ("circle",))
        styles[stack] = {
            "color": COLOURS[index % len(COLOURS)],
            "symbol": symbols[index // len(COLOURS) % len(symbols)],
            "dash": DASHES.get(stack.device_kind, "dot"),
        }
    return styles


def line_across(axis: str, value: float) -> dict[str, Any]:
    """Return a dotted line across the whole plot where ``axis``, x or y, has ``value``, as a shape of its layout."""
    other = {"x": "y", "y": "x"}[axis]
    ends = {f"{axis}0": value, f"{axis}1": value, f"{other}0": 0, f"{other}1": 1}
    return {"type": "line", **ends, f"{other}ref": "paper", "line": DOTTED}
