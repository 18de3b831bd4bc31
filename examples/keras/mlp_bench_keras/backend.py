"""The workload in Keras 3: a ``Sequential``, its own ``RMSprop`` and ``train_on_batch``, on three of its backends.

``fit`` would shuffle and cut minibatches by itself; the order is part of the contract, so each minibatch is given to
``train_on_batch``, which is what ``fit`` runs for it.  Keras' RMSprop has epsilon inside the root, as Lasagne's.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp.backends import Available, Unavailable, Variant
from mlp.backends.base import is_installed
from mlp.backends.functional import FunctionalBackend
from mlp.errors import BackendError
from mlp.recipe import Recipe

ON = "on Keras' backend {}, compiled as Keras chooses (jit_compile='auto')"
INSTALL = {"jax": "jax", "torch": "torch", "tensorflow": "tensorflow-cpu"}


class KerasBackend(FunctionalBackend):
    name = "keras"
    variants = (
        Variant("jax", ON.format("jax"), devices=("cpu",), caches_code=True),
        Variant("torch", ON.format("torch"), devices=("cpu",)),
        Variant("tensorflow", ON.format("tensorflow"), devices=("cpu",), standard=False, slow_start=True),
    )

    @classmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        framework = cls.variant_named(variant).name
        for package in ("keras", framework):
            if not is_installed(package):
                install = f"Install it: pip install keras {INSTALL[framework]}."
                return Unavailable(f"the package {package} is not installed", install)
        if device != "cpu":
            return Unavailable("this plugin is written for the CPU only", "Measure device cpu instead.")
        return Available(f"Keras {importlib.metadata.version('keras')}")

    def import_framework(self, device: str = "cpu") -> None:
        """Import Keras on the backend of the variant, which it chooses once in a process.

        Raises
        ------
        BackendError
            If this process imported it on another one.
        """
        os.environ["KERAS_BACKEND"] = self.variant.name
        import keras

        if keras.config.backend() != self.variant.name:
            raise BackendError(
                f"this process runs Keras on {keras.config.backend()}: check keras/{self.variant.name} in another one."
            )

    def begin(self, recipe: Recipe, seed: int, device: str) -> None:
        import keras

        layers: list[Any] = [keras.Input((recipe.layer_widths[0],))]
        for number, width in enumerate(recipe.layer_widths[1:-1]):
            layers.append(keras.layers.Dense(width, activation="relu"))
            if recipe.dropout:
                layers.append(keras.layers.Dropout(recipe.dropout, seed=(seed + number) % 2**31))
        layers.append(keras.layers.Dense(recipe.layer_widths[-1], activation="softmax"))
        self._model = keras.Sequential(layers)
        self._optimizer = keras.optimizers.RMSprop(recipe.learning_rate, recipe.rho, epsilon=recipe.epsilon)
        self._model.compile(self._optimizer, loss="sparse_categorical_crossentropy", jit_compile="auto")
        self._optimizer.build(self._model.trainable_variables)

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        self._model.set_weights([np.array(array, np.float32) for array in parameters])
        for variable in self._optimizer.variables:
            if variable is not self._optimizer.learning_rate:
                variable.assign(np.zeros(variable.shape, variable.dtype))

    def compile(self) -> None:
        """Compile by a step and an evaluation of zeros; parameters, optimiser and seeds are put back afterwards."""
        import keras

        variables = [*self._model.variables, *self._optimizer.variables]
        before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
        batch = np.zeros((self.recipe.batch_size, self.recipe.layer_widths[0]), np.float32)
        self._model.train_on_batch(batch, np.zeros(len(batch), np.int32))
        self._model.predict_on_batch(batch)
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float(self._model.train_on_batch(_flat(images), np.asarray(labels, np.int32)))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict_on_batch(_flat(images)))

    def parameters(self) -> list[np.ndarray]:
        return [np.array(array) for array in self._model.get_weights()]


def _flat(images: np.ndarray) -> np.ndarray:
    return np.asarray(images, np.float32).reshape(len(images), -1)
