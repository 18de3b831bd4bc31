"""MLPerf training logs: a ``result_N.txt`` of ``:::MLLOG`` lines for each reference run of a stack.

The keys are those of mlperf_logging/mllog/constants.py and of the compliance checker's rules for the open division.
This network is not an MLPerf benchmark, so ``submission_benchmark`` is the only line that the rules reject.  MLPerf's
clock starts before data is touched and never pauses; ours loads first, so that building and compiling lie inside
``run_start`` to ``run_stop``, and only the framework's import is initialisation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from bench.errors import BenchError
from bench.records.formats.clock import ClockPhase, before_clock_seconds, process_start_seconds, reference_run, spans
from bench.records.formats.series import Run

NETWORK = "mlp_784_500_300_10"
ORGANISATION = "mlp-bench"
TRAIN_SAMPLES, EVAL_SAMPLES = 50_000, 10_000  # fixed for every dataset: files of another shape are refused
PART_OF = {"train": "epoch", "validate": "eval"}  # ours -> MLPerf's


def render(run: Run) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    counts: dict[str, int] = {}
    for replicate in run.replicates:
        measured = reference_run(replicate)
        if measured is None or replicate["status"] != "ok":
            continue
        case = replicate["case"]
        folder = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{case['backend']}-{case['variant']}-{case['device']}")
        number = counts[folder] = counts.get(folder, -1) + 1
        lines = [f":::MLLOG {json.dumps(event, allow_nan=False)}" for event in _events(run, replicate, measured)]
        files[f"{folder}/result_{number}.txt"] = ("\n".join(lines) + "\n").encode()
    if not files:
        raise BenchError(
            f"run {run.header.run_id} holds no reference run to log: measure one with --harness reference."
        )
    return files


def _events(run: Run, replicate: dict[str, Any], measured: dict[str, Any]) -> Iterator[dict[str, Any]]:
    process_start = process_start_seconds(replicate)
    if process_start is None:
        raise BenchError(f"process {replicate['sequence']} does not say when it started: measure the run again.")
    extra, case = measured["extra"], replicate["case"]
    start = process_start + before_clock_seconds(replicate, measured)
    before = start - (extra.get("import_seconds") or 0.0)
    for key, value in _submission(run):
        yield _event(before, key, value)
    yield _event(before, "cache_clear", False)
    yield _event(before, "init_start", interval="INTERVAL_START")
    for key, value in _hyperparameters(run, case):
        yield _event(before, key, value)
    yield _event(start, "init_stop", interval="INTERVAL_END")
    yield _event(start, "run_start", interval="INTERVAL_START")
    accuracies = {epoch.get("epoch"): epoch.get("validation_accuracy") for epoch in extra.get("epochs") or []}
    for span in spans(extra):
        yield from _part(start, span, accuracies)
    stop = start + measured["seconds"][0]
    yield _event(stop, "test_accuracy", extra.get("test_accuracy"), samples_count=extra.get("test_examples"))
    yield _event(stop, "run_stop", interval="INTERVAL_END", status="success", seconds=measured["seconds"][0])


def _submission(run: Run) -> Iterator[tuple[str, Any]]:
    gpus = [gpu.get("name") or "GPU" for gpu in run.header.gpus]
    identity = run.header.dataset_identity
    yield "submission_benchmark", f"{identity or 'unknown'}_{NETWORK}"
    yield "dataset", identity
    if identity != "mnist":
        yield "dataset_sha256", run.header.dataset.get("sha256")
    yield "submission_org", ORGANISATION
    yield "submission_division", "open"
    yield "submission_status", "research"
    yield "submission_platform", ", ".join([run.header.machine.get("cpu_model") or "unknown CPU", *gpus])


def _hyperparameters(run: Run, case: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    recipe = run.header.recipe
    yield "seed", case.get("seed")
    yield "global_batch_size", case.get("batch_size")
    yield "train_samples", TRAIN_SAMPLES
    yield "eval_samples", EVAL_SAMPLES
    yield "opt_name", "rmsprop"
    yield "opt_base_learning_rate", recipe.get("learning_rate")
    yield "opt_rmsprop_rho", recipe.get("rho")
    yield "opt_rmsprop_epsilon", recipe.get("epsilon")


def _part(start: float, span: ClockPhase, accuracies: dict[int, float | None]) -> Iterator[dict[str, Any]]:
    """Yield the start and stop of a part: epochs and evaluations under MLPerf's keys, other phases under our own."""
    key = PART_OF.get(span.name, span.name) if span.epoch is not None else span.name
    epoch = {} if span.epoch is None else {"epoch_num": span.epoch}
    yield _event(start + span.start_seconds, f"{key}_start", interval="INTERVAL_START", **epoch)
    yield _event(start + span.stop_seconds, f"{key}_stop", interval="INTERVAL_END", seconds=span.seconds, **epoch)
    if key == "eval":
        yield _event(start + span.stop_seconds, "eval_accuracy", accuracies.get(span.epoch), **epoch)


def _event(
    at_seconds: float, key: str, value: Any = None, interval: str = "POINT_IN_TIME", **metadata: Any
) -> dict[str, Any]:
    """Return one line's event, in whole milliseconds as mllog does; the exact duration is in the metadata."""
    where = {"file": "bench/harness/bench_reference.py", "lineno": None}
    return {
        "namespace": "",
        "time_ms": round(at_seconds * 1000),
        "event_type": interval,
        "key": key,
        "value": value,
        "metadata": {**where, **metadata},
    }
