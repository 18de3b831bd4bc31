"""Against SciPy's exact Mann-Whitney test, and against counting all assignments."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.gate.verdict.design import InterimLooks
from bench.gate.verdict.ranks import lower_bound, num_pairs_distribution, pairwise_differences, shift, upper_bound

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 5))
FLOATS = st.floats(-10, 10, allow_nan=False)


@given(SIZES)
def test_the_distribution_is_that_of_counting_every_assignment(sizes):
    num_a, num_b = sizes
    counts = np.zeros(num_a * num_b + 1)
    for places_of_b in combinations(range(num_a + num_b), num_b):
        places_of_a = set(range(num_a + num_b)) - set(places_of_b)
        counts[sum(a < b for a, b in product(places_of_a, places_of_b))] += 1
    assert num_pairs_distribution(num_a, num_b) == pytest.approx(counts / counts.sum())


@given(st.lists(FLOATS, min_size=1, max_size=6), st.lists(FLOATS, min_size=1, max_size=6))
def test_one_look_at_one_block_rejects_where_scipys_exact_test_does(a, b):
    values = np.array([*a, *b])
    if len(np.unique(values)) < len(values):
        return  # SciPy's exact test knows no ties
    boundary = InterimLooks(1, 1).boundary([(len(a), len(b))], alpha=0.05)
    larger = int((pairwise_differences([(a, b)]) > 0).sum())
    p = stats.mannwhitneyu(b, a, alternative="greater", method="exact").pvalue
    assert (boundary is not None and larger >= boundary) == (p <= 0.05)


@given(st.integers(0, 2**32 - 1))
def test_the_interval_holds_exactly_the_shifts_that_the_test_does_not_reject(seed):
    random = np.random.default_rng(seed)
    blocks = [(random.normal(size=2), random.normal(0.5, 1, size=2)) for _ in range(5)]
    differences = pairwise_differences(blocks)
    boundary = 17
    low, high = lower_bound(differences, boundary), upper_bound(differences, boundary)

    def rejected(delta):
        return (differences > delta).sum() >= boundary or (differences < delta).sum() >= boundary

    assert low < shift(differences) < high
    assert not rejected(low) and not rejected(high)
    assert rejected(low - 1e-9) and rejected(high + 1e-9)


def test_a_boundary_that_cannot_be_reached_excludes_nothing():
    differences = np.array([0.1, 0.2])
    assert lower_bound(differences, 3) == -np.inf
    assert upper_bound(differences, 3) == np.inf
