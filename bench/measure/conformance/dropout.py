"""Clauses of dropout: rate, scale, independence, and determinism by the seed.

Rates and correlations are within five standard errors, so that a correct backend fails about once in 100,000.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.measure.conformance.clauses import Clause
from bench.measure.conformance.deviation import Deviation, close, same, true
from bench.measure.conformance.example import MASKS
from bench.measure.conformance.masks import (
    KEEP,
    UNITS,
    UnexplainedLoss,
    first_losses,
    losses_of_masks,
    losses_of_seed,
    masks_of,
    telling,
)
from bench.measure.conformance.stack import CheckedStack, Oracle
from mlp import backends, registry
from mlp.backends import Available

STEPS = 1500
STANDARD_ERRORS = 5


def dropout(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    losses = losses_of_masks(telling(stack.compiled(MASKS)), STEPS)
    try:
        m1, m2 = masks_of(losses)
    except UnexplainedLoss as error:
        yield true("kept units are scaled by 1/0.6", False, f"there is {error}")
        return
    given = m1[m2]  # a layer that repeated the other's mask would have 1.0 here
    for what, draws in (("rate of kept units", m2), ("rate of kept units of the first layer", given)):
        error = np.sqrt(KEEP * (1 - KEEP) / draws.size) if draws.size else 0
        yield close(what, draws.mean() if draws.size else np.nan, KEEP, abs=STANDARD_ERRORS * error)
    bound = STANDARD_ERRORS / np.sqrt(STEPS)
    columns = m2.astype(float).T
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.corrcoef(columns)[np.triu_indices(UNITS, 1)]
        yield close("correlations between units", between, np.zeros_like(between), abs=bound)
        for lag in (1, 2):
            each = [np.corrcoef(column[lag:], column[:-lag])[0, 1] for column in columns]
            yield close(f"correlations with the masks {lag} steps before", each, np.zeros(UNITS), abs=bound)


def masks_of_examples(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    """Were one mask shared by all 64, their mean loss would scatter as much as a single one: eight times as much."""
    backend = telling(stack.compiled(MASKS))
    single = np.std(losses_of_masks(backend, 300))
    images, labels = np.zeros((64, 784), np.float32), np.zeros(64, np.uint8)
    many = np.std([backend.train_step(images, labels) for _ in range(300)])
    yield close("scatter of the mean loss of 64 examples, times 8", many * 8, single, rel=0.35)


def seed(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    yield same("losses of another backend with seed 1", losses_of_seed(stack, 1), first_losses(stack))
    other = losses_of_seed(stack, 2)
    yield true("seed 2 draws other masks", other != first_losses(stack), "its losses are those of seed 1")


def declared_masks(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    """Between variants that declare the same masks accuracies are compared seed by seed."""
    first = _first_of_equal_masks(stack)
    ours, theirs = masks_of(first_losses(stack)), masks_of(first_losses(first))
    yield same(f"masks of {first}", ours, theirs)


def _first_of_equal_masks(stack: CheckedStack) -> CheckedStack:
    for backend in backends.load_usable(registry.names())[0]:
        for variant in backend.variants:
            if variant.masks == stack.declared.masks and stack.device.partition(":")[0] in variant.devices:
                if isinstance(backends.probe(backend.name, variant.name, stack.device), Available):
                    return CheckedStack(backend.name, variant.name, stack.device)
    return stack


def _spells_no_masks(stack: CheckedStack) -> str | None:
    if stack.precision == "bfloat16" and not stack.stand_in:
        return "losses of this precision cannot spell out the masks"
    return None


def _own_masks(stack: CheckedStack) -> str | None:
    return "its masks are its own" if stack.declared.masks is None else None


OF_DROPOUT = (
    Clause(dropout, "dropout keeps 60 % independently, scaled by 1/0.6", _spells_no_masks),
    Clause(masks_of_examples, "every example of a minibatch has masks of its own"),
    Clause(seed, "the seed decides the masks"),
    Clause(declared_masks, "variants that declare the same masks draw the same", _own_masks),
)
