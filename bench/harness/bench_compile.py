"""Time from process start to a network ready to train.

Framework import, graph building, the transfer of the data for variants that keep it on their device, and compilation
of the training and validation functions.  Each happens only once in a process, so every process gives one sample of
each; the caller selects a cold compile cache (a fresh directory) or a warm one through ``base_compiledir`` in
THEANO_FLAGS.  Every process of the harness epoch measures the same parts, except for the import.
"""

from __future__ import annotations

import time

from bench.harness.starting import FIRST_LOAD, start
from mlp.backends import create, load


def test_build_and_compile(benchmark, case, request):
    import_start = time.perf_counter()
    availability = load(case.backend).availability(case.device, case.variant)
    backend = create(case.backend, case.variant, case.device)
    backend.import_framework(case.device)
    import_seconds = time.perf_counter() - import_start
    data = request.getfixturevalue("data") if backend.variant.resident else None  # loading is not timed
    work = backend, case.recipe, case.device, data and (lambda: data)
    seconds_of = {"import": import_seconds, **benchmark.pedantic(start, work, rounds=1, iterations=1)}
    seconds_of.pop(FIRST_LOAD, None)
    benchmark.extra_info["parts_seconds"] = {name: [seconds] for name, seconds in seconds_of.items()}
    benchmark.extra_info["runs_on"] = availability.detail
