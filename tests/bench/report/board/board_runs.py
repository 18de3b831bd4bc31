"""Runs of several machines for the board, from literals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from example_run import header, reference_replicate, write_example_run

from bench.report.board.record import BoardRecord, read_record

ACCURACIES = [0.9827, 0.9834, 0.9822]


def write_run(folder: Path, number: int = 1, speed: float = 1.0, **changes: Any) -> Path:
    """A run of three seeds, the ``number``-th of its month, ``speed`` times as fast as the example.

    ``changes`` replace fields of the header, or facts of the machine: ``cpu_model`` and ``usable_cores``.
    """
    names = ("cpu_model", "usable_cores", "memory_bytes", "packages")
    facts = {name: changes.pop(name) for name in names if name in changes}
    replicates = changes.pop("replicates", None)
    if replicates is None:
        replicates = [
            reference_replicate(seed, accuracy, (40.0 + seed) / speed) for seed, accuracy in enumerate(ACCURACIES, 1)
        ]
    known = {
        "run_id": f"202601{number:02d}-000000-0123456",
        "started_at": f"2026-01-{number:02d}T00:00:00+00:00",
        "machine": {**header()["machine"], **facts},
    }
    return write_example_run(folder, replicates, **{**known, **changes})


def write_summary(run: Path, **changes: Any) -> None:
    """The numbers of ``write_run`` as summary.json has them, with ``changes``."""
    stack = {"backend": "theano", "variant": "as_published", "device": "cpu", "precision": None, "threads": 2}
    total = {"center": 47.0, "num_processes": 3}
    mean = sum(ACCURACIES) / 3
    published = {**stack, "total_seconds": total, "mean_test_accuracy": mean, **changes}
    (run / "summary.json").write_text(json.dumps({"reference_runs": [published]}))


def record_of(folder: Path, number: int = 1, speed: float = 1.0, **changes: Any) -> BoardRecord:
    path = write_run(folder, number, speed, **changes)
    return read_record(path, path.name, True)
