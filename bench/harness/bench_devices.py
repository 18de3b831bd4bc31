"""Data parallelism: one training on several devices, beside the plain training on one and the all-reduce alone.

JAX divides each minibatch among the devices of one process, PyTorch (DDP) among a process for each device; without
``--devices`` the plain backend is measured.  On a CPU this is emulation: the devices share its cores.  By hand:

    pytest bench/harness/bench_devices.py --backend torch --variant ddp --devices 2
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.harness.side_by_side import run_side_by_side
from bench.harness.starting import warm_up
from bench.machine.topology import logical_cores, own_cores, own_placement, share_cores
from bench.measure.facts import process_facts
from bench.roofline.workload import num_parameters
from mlp.backends import create
from mlp.backends.base import Backend
from mlp.recipe import Recipe
from mlp.seeding import random_stream
from mlp.training import initial_parameters

EPOCHS, QUICK_EPOCHS = 3, 2
REDUCTIONS, WARM_REDUCTIONS = 50, 5


def test_train_epoch(benchmark, case, data_directory, tmp_path, pytestconfig):
    """Record epochs of the slowest process and, on several devices, the all-reduce of all gradients alone."""
    devices = pytestconfig.getoption("--devices")
    rounds = QUICK_EPOCHS if case.quick else EPOCHS
    arguments = (case.device, case.recipe, data_directory, rounds)
    if devices is not None and case.backend == "torch":
        store = tmp_path / "store"
        threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
        shares = _shares(devices, threads) if case.device == "cpu" else [[]] * devices
        ranks = [(number, devices, store, *arguments) for number in range(devices)]
        found = benchmark.pedantic(run_side_by_side, (prepare_rank, ranks, shares), rounds=1, iterations=1)
    else:
        backend = create(case.backend, case.variant, case.device) if devices is None else _sharded(devices)
        found = [benchmark.pedantic(train_and_time, (backend, *arguments), rounds=1, iterations=1)]
    benchmark.extra_info["samples_seconds"] = _slowest(found, "epochs_seconds")
    batch = case.recipe.batch_size
    benchmark.extra_info["examples"] = found[0]["examples"] // batch * batch
    if devices is not None:
        benchmark.extra_info["parts_seconds"] = {"all_reduce": _slowest(found, "all_reduce_seconds")}
    benchmark.extra_info["process"] = found[0]["process"]
    emulated = devices is not None and case.device == "cpu"
    rows = [{**one["row"], "copy": number, "emulated": emulated} for number, one in enumerate(found, 1)]
    benchmark.extra_info["scaling"] = rows


def _shares(parts: int, threads: int) -> list[list[int]]:
    cores = logical_cores(allowed=own_cores())
    return share_cores(cores, parts, threads) if parts * threads <= len(cores) else [[]] * parts


def _slowest(found: list[dict[str, Any]], name: str) -> list[float]:
    """Return the longest time of any process for each sample."""
    return [max(times) for times in zip(*(one[name] for one in found), strict=True)]


def _sharded(num_devices: int) -> Backend:
    from mlp.backends.jax.data_parallel import ShardedJaxBackend

    return ShardedJaxBackend(num_devices)


def prepare_rank(number: int, count: int, store: Path, *arguments: Any) -> Callable[[], dict[str, Any]]:
    """Import PyTorch; return a function that trains as one of the ranks."""
    from mlp.backends.torch.data_parallel import DdpTorchBackend, Rank

    backend = DdpTorchBackend(Rank(number, count, store))
    backend.import_framework()

    def run() -> dict[str, Any]:
        found = train_and_time(backend, *arguments, wait=backend.wait_for_all)
        backend.close()  # not after a failure, which is told at once: closing can wait for the other ranks
        return found

    return run


def train_and_time(
    backend: Backend,
    device: str,
    recipe: Recipe,
    data_directory: Path,
    rounds: int,
    wait: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train ``rounds`` epochs and validate; return durations, facts and the row of the process, JSON-ready.

    ``wait`` returns when all processes have called it.
    """
    from mlp.dataset import load_files

    data = load_files(data_directory)
    recipe.check_batch_fits(len(data.X_train))
    backend.import_framework(device)
    backend.build(recipe, initial_parameters(recipe), device)
    backend.place_all(data)
    backend.compile()
    warm_up(backend, data, recipe.batch_size)
    order = random_stream(recipe, "order").permutation(len(data.X_train))

    def epoch() -> None:
        backend.train_epoch(data.X_train, data.y_train, order)
        backend.synchronize()

    epochs_seconds = _timed(epoch, rounds, wait)
    loss, accuracy = backend.evaluate(data.X_val, data.y_val)
    wait()
    trained = {"epochs": rounds, "validation_loss": loss, "validation_accuracy": accuracy}
    return {
        "epochs_seconds": epochs_seconds,
        "all_reduce_seconds": _all_reduces(backend, recipe, wait),
        "examples": len(data.X_train),
        "process": process_facts(),
        "row": {**own_placement(), **trained},
    }


def _all_reduces(backend: Backend, recipe: Recipe, wait: Callable[[], None]) -> list[float]:
    """Time the all-reduce of as many numbers as the network has parameters; empty for a plain backend."""
    if not hasattr(backend, "all_reduce"):
        return []
    reduce = backend.all_reduce(num_parameters(recipe.layer_widths))
    _timed(reduce, WARM_REDUCTIONS, wait)
    return _timed(reduce, REDUCTIONS, wait)


def _timed(work: Callable[[], None], rounds: int, wait: Callable[[], None]) -> list[float]:
    seconds = []
    for _ in range(rounds):
        wait()
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds
