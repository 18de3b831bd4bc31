"""Rate of independent trainings side by side: trainings per hour, slow-down of each, energy, and the best split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import pandas as pd

from bench.document.section import Section
from bench.document.table import FRACTION, INTEGER, JOULES, NUMBER, SECONDS, Cells, Column, table
from bench.records.columns import SCALING
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.stack_key import StackKey, by_stack, groups, or_none
from bench.report.run.tables import drop_constant_column, interval_sentences, with_interval
from bench.report.run.threads import learns_worse
from bench.stats import estimates
from bench.units import format_number, format_range, number_of
from mlp.recipe import CANONICAL

HARNESS = SCALING[1]
HOUR_SECONDS = 3600.0
SplitKey = tuple[int, int]  # copies, threads of each


@dataclass(frozen=True)
class Split:
    """Copies side by side, each with ``threads`` threads; None where unknown."""

    copies: int
    threads: int
    hourly: estimates.Estimate  # trainings: copies over the time of the slowest, as SPECrate counts, over the rounds
    seconds: float  # median time of a training by the reference clock
    slowdown: estimates.Ratio | None  # a copy (median of the round) over the same training alone with these threads
    worst_slowdown: float | None  # the same of the slowest copy, median over rounds
    joules_per_training: float | None  # of the processor packages, all programs included
    cpus: tuple[str, ...]  # logical cores of each copy
    validation_accuracy: float | None
    learns_worse: bool

    @property
    def name(self) -> str:
        return f"{self.copies} x {number_of(self.threads, 'thread')}"


@dataclass(frozen=True)
class CopyScaling:
    """Splits of one stack, whose ``threads`` is None, by copies.

    ``gain`` is the hourly rate of the best split over that of ``rival``; None without one.
    """

    stack: StackKey
    num_epochs: int | None
    splits: tuple[Split, ...]
    gain: estimates.Ratio | None

    @property
    def best(self) -> Split:
        """The split with the highest median rate among those that learn as a training alone does."""
        fit = [split for split in self.splits if not split.learns_worse] or self.splits
        return max(fit, key=lambda split: split.hourly.center)

    @property
    def rival(self) -> Split | None:
        """One training with the most threads; if that is the best split, the best with several copies."""
        alone = [split for split in self.splits if split.copies == 1]
        whole = max(alone, key=lambda split: split.threads, default=None)
        if self.best is not whole:
            return whole
        several = [split for split in self.splits if split.copies > 1]
        return max(several, key=lambda split: split.hourly.center, default=None)


def copy_scalings(header: RunHeader, frames: Frames) -> list[CopyScaling]:
    """Return the splits of each stack that the harness measured, from processes whose every copy has a valid time."""
    rows = frames.scaling[frames.scaling["harness"] == HARNESS].dropna(subset=["round", "copies", "threads"])
    rows = rows[rows["process"].isin(frames.samples["process"])]  # without those that drop_invalid dropped
    by_split: dict[StackKey, dict[SplitKey, pd.DataFrame]] = {}
    for stack, own in by_stack(rows):
        for keys, copies in groups(own, ["copies"]):
            by_split.setdefault(stack._replace(threads=None), {})[(keys["copies"], stack.threads)] = copies
    num_epochs = header.recipe.get("num_epochs")
    return [_scaling(stack, splits, num_epochs) for stack, splits in by_split.items()]


def _scaling(stack: StackKey, rows: Mapping[SplitKey, pd.DataFrame], num_epochs: int | None) -> CopyScaling:
    splits = tuple(_split(key, rows) for key in sorted(rows))
    found = CopyScaling(stack, num_epochs, splits, None)
    best, rival = found.best, found.rival
    if rival is None:
        return found
    # A rate of a round is copies / seconds, so the ratio of two is that of the seconds for one training, swapped.
    per_training = [
        {number: max(times) / split.copies for number, times in _by_round(rows[(split.copies, split.threads)]).items()}
        for split in (rival, best)
    ]
    return replace(found, gain=estimates.paired_ratio(*per_training))


def _by_round(rows: pd.DataFrame) -> dict[int, list[float]]:
    """Return {interleaved round: seconds of each copy}."""
    return {int(number): own["total_seconds"].tolist() for number, own in rows.groupby("round", observed=True)}


def _split(key: SplitKey, rows: Mapping[SplitKey, pd.DataFrame]) -> Split:
    copies, threads = key
    own, alone = rows[key], rows.get((1, threads))
    times = _by_round(own)
    base = {} if alone is None else {number: median(seconds) for number, seconds in _by_round(alone).items()}
    worst = [max(seconds) / base[number] for number, seconds in times.items() if number in base]
    accuracy = or_none(own["validation_accuracy"].median())
    return Split(
        copies=copies,
        threads=threads,
        hourly=estimates.estimate([[copies * HOUR_SECONDS / max(seconds)] for seconds in times.values()]),
        seconds=median(one for seconds in times.values() for one in seconds),
        slowdown=estimates.paired_ratio({number: median(seconds) for number, seconds in times.items()}, base),
        worst_slowdown=median(worst) if worst else None,
        joules_per_training=_joules(own, copies),
        cpus=tuple(dict.fromkeys(own["cpus"].dropna())),
        validation_accuracy=accuracy,
        learns_worse=learns_worse(accuracy, None if alone is None else or_none(alone["validation_accuracy"].median())),
    )


def _joules(rows: pd.DataFrame, copies: int) -> float | None:
    joules = or_none(rows.groupby("round", observed=True)["cpu_energy_joules"].first().median())
    return None if joules is None else joules / copies


def copies_sections(scalings: list[CopyScaling]) -> list[Section]:
    """Return one table of all stacks, with the best split of each in a sentence."""
    if not scalings:
        return []
    rows = [[("stack", one.stack.name), *_cells(split)] for one in scalings for split in one.splits]
    sentences = [
        f"Independent trainings{_of_epochs(scalings[0].num_epochs)} side by side, each on cores of its own. The rate "
        "is copies over the time of the slowest, by the reference clock, and not a speed of one training. Slow-down: "
        "against the same training alone with as many threads, in the same interleaved round.",
        *(best_sentence(one) for one in scalings),
        *interval_sentences(*([split.hourly, split.slowdown] for one in scalings for split in one.splits)),
    ]
    notices = [
        f"{one.stack.name} in {split.name} learns worse than alone: it is not called the best split."
        for one in scalings
        for split in one.splits
        if split.learns_worse
    ]
    title = "Copies: trainings side by side"
    return [drop_constant_column(Section(title, sentences, *table(rows), [HARNESS], notices))]


def _of_epochs(num_epochs: int | None) -> str:
    if num_epochs in (None, CANONICAL.num_epochs):
        return ""
    return f" of {num_epochs} epochs, which are not the canonical {CANONICAL.num_epochs},"


def _cells(split: Split) -> Cells:
    several = split.copies > 1
    return [
        (Column("copies", INTEGER), split.copies),
        (Column("threads of each", INTEGER), split.threads),
        ("cores", "; ".join(split.cpus) or None),
        (Column("training", SECONDS), split.seconds),
        *with_interval(Column("trainings/h", NUMBER), split.hourly, "trainings/h"),
        *with_interval(Column("slow-down", NUMBER), split.slowdown if several else None, "slow-down"),
        (Column("slowest copy", NUMBER), split.worst_slowdown if several else None),
        (Column("energy of a training", JOULES), split.joules_per_training),
        (Column("validation accuracy", FRACTION), split.validation_accuracy),
    ]


def best_sentence(one: CopyScaling) -> str:
    name, best, rival = one.stack.name, one.best, one.rival
    rate = f"{format_number(best.hourly.center)} trainings per hour"
    if rival is None or one.gain is None:
        return f"{name} was measured in {best.name}: {rate}; nothing is compared."
    told = f"{best.name}, {rate}, {format_number(one.gain.center)} times that of {rival.name}"
    if one.gain.low is None:
        return f"The highest rate of {name} is that of {told}; too few rounds show no difference."
    told += f" (95 % interval {format_range(one.gain.low, one.gain.high)})"
    if not one.gain.differs:
        return f"No split is shown to be the best for {name}; the highest rate is that of {told}."
    return f"The best split of this machine for {name} is {told}."


def copy_rows(scalings: list[CopyScaling]) -> list[dict[str, Any]]:
    """Return the splits as flat rows, for CSV and JSON; None where unknown."""
    return [
        {
            "stack": scaling.stack.name,
            "copies": split.copies,
            "threads": split.threads,
            "trainings_per_hour": split.hourly.center,
            "trainings_per_hour_low": split.hourly.low,
            "trainings_per_hour_high": split.hourly.high,
            "training_seconds": split.seconds,
            "slowdown": None if split.slowdown is None else split.slowdown.center,
            "slowest_copy_slowdown": split.worst_slowdown,
            "joules_per_training": split.joules_per_training,
        }
        for scaling in scalings
        for split in scaling.splits
    ]
