"""Start-up of a backend, timed by part in the order of the reference run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mlp.backends.base import Backend
from mlp.recipe import Recipe
from mlp.training import initial_parameters

WARM_STEPS = 5
FIRST_LOAD = "first_load"  # of its process: later ones find mapped memory


def start(backend: Backend, recipe: Recipe, device: str, load: Callable[[], Any] | None = None) -> dict[str, float]:
    """Prepare ``backend``, whose framework is imported, for training; return {part: seconds}.

    The parts are FIRST_LOAD, ``build``, ``transfer`` (only for a variant that keeps its data on its device),
    ``compile``, and the backend's own phases of the compilation.  Without ``load``, which such a variant requires, no
    data is loaded.
    """
    seconds_of: dict[str, float] = {}

    def timed(name: str, part: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = part()
        if name != FIRST_LOAD:
            backend.synchronize()
        seconds_of[name] = time.perf_counter() - begin
        return result

    data = timed(FIRST_LOAD, load) if load else None
    timed("build", lambda: backend.build(recipe, initial_parameters(recipe), device))
    if backend.variant.resident:
        timed("transfer", lambda: backend.place_all(data))
    timed("compile", backend.compile)
    return {**seconds_of, **backend.compile_seconds}


def warm_up(backend: Backend, data: Any, batch_size: int) -> None:
    """Run a few untimed steps: page faults, lazy allocations and the start-up of the BLAS."""
    for _ in range(WARM_STEPS):
        backend.train_step(data.X_train[:batch_size], data.y_train[:batch_size])
    backend.synchronize()
