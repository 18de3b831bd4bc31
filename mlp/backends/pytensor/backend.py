"""Backend of PyTensor, Theano's maintained successor: one graph, compiled by four of its modes."""

from __future__ import annotations

import copy
import importlib.metadata
import os
import time
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from mlp.backends import gpu
from mlp.backends.base import Available, Backend, Unavailable, Variant, is_installed
from mlp.backends.pytensor.process import extensions_of_its_own
from mlp.errors import BackendError
from mlp.recipe import Recipe
from mlp.theano_compat.blas import choose_blas
from mlp.theano_compat.compiler import INSTALL_COMPILER, NO_COMPILER, check_compile_directory, find_compiler
from mlp.theano_compat.dialect import PYTENSOR, Dialect

MODES = {"numba": "NUMBA", "c": "CVM", "jax": "JAX", "pytorch": "PYTORCH"}
PACKAGES = {"numba": "numba", "jax": "jax", "pytorch": "torch"}  # additional package of a variant
KNOWN_WARNINGS = (
    "The RandomType SharedVariables",  # each function gets a copy of a stream, which Graph handles
    "Explicitly requested dtype (int|float)64",  # sums in double precision, not supported by JAX
    "The given NumPy array is not writable",  # constants, which PyTorch does not modify
)
FIXED_BATCH = ("jax", "pytorch")  # these compile one function per batch size


class PyTensorBackend(Backend):
    """Backend that builds the recipe directly in PyTensor.

    ``jax`` is the only variant that uses a GPU and keeps parameters and optimiser there.  ``pytorch`` could compute on
    one, too, but PyTensor copies the complete state from and to the host in every call, which would dominate; it is
    restricted to the CPU.
    """

    name = "pytensor"
    variants = (
        # PyTensor's default mode, which needs no other package.
        Variant("numba", "PyTensor's default mode, compiled by numba", devices=("cpu",), caches_code=True),
        Variant("c", "C code linked to a BLAS, as Theano's", devices=("cpu",), caches_code=True),
        Variant("jax", "translated to JAX, one call per step", caches_code=True),
        Variant(
            *("pytorch", "translated to PyTorch and compiled; all state passes through the host in every call"),
            devices=("cpu",),
            standard=False,
            caches_code=True,
        ),
    )

    def __init__(self, variant: str | None = None) -> None:
        super().__init__(variant)
        self._jax_device: Any = None  # None for variants on NumPy arrays
        self._graph: Any = None

    def import_framework(self, device: str = "cpu") -> None:
        """Import PyTensor, and only the variant's own compiler package."""
        if self.variant.name == "jax":
            # As in mlp.backends.jax.backend: by default JAX allocates three quarters of the GPU's memory.
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import mlp.backends.pytensor.graph

        if self.variant.name == "pytorch":
            import mlp.backends.pytensor.torch_mode  # noqa: F401
        elif self.variant.name != "c":
            importlib.import_module(f"pytensor.link.{self.variant.name}.dispatch")

    @classmethod
    def compiler_settings(cls, variant: str) -> Dialect | None:
        return PYTENSOR if variant in ("c", "pytorch") else None

    @classmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        chosen = cls.variant_named(variant)
        if not is_installed("pytensor"):
            return Unavailable("the package pytensor is not installed", _install("pytensor", "pytensor"))
        if device.partition(":")[0] not in chosen.devices:
            return Unavailable(
                f"of PyTensor's modes only JAX keeps its state on a GPU, and {chosen.name} does not",
                "Choose variant jax, or measure device cpu.",
            )
        package = PACKAGES.get(chosen.name)
        if package is not None and not is_installed(package):
            reason = f"PyTensor's mode {MODES[chosen.name]} needs the package {package}, which is not installed"
            return Unavailable(reason, _install("pytensor" if package == "numba" else f"pytensor {package}", package))
        if chosen.name in ("c", "pytorch") and find_compiler(PYTENSOR) is None:
            return Unavailable(NO_COMPILER, f"{INSTALL_COMPILER}.")
        try:
            check_compile_directory(PYTENSOR)
        except BackendError as error:
            return Unavailable(str(error).rstrip("."), "Then try again.")
        if device == "cpu":
            return Available(_detail(chosen.name))
        from mlp.backends.jax.backend import JaxBackend

        answer = JaxBackend.availability(device)  # JAX must be available itself
        return answer if isinstance(answer, Unavailable) else Available(f"{_detail(chosen.name)}: {answer.detail}")

    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        self.import_framework(device)
        from mlp.backends.pytensor.graph import Graph

        self.recipe = recipe
        self.network = self
        if self.variant.name == "jax":
            import jax

            kind = device.partition(":")[0]
            self._jax_device = jax.devices(kind)[gpu.device_index(device)]
        self._graph = Graph(recipe)
        self._functions: dict[tuple[str, int | None], Any] = {}
        self.set_parameters(parameters)

    def compile(self) -> None:
        start = time.perf_counter()
        try:
            self._function("training", self.recipe.batch_size)
            trained = time.perf_counter()
            self._function("evaluation", self.recipe.batch_size)
        except OSError as error:  # lock timeout, or files in the compile directory
            raise BackendError(
                f"PyTensor's compile directory failed while compiling ({error}): free it or name another with "
                "PYTENSOR_FLAGS=base_compiledir=<directory>."
            ) from error
        self.compile_seconds = {"compile_train": trained - start, "compile_validate": time.perf_counter() - trained}

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float(self._launch_step(images, labels))

    def _launch_step(self, images: np.ndarray, labels: np.ndarray) -> Any:
        return self._call("training", *self._batch(images, labels))

    def _fetch(self, losses: list[Any]) -> np.ndarray:
        """Return losses, also of nested lists."""
        if self._jax_device is not None:
            import jax

            losses = jax.device_get(losses)
        return np.array(losses)

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        results = [self._call("evaluation", *self._batch(x, y)) for x, y in self._minibatches(images, labels)]
        loss, accuracy = np.mean(self._fetch(results), axis=0, dtype=np.float64)
        return float(loss), float(accuracy)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.array(self._call("probabilities", self._batch(images, np.zeros(len(images)))[0]))

    def parameters(self) -> list[np.ndarray]:
        return [np.array(parameter.container.storage[0]) for parameter in self._graph.parameters]

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        for own, accumulator, given in zip(self._graph.parameters, self._graph.accumulators, parameters, strict=True):
            value = np.array(given, np.float32)
            self._store(own, value)
            self._store(accumulator, np.zeros_like(value))

    def synchronize(self) -> None:
        if self._jax_device is not None:
            import jax

            jax.block_until_ready(self._state())

    # --- the pieces ------------------------------------------------------------------------------------------------

    def _call(self, name: str, images: np.ndarray, *labels: np.ndarray) -> Any:
        function = self._function(name, len(images))
        with self._precision():
            return function(images, *labels)

    def _function(self, name: str, batch_size: int) -> Any:
        """Return ``Graph.<name>`` compiled, for this batch size if the mode requires a fixed one, else for all."""
        fixed_batch_size = batch_size if self.variant.name in FIXED_BATCH else None
        key = name, fixed_batch_size
        if key not in self._functions:
            import pytensor

            inputs, outputs, updates = getattr(self._graph, name)(fixed_batch_size)
            with extensions_of_its_own(), warnings.catch_warnings():
                for known in KNOWN_WARNINGS:
                    warnings.filterwarnings("ignore", known, UserWarning)
                function = pytensor.function(
                    inputs,
                    outputs,
                    updates=updates,
                    mode=MODES[self.variant.name],
                    # _batch has checked the inputs; PyTensor's own check would fetch a device's arrays to the host.
                    trust_input=True,
                )
                self._warm_up(function, [np.zeros((batch_size, *x.type.shape[1:]), x.dtype) for x in inputs])
            self._functions[key] = function
        return self._functions[key]

    def _warm_up(self, function: Any, inputs: list[np.ndarray]) -> None:
        """Call ``function`` once, because all modes compile in the first call, and restore its state: the shared
        variables, and its own dropout streams.

        Raises
        ------
        BackendError
            If a parameter is not on the requested device.
        """
        kept = [container for container in function.input_storage if container.storage[0] is not None]
        if self._jax_device is None:
            before = [copy.deepcopy(container.storage[0]) for container in kept]
        else:
            import jax

            # The dropout streams are still NumPy's: after one step they would be JAX's, and the second step would
            # recompile everything.
            before = [jax.device_put(container.storage[0], self._jax_device) for container in kept]
            _put(kept, before)
        with self._precision():
            function(*inputs)
        self.synchronize()
        if self._jax_device is not None:
            devices = {device for array in self._state() for device in array.devices()}
            if devices != {self._jax_device}:
                raise BackendError(f"PyTensor was to compute on {self._jax_device}, but its state is on {devices}.")
        _put(kept, before)

    def _precision(self) -> AbstractContextManager[Any]:
        """Select float32 products (on recent GPUs JAX defaults to TF32) for this backend only."""
        if self._jax_device is None:
            return nullcontext()
        import jax

        return jax.default_matmul_precision("highest")

    def _state(self) -> list[Any]:
        """Return the arrays of parameters and accumulators: NumPy's, or those on JAX's device."""
        return [shared.container.storage[0] for shared in (*self._graph.parameters, *self._graph.accumulators)]

    def _store(self, shared: Any, value: np.ndarray) -> None:
        """Set a shared variable.  ``set_value`` would convert a device array to NumPy, and every call would upload it
        again."""
        if self._jax_device is not None:
            import jax

            value = jax.device_put(value, self._jax_device)
        shared.container.storage[0] = value

    def _batch(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return float32 (n, inputs) and int32 (n,), contiguous and writable, as the compiled functions require."""
        flat = images.reshape(len(images), -1)
        return np.require(flat, np.float32, ["C", "W"]), np.require(labels, np.int32, ["C", "W"])


def _put(containers: list[Any], values: list[Any]) -> None:
    for container, value in zip(containers, values, strict=True):
        container.storage[0] = value


def _install(backends: str, package: str) -> str:
    quoted = f'"{backends}"' if " " in backends else backends
    return f"Install it: make bench BACKENDS={quoted} (or: pip install {package})."


def _detail(variant: str) -> str:
    """Format ``PyTensor 3.0.7, mode CVM, BLAS: SciPy's OpenBLAS``."""
    text = f"PyTensor {importlib.metadata.version('pytensor')}, mode {MODES[variant]}"
    if variant == "c":
        return f"{text}, BLAS: {choose_blas(PYTENSOR).name}"
    package = PACKAGES[variant]
    return f"{text}, {package} {importlib.metadata.version(package)}"


BACKEND = PyTensorBackend
