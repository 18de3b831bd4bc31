"""Data parallelism in JAX: parameters on every device, each minibatch divided among them.

The program is that of one device.  XLA divides it by the sharding of its arguments and inserts the all-reduce of the
gradients (docs.jax.dev, "Distributed arrays and automatic parallelization").  Random numbers depend on their position
and not on the device (``jax_threefry_partitionable``), so that the masks of a global minibatch are those of one device.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlp.backends.base import Variant
from mlp.backends.jax.backend import MASKS, JaxBackend
from mlp.backends.resident import flat
from mlp.cores import allowed_cores
from mlp.errors import BackendError
from mlp.recipe import Recipe

REDUCTIONS_OF_A_STEP = 7  # six gradients and the loss
SHARDED = Variant("sharded", "as step, each minibatch divided among devices", caches_code=True, masks=MASKS)


class ShardedJaxBackend(JaxBackend):
    """``jax/step`` on ``num_devices`` GPUs, or on as many host devices, which share the cores of one processor.

    The number of host devices is set when JAX is imported and cannot change in a process.  The batch size must be a
    multiple of the number.
    """

    variants = (SHARDED,)

    def __init__(self, num_devices: int) -> None:
        super().__init__(SHARDED.name)
        self.num_devices = num_devices

    def import_framework(self, device: str = "cpu") -> None:
        super().import_framework(device)
        import jax

        if device == "cpu":
            jax.config.update("jax_num_cpu_devices", self.num_devices)
            # An all-reduce on a host device holds a thread of XLA's only pool until the other devices arrive.  Those in
            # flight at once must leave threads for the rest, or a step never ends (seen with a pool of 2 threads).
            jax.config.update("jax_cpu_enable_async_dispatch", False)
            os.environ["NPROC"] = str(allowed_cores() + REDUCTIONS_OF_A_STEP * self.num_devices)

    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        """As ``JaxBackend.build``; raise BackendError if there are fewer devices, or the batch cannot be divided."""
        import jax
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        if recipe.batch_size % self.num_devices:
            raise BackendError(f"{recipe.batch_size} examples cannot be divided among {self.num_devices} devices.")
        devices = jax.devices(device.partition(":")[0])
        if len(devices) < self.num_devices:
            raise BackendError(f"{self.num_devices} devices are more than the {len(devices)} that JAX finds.")
        super().build(recipe, parameters, device)
        mesh = Mesh(np.array(devices[: self.num_devices]), ("devices",))
        self._device = NamedSharding(mesh, PartitionSpec())  # a copy on each
        self._split = NamedSharding(mesh, PartitionSpec("devices"))
        self._state = jax.device_put(self._state, self._device)

    def compile(self) -> None:
        batch_size = self.recipe.batch_size
        batch = self._upload(np.zeros((batch_size, self.recipe.layer_widths[0]), np.float32), np.zeros(batch_size))
        self._executable("train_step", self._state, *batch)
        self._executable("evaluate", self._state.parameters, *batch)

    def all_reduce(self, num_elements: int) -> Callable[[], None]:
        """Return a function that sums float32 arrays of ``num_elements`` over the devices, synchronously."""
        import jax

        parts = jax.device_put(np.ones((self.num_devices, num_elements), np.float32), self._split)
        total = jax.jit(lambda parts: parts.sum(axis=0), out_shardings=self._device)
        return lambda: jax.block_until_ready(total(parts))

    def _upload(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        import jax

        return jax.device_put((flat(images), labels.astype(np.int32)), self._split)

    def _executable(self, name: str, *arguments: Any) -> Any:
        """As ``JaxBackend._executable``, with results on every device."""
        import jax

        key = (name, *((array.shape, array.dtype.name) for array in arguments[1:]))
        if key not in self._executables:
            donated = (0,) if name.startswith("train") else ()
            function = jax.jit(getattr(self._program, name), donate_argnums=donated, out_shardings=self._device)
            self._executables[key] = function.lower(*arguments).compile()
        return self._executables[key]
