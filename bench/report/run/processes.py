"""Facts that measured processes reported: versions of imported packages, and loaded libraries."""

from __future__ import annotations

from collections.abc import Iterable

from bench.records.header import LibraryFacts, RunHeader
from bench.records.schema import Replicate


def process_notices(header: RunHeader) -> list[str]:
    """Return notices on versions that differ from the planned ones or between processes."""
    notices, kernels = [], {}
    for facts in header.processes:
        where = facts.get("backend") or "the host's own measurements"
        for package, version in facts["packages"].items():
            if (planned := header.packages.get(package)) not in (None, version):
                notices.append(f"{where} ran with {package} {version}; {planned} was planned.")
        for library in facts["libraries"]:
            kernels.setdefault(library.get("library"), {}).setdefault(_kernel(library), where)
    for library, found in kernels.items():
        if len(found) > 1:
            told = ", ".join(f"{kernel} in {where}" for kernel, where in found.items())
            notices.append(f"The library {library} was not the same in all processes: {told}.")
    return list(dict.fromkeys(notices))


def unsampled_gpu_notices(replicates: Iterable[Replicate]) -> list[str]:
    """Return a notice for each reason why the GPU beside a measurement was not sampled, e.g. a driver without NVML."""
    reasons = [measured["extra"].get("gpu_reason") for one in replicates for measured in one["measurements"]]
    return [
        f"The GPU was not sampled, so its clocks, throttling, power and energy are unknown: {reason}."
        for reason in dict.fromkeys(filter(None, reasons))
    ]


def loaded_libraries(header: RunHeader) -> list[str]:
    """Return the loaded libraries with thread pools, as reported by the processes."""
    found = [
        f"{library.get('library')} ({_kernel(library)})" for facts in header.processes for library in facts["libraries"]
    ]
    return list(dict.fromkeys(found))


def tuning_parameters(header: RunHeader) -> list[str]:
    """Return the tuning parameters with which processes of theano/tuned computed, e.g. ``threads=2 (AVX-512)``."""
    tunings = [facts["tuning"] for facts in header.processes if facts.get("tuning")]
    return list(dict.fromkeys(f"{one.get('parameters')} ({one.get('instruction_set')})" for one in tunings))


def _kernel(library: LibraryFacts) -> str:
    known = [str(library[name]) for name in ("version", "architecture") if library.get(name)]
    return " ".join(known) or str(library.get("api"))


def measured_packages(header: RunHeader) -> dict[str, str]:
    """Return {package: version} for packages with the same version in all processes that imported them."""
    found: dict[str, set[str]] = {}
    for facts in header.processes:
        for package, version in facts["packages"].items():
            found.setdefault(package, set()).add(version)
    return {package: versions.pop() for package, versions in found.items() if len(versions) == 1}
