"""Measurement of one case in a fresh pytest process with a time limit.

Any end of the worker (an error, a crash, a hang, the kernel's out-of-memory killer) becomes a ``failed`` replicate with
the reason in one sentence; the run continues with the other cases.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure.case import Case
from bench.measure.environment import hint
from bench.measure.process import PROJECT, plain, run_to_end, why_ended
from mlp.backends import load

HARNESS = PROJECT / "bench" / "harness"
# Only the configuration, conftest.py and plugins of the harness, independent of surrounding files and installed ones.
PYTEST = ("-m", "pytest", "-q", "--color=no", "-c", os.devnull, f"--rootdir={HARNESS}", f"--confcutdir={HARNESS}")
PYTEST += ("-p", "pytest_benchmark.plugin", "-p", "no:cacheprovider", "--benchmark-quiet")
FINISHED, SOME_FAILED = 0, 1  # pytest's exit codes


@dataclass(frozen=True)
class WorkerResult:
    """Result of one worker: its measurements, the reason if it failed, and the facts of the ``process``, see
    ``bench.measure.facts``."""

    measurements: list[dict[str, Any]]
    reason: str | None
    wall_seconds: float
    process: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        return "ok" if self.reason is None else "failed"


def command(
    case: Case,
    data_directory: Path | None,
    quick: bool,
    result: Path,
    python: str | Path | None = None,
    data_digest: str | None = None,
) -> list[str]:
    """Return the pytest command line that measures ``case``; the same options work on a command line.

    The default of ``python`` is the backend's interpreter for the device.  With ``data_digest``, see
    ``mlp.dataset.Identity``, the worker fails if it loaded other files.
    """
    if python is None:
        python = load(case.backend).interpreter(case.device) if case.backend else sys.executable
    given = {
        **{"seed": case.seed, "result": result, "data": data_directory, "data-digest": data_digest},
        **{"backend": case.backend, "device": case.device if case.backend else None, "variant": case.variant},
        **{"batch-size": case.batch_size, "epochs": case.num_epochs, "copies": case.copies, "devices": case.devices},
    }
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    if quick:
        options.append("--quick")
    return [str(python), *PYTEST, *_tests(case), *options]


def _tests(case: Case) -> list[str]:
    """Return the file of the harness; of the ablation and the threads the tests of the case, as these differ by it."""
    file = HARNESS / f"bench_{case.harness}.py"
    if case.harness == "ablation":
        return [f"{file}::{'test_eight_products' if case.is_floor else 'test_mean_train_step'}"]
    if case.harness == "threads":
        names = ("test_train_epoch",) if case.variant else ("test_eight_products", "test_copy")
        return [f"{file}::{name}" for name in names]
    return [str(file)]


def measure(argv: list[str], variables: dict[str, str], result: Path, limit_seconds: float) -> WorkerResult:
    """Run one worker in the folder of its ``result`` to its end, or to ``limit_seconds``, and return its result."""
    ended = run_to_end(argv, variables, limit_seconds, result.parent)
    measurements, failures, process = _read_result(result)
    reason = ended.cut_short
    if reason is None:
        reason = _why_failed(ended.exit_code, measurements, failures, ended.text)
    return WorkerResult(measurements, reason and hint(reason, variables), ended.wall_seconds, process)


def _read_result(result: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]], dict[str, Any] | None]:
    try:
        content = json.loads(result.read_text())
    except (OSError, ValueError):  # the worker ended before it could write: see its exit code
        return [], [], None
    return content["measurements"], content["failures"], content.get("process")


def _why_failed(exit_code: int, measurements: list[dict], failures: list[dict[str, str]], text: str) -> str | None:
    if exit_code < 0:
        return why_ended(exit_code, text)
    if failures:
        return "; ".join(dict.fromkeys(plain(failure["reason"]) for failure in failures))
    if exit_code not in (FINISHED, SOME_FAILED) or not measurements:
        return why_ended(exit_code, text)
    return None
