"""Division of a dataset into minibatches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlp.errors import DatasetError, RecipeError


def iterate_minibatches(
    inputs: np.ndarray,
    targets: np.ndarray,
    batchsize: int,
    shuffle: bool = False,
    order: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ``(inputs, targets)`` of ``batchsize`` examples each, without an incomplete last one.

    ``shuffle=True`` draws the order from NumPy's global generator, as the tutorial does; ``order``
    (a permutation of the indices) fixes it instead.  Without either, slices are views, not copies.

    Raises
    ------
    DatasetError
        If the numbers of inputs and targets differ.
    RecipeError
        If ``batchsize`` is below 1 or larger than the data.
    """
    if len(inputs) != len(targets):
        raise DatasetError(f"{len(inputs)} inputs but {len(targets)} targets: they must pair up.")
    if batchsize < 1:
        raise RecipeError(f"batch size must be at least 1, got {batchsize}.")
    if batchsize > len(inputs):
        raise RecipeError(f"batch size {batchsize} is larger than the {len(inputs)} examples: choose a smaller one.")
    if shuffle and order is None:
        order = np.random.permutation(len(inputs))
    for start in range(0, len(inputs) - batchsize + 1, batchsize):
        excerpt = slice(start, start + batchsize)
        if order is not None:
            excerpt = order[excerpt]
        yield inputs[excerpt], targets[excerpt]
