"""Comparison key of a stack: the code and the versions that it ran.

Machines are compared only over stacks of equal code; other versions are named beside the ratio.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.records.columns import SCALING
from bench.records.header import RunHeader
from bench.records.stack_key import NO_STACK, WITHOUT_STACKS, stack_from_keys

NUMERIC = ("numpy", "scipy")
# The packages that a stack's speed depends on; those that its process imported beside them are left out.  Here for the
# built-in backends, because records say it of plugins only; a test compares it with their entries in mlp/registry.py.
RUNS_ON = {
    "theano": ("theano", "lasagne", *NUMERIC),
    "pytensor": ("pytensor", "numba", "jax", "jaxlib", "torch", *NUMERIC),
    "jax": ("jax", "jaxlib"),
    "torch": ("torch", "cuda"),
    "numpy": NUMERIC,
    None: ("numpy", "isal"),
}
ON_BLAS = ("theano", "pytensor", "numpy")  # the others link their own products
DIGITS = 12


@dataclass(frozen=True)
class ComparisonKey:
    """Code and versions of a stack in one run.

    Attributes
    ----------
    variant : str
        E.g. ``jax/scan``, on any device; empty for loading.
    workload : int or None
        Version of the workload; None in records older than schema 6, of which it is 1.
    code : str or None
        Digest of the executed source, with that of a plugin's own.  In records older than schema 6 ``commit`` and the
        commit's id; None if these had uncommitted changes, or no commit on record.
    commit : str or None
        The commit's id, for display.
    versions : Mapping[str, str]
        {name: version} of the packages, Python, the BLAS, the compiler and the driver that are on record.
    """

    variant: str
    workload: int | None
    code: str | None
    commit: str | None
    versions: Mapping[str, str]

    @property
    def digest(self) -> str | None:
        """Twelve hexadecimal digits that are equal if code and versions are; None if the code is unknown."""
        if self.code is None:
            return None
        text = json.dumps([self.variant, self.workload or 1, self.code, sorted(self.versions.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]

    def has_code_of(self, other: ComparisonKey) -> bool | None:
        """Return whether both ran the same code; None if that is not on record."""
        if self.code is not None and self.code == other.code:
            return (self.workload or 1) == (other.workload or 1)
        known = all(key.code is not None and not key.code.startswith("commit ") for key in (self, other))
        return False if known else None

    def other_versions(self, other: ComparisonKey) -> list[str]:
        """Return e.g. ``torch 2.12.0, then 2.13.0`` for each version that both record and that differs."""
        return [
            f"{name} {version}, then {other.versions[name]}"
            for name, version in self.versions.items()
            if other.versions.get(name, version) != version
        ]


def comparison_keys(header: RunHeader, replicates: Iterable[Mapping[str, Any]]) -> dict[str, ComparisonKey]:
    """Return {name of the stack: its key}; the name of loading is empty.

    A stack whose processes ran several codes, as in a tree that was edited meanwhile, has all of them in ``code``.
    The scaling harnesses count only for stacks that no other harness measured.
    """
    cases: dict[str, Mapping[str, Any]] = {}
    codes: dict[str, dict[str, None]] = {}
    measured = [one for one in replicates if one["status"] == "ok" and _has_stack(one["case"])]
    known = {_name(one["case"]) for one in measured if one["case"].get("harness") not in SCALING}
    for replicate in measured:
        case, name = replicate["case"], _name(replicate["case"])
        if case.get("harness") in SCALING and name in known:
            continue
        if cases.setdefault(name, case).get("cache") is None:
            cases[name] = case
        codes.setdefault(name, {})
        if replicate.get("code") is not None:
            codes[name][replicate["code"]] = None
    return {name: _key(header, case, sorted(codes[name])) for name, case in cases.items()}


def _has_stack(case: Mapping[str, Any]) -> bool:
    """Return False for a case without a whole stack: an ablation, ceilings, an engine of the harness threads."""
    is_engine = case.get("harness") in SCALING and case.get("variant") is None
    return case.get("harness") not in WITHOUT_STACKS and not is_engine


def _name(case: Mapping[str, Any]) -> str:
    stack = stack_from_keys(case)
    return NO_STACK if stack is None else stack.name


def _key(header: RunHeader, case: Mapping[str, Any], codes: list[str]) -> ComparisonKey:
    known = header.commit.id if not header.commit.dirty else None
    processes = [one for one in header.processes if one.get("backend") == case.get("backend")]
    code = "+".join(codes) or (f"commit {known}" if known else None)
    if code is not None and (plugins := {str(plugin["code"]) for plugin in _plugins(processes, case)}):
        code += f" with plugin {'+'.join(sorted(plugins))}"
    workloads = [one["workload"] for one in processes if one.get("workload") is not None]
    variant = "/".join(filter(None, (case.get("backend"), case.get("variant"))))
    return ComparisonKey(
        variant, max(workloads, default=None), code, header.commit.id, _versions(header, case, processes)
    )


def _plugins(processes: list[Mapping[str, Any]], case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the facts of the plugin that declared the case's backend, of each different process."""
    return [one for facts in processes for one in facts.get("plugins", ()) if one["backend"] == case.get("backend")]


def _versions(header: RunHeader, case: Mapping[str, Any], processes: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions on record; those that differed between processes are joined by " or "."""
    machine, backend = header.machine, case.get("backend")
    found: dict[str, dict[str, None]] = {}

    def add(name: str, version: Any) -> None:
        if version is not None:
            found.setdefault(name, {})[str(version)] = None

    plugins = _plugins(processes, case)
    for plugin in plugins:
        add(plugin["distribution"], plugin["version"])
    runs_on = RUNS_ON.get(backend, tuple(name for plugin in plugins for name in plugin["packages"]))
    for packages in [one["packages"] for one in processes] or [header.packages]:
        for name in runs_on:
            add(name, packages.get(name))
    for python in [one.get("python") for one in processes] or [machine.get("python")]:
        add("Python", python and ".".join(str(python).split(".")[:2]))  # e.g. CPython 3.11
    if backend in ON_BLAS or any(plugin["uses_blas"] for plugin in plugins):
        add("BLAS", (machine.get("blas") or {}).get("name"))
        for library in (library for one in processes for library in one["libraries"]):
            add(f"{library.get('library')}", library.get("sha256") and str(library["sha256"])[:DIGITS])
    if case.get("variant") == "tuned":
        for tuning in filter(None, (one.get("tuning") for one in processes)):
            add("tuning", tuning.get("parameters"))
            add("instruction set", tuning.get("instruction_set"))
    if case.get("cache") is not None:
        add("compiler", machine.get("compiler"))
    if str(case.get("device")).startswith("cuda"):
        for gpu in header.gpus:
            add("driver", gpu.get("driver"))
    return {name: " or ".join(sorted(versions)) for name, versions in found.items()}
