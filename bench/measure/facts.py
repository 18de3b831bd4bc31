"""Facts of a measured process, from its imported modules and loaded libraries, not from installed packages.

``python -m bench.measure.facts`` prints the facts of a process with NumPy and SciPy.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "scipy", "theano", "lasagne", "pytensor", "jax", "jaxlib", "torch", "numba", "isal")


def process_facts() -> dict[str, Any]:
    """Return Python, versions of imported packages, and loaded BLAS and OpenMP libraries of this process."""
    versions = {name: getattr(sys.modules.get(name), "__version__", None) for name in PACKAGES}
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name, version in versions.items() if version is not None},
        "libraries": loaded_libraries(),
    }


def loaded_libraries() -> list[dict[str, Any]]:
    """Return ``library`` (file and folder), ``api`` (blas or openmp), ``version``, ``architecture`` (of the selected
    kernels) and ``threads`` of each library with a thread pool; empty if threadpoolctl is not installed."""
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
            "threads": pool["num_threads"],
        }
        for pool in threadpool_info()
    ]
    return sorted(found, key=lambda pool: pool["library"])


if __name__ == "__main__":
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401

    print(json.dumps(process_facts()))
