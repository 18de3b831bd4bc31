"""The contract every backend fulfils: the same few names, in the same order, in every backend file.

A backend executes one recipe on one device.  A duration of its work may be read only after
``synchronize()`` has returned.  All arrays that cross this border are NumPy arrays:

* ``images``: float32, (n, 1, 28, 28) or (n, 784), scaled to [0, 1)
* ``labels``: uint8 or int32, (n,), 0 to 9
* ``parameters``: ``[W1, b1, W2, b2, W3, b3]``, float32; ``W`` is (inputs, units), ``b`` is (units,)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mlp.batches import iterate_minibatches
from mlp.recipe import Recipe

OnStep = Callable[[int, float], None]  # (index of the minibatch in its epoch, its mean loss)


@dataclass(frozen=True)
class Available:
    """This backend can run on that device; ``detail`` says on what exactly (for people)."""

    detail: str


@dataclass(frozen=True)
class Unavailable:
    """It cannot: why, and the command or step that would change that."""

    reason: str
    remedy: str


class Backend(ABC):
    """One way to execute the recipe."""

    name: ClassVar[str]
    variants: ClassVar[tuple[str, ...]]  # the first one is the default

    def __init__(self, variant: str | None = None) -> None:
        self.variant = variant or self.variants[0]
        self.compile_seconds: dict[str, float] = {}  # parts of the last compile(), by name, for the compile harness

    @classmethod  # noqa: B027 (not abstract: a backend without a framework has nothing to import)
    def import_framework(cls) -> None:
        """Import what the backend is made of, so that the reference clock need not pay for it."""

    @classmethod
    @abstractmethod
    def availability(cls, device: str = "cpu") -> Available | Unavailable:
        """Whether this backend can run on ``device`` here; never raises, never falls back."""

    @abstractmethod
    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        """Describe network, loss and update; the network starts from ``parameters``."""

    @abstractmethod
    def compile(self) -> None:
        """Do all the compilation that training and evaluation need; later calls compile nothing."""

    @abstractmethod
    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """One RMSProp update on one minibatch, dropout on; returns the mean loss before the update."""

    def train_epoch(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, on_step: OnStep | None = None
    ) -> float:
        """Train on every whole minibatch of ``images[order]``; returns the mean of their losses."""
        total_loss, num_steps = 0.0, 0
        for batch_images, batch_labels in self._minibatches(images, labels, order):
            loss = float(self.train_step(batch_images, batch_labels))
            if on_step is not None:
                on_step(num_steps, loss)
            total_loss += loss
            num_steps += 1
        return total_loss / num_steps

    @abstractmethod
    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Mean loss and accuracy (a fraction) with dropout off, over whole minibatches."""

    @abstractmethod
    def parameters(self) -> list[np.ndarray]:
        """A copy of the six parameter arrays."""

    @abstractmethod
    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        """Replace the parameters; the optimiser's state is reset to zero."""

    @abstractmethod
    def synchronize(self) -> None:
        """Return only when all work asked for so far is done."""

    def _minibatches(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return iterate_minibatches(images, labels, self.recipe.batch_size, order=order)

    recipe: Recipe
