"""Profiling of a stack in a fresh process; the collector of each framework is in ``bench.measure.frameworks``.

* ``driver``: starts the processes of a stack and collects their results
* ``worker``: the program of these processes
* ``rounds``: plain and profiled calls in turn; ``host``, ``context``: the host during a step, ceilings and loading
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlp import registry
from mlp.backends import Backend

if TYPE_CHECKING:
    from bench.measure.frameworks.profiler import Collector


def collector_of(backend: Backend) -> Collector:
    """Return the collector for a backend's framework, which must be importable and whose entry names a profiler."""
    return registry.resolve(registry.entry(backend.name).profiler, f"the profiler of {backend.name}")(backend)
