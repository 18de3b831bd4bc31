"""Logical cores of this process by physical core, NUMA node and kind, and the placement of threads on them.

Threads are placed on the fastest kind of core first, on one NUMA node before the next, and on SMT siblings only when
every physical core has a thread.  The kernel's numbers are not such an order: siblings are often 0 and 1, or 0 and n/2.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.machine import cgroup
from bench.machine.fitness import CPU, NODE, allowed_cores
from bench.machine.sysfs import ROOT, cores_of, read, read_number

KINDS = ("core", "atom", "lowpower")  # of Intel's hybrid processors, fastest first


@dataclass(frozen=True)
class LogicalCore:
    """Logical core ``number``; ``kind`` is 0 for the fastest kind here, ``sibling`` 0 for the first thread of its
    physical core among the usable ones."""

    number: int
    physical: int  # the lowest number of its siblings, usable or not
    node: int
    kind: int
    sibling: int


def logical_cores(root: Path = ROOT, allowed: Collection[int] | None = None) -> list[LogicalCore]:
    """Return the usable logical cores in the order in which threads are placed; empty if the system names none.

    ``allowed`` is the affinity of this process by default.
    """
    allowed = sorted(allowed if allowed is not None else allowed_cores(root) or [])
    kinds = _kinds(root, allowed)
    nodes = {
        core: int(path.name.removeprefix("node"))
        for path in (root / NODE).glob("node[0-9]*")
        for core in cores_of(read(path / "cpulist") or "")
    }
    seen: dict[int, int] = {}
    found = []
    for core in allowed:
        siblings = cores_of(read(root / CPU / f"cpu{core}/topology/thread_siblings_list") or str(core))
        physical = min(siblings)
        found.append(LogicalCore(core, physical, nodes.get(core, 0), kinds[core], seen.get(physical, 0)))
        seen[physical] = seen.get(physical, 0) + 1
    return sorted(found, key=lambda one: (one.sibling, one.kind, one.node, one.number))


def _kinds(root: Path, allowed: Sequence[int]) -> dict[int, int]:
    """Return {core: rank of its kind among the usable ones}, 0 for the fastest."""
    lists = [set(cores_of(read(root / f"sys/devices/cpu_{kind}/cpus") or "")) for kind in KINDS]
    if any(lists):
        speeds = {core: next((-rank for rank, cores in enumerate(lists) if core in cores), 0) for core in allowed}
    else:
        speeds = {core: read_number(root / CPU / f"cpu{core}/cpu_capacity") or 0 for core in allowed}
    ranks = {speed: rank for rank, speed in enumerate(sorted(set(speeds.values()), reverse=True))}
    return {core: ranks[speed] for core, speed in speeds.items()}


def usable_threads(cores: Sequence[LogicalCore], root: Path = ROOT) -> int:
    """Return the largest number of threads that can run at once: logical cores, limited by a cgroup CPU quota."""
    return cgroup.within_quota(len(cores), root)


def counts_up_to(cores: Sequence[LogicalCore], most: int) -> tuple[int, ...]:
    """Return 1, 2, 4 ..., the number of physical cores (of the fastest kind, and of all), and ``most``, ascending.

    Where the system names no cores, ``most`` are taken for physical.
    """
    first = [one for one in cores if one.sibling == 0]
    fastest = [one for one in first if one.kind == 0]
    num_physical = len(first) or most
    powers = [2**power for power in range(max(1, num_physical).bit_length())]
    wanted = {*powers, len(fastest), num_physical, most}
    return tuple(sorted(count for count in wanted if 1 <= count <= most))


def share_cores(cores: Sequence[LogicalCore], parts: int, threads: int) -> list[list[int]]:
    """Return the logical cores of each of ``parts`` processes of ``threads`` threads; no two share a logical core.

    A process gets neighbours, and both siblings of a physical core if siblings are in use at all.

    Raises
    ------
    BenchError
        If there are fewer cores.
    """
    if parts * threads > len(cores):
        raise BenchError(
            f"{parts} times {threads} threads need {parts * threads} cores, and this process may use {len(cores)}: "
            "ask for fewer."
        )
    chosen = sorted(cores[: parts * threads], key=lambda one: (one.kind, one.node, one.physical, one.number))
    return [[one.number for one in chosen[part * threads : (part + 1) * threads]] for part in range(parts)]


def describe(numbers: Collection[int], root: Path = ROOT) -> dict[str, str | int]:
    """Describe a set of logical cores, JSON-ready: their numbers, and how many different ones; {} if it is empty."""
    cores = logical_cores(root, numbers)
    if not cores:
        return {}
    return {
        "cpus": cpus_text(numbers),
        "physical_cores": len({one.physical for one in cores}),
        "numa_nodes": len({one.node for one in cores}),
        "core_kinds": len({one.kind for one in cores}),
    }


def cpus_text(numbers: Collection[int]) -> str:
    """Write numbers as the kernel does: ``0-2,8``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def own_cores() -> set[int]:
    """Return the logical cores of this thread; empty where a system has no affinity."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def own_placement() -> dict[str, str | int]:
    """Describe the logical cores of this thread; empty where a system has no affinity."""
    return describe(own_cores())


@contextmanager
def pinned(numbers: Collection[int]) -> Iterator[None]:
    """Restrict this thread, and the processes that it starts inside the block, to some logical cores.

    An empty collection, or a system without affinity, restricts nothing.
    """
    if not numbers or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, numbers)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
