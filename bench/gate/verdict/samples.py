"""Conversion of process samples to comparable blocks, or the reason for a refusal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.gate.verdict.ranks import BlockShape, pairwise_differences
from bench.gate.verdict.values import Metric, ProcessSample, Unit, Verdict

SIDES = {"A": "base", "B": "candidate"}


@dataclass(frozen=True)
class PairedBlocks:
    """Blocks that both sides measured completely, ordered by number.

    ``differences``: candidate - base of all pairs within blocks, ascending, positive is worse; logarithms of ratios, or
    points of accuracy lost.  ``left_out`` counts blocks in which a process has no value.
    """

    differences: np.ndarray
    shapes: tuple[BlockShape, ...]
    left_out: int

    @property
    def num_processes(self) -> int:
        return sum(num_a + num_b for num_a, num_b in self.shapes)

    @property
    def left_out_text(self) -> str:
        """End of a reason: empty, or the number of excluded blocks and why."""
        if not self.left_out:
            return ""
        return f"; left out: {self.left_out} block{'s'[: self.left_out > 1]} in which a process has no value"


def effect_on_scale(metric: Metric) -> float:
    """Return the effect that matters on the scale of the differences."""
    return math.log1p(metric.effect) if metric.is_ratio else metric.effect


def refusal(
    metric: Metric, comparison: Sequence[ProcessSample], control: Sequence[ProcessSample]
) -> tuple[Verdict, str] | None:
    """Return verdict and reason if these samples must not be judged; None if they may be.

    An invalid value is not skipped like a missing one: a candidate whose loss is NaN must not pass on its other runs.
    """
    for side, name in SIDES.items():
        values = [sample.value for sample in comparison if sample.side == side]
        if not values:
            return Verdict.NOT_MEASURED, f"the {name} was not measured"
        if all(value is None for value in values):
            return Verdict.NOT_MEASURED, f"none of the {len(values)} processes of the {name} measured it"
    for where, samples in (("", comparison), ("in the control, ", control)):
        if wrong := _unsound(samples, metric.unit):
            return Verdict.UNDECIDED, where + wrong
    return None


def _unsound(samples: Sequence[ProcessSample], unit: Unit) -> str | None:
    wrong = [sample for sample in samples if sample.value is not None and not _is_sound(sample.value, unit)]
    if not wrong:
        return None
    wanted = "a fraction from 0 to 1" if unit == "accuracy" else "a positive finite number"
    first = wrong[0]
    where = f"block {first.block}, {SIDES[first.side]}"
    return f"{len(wrong)} of {len(samples)} samples are not {wanted} (the first: {first.value!r} in {where})"


def _is_sound(value: float, unit: Unit) -> bool:
    return 0 <= value <= 1 if unit == "accuracy" else math.isfinite(value) and value > 0


def on_scale(metric: Metric, value: float | None) -> float | None:
    """Return a value on the scale of the differences, larger is worse; None if it is missing or invalid."""
    if value is None or not math.isfinite(value) or (metric.is_ratio and value <= 0):
        return None
    return math.log(value) if metric.is_ratio else -value


def from_scale(metric: Metric, difference: float) -> float:
    """Convert a difference to the reported value: the ratio candidate / base, or the difference of accuracies."""
    return math.exp(difference) if metric.is_ratio else -difference


def to_blocks(samples: Sequence[ProcessSample], metric: Metric) -> PairedBlocks:
    """Return the blocks of valid ``samples``.

    A block in which one process has no value is excluded as a whole, which treats both sides alike.
    """
    numbers = sorted({sample.block for sample in samples})
    complete, left_out = [], 0
    for number in numbers:
        block = [sample for sample in samples if sample.block == number]
        sides = [[on_scale(metric, sample.value) for sample in block if sample.side == side] for side in SIDES]
        if any(None in side for side in sides) or not all(sides):
            left_out += 1
        else:
            complete.append(sides)
    shapes = tuple((len(a), len(b)) for a, b in complete)
    return PairedBlocks(pairwise_differences(complete), shapes, left_out)
