"""``python tests/gpuarray/losses.py DEVICE DROPOUT NUM_STEPS``: a few canonical training steps, told as JSON.

A process of its own for each device, because Theano cannot change its device once it is imported.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np

from mlp.backends.theano import TheanoBackend
from mlp.recipe import CANONICAL
from mlp.training import initial_parameters


def batch(size: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Images in [0, 1), (size, 1, 28, 28), and labels: the same for the same step everywhere."""
    random = np.random.RandomState(step)
    return random.uniform(size=(size, 1, 28, 28)).astype(np.float32), random.randint(0, 10, size).astype(np.uint8)


def main(device: str, dropout: str, num_steps: str) -> None:
    recipe = replace(CANONICAL, dropout=float(dropout))
    backend = TheanoBackend()
    backend.build(recipe, initial_parameters(recipe), device)
    backend.compile()
    losses = [backend.train_step(*batch(recipe.batch_size, step)) for step in range(int(num_steps))]
    backend.synchronize()
    report = {
        "losses": losses,
        "evaluation": backend.evaluate(*batch(recipe.batch_size, 0)),
        "types": [type(variable.type).__name__ for variable in backend._train_fn.get_shared()],
        "operations": sorted({type(node.op).__name__ for node in backend._train_fn.maker.fgraph.toposort()}),
        "sums": [float(np.abs(parameter).sum(dtype=np.float64)) for parameter in backend.parameters()],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
