"""PyTensor, Theano's maintained successor: one graph, compiled by four of its modes."""

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
PACKAGES = {"numba": "numba", "jax": "jax", "pytorch": "torch"}  # what a variant needs beside PyTensor
KNOWN_WARNINGS = (
    "The RandomType SharedVariables",  # each function gets its own copy of a stream: Graph provides for it
    "Explicitly requested dtype (int|float)64",  # sums in double precision, which JAX does not have
    "The given NumPy array is not writable",  # constants, which PyTorch does not write to either
)
FIXED_BATCH = ("jax", "pytorch")  # these compile a function for one batch size, the others one for all


class PyTensorBackend(Backend):
    """The recipe built directly in PyTensor.

    ``jax`` is the only variant that reaches a GPU and keeps parameters and optimiser there.  ``pytorch`` could compute
    on one, too, but PyTensor copies the whole state from and to the host in every call, so that a row would show the
    copying: it is for the CPU.
    """

    name = "pytensor"
    variants = (
        # What PyTensor itself takes when nobody names a mode, and what runs with nothing but PyTensor installed.
        Variant("numba", "PyTensor's default mode, compiled by numba", devices=("cpu",), caches_code=True),
        Variant("c", "Theano's way: C code, linked to a BLAS", devices=("cpu",), caches_code=True),
        Variant("jax", "translated to JAX, a call for each step", caches_code=True),
        Variant(
            *("pytorch", "translated to PyTorch and compiled; all state passes through the host in every call"),
            devices=("cpu",),
            standard=False,
            caches_code=True,
        ),
    )

    def __init__(self, variant: str | None = None) -> None:
        super().__init__(variant)
        self._jax_device: Any = None  # None for the variants that compute on NumPy arrays
        self._graph: Any = None

    def import_framework(self, device: str = "cpu") -> None:
        """PyTensor, and of the compilers it can translate to only the variant's own."""
        if self.variant.name == "jax":
            # As in mlp.backends.jax.backend: JAX would take three quarters of the GPU's memory at once.
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

        answer = JaxBackend.availability(device)  # PyTensor gets no further than JAX itself does
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
        except OSError as error:  # the lock, which times out, or the files in the compile directory
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
        """Also of nested lists."""
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
        """``Graph.<name>``, wholly compiled: for this batch size if the mode wants it fixed, else for all of them."""
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
                    # _batch has seen to the inputs; PyTensor's own check would fetch a device's arrays to the host.
                    trust_input=True,
                )
                self._rehearse(function, [np.zeros((batch_size, *x.type.shape[1:]), x.dtype) for x in inputs])
            self._functions[key] = function
        return self._functions[key]

    def _rehearse(self, function: Any, inputs: list[np.ndarray]) -> None:
        """Call ``function`` once, because all modes leave compilation to the first call, and put back all it keeps:
        the shared variables, and its own dropout streams.

        Raises
        ------
        BackendError
            If a parameter ended up on another device than the one that was asked for.
        """
        kept = [container for container in function.input_storage if container.storage[0] is not None]
        if self._jax_device is None:
            before = [copy.deepcopy(container.storage[0]) for container in kept]
        else:
            import jax

            # The dropout streams still consist of NumPy's numbers: after one step they would be JAX's, and the
            # second step would compile it all again.
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
        """float32 products in float32: on recent GPUs JAX would take TF32.  Only here, not for JAX's other users."""
        if self._jax_device is None:
            return nullcontext()
        import jax

        return jax.default_matmul_precision("highest")

    def _state(self) -> list[Any]:
        """The arrays of parameters and accumulators: NumPy's, or those on JAX's device."""
        return [shared.container.storage[0] for shared in (*self._graph.parameters, *self._graph.accumulators)]

    def _store(self, shared: Any, value: np.ndarray) -> None:
        """Set a shared variable.  ``set_value`` would turn a device's array into NumPy's, and every call would upload
        it again."""
        if self._jax_device is not None:
            import jax

            value = jax.device_put(value, self._jax_device)
        shared.container.storage[0] = value

    def _batch(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 (n, inputs) and int32 (n,), contiguous and writable, as the functions were compiled for."""
        flat = images.reshape(len(images), -1)
        return np.require(flat, np.float32, ["C", "W"]), np.require(labels, np.int32, ["C", "W"])


def _put(containers: list[Any], values: list[Any]) -> None:
    for container, value in zip(containers, values, strict=True):
        container.storage[0] = value


def _install(backends: str, package: str) -> str:
    quoted = f'"{backends}"' if " " in backends else backends
    return f"Install it: make bench BACKENDS={quoted} (or: pip install {package})."


def _detail(variant: str) -> str:
    """``PyTensor 3.0.7, mode CVM, BLAS: SciPy's OpenBLAS``"""
    text = f"PyTensor {importlib.metadata.version('pytensor')}, mode {MODES[variant]}"
    if variant == "c":
        return f"{text}, BLAS: {choose_blas(PYTENSOR).name}"
    package = PACKAGES[variant]
    return f"{text}, {package} {importlib.metadata.version(package)}"


BACKEND = PyTensorBackend
