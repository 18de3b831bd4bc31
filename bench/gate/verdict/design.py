"""Group-sequential design of the gate: error rates and interim looks, fixed before measuring.

The gate tests after every block, which would inflate the error rate.  Alpha spending (Lan & DeMets 1983) controls it: a
function fixed beforehand gives the cumulative error that may be spent after n blocks, and the boundary of each look is
so high that the probability of having crossed any boundary by then does not exceed it.  For a rank sum that
probability is exact: the distribution of its path is discrete and known, and is computed block by block as in Armitage,
McPherson & Rowe (1969).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.gate.verdict.ranks import BlockShape, num_pairs_distribution


@dataclass(frozen=True)
class InterimLooks:
    """Interim looks after ``first``, ``first + 1``, ..., ``last`` blocks, with a given total alpha.

    Alpha is spent by Lan & DeMets' (1983) function of Pocock's kind: after the share t = n / ``last`` of the blocks,
    ln(1 + (e - 1) t) of it, which is more than t.  A budget most often ends a run before ``last``.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise ValueError(f"looks from block {self.first} to block {self.last}: the first must be 1 to the last")

    def spent(self, num_blocks: int) -> float:
        """Return the share of alpha that may be spent after ``num_blocks``."""
        return math.log1p((math.e - 1) * num_blocks / self.last)

    def boundary(self, shapes: Sequence[BlockShape], alpha: float) -> int | None:
        """Return the number of pairs that must differ in one direction at the look after the last of ``shapes``.

        None if even all pairs would not be enough, or there is no look after that many blocks.
        ``alpha`` is for one direction, in (0, 1).
        """
        if not self.first <= len(shapes) <= self.last:
            return None
        return _path(self, tuple(shapes), alpha)[0]


@lru_cache(maxsize=4096)
def _path(looks: InterimLooks, shapes: tuple[BlockShape, ...], alpha: float) -> tuple[int | None, np.ndarray, float]:
    """Return the boundary after ``shapes``, the probability of each uncrossed count, and that of having crossed."""
    if not shapes:
        return None, np.ones(1), 0.0
    _, alive, crossed = _path(looks, shapes[:-1], alpha)
    alive = np.convolve(alive, num_pairs_distribution(*shapes[-1]))
    if len(shapes) < looks.first:
        return None, alive, crossed
    at_least = np.cumsum(alive[::-1])[::-1]
    affordable = np.flatnonzero(at_least <= alpha * looks.spent(len(shapes)) - crossed)
    if not len(affordable):
        return None, alive, crossed
    boundary = int(affordable[0])
    crossed += float(at_least[boundary])
    return boundary, np.where(np.arange(len(alive)) < boundary, alive, 0.0), crossed


@dataclass(frozen=True)
class Design:
    """Error rates of a gate run over all metrics and looks, as probabilities.

    A regression must be found twice, on independent blocks: first with ``alpha``, then with ``confirming_alpha``, so
    that the chance of a false one is at most their product, 0.5 %.  ``interval_alpha`` is per metric and two-sided: the
    intervals hold at 95 %, independent of the number of looks.  ``control_alpha`` is the chance that base against base
    is called different.  ``power`` is that of the detectable effect.  ``confirming_overrun`` is the fraction by which
    the confirmation may exceed the budget.

    ``confirming_looks`` end as late as a clear regression on two blocks allows: that all 8 of their pairs differ has a
    chance of 1 in 36, and 0.1 of ln(1 + (e - 1) 2 / last) reaches it up to 10 blocks.
    """

    looks: InterimLooks = InterimLooks(first=4, last=16)
    control_looks: InterimLooks = InterimLooks(first=2, last=16)
    confirming_looks: InterimLooks = InterimLooks(first=2, last=10)
    alpha: float = 0.05
    confirming_alpha: float = 0.10
    interval_alpha: float = 0.05
    control_alpha: float = 0.01
    power: float = 0.95
    confirming_overrun: float = 0.5

    def alpha_of_each(self, num_metrics: int) -> float:
        """Return the one-sided alpha per metric (Bonferroni), at most the interval's: a regression then excludes 1."""
        return min(self.alpha / num_metrics, self.interval_alpha / 2)


DESIGN = Design()
