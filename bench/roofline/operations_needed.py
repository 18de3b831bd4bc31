"""Bound "operations needed" of an epoch: the operations that the data leaves, at the machine's highest rate.

``seconds = FLOP of the terms without a zero factor, of results that are used / rate of the fastest product``

Both kinds of zeros are left out: factors (blank pixels, units that ReLU or dropout stopped, their gradients), and
results that are multiplied by zero afterwards (of a dropped unit, or the gradient of one that stopped).  Passes over
memory count nothing, as they can overlap.  So no implementation of the recipe is faster, unless the fastest product of
the run was disturbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.records.ceilings import Ceiling, Ceilings
from bench.roofline.ceilings import LOWER_PRECISIONS, lower_precision
from mlp.recipe import CANONICAL, TRAINING_EXAMPLES, VALIDATION_EXAMPLES, Recipe


@dataclass(frozen=True)
class CountedOperations:
    """FLOP that one example needs in a training step and in an evaluation."""

    train_flop: float
    evaluate_flop: float


# By the identity of the dataset, for the canonical widths and dropout: the smallest of the counts on the first
# minibatch before and after each epoch, rounded down to 10,000 (``python -m benchmarks.operations_needed``).  Dense
# products have 2,486,000 and 1,090,000.  Counts fall while the network learns: units specialise.
COUNTED = {"mnist": CountedOperations(170_000, 220_000)}


@dataclass(frozen=True)
class OperationsNeeded:
    """Bound of an epoch in seconds, and what it follows from."""

    counted: CountedOperations
    peak: Ceiling

    @property
    def train_epoch_seconds(self) -> float:
        return TRAINING_EXAMPLES * self.counted.train_flop / float(self.peak.flop_per_second or np.nan)

    @property
    def validate_epoch_seconds(self) -> float:
        return VALIDATION_EXAMPLES * self.counted.evaluate_flop / float(self.peak.flop_per_second or np.nan)


def operations_needed_of(
    ceilings: Ceilings, recipe: Recipe, dataset: str | None, precision: str | None = None
) -> OperationsNeeded | None:
    """Return the bound on the dataset of this identity; None if it was not counted there, or no product was measured.

    The peak is the fastest sample of any product of ``precision`` (None: float32), even one on which processes
    disagree: load can only make it too low.
    """
    counted = COUNTED.get(dataset or "")
    is_canonical = (recipe.layer_widths, recipe.dropout) == (CANONICAL.layer_widths, CANONICAL.dropout)
    lower = precision if precision in LOWER_PRECISIONS else None
    products = [
        one
        for one in ceilings.measured
        if one.name.startswith("gemm_") and one.flop_per_second and lower_precision(one.name) == lower
    ]
    if counted is None or not is_canonical or not products:
        return None
    return OperationsNeeded(counted, max(products, key=lambda one: one.flop_per_second or 0.0))


def training_flop(inputs: Sequence[np.ndarray], kept: Sequence[np.ndarray], num_classes: int) -> int:
    """Return the FLOP that a training step needs: a multiplication and an addition for each term.

    inputs: (batch, width) of each layer, the images first; kept: bool (batch, units) of each hidden layer, False for
    a unit that dropout left out.
    """
    active = [np.count_nonzero(one, axis=1) for one in inputs]  # (batch,) for each layer
    computed = [*(np.count_nonzero(one, axis=1) for one in kept), np.full(len(inputs[0]), num_classes)]
    gradients = [*active[1:], computed[-1]]  # a unit that is not active has no gradient
    forward = sum(int(x @ z) for x, z in zip(active, computed, strict=True))
    weights = sum(int(x @ dz) for x, dz in zip(active, gradients, strict=True))
    below = sum(int(x @ dz) for x, dz in list(zip(active, gradients, strict=True))[1:])
    return 2 * (forward + weights + below)


def evaluation_flop(inputs: Sequence[np.ndarray], widths: Sequence[int]) -> int:
    """Return the FLOP that the evaluation of these examples needs; ``widths`` are the units of each layer.

    inputs: (batch, width) of each layer, the images first.
    """
    return 2 * sum(np.count_nonzero(x) * units for x, units in zip(inputs, widths, strict=True))
