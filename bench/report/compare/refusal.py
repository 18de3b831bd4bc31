"""Reasons for which two sides, or parts of them, may not be compared."""

from __future__ import annotations

from collections.abc import Mapping

from bench.report.compare.comparable import REFERENCE_CLOCK, Comparable, Metric

# These may differ: each process has its own seed, and the number of epochs does not affect the duration of one epoch;
# it does affect the reference clock, which is left out then.
FREE = ("seed", "num_epochs")


def reasons_against(base: Comparable, other: Comparable) -> list[str]:
    """Return the reasons for which ``other`` may not be compared with ``base`` at all; empty if it may."""
    reasons = [*dataset_reasons(base, other), *recipe_reasons(base, other)]
    if not reasons and not common_metrics(base, other):
        reasons = precision_reasons(base, other) or [
            f"they have no measurement in common: {base.name} has {_stacks(base)}, {other.name} has {_stacks(other)}"
        ]
    return reasons


def common_metrics(base: Comparable, other: Comparable) -> list[Metric]:
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


def dataset_reasons(base: Comparable, other: Comparable) -> list[str]:
    """Return a sentence if the datasets differ; empty if a side does not record its dataset."""
    if base.dataset is None or other.dataset is None:
        return []
    first, second = base.dataset.get("identity"), other.dataset.get("identity")
    if first != second:
        return [f"{base.name} measured the dataset {first or 'unknown'}, {other.name} {second or 'unknown'}"]
    hashes = [side.dataset.get("sha256") for side in (base, other)]
    if None not in hashes and hashes[0] != hashes[1]:
        return [f"both measured a dataset called {first or 'unknown'}, but the SHA-256 of its files differ"]
    return []


def recipe_reasons(base: Comparable, other: Comparable) -> list[str]:
    """Return a sentence for each hyper-parameter that differs, unless it is one of ``FREE``."""
    if base.recipe is None or other.recipe is None:
        return []
    return [
        f"the recipe's {name.replace('_', ' ')} is {base.recipe[name]} in {base.name} and "
        f"{other.recipe[name]} in {other.name}"
        for name in base.recipe
        if name in other.recipe and name not in FREE and base.recipe[name] != other.recipe[name]
    ]


def environment_reasons(base: Comparable, other: Comparable) -> list[str]:
    """Return a sentence if both sides record the variables of ``--env`` and these differ."""
    if base.passed is None or other.passed is None or base.passed == other.passed:
        return []
    first, second = settings_text(base.passed), settings_text(other.passed)
    return [f"the variables of --env are {first} in {base.name} and {second} in {other.name}"]


def settings_text(passed: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in passed.items()) or "none"


def _stacks(side: Comparable) -> str:
    return _joined({metric.stack or metric.measurement for metric in side.samples}) or "nothing"


def _joined(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names))
