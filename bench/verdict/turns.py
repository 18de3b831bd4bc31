"""From the turns that the processes of one block took, to one value for each process."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np


def process_values(seconds_by_round: Sequence[Sequence[float | None]]) -> list[float | None]:
    """One value, in the unit of the turns, for each process of a block.

    ``seconds_by_round[r][p]`` is what process p measured in round r, None where it has nothing.  A turn that is NaN,
    infinite, zero or negative makes the value of its process NaN, so that it is refused and not averaged away.  A
    process without any turn is None.  See ``log_values`` for what the value is.

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
    values = np.exp(log_values(logs))
    values[(~sound & ~missing).any(axis=0)] = math.nan
    return [None if gone else float(value) for gone, value in zip(missing.all(axis=0), values, strict=True)]


def log_values(logs: np.ndarray) -> np.ndarray:
    """The logarithms of the values of processes, (..., num_processes), from those of their turns.

    ``logs``, float64 (..., num_rounds, num_processes), NaN where there is no turn.  In a round every process of the
    block takes one short turn, so that a burst of load or a change of frequency meets all of them.  What the round did
    to all is divided out: the value of a process is the median over rounds of its log ratio to the median process of
    the same round, plus the median of all turns.  The values of one block share that scale; compare them only within
    it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a round or a process without any turn: NaN is the answer
        relative = logs - np.nanmedian(logs, axis=-1, keepdims=True)
        return np.nanmedian(relative, axis=-2) + np.nanmedian(logs, axis=(-2, -1))[..., None]
