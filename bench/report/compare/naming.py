"""Names of measured cases in a comparison: the same name for the same work in every file format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.records.columns import SCALING
from bench.records.stack_key import NO_STACK, stack_from_keys
from bench.report.compare.comparable import BATCH_SIZE, REFERENCE_CLOCK, WITH_THREADS, StackMeasurement

REFERENCE = "reference"
COMPARED_HARNESSES = ("data", "compile", "epoch", "batch_size", *SCALING, REFERENCE)


def metric_of(keys: Mapping[str, Any]) -> StackMeasurement | None:
    """Return the metric of a case with its measurement; None if it is not compared.

    ``keys`` are columns of the samples frame.  Stacks without one of their optimizations, the ceilings and the ablation
    answer other questions and are not compared, nor are the engines of the harness threads.
    """
    harness = keys.get("harness")
    if harness not in COMPARED_HARNESSES or keys.get("without") is not None:
        return None
    stack = stack_from_keys(keys)
    if harness in SCALING and (stack is None or stack.variant is None):
        return None
    return StackMeasurement(NO_STACK if stack is None else stack.name, _measurement(harness, keys))


def _measurement(harness: str, keys: Mapping[str, Any]) -> str:
    name, cache = str(keys.get("measurement")), keys.get("cache")
    if harness == REFERENCE:
        return reference_measurement(None, cache)
    if harness == "compile" and cache is not None:
        return f"{name}, {cache} cache"
    if harness in SCALING:
        scale = {WITH_THREADS: "threads", "copies": "copies", "devices": "devices"}
        parts = [f"{what} {keys[column]}" for what, column in scale.items() if keys.get(column) is not None]
        return ", ".join([name, *parts, *([f"{BATCH_SIZE} {keys.get('batch_size')}"] * (harness == "devices"))])
    return f"{name}, {BATCH_SIZE} {keys.get('batch_size')}" if harness == "batch_size" else name


def reference_measurement(phase: str | None, cache: str | None) -> str:
    """Name the reference clock or one of its phases; the cache is warm unless "cold cache" is in the name."""
    return ", ".join(filter(None, [REFERENCE_CLOCK, phase, "cold cache" if cache == "cold" else None]))
