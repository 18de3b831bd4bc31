"""The measuring and the reading of it.  ``import bench; bench.load_runs("results/runs")`` gives pandas frames."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def load_runs(path: Any = "results/runs") -> Any:
    """The frames of one run folder or of all runs in a folder; see ``bench.frames.Frames``."""
    from bench.frames import load_runs as load

    return load(path)


__all__ = ["__version__", "load_runs"]
