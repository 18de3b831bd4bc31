"""Value types of a profile: operations and timings of a training step and an evaluation, and compilation phases.

All numbers of an operation are per call of its function: a ``train_step`` trains on one minibatch, an ``evaluate``
evaluates one.  Unknown values are None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median, median_low
from typing import Any, Required, TypedDict

import msgspec

from bench.records.ceilings import Ceilings
from bench.records.columns import OWN
from bench.records.header import CommitFacts, Environment, Fact, MachineFacts
from bench.records.json_file import Integer, Positive
from bench.records.schema import row_type

SCHEMA_VERSION = 1
FUNCTIONS = ("train_step", "evaluate")
BETWEEN = "between operations"  # ``op`` of the row with the unattributed time of the profiled call
KINDS = ("gemm", "elementwise", "rng", "reduction", "copy", "softmax", "update", "host", "program")

ArrayShape = tuple[Integer, ...]


class Details(TypedDict, total=False):
    op: str
    id: str
    inputs: list[str]
    outputs: list[str]
    product: str
    m: Integer | None
    n: Integer | None
    k: Integer | None
    in_place: bool
    thread_team: Integer
    skips_zeros: bool


class StackTable(TypedDict, total=False):
    backend: Required[str]
    variant: Required[str]
    device: Required[str]
    precision: str | None


class RecipeTable(TypedDict, total=False):
    layer_widths: Required[list[Integer]]
    dropout: float
    learning_rate: float
    rho: float
    epsilon: float
    batch_size: Required[Integer]
    num_epochs: Integer
    seed: Integer


class Blas(TypedDict, total=False):
    name: str | None
    note: str | None
    threads: Integer | None


class ThreadPool(TypedDict, total=False):
    library: Required[str]
    api: str
    threads: Required[Integer | None]


class Facts(TypedDict, total=False):
    """Facts of the profiled process, see ``Profile``."""

    blas: Blas | None
    threads: Integer
    thread_pools: list[ThreadPool] | None
    frees_intermediates: bool | None
    compile_directory_writable: bool
    linker: str
    profiler: str
    process: dict[str, Any]


class ThreadUse(TypedDict):
    """A thread that computed during the steps; 100 % is one core."""

    thread: str
    cpu_percent: float


class PhaseMemory(TypedDict):
    phase: str
    first_rss_bytes: float
    last_rss_bytes: float
    peak_rss_bytes: float


# Sample of the process and its GPU at one moment beside the steps.
HostSample = row_type("HostSample", OWN["timeline"], t_seconds=Required[float], phase=str)


class Host(TypedDict, total=False):
    """Host side of a profile, see ``bench.report.profile.host``."""

    num_steps: Integer
    seconds: float
    threads: list[ThreadUse]
    page_faults_per_step: float | None
    major_page_faults_per_step: float | None
    voluntary_context_switches_per_step: float | None
    involuntary_context_switches_per_step: float | None
    hardware_events_per_step: dict[str, float] | None
    throttled: bool | None
    throttle_reasons: list[str] | None
    timeline: list[HostSample] | None
    gpu_timeline: list[HostSample] | None
    gpu_reason: str | None
    peak_gpu_memory_bytes: float | None
    energy_joules: float | None
    energy_per_epoch_joules: float | None
    energy_source: str | None
    memory_by_phase: list[PhaseMemory] | None


class LoadingStep(TypedDict):
    seconds: Positive
    bytes: float | None


@dataclass(frozen=True)
class Operation:
    """Cost of one operation in each call of ``function``.

    Attributes
    ----------
    name : str
        The framework's, e.g. ``Dot22(images, W1)``; unique within a function if the framework distinguishes its calls.
    kind : one of KINDS
        ``update`` is RMSProp's; ``host`` is shape bookkeeping, and the time in which no operation ran; ``program`` is a
        compiled function without profiled parts.
    calls : float
        Number of runs in a call of the function; usually 1.
    seconds : float
        Sum over these calls.  The ``host`` row is the remainder of the profiled call, and negative if operations
        overlap.
    flop, bytes : float or None
        Sum over these calls: floating-point operations, and bytes of the arrays read and written, each once.
    input_shapes, output_shapes : tuples of shapes
        () for a scalar.  Empty if unknown.
    source : str or None
        ``file.py:line`` that created the operation, if known.
    details : dict
        ``inputs`` and ``outputs`` are identities of arrays: two operations of a function with the same input read the
        same values.  For a gemm ``m``, ``n``, ``k`` and ``product`` (equal for two that compute the same product).
        ``op`` is the framework's name of the kind of operation, ``in_place`` True if it overwrites an input,
        ``thread_team`` the number of its own threads (not the BLAS's), ``skips_zeros`` True if it skips zeros of its
        operands: its ``flop`` are then those of the dense product, and its rate may exceed every ceiling.
    """

    function: str
    name: str
    kind: str
    calls: float
    seconds: float
    flop: float | None = None
    bytes: float | None = None
    input_shapes: tuple[ArrayShape, ...] = ()
    output_shapes: tuple[ArrayShape, ...] = ()
    source: str | None = None
    details: Details = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of one call of a function: each sample is the mean over the consecutive calls of a round.

    ``plain_seconds[i]`` and ``profiled_seconds[i]`` come from one interleaved round of the same process.
    """

    plain_seconds: tuple[Positive, ...]
    profiled_seconds: tuple[Positive, ...]
    calls_per_sample: Integer

    @property
    def median_plain_seconds(self) -> float | None:
        return median(self.plain_seconds) if self.plain_seconds else None

    @property
    def median_profiled_seconds(self) -> float | None:
        """Median seconds of the profiled rounds (of an even number the lower one, whose operations are reported)."""
        return median_low(self.profiled_seconds) if self.profiled_seconds else None


@dataclass(frozen=True)
class CompilePhase:
    """Phase of the compilation in one process.

    ``path`` is its name after those of the enclosing phases, e.g. ``compile/train_step/link/c_compiler``; phases of
    one parent do not overlap.  ``cache`` is ``cold`` or ``warm``, or None for a stack without a compile cache.
    ``calls`` is the number of runs (of a Theano optimiser inside an equilibrium: of changes of the graph).
    """

    path: str
    seconds: float
    cache: str | None
    calls: Integer | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str | None:
        """Path of the enclosing phase; None at the top."""
        return self.path.rpartition("/")[0] or None


@dataclass(frozen=True)
class Event:
    """Timed run of an operation; ``start_seconds`` counts from the start of the first shown step."""

    function: str
    name: str
    kind: str
    thread: str
    start_seconds: float
    seconds: float


@dataclass(frozen=True)
class Profile:
    """Profile of one stack on one machine.

    Attributes
    ----------
    recipe : dict
        As in run.json; its ``batch_size`` is that of both functions.
    facts : Facts
        ``threads`` are the requested ones, and ``process`` is of bench.measure.facts.  ``frees_intermediates`` is True
        if buffers are freed after every call and allocated again in the next.
    timings : function -> Timing
    host, data : dict
        Results of the modules of these names; ``data`` is None without them.
    problems : tuple of str
        Sentences on missing results.
    complete : bool
        False if the profile ended early; its contents are valid, but incomplete.
    """

    profile_id: str
    started_at: str
    stack: StackTable
    recipe: RecipeTable
    threads: Integer
    dataset: str
    machine: dict[str, Fact]
    commit: CommitFacts
    facts: Facts = field(default_factory=dict)
    timings: dict[str, Timing] = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    compile_phases: tuple[CompilePhase, ...] = ()
    events: tuple[Event, ...] = ()
    host: Host = field(default_factory=dict)
    data: dict[str, LoadingStep] | None = None
    ceilings: Ceilings | None = None
    problems: tuple[str, ...] = ()
    complete: bool = True
    environment: Environment = field(default_factory=Environment)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Raise ValueError for an invalid fact of the machine."""
        msgspec.convert(self.machine, MachineFacts)

    @property
    def label(self) -> str:
        """Display name, ``theano/tuned on cpu``."""
        return f"{self.stack['backend']}/{self.stack['variant']} on {self.stack['device']}"

    def of(self, function: str) -> tuple[Operation, ...]:
        """Return the operations of ``function``, the most expensive first."""
        own = [operation for operation in self.operations if operation.function == function]
        return tuple(sorted(own, key=lambda operation: operation.seconds, reverse=True))

    def share(self, operation: Operation) -> float | None:
        """Return the fraction of the profiled call; None if that was not timed."""
        timing = self.timings.get(operation.function)
        whole = timing.median_profiled_seconds if timing else None
        return operation.seconds / whole if whole else None
