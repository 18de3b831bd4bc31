"""Comparison as CSV, one row for each ratio, and as JSON-ready values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.records import csv_cells
from bench.report.compare.comparable import Comparable
from bench.report.compare.comparison import Comparison, Cost, Score
from bench.report.compare.facts import differences
from bench.report.compare.hardware import HardwareShare
from bench.report.compare.metric_ratios import MetricRatio
from bench.stats.unpaired import SpeedRatio

CSV_COLUMNS = (
    *("run", "base", "stack", "measurement"),
    *("base_seconds", "base_low_seconds", "base_high_seconds", "base_processes"),
    *("seconds", "low_seconds", "high_seconds", "processes"),
    *("times_as_fast", "times_as_fast_low", "times_as_fast_high", "hardware", "use", "code"),
)


def to_csv(comparison: Comparison) -> str:
    """Return a header and a row for each ratio; unknown values are empty.  Numbers are not rounded."""
    shares = {(share.run, share.metric): (share.hardware.center, share.use.center) for share in comparison.hardware}
    rows = []
    for ratio in comparison.ratios:
        estimates = [
            value
            for estimate in (ratio.base_seconds, ratio.seconds)
            for value in (estimate.center, estimate.low, estimate.high, estimate.num_processes)
        ]
        speed = (ratio.speed.center, ratio.speed.low, ratio.speed.high)
        names = (ratio.run, comparison.base.name, *ratio.metric)
        note = comparison.code_note(ratio.run, ratio.metric.stack) or None
        rows.append([*names, *estimates, *speed, *shares.get((ratio.run, ratio.metric), (None, None)), note])
    return csv_cells.to_csv(CSV_COLUMNS, rows)


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return all values of the comparison; None for unknown ones."""
    sides = comparison.sides
    return {
        "base": comparison.base.name,
        "runs": [_side(side) for side in sides],
        "scores": [_score(score) for score in comparison.scores],
        "ratios": [_ratio(ratio) for ratio in comparison.ratios],
        "hardware": [_share(share) for share in comparison.hardware],
        "costs": [_cost(cost) for cost in comparison.costs],
        "differences": [
            {"fact": one.fact, "values": dict(zip([side.name for side in sides], one.values, strict=True))}
            for one in differences(sides)
        ],
        "explanations": [asdict(one) for one in comparison.explanations],
        "not_compared": [asdict(entry) for entry in comparison.not_compared],
    }


def _side(side: Comparable) -> dict[str, Any]:
    known = {name: getattr(side, name) for name in ("name", "tool", "started_at", "mode", "dataset", "recipe")}
    ceilings = [one.to_json() for one in side.ceilings.values()]
    keys = {name: {**asdict(key), "digest": key.digest} for name, key in side.keys.items()}
    return {**known, "comparison_keys": keys, "ceilings": ceilings, "notes": list(side.notes)}


def _speed(speed: SpeedRatio) -> dict[str, Any]:
    return {**asdict(speed), "differs": speed.differs}


def _score(score: Score) -> dict[str, Any]:
    named = {"run": score.run, "measurement": score.measurement, "stacks": list(score.stacks)}
    return {**named, "times_as_fast": _speed(score.speed)}


def _ratio(ratio: MetricRatio) -> dict[str, Any]:
    estimates = {"base_seconds": asdict(ratio.base_seconds), "seconds": asdict(ratio.seconds)}
    return {"run": ratio.run, **ratio.metric._asdict(), **estimates, "times_as_fast": _speed(ratio.speed)}


def _share(share: HardwareShare) -> dict[str, Any]:
    factors = {"hardware": _speed(share.hardware), "use": _speed(share.use)}
    return {"run": share.run, **share.metric._asdict(), "times_as_fast": _speed(share.speed), **factors}


def _cost(cost: Cost) -> dict[str, Any]:
    named = {"run": cost.run, "stack": cost.stack, "canonical_run_seconds": asdict(cost.seconds)}
    return {**named, "price_per_hour": cost.price_per_hour, "price": cost.price, "energy_joules": cost.energy_joules}
