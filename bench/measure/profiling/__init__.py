"""Profilers: one module for each framework, each run in a fresh process.

* ``driver``: starts the processes of a stack and collects their results
* ``worker``: the program of these processes
* ``base``, ``rounds``: the contract of a collector; plain and profiled calls in turn
* ``sections``: nested clocks around a framework's own functions, for the compile profile
* ``theano``, ``pytensor`` (and ``apply_nodes``, which they share), ``jax``, ``torch``, ``numpy``: a collector each
* ``concurrency``: attribution of wall-clock time to concurrent operations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.errors import BenchError
from mlp import registry
from mlp.backends import Backend

if TYPE_CHECKING:
    from bench.measure.frameworks.profiler import Collector


def collector_of(backend: Backend) -> Collector:
    """Return the collector for a backend's framework, which must be importable."""
    profiler = registry.entry(backend.name).profiler
    if profiler is None:
        raise BenchError(f"{backend.name} cannot be profiled: its entry names no profiler.")
    return registry.resolve(profiler, f"the profiler of {backend.name}")(backend)
