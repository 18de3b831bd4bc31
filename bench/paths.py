"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLES = ("MNIST_DIR", "MLP_BENCH_CACHE")  # of the environment, whose values are paths


def absolute(path: str | os.PathLike[str]) -> Path:
    """``path`` from the root on, ``~`` expanded; links stay what they are."""
    return Path(os.path.abspath(os.path.expanduser(path)))
