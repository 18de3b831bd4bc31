"""Likelihood of the blocks of a bisection, integrated over level, noise and outliers.

In a block, process i of a commit has the value ``level + step * fraction(commit) + noise_i``, on the logarithmic scale
or in points of accuracy, positive is worse.  ``fraction`` is 0 before the step, 1 after it, and another number between
two steps.  The level is common to the block and has a flat prior.  The noise is normal with the standard deviation of
the block, and ``OUTLIER_SCALE`` times that in a process which is an outlier: a contaminated normal distribution (Tukey
1960), because processes on a shared machine have heavy tails.  Standard deviations of blocks scatter around a common
one by ``SPREAD``: a machine has quiet and loud minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

OUTLIER_SCALE, OUTLIER_PROBABILITY = 5.0, 0.1
MAX_OUTLIERS = 2  # of a block: more are improbable, and cost time
SIGMAS = 1e-4 * 2.0 ** np.arange(12)  # common standard deviation: 0.01 to 20 %, evenly on the logarithms
SPREAD = (0.1, 0.2, 0.4, 0.2, 0.1)  # probability of a block's standard deviation: 1/4, 1/2, 1, 2, 4 times the common
NUM_STEPS, STEP_REACH = 41, 6.0
LARGEST_STEP = 10.0  # e**10 times as slow


@dataclass(frozen=True)
class MeasuredBlock:
    """Values of the processes of one block; ``positions`` are those of their commits, 0 for the good end."""

    positions: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise ValueError for another number of values, or one that is not finite."""
        if len(self.positions) != len(self.values) or not all(math.isfinite(value) for value in self.values):
            raise ValueError(f"a block needs a finite value for each process, and got {self.values}")


@dataclass(frozen=True)
class StepGrid:
    """Sizes of the step at which the likelihood is evaluated, float64 (num_steps,), and their prior probabilities."""

    sizes: np.ndarray
    log_prior: np.ndarray


def step_grid(blocks: Sequence[MeasuredBlock], last: int, smallest: float) -> StepGrid:
    """Return a grid that is dense around the step estimated from blocks with both ends, and reaches far beyond.

    The prior of the step is log-uniform from ``smallest`` to LARGEST_STEP: a step that matters, of unknown size.
    """
    differences = [end_difference(block, last) for block in blocks]
    known = np.array([one for one in differences if one is not None])
    center = float(np.median(known)) if len(known) else 0.0
    scatter = [*np.abs(known - center), *(one for block in blocks for one in _repeat_differences(block))]
    scale = max(float(np.mean(scatter or [0.1])), float(SIGMAS[0])) / math.sqrt(max(len(known), 1))
    around = center + 0.7 * scale * np.sinh(np.linspace(-STEP_REACH, STEP_REACH, NUM_STEPS))
    apart = np.geomspace(smallest, max(2 * smallest, center, 20 * scale), 8)
    sizes = np.unique(np.clip(np.concatenate([around, apart]), smallest, LARGEST_STEP))
    width = np.gradient(np.log(sizes)) / math.log(LARGEST_STEP / smallest)
    return StepGrid(sizes, np.log(width))


def end_difference(block: MeasuredBlock, last: int) -> float | None:
    """Return the difference of the means of the two ends; None if the block has only one of them, or none."""
    ends = [[v for p, v in zip(block.positions, block.values, strict=True) if p == end] for end in (0, last)]
    return None if not all(ends) else sum(ends[1]) / len(ends[1]) - sum(ends[0]) / len(ends[0])


def _repeat_differences(block: MeasuredBlock) -> list[float]:
    """Return half the absolute differences of two processes of one commit, one for each commit that has two."""
    found: dict[int, list[float]] = {}
    for position, value in zip(block.positions, block.values, strict=True):
        found.setdefault(position, []).append(value)
    return [abs(values[1] - values[0]) / 2 for values in found.values() if len(values) > 1]


def log_likelihood(values: Sequence[float], fractions: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return log p(values | fractions, size, sigma) of one block, float64 (num_patterns, num_sizes, len(SIGMAS)).

    ``fractions`` is float64 (num_patterns, num_processes), ``sizes`` (num_sizes,).  The flat prior of the level has
    density 1, so that only differences between patterns have a meaning.
    """
    num_processes = len(values)
    weights, log_outliers = _outliers(num_processes)
    residuals = np.asarray(values) - np.mean(values) - sizes[:, None] * fractions[:, None, :]
    total = weights.sum(axis=1)
    squares = np.square(residuals) @ weights.T - np.square(residuals @ weights.T) / total
    constant = log_outliers + (np.log(weights).sum(axis=1) - np.log(total)) / 2
    freedom = num_processes - 1
    sigmas = np.concatenate([SIGMAS[0] / np.array([4, 2]), SIGMAS, SIGMAS[-1] * np.array([2, 4])])
    scaled = -np.maximum(squares, 0.0)[..., None, :] / (2 * sigmas[:, None] ** 2) + constant
    by_sigma = _log_sum(scaled) - freedom * (np.log(sigmas) + math.log(2 * math.pi) / 2)
    around = np.stack([by_sigma[..., shift : shift + len(SIGMAS)] for shift in range(len(SPREAD))], axis=-1)
    return _log_sum(around + np.log(SPREAD))


def _outliers(num_processes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return precision weights of every set of outliers, (num_sets, num_processes), and log probabilities."""
    most = min(MAX_OUTLIERS, num_processes)
    chosen = np.array([one for one in product((0, 1), repeat=num_processes) if sum(one) <= most])
    count = chosen.sum(axis=1)
    log_probability = count * math.log(OUTLIER_PROBABILITY) + (num_processes - count) * math.log1p(-OUTLIER_PROBABILITY)
    return np.where(chosen, OUTLIER_SCALE**-2, 1.0), log_probability - _log_sum(log_probability)


def _log_sum(logs: np.ndarray) -> np.ndarray:
    """Return log(sum(exp(logs))) along the last axis."""
    largest = logs.max(axis=-1)
    return largest + np.log(np.exp(logs - largest[..., None]).sum(axis=-1))
