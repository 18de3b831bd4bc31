"""Dropout masks, read off the losses of a network whose parameters spell them out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from bench.measure.conformance.example import MASKS
from bench.measure.conformance.stack import CheckedStack
from mlp.backends import Backend
from mlp.training import initial_parameters

UNITS = 4
LOWEST_LOGIT, LOGIT_STEP = -4.0, 0.1
KEEP = 1 - MASKS.dropout


class UnexplainedLoss(ValueError):
    """A loss that no pair of masks with the scale 1 / 0.6 explains."""


def mask_telling_parameters() -> list[np.ndarray]:
    """Return parameters under which a loss spells out both masks of one example, independently of its image.

    The first hidden layer is 1 everywhere before its mask m1; the second is 1 + 0.6 * m1 / 0.6 = 1 + m1 before its
    mask m2.  So unit j of the second layer is digit_j / 0.6 with digit_j = m2 * (1 + m1), which is 0, 1 or 2; the
    logit of class 0 is LOWEST_LOGIT + LOGIT_STEP * sum(3**j * digit_j), and all other logits are 0.
    """
    parameters = [np.zeros_like(array) for array in initial_parameters(MASKS)]
    _, b1, W2, b2, W3, b3 = parameters
    b1[:] = 1
    W2[:] = KEEP * np.eye(UNITS)
    b2[:] = 1
    W3[:, 0] = LOGIT_STEP * KEEP * 3 ** np.arange(UNITS)
    b3[0] = LOWEST_LOGIT
    return parameters


def masks_of(losses: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return (m1, m2), each bool (steps, UNITS), from the losses of label 0: loss = log(1 + 9 * exp(-logit)).

    m1 is known only where m2 is 1.  Raises UnexplainedLoss if a loss is that of no masks.
    """
    logits = -np.log(np.expm1(np.asarray(losses, np.float64)) / 9)
    values = (logits - LOWEST_LOGIT) / LOGIT_STEP
    whole = np.rint(values)
    if not np.abs(values - whole).max() < 0.25 or whole.min() < 0 or whole.max() >= 3**UNITS:
        raise UnexplainedLoss("a loss that no pair of masks with scale 1/0.6 explains")
    digits = whole.astype(int)[:, None] // 3 ** np.arange(UNITS) % 3
    return digits == 2, digits > 0


def telling(backend: Backend) -> Backend:
    """Return ``backend`` with the parameters that spell out its masks."""
    backend.set_parameters(mask_telling_parameters())
    return backend


def losses_of_masks(backend: Backend, num_steps: int) -> list[float]:
    """Return the losses of steps of one example."""
    images, labels = np.zeros((num_steps, 784), np.float32), np.zeros(num_steps, np.uint8)
    told: list[float] = []
    backend.train_epoch(images, labels, np.arange(num_steps), lambda _, loss: told.append(loss))
    return told


def losses_of_seed(stack: CheckedStack, seed: int) -> list[float]:
    """Return the losses of a backend of its own, which tell its masks."""
    return losses_of_masks(telling(stack.fresh(replace(MASKS, seed=seed))), 40)


@cache
def first_losses(stack: CheckedStack) -> list[float]:
    return losses_of_seed(stack, 1)
