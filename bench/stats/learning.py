"""Learning tests: inferiority and non-inferiority to the canonical stack, and time to accuracy.

The samples are test accuracies after the full canonical run, one for each seed.  A seed determines weights, minibatch
order and dropout masks; on MNIST the standard deviation of the accuracy over seeds is about 0.11 points.  The verdict
"learns worse" has two conditions: the accuracies are significantly lower, and by more than ``MARGIN``.  The verdict
"learns as well" is a test of non-inferiority, because the absence of evidence is not evidence of absence.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np
from scipy import special

StackName = TypeVar("StackName", bound=Hashable)

# 0.20 points, 20 of the 10,000 test images: 1.5 times the binomial standard error of an accuracy of 98.29 % on one
# test set (0.13 points), so a loss below it is within the sampling error of the test set.  Five seeds on both sides
# estimate a difference to about 0.07 points: of six equal stacks five are then found non-inferior; with a margin of
# 0.10 only two would be, and the rest stay undecided.
MARGIN = 0.0020
ALPHA = 0.05
MIN_SEEDS_NON_INFERIOR = 5
TARGET_VALIDATION_ACCURACY = 0.98


class Learning(Enum):
    """Verdict on the learning of one stack; ``NOT_MEASURED`` if either side has no full canonical run."""

    WORSE = "learns worse"
    NON_INFERIOR = "learns as well"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class LearningVerdict:
    """Verdict with its numbers as fractions; None if there were too few seeds.

    ``difference`` is the stack's mean test accuracy minus the canonical one's, ``low`` its one-sided 95 % lower bound,
    and ``p_worse`` the p-value of a loss, adjusted for the number of stacks.
    """

    learning: Learning
    difference: float | None = None
    low: float | None = None
    p_worse: float | None = None


def judge(
    canonical: Sequence[float],
    others: Mapping[StackName, Sequence[float]],
    paired: Mapping[StackName, Sequence[float]] | None = None,
) -> dict[StackName, LearningVerdict]:
    """Judge each of ``others`` against ``canonical``; all are test accuracies (fractions), one per seed.

    Each loss is tested by Welch's one-sided t test, which requires neither equal variances nor equal numbers of seeds.
    If a seed determines weights, order and dropout masks of both sides alike, ``paired`` holds the differences by seed
    (other - canonical), and Student's paired test replaces it; the design decides on this, not the data.  Holm's method
    keeps the family-wise error of "learns worse" over all stacks below ``ALPHA``.  "Learns as well" is tested at
    ``ALPHA`` for each stack separately.

    Two seeds per side suffice for "learns worse", so that a stack that fails to learn is detected; the quantiles of
    Student's t account for small samples.  "Learns as well" requires ``MIN_SEEDS_NON_INFERIOR``, because with fewer
    seeds it depends on normality, which cannot be checked.

    Raises
    ------
    ValueError
        If an accuracy is not a fraction, e.g. NaN.
    """
    for accuracies in (canonical, *others.values()):
        if not all(0 <= accuracy <= 1 for accuracy in accuracies):
            raise ValueError("accuracies must be fractions")
    paired = paired or {}
    num_seeds = {name: len(paired.get(name, ())) or min(len(canonical), len(others[name])) for name in others}
    testable = [name for name in others if num_seeds[name] >= 2]
    losses = {name: _paired(paired[name]) if paired.get(name) else _welch(others[name], canonical) for name in testable}
    adjusted = dict(zip(testable, holm([losses[name].p_lower for name in testable]), strict=True))
    verdicts = {}
    for name, accuracies in others.items():
        if name in losses:
            verdicts[name] = _verdict(losses[name], adjusted[name], num_seeds[name])
        elif canonical and accuracies:
            difference = float(np.mean(accuracies) - np.mean(canonical))
            verdicts[name] = LearningVerdict(Learning.UNDECIDED, difference)
        else:
            verdicts[name] = LearningVerdict(Learning.NOT_MEASURED)
    return verdicts


def _verdict(loss: _Loss, p_worse: float, num_seeds: int) -> LearningVerdict:
    learning = Learning.UNDECIDED
    if p_worse < ALPHA and loss.difference < -MARGIN:
        learning = Learning.WORSE
    elif loss.low > -MARGIN and num_seeds >= MIN_SEEDS_NON_INFERIOR:
        learning = Learning.NON_INFERIOR
    return LearningVerdict(learning, loss.difference, loss.low, p_worse)


@dataclass(frozen=True)
class _Loss:
    difference: float
    low: float  # one-sided, at 1 - ALPHA
    p_lower: float  # of a difference this low or lower, if there is none


def _paired(differences: Sequence[float]) -> _Loss:
    """Test the mean of ``differences`` by Student's t test."""
    num = len(differences)
    return _tested(float(np.mean(differences)), float(np.std(differences, ddof=1)) / math.sqrt(num), num - 1)


def _welch(one: Sequence[float], other: Sequence[float]) -> _Loss:
    """Test mean(one) - mean(other) by Welch's t test (Welch 1947)."""
    shares = [float(np.var(sample, ddof=1)) / len(sample) for sample in (one, other)]
    squares = sum(share**2 / (len(sample) - 1) for share, sample in zip(shares, (one, other), strict=True))
    freedom = sum(shares) ** 2 / squares if squares else 1.0
    return _tested(float(np.mean(one) - np.mean(other)), math.sqrt(sum(shares)), freedom)


def _tested(difference: float, error: float, freedom: float) -> _Loss:
    """Test a difference with this standard error; without one it is taken as exact."""
    if error == 0:
        return _Loss(difference, difference, 0.0 if difference < 0 else 1.0)
    low = difference - float(special.stdtrit(freedom, 1 - ALPHA)) * error
    return _Loss(difference, low, float(special.stdtr(freedom, difference / error)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust ``p_values`` so that rejecting those below alpha keeps the family-wise error below alpha.

    The k-th smallest of m is multiplied by m - k + 1 and is never below a smaller one's (Holm 1979).
    """
    raw = np.array(p_values, float)
    order = np.argsort(raw, kind="stable")
    multiplied = np.minimum(np.arange(len(raw), 0, -1) * raw[order], 1.0)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.maximum.accumulate(multiplied)
    return adjusted.tolist()


@dataclass(frozen=True)
class TimeToAccuracy:
    """Time to accuracy of a run, in ``epochs`` and in ``seconds`` of training and validation."""

    epochs: int
    seconds: float


def time_to_accuracy(
    validation_accuracies: Sequence[float],
    epoch_seconds: Sequence[float],
    target: float = TARGET_VALIDATION_ACCURACY,
) -> TimeToAccuracy | None:
    """Return the end of the first epoch whose validation accuracy is at least ``target``; None if not reached.

    ``epoch_seconds`` are those of training and validation together.  An accuracy may have been averaged in float32,
    so one that misses the target by less than a millionth (a hundredth of one example) has reached it.
    """
    elapsed_seconds = 0.0
    for epoch, (accuracy, seconds) in enumerate(zip(validation_accuracies, epoch_seconds, strict=True), start=1):
        elapsed_seconds += seconds
        if accuracy >= target - 1e-6:
            return TimeToAccuracy(epoch, elapsed_seconds)
    return None


def censored_median(values: Sequence[float | None]) -> float | None:
    """Return the median; None is right-censored (the target was never reached), larger than any value."""
    if not values:
        return None
    center = float(np.median([math.inf if value is None else value for value in values]))
    return center if math.isfinite(center) else None
