"""Training loop for all backends: phases by the reference clock, history, callbacks; Ctrl-C keeps the network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp.errors import DivergedError
from mlp.recipe import Recipe
from mlp.seeding import random_stream

if TYPE_CHECKING:
    from mlp.backends.base import Backend
    from mlp.dataset import Dataset

# ``transfer`` exists only for variants that keep the data on their device.
PHASES = ("load", "build", "transfer", "compile", "train", "validate", "test")
Phase = Callable[[str], AbstractContextManager[None]]  # with phase("load"): ...


@dataclass
class EpochRecord:
    """Results of one epoch; accuracies are fractions."""

    epoch: int  # from 1
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    train_seconds: float
    validate_seconds: float


@dataclass
class History:
    """Results and phase times of a training run.

    ``phases`` maps each of PHASES to seconds.  ``total_seconds`` is the reference clock: loading, building and
    compilation included, the framework's import (``import_seconds``) not.  None means not reached.
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    import_seconds: float | None = None
    total_seconds: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    test_examples: int | None = None
    interrupted: bool = False

    @property
    def rest_seconds(self) -> float | None:
        """Seconds of the total outside of all phases."""
        return None if self.total_seconds is None else self.total_seconds - sum(self.phases.values())


class Callback:
    """Base class of callbacks of a training run; all methods are optional.  ``logs`` holds plain numbers."""

    def on_train_begin(self, logs: dict[str, Any]) -> None: ...

    def on_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """Called after minibatch ``batch`` (from 0 in each epoch); ``logs["loss"]`` is its mean loss."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Called after epoch ``epoch`` (from 0); ``logs`` holds the fields of EpochRecord."""

    def on_train_end(self, logs: dict[str, Any]) -> None: ...


class LossHistory(Callback):
    """Callback that collects the loss of every minibatch in ``losses``: the tutorial's first exercise."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        self.losses = []

    def on_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self.losses.append(logs["loss"])


def initial_parameters(recipe: Recipe) -> list[np.ndarray]:
    """Return ``[W1, b1, W2, b2, ...]``, float32, from the recipe's seed, equal for every backend.

    Weights are uniform in ``[-a, a)`` with ``a = sqrt(6 / (inputs + units))`` (Glorot and Bengio 2010, eq. 16),
    drawn in float64 by ``numpy.random.RandomState``, whose stream NumPy has frozen; biases are zero.
    """
    random = random_stream(recipe, "weights")
    parameters = []
    for num_inputs, num_units in zip(recipe.layer_widths[:-1], recipe.layer_widths[1:], strict=True):
        limit = math.sqrt(6 / (num_inputs + num_units))
        parameters.append(random.uniform(-limit, limit, (num_inputs, num_units)).astype(np.float32))
        parameters.append(np.zeros(num_units, np.float32))
    return parameters


def train(
    backend: Backend,
    recipe: Recipe,
    data: Dataset | Sequence[np.ndarray] | Callable[[], Any],
    *,
    device: str = "cpu",
    parameters: Sequence[np.ndarray] | None = None,
    network: Any = None,
    callbacks: Iterable[Callback] = (),
    clock: Callable[[], float] = time.perf_counter,
    verbose: bool = True,
) -> History:
    """Run the recipe on ``backend``: load, build, compile, train and validate each epoch, test.

    Parameters
    ----------
    data : six arrays, or a callable that returns them
        A callable is timed as the phase ``load``.
    parameters : arrays, optional
        Initial values; default: ``initial_parameters(recipe)``, or those of ``network`` if given.
    network : optional
        Network of an earlier run on the same backend, to be trained further.

    Raises
    ------
    RecipeError
        If a minibatch is larger than the data; raised before compiling.
    DivergedError
        If the training or validation loss is NaN or infinite.
    """
    history, callbacks = History(), list(callbacks)
    import_start = clock()
    backend.import_framework(device)
    start = clock()
    history.import_seconds = start - import_start
    phase = _phases(backend, history, clock)

    with phase("load"):
        arrays = data() if callable(data) else data
    for images, which in zip(arrays[::2], ("training", "validation", "test"), strict=True):
        recipe.check_batch_fits(len(images), f"{which} set")
    with phase("build"):
        if network is not None:
            backend.build(recipe, parameters, device, network=network)
        else:
            backend.build(recipe, parameters or initial_parameters(recipe), device)
    if backend.variant.resident:
        with phase("transfer"):
            backend.place_all(arrays)
    with phase("compile"):
        backend.compile()

    try:
        _train_epochs(backend, recipe, arrays[:4], history, callbacks, phase, verbose)
    except KeyboardInterrupt:
        history.interrupted = True
        history.total_seconds = clock() - start
        done = len(history.epochs)
        print(f"Interrupted after {done} of {recipe.num_epochs} epochs: returning the network trained so far.")
        return history

    with phase("test"):
        history.test_loss, history.test_accuracy = backend.evaluate(*arrays[4:])
    history.test_examples = len(arrays[4]) // recipe.batch_size * recipe.batch_size
    history.total_seconds = clock() - start
    if verbose:
        _print_results(history)
    return history


def _phases(backend: Backend, history: History, clock: Callable[[], float]) -> Phase:
    """Return ``phase``; ``with phase("load"): ...`` adds the seconds, including the device's work, to the history."""

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        start = clock()
        yield
        backend.synchronize()
        history.phases[name] = history.phases.get(name, 0.0) + clock() - start

    return phase


def _train_epochs(
    backend: Backend,
    recipe: Recipe,
    arrays: Sequence[np.ndarray],
    history: History,
    callbacks: list[Callback],
    phase: Phase,
    verbose: bool,
) -> None:
    X_train, y_train, X_val, y_val = arrays
    random = random_stream(recipe, "order")
    for callback in callbacks:
        callback.on_train_begin({})
    on_step = _tell_batches(callbacks)
    for epoch in range(recipe.num_epochs):
        before = dict(history.phases)
        with phase("train"):
            order = random.permutation(len(X_train))
            train_loss = backend.train_epoch(X_train, y_train, order, on_step)
        _require_finite(train_loss, "training", epoch)
        with phase("validate"):
            validation_loss, validation_accuracy = backend.evaluate(X_val, y_val)
        _require_finite(validation_loss, "validation", epoch)
        record = EpochRecord(
            epoch=epoch + 1,
            train_loss=train_loss,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            train_seconds=history.phases["train"] - before.get("train", 0.0),
            validate_seconds=history.phases["validate"] - before.get("validate", 0.0),
        )
        history.epochs.append(record)
        if verbose:
            _print_epoch(record, recipe.num_epochs)
        for callback in callbacks:
            callback.on_epoch_end(epoch, dict(vars(record)))
    for callback in callbacks:
        callback.on_train_end({})


def _tell_batches(callbacks: list[Callback]) -> Callable[[int, float], None] | None:
    """Return a function that calls ``on_batch_end``; None without callbacks, which avoids fetching each loss."""
    listeners = [callback for callback in callbacks if type(callback).on_batch_end is not Callback.on_batch_end]
    if not listeners:
        return None

    def on_step(batch: int, loss: float) -> None:
        for callback in listeners:
            callback.on_batch_end(batch, {"loss": loss})

    return on_step


def _require_finite(loss: float, which: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise DivergedError(
            f"the {which} loss became {loss} in epoch {epoch + 1}: lower the learning rate, or check the data."
        )


def _print_epoch(record: EpochRecord, num_epochs: int) -> None:
    # The tutorial's "took" covers training and validation.
    took_seconds = record.train_seconds + record.validate_seconds
    print(f"Epoch {record.epoch} of {num_epochs} took {took_seconds:.3f}s")
    print(f"training loss:\t\t{record.train_loss:.6f}")
    print(f"validation loss:\t\t{record.validation_loss:.6f}")
    print(f"validation accuracy:\t\t{record.validation_accuracy * 100:.2f} %")


def _print_results(history: History) -> None:
    print(f"Final results in {history.total_seconds} seconds:")
    print(f"  test loss:\t\t\t{history.test_loss:.6f}")
    print(f"  test accuracy:\t\t{history.test_accuracy * 100:.2f} %")
