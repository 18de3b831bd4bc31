"""Fitness of this machine, measured: the smallest slowdown of a training step that the gate could see here in a minute.

Fresh processes of the working tree take turns, A against A, as in a run of the gate.  From their blocks gate runs are
resampled, as from a noise trace, with slowdowns of several sizes injected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.advice import bench_command, make_command
from bench.errors import BenchError
from bench.gate.block import Block
from bench.gate.error_rates.replay import replay_blocks
from bench.gate.error_rates.resample import RecordedBlock
from bench.gate.live import COMPARISON
from bench.gate.measures import STANDARD
from bench.gate.processes.session import GateRequest, Session, opened, resolve_stack
from bench.gate.processes.sides import SideSpec
from bench.gate.report import core_state_sentences
from bench.machine import other_load
from bench.machine.fingerprint import usable_cores
from bench.machine.fitness import fitness_now
from bench.measure.case import Stack
from bench.measure.doctor import OK, WARNING, CheckResult
from bench.measure.environment import planning
from bench.records.fitness import Grade, disturbances, grade_of, hindrances, share_taken
from bench.units import format_percent, format_seconds
from mlp import registry
from mlp.backends import Available, probe

MEASURE, RUNNING = "train_epoch", "train_epoch_running"
STEP_SECONDS, LIMIT_SECONDS = 10.0, 40.0  # of training steps, and of all, starting processes included
MIN_BLOCKS = 3
GATE_SECONDS = 60.0
POWER, TRIALS = 0.8, 100
SMALLEST, LARGEST, HALVINGS = 0.002, 1.0, 6  # slowdowns tried, in steps of 10 % at the end


@dataclass(frozen=True)
class MeasuredFitness:
    """Result; ``smallest_slowdown`` is a fraction, None if the gate would not even find one of 100 %.

    ``causes`` are what disturbed the measurement.
    """

    stack: str
    num_processes: int
    step_seconds: float
    smallest_slowdown: float | None
    causes: tuple[str, ...]
    tuning: dict[str, str | None] | None = None  # of theano/tuned, as recorded

    @property
    def grade(self) -> Grade:
        return Grade.UNFIT if self.smallest_slowdown is None else grade_of(self.smallest_slowdown)

    @property
    def sentence(self) -> str:
        limit = format_percent(LARGEST if self.smallest_slowdown is None else self.smallest_slowdown, 1)
        how = f"{self.num_processes} processes, {format_seconds(self.step_seconds)} of training steps of {self.stack}"
        because = f"; {'; '.join(self.causes)}" if self.causes else ""
        seen = f"a slowdown below {limit} cannot be seen here within a minute"
        return f"{self.grade}: {seen} (A against A, {how}){because}"


def measure_fitness(data: Path | None = None) -> MeasuredFitness:
    """Measure for about ``STEP_SECONDS``; raise BenchError if no stack can run."""
    request = GateRequest(SideSpec(None), SideSpec(None), fastest_stack(), STANDARD, data)
    start, clocks = fitness_now(), other_load.read()
    with opened(request) as session:
        blocks, turns_per_epoch = measured_blocks(session), session.program.turns_per_epoch
        tuning = session.primed.tuning
    taken = other_load.other_cpu_percent(clocks, other_load.read(), usable_cores())
    causes = causes_of(start, fitness_now(), taken, session.launcher.threads, blocks)
    num_processes, seconds = sum(len(block.slots) for block in blocks), step_seconds(blocks, turns_per_epoch)
    smallest = smallest_slowdown(recorded(blocks))
    return MeasuredFitness(request.stack.label, num_processes, seconds, smallest, tuple(causes), tuning)


def check_fitness(data: Path | None = None) -> list[CheckResult]:
    """Return as findings of ``bench doctor`` the measured fitness, and the tuning parameters measured for it."""
    found = measure_fitness(data)
    remedy = "measure when it is idle, or alone on it" if found.causes else "more processes; a machine with real cores"
    state = WARNING if found.grade is Grade.UNFIT else OK
    checks = [CheckResult("Measured", state, found.sentence, remedy if state == WARNING else None)]
    if found.tuning:
        detail = f"tuning parameters measured here: {found.tuning['parameters']} ({found.tuning['instruction_set']})"
        checks.append(CheckResult("theano/tuned", OK, detail))
    return checks


def fastest_stack() -> Stack:
    with planning():
        for one in registry.BUILT_IN.values():
            if isinstance(probe(one.name, one.fastest_on_cpu), Available):
                return resolve_stack(one.name, one.fastest_on_cpu, "cpu")
    raise BenchError(f"no backend runs here: {make_command('doctor')} names what each of them lacks.")


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


def smallest_slowdown(blocks: Sequence[RecordedBlock]) -> float | None:
    """Return the smallest slowdown, a fraction, that ``POWER`` of gate runs resampled from ``blocks`` find.

    Each run is asked for a slowdown of that size.  None if they do not even find ``LARGEST``; ``SMALLEST`` at least.
    """

    def is_found(slowdown: float) -> bool:
        found = replay_blocks(blocks, "measured", 1 + slowdown, TRIALS, GATE_SECONDS, effect=slowdown, drawn=True)
        return found.regressed.count >= POWER * TRIALS

    low, high = math.log(SMALLEST), math.log(LARGEST)
    if not is_found(LARGEST):
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(math.exp(middle)) else (middle, high)
    return math.exp(high)


def recorded(blocks: Sequence[Block]) -> list[RecordedBlock]:
    """Return the training turns of the blocks in which every process measured all of them.

    Raises BenchError if there is none.
    """
    found = []
    for block in blocks:
        turns, running = (tuple(map(tuple, block.rounds(name, range(len(block.slots))))) for name in (MEASURE, RUNNING))
        if turns and all(value is not None for row in turns for value in row):
            found.append(RecordedBlock(turns, block.seconds, running or None))
    if not found:
        raise BenchError(f"the fitness was not measured: its processes failed, as {bench_command('gate')} would show.")
    return found


def causes_of(
    start: dict, end: dict, other_cpu_percent: float | None, threads: int, blocks: Sequence[Block]
) -> list[str]:
    """Return what disturbed the measurement, and the settings that hinder one."""
    causes = disturbances(start, end)
    if other_cpu_percent is not None:
        taken = share_taken(threads, usable_cores(), other_cpu_percent)
        if grade_of(taken) is not Grade.EXCELLENT:
            causes.append(f"other programs took {format_percent(taken, 0)} of the time of the cores")
    causes += [sentence[0].lower() + sentence[1:].removesuffix(".") for sentence in core_state_sentences(blocks)]
    return causes + [one.detail for one in hindrances(start)]
