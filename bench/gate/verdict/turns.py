"""Summary of the turns of one block: one value for each process."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np

# The first pass alone shrinks differences: two slow processes of four pull the median of their rounds towards them.  A
# slowdown of 5 % reads 4.6 % after it, and 4.97 % after five (results/noise/quiet.jsonl).
POLISHES = 5
DECIMALS = 9  # of a logarithm: finer than any clock, coarser than rounding errors, so that ties are portable

Summary = Callable[[np.ndarray], np.ndarray]  # logs (..., num_rounds, num_processes) -> (..., num_processes)


def process_values(
    seconds_by_round: Sequence[Sequence[float | None]], summary: Summary | None = None
) -> list[float | None]:
    """Return one value, in the unit of the turns, for each process of a block.

    ``seconds_by_round[r][p]`` is the measurement of process p in round r, None if missing.  A turn that is NaN,
    infinite, zero or negative makes the value of its process NaN, so that it is refused and not averaged away.  The
    value of a process without turns is None.  ``summary`` is the estimator on the logarithms: by default
    ``log_values``, or ``pairwise_log_values``.

    Raises ValueError if the rounds are not all of one length.
    """
    if len({len(row) for row in seconds_by_round}) > 1:
        raise ValueError("every round of a block needs one turn of each of its processes (None where it has none)")
    if not seconds_by_round or not seconds_by_round[0]:
        return []
    turns = np.array([[math.nan if value is None else value for value in row] for row in seconds_by_round], float)
    missing = np.array([[value is None for value in row] for row in seconds_by_round])
    sound = np.isfinite(turns) & (turns > 0)
    logs = np.log(np.where(sound, turns, math.nan))
    values = np.exp((summary or log_values)(logs))
    values[(~sound & ~missing).any(axis=0)] = math.nan
    return [None if gone else float(value) for gone, value in zip(missing.all(axis=0), values, strict=True)]


def log_values(logs: np.ndarray) -> np.ndarray:
    """Return the logarithms of the values of processes, (..., num_processes), from those of their turns.

    ``logs``, float64 (..., num_rounds, num_processes), is NaN for a missing turn.  In a round every process of the
    block takes one short turn, so that a burst of load or a change of frequency affects all of them.  The common effect
    of a round is divided out by median polish (Tukey 1977): the value of a process is the median over rounds of its log
    ratio to the round, and the round is the median of its turns, less the values of their processes.  The median of
    all turns is added.  The values of one block share that scale; compare them only within it.
    """
    values = np.zeros((*logs.shape[:-2], 1, logs.shape[-1]))
    for _ in range(POLISHES):
        rounds = _median(logs - values, -1)
        values = _median(logs - rounds, -2)
    return np.round(values[..., 0, :] + _median_of_all(logs), DECIMALS)


def _median(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the median without NaN, as an axis of length 1; NaN where there is nothing else.

    For a few values ``np.median`` takes five times as long, and ``np.nanmedian`` fifty times.
    """
    ordered = values.copy()
    ordered.sort(axis)  # NaN comes last
    count = values.shape[axis]
    if math.isnan(ordered.sum()):
        counts = count - np.isnan(values).sum(axis, keepdims=True)
        lower, upper = (np.maximum(index, 0) for index in ((counts - 1) // 2, counts // 2))
        return (np.take_along_axis(ordered, lower, axis) + np.take_along_axis(ordered, upper, axis)) / 2
    middle = ordered.take([count // 2], axis)
    return middle if count % 2 else (middle + ordered.take([count // 2 - 1], axis)) / 2


def _median_of_all(logs: np.ndarray) -> np.ndarray:
    return _median(logs.reshape(*logs.shape[:-2], -1), -1)


def pairwise_log_values(logs: np.ndarray) -> np.ndarray:
    """Return the logarithms of the values of processes as ``log_values`` does, exactly equivariant to their levels.

    The value of a process is the mean, over the processes of the block, of the median over rounds of its log ratio to
    each: a process that is slower by a factor in every turn has a value larger by that factor, for any noise and any
    other processes.  Median polish has less scatter and shrinks differences below the noise of a turn: with two
    or three of five processes slowed down by 5 % it reads 4.5 % on results/noise/quiet.jsonl.
    """
    ratios = _median(logs[..., :, None] - logs[..., None, :], -3)[..., 0, :, :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a process without turns gives NaN
        values = np.nanmean(ratios, axis=-1)
    return np.round(values + _median_of_all(logs), DECIMALS)
