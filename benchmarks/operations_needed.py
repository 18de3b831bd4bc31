"""``python -m benchmarks.operations_needed``: operations per example that canonical training needs on this data.

Prints the counts from which ``bench.roofline.operations_needed.COUNTED`` is rounded down: on the first minibatch,
before the training and after each epoch, with NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from tabulate import tabulate

from bench.roofline.operations_needed import CountedOperations, evaluation_flop, training_flop
from mlp import backends
from mlp.dataset import Dataset, load_files, locate
from mlp.recipe import CANONICAL
from mlp.seeding import random_stream
from mlp.training import initial_parameters


def count(parameters: Sequence[np.ndarray], images: np.ndarray, validation_images: np.ndarray) -> CountedOperations:
    """Return the means over both minibatches for a network ``[W1, b1, W2, b2, ...]``."""
    widths = [weights.shape[1] for weights in parameters[::2]]
    random = np.random.RandomState(0)
    kept = [random.random_sample((len(images), units)) >= CANONICAL.dropout for units in widths[:-1]]
    return CountedOperations(
        training_flop(layer_inputs(parameters, images, kept), kept, widths[-1]) / len(images),
        evaluation_flop(layer_inputs(parameters, validation_images), widths) / len(validation_images),
    )


def layer_inputs(
    parameters: Sequence[np.ndarray], images: np.ndarray, kept: Sequence[np.ndarray] | None = None
) -> list[np.ndarray]:
    """Return the inputs of each layer, the images first; ``kept`` are dropout's masks, bool."""
    inputs = [images.reshape(len(images), -1)]
    for layer, (weights, biases) in enumerate(list(zip(parameters[::2], parameters[1::2], strict=True))[:-1]):
        h = np.maximum(inputs[-1] @ weights + biases, 0)
        inputs.append(h if kept is None else h * kept[layer] / (1 - CANONICAL.dropout))
    return inputs


def count_run(data: Dataset, num_epochs: int) -> list[CountedOperations]:
    """Return the counts before the training and after each epoch."""
    recipe = replace(CANONICAL, num_epochs=num_epochs)
    network = backends.create("numpy", "float32")
    network.build(recipe, initial_parameters(recipe))
    batch, order = recipe.batch_size, random_stream(recipe, "order")
    counts = [count(network.parameters(), data.X_train[:batch], data.X_val[:batch])]
    for _ in range(num_epochs):
        network.train_epoch(data.X_train, data.y_train, order.permutation(len(data.X_train)))
        counts.append(count(network.parameters(), data.X_train[:batch], data.X_val[:batch]))
    return counts


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option("--epochs", type=click.IntRange(0), default=CANONICAL.num_epochs, show_default=True)
def main(data: Path | None, epochs: int) -> None:
    """Count the operations that an example needs while the canonical network learns."""
    counts = count_run(load_files(locate(data).directory), epochs)
    rows = [[epoch, one.train_flop, one.evaluate_flop] for epoch, one in enumerate(counts)]
    rows.append(["least", *(min(getattr(one, name) for one in counts) for name in ("train_flop", "evaluate_flop"))])
    click.echo(tabulate(rows, ["after epoch", "training, FLOP", "evaluation, FLOP"], floatfmt=",.0f"))


if __name__ == "__main__":
    main()
