"""Fitness of this machine, measured: the smallest slowdown of a training step that the gate could see here in a minute.

Fresh processes of the working tree take turns, A against A, as in a run of the gate.  Their spread, and the number of
blocks that a minute holds, give the slowdown that such a run would find with the power of its design.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.gate.block import Block
from bench.gate.live import COMPARISON
from bench.gate.measures import STANDARD
from bench.gate.processes.session import GateRequest, Session, opened, resolve_stack
from bench.gate.processes.sides import SideSpec
from bench.gate.report import core_state_sentences
from bench.gate.verdict import DESIGN, Design
from bench.gate.verdict.evidence import smallest_visible
from bench.machine import other_load
from bench.machine.fingerprint import usable_cores
from bench.machine.fitness import fitness_now
from bench.measure.case import Stack
from bench.measure.doctor import OK, WARNING, CheckResult
from bench.measure.environment import planning
from bench.records.fitness import Grade, disturbances, grade_of, hindrances, share_taken
from bench.units import format_percent, format_seconds
from mlp.backends import Available, probe

MEASURE = "train_epoch"
# The fastest of each framework on a CPU, in the order of their speed on two Zen 4 cores.
STACKS = (("theano", "tuned"), ("jax", "scan"), ("pytensor", "c"), ("torch", "eager"), ("numpy", "float32"))
STEP_SECONDS, LIMIT_SECONDS = 10.0, 40.0  # of training steps, and of all, starting processes included
MIN_BLOCKS = 2
GATE_SECONDS = 60.0
RANK_EFFICIENCY = 0.955  # of the estimate by ranks, compared with means, if values are normal (Hodges & Lehmann 1963)


@dataclass(frozen=True)
class MeasuredFitness:
    """Result: ``spread`` is the standard deviation of a process's log value within its block.

    ``smallest_slowdown`` is a fraction, None if a minute holds too few blocks for any verdict.
    """

    stack: str
    num_processes: int
    step_seconds: float
    spread: float
    smallest_slowdown: float | None
    causes: tuple[str, ...]

    @property
    def grade(self) -> Grade:
        return Grade.UNFIT if self.smallest_slowdown is None else grade_of(self.smallest_slowdown)

    @property
    def sentence(self) -> str:
        seen = f"a slowdown below {format_percent(self.smallest_slowdown, 1)} cannot be seen here within a minute"
        if self.smallest_slowdown is None:
            seen = "no slowdown can be seen here within a minute, its blocks take too long"
        because = f"; {'; '.join(self.causes)}" if self.causes else ""
        how = f"{self.num_processes} processes, {format_seconds(self.step_seconds)} of training steps of {self.stack}"
        return f"{self.grade}: {seen} (A against A, {how}; they spread by {format_percent(self.spread, 1)}){because}"


def measure_fitness(data: Path | None = None) -> MeasuredFitness:
    """Measure for about ``STEP_SECONDS``; raise BenchError if no stack can run."""
    request = GateRequest(SideSpec(None), SideSpec(None), fastest_stack(), STANDARD, data)
    start, clocks = fitness_now(), other_load.read()
    with opened(request) as session:
        blocks = measured_blocks(session)
    taken = other_load.other_cpu_percent(clocks, other_load.read(), usable_cores())
    causes = causes_of(start, fitness_now(), taken, session.launcher.threads, blocks)
    return fitness_of(blocks, request.stack.label, session.program.turns_per_epoch, causes)


def check_fitness(data: Path | None = None) -> CheckResult:
    """Return the measured fitness as a finding of ``bench doctor``."""
    found = measure_fitness(data)
    remedy = "measure when it is idle, or alone on it" if found.causes else "more processes; a machine with real cores"
    state = WARNING if found.grade is Grade.UNFIT else OK
    return CheckResult("Measured", state, found.sentence, remedy if state == WARNING else None)


def fastest_stack() -> Stack:
    with planning():
        for backend, variant in STACKS:
            if isinstance(probe(backend, variant), Available):
                return resolve_stack(backend, variant, "cpu")
    raise BenchError("no backend runs here: make doctor names what each of them lacks.")


def measured_blocks(session: Session) -> list[Block]:
    blocks: list[Block] = []
    start = session.clock()
    while len(blocks) < MIN_BLOCKS or (
        step_seconds(blocks, session.program.turns_per_epoch) < STEP_SECONDS
        and session.clock() - start + blocks[-1].seconds < LIMIT_SECONDS
    ):
        blocks.append(session.measure(len(blocks), "comparison", COMPARISON, STANDARD))
    return blocks


def step_seconds(blocks: Sequence[Block], turns_per_epoch: int) -> float:
    """Return the seconds in which training steps were timed."""
    turns = (turn.value for block in blocks for turn in block.turns if turn.measure == MEASURE)
    return sum(seconds for seconds in turns if seconds is not None) / turns_per_epoch


def fitness_of(
    blocks: Sequence[Block], stack: str, turns_per_epoch: int, causes: Sequence[str] = (), design: Design = DESIGN
) -> MeasuredFitness:
    """Return the fitness that the blocks show; raise BenchError if fewer than two processes of a block measured."""
    spread = within_block_spread([block.values(MEASURE, range(len(block.slots))) for block in blocks])
    num_blocks = blocks_in_a_minute(statistics.fmean(block.seconds for block in blocks), design)
    error = spread / math.sqrt(RANK_EFFICIENCY * max(1, num_blocks))
    visible = smallest_visible(error, num_blocks, len(STANDARD), design)
    return MeasuredFitness(
        stack,
        sum(len(block.slots) for block in blocks),
        step_seconds(blocks, turns_per_epoch),
        spread,
        None if visible is None else math.expm1(visible),
        tuple(causes),
    )


def blocks_in_a_minute(block_seconds: float, design: Design = DESIGN) -> int:
    """Return the number of blocks of a run of the gate, whose first look may overrun its budget."""
    affordable = int(GATE_SECONDS / block_seconds)
    if affordable < design.looks.first <= GATE_SECONDS * (1 + design.confirming_overrun) / block_seconds:
        return design.looks.first
    return min(affordable, design.looks.last)


def within_block_spread(values_by_block: Sequence[Sequence[float | None]]) -> float:
    """Return the standard deviation of the logarithms of values within their blocks, pooled."""
    squares, freedom = 0.0, 0
    for values in values_by_block:
        logs = [math.log(value) for value in values if value is not None and value > 0]
        if len(logs) > 1:
            squares += statistics.variance(logs) * (len(logs) - 1)
            freedom += len(logs) - 1
    if not freedom:
        raise BenchError("the fitness was not measured: its processes failed, as python -m bench gate would show.")
    return math.sqrt(squares / freedom)


def causes_of(
    start: dict, end: dict, other_cpu_percent: float | None, threads: int, blocks: Sequence[Block]
) -> list[str]:
    """Return what disturbed the measurement, and the settings that hinder one."""
    causes = disturbances(start, end)
    if other_cpu_percent is not None:
        taken = share_taken(threads, usable_cores(), other_cpu_percent)
        if grade_of(taken) is not Grade.EXCELLENT:
            causes.append(f"other programs took {format_percent(taken, 0)} of the time of the cores")
    causes += [sentence.removesuffix(".") for sentence in core_state_sentences(blocks)]
    return causes + [one.detail for one in hindrances(start)]
