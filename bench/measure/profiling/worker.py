"""Process that profiles one stack: ``python -m bench.measure.profiling.worker REQUEST``.

It writes the profile after every stage, so that a later failure loses only the remaining stages.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.measure.facts import process_facts
from bench.measure.frameworks.profiler import Collector
from bench.measure.frameworks.section_clock import SectionClock
from bench.measure.process import describe, end_with_parent
from bench.measure.profiling import collector_of
from bench.measure.profiling.host import MemoryTimeline, flame_graph, memory_by_phase, watch
from bench.measure.profiling.rounds import measure
from bench.records.profile_file import load, save
from mlp.backends import Backend, create
from mlp.dataset import check_unchanged, load_files
from mlp.errors import MlpError
from mlp.recipe import Recipe
from mlp.seeding import random_stream
from mlp.training import initial_parameters

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # training and validation images and labels
FLAME_GRAPH = "flame_graph.html"


@dataclass(frozen=True)
class ProfileRequest:
    """Request for a worker: ``profile`` is the file with the profile so far, which the worker completes.

    ``cache`` is the initial state of the compile cache; with ``compile_only`` the worker runs no function.
    """

    profile: str
    data: str
    data_digest: str | None
    cache: str | None
    num_calls: int
    num_rounds: int
    compile_only: bool = False


class Worker:
    """Profiling in stages; ``profile`` holds the results so far."""

    def __init__(self, request: ProfileRequest) -> None:
        self.request = request
        self.path = Path(request.profile)
        self.phase = "start"  # of the memory timeline
        self.profile = load(self.path)
        self.recipe = Recipe(**{**self.profile.recipe, "layer_widths": tuple(self.profile.recipe["layer_widths"])})

    def run(self) -> None:
        with MemoryTimeline(lambda: self.phase) as memory:
            clock = SectionClock()
            backend = self._import(clock)
            arrays = self._load()
            collector = self._compile(backend, arrays, clock)
            if not self.request.compile_only:
                calls = self._calls(backend, *arrays)
                for function, call in calls.items():
                    self.phase = function
                    with memory.paused():
                        self._measure(collector, function, call)
                own = {"profiler": collector.profiler, "process": process_facts()}
                self._keep(facts={**self.profile.facts, **collector.facts(), **own})
                train_steps, num_steps = calls["train_step"]
                self.phase = "watch"
                with memory.paused():
                    host = watch(train_steps, num_steps, self.profile.stack["device"])
                    self._keep(*host.pop("problems"), host=host)
                self.phase = "flame graph"
                if problem := flame_graph(train_steps, self.path.with_name(FLAME_GRAPH)):
                    self._keep(problem)
        if not self.request.compile_only:
            beside = {"timeline": memory.timeline, "memory_by_phase": memory_by_phase(memory.timeline)}
            self._keep(host={**self.profile.host, **beside})
        self._keep(*dict.fromkeys(collector.problems), complete=True)

    def fail(self, reason: str) -> None:
        self._keep(reason)

    def _keep(self, *problems: str, **more: Any) -> None:
        """Write the profile with ``more`` fields, and with ``problems`` added to its own."""
        self.profile = replace(self.profile, problems=(*self.profile.problems, *problems), **more)
        save(self.profile, self.path)

    def _import(self, clock: SectionClock) -> Backend:
        stack = self.profile.stack
        self.phase = "import"
        with clock.section("import"):
            backend = create(stack["backend"], stack["variant"], stack["device"])
            backend.import_framework(stack["device"])
        return backend

    def _load(self) -> Arrays:
        """Load the examples of the timed calls only, which limits the memory of resident variants."""
        self.phase = "load"
        data = load_files(Path(self.request.data))
        if self.request.data_digest is not None:
            check_unchanged(Path(self.request.data), self.request.data_digest)
        self.recipe.check_batch_fits(len(data.X_train), "training set")
        self.recipe.check_batch_fits(len(data.X_val), "validation set")
        whole = self.request.num_calls * self.recipe.batch_size
        return data.X_train[:whole], data.y_train[:whole], data.X_val[:whole], data.y_val[:whole]

    def _compile(self, backend: Backend, arrays: Arrays, clock: SectionClock) -> Collector:
        """Build and compile with the imported framework, timed by phase; return the collector."""
        self.phase = "build and compile"
        collector = collector_of(backend)
        with self._compile_phases_kept(clock):
            with clock.section("build"):
                backend.build(self.recipe, initial_parameters(self.recipe), self.profile.stack["device"])
            if backend.variant.resident:
                with clock.section("transfer"):
                    backend.place(*arrays[:2])
                    backend.place(*arrays[2:])
                    backend.synchronize()
            with collector.compiling(clock), clock.section("compile"):
                backend.compile()
                backend.synchronize()
        return collector

    @contextlib.contextmanager
    def _compile_phases_kept(self, clock: SectionClock) -> Iterator[None]:
        try:
            yield
        finally:
            self._keep(compile_phases=(*self.profile.compile_phases, *clock.phases(self.request.cache)))

    def _calls(
        self, backend: Backend, X_train: np.ndarray, y_train: np.ndarray, X_val: np.ndarray, y_val: np.ndarray
    ) -> dict[str, tuple[Callable[[], None], int]]:
        """Return {function: (work, number of calls)}; the work calls the function as in an epoch."""
        batch_size = self.recipe.batch_size
        order = random_stream(self.recipe, "order").permutation(len(X_train))

        def train_steps() -> None:
            backend.train_epoch(X_train, y_train, order)
            backend.synchronize()

        def evaluations() -> None:
            backend.evaluate(X_val, y_val)
            backend.synchronize()

        return {
            "train_step": (train_steps, len(X_train) // batch_size),
            "evaluate": (evaluations, len(X_val) // batch_size),
        }

    def _measure(self, collector: Collector, function: str, call: tuple[Callable[[], None], int]) -> None:
        measured = measure(collector, function, *call, self.request.num_rounds)
        self._keep(
            timings={**self.profile.timings, function: measured.timing},
            operations=(*self.profile.operations, *measured.operations),
            events=(*self.profile.events, *measured.events),
        )


def main(path: str) -> int:
    end_with_parent()
    worker = Worker(ProfileRequest(**json.loads(Path(path).read_text())))
    started = time.perf_counter()
    try:
        worker.run()
    except (MlpError, BenchError) as error:
        worker.fail(str(error))
        return 1
    except Exception as error:
        seconds = time.perf_counter() - started
        worker.fail(f"the profile failed after {seconds:.0f} s ({describe(error)})")
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
