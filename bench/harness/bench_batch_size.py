"""Scaling of a training step with the batch size.

Powers of two from 1 to 8192, and the canonical 500.  The report fits t(B) = a + b*B to the medians: a is the
overhead of a step, b the time of one more example.  Every size begins with the initial weights and a new optimiser:
after hundreds of steps on the same few examples, gradients vanish and a fifth of RMSProp's accumulators are subnormal.
"""

from __future__ import annotations

import time

import pytest

from mlp.training import initial_parameters

BATCH_SIZES = sorted([2**power for power in range(14)] + [500])
BUDGET_SECONDS = 0.5  # per batch size: enough for dozens of small steps; large ones get MIN_STEPS
MIN_STEPS = 3
MAX_STEPS = 200


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_train_step(benchmark, case, compiled, data, batch_size):
    if batch_size > len(data.X_train):
        pytest.skip(f"only {len(data.X_train)} examples")
    images, labels = data.X_train[:batch_size], data.y_train[:batch_size]
    seconds: list[float] = []
    budget_seconds = BUDGET_SECONDS / 2 if case.quick else BUDGET_SECONDS

    def steps_within_budget() -> None:
        deadline = time.perf_counter() + budget_seconds
        while len(seconds) < MAX_STEPS and (len(seconds) < MIN_STEPS or time.perf_counter() < deadline):
            start = time.perf_counter()
            compiled.train_step(images, labels)
            compiled.synchronize()
            seconds.append(time.perf_counter() - start)

    compiled.set_parameters(initial_parameters(case.recipe))
    for _ in range(2):  # buffers are reallocated when the shape changes
        compiled.train_step(images, labels)
    compiled.synchronize()
    benchmark.pedantic(steps_within_budget, rounds=1, iterations=1)
    benchmark.extra_info["samples_seconds"] = seconds
