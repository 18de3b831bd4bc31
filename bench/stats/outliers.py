"""Outliers among equal machines, on plain sequences: one value for each machine and metric.

Values are logarithms of seconds, so that a difference is a ratio.  Machines differ a little when all are healthy; an
outlier is one whose difference from the others is improbable given how much the others differ from each other.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import special

from bench.stats.learning import holm

ALPHA = 0.05  # family-wise error rate over all machines and metrics
COVERAGE = 0.95
LEAST_MACHINES = 4  # of which one can be told from the others
MOST_OUTLIERS = 0.25  # of the machines; where more differ, it is not known which are healthy

Name = TypeVar("Name", bound=Hashable)
Metric = TypeVar("Metric", bound=Hashable)


@dataclass(frozen=True)
class Healthy:
    """Distribution of the logarithms of seconds of healthy machines."""

    mean: float
    deviation: float
    num_machines: int

    @property
    def prediction_error(self) -> float:
        return self.deviation * math.sqrt(1 + 1 / self.num_machines)


@dataclass(frozen=True)
class MachineDeviation:
    """Time of a machine relative to healthy ones; ``low`` to ``high`` is its 95 % interval.

    The interval contains the ratio of two healthy machines' times.  ``p`` is adjusted for all machines and metrics.
    """

    ratio: float
    low: float
    high: float
    p: float

    @property
    def is_outlier(self) -> bool:
        return self.p < ALPHA


def healthy_of(values: Mapping[Name, float]) -> Healthy:
    """Return the distribution of at least two machines."""
    return _distribution(np.array(list(values.values())))


def _distribution(logs: np.ndarray) -> Healthy:
    # np.mean and np.std take three times as long for a few values.
    mean = np.add.reduce(logs) / len(logs)
    squares = np.square(logs - mean)
    return Healthy(float(mean), math.sqrt(np.add.reduce(squares) / (len(logs) - 1)), len(logs))


def outliers(values: Mapping[Metric, Mapping[Name, float]]) -> dict[Metric, dict[Name, MachineDeviation]]:
    """Judge every machine by every metric against the others; metrics of too few machines are left out.

    The machines of a metric leave one after the other, the most extreme first, up to a quarter of them.  Each is
    compared with those that are left (B. Rosner 1983, "Percentage points for a generalized ESD many-outlier procedure",
    Technometrics 25), so that several outliers do not hide each other.  Holm's method adjusts the p-values for the
    number of machines and metrics, where Rosner's percentage points adjust for the machines only.
    """
    enough = {metric: found for metric, found in values.items() if len(found) >= LEAST_MACHINES}
    raw = {metric: p_values(found) for metric, found in enough.items()}
    adjusted = adjusted_p_values(raw)
    judged: dict[Metric, dict[Name, MachineDeviation]] = {}
    for metric, found in enough.items():
        well = {name: value for name, value in found.items() if adjusted[metric][name] >= ALPHA}
        judged[metric] = {}
        for name, value in found.items():
            others = {other: one for other, one in well.items() if other != name}
            judged[metric][name] = _deviation(value, healthy_of(others), adjusted[metric][name])
    return judged


def against(
    healthy: Mapping[Metric, Healthy], values: Mapping[Metric, Mapping[Name, float]]
) -> dict[Metric, dict[Name, MachineDeviation]]:
    """Judge every machine by the metrics of a known healthy distribution; one machine suffices."""
    common = {metric: found for metric, found in values.items() if metric in healthy}
    raw = {
        metric: {name: _p(value, healthy[metric]) for name, value in found.items()} for metric, found in common.items()
    }
    adjusted = adjusted_p_values(raw)
    return {
        metric: {name: _deviation(value, healthy[metric], adjusted[metric][name]) for name, value in found.items()}
        for metric, found in common.items()
    }


def p_values(values: Mapping[Name, float]) -> dict[Name, float]:
    """Return a p-value for each machine; it is never above that of a machine that leaves later.

    The p-value of the k-th to leave is multiplied by the square of k: there are that many chances to be wrong.
    """
    names, left, order = list(values), np.array(list(values.values())), []
    found = dict.fromkeys(values, 1.0)
    center = np.add.reduce(left) / len(left)
    for number in range(1, 1 + max(1, int(len(values) * MOST_OUTLIERS))):
        place = int(np.abs(left - center).argmax())
        name, value = names.pop(place), float(left[place])
        left = np.concatenate([left[:place], left[place + 1 :]])
        healthy = _distribution(left)
        found[name] = min(1.0, number**2 * _p(value, healthy))
        order.append(name)
        center = healthy.mean
    least = 1.0
    for name in reversed(order):
        least = found[name] = min(least, found[name])
    return found


def _p(value: float, healthy: Healthy) -> float:
    """Return the two-sided p-value of another healthy machine's value (Student's t, prediction)."""
    if healthy.prediction_error == 0:
        return 1.0 if value == healthy.mean else 0.0
    distance = abs(value - healthy.mean) / healthy.prediction_error
    return 2 * float(special.stdtr(healthy.num_machines - 1, -distance))


def _deviation(value: float, healthy: Healthy, p: float) -> MachineDeviation:
    reach = float(special.stdtrit(healthy.num_machines - 1, (1 + COVERAGE) / 2)) * healthy.prediction_error
    difference = value - healthy.mean
    return MachineDeviation(*(math.exp(difference + change) for change in (0.0, -reach, reach)), p)


def adjusted_p_values(raw: Mapping[Metric, Mapping[Name, float]]) -> dict[Metric, dict[Name, float]]:
    """Adjust p-values for the number of machines and metrics by Holm's method."""
    adjusted = iter(holm([p for found in raw.values() for p in found.values()]))
    return {metric: {name: next(adjusted) for name in found} for metric, found in raw.items()}
