"""Base class for a backend of five functions, the short way to write a plugin; see docs/backends.md."""

from __future__ import annotations

import importlib.metadata
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from mlp import registry
from mlp.backends.base import Available, Backend, Unavailable, is_installed
from mlp.recipe import Recipe
from mlp.seeding import random_stream


class FunctionalBackend(Backend):
    """Backend that keeps its data on the host and computes synchronously, on the CPU.

    A subclass has ``name``, ``variants`` and five functions: ``begin``, ``set_parameters``, ``parameters``,
    ``train_step`` and ``probabilities``.  It may override the rest: ``compile`` if it compiles, ``evaluate`` and
    ``train_epoch`` to be faster, ``availability`` for other devices.
    """

    @abstractmethod
    def begin(self, recipe: Recipe, seed: int, device: str) -> None:
        """Define network, loss and update; the dropout masks follow from ``seed``."""

    @classmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        entry = registry.entry(cls.name)
        for package in entry.packages:
            if not is_installed(package):
                return Unavailable(f"the package {package} is not installed", f"Install it: {entry.install}.")
        if device != "cpu":
            return Unavailable(f"{cls.name} is written for the CPU only", "Measure device cpu instead.")
        return Available(", ".join(f"{package} {_version(package)}" for package in entry.packages))

    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        self.recipe = recipe
        self.network = self  # has ``parameters()``, by which networks are saved
        self.begin(recipe, int(random_stream(recipe, "dropout").randint(2**31)), device)
        self.set_parameters(parameters)

    def compile(self) -> None:
        """Do nothing: override it if the first step would compile."""

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        losses, accuracies = [], []
        for batch_images, batch_labels in self._minibatches(images, labels):
            probabilities = self.probabilities(batch_images)
            chosen = probabilities[np.arange(len(batch_labels)), batch_labels]
            losses.append(-np.mean(np.log(chosen), dtype=np.float64))
            accuracies.append(np.mean(probabilities.argmax(axis=1) == batch_labels))
        return float(np.mean(losses)), float(np.mean(accuracies))

    def synchronize(self) -> None:
        """Do nothing: every function returns NumPy arrays or floats, and so has finished."""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(version unknown)"
