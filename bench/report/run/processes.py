"""Facts that measured processes reported: versions of imported packages, and loaded libraries."""

from __future__ import annotations

from bench.records.header import LibraryFacts, RunHeader


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


def loaded_libraries(header: RunHeader) -> list[str]:
    """Return the loaded libraries with thread pools, as reported by the processes."""
    found = [
        f"{library.get('library')} ({_kernel(library)})" for facts in header.processes for library in facts["libraries"]
    ]
    return list(dict.fromkeys(found))


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
