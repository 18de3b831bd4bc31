"""One side of a comparison: the durations of a run's or another tool's processes, with their origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from bench.records.ceilings import Ceilings
from bench.records.comparability import Subject
from bench.records.comparison_key import ComparisonKey
from bench.report.run.copies import CopyScaling
from bench.report.run.devices import DevicePoint
from bench.report.run.threads import ThreadScaling

REFERENCE_CLOCK = "reference clock"
TRAIN_EPOCH, VALIDATE_EPOCH = "train_epoch", "validate_epoch"
WITH_THREADS = "threads"  # in the names of epochs at other numbers of threads than the run's
BATCH_SIZE = "batch size"  # in the names of steps at other batch sizes than the recipe's


class StackMeasurement(NamedTuple):
    """A duration that two runs may have in common, e.g. ``("jax/scan on cpu", "train_epoch")``."""

    stack: str
    measurement: str

    @property
    def is_detail(self) -> bool:
        """True if it is one of many batch sizes or numbers of threads, or a part of another metric."""
        of_many = any(f", {what} " in self.measurement for what in (BATCH_SIZE, WITH_THREADS))
        return of_many or self.measurement.startswith(("compile_", "build_and_compile"))


# Interleaved round (or seed) -> samples of its process, in seconds.  Processes of one round ran close together; a
# process whose round is unknown or taken has a negative number.
RoundSamples = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class Comparable(Subject):
    """One side of a comparison, with its durations.  Missing facts are None or empty; nothing is guessed.  A stack is
    known by its name.

    The process is the unit of statistics: a tool that ran one process gives one entry of each of ``samples``, which
    are positive finite seconds.
    """

    tool: str  # that measured it: ``mlp-bench`` or another
    samples: Mapping[StackMeasurement, RoundSamples]
    started_at: str | None = None
    mode: str | None = None
    keys: Mapping[str, ComparisonKey] = field(default_factory=dict)  # of each stack; empty for other tools
    # Of the matrix products, for each ``backend/variant on device``.
    precisions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ceilings: Mapping[str, Ceilings] = field(default_factory=dict)  # that the run measured, of each device
    devices: Mapping[str, str] = field(default_factory=dict)  # of each stack
    canonical_stacks: frozenset[str] = frozenset()  # their reference clock covers the whole canonical run
    learns_worse: frozenset[str] = frozenset()  # than the canonical one: the speed of these stacks may not count
    not_conforming: frozenset[str] = frozenset()  # to the contract of the backends: theirs may not count either
    # Of each stack's reference run, of the whole card; none on the CPU.
    energy_joules: Mapping[str, float] = field(default_factory=dict)
    thread_scalings: Sequence[ThreadScaling] = ()
    copy_scalings: Sequence[CopyScaling] = ()
    device_points: Sequence[DevicePoint] = ()  # of data-parallel training, and of the plain training beside it
    per_iteration: bool = False  # the tool divides durations by the number of calls: none is too short to compare
    notes: Sequence[str] = ()  # warnings for the reader, e.g. of a partial run or unreadable files

    def medians(self, metric: StackMeasurement) -> dict[int, float]:
        """Return {round: median of its process, in seconds}; empty if ``metric`` was not measured."""
        return {number: float(median(samples)) for number, samples in self.samples.get(metric, {}).items()}
