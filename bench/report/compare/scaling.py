"""Scaling curves of several runs side by side."""

from __future__ import annotations

from bench.document.section import Section
from bench.document.table import INTEGER, NUMBER, NUMBER_INTERVAL, SHARE, Column
from bench.report.compare.comparable import Comparable
from bench.report.compare.comparison import Comparison
from bench.report.run.tables import ratio_cells
from bench.report.run.threads import ThreadPoint


def threads_sections(comparison: Comparison) -> list[Section]:
    """Return the speed-up and efficiency of each stack that two sides measured with several numbers of threads."""
    sides = [side for side in comparison.sides if side.thread_scalings]
    if len(sides) < 2:
        return []
    points = {side.name: _points(side) for side in sides}
    keys = list(dict.fromkeys(key for found in points.values() for key in found))
    shared = [stack for stack, _ in keys if sum(any(one == stack for one, _ in found) for found in points.values()) > 1]
    rows = [
        [*key, *(cell for side in sides for cell in _cells(points[side.name].get(key)))]
        for key in keys
        if key[0] in shared
    ]
    if not rows:
        return []
    columns: list[Column | str] = ["stack", Column("threads", INTEGER)]
    for side in sides:
        columns += [Column(f"{side.name}, speed-up", NUMBER), Column(f"{side.name}, 95 % interval", NUMBER_INTERVAL)]
        columns += [Column(f"{side.name}, efficiency", SHARE)]
    sentence = (
        "Speed-up against the one-thread run of the same stack on the same machine, so it compares how machines scale "
        "and not how fast they are."
    )
    return [Section("Threads: scaling side by side", [sentence], columns, rows)]


def _points(side: Comparable) -> dict[tuple[str, int], ThreadPoint]:
    return {(one.stack.name, point.threads): point for one in side.thread_scalings for point in one.points}


def _cells(point: ThreadPoint | None) -> list:
    return [None, (None, None), None] if point is None else [*_bounded(point), point.efficiency]


def _bounded(point: ThreadPoint) -> list:
    center, bounds = ratio_cells(point.speedup)
    return [center, bounds or (None, None)]
