"""Facts on which it depends how well this machine can measure, read without root and without changing anything.

Counters only grow, so two readings tell what happened between them; ``bench.records.fitness`` judges both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.machine import cgroup, core_distance, cpu, rapl
from bench.machine.fingerprint import transparent_hugepages
from bench.machine.sysfs import ROOT, cores_of, fields, read, read_number
from bench.machine.throttling import thermal_throttle_events

CPU, NODE = "sys/devices/system/cpu", "sys/devices/system/node"
CLOCKSOURCE = "sys/devices/system/clocksource/clocksource0/current_clocksource"
NO_PROC = "this system has no /proc/stat"
NO_PRESSURE = "the kernel counts no pressure (PSI)"
NO_FREQUENCY = "the kernel shows no frequency scaling; most virtual machines have none"


class Fact(NamedTuple):
    """Named fact: its reader, which returns None if it cannot be read, and the reason of that."""

    name: str
    read: Callable[[Path], Any]
    missing_because: str


def read_fitness(root: Path = ROOT) -> dict[str, Any]:
    """Return all facts, JSON-ready, units in the names; ``missing`` has the reason of each that is None."""
    values = {fact.name: fact.read(root) for fact in FACTS}
    missing = {fact.name: fact.missing_because for fact in FACTS if values[fact.name] is None}
    return {**values, "missing": missing}


def fitness_now() -> dict[str, Any]:
    """Return all facts about this machine now, with the distance between its cores and why its energy is unknown."""
    found, distance = read_fitness(), core_distance.measure()
    missing = {"core_distance_ns": distance.reason, "cpu_energy_joules": rapl.problem()}
    found["missing"] |= {name: reason for name, reason in missing.items() if reason is not None}
    return {**found, "core_distance_ns": distance.farthest_ns}


# --- counters --------------------------------------------------------------------------------------------------------


def uptime_seconds(root: Path) -> float | None:
    text = read(root / "proc/uptime")
    return None if text is None else float(text.split()[0])


def steal_seconds(root: Path) -> float | None:
    """Return the time that the host of a virtual machine gave to others while a core had work, over all cores."""
    ticks = fields(root / "proc/stat", "cpu")
    return None if len(ticks) < 8 else int(ticks[7]) / os.sysconf("SC_CLK_TCK")


def procs_running(root: Path) -> int | None:
    """Return the threads that run or wait for a core, this one included."""
    found = fields(root / "proc/stat", "procs_running")
    return int(found[0]) if found else None


def pressure_seconds(resource: str, root: Path) -> float | None:
    """Return the time in which at least one thread waited for ``resource`` (PSI, ``some``)."""
    total = re.search(r"^some .*total=(\d+)", read(root / "proc/pressure" / resource) or "", re.MULTILINE)
    return None if total is None else int(total[1]) * 1e-6


def swapped_pages(root: Path) -> int | None:
    pages = [fields(root / "proc/vmstat", name) for name in ("pswpin", "pswpout")]
    return sum(int(one[0]) for one in pages) if all(pages) else None


# --- settings and topology -------------------------------------------------------------------------------------------


def allowed_cores(root: Path) -> list[int] | None:
    """Return the cores of this process's affinity that it can run on.

    Its file lists those, too, that are off or that a virtual machine might get later; the system call does not.
    """
    if root == ROOT and hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    text = next(iter(fields(root / "proc/self/status", "Cpus_allowed_list:")), None)
    return None if text is None else cores_of(text)


def frequency_setting(name: str, root: Path) -> str | None:
    """Return a setting of the allowed cores' frequency scaling: its values, separated by commas."""
    values = {read(root / CPU / f"cpu{core}/cpufreq" / name) for core in allowed_cores(root) or []} - {None}
    return ", ".join(sorted(values)) or None


def shared_cores(root: Path) -> int | None:
    """Return the number of allowed cores that share a physical one with another of them (SMT siblings)."""
    allowed = set(allowed_cores(root) or [])
    siblings = [read(root / CPU / f"cpu{core}/topology/thread_siblings_list") for core in allowed]
    if not siblings or None in siblings:
        return None
    return sum(len(allowed & set(cores_of(text))) > 1 for text in siblings)


def core_kinds(root: Path) -> int | None:
    """Return the kinds of cores among the allowed ones: more than 1 on a hybrid processor."""
    allowed = set(allowed_cores(root) or [])
    kinds = [read(root / f"sys/devices/cpu_{kind}/cpus") for kind in ("core", "atom", "lowpower")]
    if any(kinds):
        return sum(bool(allowed & set(cores_of(text))) for text in kinds if text)
    capacities = {read_number(root / CPU / f"cpu{core}/cpu_capacity") for core in allowed} - {None}
    return len(capacities) or None


def numa_nodes_spanned(root: Path) -> int | None:
    allowed = set(allowed_cores(root) or [])
    lists = [read(path / "cpulist") or "" for path in (root / NODE).glob("node[0-9]*")]
    return sum(bool(allowed & set(cores_of(text))) for text in lists) or None


def isolated_cores(root: Path) -> list[int] | None:
    path = root / CPU / "isolated"
    return cores_of(read(path) or "") if path.exists() else None


def swap_used_bytes(root: Path) -> int | None:
    total, free = (fields(root / "proc/meminfo", f"Swap{name}:") for name in ("Total", "Free"))
    return (int(total[0]) - int(free[0])) * 1024 if total and free else None


def on_battery(root: Path) -> bool | None:
    """Return True if a battery discharges and no mains supply is online; None without any supply listed."""
    supplies = list((root / "sys/class/power_supply").glob("*"))
    mains = [read_number(supply / "online") for supply in supplies if read(supply / "type") in ("Mains", "USB")]
    batteries = [read(supply / "status") for supply in supplies if read(supply / "type") == "Battery"]
    if not mains and not batteries:
        return None
    return "Discharging" in batteries and 1 not in mains


FACTS = (
    Fact("uptime_seconds", uptime_seconds, NO_PROC),
    Fact("steal_seconds", steal_seconds, NO_PROC),
    Fact("procs_running", procs_running, NO_PROC),
    Fact("cpu_pressure_seconds", partial(pressure_seconds, "cpu"), f"{NO_PRESSURE}: boot it with psi=1"),
    Fact("memory_pressure_seconds", partial(pressure_seconds, "memory"), NO_PRESSURE),
    Fact("swapped_pages", swapped_pages, "this system has no /proc/vmstat"),
    Fact("quota_throttled_periods", cgroup.throttled_periods, "no control group of this process counts them"),
    Fact("thermal_throttle_events", thermal_throttle_events, "only Intel's driver on real hardware counts them"),
    Fact("allowed_cores", allowed_cores, "this system has no /proc/self/status"),
    Fact("frequency_governor", partial(frequency_setting, "scaling_governor"), NO_FREQUENCY),
    Fact("frequency_driver", partial(frequency_setting, "scaling_driver"), NO_FREQUENCY),
    Fact("boost", lambda root: cpu.turbo(root / CPU), NO_FREQUENCY),
    Fact("cores_sharing_smt", shared_cores, "the kernel shows no topology of the cores"),
    Fact("core_kinds", core_kinds, "the kernel names no kinds of cores, as on most processors with one kind"),
    Fact("numa_nodes_spanned", numa_nodes_spanned, "the kernel shows no NUMA nodes"),
    Fact("isolated_cores", isolated_cores, "the kernel does not say"),
    Fact("transparent_hugepages", transparent_hugepages, "the kernel has none"),
    Fact("swap_used_bytes", swap_used_bytes, "this system has no /proc/meminfo"),
    Fact("aslr", lambda root: read_number(root / "proc/sys/kernel/randomize_va_space"), "the kernel does not say"),
    Fact("clocksource", lambda root: read(root / CLOCKSOURCE), "the kernel does not say"),
    Fact("on_battery", on_battery, "no power supply is listed, as on servers and in virtual machines"),
)
