"""Streams of one seed are reproducible and independent of each other."""

import numpy as np
import pytest

from mlp.recipe import Recipe
from mlp.seeding import PURPOSES, random_stream


def drawn(purpose, seed=1):
    return random_stream(Recipe(seed=seed), purpose).random_sample(10_000)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_same_seed_draws_the_same(purpose):
    assert (drawn(purpose) == drawn(purpose)).all()
    assert (drawn(purpose) != drawn(purpose, seed=2)).any()


@pytest.mark.parametrize("one", PURPOSES)
@pytest.mark.parametrize("other", PURPOSES)
def test_purposes_are_not_correlated(one, other):
    """Masks once came from the generator of the weights: example i's mask then followed row i of W1."""
    if one < other:
        # The correlation of independent draws has the standard deviation 1/sqrt(n) = 0.01.
        assert abs(np.corrcoef(drawn(one), drawn(other))[0, 1]) < 0.05
