"""Canonical recipe and published reference, each number with its source.

Source of both: "Lasagne Feedforward Tutorial: Code walk-through" (January 2016), a Lasagne/Theano
multilayer perceptron on MNIST.  RMSProp's ``rho`` and ``epsilon`` are the defaults of
``lasagne.updates.rmsprop`` in Lasagne 0.1, which the tutorial uses implicitly.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

from mlp.errors import RecipeError


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of one training run.

    Attributes
    ----------
    layer_widths : tuple of int
        Units per layer, input first: ``(784, 500, 300, 10)``.
    dropout : float in [0, 1)
        Probability that a hidden unit is dropped; the kept ones are scaled by ``1 / (1 - dropout)``.
    learning_rate, rho, epsilon : float
        RMSProp: ``accu = rho*accu + (1-rho)*g**2; p -= learning_rate * g / sqrt(accu + epsilon)``.
    batch_size : int
        Examples per minibatch; an incomplete last minibatch is skipped, as in the tutorial.
    num_epochs : int
        Passes over the training set.
    seed : int in [0, 2**31)
        Seeds the initial weights, the minibatch order and the dropout masks.

    Raises
    ------
    RecipeError
        If a value is of the wrong type or out of range.
    """

    layer_widths: tuple[int, ...] = (784, 500, 300, 10)
    dropout: float = 0.4
    learning_rate: float = 0.001
    rho: float = 0.9
    epsilon: float = 1e-6
    batch_size: int = 500
    num_epochs: int = 20
    seed: int = 1

    def __post_init__(self) -> None:
        _require_integer("batch size", self.batch_size, minimum=1)
        _require_integer("number of epochs", self.num_epochs, minimum=1)
        _require_integer("seed", self.seed, minimum=0)
        if self.seed >= 2**31:
            raise RecipeError(f"seed must be below 2**31, got {self.seed}: choose a smaller one.")
        if len(self.layer_widths) < 2:
            raise RecipeError(
                f"layer_widths must name at least an input and an output layer, got {self.layer_widths!r}."
            )
        for width in self.layer_widths:
            _require_integer("layer width", width, minimum=1)
        _require_number("dropout", self.dropout, low=0.0, high=1.0)
        _require_number("learning rate", self.learning_rate, low=0.0)
        _require_number("rho", self.rho, low=0.0, high=1.0)
        _require_number("epsilon", self.epsilon, low=0.0)

    def check_batch_fits(self, num_examples: int, what: str = "training set") -> None:
        """Raise RecipeError if ``num_examples`` are fewer than one minibatch."""
        if self.batch_size > num_examples:
            raise RecipeError(
                f"batch size {self.batch_size} is larger than the {what} of {num_examples} examples: "
                f"choose at most {num_examples}."
            )


def _require_integer(name: str, value: object, minimum: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise RecipeError(f"{name} must be a whole number, got {value!r}.")
    if value < minimum:
        raise RecipeError(f"{name} must be at least {minimum}, got {value}.")


def _require_number(name: str, value: object, low: float, high: float = float("inf")) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value < high:
        raise RecipeError(f"{name} must be a number in [{low:g}, {high:g}), got {value!r}.")


CANONICAL = Recipe()
# Version of the workload: raised by hand when durations are no longer comparable with those of the version before.
# 1 (2026-11): first version.
WORKLOAD_VERSION = 1
# MNIST as the tutorial splits it: the last 10,000 of the training file validate.
TRAINING_EXAMPLES, VALIDATION_EXAMPLES, TEST_EXAMPLES = 50_000, 10_000, 10_000


@dataclass(frozen=True)
class Reference:
    """Published result of the canonical recipe."""

    total_seconds: float  # wall clock, loading and compilation included
    test_accuracy: float  # fraction of the 10,000 test examples
    test_examples: int
    hardware: str
    date: str
    source: str


REFERENCE = Reference(
    total_seconds=32.2,
    test_accuracy=0.9829,
    test_examples=10_000,
    hardware="Intel i7 3.5 GHz + GTX 970",
    date="January 2016",
    source="Lasagne Feedforward Tutorial, code walk-through, January 2016",
)
