"""Variant ``tuned`` of the Theano backend: other compiled functions, the rest as in ``as_published``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp.backends.base import OnStep
from mlp.backends.theano.published import TheanoBackend
from mlp.backends.theano.tuned.optimizations import (
    NEED_NO_CPLUSPLUS,
    active_optimizations,
    blas_threads,
    optimization_states,
)
from mlp.backends.theano.tuned.tuning import TuningParameters, pinned, use
from mlp.recipe import Recipe


class TunedTheanoBackend(TheanoBackend):
    """Theano backend with tuned functions; dropout masks depend on the recipe's seed and the steps since ``build``."""

    def build(
        self,
        recipe: Recipe,
        parameters: Sequence[np.ndarray] | None,
        device: str = "cpu",
        network: Any = None,
    ) -> None:
        """Define network, loss and update; warn of each optimization that is not available here."""
        super().build(recipe, parameters, device, network)
        for parameter in self._shared:  # the operations require this layout
            parameter.set_value(np.ascontiguousarray(parameter.get_value(borrow=True)), borrow=True)
        for state in optimization_states():
            if not state.active and state.missed:
                _warn(f"runs without {state.optimization.name}: {state.reason}; {state.optimization.otherwise}.")
        self._optimizations = active_optimizations()
        self._num_steps = 0

    def _compile_training(self) -> None:
        default = TuningParameters(blas_threads() or 1)
        self._tuning = pinned(default.num_threads) or default
        machine = self._machine_tuning(default.num_threads)
        stored = machine.stored() if machine else None
        self._tuning = stored or self._tuning
        try:
            graph = self._compile_step()
        except Exception as error:  # Theano raises the class Exception itself when the compiler fails
            if "Compilation failed" not in str(error) or self._optimizations <= NEED_NO_CPLUSPLUS:
                raise
            _warn("runs without its own operations, no faster than as_published: the C++ compiler rejects them.")
            self._optimizations &= NEED_NO_CPLUSPLUS
            self._compile_step()
            return
        if machine and stored is None:
            self._adopt(machine.measure(), graph)
        if "products" in self._optimizations:
            use(self._tuning)

    def _compile_step(self) -> Any:
        """Compile the training function, and return its graph."""
        graph = self._graph()
        self._train_fn, self._updates = graph.training_function()
        return graph

    def _machine_tuning(self, num_threads: int) -> Any:
        """Return the choice of tuning parameters; None if they are pinned or without effect."""
        if pinned(num_threads) or not {"products", "sparsity"} <= self._optimizations:
            return None
        from mlp.backends.theano.tuned.measure import MachineTuning

        return MachineTuning(self.recipe, num_threads)

    def _adopt(self, chosen: TuningParameters, graph: Any) -> None:
        before, self._tuning = self._tuning, chosen
        if chosen.num_threads != before.num_threads:
            self._compile_step()  # from the compile cache
        else:
            graph.set_tiles(chosen)

    def _compile_validation(self) -> None:
        self._val_fn = self._graph().evaluation_function()

    def _graph(self) -> Any:
        import lasagne

        from mlp.backends.theano.tuned.graph import TunedGraph

        parameters = lasagne.layers.get_all_params(self.network)
        return TunedGraph(parameters, self.recipe, self._optimizations, self._tuning)

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        return self._step(*_as_arguments(images, labels), np.arange(len(images)))

    def train_epoch(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, on_step: OnStep | None = None
    ) -> float:
        """Train an epoch, see Backend; with the optimization ``gather`` no minibatch is made in Python."""
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
        if "gather" in self._optimizations:
            return float(self._train_fn(images, labels, rows, number))
        return float(self._train_fn(images[rows], labels[rows], number))

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        results = [self._val_fn(x, y) for x, y in self._minibatches(*_as_arguments(images, labels))]
        loss, accuracy = np.mean(results, axis=0, dtype=np.float64)
        return float(loss), float(accuracy)

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        super().set_parameters([np.ascontiguousarray(parameter) for parameter in parameters])


def _as_arguments(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 (n, 784) and int32 (n,), C-contiguous, as the functions require; MNIST's images are not copied."""
    flat = np.ascontiguousarray(images.reshape(len(images), -1), np.float32)
    return flat, np.ascontiguousarray(labels, np.int32)


def _warn(what: str) -> None:
    warnings.warn(f"theano/tuned {what}", RuntimeWarning, stacklevel=3)
