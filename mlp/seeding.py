"""Independent random streams from one seed.

Equal seeds for weights and masks would draw the same uniform numbers for both and correlate them; so each purpose gets
a separate stream from the recipe's seed.
"""

from __future__ import annotations

import numpy as np

from mlp.recipe import Recipe

PURPOSES = ("weights", "order", "dropout")


def random_stream(recipe: Recipe, purpose: str) -> np.random.RandomState:
    """Return the stream of ``recipe.seed`` for one of PURPOSES, as RandomState, whose streams NumPy has frozen."""
    return np.random.RandomState([recipe.seed, PURPOSES.index(purpose)])
