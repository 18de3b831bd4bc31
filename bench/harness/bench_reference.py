"""Canonical run, end to end, by the reference clock.

Loading, building, compiling, every training and validation epoch, and the test: what the tutorial's 32.2 s count.
The framework's import is reported separately.  Memory, CPU and GPU are sampled during the run, and throttling is
monitored.
"""

from __future__ import annotations

import os

from bench.machine.process_sampler import ProcessSampler
from bench.machine.rapl import CpuEnergySampler
from bench.machine.watch import Watch


def test_run(benchmark, case, data_directory):
    from mlp.backends import create
    from mlp.dataset import load_files
    from mlp.training import History, train

    backend = create(case.backend, case.variant, case.device)
    sampler = ProcessSampler(os.getpid())
    watch = Watch(case.device)
    cpu_energy = CpuEnergySampler()

    def canonical_run() -> History:
        with watch, sampler, cpu_energy:
            return train(backend, case.recipe, lambda: load_files(data_directory), device=case.device, verbose=False)

    history = benchmark.pedantic(canonical_run, rounds=1, iterations=1)
    benchmark.extra_info.update(
        samples_seconds=[history.total_seconds],
        phases=history.phases,
        rest_seconds=history.rest_seconds,
        import_seconds=history.import_seconds,
        epochs=[vars(epoch) for epoch in history.epochs],
        test_loss=history.test_loss,
        test_accuracy=history.test_accuracy,
        test_examples=history.test_examples,
        seed=case.recipe.seed,
        peak_rss_bytes=sampler.peak_rss_bytes,
        timeline=sampler.timeline,
        cpu_energy_joules=cpu_energy.joules,
        **watch.extra_info(),
    )
