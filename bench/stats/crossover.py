"""Batch sizes from which on one device trains faster than another, or a stack at half of its peak: on step times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Lead(Enum):
    """Where, among the measured batch sizes, the challenger is ahead of the incumbent."""

    CROSSES = "crosses"  # from some batch size on
    ALWAYS = "always"  # at every measured batch size
    NEVER = "never"  # not at the largest one, so from no batch size on


@dataclass(frozen=True)
class Crossover:
    """``batch_size`` and its bracket (two measured batch sizes, in examples) are None unless the lead ``CROSSES``."""

    lead: Lead
    batch_size: float | None
    below: int | None
    above: int | None
    largest: int  # the largest batch size that both measured, where the answer ends


def crossover(incumbent: Mapping[int, float], challenger: Mapping[int, float]) -> Crossover | None:
    """The batch size from which the challenger's examples/s exceed the incumbent's, or None without a common one.

    Both map batch sizes to the seconds of one training step.  Noise can make two curves cross more than once; what
    counts is the last crossing, above which the challenger was ahead at every measured batch size.  Between the two
    batch sizes that bracket it, the difference of the two times is taken as linear in B: that is exact where each
    follows its law t = a + b*B, and the crossing is then (a2 - a1) / (b1 - b2).

    Raises
    ------
    ValueError
        If a duration is not a positive finite number, or a batch size not positive.
    """
    sizes = sorted(incumbent.keys() & challenger.keys())
    if not sizes:
        return None
    times = [seconds for size in sizes for seconds in (incumbent[size], challenger[size])]
    if not all(math.isfinite(value) and value > 0 for value in (*sizes, *times)):
        raise ValueError("batch sizes and durations must be positive finite numbers")
    # Negative where the challenger is faster.
    differences = [challenger[size] - incumbent[size] for size in sizes]
    behind = [index for index, difference in enumerate(differences) if difference >= 0]
    if not behind:
        return Crossover(Lead.ALWAYS, None, None, None, sizes[-1])
    last = behind[-1]
    if last == len(sizes) - 1:
        return Crossover(Lead.NEVER, None, None, None, sizes[-1])
    below, above = sizes[last], sizes[last + 1]
    fraction = differences[last] / (differences[last] - differences[last + 1])
    return Crossover(Lead.CROSSES, below + fraction * (above - below), below, above, sizes[-1])


@dataclass(frozen=True)
class HalfPeak:
    """Half of the greatest measured throughput; ``batch_size`` and ``below`` are None if the smallest size has it."""

    peak_examples_per_second: float
    batch_size: float | None
    below: int | None
    above: int  # the measured batch size from which on, up to the peak's, all reach it


def half_peak(seconds: Mapping[int, float]) -> HalfPeak | None:
    """Where the examples/s of ``{batch size: seconds of a step}`` reach half of their maximum; None without a size.

    Between the two measured batch sizes that bracket it, the seconds of a step are taken as linear in B, as in
    ``crossover``.
    """
    if not seconds:
        return None
    peak_size = max(seconds, key=lambda size: size / seconds[size])
    half = peak_size / seconds[peak_size] / 2
    sizes = sorted(size for size in seconds if size <= peak_size)
    # Examples more than half of the peak would have done in the time of the step; linear in B between two sizes.
    surplus = [size - half * seconds[size] for size in sizes]
    short = [index for index, examples in enumerate(surplus) if examples < 0]
    if not short:
        return HalfPeak(2 * half, None, None, sizes[0])
    last = short[-1]
    below, above = sizes[last], sizes[last + 1]
    fraction = surplus[last] / (surplus[last] - surplus[last + 1])
    return HalfPeak(2 * half, below + fraction * (above - below), below, above)
