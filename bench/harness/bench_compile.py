"""How long does it take from nothing to a network that can train?

Framework import, graph building, the transfer of the data for variants that keep it on their device, and compilation
of the training and validation functions.  Each can happen only once in a process, so every process gives one sample of
each; whether the compile cache is cold (a fresh directory) or warm is decided by whoever starts the process, through
``base_compiledir`` in THEANO_FLAGS.
"""

from __future__ import annotations

import time

from mlp.backends import create, load
from mlp.training import initial_parameters


def test_build_and_compile(benchmark, case, request):
    import_start = time.perf_counter()
    availability = load(case.backend).availability(case.device, case.variant)
    backend = create(case.backend, case.variant, case.device)
    backend.import_framework(case.device)
    import_seconds = time.perf_counter() - import_start
    data = request.getfixturevalue("data") if backend.variant.resident else None  # loaded outside every clock
    seconds_of = {"import": import_seconds}

    def from_graph_to_functions() -> None:
        def end_part(name: str) -> None:
            nonlocal start
            backend.synchronize()
            seconds_of[name] = time.perf_counter() - start
            start += seconds_of[name]

        start = time.perf_counter()
        backend.build(case.recipe, initial_parameters(case.recipe), case.device)
        end_part("build")
        if data is not None:
            backend.place_all(data)
            end_part("transfer")
        backend.compile()
        end_part("compile")

    benchmark.pedantic(from_graph_to_functions, rounds=1, iterations=1)
    seconds_of.update(backend.compile_seconds)
    benchmark.extra_info["parts_seconds"] = {name: [seconds] for name, seconds in seconds_of.items()}
    benchmark.extra_info["runs_on"] = availability.detail
