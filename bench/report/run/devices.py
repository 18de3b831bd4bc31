"""Data-parallel training on several devices: strong and weak scaling against the plain training on one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.document.section import Section
from bench.document.table import FRACTION, INTEGER, NUMBER, SECONDS, SHARE, Cells, Column, table
from bench.records.columns import SCALING
from bench.records.core_states import CoreState
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.select import estimate_of, paired_rounds
from bench.records.stack_key import groups, or_none
from bench.report.run.tables import interval_sentences, rows_with, speedup_row, with_interval
from bench.report.run.threads import learns_worse
from bench.stats import estimates
from bench.units import format_percent
from mlp.recipe import CANONICAL

HARNESS = SCALING[2]
PLAIN, STRONG, WEAK = "plain", "strong", "weak"
KEYS = ["backend", "variant", "device", "devices", "batch_size"]


@dataclass(frozen=True)
class DevicePoint:
    """Training on ``devices``; None for the plain backend on one."""

    backend: str
    variant: str
    device: str
    devices: int | None
    mode: str  # ``plain``; ``strong``: the recipe's batch size for all devices together; ``weak``: for each
    batch_size: int
    per_epoch: estimates.Estimate  # seconds of a training epoch
    examples: int
    speedup: estimates.Ratio | None  # examples/s over those of the plain training, of the same interleaved rounds
    all_reduce_seconds: float | None  # of all gradients, measured alone
    validation_accuracy: float | None
    learns_worse: bool
    emulated: bool  # the devices share the cores of one processor: the point shows correctness, and no speed

    @property
    def name(self) -> str:
        return f"{self.backend}/{self.variant} on {self.device}"

    @property
    def all_reduce_share(self) -> float | None:
        """Upper bound of the all-reduces' share of the epoch: gradients may travel during the backward pass."""
        if self.all_reduce_seconds is None:
            return None
        return self.examples / self.batch_size * self.all_reduce_seconds / self.per_epoch.center

    @property
    def efficiency(self) -> float | None:
        """Speed-up for each device; None where devices are emulated."""
        if self.speedup is None or self.emulated or self.devices is None:
            return None
        return self.speedup.center / self.devices


def device_points(header: RunHeader, frames: Frames, states: Mapping[int, CoreState]) -> list[DevicePoint]:
    """Return the points of each backend and device: the plain training first, then by devices and batch size."""
    samples = frames.samples[frames.samples["harness"] == HARNESS].dropna(subset=["round"])
    placements = frames.scaling[frames.scaling["harness"] == HARNESS]
    batch_size = header.recipe.get("batch_size") or CANONICAL.batch_size
    found = []
    for _, rows in groups(samples, ["backend", "device"]):
        epochs = {tuple(keys.values()): own for keys, own in groups(rows, KEYS)}
        found += _points(epochs, placements, batch_size, states)
    return found


def _points(
    rows: Mapping[tuple[Any, ...], pd.DataFrame],
    placements: pd.DataFrame,
    batch_size: int,
    states: Mapping[int, CoreState],
) -> Iterator[DevicePoint]:
    epochs = {key: own[own["measurement"] == "train_epoch"] for key, own in rows.items()}
    epochs = {key: own.assign(seconds=own["seconds"] / own["examples"]) for key, own in epochs.items() if len(own)}
    per_example = paired_rounds(epochs, states)
    base = next((key for key in epochs if key[3] is None), None)
    accuracy_of = {key: _accuracy(placements, key) for key in epochs}
    for key in sorted(epochs, key=lambda key: (key[3] is not None, key[3] or 0, key[4])):
        own, accuracy = rows[key], accuracy_of[key]
        reductions = own[own["measurement"] == "all_reduce"]
        own_rounds, plain_rounds = per_example[key], per_example.get(base, {})
        yield DevicePoint(
            *key[:4],
            mode=_mode(key[3], key[4], batch_size),
            batch_size=key[4],
            per_epoch=estimate_of(own[own["measurement"] == "train_epoch"]),
            examples=int(epochs[key]["examples"].iloc[0]),
            speedup=None if key == base else estimates.paired_ratio(plain_rounds, own_rounds),
            all_reduce_seconds=estimate_of(reductions).center if len(reductions) else None,
            validation_accuracy=accuracy,
            learns_worse=learns_worse(accuracy, accuracy_of.get(base)),
            emulated=key[3] is not None and key[2] == "cpu",
        )


def _mode(devices: int | None, batch_size: int, own_batch_size: int) -> str:
    if devices is None:
        return PLAIN
    return STRONG if batch_size == own_batch_size else WEAK


def _accuracy(placements: pd.DataFrame, key: tuple[Any, ...]) -> float | None:
    """Return the median validation accuracy of the case of ``key``, values of ``KEYS``."""
    chosen = rows_with(placements, dict(zip(KEYS, key, strict=True)))
    return or_none(chosen["validation_accuracy"].median())


def devices_sections(points: list[DevicePoint]) -> list[Section]:
    """Return a table of the emulated devices and one of the others, each with its plain trainings."""
    kinds = dict.fromkeys(point.device.partition(":")[0] for point in points)
    return [_section(kind, [one for one in points if one.device.partition(":")[0] == kind]) for kind in kinds]


def _section(kind: str, points: list[DevicePoint]) -> Section:
    emulated = any(point.emulated for point in points)
    rows = [_cells(point, emulated) for point in points]
    sentences = [_how_to_read(points), *learning_sentences(points)]
    sentences += interval_sentences(
        [one.per_epoch for one in points], [] if emulated else [one.speedup for one in points]
    )
    title = "Devices: data-parallel training" + (", emulated on one CPU" if emulated else f" on {kind}")
    notices = [EMULATION] if emulated else []
    return Section(title, sentences, *table(rows), [] if emulated else [HARNESS], notices)


def device_rows(points: list[DevicePoint]) -> list[dict[str, Any]]:
    """Return the points as flat rows, for CSV and JSON; None where unknown, as the speed-up of emulated devices is."""
    return [
        {
            "stack": point.name,
            "scaling": point.mode,
            "devices": point.devices,
            "batch_size": point.batch_size,
            "emulated": point.emulated,
            "train_epoch_seconds": point.per_epoch.center,
            **speedup_row(None if point.emulated else point.speedup),
            "efficiency": point.efficiency,
            "all_reduce_seconds": point.all_reduce_seconds,
            "validation_accuracy": point.validation_accuracy,
        }
        for point in points
    ]


EMULATION = (
    "Emulation: these devices are host devices or processes that share the cores of one CPU. The numbers show that "
    "training works and learns as on one device, not how fast several devices are, and nothing is ranked by them."
)


def _how_to_read(points: list[DevicePoint]) -> str:
    plain = ", ".join(point.name for point in points if point.devices is None)
    base = f"{plain}: the plain training without communication. " if plain else "The plain training is missing. "
    size = min(point.batch_size for point in points)
    return (
        f"Strong: the minibatch of {size} is divided among the devices; weak: each device has {size}, so that an epoch "
        f"has fewer updates. {base}One device of a data-parallel stack has its overhead alone. All-reduce: of all "
        "gradients, measured alone; their share of the epoch is an upper bound, as they may travel during the backward "
        "pass."
    )


def learning_sentences(points: list[DevicePoint]) -> list[str]:
    """Name the points whose accuracy is below the interval of the plain training."""
    return [
        f"{one.name} with {one.devices} devices and a global batch of {one.batch_size:,} reaches "
        f"{format_percent(one.validation_accuracy)} in as many epochs, less than the plain training"
        f"{': it makes fewer updates' if one.mode == WEAK else ', with as many updates'}."
        for one in points
        if one.learns_worse
    ]


def _cells(point: DevicePoint, emulated: bool) -> Cells:
    speed = [
        *with_interval(Column("speed-up", NUMBER), point.speedup, "speed-up"),
        (Column("efficiency", SHARE), point.efficiency),
    ]
    return [
        ("stack", point.name),
        ("scaling", f"{STRONG} and {WEAK}" if point.devices == 1 else point.mode),
        (Column("devices", INTEGER), point.devices),
        (Column("global batch", INTEGER), point.batch_size),
        *with_interval(Column("training epoch", SECONDS), point.per_epoch, "epoch"),
        *([] if emulated else speed),
        (Column("all-reduce", SECONDS), point.all_reduce_seconds),
        (Column("all-reduces / epoch", SHARE), point.all_reduce_share),
        (Column("validation accuracy", FRACTION), point.validation_accuracy),
    ]
