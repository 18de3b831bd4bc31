"""Next block of a bisection: the most expected information about the steps per second.

The information is that between the hypotheses and the values of the block (Lindley 1956), with the step and the noise
at their posterior means, by Monte Carlo with the same normal deviates for every block, so that a choice is repeatable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bench.gate.verdict.bisection.posterior import Hypotheses, Posterior, hypotheses, parents

MAX_PROCESSES = 5
NUM_DRAWS = 32
NEGLIGIBLE = 1e-3  # probability of a pattern of levels that is left out
QUANTILES = ((1 / 2,), (1 / 3, 2 / 3), (1 / 4, 1 / 2, 3 / 4))


@dataclass(frozen=True)
class Costs:
    """Seconds of a process in a block, and of a commit that is not built yet."""

    process_seconds: float
    build_seconds: float

    def of(self, block: tuple[int, ...], built: Collection[int]) -> float:
        return len(block) * self.process_seconds + len(set(block) - set(built)) * self.build_seconds


def next_block(
    posterior: Posterior, built: Collection[int], costs: Costs, measured: Iterable[tuple[int, ...]] = ()
) -> tuple[int, ...]:
    """Return the positions of the processes of the best next block; those that need no build are in ``built``.

    Of equally good blocks it is the one that is rarest among the ``measured`` ones: a commit beside one end and beside
    the other are equally good, and either of them alone cannot tell a fraction of the step from another size of it.
    """
    times = Counter(tuple(sorted(block)) for block in measured)

    def value(block: tuple[int, ...]) -> tuple[float, int]:
        rate = expected_information(posterior, block) / costs.of(block, built)
        return float(_nine_digits(rate)), -times[tuple(sorted(block))]

    return max(candidate_blocks(posterior, built), key=value)


def _nine_digits(values: Any) -> Any:
    """Round to nine significant digits: what is equally good is then equal on every processor.

    The last digits of NumPy's functions depend on the instruction set; the first of equals would be another.
    """
    return np.vectorize(lambda value: float(f"{value:.9g}"), otypes=[float])(values)


def candidate_blocks(posterior: Posterior, built: Collection[int]) -> list[tuple[int, ...]]:
    """Return blocks worth considering: both ends alone, or with one to three commits between them.

    The commits are the quantiles of the culprit, the middles of the most probable intervals, and those whose level is
    the most uncertain, among all and among the built ones.  Each block has an end: without one a fraction of the step
    could not be told from another size of it.
    """
    last, (mean, variance) = posterior.last, posterior.levels
    inner = np.array([one for one in range(1, last) if one not in posterior.skipped], int)
    ready = np.array([one for one in inner if one in built], int)
    chosen = [_nearest(eligible, mean, one) for eligible in (inner, ready) for one in QUANTILES]
    for eligible in (inner, ready):
        uncertain = [int(one) for one in eligible[np.argsort(-_nine_digits(variance[eligible]), kind="stable")][:3]]
        chosen += [uncertain[:count] for count in (1, 2, 3)]
    middles = _middles(posterior, inner)
    chosen += [middles[:count] for count in (1, 2, 3)]
    blocks = [(0, last) * 2]
    for ends in ((0, last), (0,), (last,)):
        blocks += [block for one in chosen for block in ((*ends, *sorted(one)), (*ends, *one, *one))]
    return list(dict.fromkeys(block for block in blocks if len(set(block)) > 1 and len(block) <= MAX_PROCESSES))


def _nearest(eligible: np.ndarray, levels: np.ndarray, quantiles: Iterable[float]) -> list[int]:
    """Return for each quantile the eligible position whose expected level is nearest to it, without repetition."""
    if not len(eligible):
        return []
    return sorted(
        {int(eligible[np.argmin(_nine_digits(np.abs(levels[eligible] - quantile)))]) for quantile in quantiles}
    )


def _middles(posterior: Posterior, eligible: np.ndarray) -> list[int]:
    """Return the eligible positions nearest to the middles of the intervals that most probably have a step."""
    positions, found = posterior.hypotheses.positions, []
    probable = _nine_digits(np.where(posterior.is_resolved, 0.0, posterior.has_a_step))
    for interval in np.argsort(-probable, kind="stable")[:3]:
        low, high = positions[interval], positions[interval + 1]
        inside = eligible[(low < eligible) & (eligible < high)]
        if len(inside):
            found.append(int(inside[np.argmin(np.abs(inside - (low + high) / 2))]))
    return found


def expected_information(posterior: Posterior, block: tuple[int, ...]) -> float:
    """Return the information, in nats, between the hypotheses and the values of a ``block`` of positions."""
    patterns, probability = patterns_of(posterior, block)
    means = (patterns - patterns.mean(axis=1, keepdims=True)) * (posterior.step / posterior.sigma)
    noise = _deviates(len(block))
    distance = np.square(means[:, None, :] - means[None]).sum(axis=-1)  # (true, other)
    across = np.einsum("dp,top->tod", noise, means[:, None, :] - means[None])
    log_ratio = -(distance[..., None] / 2 + across)  # log p(values | other) - log p(values | true)
    mixture = np.einsum("o,tod->td", probability, np.exp(log_ratio))
    return max(0.0, float(-(probability @ np.log(mixture)).mean()))


def patterns_of(posterior: Posterior, block: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct levels of the processes of ``block``, (num_patterns, num_processes), and probabilities."""
    coarse = posterior.hypotheses
    likely = posterior.probability >= NEGLIGIBLE / 100
    fine = hypotheses(tuple(sorted({*coarse.positions, *block})))
    probability = _carried_over(fine, coarse, np.where(likely, posterior.probability, 0.0))
    kept = probability > 0
    levels, pattern = np.unique(fine.levels(block)[kept], axis=0, return_inverse=True)
    total = np.bincount(pattern.ravel(), probability[kept])
    likely = total >= min(NEGLIGIBLE, total.max())
    return levels[likely], total[likely] / total[likely].sum()


def _carried_over(fine: Hypotheses, coarse: Hypotheses, probability: np.ndarray) -> np.ndarray:
    """Return probabilities of ``fine`` hypotheses, those of the coarse ones shared out like their prior."""
    parent = parents(fine.positions, coarse.positions)
    total = np.bincount(parent, fine.prior, minlength=len(probability))
    return fine.prior * (probability / np.where(total > 0, total, 1.0))[parent]


@lru_cache(maxsize=8)
def _deviates(num_processes: int) -> np.ndarray:
    """Return normal deviates centered in each block, float64 (NUM_DRAWS, num_processes), each with its negative."""
    half = np.random.default_rng(0).standard_normal((NUM_DRAWS // 2, num_processes))
    both = np.concatenate([half, -half])
    return both - both.mean(axis=1, keepdims=True)
