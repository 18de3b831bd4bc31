"""What this machine is: the fingerprint that stands beside every number.

No host name, user name or path is recorded, so that a record can be published as it is.  What cannot be found out
is None.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("numpy", "scipy", "theano", "lasagne", "pandas", "pytest", "pytest-benchmark")


def fingerprint() -> dict[str, Any]:
    """Hardware, limits, system and versions as one JSON-ready dict; units are in the names."""
    cpuinfo = _cpuinfo()
    frequency = _quietly(psutil.cpu_freq)
    return {
        "cpu_model": cpuinfo.get("model name") or platform.processor() or None,
        "architecture": platform.machine(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": usable_cores(),
        "cpu_max_mhz": frequency.max or frequency.current if frequency else None,
        "simd": _simd(cpuinfo.get("flags", "").split()),
        "l1d_bytes": _cache_bytes(1, "Data"),
        "l2_bytes": _cache_bytes(2, "Unified"),
        "l3_bytes": _cache_bytes(3, "Unified"),
        "smt": _read_sys("/sys/devices/system/cpu/smt/control"),
        "governor": _read_sys("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "hypervisor": "hypervisor" in cpuinfo.get("flags", "").split() if cpuinfo else None,
        "memory_bytes": psutil.virtual_memory().total,
        "os": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": compiler_version(),
        "gpus": gpus(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "load_average_1min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def usable_cores() -> int:
    """Cores this process may use: its affinity mask, further limited by a cgroup CPU quota (rounded up)."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _read_sys("/sys/fs/cgroup/cpu.max")
    if quota and not quota.startswith("max"):
        limit_us, period_us = (int(part) for part in quota.split())
        return max(1, min(affinity, -(-limit_us // period_us)))
    return affinity


def compiler_version() -> str | None:
    """First line of ``g++ --version``; None without a C++ compiler on PATH."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    try:
        done = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.splitlines()[0] if done.stdout else None


def gpus() -> list[dict[str, Any]]:
    """NVIDIA GPUs as nvidia-smi lists them; an empty list when there is none or it cannot be asked."""
    fields = ("name", "driver_version", "memory.total", "power.limit", "pcie.link.gen.max")
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    found = []
    for line in done.stdout.splitlines():
        name, driver, memory_mib, power_watts, pcie_generation = (part.strip() for part in line.split(","))
        found.append(
            {
                "name": name,
                "driver": driver,
                "memory_bytes": int(float(memory_mib)) * 2**20 if _is_number(memory_mib) else None,
                "power_limit_watts": float(power_watts) if _is_number(power_watts) else None,
                "pcie_generation": int(pcie_generation) if pcie_generation.isdigit() else None,
            }
        )
    return found


def package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit(directory: Path) -> dict[str, Any]:
    """The git commit of ``directory`` and whether its tracked files differ from it; None where git cannot say."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=directory, capture_output=True, text=True, timeout=30, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    changes = git("status", "--porcelain", "--untracked-files=no")
    return {"id": git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def _cpuinfo() -> dict[str, str]:
    try:
        first_cpu = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first_cpu.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _simd(flags: list[str]) -> str | None:
    for level in ("avx512f", "avx2", "avx", "sse4_2", "asimd", "neon"):
        if level in flags:
            return level
    return None


def _cache_bytes(level: int, kind: str) -> int | None:
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if _read_sys(index / "level") == str(level) and _read_sys(index / "type") == kind:
            size = _read_sys(index / "size")
            if size and size[-1] in "KM":
                return int(size[:-1]) * {"K": 2**10, "M": 2**20}[size[-1]]
    return None


def _read_sys(path: str | Path) -> str | None:
    try:
        return Path(path).read_text().strip() or None
    except OSError:
        return None


def _quietly(ask: Any) -> Any:
    """psutil raises whatever the platform raises for what it cannot tell; for a fingerprint that is 'unknown'."""
    try:
        return ask()
    except (OSError, RuntimeError, NotImplementedError, AttributeError, psutil.Error):
        return None


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
