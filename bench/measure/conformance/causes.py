"""Likely causes of a violated clause: oracles with one mistake each, with which the stack agrees or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.measure.conformance.clauses import Clause
from bench.measure.conformance.deviation import Deviation
from bench.measure.conformance.stack import CheckedStack
from mlp.backends.base import Variant
from mlp.backends.numpy import NumpyBackend
from mlp.recipe import Recipe
from mlp.training import initial_parameters


class _Mistaken(NumpyBackend):
    """Oracle with a mistake; ``cause`` describes it."""

    cause: str
    variants = (Variant("float64", "", precision="float64"),)

    def _update(self, accu: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return the amount that a parameter loses; changes ``accu``."""
        recipe = self.recipe
        accu *= recipe.rho
        accu += (1 - recipe.rho) * gradient**2
        return recipe.learning_rate * gradient / np.sqrt(accu + recipe.epsilon)

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        loss, gradients = self.loss_and_gradients(images, labels)
        for parameter, accu, gradient in zip(self._parameters, self._accus, gradients, strict=True):
            parameter -= self._update(accu, gradient)
        return loss


class _EpsilonOutsideTheRoot(_Mistaken):
    cause = "epsilon is outside the root, g / (sqrt(accu) + epsilon): Lasagne has it inside"

    def _update(self, accu: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        super()._update(accu, gradient)
        return self.recipe.learning_rate * gradient / (np.sqrt(accu) + self.recipe.epsilon)


class _RhoSwapped(_Mistaken):
    cause = "rho and 1 - rho are swapped in the running mean of squared gradients"

    def _update(self, accu: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        accu *= 1 - self.recipe.rho
        accu += self.recipe.rho * gradient**2
        return self.recipe.learning_rate * gradient / np.sqrt(accu + self.recipe.epsilon)


class _AccuStartsAtOne(_Mistaken):
    cause = "the running mean of squared gradients starts at 1, not at 0"

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        super().set_parameters(parameters)
        self._accus = [np.ones_like(parameter) for parameter in self._parameters]


class _GradientDescent(_Mistaken):
    cause = "the update is plain gradient descent, without RMSProp's division"

    def _update(self, accu: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        return self.recipe.learning_rate * gradient


class _SumOfLosses(_Mistaken):
    cause = "the loss is the sum over the minibatch, not the mean"

    def loss_and_gradients(
        self, images: np.ndarray, labels: np.ndarray, dropout: bool = True
    ) -> tuple[float, list[np.ndarray]]:
        loss, gradients = super().loss_and_gradients(images, labels, dropout)
        return loss * len(labels), [gradient * len(labels) for gradient in gradients]


class _LossAfterTheUpdate(_Mistaken):
    cause = "the loss is that after the update, not before it"

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        super().train_step(images, labels)
        return self.loss_and_gradients(images, labels)[0]


class _BiasesStay(_Mistaken):
    cause = "the biases are not trained"

    def loss_and_gradients(self, *arguments: Any, **more: Any) -> tuple[float, list[np.ndarray]]:
        loss, gradients = super().loss_and_gradients(*arguments, **more)
        return loss, [gradient if gradient.ndim > 1 else np.zeros_like(gradient) for gradient in gradients]


class _ScaledTwice(_Mistaken):
    cause = "the images are scaled again: they come in [0, 1)"

    def _forward(self, images: np.ndarray, dropout: bool) -> Any:
        return super()._forward(np.asarray(images) / np.float64(256), dropout)


class _WholeEvaluation(_Mistaken):
    cause = "the incomplete last minibatch is evaluated, too"
    evaluates_remainder = True

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        probabilities = self._forward(images, dropout=False)[2]
        losses = -np.log(probabilities[np.arange(len(labels)), labels])
        return float(losses.mean()), float((probabilities.argmax(axis=1) == labels).mean())


class _Logits(_Mistaken):
    cause = "the outputs are logits: the softmax is missing"

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        activation = np.asarray(images, np.float64).reshape(len(images), -1)
        layers = list(zip(self._parameters[::2], self._parameters[1::2], strict=True))
        for weights, biases in layers[:-1]:
            activation = np.maximum(activation @ weights + biases, 0)
        return (activation @ layers[-1][0] + layers[-1][1]).astype(np.float32)


class _InOrderOfTheData(_Mistaken):
    cause = "the minibatches are taken in the order of the data, not in the given one"
    ignores_order = True


MISTAKES = tuple(_Mistaken.__subclasses__())
_IN_WORDS = {
    "evaluation_repeats": "dropout is on while evaluating, or evaluation changes the parameters",
    "optimiser_reset": "set_parameters leaves the optimiser's state as it was",
    "parameters": "set_parameters keeps, or parameters() returns, the array itself and no copy, or another dtype",
    "seed": "the masks are drawn from a generator that the recipe's seed does not decide alone, such as a global one",
    "compiling_changes_nothing": "compile() runs a step and does not put parameters and random state back",
    "builds_are_independent": "state is kept in the class or the module, not in the backend",
    "inputs_unchanged": "it computes in the arrays that it is given",
    "masks_of_examples": "one mask is drawn for the whole minibatch",
    "device": "availability() answers from what is installed, not from what is there",
    "bad_input": "shapes are not checked before they are broadcast or reshaped",
    "declared_masks": "these variants draw from different generators: give Variant.masks another name",
    "input_forms": "images are not reshaped to (n, 784), or labels are not taken as integers",
}


def likely_cause(clause: Clause, stack: CheckedStack, violated: Sequence[Deviation]) -> str | None:
    """Return the mistake that explains all numbers of a violated clause, else its most frequent one."""
    if any("NaN" in one.detail for one in violated):
        return "a number is NaN or infinite: softmax and logarithm need a stable form, or a buffer is not initialized"
    if clause.name == "dropout":
        return _cause_of_dropout(violated)
    for mistake in MISTAKES:
        if _explains(mistake, clause, stack):
            return mistake.cause
    return _IN_WORDS.get(clause.name)


def _explains(mistake: type[_Mistaken], clause: Clause, stack: CheckedStack) -> bool:
    """Return True if the clause holds with this oracle; the first check that does not ends it."""

    def oracle(recipe: Recipe) -> _Mistaken:
        backend = mistake()
        backend.build(recipe, initial_parameters(recipe))
        return backend

    with np.errstate(all="ignore"):  # a mistaken reference may diverge, and then explains nothing
        return all(one.holds for one in clause.check(stack, oracle))


def _cause_of_dropout(violated: Sequence[Deviation]) -> str:
    what = violated[0].what
    if "scaled" in what:
        return "kept units are not scaled by 1 / (1 - dropout) while training, or evaluation scales them instead"
    if "rate" in what:
        return "the recipe's dropout is the probability of dropping, not of keeping; or dropout is off"
    return "units, layers or steps share random numbers: each needs its own"
