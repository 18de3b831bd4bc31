"""Checkouts and processes of the commits of a bisection, started and measured by the means of the gate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from bench.errors import BenchError
from bench.gate.bisect.commits import CommitRange
from bench.gate.block import BISECTION_KINDS, Block
from bench.gate.processes.launch import Launcher, Primed, SideError, check_comparable, pins_of
from bench.gate.processes.session import GateRequest, first_seed, launching, seeds_of_block, with_data
from bench.gate.processes.sides import Side, check_out
from bench.gate.processes.turns import BlockPlan, measure_block
from bench.gate.verdict.bisection.choice import MAX_PROCESSES
from bench.gate.verdict.turns import pairwise_log_values
from bench.machine import core_distance


@dataclass
class CommitLaboratory:
    """Laboratory (``bench.gate.verdict.bisection.search``) of real commits.

    ``keep`` receives every block, ``refused`` what cannot be measured, and ``say`` what is being done.

    ``blocks`` are those measured so far, also before a resumption.
    """

    commits: CommitRange
    measure_name: str
    launcher: Launcher
    reference: Primed
    program: BlockPlan
    project: Path
    random: Random
    first_seed: int
    sides: dict[int, Side] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    keep: Callable[[Block], None] = lambda block: None
    say: Callable[[str], None] = lambda line: None
    refused: Callable[[int, str], None] = lambda position, reason: None
    clock: Callable[[], float] = time.perf_counter

    def build(self, position: int) -> str | None:
        """Check a commit out, and fill its compile cache; return the reason if it cannot be measured."""
        reason = self._build(position)
        if reason is not None:
            self.refused(position, reason)
        return reason

    def _build(self, position: int) -> str | None:
        commit = self.commits.commits[position]
        self.say(f"building {commit[:12]}")
        side = check_out(side_of(commit, self.project), self.launcher.folder)
        try:
            (primed,) = self.launcher.prime((side,))
            check_comparable(self.reference, primed)
        except SideError as error:
            return str(error.__cause__ or error).rstrip(".")
        except BenchError as error:  # another recipe or dataset
            return f"beside the good end (A), {str(error).rstrip('.')}"
        self.sides[position] = with_data(side, primed)
        return None

    def measure(self, positions: tuple[int, ...], confirming: bool = False) -> list[float | None]:
        """Measure a block with one process for each of ``positions``."""
        number, commits = len(self.blocks), self.commits.commits
        sides = {commits[position]: self.sides[position] for position in positions}
        roles = tuple(commits[position] for position in positions)
        self.say(f"block {number + 1}: {', '.join(role[:12] for role in roles)}")
        seeds = seeds_of_block(self.first_seed + number * MAX_PROCESSES, 0, roles)
        block = measure_block(
            number,
            BISECTION_KINDS[confirming],
            roles,
            seeds,
            self.program,
            lambda role, seed: self.launcher.started(sides[role], seed),
            self.random,
            self.clock,
            core_distance=core_distance.measure_ns,
        )
        self.blocks.append(block)
        self.keep(block)
        return values_at(block, self.measure_name, self.commits, positions)


def values_of(block: Block, measure: str, commits: CommitRange) -> tuple[tuple[int, ...], list[float | None]]:
    """Return the positions of the processes of a block, in the order of its slots, and their values."""
    positions = tuple(commits.commits.index(slot.role) for slot in block.slots)
    return positions, block.values(measure, range(len(positions)), pairwise_log_values)


def values_at(block: Block, measure: str, commits: CommitRange, positions: tuple[int, ...]) -> list[float | None]:
    """Return the values of a block in the order of ``positions``; processes of one commit are interchangeable."""
    found: dict[int, list[float | None]] = {}
    for position, value in zip(*values_of(block, measure, commits), strict=True):
        found.setdefault(position, []).append(value)
    return [found[position].pop(0) for position in positions]


def side_of(commit: str, project: Path) -> Side:
    """Return the side of a commit, not yet checked out."""
    return Side(commit[:12], project, commit[:12], commit)


@contextmanager
def opened_range(commits: CommitRange, request: GateRequest, seed: int | None = None) -> Iterator[CommitLaboratory]:
    """Prepare both ends of a range; remove all checkouts and caches afterwards.

    Raises
    ------
    BenchError
        If the ends cannot be compared.
    SideError
        If an end cannot be measured at all.
    """
    ends = [side_of(commits.commits[place], request.project) for place in (0, commits.last)]
    (measure,) = request.measures
    with launching(request, ends) as launcher:
        ends = [check_out(side, launcher.folder) for side in ends]
        good, bad = launcher.prime(ends)
        check_comparable(good, bad)
        launcher = replace(launcher, pinned=pins_of(good))
        random = Random(seed)
        laboratory = CommitLaboratory(
            commits,
            measure,
            launcher,
            good,
            BlockPlan(request.measures, batch_size=good.recipe["batch_size"]),
            request.project,
            random,
            first_seed(random),
        )
        laboratory.sides = {0: with_data(ends[0], good), commits.last: with_data(ends[1], bad)}
        yield laboratory
