"""Judgement of the facts about a machine's fitness to measure: its settings, what disturbed it, and a grade.

The facts are those of ``bench.machine.fitness``; an unknown one hinders nothing and disturbs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from bench.units import format_bytes, format_number, format_percent

Facts = Mapping[str, Any]

DYNAMIC_GOVERNORS = {"conservative", "ondemand", "powersave", "schedutil", "userspace"}
FAST_CLOCKS = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"}
LEAST_STEAL = 0.01  # of the time of the cores
LEAST_PRESSURE = {"cpu": 0.5, "memory": 0.01}  # of the time; the suite's own compilers and threads wait, too
# Facts from which ``hindrances`` are found.
SETTINGS = ("procs_running", "frequency_governor", "cores_sharing_smt", "core_kinds", "numa_nodes_spanned")
SETTINGS += ("isolated_cores", "swap_used_bytes", "clocksource", "on_battery")
MUST_NOT_CHANGE = ("allowed_cores", "boost", "frequency_governor", "on_battery", "transparent_hugepages")


class Grade(StrEnum):
    """Fitness of a machine, or of a run: see docs/statistics.md, "Fitness of a machine"."""

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    UNFIT = "unfit"


GRADES = {Grade.EXCELLENT: 0.02, Grade.GOOD: 0.05, Grade.FAIR: 0.10}  # below this fraction; unfit from the last on


def grade_of(fraction: float, is_disturbed: bool = False) -> Grade:
    """Return the grade of the smallest slowdown that can be seen, or of the time that was taken, as a fraction.

    With ``is_disturbed`` it is ``fair`` at best.
    """
    found = next((grade for grade, limit in GRADES.items() if fraction < limit), Grade.UNFIT)
    return Grade.FAIR if is_disturbed and found is not Grade.UNFIT else found


class Hindrance(NamedTuple):
    """Setting or load that makes measurements slower or less certain, and the advice on it."""

    detail: str
    advice: str


def hindrances(facts: Facts) -> Iterator[Hindrance]:
    """Yield what hinders measuring, by one reading of the facts."""
    # The governor powersave of drivers that choose clocks in hardware (intel_pstate, amd-pstate-epp) is dynamic.
    if slow := DYNAMIC_GOVERNORS & set((facts.get("frequency_governor") or "").split(", ")):
        detail = f"clocks follow the load (governor {', '.join(sorted(slow))}, driver {facts.get('frequency_driver')})"
        yield Hindrance(detail, "sudo cpupower frequency-set -g performance")
    running, cores = facts.get("procs_running"), len(facts.get("allowed_cores") or [])
    if running is not None and 0 < cores < running:  # one of them is the reader
        yield Hindrance(f"{running - 1} other threads want to run now on {cores} cores", "stop them")
    if (facts.get("core_kinds") or 1) > 1:
        detail = f"the usable cores are of {facts['core_kinds']} kinds with different speeds"
        yield Hindrance(detail, "take those of one kind: taskset -c; lscpu --extended lists them")
    isolated, allowed = set(facts.get("isolated_cores") or []), set(facts.get("allowed_cores") or [])
    if isolated and not isolated & allowed:
        names = ",".join(map(str, sorted(isolated)))
        yield Hindrance(f"the cores {names} are isolated from other work, and not used", f"taskset -c {names}")
    if facts.get("on_battery"):
        yield Hindrance("it runs on its battery, which limits the clocks", "plug it in")
    if facts.get("cores_sharing_smt"):
        detail = f"{facts['cores_sharing_smt']} usable cores are threads that share a physical core"
        yield Hindrance(detail, "take one thread of each core: taskset -c, and --threads")
    if (facts.get("numa_nodes_spanned") or 1) > 1:
        detail = f"the usable cores belong to {facts['numa_nodes_spanned']} NUMA nodes"
        yield Hindrance(detail, "stay on one: numactl --cpunodebind=0 --membind=0")
    if facts.get("swap_used_bytes"):
        detail = f"{format_bytes(facts['swap_used_bytes'])} of memory are swapped out"
        yield Hindrance(detail, "end what fills the memory, then swapoff -a and swapon -a")
    if facts.get("clocksource") not in (None, *FAST_CLOCKS):
        detail = f"the clock is read from {facts['clocksource']}, which takes about a microsecond"
        yield Hindrance(detail, "boot with a processor clock (clocksource=tsc) if it is stable")


# Facts of a GPU on which its fitness depends: by name, in words.
OF_GPU = {
    "sm_clock_mhz_now": "clock",
    "throttle_reasons_now": "throttling",
    "persistence_mode": "persistence",
    "ecc_mode": "ECC",
    "mig_mode": "MIG",
    "other_processes_now": "other processes",
}


def gpu_hindrances(gpu: Facts) -> Iterator[Hindrance]:
    """Yield what hinders measuring on a GPU, by the facts that NVML gave."""
    if others := gpu.get("other_processes_now"):
        used = f"{others} other process{'es' * (others > 1)} on it: its times would be too long"
        yield Hindrance(used, "wait for their end; nvidia-smi lists them")
    if reasons := gpu.get("throttle_reasons_now"):
        yield Hindrance(f"its clock is held down now: {', '.join(reasons)}", "nvidia-smi -q -d PERFORMANCE")
    if gpu.get("persistence_mode") is False:
        unloaded = "its driver state is dropped while nothing uses it, which delays the first step of a process"
        yield Hindrance(unloaded, "sudo nvidia-smi --persistence-mode=1")
    if gpu.get("mig_mode"):
        divided = "it is divided into MIG instances, which have fewer cores and share its power"
        yield Hindrance(divided, "compare it only with the same instances")


def disturbances(start: Facts, end: Facts) -> list[str]:
    """Return what disturbed the machine between two readings, most often the start and the end of a run."""
    seconds = _gained(start, end, "uptime_seconds")
    if not seconds or seconds < 0:  # the machine was started anew in between: its counters, too
        return []
    found = []
    num_cores = len(end.get("allowed_cores") or []) or 1
    steal = (_gained(start, end, "steal_seconds") or 0) / (seconds * num_cores)
    if steal > LEAST_STEAL:
        found.append(f"the host gave {format_percent(steal, 1)} of the cores' time to others (steal)")
    for resource, least in LEAST_PRESSURE.items():
        waited = (_gained(start, end, f"{resource}_pressure_seconds") or 0) / seconds
        if waited > least:
            wanted = "a core" if resource == "cpu" else "memory"
            found.append(f"threads waited for {wanted} during {format_percent(waited, 0)} of the time")
    for name, text in (
        ("quota_throttled_periods", "the control group's CPU quota stopped it {} times"),
        ("thermal_throttle_events", "heat lowered the clocks {} times"),
        ("swapped_pages", "{} pages of memory were swapped"),
    ):
        if (count := _gained(start, end, name)) and count > 0:
            found.append(text.format(format_number(count) if count >= 1000 else count))
    return found + _changes(start, end)


def _gained(start: Facts, end: Facts, name: str) -> float | None:
    return None if None in (start.get(name), end.get(name)) else end[name] - start[name]


def _changes(start: Facts, end: Facts) -> list[str]:
    known = [name for name in MUST_NOT_CHANGE if None not in (start.get(name), end.get(name))]
    return [
        f"{name.replace('_', ' ')}: {start[name]} at the start and {end[name]} at the end"
        for name in known
        if start[name] != end[name]
    ]


def share_taken(threads: int, cores: int, other_cpu_percent: float) -> float:
    """Return the fraction of the time of its cores that others took from a process; idle cores are given freely."""
    return max(0.0, other_cpu_percent / 100 - max(0, cores - threads)) / max(1, threads)


def mean_share_taken(processes: Sequence[tuple[float, float]]) -> float | None:
    """Return the mean over (wall seconds, share taken) of processes, by time; None without any."""
    seconds = math.fsum(wall for wall, _ in processes)
    return math.fsum(wall * share for wall, share in processes) / seconds if seconds else None
