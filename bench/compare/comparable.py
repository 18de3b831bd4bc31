"""What is compared: a run, or another tool's file, reduced to durations of processes and to who made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from bench.ceilings import Ceilings

NO_STACK = ""  # of loading, which no framework does, and of files that know no stacks
REFERENCE_CLOCK = "reference clock"
TRAIN_EPOCH, VALIDATE_EPOCH = "train_epoch", "validate_epoch"
BATCH_SIZE = "batch size"  # in the names of steps at other batch sizes than the recipe's


class Metric(NamedTuple):
    """One duration that two runs may have in common, e.g. ``("jax/scan on cpu", "train_epoch")``."""

    stack: str
    measurement: str

    @property
    def is_detail(self) -> bool:
        """A step at one of many batch sizes, or a part of what another metric tells as a whole."""
        return BATCH_SIZE in self.measurement or self.measurement.startswith(("compile_", "build_and_compile"))


# Interleaved round (or seed) -> the samples of its process, in seconds.  What one round measured ran close together; a
# process whose round is not known, or not its own, has a negative number.
Processes = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class Comparable:
    """One side of a comparison.  What its source does not tell is None or empty; nothing is guessed.

    Attributes
    ----------
    name : str
        Unique among the sides of one comparison.
    tool : str
        What measured it: ``mlp-bench``, or the name of another tool.
    samples : Mapping[Metric, Processes]
        Positive finite seconds.  The process is the unit of statistics: a tool that ran one process gives one entry.
    facts : Mapping[str, Any]
        The machine and the software, JSON-ready, as the source has it; units are in the names.
    dataset : Mapping[str, Any] | None
        ``identity`` and ``sha256``.
    recipe : Mapping[str, Any] | None
        The hyper-parameters; ``num_epochs`` is that of the reference runs.
    passed : Mapping[str, str] | None
        Environment variables that the measured processes were given on purpose.
    precisions : Mapping[str, frozenset[str]]
        Of the matrix products, for each ``backend/variant on device``.
    ceilings : Mapping[str, Ceilings]
        Device -> what the run measured that the machine can do at best.
    devices : Mapping[str, str]
        Stack -> its device.
    canonical_stacks : frozenset[str]
        Those whose reference clock is that of the whole canonical run.
    learns_worse : frozenset[str]
        Stacks whose speed may not count, because they learn worse than the canonical one.
    energy_joules : Mapping[str, float]
        Stack -> energy of its reference run, the whole card; nothing on the CPU.
    per_iteration : bool
        Whether the tool divides what it measures by the number of calls: then no duration is too short to compare.
    notes : Sequence[str]
        Sentences a reader must know: a partial run, files that cannot be read.
    """

    name: str
    tool: str
    samples: Mapping[Metric, Processes]
    facts: Mapping[str, Any] = field(default_factory=dict)
    started_at: str | None = None
    mode: str | None = None
    dataset: Mapping[str, Any] | None = None
    recipe: Mapping[str, Any] | None = None
    passed: Mapping[str, str] | None = None
    precisions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ceilings: Mapping[str, Ceilings] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    canonical_stacks: frozenset[str] = frozenset()
    learns_worse: frozenset[str] = frozenset()
    energy_joules: Mapping[str, float] = field(default_factory=dict)
    per_iteration: bool = False
    notes: Sequence[str] = ()

    def medians(self, metric: Metric) -> dict[int, float]:
        """{round: median of its process, in seconds}; empty where ``metric`` was not measured."""
        return {number: float(median(samples)) for number, samples in self.samples.get(metric, {}).items()}
