"""Crossover batch size of two stacks, and batch size of half the peak throughput, from step times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Lead(Enum):
    """Range of measured batch sizes in which the challenger is faster than the incumbent."""

    CROSSES = "crosses"  # from some batch size on
    ALWAYS = "always"  # at every measured batch size
    NEVER = "never"  # not at the largest batch size


@dataclass(frozen=True)
class Crossover:
    """Crossover; ``batch_size`` and its bracket (measured sizes, in examples) are None unless the lead ``CROSSES``."""

    lead: Lead
    batch_size: float | None
    below: int | None
    above: int | None
    largest: int  # the largest common batch size


def crossover(incumbent: Mapping[int, float], challenger: Mapping[int, float]) -> Crossover | None:
    """Return the batch size from which the challenger's examples/s exceed the incumbent's; None without a common size.

    Both map batch sizes to the seconds of one training step.  Of several crossings due to noise the last counts, above
    which the challenger was ahead at every measured batch size.  The difference of the two times is interpolated
    linearly in B within the bracket, which is exact for t = a + b*B, with the crossing at (a2 - a1) / (b1 - b2).

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
    # Negative if the challenger is faster.
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
    """Batch size of half the peak throughput; ``batch_size`` and ``below`` are None if the smallest size exceeds it."""

    peak_examples_per_second: float
    batch_size: float | None
    below: int | None
    above: int  # from this measured size up to the peak's all reach it


def half_peak(seconds: Mapping[int, float]) -> HalfPeak | None:
    """Return the batch size at which examples/s reach half of their maximum; None for empty input.

    ``seconds`` maps batch sizes to the seconds of a step, which are interpolated linearly in B, as in ``crossover``.
    """
    if not seconds:
        return None
    peak_size = max(seconds, key=lambda size: size / seconds[size])
    half = peak_size / seconds[peak_size] / 2
    sizes = sorted(size for size in seconds if size <= peak_size)
    # Examples in excess of half the peak throughput in the time of a step; linear in B between two sizes.
    surplus = [size - half * seconds[size] for size in sizes]
    short = [index for index, examples in enumerate(surplus) if examples < 0]
    if not short:
        return HalfPeak(2 * half, None, None, sizes[0])
    last = short[-1]
    below, above = sizes[last], sizes[last + 1]
    fraction = surplus[last] / (surplus[last] - surplus[last + 1])
    return HalfPeak(2 * half, below + fraction * (above - below), below, above)
