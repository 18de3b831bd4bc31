"""Whether two fingerprints are of one machine: by its hardware and limits, not by the software that changes on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

HARDWARE = (
    *("cpu_model", "architecture", "physical_cores", "logical_cores", "l3_bytes", "numa_nodes", "usable_cores"),
    *("cpu_quota_cores", "memory_bytes", "memory_limit_bytes", "hypervisor", "smt", "threads"),
)
# Kernels and firmware reserve a little more or less of the same memory from one update to the next.
TOLERANCE = 0.02


def identity(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What ``facts`` (a record's machine) say of the hardware; what they do not say is left out.

    ``threads`` of the BLAS is among it: a run on one core of two is no run on that machine's two.
    """
    found = {name: facts[name] for name in HARDWARE if facts.get(name) is not None}
    if facts.get("gpus") is not None:
        found["gpus"] = [gpu.get("name") if isinstance(gpu, dict) else gpu for gpu in facts["gpus"]]
    return found


def contradictions(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """The names of what two identities both tell, differently; empty: nothing speaks against one machine."""
    return [name for name in first if name in second and not _same(first[name], second[name])]


def _same(first: Any, second: Any) -> bool:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (first, second))
    return math.isclose(first, second, rel_tol=TOLERANCE) if numbers else first == second
