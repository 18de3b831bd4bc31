"""Rows of the ranking: machine x stack x comparison key, each with its estimate and its ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from bench.records.stack_key import StackKey
from bench.report.board.machines import BoardMachine
from bench.report.board.record import BoardRecord, StackResult
from bench.report.compare.comparable import REFERENCE_CLOCK, StackMeasurement
from bench.report.history.series import Conditions, RunPoint, Series
from bench.stats.estimates import INTERVAL_FROM, Estimate, estimate
from bench.stats.learning import Learning
from bench.stats.ranking import Rank, rank_unpaired

LEARNS_WORSE = "it learns worse than the canonical stack"
DOES_NOT_CONFORM = "it does not conform to the contract of the backends"
TOO_FEW = f"it has fewer than {INTERVAL_FROM} values to test"
UNKNOWN_KEY = "its comparison key is unknown"
ALONE = "no other machine on the board ran this comparison key"


@dataclass(frozen=True)
class PlacedRank:
    """Rank, or the reason for which there is none."""

    rank: Rank | None
    missing_because: str | None = None


@dataclass(frozen=True)
class StackRuns:
    """Runs of one stack with equal code on one machine, oldest first, each with its record."""

    machine: BoardMachine
    runs: tuple[tuple[BoardRecord, StackResult], ...]

    @property
    def record(self) -> BoardRecord:
        """The newest one."""
        return self.runs[-1][0]

    @property
    def result(self) -> StackResult:
        return self.runs[-1][1]

    @property
    def stack(self) -> StackKey:
        return self.result.stack

    @property
    def is_over_runs(self) -> bool:
        """True if the estimate is over runs: from three on; else it is over the processes of the newest run."""
        return len(self.runs) >= INTERVAL_FROM

    @property
    def values(self) -> Sequence[float]:
        """Seconds of the reference clock: medians of runs, or of the processes of the newest run."""
        return [median(result.seconds) for _, result in self.runs] if self.is_over_runs else self.result.seconds

    @cached_property
    def total(self) -> Estimate:
        return estimate([[seconds] for seconds in self.values])

    @cached_property
    def series(self) -> Series:
        """The reference clock over its runs."""
        points = [
            RunPoint(record.run_id, record.started_at, tuple((seconds,) for seconds in result.seconds))
            for record, result in self.runs
        ]
        metric = StackMeasurement(self.stack.name, REFERENCE_CLOCK)
        return Series(Conditions(1, self.machine.hardware, ""), metric, tuple(points))

    @property
    def measured(self) -> str:
        """Number of values, e.g. ``5 processes`` or ``12 runs``."""
        unit = "run" if self.is_over_runs else "process"
        plural = "s" if self.is_over_runs else "es"
        return f"{len(self.values)} {unit}{plural if len(self.values) > 1 else ''}"

    @property
    def unfit_because(self) -> str | None:
        """Reason for which it is not ranked at any speed."""
        if self.result.not_canonical_because is not None:
            return f"not canonical: {self.result.not_canonical_because}"
        if not self.result.conforms:
            return DOES_NOT_CONFORM
        return LEARNS_WORSE if self.result.learning is Learning.WORSE else None


@dataclass(frozen=True)
class BoardRow:
    """Row of the board.

    ``rank`` is among all rows.  ``hardware_rank`` is among the machines that ran the same code, i.e. the same
    comparison key: only there a difference is one of the hardware.
    """

    runs: StackRuns
    rank: PlacedRank
    hardware_rank: PlacedRank

    @property
    def remarks(self) -> list[str]:
        found = [] if self.rank.missing_because is None else [f"no rank: {self.rank.missing_because}"]
        if not self.runs.record.verified_here:
            found.append("not verified here")
        if self.runs.record.uncommitted_changes:
            found.append("uncommitted changes")
        return [*found, *self.runs.record.notes]


def rows_of(machines: Iterable[BoardMachine]) -> list[BoardRow]:
    """Return all rows, the canonical ones first, by their canonical reference time."""
    found = [runs for machine in machines for runs in stacks_of(machine)]
    ranks, hardware_ranks = _ranks(found), _hardware_ranks(found)
    rows = [BoardRow(runs, ranks[number], hardware_ranks[number]) for number, runs in enumerate(found)]
    return sorted(rows, key=lambda row: (row.runs.result.not_canonical_because is not None, row.runs.total.center))


def stacks_of(machine: BoardMachine) -> list[StackRuns]:
    """Return the runs of each stack and code, those that are not verified here apart.

    A run whose comparison key is unknown has a row of its own.
    """
    found: dict[tuple[Any, ...], list[tuple[BoardRecord, StackResult]]] = {}
    for record in machine.records:
        for result in record.results:
            code = result.comparison_key.value or record.run_id
            work = (result.stack, code, result.not_canonical_because, record.verified_here)
            found.setdefault(work, []).append((record, result))
    return [StackRuns(machine, tuple(runs)) for runs in found.values()]


def _ranks(found: Sequence[StackRuns]) -> list[PlacedRank]:
    fit = {number: runs.values for number, runs in enumerate(found) if runs.unfit_because is None}
    ranks = rank_unpaired(fit)
    return [_placed(ranks.get(number), runs.unfit_because) for number, runs in enumerate(found)]


def _placed(rank: Rank | None, unfit_because: str | None) -> PlacedRank:
    return PlacedRank(rank, None if rank is not None else unfit_because or TOO_FEW)


def _hardware_ranks(found: Sequence[StackRuns]) -> list[PlacedRank]:
    """Rank the rows of each comparison key that at least two machines ran."""
    ranks = [PlacedRank(None, runs.unfit_because or UNKNOWN_KEY) for runs in found]
    for members in _by_key(found).values():
        if len({found[number].machine.address for number in members}) < 2:
            placed = dict.fromkeys(members, PlacedRank(None, ALONE))
        else:
            own = rank_unpaired({number: found[number].values for number in members})
            placed = {number: _placed(own[number], None) for number in members}
        for number, one in placed.items():
            ranks[number] = one
    return ranks


def _by_key(found: Sequence[StackRuns]) -> Mapping[tuple[str, ...], list[int]]:
    """Return {comparison key, with the variant it belongs to: numbers of the rows that may be ranked}."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, runs in enumerate(found):
        key, stack = runs.result.comparison_key.value, runs.stack
        if key is not None and runs.unfit_because is None:
            variant = (stack.backend, stack.variant, stack.device_kind, str(stack.precision))
            groups.setdefault((key, *variant), []).append(number)
    return groups
