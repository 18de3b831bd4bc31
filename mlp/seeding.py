"""One seed, several independent streams.

A generator seeded alike for weights and for masks would draw the same uniform numbers for both, and correlate what
must be independent; so each purpose gets a stream of its own from the recipe's seed.
"""

from __future__ import annotations

import numpy as np

from mlp.recipe import Recipe

PURPOSES = ("weights", "order", "dropout")


def random_stream(recipe: Recipe, purpose: str) -> np.random.RandomState:
    """The stream of ``recipe.seed`` for one of PURPOSES; RandomState, because NumPy has frozen its streams."""
    return np.random.RandomState([recipe.seed, PURPOSES.index(purpose)])
