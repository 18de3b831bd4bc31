"""Training and validation speed: complete epochs, the first step after compilation, and steady single steps.

Throttling and the GPU are monitored during the epochs.  The preceding phases, from loading to compiling, are recorded,
too, as measurements of the harnesses data and compile.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.harness.starting import warm_up
from bench.machine.watch import Watch


def test_train_epoch(benchmark, case, compiled, data, train_epoch, start_seconds):
    warm_up(compiled, data, case.recipe.batch_size)
    _measure_epochs(benchmark, case, train_epoch, rounds=2 if case.quick else 3)
    benchmark.extra_info["examples"] = _whole_batches(case, len(data.X_train))
    benchmark.extra_info["start_seconds"] = start_seconds


def test_validate_epoch(benchmark, case, compiled, data):
    case.recipe.check_batch_fits(len(data.X_val), "validation set")

    def validate_epoch() -> None:
        compiled.evaluate(data.X_val, data.y_val)
        compiled.synchronize()

    validate_epoch()
    _measure_epochs(benchmark, case, validate_epoch, rounds=2 if case.quick else 5)
    benchmark.extra_info["examples"] = _whole_batches(case, len(data.X_val))


def test_train_step(benchmark, case, compiled, data, order, first_seconds):
    """Time every step separately, with synchronization, for percentiles; the sum may exceed an epoch's time.

    The first step or epoch of the process is a separate measurement.
    """
    steps = min(len(data.X_train) // case.recipe.batch_size, 100)
    seconds: list[float] = []

    def train_steps() -> None:
        for images, labels in compiled._minibatches(data.X_train, data.y_train, order):
            if len(seconds) == steps:
                break
            start = time.perf_counter()
            compiled.train_step(images, labels)
            compiled.synchronize()
            seconds.append(time.perf_counter() - start)

    warm_up(compiled, data, case.recipe.batch_size)
    benchmark.pedantic(train_steps, rounds=1, iterations=1)
    benchmark.extra_info["samples_seconds"] = seconds
    benchmark.extra_info["parts_seconds"] = {name: [seconds] for name, seconds in first_seconds.items()}


def _measure_epochs(benchmark, case, epoch: Callable[[], None], rounds: int) -> None:
    """Time ``rounds`` epochs with monitoring; on a GPU untimed ones follow until its energy is measurable."""
    num_epochs = rounds
    with Watch(case.device) as watch:
        benchmark.pedantic(epoch, rounds=rounds, iterations=1)
        while watch.wants_more():
            epoch()
            num_epochs += 1
    benchmark.extra_info.update(watch.extra_info(num_epochs))


def _whole_batches(case, num_examples: int) -> int:
    return num_examples // case.recipe.batch_size * case.recipe.batch_size
