"""Benchmark suite and its readers.  ``import bench; bench.load_runs("results/runs")`` returns pandas frames."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bench.version import __version__

if TYPE_CHECKING:
    from bench.records.frames import load_runs
    from bench.report.profile.frames import load_operations

__all__ = ["__version__", "load_operations", "load_runs"]

_LAZY = {"load_runs": "bench.records.frames", "load_operations": "bench.report.profile.frames"}


def __getattr__(name: str) -> Any:
    """Import the readers of records on first access: workers import this package too, and do not need pandas."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
