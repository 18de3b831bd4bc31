"""NumPy backend, the oracle: network, gradient and update written out, in float64 (or float32 for timing).

With ``x`` the input of a layer and ``d`` the gradient of the loss at its pre-activation: ``dW = x.T @ d``,
``db = sum(d)``, and ``d @ W.T`` goes to the layer below.  For softmax with mean cross-entropy over n examples the
top gradient is ``(p - onehot) / n``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlp.backends.base import Available, Backend, Unavailable, Variant
from mlp.recipe import Recipe
from mlp.seeding import random_stream


class NumpyBackend(Backend):
    name = "numpy"
    variants = (
        Variant("float64", "the oracle", precision="float64", devices=("cpu",), standard=False, masks="NumPy"),
        Variant("float32", "the same code in float32", devices=("cpu",), masks="NumPy"),
    )

    @classmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        if device != "cpu":
            return Unavailable("NumPy computes on the CPU only", "Measure device cpu instead.")
        return Available(f"NumPy {np.__version__}")

    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        self.recipe = recipe
        self._dtype = np.dtype(self.variant.precision)
        self._masks = random_stream(recipe, "dropout")
        self.set_parameters(parameters)
        self.network = self

    def compile(self) -> None:
        """Do nothing: NumPy compiles nothing."""

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        loss, gradients = self.loss_and_gradients(images, labels)
        recipe = self.recipe
        for parameter, accu, gradient in zip(self._parameters, self._accus, gradients, strict=True):
            accu *= recipe.rho
            accu += (1 - recipe.rho) * gradient**2
            parameter -= recipe.learning_rate * gradient / np.sqrt(accu + recipe.epsilon)
        return loss

    def loss_and_gradients(
        self, images: np.ndarray, labels: np.ndarray, dropout: bool = True
    ) -> tuple[float, list[np.ndarray]]:
        """Return mean loss and its gradients in the order of the parameters, with fresh dropout masks."""
        inputs, scaled_masks, probabilities = self._forward(images, dropout)
        num_examples = len(images)
        rows = np.arange(num_examples)  # another number of labels does not broadcast with it, and raises IndexError
        loss = -np.mean(np.log(probabilities[rows, labels]), dtype=np.float64)

        delta = probabilities
        delta[rows, labels] -= 1
        delta /= num_examples
        gradients: list[np.ndarray] = []
        for layer in reversed(range(len(inputs))):
            gradients[:0] = [inputs[layer].T @ delta, delta.sum(axis=0)]
            if layer:
                delta = delta @ self._parameters[2 * layer].T
                delta *= scaled_masks[layer - 1]
        return float(loss), gradients

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        losses, accuracies = [], []
        for batch_images, batch_labels in self._minibatches(images, labels):
            probabilities = self._forward(batch_images, dropout=False)[2]
            rows = np.arange(len(batch_labels))
            losses.append(-np.mean(np.log(probabilities[rows, batch_labels]), dtype=np.float64))
            accuracies.append(np.mean(probabilities.argmax(axis=1) == batch_labels))
        return float(np.mean(losses)), float(np.mean(accuracies))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        return self._forward(images, dropout=False)[2].astype(np.float32)

    def parameters(self) -> list[np.ndarray]:
        return [parameter.astype(np.float32) for parameter in self._parameters]

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        self._parameters = [np.array(parameter, dtype=self._dtype) for parameter in parameters]
        self._accus = [np.zeros_like(parameter) for parameter in self._parameters]

    def synchronize(self) -> None:
        """Do nothing: NumPy computes synchronously."""

    def _forward(self, images: np.ndarray, dropout: bool) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        """Return layer inputs, derivatives of the hidden layers (ReLU's 0 or 1, times the mask), and probabilities."""
        activation = np.asarray(images, dtype=self._dtype).reshape(len(images), -1)
        inputs, scaled_masks = [], []
        num_layers = len(self._parameters) // 2
        for layer in range(num_layers):
            inputs.append(activation)
            weights, biases = self._parameters[2 * layer : 2 * layer + 2]
            pre_activation = activation @ weights + biases
            if layer == num_layers - 1:
                break
            mask = (pre_activation > 0).astype(self._dtype)
            if dropout and self.recipe.dropout > 0:
                keep = 1 - self.recipe.dropout
                mask *= (self._masks.random_sample(pre_activation.shape) < keep) / self._dtype.type(keep)
            activation = pre_activation * mask
            scaled_masks.append(mask)
        exponentials = np.exp(pre_activation - pre_activation.max(axis=1, keepdims=True))
        return inputs, scaled_masks, exponentials / exponentials.sum(axis=1, keepdims=True)


BACKEND = NumpyBackend
