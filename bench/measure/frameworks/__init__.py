"""Engines that measure ceilings: NumPy and SciPy on the CPU, JAX, PyTorch; one contract, one file each."""

from __future__ import annotations

from bench.measure.frameworks.engine import Engine, Sizes, Work
from mlp.backends import load

__all__ = ["Engine", "Sizes", "Work", "create"]


def create(backend: str, device: str, threads: int, sizes: Sizes) -> Engine:
    """Return the engine for a backend's ceilings: its own if available, else the host's."""
    if backend == "torch":
        from bench.measure.frameworks.torch.engine import TorchEngine

        return TorchEngine(device, sizes)
    if backend == "jax":
        load("jax").import_framework(device)  # which keeps JAX from taking most of the GPU's memory
        from bench.measure.frameworks.jax.engine import JaxEngine

        return JaxEngine(device, sizes)
    from bench.measure.frameworks.numpy.engine import HostEngine

    return HostEngine(threads, sizes)
