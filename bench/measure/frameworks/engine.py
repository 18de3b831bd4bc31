"""Contract of the engines, and their problem sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psutil

from bench.machine import cpu
from bench.roofline.workload import num_parameters, random_numbers
from mlp.recipe import Recipe

# work(n) runs n repetitions synchronously; one with an attribute ``chunk`` runs multiples of that many only.
Work = Callable[[int], object]

MIB = 2**20
GPU_ARRAY_BYTES = 256 * MIB


@dataclass(frozen=True)
class Sizes:
    """Bytes of a copy, elements of the elementwise and the random arrays, and the side of the square matrices.

    On a CPU the elementwise arrays have the size of all parameters and the random ones that of all masks of a step,
    which a step finds in its caches.  On a GPU they saturate the memory bandwidth instead: arrays of a step's size
    would time the launch.
    """

    copy_bytes: int
    num_elements: int
    num_random: int
    square_side: int
    transfer_bytes: int = 64 * MIB

    @classmethod
    def of(cls, device: str, recipe: Recipe) -> Sizes:
        if device != "cpu":
            count = GPU_ARRAY_BYTES // 4
            return cls(GPU_ARRAY_BYTES, count, count, square_side=8192)
        elements = num_parameters(recipe.layer_widths)
        return cls(_far_beyond_caches(), elements, random_numbers(recipe) or elements, square_side=2048)


def _far_beyond_caches() -> int:
    """Return bytes: four times the last cache, at least 128 MiB, limited to a small part of the memory."""
    size_bytes = max(128 * MIB, 4 * (cpu.facts()["l3_bytes"] or 0))
    memory = cpu.quietly(psutil.virtual_memory)
    return min(size_bytes, memory.available // 8) if memory else size_bytes


class Engine:
    """Contract of an engine: each method prepares one kind of float32 work, or returns None if not supported.

    ``product`` in float32 is mandatory, and the only one that JAX and PyTorch provide on a CPU, because they share its
    memory with the host engine.  On a GPU the repetitions run in a graph or a loop on the device, so that no time of
    the host is in them, except in ``kernel_launch``, which measures that, and in transfers.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes

    def product(self, product, precision: str = "float32") -> Work | None:
        """Prepare a matrix product at full float32 precision; on a GPU also in ``tf32`` or of ``bfloat16`` factors."""
        raise NotImplementedError

    def copy(self) -> Work | None:
        """Prepare a copy of ``copy_bytes`` in memory."""

    def multiply(self) -> Work | None:
        """Prepare ``out = a * b`` on ``num_elements``."""

    def random(self) -> Work | None:
        """Prepare drawing ``num_random`` numbers of 32 random bits."""

    def python_call(self) -> Work | None:
        """Prepare calling an empty Python function."""

    def page_fault(self) -> Work | None:
        """Prepare the first touch of a freshly mapped page."""

    def kernel(self) -> Work | None:
        """Prepare the smallest kernel, which the device repeats: no operation takes less."""

    def kernel_launch(self) -> Work | None:
        """Prepare launching the smallest kernel from the host repeatedly without synchronization in between."""

    def host_to_device(self, pinned: bool = True) -> Work | None:
        """Prepare a transfer of ``transfer_bytes`` from page-locked or pageable host memory to the device."""

    def device_to_host(self, pinned: bool = True) -> Work | None:
        """Prepare the reverse transfer."""
