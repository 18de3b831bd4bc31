"""Theano backend, the canonical one; ``mlp.backends.theano.tuned`` has its variant of custom operations."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mlp.backends.base import Available, Backend, Unavailable, Variant, is_installed
from mlp.backends.theano import gpu
from mlp.errors import BackendError
from mlp.recipe import Recipe
from mlp.seeding import random_stream
from mlp.theano_compat import cache, install
from mlp.theano_compat import device as devices
from mlp.theano_compat.blas import choose_blas
from mlp.theano_compat.compiler import (
    INSTALL_COMPILER,
    NO_COMPILER,
    check_compile_directory,
    find_compiler,
    release_lock,
    wait_for_lock,
)
from mlp.theano_compat.dialect import THEANO, Dialect
from mlp.theano_fast import fast_compilation


class TheanoBackend(Backend):
    name = "theano"
    variants = (
        Variant("as_published", "the tutorial's graph, Theano's default optimiser", caches_code=True, masks="MRG31k3p"),
        Variant(
            "tuned",
            "the same network in fused operations for the CPU",
            devices=("cpu",),
            caches_code=True,
            implementation="mlp.backends.theano.tuned.backend:TunedTheanoBackend",
        ),
    )
    # Compiled by mlp.theano_fast; as_published is compiled by unmodified Theano.
    fast_variants: ClassVar[frozenset[str]] = frozenset({"tuned"})
    _shared: Sequence[Any] = ()  # variables on the device: none before build

    def __new__(cls, variant: str | None = None) -> TheanoBackend:
        return super().__new__(cls.implementation_of(variant))

    @classmethod
    def interpreter(cls, device: str = "cpu") -> Path:
        return super().interpreter(device) if device == "cpu" else gpu.interpreter()

    @classmethod
    def interpreter_variables(cls, device: str = "cpu") -> dict[str, str]:
        return {} if device == "cpu" else gpu.interpreter_variables()

    @classmethod
    def compiler_settings(cls, variant: str) -> Dialect:
        return THEANO

    @classmethod
    def import_framework(cls, device: str = "cpu") -> None:
        install(device)
        import mlp.canonical  # noqa: F401

    @classmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        if variant == "tuned" and device != "cpu":
            return Unavailable("theano/tuned is written for cpu only", "Measure theano/as_published there.")
        on_gpu = None if device == "cpu" else gpu.examine(device)
        if isinstance(on_gpu, Unavailable):
            return on_gpu
        for package in ("theano", "lasagne"):
            if not is_installed(package):
                remedy = f"Install it: {sys.executable} -m mlp.theano_compat.archives"
                return Unavailable(f"the package {package} is not installed", remedy)
        if find_compiler() is None:
            return Unavailable(NO_COMPILER, INSTALL_COMPILER + ".")
        try:
            check_compile_directory()
        except BackendError as error:
            return Unavailable(str(error).rstrip("."), "Then try again.")
        return on_gpu or Available(f"Theano 1.0.5, BLAS: {choose_blas().name}")

    def build(
        self,
        recipe: Recipe,
        parameters: Sequence[np.ndarray] | None,
        device: str = "cpu",
        network: Any = None,
    ) -> None:
        """Define network, loss and update.

        ``network``, a Lasagne layer, is trained further instead of a new one; ``parameters=None`` then keeps its own.
        """
        self.import_framework(device)
        import lasagne
        import theano.tensor as T

        from mlp import canonical

        self.recipe = recipe
        self._device = device
        # Lasagne draws each dropout layer's seed (and weights, which are replaced below) from this generator.
        lasagne.random.set_rng(random_stream(recipe, "dropout"))
        if network is None:
            self._input_var = T.tensor4("inputs")
            network = canonical.build_mlp(self._input_var, recipe)
        else:
            self._input_var = lasagne.layers.get_all_layers(network)[0].input_var
        self.network = network
        self._target_var = T.ivector("targets")
        self._predict_fn: Any = None
        self._updates: dict[Any, Any] = {}
        if parameters is not None:
            lasagne.layers.set_all_param_values(network, list(parameters))
        self._shared = lasagne.layers.get_all_params(network)

    def compile(self) -> None:
        """Compile the training and the validation function; ``compile_seconds`` holds the parts.

        Raises BackendError if a parameter or an accumulator is not on the device.
        """
        from mlp import canonical
        from mlp.backends.theano.clock import compilation_parts

        compile_directory = Path(canonical.theano.config.compiledir)
        wait_for_lock(compile_directory)
        faster = fast_compilation() if self.variant.name in self.fast_variants else nullcontext()
        with faster, compilation_parts() as parts:
            start = time.perf_counter()
            try:
                self._compile_training()
                trained = time.perf_counter()
                self._compile_validation()
            except OSError as error:  # the lock or the cache in the compile directory
                raise BackendError(
                    f"Theano's compile directory failed while compiling ({error}): free it or name another with "
                    "THEANO_FLAGS=base_compiledir=<directory>."
                ) from error
            finally:
                release_lock()
            validated = time.perf_counter()
        cache.seal(compile_directory)
        self._shared = list(self._updates)  # the parameters and their accumulators
        devices.check_memory(self._shared, self._device)
        self.compile_seconds = {
            "compile_train": trained - start,
            "compile_validate": validated - trained,
            **{f"compile_{name}": seconds for name, seconds in parts.items() if seconds},  # a part may be absent
        }

    def _compile_training(self) -> None:
        from mlp import canonical

        inputs = (self._input_var, self._target_var)
        self._train_fn, self._updates = canonical.compile_train_function(self.network, *inputs, self.recipe)

    def _compile_validation(self) -> None:
        from mlp import canonical

        self._val_fn = canonical.compile_validation_function(self.network, self._input_var, self._target_var)

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float(self._train_fn(_as_images(images), labels))

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Return means over complete minibatches, without the remainder, as in the tutorial."""
        results = [self._val_fn(_as_images(x), y) for x, y in self._minibatches(images, labels)]
        loss, accuracy = np.mean(results, axis=0, dtype=np.float64)
        return float(loss), float(accuracy)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        from mlp import canonical

        if self._predict_fn is None:
            self._predict_fn = canonical.compile_probabilities_function(self.network)
        return self._predict_fn(_as_images(images))

    def parameters(self) -> list[np.ndarray]:
        import lasagne

        return lasagne.layers.get_all_param_values(self.network)

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        import lasagne

        lasagne.layers.set_all_param_values(self.network, list(parameters))
        own = set(lasagne.layers.get_all_params(self.network))
        for accumulator in self._updates:  # RMSProp's running mean of squares, one for each parameter
            if accumulator not in own:
                accumulator.set_value(np.zeros_like(accumulator.get_value()))

    def synchronize(self) -> None:
        """Wait for all updates; on a GPU a step returns before them."""
        devices.wait_for(self._shared)


def _as_images(images: np.ndarray) -> np.ndarray:
    return images if images.ndim == 4 else images.reshape(-1, 1, 28, 28)


BACKEND = TheanoBackend
