"""Main numbers of the report, JSON-ready, with None for missing measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from bench.records.datasets import dataset_identity
from bench.records.frames import Frames, trustworthy
from bench.records.run_folder import RunFolder
from bench.records.stack_key import StackKey, by_stack, groups, or_none
from bench.report.run.ablation import ablation
from bench.report.run.batch_size import crossovers, scalings
from bench.report.run.canonical import agreement_of, is_comparable
from bench.report.run.comparisons import against_fastest, comparable_rounds, device_ratios
from bench.report.run.learning import accuracies_by_stack, arrivals, learning_verdicts, learns_worse
from bench.report.run.lower_bound import Light, light
from bench.report.run.processes import process_notices
from bench.report.run.profiles import Explained, explained
from bench.report.run.projection import projections
from bench.report.run.ranking import ranking
from bench.report.run.tables import estimate_of
from bench.stats import estimates
from mlp.recipe import REFERENCE


def summarize(folder: RunFolder, frames: Frames, profiled: Sequence[Explained] | None = None) -> dict[str, Any]:
    """Return the main numbers of the report, JSON-ready; ``profiled`` is read from the folder if not given."""
    frames, left_out = trustworthy(frames)
    header = folder.header
    ranked = ranking(header, frames)
    rounds = comparable_rounds(frames, ranked)
    profiled = explained(folder)[0] if profiled is None else profiled
    return {
        "run_id": header["run_id"],
        "status": header["status"],
        "mode": header["mode"],
        "dataset": dataset_identity(header),
        "dataset_sha256": (header.get("dataset") or {}).get("sha256"),
        "environment": header.get("environment"),
        "process_notices": process_notices(header),
        "reference_seconds": REFERENCE.total_seconds,
        "reference_test_accuracy": REFERENCE.test_accuracy,
        "comparable_with_reference": is_comparable(header, frames),
        "failed_processes": len(frames.failures),
        "left_out": left_out,
        "skipped": header.get("skipped") or [],
        "left_out_by_plan": header.get("left_out") or [],
        "ranking": _plain(ranked),
        "device_ratios": _plain(device_ratios(rounds)),
        "against_fastest": _plain(against_fastest(rounds)),
        "crossovers": [{"pair": _plain(pair), **_plain(crossing)} for pair, crossing in crossovers(frames)],
        "batch_size": _plain(scalings(frames)),
        "ablation": _plain(ablation(header, frames)),
        "speed_of_light": [light_summary(one) for one in light(header, frames)],
        "profiles": [_plain(one.step) for one in profiled],
        "learning": _learning(header, frames),
        "time_to_accuracy": _plain(arrivals(frames)),
        "learns_worse": learns_worse(frames, header),
        "reference_runs": _reference_runs(header, frames),
        "projected_reference_runs": [
            {**_plain(one), "projected_total_seconds": one.total_seconds} for one in projections(header, frames)
        ],
        "measurements": _measurements(frames),
    }


def light_summary(one: Light) -> dict[str, Any]:
    speed = one.speed
    totals = ("step_seconds", "train_epoch_seconds", "validation_epoch_seconds", "canonical_run_seconds")
    return {
        "device": one.device,
        **{name: None if speed is None else getattr(speed, name) for name in totals},
        "step_parts": [] if speed is None else _plain(list(speed.step_parts)),
        "shares": _plain(one.shares),
        "ceilings": one.ceilings.to_json()["measured"],
    }


def _learning(header: dict[str, Any], frames: Frames) -> list[dict[str, Any]]:
    verdicts = learning_verdicts(header, frames)
    return [
        {
            "stack": stack._asdict(),
            "test_accuracies": accuracies,
            "verdict": _plain(verdicts[stack]) if stack in verdicts else None,
        }
        for stack, accuracies in accuracies_by_stack(header, frames).items()
    ]


def _reference_runs(header: dict[str, Any], frames: Frames) -> list[dict[str, Any]]:
    found = []
    for stack, results in by_stack(frames.results):
        total = estimates.estimate([[seconds] for seconds in results["total_seconds"]])
        agreement = agreement_of(header, results)
        found.append(
            {
                **stack._asdict(),
                "total_seconds": _plain(total),
                "ratio_to_reference": total.center / REFERENCE.total_seconds,
                "mean_test_accuracy": or_none(results["test_accuracy"].mean()),
                "accuracy_agrees": None if agreement is None else agreement.agrees,
            }
        )
    return found


def _measurements(frames: Frames) -> list[dict[str, Any]]:
    columns = [*StackKey._fields, "without", "harness", "cache", "batch_size", "measurement"]
    return [{**keys, **_plain(estimate_of(samples))} for keys, samples in groups(frames.samples, columns)]


def _plain(value: Any) -> Any:
    """Convert dataclasses, stacks and enumerations to JSON types."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, StackKey):
        return value._asdict()
    if is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in vars(value)}
    return [_plain(item) for item in value] if isinstance(value, list) else value
