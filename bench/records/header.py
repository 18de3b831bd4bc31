"""Header of a run, ``run.json``: decoded and checked once, when the run is opened or created.

A missing or null field has its default.  ``machine``, ``recipe``, ``dataset``, ``processes`` and ``fitness`` keep
facts that this version does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

import msgspec

from bench.records.json_file import Integer
from bench.records.moments import moment
from bench.records.schema import CaseFields, Fitness

Number = Integer | float
Fact = bool | Number | str | list[Any] | dict[str, Any] | None


@dataclass(frozen=True)
class PlanEntry:
    """Planned case: the number of its process replicates, and the time limit of each."""

    case: CaseFields
    replicates: Integer
    limit_seconds: float
    expected_seconds: float
    first_round: Integer = 0


@dataclass(frozen=True)
class Skipped:
    """Part that is not measured, with the reason and the remedy."""

    what: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Conformance:
    """Result of the contract suite for a stack of a plugin; ``reason`` is None if it conforms."""

    backend: str
    variant: str
    device: str
    reason: str | None = None


@dataclass(frozen=True)
class CommitFacts:
    """Commit of mlp-bench, and True if its tracked files differ from it."""

    id: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True)
class Environment:
    """Variables ``passed`` with --env, and the names of the caller's that were ``dropped``.

    ``passed`` is None if the processes inherited the caller's environment, as up to schema 3.
    """

    passed: dict[str, str] | None = None
    dropped: tuple[str, ...] = ()


class DatasetFacts(TypedDict, total=False):
    """``sha256`` holds the digest of each file."""

    identity: str | None
    sha256: dict[str, str] | None


class RecipeFacts(TypedDict, total=False):
    layer_widths: list[Integer] | None


class MachineFacts(TypedDict, total=False):
    """Facts of ``bench.machine.fingerprint`` that readers name."""

    cpu_model: str | None
    architecture: str | None
    usable_cores: Integer | None
    logical_cores: Integer | None
    os: str | None
    python: str | None
    compiler: str | None
    gpus: list[dict[str, Any]] | None
    packages: dict[str, str | None] | None
    blas: dict[str, Any] | None
    load_average_1min: float | None


class LibraryFacts(TypedDict, total=False):
    library: str | None
    sha256: str | None
    api: str | None
    version: str | None
    architecture: str | None


class TuningFacts(TypedDict, total=False):
    """Tuning parameters of theano/tuned as text, and the instruction set of its kernels."""

    parameters: str | None
    instruction_set: str | None


class PluginFacts(TypedDict):
    """Distribution of a backend that is not built in, the digest of its source, and what its speed depends on."""

    backend: str
    distribution: str
    version: str
    code: str | None
    packages: list[str]
    uses_blas: bool


class ProcessFacts(TypedDict):
    """Facts of a measured process, see ``bench.measure.facts``."""

    packages: dict[str, str]
    libraries: list[LibraryFacts]
    backend: NotRequired[str | None]
    workload: NotRequired[Integer | None]
    python: NotRequired[str | None]
    tuning: NotRequired[TuningFacts | None]
    plugins: NotRequired[list[PluginFacts]]


class _Checked(TypedDict):
    """Fields of tables that are kept as they are."""

    machine: MachineFacts
    recipe: RecipeFacts
    dataset: DatasetFacts
    processes: list[ProcessFacts]
    fitness: Fitness


@dataclass(frozen=True)
class RunHeader:
    """Circumstances and plan of a run.

    Attributes
    ----------
    mlp_bench : str or None
        Version that began the run; None up to schema 2.
    candidates : tuple of PlanEntry
        Cases of a quick run from which the plan is completed after its first round.
    options : dict or None
        Options of ``python -m bench run`` with their values; None in older runs, whose choices are in ``chosen``.
    skipped, left_out : tuples of Skipped
        What cannot be measured here, and what the plan leaves out.
    dropout_masks : dict
        ``backend/variant`` -> name of the mask generator.
    conformance : tuple of Conformance
        Results of the contract suite for the stacks of plugins, which are ranked if they conform.
    processes : tuple of ProcessFacts
        Each different one once.
    fitness : Fitness
        Facts about the machine's fitness to measure; empty up to schema 5.
    """

    schema_version: int
    run_id: str
    status: str
    mode: str
    plan: tuple[PlanEntry, ...]
    mlp_bench: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    dataset: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Number | list[Number | None] | None] = field(default_factory=dict)
    commit: CommitFacts = field(default_factory=CommitFacts)
    machine: dict[str, Fact] = field(default_factory=dict)
    candidates: tuple[PlanEntry, ...] = ()
    budget_seconds: float | None = None
    options: dict[str, list[str]] | None = None
    chosen: dict[str, Any] | None = None
    skipped: tuple[Skipped, ...] = ()
    left_out: tuple[Skipped, ...] = ()
    dropout_masks: dict[str, str] = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)
    processes: tuple[dict[str, Any], ...] = ()
    fitness: dict[str, Any] = field(default_factory=dict)
    conformance: tuple[Conformance, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for an invalid time, or an invalid fact that readers name."""
        for name, value in (("started_at", self.started_at), ("finished_at", self.finished_at)):
            if value is not None and moment(value) is None:
                raise ValueError(f"its {name} is {value!r}, not a time")
        tables = {name: getattr(self, name) for name in _Checked.__annotations__}
        msgspec.convert(tables, _Checked)

    @property
    def violations(self) -> dict[tuple[str, str, str], str]:
        """{(backend, variant, device): reason} of the stacks that do not conform, and so have no rank."""
        return {(one.backend, one.variant, one.device): one.reason for one in self.conformance if one.reason}

    @property
    def dataset_identity(self) -> str | None:
        """Name that ``mlp.dataset.identify`` gave the data."""
        return self.dataset.get("identity")

    @property
    def packages(self) -> dict[str, str | None]:
        """Installed packages with their versions."""
        return self.machine.get("packages") or {}

    @property
    def gpus(self) -> list[dict[str, Any]]:
        return self.machine.get("gpus") or []

    @property
    def measures_gpu(self) -> bool:
        """True if the plan has a case on a GPU."""
        return any(entry.case.get("device") not in (None, "cpu") for entry in self.plan)

    def to_json(self) -> dict[str, Any]:
        """Return the content of run.json, without the fields that have no value."""
        return {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}
