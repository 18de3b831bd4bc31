"""JAX backend: one jitted call per step, or the complete epoch as one scan over resident data."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.backends import gpu
from mlp.backends.base import Available, Unavailable, Variant, is_installed
from mlp.backends.resident import DeviceBackend, Residents, flat, write_pixels
from mlp.recipe import Recipe
from mlp.seeding import random_stream

INSTALL = "Install it: make bench BACKENDS=jax (or: pip install jax)"
INSTALL_CUDA = 'Install its CUDA build: make bench DEVICES="cpu cuda" BACKENDS=jax (or: pip install "jax[cuda{build}]")'

MASKS = "Threefry"  # every variant folds the number of the step into one key


SCAN = Variant(
    *("scan", "the whole epoch in one call, data on the device"),
    resident=True,
    caches_code=True,
    masks=MASKS,
)
SCAN_OF_A_GPU = replace(SCAN, devices=("cuda",), standard=False)


class JaxBackend(DeviceBackend):
    name = "jax"
    variants = (
        SCAN,
        Variant("step", "one jitted call for each step, minibatches from the host", caches_code=True, masks=MASKS),
        replace(SCAN_OF_A_GPU, name="scan_tf32", about="as scan, products in TF32", precision="tf32"),
        # On a CPU XLA accepts the bfloat16 algorithm and computes in float32: such a row would be mislabelled.
        replace(
            SCAN_OF_A_GPU,
            name="scan_bfloat16",
            about="as scan, products in bfloat16 with float32 sums",
            precision="bfloat16",
        ),
    )

    def __init__(self, variant: str | None = None) -> None:
        super().__init__(variant)
        self._state: Any = None

    @classmethod
    def import_framework(cls, device: str = "cpu") -> None:
        # By default JAX allocates three quarters of the GPU's memory, which hides the memory use of the workload.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import mlp.backends.jax.program  # noqa: F401

    @classmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        if not (is_installed("jax") and is_installed("jaxlib")):
            return Unavailable("the package jax is not installed", f"{INSTALL}.")
        version = importlib.metadata.version("jax")
        if device == "cpu":
            return Available(f"JAX {version}")
        driver = gpu.driver()
        if isinstance(driver, Unavailable):
            return driver
        return _ask_for_gpu(device, version, driver)

    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        import jax

        from mlp.backends.jax.program import Program, State

        self.recipe = recipe
        self.network = self
        self._device = _device(device)
        self._program = Program(recipe, self.variant.precision)
        self._executables: dict[tuple[Any, ...], Any] = {}
        self._residents = Residents(self._upload)
        self._sends_bytes = self.variant.resident and self._device.platform != "cpu"
        seed = random_stream(recipe, "dropout").randint(2**31)
        self._state = State([], [], *jax.device_put((jax.random.key(seed), np.uint32(0)), self._device))
        self.set_parameters(parameters)

    def compile(self) -> None:
        start = time.perf_counter()
        batch_size = self.recipe.batch_size
        batch = np.zeros((batch_size, self.recipe.layer_widths[0]), np.float32), np.zeros(batch_size, np.int32)
        placed = list(self._residents)
        if placed:  # the training data was placed first
            order = np.zeros((len(placed[0][0]) // batch_size, batch_size), np.int32)
            self._executable("train_epoch", self._state, *placed[0], order)
        else:
            self._executable("train_step", self._state, *batch)
        trained = time.perf_counter()
        for images, labels in placed[1:] or [batch]:
            whole = len(images) // batch_size * batch_size
            self._executable("evaluate", self._state.parameters, images[:whole], labels[:whole])
        self.compile_seconds = {
            "compile_train": trained - start,
            "compile_validate": time.perf_counter() - trained,
        }

    def _run_epoch(self, images: Any, labels: Any, order: np.ndarray) -> np.ndarray:
        batch_size = self.recipe.batch_size
        num_steps = len(order) // batch_size
        batches = np.asarray(order[: num_steps * batch_size], np.int32).reshape(num_steps, batch_size)
        self._state, losses = self._run("train_epoch", self._state, images, labels, batches)
        return np.asarray(losses)

    def _launch_step(self, images: np.ndarray, labels: np.ndarray) -> Any:
        self._state, loss = self._run("train_step", self._state, *self._upload(images, labels))
        return loss

    def _fetch(self, losses: list[Any]) -> np.ndarray:
        import jax

        return np.array(jax.device_get(losses))

    def _launch_evaluation(self, images: Any, labels: Any) -> Any:
        return self._run("evaluate", self._state.parameters, images, labels)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self._run("probabilities", self._state.parameters, flat(images)))

    def parameters(self) -> list[np.ndarray]:
        return [np.array(parameter) for parameter in self._state.parameters]

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        import jax

        def on_device(array: np.ndarray) -> Any:
            # A copy: on a CPU JAX may share the memory of a NumPy array, which then must never be modified.
            return jax.device_put(np.array(array, np.float32), self._device)

        # The position in the dropout stream stays: the old key may have been donated to the last step.
        self._state = self._state._replace(
            parameters=[on_device(parameter) for parameter in parameters],
            accumulators=[on_device(np.zeros_like(parameter)) for parameter in parameters],
        )

    def synchronize(self) -> None:
        import jax

        jax.block_until_ready(self._state)

    def _upload(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """Return host arrays for a single call, which transfers its arguments; device copies if resident.

        Images that were sent as bytes stay bytes there: the program makes each minibatch float32 as it gathers it.
        """
        import jax

        pixels = np.empty(flat(images).shape, np.uint8) if self._sends_bytes else None
        sent = pixels if pixels is not None and write_pixels(flat(images), pixels) else flat(images)
        pair = (sent, labels.astype(np.int32))
        return jax.block_until_ready(jax.device_put(pair, self._device)) if self.variant.resident else pair

    def _run(self, name: str, *arguments: Any) -> Any:
        return self._executable(name, *arguments)(*arguments)

    def _executable(self, name: str, *arguments: Any) -> Any:
        """Return ``Program.<name>`` compiled ahead of time for arguments of these shapes and types."""
        import jax

        key = (name, *((array.shape, array.dtype.name) for array in arguments[1:]))
        if key not in self._executables:
            donated = (0,) if name.startswith("train") else ()  # the old state's memory becomes the new one's
            function = jax.jit(getattr(self._program, name), donate_argnums=donated)
            self._executables[key] = function.lower(*arguments).compile()
        return self._executables[key]


def _device(device: str) -> Any:
    import jax

    kind = device.partition(":")[0]
    return jax.devices(kind)[gpu.device_index(device)]


def _ask_for_gpu(device: str, version: str, driver: gpu.Driver) -> Available | Unavailable:
    """Compute one number by JAX on the GPU: a listed device may still be unusable."""
    JaxBackend.import_framework(device)
    import jax

    try:
        gpus = jax.devices("cuda")
        missing = gpu.check_index(device, len(gpus))
        if missing is not None:
            return missing
        chosen = gpus[gpu.device_index(device)]
        float(jax.device_put(np.ones((64, 64), np.float32), chosen).sum())
    except Exception as error:  # JAX raises RuntimeError or its own XlaRuntimeError for errors of the driver
        text = gpu.first_line(error)
        if "RESOURCE_EXHAUSTED" in str(error):
            return Unavailable(f"the GPU has no memory left ({text})", "End the processes that nvidia-smi lists.")
        too_old = driver.cuda_version < gpu.OLDEST_CUDA
        remedy = gpu.UPDATE_DRIVER if too_old else f"{INSTALL_CUDA.format(build=driver.build)}."
        return Unavailable(f"JAX {version} finds no usable GPU ({text})", remedy)
    return Available(f"JAX {version} on {chosen.device_kind}")


BACKEND = JaxBackend
