"""The workload in five functions.  They are written in NumPy and conform: replace one after the other.

The network is 784 inputs, hidden layers of ReLU with dropout, and a softmax; the loss is the mean cross-entropy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlp.backends import Variant
from mlp.backends.functional import FunctionalBackend
from mlp.recipe import Recipe


class TemplateBackend(FunctionalBackend):
    name = "backend_template"
    variants = (Variant("eager", "one operation after the other", devices=("cpu",)),)

    def begin(self, recipe: Recipe, seed: int, device: str) -> None:
        """Define network, loss and update; the dropout masks follow from ``seed``."""
        self._random = np.random.default_rng(seed)

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        """Copy ``[W1, b1, W2, b2, ...]``, float32, (inputs, units) and (units,); reset the optimiser's state to 0."""
        self._parameters = [np.array(array, np.float32) for array in parameters]
        self._accus = [np.zeros_like(array) for array in self._parameters]

    def parameters(self) -> list[np.ndarray]:
        """Return copies of them."""
        return [array.copy() for array in self._parameters]

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Make one update on a minibatch with dropout; return the mean loss before it.

        RMSProp as in Lasagne: accu = rho*accu + (1-rho)*g**2; p -= learning_rate * g / sqrt(accu + epsilon).
        """
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images and {len(labels)} labels")
        inputs, slopes, probabilities = self._forward(images, train=True)
        rows, recipe = np.arange(len(labels)), self.recipe
        loss = -np.mean(np.log(probabilities[rows, labels]), dtype=np.float64)
        delta = probabilities
        delta[rows, labels] -= 1
        delta /= len(labels)
        for layer in reversed(range(len(inputs))):
            gradients = inputs[layer].T @ delta, delta.sum(axis=0)
            if layer:
                delta = delta @ self._parameters[2 * layer].T * slopes[layer - 1]
            for place, gradient in zip((2 * layer, 2 * layer + 1), gradients, strict=True):
                accu = self._accus[place]
                accu *= recipe.rho
                accu += (1 - recipe.rho) * gradient**2
                self._parameters[place] -= recipe.learning_rate * gradient / np.sqrt(accu + recipe.epsilon)
        return float(loss)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the softmax without dropout, float32 (n, 10)."""
        return self._forward(images, train=False)[2]

    def _forward(self, images: np.ndarray, train: bool) -> tuple[list, list, np.ndarray]:
        """Return the inputs of the layers, the slopes of the hidden ones (mask and scale included), and the softmax."""
        activation = np.asarray(images, np.float32).reshape(len(images), -1)
        layers = list(zip(self._parameters[::2], self._parameters[1::2], strict=True))
        keep, inputs, slopes = 1 - self.recipe.dropout, [], []
        for weights, biases in layers[:-1]:
            inputs.append(activation)
            before = activation @ weights + biases
            slope = (before > 0).astype(np.float32)
            if train and keep < 1:
                slope *= (self._random.random(before.shape, np.float32) < keep) / np.float32(keep)
            activation = before * slope
            slopes.append(slope)
        inputs.append(activation)
        logits = activation @ layers[-1][0] + layers[-1][1]
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return inputs, slopes, exponentials / exponentials.sum(axis=1, keepdims=True)
