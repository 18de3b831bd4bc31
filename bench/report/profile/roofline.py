"""Roofline of a profile: the rate of each operation against the measured peak FLOP/s and bandwidths.

S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures" (2009): attainable FLOP/s = min(peak FLOP/s, FLOP/byte * bytes/s).  Here the roofs are measured: the rate
of a large square product, and the bandwidth of elementwise arithmetic in the caches and of a copy far beyond them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from bench.document.svg import COLOURS, svg_of
from bench.records import files
from bench.records.ceilings import Ceilings
from bench.records.profile import KINDS, Operation, Profile
from bench.roofline.ceilings import COPY, ELEMENTWISE, SQUARE
from bench.units import format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELS, MOST_CHARACTERS = 6, 28
SMALLEST_SHARE = 0.005  # of the step


@dataclass(frozen=True)
class RooflinePoint:
    """Operation of a training step; ``flop_per_byte`` counts the bytes of each of its arrays once."""

    name: str
    kind: str
    flop_per_byte: float
    flop_per_second: float
    seconds: float


def points(profile: Profile) -> list[RooflinePoint]:
    """Return the operations with at least SMALLEST_SHARE of a training step, the most expensive first.

    If its FLOP are unknown, an operation counts one per element of its largest array, a lower bound.
    """
    found = []
    for one in profile.of("train_step"):
        flop = one.flop or _elements(one)
        if flop and one.bytes and one.seconds > 0 and (profile.share(one) or 1) >= SMALLEST_SHARE:
            found.append(RooflinePoint(one.name, one.kind, flop / one.bytes, flop / one.seconds, one.seconds))
    return found


def _elements(operation: Operation) -> int | None:
    """Return the elements of the largest array; None if the operation computes nothing."""
    if operation.kind in ("copy", "host"):
        return None
    return max((prod(shape) for shape in (*operation.input_shapes, *operation.output_shapes)), default=None)


def roofs(ceilings: Ceilings) -> tuple[float | None, dict[str, float]]:
    """Return (peak FLOP/s, {name: bytes/s}); unmeasured ones are None or missing."""
    square = ceilings.best(SQUARE)
    found = {"elementwise, in the caches": ceilings.best(ELEMENTWISE), "copy, beyond the caches": ceilings.best(COPY)}
    slopes = {name: one.bytes_per_second for name, one in found.items() if one is not None and one.bytes_per_second}
    return (square.flop_per_second if square else None), slopes


def write_roofline(profile: Profile, path: Path) -> str | None:
    """Draw the plot as SVG; return a sentence if there is nothing to draw, or no roof.

    Raises RecordError if the file cannot be written.
    """
    found = points(profile)
    if not found:
        return "No roofline was drawn: the bytes of no operation of a training step are known."
    files.write(path, svg_of(lambda axes: _draw(axes, profile, found)), "profile.json is complete: make room")
    return None if profile.ceilings else "The roofline has no roofs: no ceilings were measured beside this profile."


def _draw(axes: Axes, profile: Profile, found: list[RooflinePoint]) -> None:
    lowest, highest = min(one.flop_per_byte for one in found) / 4, max(one.flop_per_byte for one in found) * 4
    for label, intensities, rates, style in _roof_lines(profile.ceilings, lowest, highest):
        axes.plot(intensities, rates, color="#666666", linewidth=1, linestyle=style, label=label)
    for index, kind in enumerate(KINDS):
        own = [one for one in found if one.kind == kind]
        if own:
            axes.scatter(
                [one.flop_per_byte for one in own],
                [one.flop_per_second / 1e9 for one in own],
                color=COLOURS[index % len(COLOURS)],
                label=kind,
                zorder=3,
            )
    for one in found[:MOST_LABELS]:
        axes.annotate(
            one.name if len(one.name) <= MOST_CHARACTERS else f"{one.name[: MOST_CHARACTERS - 1]}…",
            (one.flop_per_byte, one.flop_per_second / 1e9),
            xytext=(5, -9),
            textcoords="offset points",
            fontsize=6,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set(xlabel="arithmetic intensity, FLOP/byte", ylabel="GFLOP/s", title=f"A training step of {profile.label}")


def _roof_lines(
    ceilings: Ceilings | None, lowest: float, highest: float
) -> Iterator[tuple[str, list[float], list[float], str]]:
    """Yield (label, FLOP/byte, GFLOP/s, line style) of each roof; slopes end at the flat one."""
    if ceilings is None:
        return
    peak, slopes = roofs(ceilings)
    if peak is not None:
        label = f"large square product: {format_number(peak / 1e9)} GFLOP/s"
        yield label, [lowest, highest], [peak / 1e9] * 2, "-"
    for style, (name, slope) in zip(("--", ":"), slopes.items(), strict=False):
        end = highest if peak is None else min(highest, peak / slope)
        start = min(lowest, end / 2)
        rates = [start * slope / 1e9, end * slope / 1e9]
        yield f"{name}: {format_number(slope / 1e9)} GB/s", [start, end], rates, style
