"""The variant ``tuned`` of the Theano backend: other functions, everything else as in ``as_published``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp.backends.base import OnStep
from mlp.backends.theano.published import TheanoBackend
from mlp.backends.theano.tuned.levers import NEED_NO_CPLUSPLUS, active_levers, blas_threads, lever_states
from mlp.recipe import Recipe


class TunedTheanoBackend(TheanoBackend):
    """Each dropout mask is a function of the recipe's seed and of the number of steps since ``build``."""

    def build(
        self,
        recipe: Recipe,
        parameters: Sequence[np.ndarray] | None,
        device: str = "cpu",
        network: Any = None,
    ) -> None:
        """Describe network, loss and update; warns of each lever that cannot be used here."""
        super().build(recipe, parameters, device, network)
        for parameter in self._shared:  # the operations refuse any other layout
            parameter.set_value(np.ascontiguousarray(parameter.get_value(borrow=True)), borrow=True)
        for state in lever_states():
            if not state.active and state.missed:
                _warn(f"runs without its lever {state.lever.name}: {state.reason}; {state.lever.otherwise}.")
        self._levers = active_levers()
        self._num_steps = 0

    def _compile_training(self) -> None:
        try:
            self._train_fn, self._updates = self._graph().training_function()
        except Exception as error:  # Theano raises this very class when the compiler fails
            if "Compilation failed" not in str(error) or self._levers <= NEED_NO_CPLUSPLUS:
                raise
            _warn("runs without its own operations, no faster than as_published: the C++ compiler rejects them.")
            self._levers &= NEED_NO_CPLUSPLUS
            self._train_fn, self._updates = self._graph().training_function()

    def _compile_validation(self) -> None:
        self._val_fn = self._graph().evaluation_function()

    def _graph(self) -> Any:
        import lasagne

        from mlp.backends.theano.tuned.graph import TunedGraph

        parameters = lasagne.layers.get_all_params(self.network)
        return TunedGraph(parameters, self.recipe, self._levers, blas_threads() or 1)

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        return self._step(*_as_arguments(images, labels), np.arange(len(images)))

    def train_epoch(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, on_step: OnStep | None = None
    ) -> float:
        """As the contract has it; with the lever ``gather`` no minibatch is ever made in Python."""
        batch_size = self.recipe.batch_size
        self.recipe.check_batch_fits(len(order))
        images, labels = _as_arguments(images, labels)
        order = np.ascontiguousarray(order, np.int64)
        losses = []
        for step in range(len(order) // batch_size):
            losses.append(self._step(images, labels, order[step * batch_size : (step + 1) * batch_size]))
            if on_step is not None:
                on_step(step, losses[-1])
        return float(np.mean(losses))

    def _step(self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> float:
        number = np.array(self._num_steps)
        self._num_steps += 1
        if "gather" in self._levers:
            return float(self._train_fn(images, labels, rows, number))
        return float(self._train_fn(images[rows], labels[rows], number))

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        results = [self._val_fn(x, y) for x, y in self._minibatches(*_as_arguments(images, labels))]
        loss, accuracy = np.mean(results, axis=0, dtype=np.float64)
        return float(loss), float(accuracy)

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        super().set_parameters([np.ascontiguousarray(parameter) for parameter in parameters])


def _as_arguments(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the functions take: float32 (n, 784) and int32 (n,), C-contiguous; MNIST's images need no copy for it."""
    flat = np.ascontiguousarray(images.reshape(len(images), -1), np.float32)
    return flat, np.ascontiguousarray(labels, np.int32)


def _warn(what: str) -> None:
    warnings.warn(f"theano/tuned {what}", RuntimeWarning, stacklevel=3)
