"""Scaling of several runs side by side: speed-up with threads and devices, and rate of copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.document.section import Section
from bench.document.table import INTEGER, NUMBER, NUMBER_INTERVAL, SHARE, Column, Kind
from bench.report.compare.comparable import Comparable
from bench.report.compare.comparison import Comparison
from bench.report.run.copies import Split
from bench.report.run.devices import DevicePoint
from bench.report.run.tables import ratio_cells
from bench.report.run.threads import ThreadPoint

SPEED_UP = (
    "Speed-up against the one-thread run of the same stack on the same machine: it compares how machines scale and not "
    "how fast they are."
)
DEVICES_SPEED_UP = (
    "Speed-up in examples per second against the plain training of the same backend on one device of the same machine."
)
RATE = "Trainings per hour: copies over the time of the slowest. A rate of the machine and not a speed of one training."


def scaling_sections(comparison: Comparison) -> list[Section]:
    """Return the curves of each stack that two sides measured."""
    threads = {side.name: _points(side) for side in comparison.sides if side.thread_scalings}
    copies = {side.name: _splits(side) for side in comparison.sides if side.copy_scalings}
    devices = {side.name: _device_points(side) for side in comparison.sides if side.device_points}
    of_threads = (("speed-up", NUMBER), ("95 % interval", NUMBER_INTERVAL), ("efficiency", SHARE))
    of_copies = (("trainings/h", NUMBER), ("95 % interval", NUMBER_INTERVAL))
    keys = ["stack", Column("threads", INTEGER)]
    device_keys = ["stack", Column("devices", INTEGER), Column("global batch", INTEGER)]
    return [
        *_side_by_side("Threads: scaling side by side", SPEED_UP, threads, keys, of_threads, _scaling_cells),
        *_side_by_side("Copies: rate side by side", RATE, copies, ["stack", "split"], of_copies, _rate_cells),
        *_side_by_side(
            "Devices: scaling side by side", DEVICES_SPEED_UP, devices, device_keys, of_threads, _scaling_cells
        ),
    ]


def _points(side: Comparable) -> dict[tuple[str, int], ThreadPoint]:
    return {(one.stack.name, point.threads): point for one in side.thread_scalings for point in one.points}


def _splits(side: Comparable) -> dict[tuple[str, str], Split]:
    return {(one.stack.name, split.name): split for one in side.copy_scalings for split in one.splits}


def _device_points(side: Comparable) -> dict[tuple[str, int, int], DevicePoint]:
    """Return the points with a speed-up; devices that are emulated on one CPU have none."""
    points = [one for one in side.device_points if one.speedup is not None and not one.emulated]
    return {(one.name, one.devices, one.batch_size): one for one in points}


def _side_by_side(
    title: str,
    sentence: str,
    found: Mapping[str, Mapping[tuple[Any, ...], Any]],
    keys: Sequence[Column | str],
    columns: Sequence[tuple[str, Kind]],
    cells: Callable[[Any], list[Any]],
) -> list[Section]:
    """Return one table with ``columns`` for each side; empty if no stack, the first key, has values of two sides."""
    names = list(dict.fromkeys(key for values in found.values() for key in values))
    stacks_by_side = [{key[0] for key in values} for values in found.values()]
    shared = {key[0] for key in names if sum(key[0] in stacks for stacks in stacks_by_side) > 1}
    rows = [
        [*key, *(cell for values in found.values() for cell in _cells(values.get(key), cells, len(columns)))]
        for key in names
        if key[0] in shared
    ]
    headers = [Column(f"{side}, {name}", kind) for side in found for name, kind in columns]
    return [Section(title, [sentence], [*keys, *headers], rows)] if rows else []


def _cells(value: Any, cells: Callable[[Any], list[Any]], count: int) -> list[Any]:
    return [None] * count if value is None else cells(value)


def _scaling_cells(point: ThreadPoint | DevicePoint) -> list[Any]:
    return [*ratio_cells(point.speedup), point.efficiency]


def _rate_cells(split: Split) -> list[Any]:
    return ratio_cells(split.hourly)
