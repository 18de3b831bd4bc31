"""JAX engine, on the CPU or on an NVIDIA GPU.

Each repetition is a call of a compiled function, so that on a GPU the time of the smallest products is that of the
call; PyTorch's captured graphs exclude it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.measure.frameworks.engine import Engine, Sizes, Work
from bench.measure.frameworks.products import random_factors
from bench.roofline.workload import Product


class JaxEngine(Engine):
    name = "jax"

    def __init__(self, device: str, sizes: Sizes) -> None:
        super().__init__(sizes)
        kind, _, index = device.partition(":")
        self._device = jax.devices(kind)[int(index or 0)]
        self._on_gpu = kind == "cuda"

    def product(self, product: Product) -> Work:
        def multiply(a: jax.Array, b: jax.Array) -> jax.Array:
            left, right = a.T if product.transpose_a else a, b.T if product.transpose_b else b
            return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)

        return self._called(multiply, *random_factors(product))

    def copy(self) -> Work | None:
        """Prepare work with the traffic of a copy; XLA would eliminate a plain copy."""
        return self._called(lambda x: x + 1, self._host_ones(self.sizes.copy_bytes // 4)) if self._on_gpu else None

    def multiply(self) -> Work | None:
        factors = [self._host_ones(self.sizes.num_elements)] * 2
        return self._called(lambda a, b: a * b, *factors) if self._on_gpu else None

    def random(self) -> Work | None:
        """Prepare XLA's own generator for the device, the fastest of JAX's."""
        if not self._on_gpu:
            return None
        key, count = jax.random.key(0, impl="rbg"), self.sizes.num_random
        return self._called(lambda key: jax.random.uniform(key, (count,), jnp.float32), key)

    def kernel_launch(self) -> Work | None:
        return self._called(lambda x: x + 1, self._host_ones(1)) if self._on_gpu else None

    def host_to_device(self) -> Work | None:
        if not self._on_gpu:
            return None
        on_host = self._host_ones(self.sizes.transfer_bytes // 4)

        def work(n: int) -> None:
            for _ in range(n):
                jax.device_put(on_host, self._device).block_until_ready()

        return work

    def device_to_host(self) -> Work | None:
        """Prepare the transfer of a new array each time, because an array caches its host copy."""
        if not self._on_gpu:
            return None
        on_device = jax.device_put(self._host_ones(self.sizes.transfer_bytes // 4), self._device)
        renew = jax.jit(lambda x: x + 1)

        def work(n: int) -> None:
            for _ in range(n):
                np.asarray(renew(on_device))

        return work

    def _host_ones(self, count: int) -> np.ndarray:
        return np.ones(count, np.float32)

    def _called(self, function: Callable[..., jax.Array], *arguments: Any) -> Work:
        compiled = jax.jit(function)
        placed = jax.device_put(arguments, self._device)

        def work(n: int) -> list[jax.Array]:
            # A GPU computes in order, so that waiting for its last result suffices and saves memory.  On a CPU
            # independent calls need not finish in order.
            kept = deque((compiled(*placed) for _ in range(n)), maxlen=1 if self._on_gpu else n)
            return jax.block_until_ready(list(kept))

        return work
