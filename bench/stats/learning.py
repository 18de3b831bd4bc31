"""Does a stack learn as well as the canonical one, and how soon?  Tests on plain sequences of accuracies over seeds.

What is compared are test accuracies after the full canonical run, one for each seed.  A seed is one draw: weights,
minibatch order and dropout masks change with it, and on MNIST the accuracy with them, by about 0.11 points (one
standard deviation).  The claim "learns worse" needs two keys: the accuracies are statistically lower, and by more than
``MARGIN``.  The claim "learns as well" is a test too, of non-inferiority: failing to see a loss is not seeing none.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np
from scipy import special

Name = TypeVar("Name", bound=Hashable)

# 0.20 points, 20 of the 10,000 test images: 1.5 times the binomial standard error of an accuracy of 98.29 % on one
# test set (0.13 points), so that a loss this small would drown in the draw of another test set.  Five seeds on either
# side know a difference to about 0.07 points: of six stacks that learn equally well, five are then told so; with a
# margin of 0.10 only two would be, and the rest stay undecided.
MARGIN = 0.0020
ALPHA = 0.05
MIN_SEEDS_FOR_AS_WELL = 5
TARGET_VALIDATION_ACCURACY = 0.98


class Learning(Enum):
    """A verdict on one stack; ``NOT_MEASURED`` where either side has no full canonical run."""

    WORSE = "learns worse"
    AS_WELL = "learns as well"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class LearningVerdict:
    """A verdict and the numbers behind it; fractions, not percent; None where there were too few seeds for it.

    ``difference`` is the stack's mean test accuracy less the canonical one's, ``low`` its one-sided 95 % lower bound,
    and ``p_worse`` the probability of a loss like this if there is none, adjusted for the number of stacks.
    """

    learning: Learning
    difference: float | None = None
    low: float | None = None
    p_worse: float | None = None


def judge(
    canonical: Sequence[float],
    others: Mapping[Name, Sequence[float]],
    paired: Mapping[Name, Sequence[float]] | None = None,
) -> dict[Name, LearningVerdict]:
    """A verdict for each of ``others`` against ``canonical``; all are test accuracies (fractions), one per seed.

    Each loss is tested by Welch's one-sided t test, which asks for neither equal spreads nor equal numbers of seeds.
    Where a seed decides weights, order and dropout masks of both sides alike, ``paired`` holds the differences seed by
    seed (other less canonical), and Student's test of those takes its place: by what is shared, whatever the data says.
    Holm's method keeps the chance of even one false "learns worse" among all stacks below ``ALPHA``.  "Learns as well"
    is decided stack by stack, at ``ALPHA`` each: one that is let pass wrongly does not become truer through the others.

    Two seeds a side are enough for "learns worse": a stack that fails to learn must not hide behind few seeds, and
    Student's t charges for them.  "Learns as well" asks for ``MIN_SEEDS_FOR_AS_WELL``, because with fewer the claim
    rests on the normality that nobody can check.

    Raises
    ------
    ValueError
        If an accuracy is not a fraction: NaN learns neither worse nor as well.
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
    elif loss.low > -MARGIN and num_seeds >= MIN_SEEDS_FOR_AS_WELL:
        learning = Learning.AS_WELL
    return LearningVerdict(learning, loss.difference, loss.low, p_worse)


@dataclass(frozen=True)
class _Loss:
    difference: float
    low: float  # one-sided, at 1 - ALPHA
    p_lower: float  # of a difference this low or lower, if there is none


def _paired(differences: Sequence[float]) -> _Loss:
    """Their mean by Student's t test; without any spread it is taken as exact."""
    difference, num = float(np.mean(differences)), len(differences)
    error = float(np.std(differences, ddof=1)) / math.sqrt(num)
    if error == 0:
        return _exact(difference)
    low = difference - float(special.stdtrit(num - 1, 1 - ALPHA)) * error
    return _Loss(difference, low, float(special.stdtr(num - 1, difference / error)))


def _exact(difference: float) -> _Loss:
    return _Loss(difference, difference, 0.0 if difference < 0 else 1.0)


def _welch(one: Sequence[float], other: Sequence[float]) -> _Loss:
    """mean(one) - mean(other) by Welch's t test (Welch 1947); without any spread the difference is taken as exact."""
    difference = float(np.mean(one) - np.mean(other))
    shares = [float(np.var(sample, ddof=1)) / len(sample) for sample in (one, other)]
    if sum(shares) == 0:
        return _exact(difference)
    error = math.sqrt(sum(shares))
    freedom = sum(shares) ** 2 / sum(
        share**2 / (len(sample) - 1) for share, sample in zip(shares, (one, other), strict=True)
    )
    low = difference - float(special.stdtrit(freedom, 1 - ALPHA)) * error
    return _Loss(difference, low, float(special.stdtr(freedom, difference / error)))


def holm(p_values: Sequence[float]) -> list[float]:
    """``p_values``, each adjusted so that rejecting those below alpha keeps the family-wise error below alpha.

    The k-th smallest of m is multiplied by m - k + 1 and is never below a smaller one's (Holm 1979).
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = running
    return adjusted


@dataclass(frozen=True)
class Arrival:
    """When a run first reached the target: after ``epochs`` and ``seconds`` of training and validating."""

    epochs: int
    seconds: float


def arrival(
    validation_accuracies: Sequence[float],
    epoch_seconds: Sequence[float],
    target: float = TARGET_VALIDATION_ACCURACY,
) -> Arrival | None:
    """The end of the first epoch whose validation accuracy is at least ``target``; None if none was.

    ``epoch_seconds`` are those of training and validation together.  An accuracy may have been averaged in float32,
    so one that misses the target by less than a millionth (a hundredth of one example) has reached it.
    """
    elapsed_seconds = 0.0
    for epoch, (accuracy, seconds) in enumerate(zip(validation_accuracies, epoch_seconds, strict=True), start=1):
        elapsed_seconds += seconds
        if accuracy >= target - 1e-6:
            return Arrival(epoch, elapsed_seconds)
    return None


def censored_median(values: Sequence[float | None]) -> float | None:
    """The median where None is later than any value: a run that never arrived.  None if the median never arrives."""
    if not values:
        return None
    center = float(np.median([math.inf if value is None else value for value in values]))
    return center if math.isfinite(center) else None
