"""The workload in tinygrad: an optimiser of its own class, eager or captured by ``TinyJit``.

tinygrad has no RMSProp; ``RMSProp`` below is written as its optimisers are, with epsilon inside the root as Lasagne.
Its random numbers come from one generator for all of a process, which ``begin`` seeds: the masks of two backends that
train in turn would depend on each other, so measure one in a process, as every command does.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp.backends import Available, Unavailable, Variant
from mlp.backends.base import is_installed
from mlp.backends.functional import FunctionalBackend
from mlp.recipe import Recipe


class TinygradBackend(FunctionalBackend):
    name = "tinygrad"
    variants = (
        Variant("jit", "kernels of a step captured by TinyJit", devices=("cpu",), caches_code=True),
        Variant("eager", "the graph of each step is made anew", devices=("cpu",), caches_code=True, standard=False),
    )

    @classmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        if not is_installed("tinygrad"):
            return Unavailable("the package tinygrad is not installed", "Install it: pip install tinygrad.")
        if device != "cpu":
            return Unavailable("this plugin is written for the CPU only", "Measure device cpu instead.")
        if shutil.which("clang") is None:
            return Unavailable("tinygrad's CPU device compiles with clang, which is not on PATH", "apt install clang.")
        return Available(f"tinygrad {importlib.metadata.version('tinygrad')}")

    def import_framework(self, device: str = "cpu") -> None:
        os.environ.setdefault("DEV", "CPU")
        import tinygrad  # noqa: F401

    def begin(self, recipe: Recipe, seed: int, device: str) -> None:
        from tinygrad import Tensor

        widths = zip(recipe.layer_widths[:-1], recipe.layer_widths[1:], strict=True)
        self._parameters = [zeros(*shape) for inputs, units in widths for shape in ((inputs, units), (units,))]
        self._optimizer = rmsprop(self._parameters, recipe)
        self._steps: dict[int, Any] = {}  # a captured step has one batch size
        Tensor.manual_seed(seed)

    def compile(self) -> None:
        """Capture a step, which TinyJit does in the second call; parameters, optimiser and masks are put back."""
        from tinygrad import Tensor, dtypes

        kept, rows = self.parameters(), self.recipe.batch_size
        for _ in range(2):
            self.train_step(np.zeros((rows, self.recipe.layer_widths[0]), np.float32), np.zeros(rows, np.int32))
        self.set_parameters(kept)
        # The captured step reads the counter where it is: another manual_seed() would leave it behind.
        for counter in Tensor._device_rng_counters.values():
            counter.assign(Tensor([0, 0], device=counter.device, dtype=dtypes.uint32)).realize()

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        from tinygrad import Tensor

        for ours, given in zip(self._parameters, parameters, strict=True):
            ours.assign(Tensor(np.array(given, np.float32))).realize()
        for accu in self._optimizer.accus:
            accu.assign(Tensor.zeros(*accu.shape).contiguous()).realize()

    def parameters(self) -> list[np.ndarray]:
        return [np.array(tensor.numpy()) for tensor in self._parameters]

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        from tinygrad import Tensor, TinyJit

        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images and {len(labels)} labels")
        if len(images) not in self._steps:
            self._steps[len(images)] = TinyJit(self._step) if self.variant.name == "jit" else self._step
        inputs = Tensor(_flat(images)).realize(), Tensor(np.array(labels, np.int32)).realize()
        return float(self._steps[len(images)](*inputs).numpy())

    def _step(self, images: Any, labels: Any) -> Any:
        from tinygrad.helpers import Context

        with Context(TRAINING=1):
            self._optimizer.zero_grad()
            loss = self._logits(images, self.recipe.dropout).sparse_categorical_crossentropy(labels)
            loss.backward()
            return loss.realize(*self._optimizer.schedule_step())

    def _logits(self, images: Any, dropout: float) -> Any:
        activation, layers = images, list(zip(self._parameters[::2], self._parameters[1::2], strict=True))
        for weights, biases in layers[:-1]:
            activation = (activation.dot(weights) + biases).relu()
            activation = activation.dropout(dropout) if dropout else activation
        return activation.dot(layers[-1][0]) + layers[-1][1]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        from tinygrad import Tensor

        return self._logits(Tensor(_flat(images)), dropout=0.0).softmax().numpy()


def rmsprop(parameters: list[Any], recipe: Recipe) -> Any:
    """Return the optimiser: accu = rho*accu + (1-rho)*g**2; p -= learning_rate * g / sqrt(accu + epsilon)."""
    from tinygrad.nn.optim import Optimizer

    class RMSProp(Optimizer):
        def __init__(self) -> None:
            super().__init__(parameters, recipe.learning_rate, fused=False)
            self.accus = [zeros(*tensor.shape) for tensor in self.params]

        def _step(self, params: list[Any], grads: list[Any]) -> tuple[list[Any], list[Any]]:
            updates = []
            for accu, gradient in zip(self.accus, grads, strict=True):
                accu.assign(recipe.rho * accu + (1 - recipe.rho) * gradient.square())
                updates.append(self.lr * gradient / (accu + recipe.epsilon).sqrt())
            return updates, self.accus

    return RMSProp()


def zeros(*shape: int) -> Any:
    """Return a tensor in a buffer of its own, which ``assign`` writes."""
    from tinygrad import Tensor

    return Tensor(np.zeros(shape, np.float32)).contiguous().realize()


def _flat(images: np.ndarray) -> np.ndarray:
    return np.array(images, np.float32).reshape(len(images), -1)
