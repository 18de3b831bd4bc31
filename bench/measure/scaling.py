"""Plan of the scaling harnesses: one training on more threads, several trainings side by side, several devices."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.advice import bench_command, make_command
from bench.errors import BenchError
from bench.machine.topology import LogicalCore, counts_up_to, logical_cores, share_cores, usable_threads
from bench.measure.case import Case, Effort, PlannedCase, Stack
from bench.records.header import Skipped
from mlp import registry

EMULATED = (1, 2)  # devices by default: more of them on the same cores prove no more
# Of the harness devices: backend -> (variant on one device, variant on several).
DATA_PARALLEL = {"jax": ("step", "sharded"), "torch": ("eager", "ddp")}
SCALING_LEFT_OUT = Skipped(
    "the harnesses copies and devices",
    "they train for as long as all others together",
    bench_command("run --harness copies") + ", or devices",
)


@dataclass(frozen=True)
class ScalingCounts:
    """Counts of this machine, ascending.

    Attributes
    ----------
    most_threads : int
        All that can run at once.
    threads : tuple of int
        Of one training.
    splits : tuple of (int, int)
        (copies, threads of each) of trainings side by side, with each training alone.
    devices : Mapping[str, tuple[int, ...]]
        Devices that share a training, by kind of device; on a CPU they are emulated.
    """

    most_threads: int
    threads: tuple[int, ...]
    splits: tuple[tuple[int, int], ...]
    devices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def with_few_threads(self) -> ScalingCounts:
        """Return a copy with at most three numbers of threads: the least, one between, and the most."""
        few = {self.threads[0], self.threads[len(self.threads) // 2], self.threads[-1]}
        return replace(self, threads=tuple(sorted(few)))


def read_counts(text: str) -> tuple[int, ...]:
    """Parse ``1,2,4``; raise BenchError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 10**6 for part in parts):
        raise BenchError(f"--counts {text!r} names no counts: give numbers of at least 1, e.g. 1,2,4.")
    return tuple(sorted({int(part) for part in parts}))


def scaling_counts(
    asked: tuple[int, ...] = (),
    cores: Sequence[LogicalCore] | None = None,
    num_gpus: int = 0,
) -> ScalingCounts:
    """Return the counts to measure; ``asked`` replaces the default ones, and 1, the base, is always among them."""
    cores = logical_cores() if cores is None else cores
    most = usable_threads(cores) if cores else os.cpu_count() or 1
    own = {count for count in asked if count <= most}
    threads = tuple(sorted({1, *own})) if asked else counts_up_to(cores, most)
    splits = {(copies, most // copies) for copies in threads}
    alone = {(1, size) for _, size in splits}
    emulated = tuple(count for count in threads if asked or count in EMULATED)
    gpus = tuple(count for count in asked or counts_up_to((), num_gpus) if 1 <= count <= num_gpus)
    return ScalingCounts(most, threads, tuple(sorted(splits | alone)), {"cpu": emulated, "cuda": gpus})


def check_threads(threads: int, most: int, option: str) -> None:
    """Raise BenchError if more threads are asked for than can run at once."""
    if threads > most:
        raise BenchError(
            f"{option} {threads} is more than the {most} threads that can run at once here, by the affinity (taskset, "
            f"cpuset) and the CPU quota of this process: {bench_command('doctor')} shows both. Ask for fewer."
        )


def cores_of_case(case: Case, cores: Sequence[LogicalCore] | None = None) -> list[int]:
    """Return the logical cores that the process of a scaling case is pinned to; empty for other harnesses.

    All copies of a case share its cores among them.
    """
    if case.harness not in ("threads", "copies"):  # the plain training and all devices together use every core
        return []
    cores = logical_cores() if cores is None else cores
    if not cores:
        return []
    parts = share_cores(cores, case.copies or 1, case.threads)
    return sorted(core for part in parts for core in part)


def scaling_plan(
    effort: Effort,
    *,
    harnesses: Sequence[str],
    stacks: Sequence[Stack],
    counts: ScalingCounts,
    dataset: str,
    batch_size: int = 500,
    num_epochs: int = 20,
) -> list[PlannedCase]:
    """Return the cases of the scaling harnesses among ``harnesses``, for the stacks that they are written for."""
    on_cpu = [stack for stack in stacks if stack.device == "cpu"]
    plan = []
    if "threads" in harnesses:
        cases = _threads_cases(on_cpu, counts.threads, dataset, batch_size)
        plan += [PlannedCase(case, effort.threads, 900, 9 if case.variant else 4) for case in cases]
    if "copies" in harnesses:
        shared = {"batch_size": batch_size, "num_epochs": num_epochs}
        cases = [
            stack.case("copies", threads, dataset, copies=copies, **shared)
            for stack in on_cpu
            for copies, threads in counts.splits
        ]
        plan += [PlannedCase(case, effort.copies, 600 + 180 * num_epochs, 6 + 2 * num_epochs) for case in cases]
    if "devices" in harnesses:
        cases = _devices_cases(stacks, counts, dataset, batch_size)
        plan += [PlannedCase(case, effort.devices, 900, 15) for case in cases]
    return plan


def _devices_cases(stacks: Sequence[Stack], counts: ScalingCounts, dataset: str, batch_size: int) -> Iterator[Case]:
    """Yield for each backend and kind of device the plain training, and each count, strong and weak.

    Strong: ``batch_size`` examples for all devices together; weak: for each.  One device is one case for both.
    """
    where = dict.fromkeys((stack.backend, stack.device.partition(":")[0]) for stack in stacks)
    most = counts.most_threads
    for backend, device in where:
        if backend not in DATA_PARALLEL or not counts.devices.get(device):
            continue
        plain, parallel = (Stack(backend, variant, device) for variant in DATA_PARALLEL[backend])
        yield plain.case("devices", most, dataset, batch_size=batch_size)
        for count in counts.devices[device]:
            threads = max(1, most // count) if backend == "torch" else most
            for size in dict.fromkeys((batch_size, count * batch_size)):
                if backend == "torch" or size % count == 0:
                    yield parallel.case("devices", threads, dataset, batch_size=size, devices=count)


def check_devices(counts: ScalingCounts, stacks: Sequence[Stack], asked: tuple[int, ...]) -> None:
    """Raise BenchError if the harness devices has no stack to measure, or more GPUs are asked for than there are."""
    own = [stack for stack in stacks if stack.backend in DATA_PARALLEL]
    if not own:
        names = " or ".join(DATA_PARALLEL)
        raise BenchError(
            f"the harness devices needs {names} among the stacks: "
            f"{make_command('bench', BACKENDS='jax torch')} adds them."
        )
    gpus = counts.devices.get("cuda", ())
    if any(stack.device != "cpu" for stack in own) and set(asked) - set(gpus):
        raise BenchError(f"--counts {max(asked)} is more than the {max(gpus, default=0)} GPUs here: ask for fewer.")


def _threads_cases(stacks: Sequence[Stack], counts: Sequence[int], dataset: str, batch_size: int) -> list[Case]:
    """Return each engine and each stack at every count; an engine's products are a part of its stacks' steps."""
    if not stacks:
        return []
    engines = dict.fromkeys(stack.backend if registry.entry(stack.backend).ceilings else None for stack in stacks)
    return [
        *(
            Case("threads", engine, None, "cpu", count, dataset, batch_size=batch_size)
            for engine in engines
            for count in counts
        ),
        *(stack.case("threads", count, dataset, batch_size=batch_size) for stack in stacks for count in counts),
    ]
