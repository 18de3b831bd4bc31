"""What a measured case is called in a comparison: the same name for the same work, whichever file tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.compare.comparable import BATCH_SIZE, NO_STACK, REFERENCE_CLOCK, Metric
from bench.stack_key import StackKey

REFERENCE = "reference"
COMPARED_HARNESSES = ("data", "compile", "epoch", "batch_size", REFERENCE)


def stack_of(keys: Mapping[str, Any]) -> StackKey | None:
    """None for what no stack does: loading."""
    stack = StackKey(**{name: keys.get(name) for name in StackKey._fields})
    return None if stack.backend is None else stack


def metric_of(keys: Mapping[str, Any]) -> Metric | None:
    """The metric of a case with its measurement; None for what has no counterpart elsewhere.

    ``keys`` are columns of the samples frame.  A stack that lacks a lever is none to compare, and the ceilings and the
    ablation answer other questions.
    """
    harness = keys.get("harness")
    if harness not in COMPARED_HARNESSES or keys.get("without") is not None:
        return None
    stack = stack_of(keys)
    return Metric(NO_STACK if stack is None else stack.name, _measurement(harness, keys))


def _measurement(harness: str, keys: Mapping[str, Any]) -> str:
    name, cache = str(keys.get("measurement")), keys.get("cache")
    if harness == REFERENCE:
        return reference_measurement(None, cache)
    if harness == "compile" and cache is not None:
        return f"{name}, {cache} cache"
    return f"{name}, {BATCH_SIZE} {keys.get('batch_size')}" if harness == "batch_size" else name


def reference_measurement(phase: str | None, cache: str | None) -> str:
    """Of the reference clock or one of its phases; it starts from a warm cache unless it says otherwise."""
    return ", ".join(filter(None, [REFERENCE_CLOCK, phase, "cold cache" if cache == "cold" else None]))
