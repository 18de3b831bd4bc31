"""Normalization of paths given by users."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

# Environment variables whose values are paths, and lists of paths.
VARIABLES = ("MNIST_DIR", "MLP_BENCH_CACHE", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "CUDA_HOME", "CUDA_PATH")
LISTS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH")


def absolute(path: str | os.PathLike[str]) -> Path:
    """Make ``path`` absolute and expand ``~``; symbolic links are kept."""
    return Path(os.path.abspath(os.path.expanduser(path)))


def settled(name: str, value: str) -> str:
    """Return the value of a variable with its paths made absolute, as a process may run in another folder."""
    if name in VARIABLES:
        return str(absolute(value)) if value else value
    if name in LISTS:
        return os.pathsep.join(one and os.path.join(os.getcwd(), one) for one in value.split(os.pathsep))
    return value


def settle(variables: MutableMapping[str, str]) -> None:
    """Make the paths in ``variables`` absolute."""
    variables.update({name: settled(name, variables[name]) for name in (*VARIABLES, *LISTS) if name in variables})
