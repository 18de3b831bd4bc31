"""Rank sums within blocks: the statistics of a gate run.

In a block, processes of both sides run concurrently and are assigned to the sides at random.  If the sides are the
same program, every assignment of its values to the sides is equally likely for any noise, including drift, bursts and
heavy tails.  So the number of pairs (base, candidate) of one block in which the candidate is larger (Mann & Whitney
1947) has a known distribution, and so has its sum over blocks (van Elteren 1960, with equal weights).  Inverting the
test gives the estimate of the shift and its interval (Hodges & Lehmann 1963), both order statistics of all pairwise
differences within blocks.  No variance is estimated or assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

BlockShape = tuple[int, int]  # of a block: number of processes of A and of B with a value


@lru_cache(maxsize=256)
def num_pairs_distribution(num_a: int, num_b: int) -> np.ndarray:
    """Return P(U = u) for u = 0 ... num_a * num_b, float64, of one block without ties under the null hypothesis.

    U counts the pairs in which B is larger.  Mann & Whitney's recurrence: the largest value is of B, and then larger
    than all num_a of the others, or it is of A, and adds nothing.
    """
    if num_a == 0 or num_b == 0:
        return np.ones(1)
    total = num_a + num_b
    largest_is_b = np.concatenate([np.zeros(num_a), num_pairs_distribution(num_a, num_b - 1)]) * (num_b / total)
    largest_is_a = np.concatenate([num_pairs_distribution(num_a - 1, num_b), np.zeros(num_b)]) * (num_a / total)
    return largest_is_b + largest_is_a


def pairwise_differences(blocks: Sequence[tuple[Sequence[float], Sequence[float]]]) -> np.ndarray:
    """Return all differences candidate - base within blocks, ascending; each block is (values of A, values of B)."""
    parts = [np.subtract.outer(np.asarray(b, float), np.asarray(a, float)).ravel() for a, b in blocks]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0)


def shift(differences: np.ndarray) -> np.ndarray:
    """Return Hodges & Lehmann's estimate: the median of the pairwise differences along the last axis."""
    return np.median(differences, axis=-1)


def lower_bound(differences: np.ndarray, boundary: int) -> np.ndarray:
    """Return the smallest shift not rejected by a test that rejects if at least ``boundary`` differences exceed it.

    ``differences`` ascend along the last axis.  Minus infinity if ``boundary`` exceeds their number.
    """
    num_pairs = differences.shape[-1]
    if boundary > num_pairs:
        return np.full(differences.shape[:-1], -np.inf)
    return differences[..., num_pairs - boundary]


def upper_bound(differences: np.ndarray, boundary: int) -> np.ndarray:
    """Return the largest shift not rejected; the mirror image of ``lower_bound``."""
    return -lower_bound(-differences[..., ::-1], boundary)
