"""The measuring and the reading of it.  ``import bench; bench.load_runs("results/runs")`` gives pandas frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.frames import load_runs

__version__ = "0.1.0"
__all__ = ["__version__", "load_runs"]


def __getattr__(name: str) -> Any:
    """``load_runs``, when it is first asked for: workers import this package too, and need no pandas."""
    if name == "load_runs":
        from bench.frames import load_runs

        return load_runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
