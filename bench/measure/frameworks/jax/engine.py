"""JAX engine, on the CPU or on an NVIDIA GPU.

On a GPU small work is repeated by a loop on the device: the time of one call of a compiled function for each would be
that of JAX's dispatch, tens of microseconds.  Large arrays take longer than their dispatch, which is then hidden.
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

SMALL_BYTES = 16 * 2**20  # of all arrays of one repetition
UNROLLED = 8  # repetitions in the body of the loop; XLA makes a CUDA graph from 5 kernels on
PRECISIONS = {
    "float32": jax.lax.Precision.HIGHEST,
    "tf32": jax.lax.DotAlgorithmPreset.TF32_TF32_F32,
    "bfloat16": None,  # of bfloat16 factors
}


class JaxEngine(Engine):
    def __init__(self, device: str, sizes: Sizes) -> None:
        super().__init__(sizes)
        kind, _, index = device.partition(":")
        self._device = jax.devices(kind)[int(index or 0)]
        self._on_gpu = kind == "cuda"

    def product(self, product: Product, precision: str = "float32") -> Work | None:
        if precision != "float32" and not self._on_gpu:
            return None
        factors = random_factors(product)
        if precision == "bfloat16":
            factors = tuple(jnp.asarray(factor, jnp.bfloat16) for factor in factors)

        def multiply(a: jax.Array, b: jax.Array) -> jax.Array:
            left, right = a.T if product.transpose_a else a, b.T if product.transpose_b else b
            return jnp.matmul(left, right, precision=PRECISIONS[precision])

        is_looped = self._on_gpu and product.bytes <= SMALL_BYTES
        return (self._looped if is_looped else self._called)(multiply, *factors)

    def copy(self) -> Work | None:
        """Prepare work with the traffic of a copy; XLA would eliminate a plain copy."""
        return self._called(_increment, np.ones(self.sizes.copy_bytes // 4, np.float32)) if self._on_gpu else None

    def multiply(self) -> Work | None:
        factors = [np.ones(self.sizes.num_elements, np.float32)] * 2
        return self._called(lambda a, b: a * b, *factors) if self._on_gpu else None

    def random(self) -> Work | None:
        """Prepare XLA's own generator for the device, the fastest of JAX's."""
        if not self._on_gpu:
            return None
        key, count = jax.random.key(0, impl="rbg"), self.sizes.num_random
        return self._called(lambda key: jax.random.uniform(key, (count,), jnp.float32), key)

    def kernel(self) -> Work | None:
        return self._looped(_increment, np.ones(1, np.float32)) if self._on_gpu else None

    def kernel_launch(self) -> Work | None:
        return self._called(_increment, np.ones(1, np.float32)) if self._on_gpu else None

    def host_to_device(self, pinned: bool = True) -> Work | None:
        if pinned or not self._on_gpu:  # JAX takes NumPy's arrays, whose memory is pageable
            return None
        on_host = np.ones(self.sizes.transfer_bytes // 4, np.float32)

        def work(n: int) -> None:
            for _ in range(n):
                jax.device_put(on_host, self._device).block_until_ready()

        return work

    def device_to_host(self, pinned: bool = True) -> Work | None:
        """Prepare the transfer of a new array each time, because an array caches its host copy."""
        if pinned or not self._on_gpu:
            return None
        on_device = jax.device_put(np.ones(self.sizes.transfer_bytes // 4, np.float32), self._device)
        renew = jax.jit(_increment)

        def work(n: int) -> None:
            for _ in range(n):
                np.asarray(renew(on_device))

        return work

    def _looped(self, function: Callable[..., jax.Array], *arguments: Any) -> Work:
        return LoopedWork(function, jax.device_put(arguments, self._device))

    def _called(self, function: Callable[..., jax.Array], *arguments: Any) -> Work:
        compiled = jax.jit(function)
        placed = jax.device_put(arguments, self._device)

        def work(n: int) -> list[jax.Array]:
            # A GPU computes in order, so that waiting for its last result suffices and saves memory.  On a CPU
            # independent calls need not finish in order.
            kept = deque((compiled(*placed) for _ in range(n)), maxlen=1 if self._on_gpu else n)
            return jax.block_until_ready(list(kept))

        return work


class LoopedWork:
    """Work of ``chunk`` repetitions of ``function`` for each launch, UNROLLED of them in the body of a loop.

    Barriers make the arguments of a repetition depend on the previous results, so that XLA can neither move it out of
    the loop nor merge it with another; on a GPU they are removed after all optimizations.  The loop carries every
    result, so that none is dead then.  Its length is a constant: the host need not read the condition from the device.
    """

    chunk = 8 * UNROLLED

    def __init__(self, function: Callable[..., jax.Array], arguments: tuple[Any, ...]) -> None:
        def body(_: Any, carried: tuple[Any, list[jax.Array]]) -> tuple[Any, list[jax.Array]]:
            for number in range(UNROLLED):
                arguments, results = jax.lax.optimization_barrier(carried)
                carried = arguments, [*results[:number], function(*arguments), *results[number + 1 :]]
            return carried

        def launch(*arguments: Any) -> list[jax.Array]:
            shape = jax.eval_shape(function, *arguments)
            results = [jnp.zeros(shape.shape, shape.dtype) for _ in range(UNROLLED)]
            return jax.lax.fori_loop(0, self.chunk // UNROLLED, body, (arguments, results))[1]

        self._arguments = arguments
        self.launch = jax.jit(launch)

    def __call__(self, n: int) -> list[jax.Array]:
        results: list[jax.Array] = []
        for _ in range(n // self.chunk):
            results = self.launch(*self._arguments)
        return jax.block_until_ready(results)


def _increment(x: jax.Array) -> jax.Array:
    return x + 1
