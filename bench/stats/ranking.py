"""Ranks: of interleaved rounds by the number of others that are significantly faster, of independent values by time."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import TypeVar

import numpy as np
from scipy import special

from bench.stats.estimates import INTERVAL_FROM, paired_logs, paired_ratio
from bench.stats.learning import holm
from bench.stats.unpaired import speed_ratio

Name = TypeVar("Name", bound=Hashable)
Rounds = Mapping[int, float]  # interleaved round -> seconds

ALPHA = 0.05  # family-wise error rate over all pairs


@dataclass(frozen=True)
class Rank:
    """Rank; ``number`` is 1 + the number of faster ones, ``shared`` if several have it."""

    number: int
    shared: bool

    def __str__(self) -> str:
        return f"{self.number}=" if self.shared else str(self.number)


def rank(rounds_by_name: Mapping[Name, Rounds], base: Name | None = None) -> dict[Name, Rank | None]:
    """Return the names by rank, then by speed relative to ``base``, each with its rank.

    ``rounds_by_name`` maps a name to {interleaved round: seconds}, at least one round each.  A name that shares fewer
    than ``INTERVAL_FROM`` rounds with every other has no rank.  Default ``base``: the name of least median.
    """
    if not rounds_by_name:
        return {}
    faster = faster_than(rounds_by_name)
    numbers = {name: len(others) + 1 for name, others in faster.items()}
    held = list(numbers.values())
    if base not in rounds_by_name:
        base = min(rounds_by_name, key=lambda name: median(rounds_by_name[name].values()))
    slowness = {name: _times_as_long(rounds, rounds_by_name[base]) for name, rounds in rounds_by_name.items()}
    order = sorted(rounds_by_name, key=lambda name: (numbers.get(name, math.inf), slowness[name]))
    return {name: Rank(numbers[name], held.count(numbers[name]) > 1) if name in numbers else None for name in order}


def rank_unpaired(seconds_by_name: Mapping[Name, Sequence[float]]) -> dict[Name, Rank | None]:
    """Rank names that were not measured side by side by the medians of their own values.

    A name shares the rank of those before it unless it is significantly slower than the fastest of them: the 95 %
    interval of ``speed_ratio`` excludes 1.  The error is 5 % for each such comparison.  Fewer than ``INTERVAL_FROM``
    values have no rank.
    """
    enough = [name for name, values in seconds_by_name.items() if len(values) >= INTERVAL_FROM]
    groups: list[list[Name]] = []
    for name in sorted(enough, key=lambda name: median(seconds_by_name[name])):
        if groups and not speed_ratio(seconds_by_name[groups[-1][0]], seconds_by_name[name]).differs:
            groups[-1].append(name)
        else:
            groups.append([name])
    ranks: dict[Name, Rank | None] = dict.fromkeys(seconds_by_name)
    number = 1
    for group in groups:
        ranks |= dict.fromkeys(group, Rank(number, len(group) > 1))
        number += len(group)
    return ranks


def _times_as_long(rounds: Rounds, base: Rounds) -> float:
    """Return the ratio to ``base`` by pairs of rounds, or by medians if no round measured both."""
    ratio = paired_ratio(rounds, base)
    return median(rounds.values()) / median(base.values()) if ratio is None else ratio.center


def faster_than(rounds_by_name: Mapping[Name, Rounds]) -> dict[Name, set[Name]]:
    """Return the significantly faster others of each name that could be tested against any other.

    Every pair that shares ``INTERVAL_FROM`` rounds is tested round by round; Holm's method keeps the family-wise error
    rate over all pairs below ``ALPHA``.  The relation is closed transitively, without further tests.
    """
    logs = {
        (one, other): paired_logs(rounds_by_name[one], rounds_by_name[other])
        for one, other in combinations(rounds_by_name, 2)
    }
    logs = {pair: ratios for pair, ratios in logs.items() if len(ratios) >= INTERVAL_FROM}
    found: dict[Name, set[Name]] = {name: set() for name in rounds_by_name if any(name in pair for pair in logs)}
    adjusted = holm([p_equal(ratios, len(logs)) for ratios in logs.values()])
    for ((one, other), ratios), p in zip(logs.items(), adjusted, strict=True):
        if p < ALPHA:
            slower, quicker = (one, other) if _sign(ratios) > 0 else (other, one)
            found[slower].add(quicker)
    while any(_add_what_follows(found, name) for name in found):
        pass
    return found


def _add_what_follows(found: dict[Name, set[Name]], name: Name) -> bool:
    """Add the faster names of each faster name; return whether any was new."""
    size = len(found[name])
    found[name] |= set().union(*(found[faster] for faster in found[name])) - {name}
    return len(found[name]) > size


def p_equal(log_ratios: np.ndarray, num_pairs: int = 1) -> float:
    """Return the two-sided p-value of the ratios under the hypothesis that neither side is faster.

    The sign test, which assumes only independent rounds and matches the interval of a median; but Student's t on the
    logarithms if the rounds are so few that one dissenting round would keep ``num_pairs`` sign tests from significance.
    A round without a difference counts for neither side.
    """
    num_rounds = len(log_ratios)
    if _sign_test(num_rounds - 1, num_rounds) * num_pairs < ALPHA:
        return _sign_test(max(int((log_ratios > 0).sum()), int((log_ratios < 0).sum())), num_rounds)
    mean, error = float(np.mean(log_ratios)), float(np.std(log_ratios, ddof=1)) / math.sqrt(num_rounds)
    if error == 0:
        return 0.0 if mean else 1.0
    return 2 * float(special.stdtr(num_rounds - 1, -abs(mean) / error))


def _sign_test(num_wins: int, num_rounds: int) -> float:
    return min(1.0, 2 * float(special.bdtr(num_rounds - num_wins, num_rounds, 0.5)))


def _sign(log_ratios: np.ndarray) -> float:
    """Return a positive number if the numerator is slower: by most rounds, or by the mean if these are even."""
    return float(np.sign(log_ratios).sum()) or float(np.mean(log_ratios))
