"""Strong scaling: training epochs of one process that is pinned to as many cores as it has threads.

One process measures one stack with one number of threads, or with no variant an engine: the eight matrix products of a
training step and a copy in memory, which say where a stack's time goes.  ``bench run`` chooses the cores, see
``bench.machine.topology``.  By hand:

    OMP_NUM_THREADS=1 taskset -c 0 pytest bench/harness/bench_threads.py --backend theano --variant tuned
"""

from __future__ import annotations

from bench.harness.starting import warm_up
from bench.machine.clock import ClockSampler
from bench.machine.topology import own_cores, own_placement
from bench.roofline.workload import step_products

PRODUCT_STEPS, COPIES = 20, 3  # per sample: 0.1 s to 0.4 s


def test_train_epoch(benchmark, case, compiled, data, train_epoch):
    """Time epochs, then validate: what was timed has to have trained the network."""
    case.recipe.check_batch_fits(len(data.X_train))
    warm_up(compiled, data, case.recipe.batch_size)
    rounds = 2 if case.quick else 3
    with ClockSampler(own_cores()) as clock:
        benchmark.pedantic(train_epoch, rounds=rounds, iterations=1)
    loss, accuracy = compiled.evaluate(data.X_val, data.y_val)
    batch = case.recipe.batch_size
    benchmark.extra_info["examples"] = len(data.X_train) // batch * batch
    trained = {"epochs": rounds, "validation_loss": loss, "validation_accuracy": accuracy}
    benchmark.extra_info["scaling"] = [{**own_placement(), "clock_mhz": clock.mean_mhz, **trained}]


def test_eight_products(benchmark, case, engine):
    """Time the products of a training step, a lower bound of a dense step with these threads."""
    products = [engine.product(one) for one in step_products(case.recipe.layer_widths, case.recipe.batch_size)]

    def steps() -> None:
        for _ in range(PRODUCT_STEPS):
            for product in products:
                product(1)

    _measure(benchmark, steps, PRODUCT_STEPS)


def test_copy(benchmark, engine):
    copy = engine.copy()
    if copy is not None:  # JAX and PyTorch share the memory of the host's engine
        _measure(benchmark, lambda: copy(COPIES), COPIES)
        benchmark.extra_info["bytes"] = 2 * engine.sizes.copy_bytes


def _measure(benchmark, work, calls: int) -> None:
    """Record seconds for each of the ``calls`` that ``work`` makes."""
    with ClockSampler(own_cores()) as clock:
        benchmark.pedantic(work, rounds=3, iterations=1, warmup_rounds=1)
    benchmark.extra_info["samples_seconds"] = [seconds / calls for seconds in benchmark.stats.stats.data]
    benchmark.extra_info["scaling"] = [{**own_placement(), "clock_mhz": clock.mean_mhz}]
