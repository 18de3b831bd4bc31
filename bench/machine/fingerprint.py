"""Fingerprint of this machine, recorded with every number.

No host name, user name or path is recorded, so that a record can be published unchanged.  Unknown values are None.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil

from bench.machine import cgroup, cpu, nvml
from bench.machine.sysfs import ROOT, read
from mlp import registry
from mlp.cores import allowed_cores

PACKAGES = (*registry.built_in_packages(), "nvidia-ml-py", "isal", "pandas", "pytest", "pytest-benchmark")


def fingerprint() -> dict[str, Any]:
    """Return hardware, limits, system and versions as a JSON-serializable dict; units are in the names."""
    gpus, why_no_gpus = nvml.describe_gpus()
    memory = cpu.quietly(psutil.virtual_memory)
    return {
        **cpu.facts(),
        "usable_cores": usable_cores(),
        "cpu_quota_cores": cgroup.cpu_quota_cores(),
        "memory_bytes": memory.total or None if memory else None,
        "memory_limit_bytes": cgroup.memory_limit_bytes(),
        "transparent_hugepages": transparent_hugepages(),
        "os": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": compiler_version(),
        "gpus": gpus,
        "gpus_missing_because": why_no_gpus,
        "cudnn": cudnn_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "load_average_1min": load_average_1min(),
    }


def usable_cores(root: Path = ROOT) -> int:
    """Return the usable cores: the affinity mask, further limited by a cgroup CPU quota (rounded up)."""
    return cgroup.within_quota(allowed_cores(), root)


def load_average_1min() -> float | None:
    """Return the load average of the last minute; None where the system does not tell it."""
    averages = cpu.quietly(lambda: os.getloadavg())
    return None if averages is None else averages[0]


def transparent_hugepages(root: Path = ROOT) -> str | None:
    """Return ``always``, ``madvise`` or ``never``; the kernel lists all three, with the active one in brackets."""
    chosen = re.search(r"\[(\w+)\]", read(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    return chosen[1] if chosen else None


def compiler_version() -> str | None:
    """Return the first line of ``g++ --version``; None without a C++ compiler on PATH."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    try:
        done = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.splitlines()[0] if done.stdout else None


def cudnn_version() -> str | None:
    """Return the version of the wheel with cuDNN (e.g. nvidia-cudnn-cu12); None without one."""
    # By name: to list what is installed reads a file for each package, a tenth of a second in all.
    return next(filter(None, (package_version(f"nvidia-cudnn-cu{cuda}") for cuda in range(11, 16))), None)


def package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def folder_name(fingerprint: dict[str, Any]) -> str:
    """Return the folder name of records and calibrations of a machine: ``amd-epyc-2-cores``, followed by its GPUs."""
    cpu, cores = fingerprint.get("cpu_model") or "unknown cpu", fingerprint.get("usable_cores") or "unknown"
    gpus = dict.fromkeys(str(gpu.get("name") or "unknown gpu") for gpu in fingerprint.get("gpus") or [])
    return re.sub(r"[^a-z0-9]+", "-", " ".join([f"{cpu} {cores} cores", *gpus]).lower()).strip("-")
