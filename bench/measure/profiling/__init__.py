"""Profilers: one module for each framework, all measuring, each in a fresh process of its own.

* ``driver``: a process for each stack, the table it leaves, the files
* ``worker``: what happens in that process
* ``base``, ``rounds``: the contract of a collector; plain and profiled calls in turn
* ``sections``: nested clocks around a framework's own functions, for the compile profile
* ``theano``, ``pytensor`` (and ``apply_nodes``, which they share), ``jax``, ``torch``, ``numpy``: a collector each
* ``concurrency``: wall-clock time shared out among operations that run at the same time
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mlp.backends import Backend

if TYPE_CHECKING:
    from bench.measure.frameworks.profiler import Collector

PROFILED = ("theano", "pytensor", "jax", "torch", "numpy")


def collector_of(backend: Backend) -> Collector:
    """The collector for a backend's framework, which must be importable."""
    return importlib.import_module(f"bench.measure.profiling.{backend.name}").COLLECTOR(backend)
