"""Plan of the scaling harnesses: one training on more threads, several trainings side by side, several devices."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.machine.sysfs import ROOT
from bench.machine.topology import LogicalCore, counts_up_to, logical_cores, share_cores, usable_threads
from bench.measure.case import OWN_CEILINGS, Case, Effort, PlannedCase, Stack
from bench.records.header import Skipped

SCALING_LEFT_OUT = Skipped(
    "the harnesses copies and devices",
    "they train for as long as all others together",
    "make bench OPTIONS='--harness copies', or devices",
)


@dataclass(frozen=True)
class ScalingCounts:
    """Counts of this machine, ascending: threads of one training; (copies, threads of each) of trainings side by side.

    The splits include the alone case of each number of threads.
    """

    threads: tuple[int, ...]
    splits: tuple[tuple[int, int], ...]


def read_counts(text: str) -> tuple[int, ...]:
    """Parse ``1,2,4``; raise BenchError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 10**6 for part in parts):
        raise BenchError(f"--counts {text!r} names no counts: give numbers of at least 1, e.g. 1,2,4.")
    return tuple(sorted({int(part) for part in parts}))


def scaling_counts(
    asked: tuple[int, ...] = (), cores: Sequence[LogicalCore] | None = None, root: Path = ROOT
) -> ScalingCounts:
    """Return the counts to measure; ``asked`` replaces the default ones, and 1, the base, is always among them.

    Raises
    ------
    BenchError
        If more are asked for than threads can run at once here.
    """
    cores = logical_cores(root) if cores is None else cores
    most = usable_threads(cores, root) if cores else os.cpu_count() or 1
    check_threads(max(asked, default=1), most, "--counts")
    threads = tuple(sorted({1, *asked})) if asked else _default_counts(cores, most)
    splits = {(copies, most // copies) for copies in threads}
    alone = {(1, size) for _, size in splits}
    return ScalingCounts(threads, tuple(sorted(splits | alone)))


def _default_counts(cores: Sequence[LogicalCore], most: int) -> tuple[int, ...]:
    if cores:
        return counts_up_to(cores, most)
    return tuple(sorted({*(2**power for power in range(most.bit_length())), most}))


def check_threads(threads: int, most: int, option: str) -> None:
    """Raise BenchError if more threads are asked for than can run at once."""
    if threads > most:
        raise BenchError(
            f"{option} {threads} is more than the {most} threads that can run at once here, by the affinity (taskset, "
            "cpuset) and the CPU quota of this process: python -m bench doctor shows both. Ask for fewer."
        )


def cores_of_case(case: Case, cores: Sequence[LogicalCore] | None = None) -> list[int]:
    """Return the logical cores that the process of a scaling case is pinned to; empty for other harnesses.

    All copies of a case share its cores among them.
    """
    if case.harness not in ("threads", "copies"):
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
            _case("copies", stack, threads, dataset, copies=copies, **shared)
            for stack in on_cpu
            for copies, threads in counts.splits
        ]
        plan += [PlannedCase(case, effort.copies, 600 + 180 * num_epochs, 6 + 2 * num_epochs) for case in cases]
    return plan


def _threads_cases(stacks: Sequence[Stack], counts: Sequence[int], dataset: str, batch_size: int) -> list[Case]:
    """Return each engine and each stack at every count; an engine's products are a part of its stacks' steps."""
    if not stacks:
        return []
    engines = dict.fromkeys(stack.backend if stack.backend in OWN_CEILINGS else None for stack in stacks)
    return [
        *(
            Case("threads", engine, None, "cpu", count, dataset, batch_size=batch_size)
            for engine in engines
            for count in counts
        ),
        *(_case("threads", stack, count, dataset, batch_size=batch_size) for stack in stacks for count in counts),
    ]


def _case(harness: str, stack: Stack, threads: int, dataset: str, **more: int | None) -> Case:
    cache = "warm" if stack.caches_code else None
    where = (stack.backend, stack.variant, stack.device)
    return Case(harness, *where, threads, dataset, cache=cache, precision=stack.precision, **more)
