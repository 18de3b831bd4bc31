"""Main numbers of the report, JSON-ready, with None for missing measurements."""

from __future__ import annotations

from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from bench.records.frames import Frames
from bench.records.stack_key import StackKey, groups
from bench.report.run.analysis import RunAnalysis
from bench.report.run.lower_bound import DeviceBounds
from bench.report.run.processes import process_notices
from bench.report.run.reference_runs import ReferenceAnswer
from bench.report.run.tables import estimate_of
from mlp.recipe import REFERENCE


def summarize(analysis: RunAnalysis) -> dict[str, Any]:
    """Return the report's main numbers, JSON-ready; None for a value that was not measured."""
    header, frames = analysis.header, analysis.frames
    return {
        "run_id": header.run_id,
        "status": header.status,
        "mode": header.mode,
        "dataset": header.dataset_identity,
        "dataset_sha256": header.dataset.get("sha256"),
        "environment": None if header.environment.passed is None else _plain(header.environment),
        "process_notices": process_notices(header),
        "comparison_keys": {name: {**_plain(key), "digest": key.digest} for name, key in analysis.keys.items()},
        "fitness": _plain(analysis.fitness),
        "reference_seconds": REFERENCE.total_seconds,
        "reference_test_accuracy": REFERENCE.test_accuracy,
        "comparable_with_reference": analysis.is_comparable,
        "failed_processes": len(frames.failures),
        "left_out": analysis.left_out,
        "skipped": _plain(header.skipped),
        "left_out_by_plan": _plain(header.left_out),
        "ranking": _plain(analysis.ranking),
        "device_ratios": _plain(analysis.device_ratios),
        "against_fastest": _plain(analysis.against_fastest),
        "crossovers": [{"pair": _plain(pair), **_plain(crossing)} for pair, crossing in analysis.crossovers],
        "batch_size": _plain(analysis.scalings),
        "threads": [
            {**_plain(one), "fastest_threads": one.fastest.threads, "advised_threads": one.advised_threads}
            for one in analysis.thread_scalings
        ],
        "copies": [{**_plain(one), "best": _plain(one.best)} for one in analysis.copy_scalings],
        "devices": _plain(analysis.device_points),
        "ablation": _plain(analysis.ablation),
        "lower_bounds": [lower_bound_summary(one) for one in analysis.lower_bounds],
        "profiles": [_plain(one.step) for one in analysis.profiles],
        "learning": _learning(analysis),
        "time_to_accuracy": _plain(analysis.times_to_accuracy),
        "learns_worse": analysis.learns_worse,
        "violations": analysis.violations,
        "reference_runs": _reference_runs(analysis.answers),
        "projected_reference_runs": [
            {**_plain(one), "projected_total_seconds": one.total_seconds} for one in analysis.projections
        ],
        "measurements": _measurements(frames),
    }


def lower_bound_summary(one: DeviceBounds) -> dict[str, Any]:
    dense, needed = one.dense, one.needed
    totals = ("step_seconds", "train_epoch_seconds", "validate_epoch_seconds", "canonical_run_seconds")
    return {
        "device": one.device,
        **{name: None if dense is None else getattr(dense, name) for name in totals},
        "step_parts": [] if dense is None else _plain(list(dense.step_parts)),
        "needed_train_epoch_seconds": None if needed is None else needed.train_epoch_seconds,
        "needed_validate_epoch_seconds": None if needed is None else needed.validate_epoch_seconds,
        "shares": _plain(one.shares),
        "ceilings": one.ceilings.to_json()["measured"],
    }


def _learning(analysis: RunAnalysis) -> list[dict[str, Any]]:
    verdicts = analysis.verdicts
    return [
        {
            "stack": stack._asdict(),
            "test_accuracies": accuracies,
            "verdict": _plain(verdicts[stack]) if stack in verdicts else None,
        }
        for stack, accuracies in analysis.accuracies.items()
    ]


def _reference_runs(answers: list[ReferenceAnswer]) -> list[dict[str, Any]]:
    return [
        {
            **answer.stack._asdict(),
            "total_seconds": _plain(answer.total),
            "ratio_to_reference": answer.total.center / REFERENCE.total_seconds,
            "mean_test_accuracy": answer.mean_test_accuracy,
            "accuracy_agrees": None if answer.agreement is None else answer.agreement.agrees,
        }
        for answer in answers
    ]


def _measurements(frames: Frames) -> list[dict[str, Any]]:
    columns = [*StackKey._fields, "without", "harness", "cache", "batch_size", "copies", "devices", "measurement"]
    samples = frames.samples[[*columns, "process", "seconds"]]
    return [{**keys, **_plain(estimate_of(rows))} for keys, rows in groups(samples, columns)]


def _plain(value: Any) -> Any:
    """Convert dataclasses, stacks and enumerations to JSON types."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, StackKey):
        return value._asdict()
    if is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in vars(value)}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
