"""Comparison of two fingerprints: the same machine, by hardware and limits and not by software."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

HARDWARE = (
    *("cpu_model", "architecture", "physical_cores", "logical_cores", "numa_nodes", "usable_cores"),
    # Hosts of one cloud call processors of several generations by one name, and their caches differ.
    *("l1d_bytes", "l2_bytes", "l3_bytes", "simd"),
    *("cpu_quota_cores", "memory_bytes", "memory_limit_bytes", "hypervisor", "smt", "threads"),
)
# The memory reserved by kernel and firmware varies a little between updates.
TOLERANCE = 0.02
OF_FAMILY = " (family "  # in the name of a CPU, followed by its numbers; records until 2026-11-27 have none
# These may differ: each process has its own seed, and the number of epochs does not affect the duration of one epoch;
# it does affect the reference clock, which is left out then.
FREE = ("seed", "num_epochs")


@dataclass(frozen=True)
class Subject:
    """A side of a comparison by what it was measured with; None or empty where its source does not tell.

    Attributes
    ----------
    name : str
        Unique among the sides of one comparison.
    facts : Mapping[str, Any]
        The machine and the software, JSON-ready, as the source has it; units are in the names.
    dataset : Mapping[str, Any] | None
        ``identity`` and ``sha256``.
    recipe : Mapping[str, Any] | None
        The hyper-parameters; ``num_epochs`` is that of the reference runs.
    passed : Mapping[str, str] | None
        Environment variables set for the measured processes with ``--env``.
    """

    name: str
    _: KW_ONLY
    facts: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] | None = None
    recipe: Mapping[str, Any] | None = None
    passed: Mapping[str, str] | None = None


def identity(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hardware facts of a record's machine that are known.

    ``threads`` of the BLAS is included: one core of two is not the same machine as both.
    """
    found = {name: facts[name] for name in HARDWARE if facts.get(name) is not None}
    if facts.get("gpus") is not None:
        found["gpus"] = [gpu.get("name") if isinstance(gpu, dict) else gpu for gpu in facts["gpus"]]
    return found


def machine_name(hardware: Mapping[str, Any]) -> str:
    """Return the name of a machine from its ``identity``, e.g. ``AMD EPYC, 2 cores, NVIDIA H100``."""
    model, cores = hardware.get("cpu_model"), hardware.get("usable_cores")
    parts = [model or "unknown CPU", f"{cores} cores" if cores else "", *hardware.get("gpus", [])]
    return ", ".join(str(part) for part in parts if part)


def contradictions(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return the names of known facts that differ; empty if it may be the same machine."""
    return [name for name in first if name in second and not _same(first[name], second[name])]


def _same(first: Any, second: Any) -> bool:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (first, second))
    if numbers:
        return math.isclose(first, second, rel_tol=TOLERANCE)
    if isinstance(first, str) and isinstance(second, str) and (OF_FAMILY in first) != (OF_FAMILY in second):
        return first.partition(OF_FAMILY)[0] == second.partition(OF_FAMILY)[0]
    return first == second


def machine_reasons(run: Subject, profiled: Subject) -> list[str]:
    first, second = identity(run.facts), identity(profiled.facts)
    return [
        f"{name.replace('_', ' ')} is {first[name]} in {run.name} and {second[name]} in {profiled.name}"
        for name in contradictions(first, second)
    ]


def dataset_reasons(base: Subject, other: Subject) -> list[str]:
    """Return a sentence if the datasets differ; empty if a side does not record its dataset."""
    if base.dataset is None or other.dataset is None:
        return []
    first, second = base.dataset.get("identity"), other.dataset.get("identity")
    if first != second:
        return [f"{base.name} measured the dataset {first or 'unknown'}, {other.name} {second or 'unknown'}"]
    hashes = [side.dataset.get("sha256") for side in (base, other)]
    if None not in hashes and hashes[0] != hashes[1]:
        return [f"both measured a dataset called {first or 'unknown'}, but the SHA-256 of its files differ"]
    return []


def recipe_reasons(base: Subject, other: Subject) -> list[str]:
    """Return a sentence for each hyper-parameter that differs, unless it is one of ``FREE``."""
    if base.recipe is None or other.recipe is None:
        return []
    return [
        f"the recipe's {name.replace('_', ' ')} is {base.recipe[name]} in {base.name} and "
        f"{other.recipe[name]} in {other.name}"
        for name in base.recipe
        if name in other.recipe and name not in FREE and base.recipe[name] != other.recipe[name]
    ]


def environment_reasons(base: Subject, other: Subject) -> list[str]:
    """Return a sentence if both sides record the variables of ``--env`` and these differ."""
    if base.passed is None or other.passed is None or base.passed == other.passed:
        return []
    first, second = settings_text(base.passed), settings_text(other.passed)
    return [f"the variables of --env are {first} in {base.name} and {second} in {other.name}"]


def settings_text(passed: Mapping[str, str]) -> str:
    """Return variables as ``NAME=VALUE, NAME=VALUE``, or ``none``."""
    return ", ".join(f"{name}={value}" for name, value in passed.items()) or "none"
