"""Gate runs resampled from a noise trace, as arrays: contiguous windows of its blocks, sides drawn afresh.

A window keeps the structure of time: drift, bursts and what lasts for minutes hit neighbouring blocks together, as in
a real run.  Which process of a block is base, candidate or control is drawn at random, as in a real run.  A slowdown
is put into the turns of the candidate before anything is summarised, so that it takes the way that a real one takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np

from bench.errors import RecordError
from bench.gate.error_rates.noise_trace import Trace, Turn
from bench.gate.verdict.ranks import Shape
from bench.gate.verdict.turns import log_values, process_values

ROLES = "ABBAC"  # what the gate measures in a block: base, candidate, and the base again as a control
COMPARISON_SHAPE: Shape = (2, 2)
CONTROL_SHAPE: Shape = (2, 1)
MIN_BLOCKS = 12  # fewer give windows that are all the same


@dataclass(frozen=True)
class RecordedBlock:
    """``turns[r][p]``: seconds of process p in round r, None where it has none; ``seconds``: to the next block."""

    turns: tuple[tuple[float | None, ...], ...]
    seconds: float


def recorded_blocks(trace: Trace) -> list[RecordedBlock]:
    """The complete blocks of ``trace``, in order; the last one, whose end nobody recorded, is not among them.

    Raises RecordError if there are fewer than MIN_BLOCKS of them.
    """
    by_block: dict[int, list[Turn]] = {}
    for turn in trace.turns:
        by_block.setdefault(turn.block, []).append(turn)
    numbers = sorted(by_block)
    starts = {number: min(turn.t_start_seconds for turn in by_block[number]) for number in numbers}
    blocks = []
    for number, following in pairwise(numbers):
        turns = _matrix(by_block[number])
        if len(turns[0]) >= len(ROLES) and all(value is not None for value in process_values(turns)):
            blocks.append(RecordedBlock(turns, starts[following] - starts[number]))
    if len(blocks) < MIN_BLOCKS:
        raise RecordError(
            f"the trace {trace.name} has {len(blocks)} complete blocks of {len(ROLES)} processes, and a replay needs "
            f"{MIN_BLOCKS}: record for longer."
        )
    return blocks


def _matrix(turns: Sequence[Turn]) -> tuple[tuple[float | None, ...], ...]:
    processes = sorted({turn.process for turn in turns})
    found = {(turn.round, turn.process): turn.seconds for turn in turns}
    rounds = sorted({turn.round for turn in turns})
    return tuple(tuple(found.get((number, process)) for process in processes) for number in rounds)


def _assignments() -> np.ndarray:
    """The seats of base, base, candidate, candidate and control in every assignment that differs, (30, 5)."""
    drawn = sorted(set(permutations(ROLES)))
    return np.array([[seat for role in "ABC" for seat, one in enumerate(roles) if one == role] for roles in drawn])


class Urn:
    """All gate runs that ``blocks`` can give, with candidates that take ``inject`` times as long.

    ``comparison[b, s]`` are the four differences candidate - base of block b under assignment s of its processes to
    ROLES (row s of SEATS), and ``control[b, s]`` the two differences control - base: logarithms of ratios.
    ``seconds[b]`` is what block b takes, the start of its processes included.
    """

    SEATS = _assignments()

    def __init__(self, blocks: Sequence[RecordedBlock], inject: float) -> None:
        base, candidate, control = self.SEATS[:, :2], self.SEATS[:, 2:4], self.SEATS[:, 4:]
        tables = []
        for block in blocks:
            logs = np.log(np.array(block.turns, float)[:, : len(ROLES)])
            slowed = np.concatenate([logs[:, base], logs[:, candidate] + math.log(inject)], axis=-1)
            again = np.concatenate([logs[:, base], logs[:, control]], axis=-1)
            tables.append([_pairs(log_values(np.moveaxis(part, 0, 1))) for part in (slowed, again)])
        self.comparison = np.stack([comparison for comparison, _ in tables])
        self.control = np.stack([control for _, control in tables])
        self.seconds = np.array([block.seconds for block in blocks])


def _pairs(values: np.ndarray) -> np.ndarray:
    """All differences other - base, (num_assignments, num_pairs); the first two values of each are the base's."""
    return (values[:, 2:, None] - values[:, None, :2]).reshape(len(values), -1)
