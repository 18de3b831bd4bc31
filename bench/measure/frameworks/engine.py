"""The contract of the engines, and how much they are asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psutil

from bench.machine import cpu
from bench.roofline.workload import num_parameters, random_numbers
from mlp.recipe import Recipe

Work = Callable[[int], object]  # work(n) does it n times, and returns when all of it is done

MIB = 2**20
GPU_ARRAY_BYTES = 256 * MIB


@dataclass(frozen=True)
class Sizes:
    """Bytes of a copy, elements of the elementwise and the random arrays, and the side of the square matrices.

    On a CPU the elementwise arrays are as large as all parameters and the random ones as all masks of a step, because
    a step finds such arrays in its caches.  On a GPU they fill its memory's bandwidth instead: arrays of a step's size
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
    """Four times the last cache, 128 MiB at least; but source and destination leave most of the memory free."""
    last_cache = cpu.facts()["l3_bytes"] or 0
    return min(max(128 * MIB, 4 * last_cache), psutil.virtual_memory().available // 8)


class Engine:
    """Each method prepares one kind of work on float32 data; None where this engine cannot tell, or need not.

    ``product``, of which every engine knows, is all that JAX and PyTorch are asked for on a CPU: memory is the same
    for everybody there.
    """

    name: str

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes

    def product(self, product) -> Work:
        """A matrix product at full float32 precision."""
        raise NotImplementedError

    def copy(self) -> Work | None:
        """``copy_bytes`` from one place in memory to another."""

    def multiply(self) -> Work | None:
        """``out = a * b`` on ``num_elements``."""

    def random(self) -> Work | None:
        """``num_random`` numbers of 32 random bits."""

    def python_call(self) -> Work | None:
        """A call of a Python function that does nothing."""

    def page_fault(self) -> Work | None:
        """The first touch of a page of memory that the kernel has just mapped."""

    def kernel_launch(self) -> Work | None:
        """The smallest kernel, one after the other and without waiting in between."""

    def host_to_device(self) -> Work | None:
        """``transfer_bytes`` from the host's memory to the device's."""

    def device_to_host(self) -> Work | None:
        """The way back."""
