"""From the turns that the processes of one block took, to one value for each process."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def process_values(seconds_by_round: Sequence[Sequence[float | None]]) -> list[float | None]:
    """One value, in the unit of the turns, for each process of a block.

    ``seconds_by_round[r][p]`` is what process p measured in round r: in a round every process of the block takes one
    short turn, in random order, so that a burst of load or a change of frequency meets all of them.  What the round
    did to all is divided out: the value of a process is the median over rounds of its log ratio to the median process
    of the same round, times the median turn of the block.  A turn that is None, NaN, infinite, zero or negative does
    not count; a process without a turn that counts is None.

    The values of one block share its scale, and are therefore only compared within the block.

    Raises ValueError if the rounds are not all of one length.
    """
    if len({len(row) for row in seconds_by_round}) > 1:
        raise ValueError("every round of a block needs one turn of each of its processes (None where it has none)")
    if not seconds_by_round or not seconds_by_round[0]:
        return []
    turns = np.array([[math.nan if value is None else value for value in row] for row in seconds_by_round], float)
    turns[~(np.isfinite(turns) & (turns > 0))] = math.nan
    logs = np.log(turns)
    rows = logs[~np.isnan(logs).all(axis=1)]
    if len(rows) == 0:
        return [None] * turns.shape[1]
    relative = rows - np.nanmedian(rows, axis=1, keepdims=True)
    centre = float(np.nanmedian(rows))
    return [None if np.isnan(column).all() else math.exp(centre + float(np.nanmedian(column))) for column in relative.T]
