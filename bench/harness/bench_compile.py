"""How long does it take from nothing to a network that can train?

Framework import, graph building, and compilation of the training and validation functions.  Each can happen only
once in a process, so every process gives one sample of each; whether the compile cache is cold (a fresh
directory) or warm is decided by whoever starts the process, through ``base_compiledir`` in THEANO_FLAGS.
"""

from __future__ import annotations

import time

from mlp.backends import create, load
from mlp.training import initial_parameters


def test_build_and_compile(benchmark, case):
    import_start = time.perf_counter()
    availability = load(case.backend).availability(case.device)
    backend = create(case.backend, case.variant, case.device)
    backend.import_framework(case.device)
    import_seconds = time.perf_counter() - import_start
    parts = {"import": [import_seconds]}

    def from_graph_to_functions() -> None:
        start = time.perf_counter()
        backend.build(case.recipe, initial_parameters(case.recipe), case.device)
        built = time.perf_counter()
        backend.compile()
        backend.synchronize()
        parts["build"] = [built - start]
        parts["compile"] = [time.perf_counter() - built]

    benchmark.pedantic(from_graph_to_functions, rounds=1, iterations=1)
    for name, seconds in backend.compile_seconds.items():
        parts[name] = [seconds]
    benchmark.extra_info["parts_seconds"] = parts
    benchmark.extra_info["runs_on"] = availability.detail
