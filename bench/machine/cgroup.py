"""Limits of this process by Linux control groups: CPU quota, memory limit, throttled periods.

Versions 2 and 1 are supported; limits of all enclosing groups count.  In a container the group's path may be that of
the host and missing here; then the mounted root is the container's own group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from bench.machine.sysfs import ROOT, fields, number, read, read_number

UNLIMITED_BYTES = 2**60  # version 1 writes "no limit" as the largest number of whole pages


def cpu_quota_cores(root: Path = ROOT) -> float | None:
    """Return the CPU quota in cores, the minimum of all groups; None without a limit."""
    quotas = []
    for folder in _folders(root, "cpu"):
        limit_us, period_us = read_number(folder / "cpu.cfs_quota_us"), read_number(folder / "cpu.cfs_period_us")
        version_2 = read(folder / "cpu.max")
        if version_2 is not None:
            limit_us, period_us = (number(part) for part in version_2.split())
        if limit_us and period_us:
            quotas.append(limit_us / period_us)
    return min(quotas, default=None)


def within_quota(num_cores: int, root: Path = ROOT) -> int:
    """Return the number of cores limited by the CPU quota, which is rounded up."""
    quota = cpu_quota_cores(root)
    return num_cores if quota is None else max(1, min(num_cores, math.ceil(quota)))


def memory_limit_bytes(root: Path = ROOT) -> int | None:
    """Return the memory limit in bytes, the minimum of all groups; None without a limit."""
    return min((limit for limit, _ in _memory(root)), default=None)


def free_memory_bytes(root: Path = ROOT) -> int | None:
    """Return the bytes left below the memory limit, the minimum of all groups; None without a limit.

    Pages of files that were not used lately count as free, since the kernel gives them back at the limit.
    """
    free = []
    for limit, folder in _memory(root):
        used = read_number(folder / "memory.current") or read_number(folder / "memory.usage_in_bytes") or 0
        given_back = fields(folder / "memory.stat", "inactive_file")
        free.append(limit - used + (int(given_back[0]) if given_back else 0))
    return max(0, min(free)) if free else None


def _memory(root: Path) -> Iterator[tuple[int, Path]]:
    """Yield the memory limit in bytes and the folder of each group that has one."""
    for folder in _folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = read_number(folder / name)
            if limit is not None and limit < UNLIMITED_BYTES:
                yield limit, folder


def throttled_periods(root: Path = ROOT) -> int | None:
    """Return the number of periods in which a CPU quota was exhausted; only differences are meaningful.

    None if no group counts them.
    """
    counts = [fields(folder / "cpu.stat", "nr_throttled") for folder in _folders(root, "cpu")]
    return sum(int(count) for found in counts for count in found) if any(counts) else None


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the existing folders of this process's group and all enclosing groups, innermost first."""
    for line in (read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 2 has one line without controllers; beside version 1 it is mounted one level down.
        for mount in (controller,) if controllers else (".", "unified"):
            top = root / "sys/fs/cgroup" / mount
            group = top / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(top) and folder.is_dir())
