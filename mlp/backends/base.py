"""The contract every backend fulfils: the same few names, in the same order, in every backend file.

A backend executes one recipe on one device.  A duration of its work may be read only after
``synchronize()`` has returned.  All arrays that cross this border are NumPy arrays:

* ``images``: float32, (n, 1, 28, 28) or (n, 784), scaled to [0, 1)
* ``labels``: uint8 or int32, (n,), 0 to 9
* ``parameters``: ``[W1, b1, W2, b2, W3, b3]``, float32; ``W`` is (inputs, units), ``b`` is (units,)

The order of the calls is ``build``, ``place`` (data that a variant keeps on its device), ``compile``, and then any
number of steps, epochs and evaluations.
"""

from __future__ import annotations

import importlib.util
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mlp.availability import Available, Unavailable
from mlp.batches import iterate_minibatches
from mlp.errors import BackendError
from mlp.recipe import Recipe
from mlp.theano_compat.dialect import Dialect

PROJECT = Path(__file__).resolve().parent.parent.parent
OnStep = Callable[[int, float], None]  # (index of the minibatch in its epoch, its mean loss)


@dataclass(frozen=True)
class Variant:
    """A named way to run a backend.

    Attributes
    ----------
    precision : ``float64``, ``float32``, ``tf32`` or ``bfloat16``
        Of the matrix products.  Canonical rows are float32 at full precision; parameters and update always are.
    devices : kinds of device it is written for
        ``cpu`` and ``cuda``; whether one is there is what ``availability`` answers.
    standard : bool
        Raced unless somebody chooses otherwise; the others are measured when they are named.
    resident : bool
        Data stays on the device between epochs, so that copying it there is a phase of its own, ``transfer``.
    caches_code : bool
        Compiled code is kept on disk between processes, so that a cold and a warm compilation differ.
    slow_start : bool
        Compiling takes about a minute or more even where the code is kept on disk.
    masks : str or None
        Name of the dropout masks that a seed draws: variants of one name draw the same for every step.  None if no
        other variant does.
    """

    name: str
    about: str
    precision: str = "float32"
    devices: tuple[str, ...] = ("cpu", "cuda")
    standard: bool = True
    resident: bool = False
    caches_code: bool = False
    slow_start: bool = False
    masks: str | None = None


def is_installed(package: str) -> bool:
    """Whether Python finds ``package``; a folder of that name, without a module or in this project, is none."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return False
    return Path(spec.origin).resolve().parent.parent != PROJECT


class Backend(ABC):
    """One way to execute the recipe."""

    name: ClassVar[str]
    variants: ClassVar[tuple[Variant, ...]]  # the first one is the default

    def __init__(self, variant: str | None = None) -> None:
        self.variant = self.variant_named(variant)
        self.compile_seconds: dict[str, float] = {}  # parts of the last compile(), by name, for the compile harness

    @classmethod
    def variant_named(cls, name: str | None) -> Variant:
        """The variant called ``name``, or the default one for None; raises BackendError for any other name."""
        if name is None:
            return cls.variants[0]
        for variant in cls.variants:
            if variant.name == name:
                return variant
        names = ", ".join(variant.name for variant in cls.variants)
        raise BackendError(f"backend {cls.name} has no variant {name!r}: choose one of {names}.")

    @classmethod
    def interpreter(cls, device: str = "cpu") -> Path:
        """The Python that runs this backend on ``device``: this one, unless its packages need another environment."""
        return Path(sys.executable)

    @classmethod
    def interpreter_variables(cls, device: str = "cpu") -> dict[str, str]:
        """Environment variables that ``interpreter(device)`` must be started with, beside those of this process."""
        return {}

    @classmethod
    def compiler_settings(cls, variant: str) -> Dialect | None:
        """Return the settings that choose the C++ compiler which ``variant`` needs on a CPU; None if it needs none."""
        return None

    def import_framework(self, device: str = "cpu") -> None:  # noqa: B027 (not abstract: NumPy needs no other)
        """Import what the variant is made of, so that the reference clock need not pay for it.

        A framework that decides on a device when it is imported is told ``device`` here, and in ``build`` at the
        latest.
        """

    @classmethod
    @abstractmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        """Whether ``variant`` (default: the first) can run on ``device`` in this process.

        It never falls back to another device, and what is merely not there (a package, a driver, memory) is an
        answer and not an exception.
        """

    @abstractmethod
    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        """Describe network, loss and update; the network starts from ``parameters``."""

    def place(self, images: np.ndarray, labels: np.ndarray) -> None:  # noqa: B027 (most variants keep nothing)
        """Copy data to the device, if the variant keeps it there, the training data first.

        ``train_epoch`` and ``evaluate`` then use that copy whenever they are given these same two arrays, which must
        not be changed meanwhile.
        """

    def place_all(self, data: Sequence[np.ndarray]) -> None:
        """Let a resident variant place the six arrays of a dataset: training, validation, test."""
        if self.variant.resident:
            for images, labels in zip(data[::2], data[1::2], strict=True):
                self.place(images, labels)

    @abstractmethod
    def compile(self) -> None:
        """Do all the compilation that the recipe's batch size and the placed data need; later calls with such data
        compile nothing.  Parameters, optimiser and dropout streams are as ``build`` left them."""

    @abstractmethod
    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """One RMSProp update on one minibatch, dropout on; returns the mean loss before the update."""

    def train_epoch(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, on_step: OnStep | None = None
    ) -> float:
        """Train on every whole minibatch of ``images[order]``; returns the mean of their losses.

        A variant that runs the epoch as one piece tells ``on_step`` afterwards, in the right order.
        """
        losses = []
        for step, (batch_images, batch_labels) in enumerate(self._minibatches(images, labels, order)):
            losses.append(self._launch_step(batch_images, batch_labels))
            if on_step is not None:
                on_step(step, float(losses[-1]))
        return float(np.mean(self._fetch(losses), dtype=np.float64))

    def _launch_step(self, images: np.ndarray, labels: np.ndarray) -> Any:
        """``train_step`` without waiting for it, where a backend can: its loss may still be on the way."""
        return self.train_step(images, labels)

    def _fetch(self, losses: list[Any]) -> np.ndarray:
        """The losses of launched steps, (num_steps,): one transfer for all of them where a backend can."""
        return np.array([float(loss) for loss in losses])

    @abstractmethod
    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Mean loss and accuracy (a fraction) with dropout off, over whole minibatches."""

    @abstractmethod
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Softmax outputs, float32 (n, 10), dropout off.  For asking a trained network: it may compile when first
        called, and nothing times it."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The most probable class of each image, (n,), dropout off."""
        return self.probabilities(images).argmax(axis=1)

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
