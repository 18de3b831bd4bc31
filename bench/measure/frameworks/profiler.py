"""The contract of a collector: how one framework's profiler is switched on, read, and switched off again."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar

import numpy as np

from bench.measure.frameworks.section_clock import SectionClock
from bench.records.profile import Event, Operation
from mlp.backends import Backend
from mlp.patching import replaced

MINIBATCH = "minibatch"


class Collector(ABC):
    """Profiles one backend, in the process that runs it.

    ``problems`` are sentences about what could not be had; they come with whatever could.
    """

    profiler: ClassVar[str]  # its name, for people

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.perf_counter) -> None:
        self.backend = backend
        self.problems: list[str] = []
        self._clock = clock
        self._minibatch_seconds = 0.0
        self._minibatch_bytes = 0

    def compiling(self, clock: SectionClock) -> AbstractContextManager[None]:
        """Inside the block the backend compiles, and ``clock`` learns where the time goes."""
        return nullcontext()

    def rehearse(self, function: str, call: Callable[[], None]) -> None:
        """``call`` runs ``function``, untimed and before everything that is timed."""
        call()

    @abstractmethod
    def profiled(self, function: str) -> AbstractContextManager[None]:
        """Inside the block the calls of ``function`` are profiled; ``operations`` then tells of them."""

    @abstractmethod
    def operations(self, function: str, num_calls: int) -> list[Operation]:
        """Of the last profiled block, which made ``num_calls`` calls; per call, without the host's row."""

    def events(self, function: str, call: Callable[[], None], num_calls: int) -> list[Event]:
        """A few calls in time, from the last profiled block or from calling once more; [] where nobody can tell."""
        return []

    def facts(self) -> dict[str, Any]:
        """Of Profile.facts, what only the framework knows."""
        return {}

    # --- minibatches, which NumPy makes for most backends before each step ------------------------------------------

    @contextmanager
    def minibatches_timed(self) -> Iterator[None]:
        """Inside the block, the minibatches that the backend takes from NumPy are an operation of their own."""
        original = self.backend._minibatches
        self._minibatch_seconds, self._minibatch_bytes = 0.0, 0

        def timed(images: np.ndarray, labels: np.ndarray, order: np.ndarray | None = None) -> Iterator[Any]:
            batches = original(images, labels, order)
            while True:
                with self.annotated(MINIBATCH):
                    batch = next(batches, None)
                if batch is None:
                    return
                self._minibatch_bytes += 0 if order is None else 2 * sum(array.nbytes for array in batch)
                yield batch

        with replaced(self.backend, "_minibatches", timed):
            yield

    @contextmanager
    def annotated(self, name: str) -> Iterator[None]:
        """Time of the driver that has a name.  Profilers with a timeline put it there instead."""
        start = self._clock()
        try:
            yield
        finally:
            self._minibatch_seconds += self._clock() - start

    def minibatch_operation(self, function: str, num_calls: int) -> list[Operation]:
        """What making the minibatches cost in the last profiled block; [] where the backend makes none."""
        if not self._minibatch_seconds:
            return []
        return [
            Operation(
                function,
                "minibatch (NumPy)",
                "copy",
                1,
                self._minibatch_seconds / num_calls,
                bytes=self._minibatch_bytes / num_calls,
                source="mlp/batches.py",
                details={"op": MINIBATCH},
            )
        ]
