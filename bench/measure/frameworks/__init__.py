"""Engines that measure ceilings: the host's (NumPy and SciPy), and those that entries of backends name."""

from __future__ import annotations

from bench.measure.frameworks.engine import Engine, Sizes, Work
from mlp import registry
from mlp.backends import load

__all__ = ["Engine", "Sizes", "Work", "create"]


def create(backend: str, device: str, threads: int, sizes: Sizes) -> Engine:
    """Return the engine for a backend's ceilings: its own if available, else the host's."""
    ceilings = registry.entry(backend).ceilings
    if ceilings is not None:
        load(backend)(None).import_framework(device)  # which keeps JAX from taking most of the GPU's memory
        return registry.resolve(ceilings, f"the ceilings of {backend}")(device, sizes)
    from bench.measure.frameworks.numpy.engine import HostEngine

    return HostEngine(threads, sizes)
