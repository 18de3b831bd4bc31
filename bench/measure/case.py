"""Cases, the units of measurement, and the plan of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from bench.records.columns import SCALING
from bench.records.header import PlanEntry
from bench.units import number_of
from mlp import registry

HARNESSES = ("ceilings", "data", "compile", "epoch", "batch_size", "reference", "ablation")
FULL_HARNESSES = (*HARNESSES, "threads")  # default of a full run
EVERY_HARNESS = (*HARNESSES, *SCALING)
QUICK_HARNESSES = ("epoch", "reference", "ceilings", "data", "threads")  # default of a quick run


@dataclass(frozen=True)
class Stack:
    """Backend, variant and device that can run here, with the properties of the variant."""

    backend: str
    variant: str
    device: str
    precision: str = "float32"
    caches_code: bool = False  # compiled code persists on disk between processes, so that cold and warm differ
    slow_start: bool = False  # a process takes a minute before its first step
    masks: str | None = None  # name of the mask generator: variants of equal name draw equal masks from a seed
    threads: int | None = None  # instead of the run's

    @property
    def label(self) -> str:
        return f"{self.backend}/{self.variant} on {self.device}"

    def case(self, harness: str, threads: int, dataset: str, **more: Any) -> Case:
        """Return a case of this stack, whose compile cache is warm if it has one and ``more`` says nothing else."""
        own = {"cache": "warm" if self.caches_code else None, "precision": self.precision}
        return Case(harness, self.backend, self.variant, self.device, threads, dataset, **own | more)


@dataclass(frozen=True)
class Case:
    """Unit of measurement; equal cases have comparable durations.

    ``batch_size`` and ``num_epochs`` are ``None`` if the harness does not use them; ``cache`` is the state of the
    compile cache (``cold`` or ``warm``), ``None`` for harnesses that compile nothing.  ``precision`` is that of the
    matrix products, ``None`` for loading and in records older than schema version 2.  ``without`` names the disabled
    optimizations of theano/tuned, separated by commas; ``None`` disables none.  A case of the ablation without a
    backend is its floor, the eight matrix products of a training step alone.  A case of the ceilings without a backend
    is the host engine: NumPy, and the BLAS that Theano uses.  A case of the threads without a variant is an engine,
    too.  ``copies`` is the number of trainings side by side, ``devices`` that of the devices that share one training;
    each is ``None`` if the harness does not use it.
    """

    harness: str
    backend: str | None
    variant: str | None
    device: str
    threads: int
    dataset: str
    batch_size: int | None = None
    cache: str | None = None
    num_epochs: int | None = None
    seed: int = 1
    precision: str | None = None
    without: str | None = None
    copies: int | None = None
    devices: int | None = None

    @property
    def stack(self) -> tuple[str | None, str | None, str]:
        return self.backend, self.variant, self.device

    @property
    def is_floor(self) -> bool:
        return self.harness == "ablation" and self.backend is None

    @property
    def label(self) -> str:
        """Display name, e.g. ``epoch theano/as_published cpu warm``."""
        parts = [self.harness]
        if self.backend:
            parts += ["/".join(filter(None, (self.backend, self.variant))), self.device]
        elif self.harness in ("ceilings", "threads"):
            parts.append("host")
        if self.is_floor:
            parts.append("eight products")
        if self.cache:
            parts.append(self.cache)
        if self.harness == "reference":
            parts.append(f"seed {self.seed}")
        if self.without:
            parts.append(f"without {self.without}")
        if self.harness in SCALING:
            parts.append(self._scale)
        return " ".join(parts)

    @property
    def _scale(self) -> str:
        threads = number_of(self.threads, "thread")
        if self.copies is not None:
            return f"{self.copies} x {threads}"
        if self.harness == "devices":
            return f"{self.devices or 'single'} of batch size {self.batch_size}"
        return threads

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Case:
        """Decode the case of a record; unknown fields of newer versions are ignored."""
        return cls(**{field.name: record[field.name] for field in fields(cls) if field.name in record})


@dataclass(frozen=True)
class PlannedCase:
    """Case with the number of its process replicates, one per round, and the time limit of each."""

    case: Case
    replicates: int
    limit_seconds: float
    expected_seconds: float  # prior: the mean of Theano's two variants on two cores, until measured
    first_round: int = 0

    @property
    def rounds(self) -> range:
        return range(self.first_round, self.first_round + self.replicates)

    def to_entry(self) -> PlanEntry:
        return PlanEntry(**{**vars(self), "case": self.case.to_json()})


def planned_cases(entries: Iterable[PlanEntry]) -> list[PlannedCase]:
    """Return the planned cases of a record."""
    return [PlannedCase(**{**vars(entry), "case": Case.from_json(entry.case)}) for entry in entries]


@dataclass(frozen=True)
class Effort:
    """Process replicates of each harness, and seeds of the reference run."""

    data: int
    compile_cold: int
    compile_warm: int
    epoch: int
    batch_size: int
    reference_seeds: tuple[int, ...]
    ablation: int  # 0 disables it
    ceilings: int  # in a full run as many as epochs, so that each interleaved round has its ceilings
    framework_ceilings: bool = True  # in addition to the host's
    threads: int = 0
    copies: int = 0
    devices: int = 0

    def with_processes(self, num_processes: int) -> Effort:
        """Return a copy with this number of processes for the paired harnesses: epoch, ablation, ceilings, scaling."""
        return replace(self, **dict.fromkeys(("epoch", "ablation", "ceilings", *SCALING), num_processes))


# Six processes are the minimum for the exact 95 % interval of a median.  With two stacks this takes 20 minutes on two
# cores, a third of it for the reference runs.
FULL = Effort(
    data=4,
    compile_cold=2,
    compile_warm=2,
    epoch=6,
    batch_size=4,
    reference_seeds=(1, 2, 3, 4, 5),
    ablation=4,
    ceilings=6,
    threads=3,
    copies=3,
    devices=3,
)
# Three processes are the minimum for an interval and a rank.  After the first round bench.measure.quick selects the
# processes that fit into the time of a quick run, and the stack that runs all epochs.
QUICK = Effort(
    data=1,
    compile_cold=1,
    compile_warm=1,
    epoch=3,
    batch_size=1,
    reference_seeds=(1,),
    ablation=0,
    ceilings=1,
    framework_ceilings=False,
    threads=1,
    copies=1,
    devices=1,
)


def make_plan(
    effort: Effort,
    *,
    harnesses: tuple[str, ...] = HARNESSES,
    stacks: tuple[Stack, ...],
    threads: int,
    dataset: str,
    optimizations: tuple[str, ...],
    batch_size: int = 500,
    num_epochs: int = 20,
) -> list[PlannedCase]:
    """Return the cases of a run: loading and ablation once, ceilings per engine, the others per stack.

    All stacks can run here.  ``optimizations`` of theano/tuned are disabled one by one by the ablation.
    """
    plan = []
    if "ceilings" in harnesses:
        engines = stacks if effort.framework_ceilings else ()
        cases = _ceilings_cases(engines, threads=threads, dataset=dataset, batch_size=batch_size)
        plan += [PlannedCase(case, effort.ceilings, 300, 8) for case in cases]
    if "data" in harnesses:
        plan.append(PlannedCase(Case("data", None, None, "cpu", threads, dataset), effort.data, 300, 6))
    for stack in stacks:
        case = partial(stack.case, threads=stack.threads or threads, dataset=dataset)
        if "compile" in harnesses:
            if stack.caches_code:
                plan.append(PlannedCase(case("compile", cache="cold"), effort.compile_cold, 900, 16))
            plan.append(PlannedCase(case("compile"), effort.compile_warm, 900, 5))
        if "epoch" in harnesses:
            plan.append(PlannedCase(case("epoch", batch_size=batch_size), effort.epoch, 900, 10))
        if "batch_size" in harnesses:
            plan.append(PlannedCase(case("batch_size"), effort.batch_size, 900, 12))
        if "reference" in harnesses:
            for number, seed in enumerate(effort.reference_seeds):
                reference = case("reference", batch_size=batch_size, num_epochs=num_epochs, seed=seed)
                limit_seconds, expected_seconds = 600 + 90 * num_epochs, 6 + 1.25 * num_epochs
                plan.append(PlannedCase(reference, 1, limit_seconds, expected_seconds, first_round=number))
    if "ablation" in harnesses and effort.ablation:
        cases = _ablation_cases(stacks, optimizations, threads=threads, dataset=dataset, batch_size=batch_size)
        plan += [PlannedCase(case, effort.ablation, 900, 6) for case in cases]
    return plan


def more_seeds(plan: list[PlannedCase], seeds: tuple[int, ...]) -> list[PlannedCase]:
    """Return reference runs of the ``seeds`` missing in ``plan``, for each of its stacks, in subsequent rounds."""
    reference = [planned for planned in plan if planned.case.harness == "reference"]
    by_stack: dict[Case, list[PlannedCase]] = {}
    for planned in reference:
        by_stack.setdefault(replace(planned.case, seed=0), []).append(planned)
    found = []
    for case, known in by_stack.items():
        missing = [seed for seed in seeds if seed not in {planned.case.seed for planned in known}]
        first = max(planned.first_round for planned in known) + 1
        for number, seed in enumerate(missing, start=first):
            found.append(replace(known[0], case=replace(case, seed=seed), first_round=number))
    return found


def _ceilings_cases(stacks: tuple[Stack, ...], **shared: Any) -> list[Case]:
    """Return the host's case, and one for each framework with its own libraries for a device of the run."""
    engines = dict.fromkeys((one.backend, one.device) for one in stacks if registry.entry(one.backend).ceilings)
    return [
        Case("ceilings", None, None, "cpu", **shared),
        *(Case("ceilings", backend, None, device, **shared) for backend, device in engines),
    ]


def _ablation_cases(stacks: tuple[Stack, ...], optimizations: tuple[str, ...], **shared: Any) -> list[Case]:
    """Return tuned, tuned without each optimization, as published, and the floor; [] without both variants."""
    found = {stack.variant: stack for stack in stacks if (stack.backend, stack.device) == ("theano", "cpu")}
    if not {"tuned", "as_published"} <= found.keys():
        return []
    case = partial(Stack.case, harness="ablation", cache="warm", **shared)
    return [
        *(case(found["tuned"], without=optimization) for optimization in (None, *optimizations)),
        case(found["as_published"]),
        Case("ablation", None, None, "cpu", **shared),
    ]
