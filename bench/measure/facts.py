"""Facts of a measured process, from its imported modules and loaded libraries, not from installed packages.

``python -m bench.measure.facts`` prints the facts of a process with NumPy and SciPy.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from bench.measure.code import code_digest, plugin_digest
from mlp import registry
from mlp.recipe import WORKLOAD_VERSION

PACKAGES = (*registry.built_in_packages(), "isal")


def process_facts() -> dict[str, Any]:
    """Return the code of the workload, Python, imported packages, and loaded BLAS and OpenMP libraries.

    ``code`` is ``bench.measure.code.code_digest``; the package ``cuda`` is the CUDA that PyTorch was built for.
    ``tuning`` is there if theano/tuned was compiled, see ``mlp.backends.theano.tuned.tuning``.
    ``plugins`` are the distributions of the backends that are not built in, each with the packages that its speed
    depends on; no key where there are none.
    """
    plugins = registry.imported_plugins()
    packages = (*PACKAGES, *(package for _, entry in plugins for package in entry.packages))
    versions = {name: _version(name) for name in packages}
    versions["cuda"] = getattr(getattr(sys.modules.get("torch"), "version", None), "cuda", None)
    facts = {
        "workload": WORKLOAD_VERSION,
        "code": code_digest(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name, version in versions.items() if version is not None},
        "libraries": loaded_libraries(),
        **({"plugins": [_plugin_facts(*one) for one in plugins]} if plugins else {}),
    }
    tuned = sys.modules.get("mlp.backends.theano.tuned.tuning")
    tuning = tuned and tuned.facts_in_use()
    return {**facts, "tuning": tuning} if tuning else facts


def _version(package: str) -> str | None:
    """Return the version of a package that this process imported; None if it imported or states none."""
    version = getattr(sys.modules.get(package), "__version__", None)
    return None if version is None else str(version)


def _plugin_facts(plugin: registry.Plugin, entry: registry.BackendEntry) -> dict[str, Any]:
    return {
        "backend": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "code": plugin_digest(entry.implementation),
        "packages": list(entry.packages),
        "uses_blas": entry.uses_blas,
    }


def loaded_libraries() -> list[dict[str, Any]]:
    """Return a table for each library with a thread pool; empty if threadpoolctl is not installed.

    ``library`` is file and folder, ``api`` blas or openmp, ``architecture`` that of the selected kernels; ``sha256`` is
    of the file and None if it is not a BLAS.
    """
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    found = [
        {
            "library": "/".join(Path(pool["filepath"]).parts[-2:]),
            "api": pool["user_api"],
            "version": pool.get("version"),
            "architecture": pool.get("architecture"),
            "sha256": _sha256(Path(pool["filepath"])) if pool["user_api"] == "blas" else None,
            "threads": pool["num_threads"],
        }
        for pool in threadpool_info()
    ]
    return sorted(found, key=lambda pool: pool["library"])


@cache  # of a library in use, which is not replaced; 30 MB take a tenth of a second
def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


if __name__ == "__main__":
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401

    print(json.dumps(process_facts()))
