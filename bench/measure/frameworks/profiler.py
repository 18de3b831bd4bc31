"""Contract of a collector: switching a framework's profiler on and off, and reading it."""

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
SHOWN_CALLS = 3  # of the calls of a function, in the timeline


class Collector(ABC):
    """Profiler of one backend, in the process that runs it.

    ``problems`` are sentences about missing results.
    """

    profiler: ClassVar[str]  # display name

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.perf_counter) -> None:
        self.backend = backend
        self.problems: list[str] = []
        self._clock = clock
        self._minibatch_seconds = 0.0
        self._minibatch_bytes = 0

    def compiling(self, clock: SectionClock) -> AbstractContextManager[None]:
        """Time the sections of the compilation inside the block with ``clock``."""
        return nullcontext()

    def warm_up(self, function: str, call: Callable[[], None]) -> None:
        """Warm up: run ``function`` by ``call``, untimed, before all timed calls."""
        call()

    @abstractmethod
    def profiled(self, function: str) -> AbstractContextManager[None]:
        """Profile the calls of ``function`` inside the block; ``operations`` returns the result."""

    @abstractmethod
    def operations(self, function: str, num_calls: int) -> list[Operation]:
        """Return the operations of the last profiled block of ``num_calls`` calls, per call, without the host's row."""

    def events(self, function: str, call: Callable[[], None], num_calls: int) -> list[Event]:
        """Return the events of a few calls, from the last profiled block or new calls; [] if not available."""
        return []

    def facts(self) -> dict[str, Any]:
        """Return the framework's part of Profile.facts."""
        return {}

    # --- minibatches, made by NumPy for most backends before each step ----------------------------------------------

    @contextmanager
    def minibatches_timed(self) -> Iterator[None]:
        """Time the minibatches that the backend takes from NumPy inside the block as a separate operation."""
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
        """Time a named part of the driver.  Profilers with a timeline override this to annotate it there."""
        start = self._clock()
        try:
            yield
        finally:
            self._minibatch_seconds += self._clock() - start

    def minibatch_operation(self, function: str, num_calls: int) -> list[Operation]:
        """Return the cost of making minibatches in the last profiled block; [] if the backend makes none."""
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
