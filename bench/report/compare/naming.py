"""Names of measured cases in a comparison: the same name for the same work in every file format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.records.stack_key import NO_STACK, stack_from_keys
from bench.report.compare.comparable import BATCH_SIZE, REFERENCE_CLOCK, WITH_THREADS, StackMeasurement

REFERENCE = "reference"
THREADS = "threads"
COMPARED_HARNESSES = ("data", "compile", "epoch", "batch_size", THREADS, REFERENCE)


def metric_of(keys: Mapping[str, Any]) -> StackMeasurement | None:
    """Return the metric of a case with its measurement; None if it is not compared.

    ``keys`` are columns of the samples frame.  Stacks without one of their optimizations, the ceilings and the ablation
    answer other questions and are not compared; nor do the engines of the harness threads, and the copies and devices.
    """
    harness = keys.get("harness")
    if harness not in COMPARED_HARNESSES or keys.get("without") is not None:
        return None
    stack = stack_from_keys(keys)
    if harness == THREADS and (stack is None or stack.variant is None):
        return None
    return StackMeasurement(NO_STACK if stack is None else stack.name, _measurement(harness, keys))


def _measurement(harness: str, keys: Mapping[str, Any]) -> str:
    name, cache = str(keys.get("measurement")), keys.get("cache")
    if harness == REFERENCE:
        return reference_measurement(None, cache)
    if harness == "compile" and cache is not None:
        return f"{name}, {cache} cache"
    if harness == THREADS:
        return f"{name}, {WITH_THREADS} {keys.get('threads')}"
    return f"{name}, {BATCH_SIZE} {keys.get('batch_size')}" if harness == "batch_size" else name


def reference_measurement(phase: str | None, cache: str | None) -> str:
    """Name the reference clock or one of its phases; the cache is warm unless "cold cache" is in the name."""
    return ", ".join(filter(None, [REFERENCE_CLOCK, phase, "cold cache" if cache == "cold" else None]))
