"""How fast does it train and validate?  Whole epochs, and the latency of single steps."""

from __future__ import annotations

import time

import numpy as np

from mlp.seeding import random_stream


def _order(case, data) -> np.ndarray:
    return random_stream(case.recipe, "order").permutation(len(data.X_train))


def test_train_epoch(benchmark, case, compiled, data):
    case.recipe.check_batch_fits(len(data.X_train))
    order = _order(case, data)

    def train_epoch() -> None:
        compiled.train_epoch(data.X_train, data.y_train, order)
        compiled.synchronize()

    _warm_up(compiled, data, case)
    benchmark.pedantic(train_epoch, rounds=2 if case.quick else 3, iterations=1)
    batch = case.recipe.batch_size
    benchmark.extra_info["examples"] = len(data.X_train) // batch * batch


def test_validate_epoch(benchmark, case, compiled, data):
    case.recipe.check_batch_fits(len(data.X_val), "validation set")

    def validate_epoch() -> None:
        compiled.evaluate(data.X_val, data.y_val)
        compiled.synchronize()

    benchmark.pedantic(validate_epoch, rounds=2 if case.quick else 5, iterations=1, warmup_rounds=1)
    batch = case.recipe.batch_size
    benchmark.extra_info["examples"] = len(data.X_val) // batch * batch


def test_train_step(benchmark, case, compiled, data):
    """Every step synchronised and timed on its own, for the percentiles: the sum may exceed an epoch's time."""
    steps = min(len(data.X_train) // case.recipe.batch_size, 100)
    seconds: list[float] = []

    def train_steps() -> None:
        for images, labels in compiled._minibatches(data.X_train, data.y_train, _order(case, data)):
            if len(seconds) == steps:
                break
            start = time.perf_counter()
            compiled.train_step(images, labels)
            compiled.synchronize()
            seconds.append(time.perf_counter() - start)

    _warm_up(compiled, data, case)
    benchmark.pedantic(train_steps, rounds=1, iterations=1)
    benchmark.extra_info["samples_seconds"] = seconds


def _warm_up(compiled, data, case) -> None:
    """A few steps that nobody times: page faults, lazy allocations and the BLAS's own start-up."""
    batch = case.recipe.batch_size
    for _ in range(5):
        compiled.train_step(data.X_train[:batch], data.y_train[:batch])
    compiled.synchronize()
