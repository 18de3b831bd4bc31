"""A realistic run from literals: what the reading side is tested on, with no clock and no worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.records.header import RunHeader
from bench.records.json_file import decode
from bench.records.run_folder import SCHEMA_VERSION, RunFolder

BATCH_SIZES = [1, 8, 64, 500, 4096]
STEP_OVERHEAD_SECONDS, EXAMPLE_SECONDS = 0.002, 0.000032  # the law the example's batch sizes follow exactly
TEST_ACCURACIES = [0.9827, 0.9834, 0.9822]


def header(**changes: Any) -> dict[str, Any]:
    """A complete full run on MNIST; ``changes`` replace whole fields."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": "20260102-030405-0123456",
        "started_at": "2026-01-02T03:04:05+00:00",
        "finished_at": "2026-01-02T03:11:05+00:00",
        "status": "complete",
        "mode": "full",
        "dataset": {"identity": "mnist", "origin": "directory", "sha256": {"train-images-idx3-ubyte": "ba89"}},
        "recipe": {
            "layer_widths": [784, 500, 300, 10],
            "dropout": 0.4,
            "learning_rate": 0.001,
            "rho": 0.9,
            "epsilon": 1e-6,
            "batch_size": 500,
            "num_epochs": 20,
            "seed": 1,
        },
        "commit": {"id": "0123456789abcdef", "dirty": False},
        "machine": {
            "cpu_model": "Example CPU @ 3.50GHz",
            "physical_cores": 2,
            "usable_cores": 2,
            "memory_bytes": 8 * 2**30,
            "governor": None,
            "hypervisor": True,
            "gpus": [],
            "packages": {"numpy": "2.0.0", "theano": "1.0.5"},
            "load_average_1min": 0.25,
        },
        "plan": [],
        "skipped": [],
        **changes,
    }


def run_header(**changes: Any) -> RunHeader:
    return decode(header(**changes), RunHeader)


def planned(case: dict[str, Any], num_processes: int = 1) -> dict[str, Any]:
    """An entry of a plan."""
    return {"case": case, "replicates": num_processes, "limit_seconds": 9.0, "expected_seconds": 1.0}


def case(harness: str, **changes: Any) -> dict[str, Any]:
    return {
        "harness": harness,
        "backend": "theano",
        "variant": "as_published",
        "device": "cpu",
        "threads": 2,
        "dataset": "mnist",
        "batch_size": None,
        "cache": "warm",
        "num_epochs": None,
        "seed": 1,
        **changes,
    }


def measurement(name: str, seconds: list[float | None], params: dict | None = None, **extra: Any) -> dict[str, Any]:
    return {"name": name, "seconds": seconds, "params": params or {}, "extra": extra}


def replicate(case: dict[str, Any], measurements: list[dict], reason: str | None = None) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "case": case,
        "round": 0,
        "status": "ok" if reason is None else "failed",
        "reason": reason,
        "started_at": "2026-01-02T03:04:06+00:00",
        "wall_seconds": 12.0,
        "measurements": measurements,
    }


def reference_replicate(
    seed: int, accuracy: float | None, train_seconds: float, num_epochs: int = 20
) -> dict[str, Any]:
    """A reference run whose phases and 0.01 s of rest add up to its total, ``train_seconds`` + 5.0 s."""
    phases = {"load": 0.5, "build": 0.09, "compile": 3.0, "train": train_seconds, "validate": 1.3, "test": 0.1}
    epochs = [
        {
            "epoch": number,
            "train_loss": 0.5 / number,
            "validation_loss": 0.2 / number,
            "validation_accuracy": 0.98 - 0.045 / number,
            "train_seconds": train_seconds / num_epochs,
            "validate_seconds": 1.3 / num_epochs,
        }
        for number in range(1, num_epochs + 1)
    ]
    run = measurement(
        "run",
        [sum(phases.values()) + 0.01],
        phases=phases,
        rest_seconds=0.01,
        import_seconds=0.8,
        epochs=epochs,
        test_loss=0.07,
        test_accuracy=accuracy,
        test_examples=10_000,
        seed=seed,
        peak_rss_bytes=512 * 2**20,
        timeline=[{"t_seconds": 0.25, "rss_bytes": 400 * 2**20, "cpu_percent": 190.0}],
    )
    return replicate(case("reference", batch_size=500, num_epochs=num_epochs, seed=seed), [run])


def gpu_reference_replicate() -> dict[str, Any]:
    """A reference run on a GPU that its power limit slowed for a moment."""
    one = reference_replicate(1, 0.9827, train_seconds=0.5)
    one["case"] = {**one["case"], "backend": "jax", "variant": "scan", "device": "cuda", "cache": None}
    idle = {
        "gpu_memory_bytes": 2**30,
        "sm_clock_mhz": 345,
        "power_watts": 75.5,
        "temperature_celsius": 31,
        "gpu_utilization_percent": 0,
        "throttle_reasons": [],
    }
    capped = {**idle, "sm_clock_mhz": 1500, "power_watts": 699.5, "throttle_reasons": ["gpu sw power cap"]}
    one["measurements"][0]["extra"] |= {
        "gpu_timeline": [{"t_seconds": 0.0, **idle}, {"t_seconds": 0.1, **capped}],
        "gpu_reason": None,
        "peak_gpu_memory_bytes": 2**30,
        "energy_joules": 900.5,
        "energy_per_epoch_joules": None,
        "energy_source": "counter",
        "throttled": True,
        "throttle_reasons": ["gpu sw power cap", "cgroup cpu quota"],
    }
    return one


def replicates() -> list[dict[str, Any]]:
    """Two processes of loading, epochs and batch sizes; one cold and two warm of compiling; three seeds."""
    no_backend = {"backend": None, "variant": None, "cache": None}
    found = []
    for factor in (1.0, 1.02):
        loading = [
            measurement("load", [0.25 * factor, 0.26 * factor, 0.24 * factor], bytes=219_520_000),
            measurement("decompress", [0.125 * factor] * 3, bytes=54_950_048),
        ]
        found.append(replicate(case("data", **no_backend), loading))
    for cache, scale in (("cold", 5.0), ("warm", 1.0), ("warm", 1.1)):
        parts = [
            measurement("import", [0.8]),
            measurement("build", [0.01 * scale]),
            measurement("compile", [4.0 * scale]),
        ]
        found.append(replicate(case("compile", cache=cache), parts))
    for factor in (1.0, 1.02):
        epoch = [
            measurement("train_epoch", [2.0 * factor, 2.01 * factor, 1.99 * factor], examples=50_000),
            measurement("validate_epoch", [0.0625 * factor] * 5, examples=10_000),
            measurement("train_step", [(0.018 + 0.00002 * number) * factor for number in range(100)]),
        ]
        found.append(replicate(case("epoch", batch_size=500), epoch))
        steps = [
            measurement(
                "train_step",
                [(STEP_OVERHEAD_SECONDS + EXAMPLE_SECONDS * size) * factor] * 3,
                {"batch_size": size},
            )
            for size in BATCH_SIZES
        ]
        found.append(replicate(case("batch_size"), steps))
    for seed, accuracy in enumerate(TEST_ACCURACIES, start=1):
        found.append(reference_replicate(seed, accuracy, train_seconds=39.0 + seed / 10))
    return found


def write_example_run(runs_dir: Path, replicates: list[dict[str, Any]], **changes: Any) -> Path:
    """A run folder in ``runs_dir`` with ``replicates``; ``changes`` replace fields of the header."""
    folder = RunFolder.create(runs_dir, run_header(**changes))
    (folder.path / "run.json").write_text(json.dumps(header(**changes) | {"run_id": folder.path.name}))
    for one in replicates:
        folder.append(one)
    return folder.path
