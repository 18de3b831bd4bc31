"""Recipes and data that train in a moment."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from mlp.recipe import CANONICAL

# A small network of the canonical shape at its border: 784 inputs, ten classes.
SMALL = replace(CANONICAL, layer_widths=(784, 32, 16, 10), batch_size=20, num_epochs=2)
PLAIN = replace(SMALL, dropout=0.0)
# With rho = 0 and epsilon = 1 an update is p -= lr * g / sqrt(g**2 + 1), which can be solved for g; the large learning
# rate makes the update much larger than the parameters, so that float32 keeps all digits of it.
GRADIENTS = replace(PLAIN, layer_widths=(784, 12, 8, 10), learning_rate=1000.0, rho=0.0, epsilon=1.0)
# One example for each step and a learning rate of 0: every loss tells the masks of one step, see ``masks``.
MASKS = replace(SMALL, layer_widths=(784, 4, 4, 10), batch_size=1, learning_rate=0.0)


def make_toy_data() -> tuple[np.ndarray, ...]:
    """Return six arrays of 200, 60 and 60 learnable examples: each class lights its own block of rows."""
    random = np.random.RandomState(0)
    arrays = []
    for count in (200, 60, 60):
        labels = random.randint(0, 10, count).astype(np.uint8)
        images = random.uniform(0, 0.2, (count, 1, 28, 28)).astype(np.float32)
        for image, label in zip(images, labels, strict=True):
            image[0, 2 * label : 2 * label + 3] += 0.6
        arrays += [images, labels]
    return tuple(arrays)


toy_data = cache(make_toy_data)
