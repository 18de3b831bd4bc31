"""Comparison of two fingerprints: the same machine, by hardware and limits and not by software."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

HARDWARE = (
    *("cpu_model", "architecture", "physical_cores", "logical_cores", "l3_bytes", "numa_nodes", "usable_cores"),
    *("cpu_quota_cores", "memory_bytes", "memory_limit_bytes", "hypervisor", "smt", "threads"),
)
# The memory reserved by kernel and firmware varies a little between updates.
TOLERANCE = 0.02


def identity(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hardware facts of a record's machine that are known.

    ``threads`` of the BLAS is included: one core of two is not the same machine as both.
    """
    found = {name: facts[name] for name in HARDWARE if facts.get(name) is not None}
    if facts.get("gpus") is not None:
        found["gpus"] = [gpu.get("name") if isinstance(gpu, dict) else gpu for gpu in facts["gpus"]]
    return found


def contradictions(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return the names of known facts that differ; empty if it may be the same machine."""
    return [name for name in first if name in second and not _same(first[name], second[name])]


def _same(first: Any, second: Any) -> bool:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (first, second))
    return math.isclose(first, second, rel_tol=TOLERANCE) if numbers else first == second
