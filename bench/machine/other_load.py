"""CPU time taken by other processes on the usable cores."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from bench.machine import sysfs
from mlp.cores import allowed_cores

NOT_BUSY = ("idle", "iowait", "guest", "guest_nice")  # guest time is included in user and nice


class CpuTimes(NamedTuple):
    """Clock readings in seconds: wall clock, busy time of the allowed cores, and CPU time of this process.

    ``steal`` is the part of ``busy`` that the host of a virtual machine took.
    """

    wall: float
    busy: float
    own: float
    steal: float | None = None


def read(root: Path = sysfs.ROOT) -> CpuTimes | None:
    """Read the clocks; None if the system does not report them for every allowed core."""
    try:
        by_core = psutil.cpu_times(percpu=True)
    except (OSError, RuntimeError, NotImplementedError):
        return None
    numbers = _numbers(len(by_core), root)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else numbers
    times = [one._asdict() for core, one in zip(numbers, by_core, strict=True) if core in allowed]
    if len(times) < len(allowed):
        return None
    busy = sum(seconds for one in times for name, seconds in one.items() if name not in NOT_BUSY)
    steal = sum(one["steal"] for one in times) if all("steal" in one for one in times) else None
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return CpuTimes(time.perf_counter(), busy, sum(one.ru_utime + one.ru_stime for one in used), steal)


def _numbers(count: int, root: Path) -> Sequence[int]:
    """Return the numbers of the ``count`` cores that psutil reports without them: those that are on."""
    online = sysfs.cores_of(sysfs.read(root / "sys/devices/system/cpu/online") or "")
    return online if len(online) == count else range(count)


def other_cpu_percent(before: CpuTimes | None, after: CpuTimes | None, usable_cores: int) -> float | None:
    """Return the CPU use of other processes between two readings, in percent of one core.

    Under a CPU quota more cores are allowed than usable: use that fits into the cores left free is not counted.  Own
    time is that of this process and of its ended children.
    """
    if before is None or after is None or after.wall <= before.wall:
        return None
    spare = max(0, allowed_cores() - usable_cores)
    others = ((after.busy - before.busy) - (after.own - before.own)) / (after.wall - before.wall)
    return 100 * max(0.0, others - spare)


def steal_percent(before: CpuTimes | None, after: CpuTimes | None) -> float | None:
    """Return the time that the host took from the usable cores between two readings, in percent of one core."""
    if before is None or after is None or None in (before.steal, after.steal) or after.wall <= before.wall:
        return None
    return 100 * max(0.0, after.steal - before.steal) / (after.wall - before.wall)
