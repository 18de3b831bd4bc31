"""Ablation: the effect of each optimization of theano/tuned, and the floor of a training step.

One process measures one row: a variant, without the optimizations named in MLP_BENCH_TUNED_WITHOUT; or the floor, the
eight matrix products alone through the same BLAS.  By hand:

    MLP_BENCH_TUNED_WITHOUT=update pytest bench/harness/bench_ablation.py --backend theano --variant tuned
"""

from __future__ import annotations

from collections.abc import Callable

from bench.measure.frameworks.products import product_call
from bench.roofline.workload import step_products

EPOCHS = 2  # timed, after a warm-up epoch
FLOOR_STEPS = 100  # as many as an epoch of the canonical recipe has


def test_mean_train_step(benchmark, case, data, train_epoch):
    """Time complete epochs divided by their steps, so that work between the steps counts, too."""
    case.recipe.check_batch_fits(len(data.X_train))
    _time_steps(benchmark, train_epoch, len(data.X_train) // case.recipe.batch_size)


def test_eight_products(benchmark, case):
    """Time the lower bound of a dense step with this BLAS on all threads (``sparsity`` skips zeros instead)."""
    calls = [product_call(product) for product in step_products(case.recipe.layer_widths, case.recipe.batch_size)]

    def steps() -> None:
        for _ in range(FLOOR_STEPS):
            for call in calls:
                call()

    _time_steps(benchmark, steps, FLOOR_STEPS)


def _time_steps(benchmark, steps: Callable[[], None], num_steps: int) -> None:
    """Record one sample, in seconds per step, for each timed call of ``steps``, which runs ``num_steps``."""
    benchmark.pedantic(steps, rounds=EPOCHS, iterations=1, warmup_rounds=1)
    benchmark.extra_info["samples_seconds"] = [seconds / num_steps for seconds in benchmark.stats.stats.data]
