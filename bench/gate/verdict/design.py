"""How often the gate may be wrong, and when it looks: fixed before anything is measured.

The gate looks after every block, so it has many chances to be fooled.  They are paid for by alpha spending (Lan &
DeMets 1983): a function fixed beforehand says how much of the permitted error may be used up after n blocks, and each
look gets a boundary so high that the chance of having crossed any boundary by then is no more than that.  For a rank
sum that chance need not be approximated: the distribution of its path is discrete and known, and is followed from
block to block as in Armitage, McPherson & Rowe (1969).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.gate.verdict.ranks import Shape, num_pairs_distribution


@dataclass(frozen=True)
class Looks:
    """Looks after ``first``, ``first + 1``, ..., ``last`` blocks, which together err with at most a given alpha.

    Alpha is spent evenly: after n blocks n / ``last`` of it (Kim & DeMets 1987, with power 1).
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise ValueError(f"looks from block {self.first} to block {self.last}: the first must be 1 to the last")

    def boundary(self, shapes: Sequence[Shape], alpha: float) -> int | None:
        """How many pairs must differ in one direction at the look after the last of ``shapes``.

        None where even all of them would not be enough, or it is no look; after ``last`` there is none any more.
        ``alpha`` is for one direction, in (0, 1).
        """
        if not self.first <= len(shapes) <= self.last:
            return None
        return _path(self, tuple(shapes), alpha)[0]


@lru_cache(maxsize=4096)
def _path(looks: Looks, shapes: tuple[Shape, ...], alpha: float) -> tuple[int | None, np.ndarray, float]:
    """The boundary after ``shapes``, the probability of each count that never crossed one, and of having crossed."""
    if not shapes:
        return None, np.ones(1), 0.0
    _, alive, crossed = _path(looks, shapes[:-1], alpha)
    alive = np.convolve(alive, num_pairs_distribution(*shapes[-1]))
    if len(shapes) < looks.first:
        return None, alive, crossed
    at_least = np.cumsum(alive[::-1])[::-1]
    affordable = np.flatnonzero(at_least <= alpha * len(shapes) / looks.last - crossed)
    if not len(affordable):
        return None, alive, crossed
    boundary = int(affordable[0])
    crossed += float(at_least[boundary])
    return boundary, np.where(np.arange(len(alive)) < boundary, alive, 0.0), crossed


@dataclass(frozen=True)
class Design:
    """The error rates of a gate run, all metrics and looks together.  Probabilities, not percent.

    A red verdict must be found twice, on independent blocks: first with ``alpha``, then with ``confirming_alpha``, so
    that the chance of a false one is at most their product, 0.5 %.  ``interval_alpha`` is each metric's own and for
    both directions together: the intervals hold at 95 %, however often one looked.  ``control_alpha`` is the chance
    that base against base is called different.  ``power`` is that of the detectable effect.  ``confirming_overrun`` is
    the share of the budget that confirming may take beyond it.
    """

    looks: Looks = Looks(first=4, last=16)
    control_looks: Looks = Looks(first=2, last=16)
    confirming_looks: Looks = Looks(first=2, last=6)
    alpha: float = 0.05
    confirming_alpha: float = 0.10
    interval_alpha: float = 0.05
    control_alpha: float = 0.01
    power: float = 0.95
    confirming_overrun: float = 0.5

    def alpha_of_each(self, num_metrics: int) -> float:
        """For one metric and one direction (Bonferroni); never more than the interval's, so that red excludes 1."""
        return min(self.alpha / num_metrics, self.interval_alpha / 2)


DESIGN = Design()
