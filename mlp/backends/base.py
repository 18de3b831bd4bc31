"""Contract of the backends; every backend file has its methods in this order.

A backend executes one recipe on one device.  A duration of its work may be read only after
``synchronize()`` has returned.  All arrays of this interface are NumPy arrays:

* ``images``: float32, (n, 1, 28, 28) or (n, 784), scaled to [0, 1)
* ``labels``: uint8 or int32, (n,), 0 to 9
* ``parameters``: ``[W1, b1, W2, b2, W3, b3]``, float32; ``W`` is (inputs, units), ``b`` is (units,)

The order of the calls is ``build``, ``place`` (data that a variant keeps on its device), ``compile``, and then any
number of steps, epochs and evaluations.
"""

from __future__ import annotations

import importlib.util
import pkgutil
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
    """Named way to run a backend.

    Attributes
    ----------
    precision : ``float64``, ``float32``, ``tf32`` or ``bfloat16``
        Of the matrix products.  Canonical rows are float32 at full precision; parameters and update always are.
    devices : kinds of device it is written for
        ``cpu`` and ``cuda``; see ``availability`` for the actual machine.
    standard : bool
        Measured by default; the others are measured when they are named.
    resident : bool
        Data stays on the device between epochs, so that copying it there is a separate phase, ``transfer``.
    caches_code : bool
        Compiled code is kept on disk between processes, so that a cold and a warm compilation differ.
    slow_start : bool
        Compiling takes about a minute or more even where the code is kept on disk.
    masks : str or None
        Name of the mask generator: variants of equal name draw equal dropout masks in every step for equal seeds.  None
        if no other variant draws the same.
    implementation : str or None
        ``module:class`` of the subclass of the backend that runs it; None for the backend itself.
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
    implementation: str | None = None


def is_checkout(folder: Path) -> bool:
    """Return True for a folder with the project's files, False for one of installed packages."""
    return (folder / "pyproject.toml").is_file()


def is_installed(package: str) -> bool:
    """Return True if Python finds ``package`` outside of this checkout; a namespace folder does not count.

    Installed from a wheel, the suite lies beside all other packages, and they count.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return False
    return Path(spec.origin).resolve().parent.parent != PROJECT or not is_checkout(PROJECT)


class Backend(ABC):
    """Execution of a recipe by one framework."""

    name: ClassVar[str]
    variants: ClassVar[tuple[Variant, ...]]  # the first one is the default

    def __init__(self, variant: str | None = None) -> None:
        self.variant = self.variant_named(variant)
        self.compile_seconds: dict[str, float] = {}  # parts of the last compile(), by name, for the compile harness

    @classmethod
    def variant_named(cls, name: str | None) -> Variant:
        """Return the variant called ``name`` (None: the default); raise BackendError if unknown."""
        if name is None:
            return cls.variants[0]
        for variant in cls.variants:
            if variant.name == name:
                return variant
        names = ", ".join(variant.name for variant in cls.variants)
        raise BackendError(f"backend {cls.name} has no variant {name!r}: choose one of {names}.")

    @classmethod
    def implementation_of(cls, variant: str | None) -> type[Backend]:
        """Return the class that runs ``variant``, for ``__new__`` of a backend that has several."""
        implementation = cls.variant_named(variant).implementation
        return pkgutil.resolve_name(implementation) if implementation else cls

    @classmethod
    def interpreter(cls, device: str = "cpu") -> Path:
        """Return the Python for this backend on ``device``: this one, unless its packages need another environment."""
        return Path(sys.executable)

    @classmethod
    def interpreter_variables(cls, device: str = "cpu") -> dict[str, str]:
        """Return additional environment variables for starting ``interpreter(device)``."""
        return {}

    @classmethod
    def compiler_settings(cls, variant: str) -> Dialect | None:
        """Return the settings that choose the C++ compiler which ``variant`` needs on a CPU; None if it needs none."""
        return None

    def import_framework(self, device: str = "cpu") -> None:  # noqa: B027 (not abstract: NumPy needs no other)
        """Import the packages of the variant, which the reference clock does not count.

        A framework that selects its device at import gets ``device`` here.
        """

    @classmethod
    @abstractmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        """Return if ``variant`` (default: the first) can run on ``device`` in this process.

        There is no fallback to another device.  A missing package, driver or memory gives Unavailable, not an
        exception.
        """

    @abstractmethod
    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        """Define network, loss and update; the network starts from ``parameters``."""

    def place(self, images: np.ndarray, labels: np.ndarray) -> None:  # noqa: B027 (most variants keep nothing)
        """Copy data to the device, if the variant is resident; the training data first.

        ``train_epoch`` and ``evaluate`` then use that copy when called with the same two array objects, which must not
        be modified.
        """

    def place_all(self, data: Sequence[np.ndarray]) -> None:
        """Place the six arrays of a dataset, if the variant is resident: training, validation, test."""
        if self.variant.resident:
            for images, labels in zip(data[::2], data[1::2], strict=True):
                self.place(images, labels)

    @abstractmethod
    def compile(self) -> None:
        """Compile everything for the recipe's batch size and the placed data; later calls with such data compile
        nothing.  Parameters, optimiser and dropout streams keep their state of ``build``."""

    @abstractmethod
    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Make one RMSProp update on one minibatch with dropout; return the mean loss before the update."""

    def train_epoch(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, on_step: OnStep | None = None
    ) -> float:
        """Train on every complete minibatch of ``images[order]``; return the mean of their losses.

        A variant that runs the epoch in one call calls ``on_step`` afterwards, in order.
        """
        losses = []
        for step, (batch_images, batch_labels) in enumerate(self._minibatches(images, labels, order)):
            losses.append(self._launch_step(batch_images, batch_labels))
            if on_step is not None:
                on_step(step, float(losses[-1]))
        return float(np.mean(self._fetch(losses), dtype=np.float64))

    def _launch_step(self, images: np.ndarray, labels: np.ndarray) -> Any:
        """Launch ``train_step`` asynchronously, if supported; return its pending loss."""
        return self.train_step(images, labels)

    def _fetch(self, losses: list[Any]) -> np.ndarray:
        """Return the losses of launched steps, (num_steps,), in one transfer if supported."""
        return np.array([float(loss) for loss in losses])

    @abstractmethod
    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Return mean loss and accuracy (a fraction) without dropout, over complete minibatches."""

    @abstractmethod
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return softmax outputs without dropout, float32 (n, 10).  For use after training: untimed, may compile at its
        first call."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the most probable class of each image without dropout, (n,)."""
        return self.probabilities(images).argmax(axis=1)

    @abstractmethod
    def parameters(self) -> list[np.ndarray]:
        """Return a copy of the six parameter arrays."""

    @abstractmethod
    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        """Replace the parameters; the optimiser's state is reset to zero."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait for all launched work."""

    def _minibatches(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return iterate_minibatches(images, labels, self.recipe.batch_size, order=order)

    recipe: Recipe
