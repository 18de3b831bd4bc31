"""Block resampling of gate runs from a noise trace: contiguous windows of blocks with randomly assigned sides.

A window keeps the autocorrelation: drift, bursts and slow changes affect neighbouring blocks together, as in a real
run.  The roles base, candidate and control are assigned to the processes of a block at random, as in a real run.  A
slowdown is applied to the turns of the candidate before they are summarised, as a real one would be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations

import numpy as np

from bench.errors import RecordError
from bench.gate.error_rates.noise_trace import Trace, TraceTurn
from bench.gate.verdict.ranks import BlockShape
from bench.gate.verdict.turns import log_values, process_values

ROLES = "ABBAC"  # of the processes of a block: base, candidate, and the base again as a control
COMPARISON_SHAPE: BlockShape = (2, 2)
CONTROL_SHAPE: BlockShape = (2, 1)
MIN_BLOCKS = 12  # fewer give identical windows

Turns = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class RecordedBlock:
    """Block of a trace: ``turns[r][p]`` is seconds of process p in round r or None; ``seconds``: to the next block.

    ``running`` are the turns less the wait of the thread that waited longest (None where it is as long as the turn);
    None if the trace has no counters.
    """

    turns: Turns
    seconds: float
    running: Turns | None = None


def recorded_blocks(trace: Trace) -> list[RecordedBlock]:
    """Return the complete blocks of ``trace`` in order, without the last one, whose end was not recorded.

    Raises RecordError if there are fewer than MIN_BLOCKS of them.
    """
    by_block: dict[int, list[TraceTurn]] = {}
    for turn in trace.turns:
        by_block.setdefault(turn.block, []).append(turn)
    numbers = sorted(by_block)
    starts = {number: min(turn.t_start_seconds for turn in by_block[number]) for number in numbers}
    blocks = []
    for number, following in pairwise(numbers):
        turns = _matrix(by_block[number])
        if len(turns[0]) >= len(ROLES) and all(value is not None for value in process_values(turns)):
            running = _matrix(by_block[number], _running) if all(map(_waited, by_block[number])) else None
            blocks.append(RecordedBlock(turns, starts[following] - starts[number], running))
    if len(blocks) < MIN_BLOCKS:
        raise RecordError(
            f"the trace {trace.name} has {len(blocks)} complete blocks of {len(ROLES)} processes, and a replay needs "
            f"{MIN_BLOCKS}: record for longer."
        )
    return blocks


def _matrix(
    turns: Sequence[TraceTurn], value: Callable[[TraceTurn], float | None] = lambda turn: turn.seconds
) -> Turns:
    processes = sorted({turn.process for turn in turns})
    found = {(turn.round, turn.process): value(turn) for turn in turns}
    rounds = sorted({turn.round for turn in turns})
    return tuple(tuple(found.get((number, process)) for process in processes) for number in rounds)


def _waited(turn: TraceTurn) -> bool:
    return turn.scheduler is not None and turn.scheduler.longest_wait_seconds is not None


def _running(turn: TraceTurn) -> float | None:
    return None if turn.seconds is None else turn.scheduler.running_seconds(turn.seconds)


def _assignments() -> np.ndarray:
    """Return the slots of base, base, candidate, candidate and control in every distinct assignment, int (30, 5)."""
    drawn = sorted(set(permutations(ROLES)))
    return np.array([[slot for role in "ABC" for slot, one in enumerate(roles) if one == role] for roles in drawn])


class BlockResampler:
    """Resampler of gate runs from ``blocks``, with candidates slowed down by the factor ``inject``.

    The turns of the candidates are those of ``candidates``, the same blocks with other turns, if given.

    ``comparison[b, s]`` are the four differences candidate - base of block b under assignment s of its processes to
    ROLES (row s of SLOTS), and ``control[b, s]`` the two differences control - base: logarithms of ratios.
    ``seconds[b]`` is the duration of block b, including the start of its processes.
    """

    SLOTS = _assignments()

    def __init__(
        self, blocks: Sequence[RecordedBlock], inject: float, candidates: Sequence[RecordedBlock] | None = None
    ) -> None:
        self._blocks = blocks
        self.comparison = self._differences(candidates or blocks, self.SLOTS[:, 2:4], math.log(inject))
        self.seconds = np.array([block.seconds for block in blocks])

    @cached_property
    def control(self) -> np.ndarray:
        return self._differences(self._blocks, self.SLOTS[:, 4:], 0.0)

    def _differences(self, others: Sequence[RecordedBlock], slots: np.ndarray, slowdown: float) -> np.ndarray:
        """Return the differences of ``slots`` of ``others``, slowed down by a logarithm, from the base of each."""
        pairs = list(zip(self._blocks, others, strict=True))
        found = {}
        for block, other in dict.fromkeys(pairs):  # drawn ones repeat
            base, slowed = (np.log(np.array(one.turns, float)[:, : len(ROLES)]) for one in (block, other))
            logs = np.concatenate([base[:, self.SLOTS[:, :2]], slowed[:, slots] + slowdown], axis=-1)
            found[block, other] = _pairs(log_values(np.moveaxis(logs, 0, 1)))
        return np.stack([found[pair] for pair in pairs])


def _pairs(values: np.ndarray) -> np.ndarray:
    """Return all differences other - base, (num_assignments, num_pairs); the first two values are the base's."""
    return (values[:, 2:, None] - values[:, None, :2]).reshape(len(values), -1)
