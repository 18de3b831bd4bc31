"""Properties and settings of the CPU, from psutil, /proc and /sys."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

import psutil

from bench.machine.sysfs import ROOT, read, read_number
from bench.records.comparability import OF_FAMILY


def facts(root: Path = ROOT) -> dict[str, Any]:
    """Return JSON-serializable facts, units in the names; unavailable ones are None."""
    cpu = root / "sys/devices/system/cpu"
    cpuinfo = _cpuinfo(root)
    flags = cpuinfo.get("flags", cpuinfo.get("Features", "")).split()  # "Features" on Arm
    frequency = quietly(psutil.cpu_freq)
    return {
        "cpu_model": _model(cpuinfo) or platform.processor() or None,
        "architecture": platform.machine(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "numa_nodes": len(list((root / "sys/devices/system/node").glob("node[0-9]*"))) or None,
        "cpu_max_mhz": frequency.max or frequency.current if frequency else None,
        "simd": _simd(flags),
        "l1d_bytes": _cache_bytes(cpu, 1, "Data"),
        "l2_bytes": _cache_bytes(cpu, 2, "Unified"),
        "l3_bytes": _cache_bytes(cpu, 3, "Unified"),
        "smt": read(cpu / "smt/control"),
        "turbo": turbo(cpu),
        "governor": read(cpu / "cpu0/cpufreq/scaling_governor"),
        "microcode": cpuinfo.get("microcode"),
        "hypervisor": "hypervisor" in flags if flags else None,
    }


def _cpuinfo(root: Path) -> dict[str, str]:
    first_cpu = (read(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.partition(":") for line in first_cpu.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _model(cpuinfo: dict[str, str]) -> str | None:
    """Return the name of the CPU; on Arm, where the kernel has none, the numbers by which lscpu looks it up.

    A name without a number, as virtual machines give to processors of several generations, gets family and model.
    """
    implementer, part = cpuinfo.get("CPU implementer"), cpuinfo.get("CPU part")
    numbers = f"Arm, implementer {implementer}, part {part}" if implementer and part else None
    name, family, model = (cpuinfo.get(key) for key in ("model name", "cpu family", "model"))
    if name and family and model and not re.search(r"\d", name):
        return f"{name}{OF_FAMILY}{family} model {model})"
    return name or numbers


def _simd(flags: list[str]) -> str | None:
    """Return the widest of the instruction sets by which a BLAS selects its kernels."""
    levels = ("avx512f", "avx2", "avx", "sse4_2", "sve", "asimd", "neon")
    return next((level for level in levels if level in flags), None)


def _cache_bytes(cpu: Path, level: int, kind: str) -> int | None:
    for index in (cpu / "cpu0/cache").glob("index*"):
        if read_number(index / "level") == level and read(index / "type") == kind:
            size = read(index / "size")
            if size and size[-1] in "KM":
                return int(size[:-1]) * {"K": 2**10, "M": 2**20}[size[-1]]
    return None


def turbo(cpu: Path) -> bool | None:
    """Return True if boost clocks are enabled, None if unknown (Intel's driver has an inverted switch)."""
    forbidden = read_number(cpu / "intel_pstate/no_turbo")
    if forbidden is not None:
        return forbidden == 0
    allowed = read_number(cpu / "cpufreq/boost")
    return None if allowed is None else allowed == 1


def quietly(ask: Any) -> Any:
    """Call ``ask``; return None for any error, because psutil passes on errors of the platform."""
    try:
        return ask()
    except (OSError, RuntimeError, NotImplementedError, AttributeError, LookupError, ValueError, psutil.Error):
        return None
