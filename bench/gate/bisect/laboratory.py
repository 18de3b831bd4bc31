"""Checkouts and processes of the commits of a bisection, started and measured by the means of the gate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import BenchError
from bench.gate.bisect.commits import CommitRange
from bench.gate.block import BISECTION_KINDS, Block
from bench.gate.processes.launch import SideError, check_comparable
from bench.gate.processes.session import GateRequest, Session, prepared, with_data
from bench.gate.processes.sides import Side, check_out
from bench.gate.verdict.turns import pairwise_log_values


@dataclass
class CommitLaboratory:
    """Laboratory (``bench.gate.verdict.bisection.search``) of real commits.

    The roles of ``session`` are the ids of the commits.  ``keep`` receives every block, ``refused`` what cannot be
    measured, and ``say`` what is being done.  ``blocks`` are those measured so far, also before a resumption.
    """

    commits: CommitRange
    session: Session
    project: Path
    blocks: list[Block] = field(default_factory=list)
    keep: Callable[[Block], None] = lambda block: None
    say: Callable[[str], None] = lambda line: None
    refused: Callable[[int, str], None] = lambda position, reason: None
    clock: Callable[[], float] = time.perf_counter

    def build(self, position: int) -> str | None:
        """Check a commit out, and fill its compile cache; return the reason if it cannot be measured."""
        commit, launcher = self.commits.commits[position], self.session.launcher
        self.say(f"building {commit[:12]}")
        side = check_out(side_of(commit, self.project), launcher.folder)
        try:
            (primed,) = launcher.prime((side,))
            check_comparable(self.session.primed, primed)
            self.session.sides[commit] = with_data(side, primed)
            return None
        except SideError as error:
            reason = str(error.__cause__ or error).rstrip(".")
        except BenchError as error:  # another recipe or dataset
            reason = f"beside the good end (A), {str(error).rstrip('.')}"
        self.refused(position, reason)
        return reason

    def measure(self, positions: tuple[int, ...], confirming: bool = False) -> list[float | None]:
        """Measure a block with one process for each of ``positions``."""
        number, measures = len(self.blocks), self.session.program.measures
        roles = tuple(self.commits.commits[position] for position in positions)
        self.say(f"block {number + 1}: {', '.join(role[:12] for role in roles)}")
        block = self.session.measure(number, BISECTION_KINDS[confirming], roles, measures)
        self.blocks.append(block)
        self.keep(block)
        return values_at(block, measures[0], self.commits, positions)


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
def opened_range(commits: CommitRange, request: GateRequest) -> Iterator[CommitLaboratory]:
    """Prepare both ends of a range, as ``prepared``; remove all checkouts and caches afterwards."""
    ends = {commit: side_of(commit, request.project) for commit in (commits.commits[0], commits.commits[-1])}
    with prepared(request, ends) as session:
        yield CommitLaboratory(commits, session, request.project)
