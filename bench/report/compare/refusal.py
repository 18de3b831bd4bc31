"""Reasons for which two sides, or parts of them, may not be compared."""

from __future__ import annotations

from bench.records.comparability import dataset_reasons, recipe_reasons
from bench.report.compare.comparable import REFERENCE_CLOCK, Comparable, StackMeasurement


def reasons_against(base: Comparable, other: Comparable) -> list[str]:
    """Return the reasons for which ``other`` may not be compared with ``base`` at all; empty if it may."""
    reasons = [*dataset_reasons(base, other), *recipe_reasons(base, other)]
    if not reasons and not common_metrics(base, other):
        reasons = precision_reasons(base, other) or [
            f"they have no measurement in common: {base.name} has {_stacks(base)}, {other.name} has {_stacks(other)}"
        ]
    return reasons


def common_metrics(base: Comparable, other: Comparable) -> list[StackMeasurement]:
    """Return the metrics that both sides measured and that may be compared, in the order of ``base``."""
    common = [metric for metric in base.samples if metric in other.samples]
    if not same_number_of_epochs(base, other):
        common = [metric for metric in common if not metric.measurement.startswith(REFERENCE_CLOCK)]
    return common


def same_number_of_epochs(base: Comparable, other: Comparable) -> bool:
    """Return whether the numbers of epochs agree; True if a side does not record its number."""
    counts = [(side.recipe or {}).get("num_epochs") for side in (base, other)]
    return None in counts or counts[0] == counts[1]


def precision_reasons(base: Comparable, other: Comparable) -> list[str]:
    """Return a sentence for each stack without a precision that both sides measured."""
    return [
        f"{stack} multiplies in {_joined(base.precisions[stack])} in {base.name} and in "
        f"{_joined(other.precisions[stack])} in {other.name}"
        for stack in base.precisions
        if stack in other.precisions and not base.precisions[stack] & other.precisions[stack]
    ]


def _stacks(side: Comparable) -> str:
    return _joined({metric.stack or metric.measurement for metric in side.samples}) or "nothing"


def _joined(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names))
