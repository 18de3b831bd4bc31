"""A network and a dataset that train in a moment."""

from dataclasses import replace

import numpy as np

from mlp.recipe import CANONICAL

# A small network of the canonical shape at its border: 784 inputs, ten classes.
SMALL = replace(CANONICAL, layer_widths=(784, 32, 16, 10), batch_size=20, num_epochs=2)


def make_toy_data():
    """Six arrays of 200, 60 and 60 learnable examples: each class lights its own block of rows."""
    random = np.random.RandomState(0)
    arrays = []
    for count in (200, 60, 60):
        labels = random.randint(0, 10, count).astype(np.uint8)
        images = random.uniform(0, 0.2, (count, 1, 28, 28)).astype(np.float32)
        for image, label in zip(images, labels, strict=True):
            image[0, 2 * label : 2 * label + 3] += 0.6
        arrays += [images, labels]
    return tuple(arrays)
