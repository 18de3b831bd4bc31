"""CPU time that others took, while something of ours ran, of the cores that it may use."""

from __future__ import annotations

import os
import resource
import time
from typing import NamedTuple

import psutil

from mlp.cores import allowed_cores

NOT_BUSY = ("idle", "iowait", "guest", "guest_nice")  # the time of guests is in user and nice already


class CpuTimes(NamedTuple):
    """Seconds since some moment: of the clock, of all that ran on the allowed cores, and of ours."""

    wall: float
    busy: float
    own: float


def read() -> CpuTimes | None:
    """None where the system does not tell."""
    try:
        by_core = psutil.cpu_times(percpu=True)
    except (OSError, RuntimeError, NotImplementedError):
        return None
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(by_core))
    busy = sum(
        seconds
        for core, times in enumerate(by_core)
        if core in allowed
        for name, seconds in times._asdict().items()
        if name not in NOT_BUSY
    )
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return CpuTimes(time.perf_counter(), busy, sum(one.ru_utime + one.ru_stime for one in used))


def other_cpu_percent(before: CpuTimes | None, after: CpuTimes | None, usable_cores: int) -> float | None:
    """What others used between two readings of ``usable_cores``; 100 is one core.

    Under a CPU quota more cores are allowed than usable: what fits into those that we leave free is not counted.  Ours
    is what this process and its children used that have ended.
    """
    if before is None or after is None or after.wall <= before.wall:
        return None
    spare = max(0, allowed_cores() - usable_cores)
    others = ((after.busy - before.busy) - (after.own - before.own)) / (after.wall - before.wall)
    return 100 * max(0.0, others - spare)
