"""Rate: independent trainings side by side, each on its share of the cores, started at once.

One process starts the copies and waits for them; each copy is a fresh process that runs the recipe from loading to the
test with a seed of its own, by the reference clock.  By hand, two copies of one thread:

    OMP_NUM_THREADS=1 pytest bench/harness/bench_copies.py --copies 2 --backend theano --variant tuned
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from bench.errors import BenchError
from bench.harness.side_by_side import run_side_by_side
from bench.machine import cgroup, cpu
from bench.machine.clock import ClockSampler
from bench.machine.rapl import CpuEnergySampler
from bench.machine.topology import logical_cores, own_cores, own_placement, share_cores
from bench.measure.facts import process_facts
from mlp.recipe import Recipe

BYTES_OF_A_COPY = 700 * 2**20  # resident memory of a training: arrays of 220 MB, the framework, the files


def test_training(benchmark, case, data_directory, pytestconfig):
    copies = pytestconfig.getoption("--copies")
    threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
    check_memory(copies)
    cores = logical_cores(allowed=own_cores())
    shares = share_cores(cores, copies, threads) if cores else [[]] * copies
    recipes = [replace(case.recipe, seed=case.recipe.seed + number) for number in range(copies)]
    arguments = [(case.backend, case.variant, case.device, recipe, data_directory) for recipe in recipes]
    energy = CpuEnergySampler()
    work = prepare_training, arguments, shares, energy
    found = benchmark.pedantic(run_side_by_side, work, rounds=1, iterations=1)
    rows = [one["row"] for one in found]
    benchmark.extra_info["process"] = found[0]["process"]  # this process ran no training
    benchmark.extra_info["samples_seconds"] = [row["total_seconds"] for row in rows]
    shared = {"cpu_energy_joules": energy.joules}
    benchmark.extra_info["scaling"] = [{**row, **shared, "copy": number} for number, row in enumerate(rows, 1)]


def check_memory(copies: int) -> None:
    """Raise BenchError if the copies would not fit into the free memory of the machine and of the control group."""
    memory = cpu.quietly(psutil.virtual_memory)
    free = [memory.available if memory is not None else None, cgroup.free_memory_bytes()]
    free_bytes = min((one for one in free if one is not None), default=None)
    if free_bytes is not None and free_bytes < copies * BYTES_OF_A_COPY:
        needed, left = (num_bytes / 2**30 for num_bytes in (copies * BYTES_OF_A_COPY, free_bytes))
        need = "trainings need" if copies > 1 else "training needs"
        raise BenchError(f"{copies} {need} about {needed:.1f} GiB, {left:.1f} are free: fewer with --counts.")


def prepare_training(
    backend_name: str, variant: str | None, device: str, recipe: Recipe, data_directory: Path
) -> Callable[[], dict[str, Any]]:
    """Import the framework; return a function that trains and returns the row of the copy and its facts, JSON-ready."""
    from mlp.backends import create
    from mlp.dataset import load_files
    from mlp.training import train

    backend = create(backend_name, variant, device)
    backend.import_framework(device)

    def run() -> dict[str, Any]:
        with ClockSampler(own_cores()) as clock:
            history = train(backend, recipe, lambda: load_files(data_directory), device=device, verbose=False)
        in_epochs = sum(history.phases[phase] for phase in ("train", "validate"))
        row = {
            **own_placement(),
            "clock_mhz": clock.mean_mhz,
            "total_seconds": history.total_seconds,
            "start_seconds": history.total_seconds - in_epochs,
            "epochs": len(history.epochs),
            "validation_loss": history.epochs[-1].validation_loss,
            "validation_accuracy": history.epochs[-1].validation_accuracy,
        }
        return {"row": row, "process": process_facts()}

    return run
