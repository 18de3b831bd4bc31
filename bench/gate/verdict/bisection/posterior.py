"""Posterior of a bisection: no step, one step at an unknown commit, or two steps.

Positions count the commits of the range: 0 is the good end, ``last`` the bad one, and a step at position k means that
commit k introduced it.  Measurements distinguish only the intervals between measured positions, so that the hypotheses
are those intervals, weighted by the commits in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from bench.gate.verdict.bisection.model import SIGMAS, MeasuredBlock, StepGrid, log_likelihood, step_grid

# Prior probabilities.  A bisection is started because a difference was seen, but differences that were seen vanish.
NO_STEP, TWO_STEPS = 0.25, 0.10
# Level between two steps, as a fraction of the whole; evenly probable.  A step of less than a third of the whole is not
# searched: to exclude one takes more processes than all the rest.
FRACTIONS = (-0.5, 0.33, 0.5, 0.67, 1.5)


@dataclass(frozen=True)
class Hypotheses:
    """Hypotheses on the steps, arrays (num_hypotheses,), for the measured ``positions`` of a range.

    Interval i = 1 ... is (positions[i - 1], positions[i]].  The level is ``fraction`` from interval ``first`` on and 1
    from ``second`` on; for one step both are equal.  Of no step both are beyond the end.
    """

    positions: tuple[int, ...]
    num_steps: np.ndarray
    first: np.ndarray
    second: np.ndarray
    fraction: np.ndarray
    prior: np.ndarray

    def levels(self, positions: Sequence[int]) -> np.ndarray:
        """Return the fraction of the step at measured ``positions``, float64 (num_hypotheses, len(positions))."""
        index = np.searchsorted(self.positions, positions)
        after, before = index >= self.second[:, None], index < self.first[:, None]
        return np.where(after, 1.0, np.where(before, 0.0, self.fraction[:, None]))


@lru_cache(maxsize=4096)
def hypotheses(positions: tuple[int, ...]) -> Hypotheses:
    """Return the hypotheses on a range with these measured ``positions``, ascending, from 0 to the bad end."""
    sizes, last = np.diff(positions), positions[-1]
    intervals = np.arange(1, len(positions))
    first, second = np.triu_indices(len(sizes), 1)
    num_pairs = last * (last - 1) / 2
    inside = np.where(sizes > 1, sizes * (sizes - 1) / 2, 0.0)
    apart = np.repeat(sizes[first] * sizes[second], len(FRACTIONS)) / len(FRACTIONS)
    two = TWO_STEPS * np.concatenate([inside, apart]) / max(num_pairs, 1)
    one = (1 - NO_STEP - TWO_STEPS * (num_pairs > 0)) * sizes / last
    beyond = [len(positions)]
    return Hypotheses(
        positions,
        num_steps=np.repeat([0, 1, 2], [1, len(one), len(two)]),
        first=np.concatenate([beyond, intervals, intervals, np.repeat(first + 1, len(FRACTIONS))]),
        second=np.concatenate([beyond, intervals, intervals, np.repeat(second + 1, len(FRACTIONS))]),
        fraction=np.concatenate([np.ones(1 + 2 * len(sizes)), np.tile(FRACTIONS, len(first))]),
        prior=np.concatenate([[NO_STEP], one, two]),
    )


@lru_cache(maxsize=256)
def parents(fine_positions: tuple[int, ...], coarse_positions: tuple[int, ...]) -> np.ndarray:
    """Return for each hypothesis on the fine positions the index of the one on the coarse positions it is part of."""
    fine, coarse = hypotheses(fine_positions), hypotheses(coarse_positions)
    into = np.searchsorted(coarse_positions, fine_positions)  # interval of the coarse positions
    into = np.append(into, len(coarse_positions))
    first, second = into[fine.first], into[fine.second]
    inside = (fine.num_steps == 2) & (first == second)  # then its fraction is not seen
    keys = _keys(coarse.num_steps, coarse.first, coarse.second, coarse.fraction)
    wanted = _keys(fine.num_steps, first, second, np.where(inside, 1.0, fine.fraction))
    order = np.argsort(keys)
    return order[np.searchsorted(keys[order], wanted)]


def _keys(num_steps: np.ndarray, first: np.ndarray, second: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    return ((num_steps * 10_000 + first) * 10_000 + second) * 1000 + np.round(fraction * 100).astype(int) + 500


@dataclass(frozen=True)
class Posterior:
    """Probabilities of ``hypotheses``, and the posterior means of the step (given one) and of the noise.

    ``skipped`` are positions that cannot be measured.
    """

    hypotheses: Hypotheses
    probability: np.ndarray
    step: float
    sigma: float
    skipped: frozenset[int] = frozenset()

    @property
    def last(self) -> int:
        return self.hypotheses.positions[-1]

    @cached_property
    def no_step(self) -> float:
        return float(self.probability[0])

    @cached_property
    def two_steps(self) -> float:
        """Probability of two steps, other than two within a group of commits that cannot be told apart."""
        two = (self.hypotheses.num_steps == 2) & ~self._in_one_group
        return float(self.probability[two].sum())

    @cached_property
    def one_step(self) -> np.ndarray:
        """Probability that the step is in each interval, float64 (num_intervals,)."""
        counted = (self.hypotheses.num_steps == 1) | self._in_one_group
        return np.bincount(
            self.hypotheses.first[counted] - 1,
            self.probability[counted],
            minlength=len(self.hypotheses.positions) - 1,
        )

    @cached_property
    def pairs(self) -> dict[tuple[int, int], float]:
        """Probability of two steps in each pair of different intervals, the most probable first."""
        hyp = self.hypotheses
        chosen = np.flatnonzero((hyp.num_steps == 2) & (hyp.first < hyp.second))
        found: dict[tuple[int, int], float] = {}
        for one in chosen:
            key = int(hyp.first[one]), int(hyp.second[one])
            found[key] = found.get(key, 0.0) + float(self.probability[one])
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    @cached_property
    def weights(self) -> dict[tuple[int, ...], float]:
        """Probability of no step (), of one in each interval (n,), and of two in each pair of different intervals."""
        one_step = {(interval,): float(one) for interval, one in enumerate(self.one_step, start=1)}
        return {(): self.no_step, **one_step, **self.pairs}

    @cached_property
    def is_resolved(self) -> np.ndarray:
        """Mask of intervals in which no further commit can be measured, bool (num_intervals,)."""
        positions = self.hypotheses.positions
        inner = [set(range(low + 1, high)) for low, high in pairwise(positions)]
        return np.array([one <= self.skipped for one in inner])

    def group(self, interval: int) -> tuple[int, ...]:
        """Return the positions in an interval, counted from 1; more than one if some cannot be measured."""
        positions = self.hypotheses.positions
        return tuple(range(positions[interval - 1] + 1, positions[interval] + 1))

    @cached_property
    def _in_one_group(self) -> np.ndarray:
        hyp = self.hypotheses
        within = (hyp.num_steps == 2) & (hyp.first == hyp.second)
        return within & np.concatenate([[True], self.is_resolved, [True]])[hyp.first]

    @cached_property
    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the fraction of the step at every position, if there is one, float64 (last + 1,).

        Both moments are linear between measured positions, because a step in an interval is anywhere in it.
        """
        positions = self.hypotheses.positions
        at_measured = self.hypotheses.levels(positions)[1:]
        share = self.probability[1:] / max(1e-300, 1 - self.no_step)
        everywhere = np.arange(self.last + 1)
        mean, square = (np.interp(everywhere, positions, share @ at_measured**power) for power in (1, 2))
        return mean, square - mean**2

    @cached_property
    def has_a_step(self) -> np.ndarray:
        """Probability that the first or only, or the second step is in each interval, float64 (num_intervals,)."""
        hyp, num_intervals = self.hypotheses, len(self.hypotheses.positions) - 1
        found = np.bincount(hyp.first[1:] - 1, self.probability[1:], minlength=num_intervals)
        apart = hyp.second[1:] > hyp.first[1:]
        return found + np.bincount(hyp.second[1:][apart] - 1, self.probability[1:][apart], minlength=num_intervals)


class Inference:
    """Blocks measured so far and their posterior, updated block by block.

    ``smallest`` is the smallest step of interest, on the scale of the values.
    """

    def __init__(self, last: int, smallest: float) -> None:
        self._last, self._smallest = last, smallest
        self.blocks: list[MeasuredBlock] = []
        self.skipped: set[int] = set()
        self._grid: StepGrid | None = None
        self._renewed_at = 0
        self._positions: tuple[int, ...] = (0, last)
        self._log_likelihood = np.zeros(0)  # of the hypotheses on _positions, (num_hypotheses, num_sizes, num_sigmas)

    def add(self, block: MeasuredBlock) -> None:
        """Add a block; the grid of steps is renewed whenever the number of blocks has doubled."""
        self.blocks.append(block)
        if len(self.blocks) < 2 * self._renewed_at:
            self._include(block)
            return
        self._grid = step_grid(self.blocks, self._last, self._smallest)
        self._renewed_at = len(self.blocks)
        num_hypotheses = len(hypotheses(self._positions).prior)
        self._log_likelihood = np.zeros((num_hypotheses, len(self._grid.sizes), len(SIGMAS)))
        for one in self.blocks:
            self._include(one)

    def _include(self, block: MeasuredBlock) -> None:
        positions = tuple(sorted({*self._positions, *block.positions}))
        if positions != self._positions:  # the earlier blocks do not distinguish the parts of an interval
            self._log_likelihood = self._log_likelihood[parents(positions, self._positions)]
            self._positions = positions
        levels = hypotheses(positions).levels(block.positions)
        distinct, of_hypothesis = np.unique(levels, axis=0, return_inverse=True)
        self._log_likelihood += log_likelihood(block.values, distinct, self._grid.sizes)[of_hypothesis.ravel()]

    def posterior(self) -> Posterior:
        """Return the posterior after all blocks; the prior if there is none."""
        hyp, skipped = hypotheses(self._positions), frozenset(self.skipped)
        if not self.blocks:
            return Posterior(hyp, hyp.prior / hyp.prior.sum(), self._smallest, float(SIGMAS[0]), skipped)
        joint = self._log_likelihood + self._grid.log_prior[:, None]
        each = np.where(hyp.first < hyp.second, np.minimum(np.abs(hyp.fraction), np.abs(1 - hyp.fraction)), 1.0)
        joint[each[:, None] * self._grid.sizes < self._smallest - 1e-12] = -np.inf  # no step of interest
        joint[0, 1:] = -np.inf  # without a step its size does not matter
        joint[0, 0] -= self._grid.log_prior[0]
        joint += np.log(np.where(hyp.prior > 0, hyp.prior, 1e-300))[:, None, None]
        probability = np.exp(joint - joint.max())
        probability /= probability.sum()
        given = probability[1:].sum(axis=(0, 2))
        step = float(given @ self._grid.sizes / given.sum()) if given.sum() > 0 else self._smallest
        sigma = float(np.exp(probability.sum(axis=(0, 1)) @ np.log(SIGMAS)))
        return Posterior(hyp, probability.sum(axis=(1, 2)), step, sigma, skipped)
