"""The recipe as pure JAX functions, traced once for each shape, compiled by ``mlp.backends.jax.backend``.

Shapes: images (n, 784) or (n, 1, 28, 28), float32 or, as pixels, uint8; labels integers (n,); one epoch's order int32
(steps, batch size).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlp.backends.resident import PIXEL_LEVELS
from mlp.recipe import Recipe

# Full float32 is the canonical precision on every device: by default JAX multiplies in TF32 on recent NVIDIA GPUs
# (docs.jax.dev, "Default dtypes and precision").  The presets reach the products of the backward pass, too.
PRECISIONS = {
    "float32": jax.lax.Precision.HIGHEST,
    "tf32": jax.lax.DotAlgorithmPreset.TF32_TF32_F32,
    "bfloat16": jax.lax.DotAlgorithmPreset.BF16_BF16_F32,
}


class State(NamedTuple):
    """State of training: parameters, RMSProp's running mean of squares, and position in the dropout stream."""

    parameters: list[jax.Array]
    accumulators: list[jax.Array]
    dropout_key: jax.Array
    num_steps: jax.Array  # uint32 (): folded into the key, so that every step draws new masks


class Program:
    """Functions of one recipe at one precision, as methods that ``jax.jit`` can trace."""

    def __init__(self, recipe: Recipe, precision: str) -> None:
        self._recipe = recipe
        self._precision = PRECISIONS[precision]

    def train_step(self, state: State, images: jax.Array, labels: jax.Array) -> tuple[State, jax.Array]:
        """Return the state after one RMSProp update with dropout, and the loss before it."""
        recipe = self._recipe
        masks = self._masks(jax.random.fold_in(state.dropout_key, state.num_steps), len(images))
        loss, gradients = jax.value_and_grad(self._loss)(state.parameters, images, labels, masks)
        accumulators = [
            recipe.rho * accu + (1 - recipe.rho) * gradient**2
            for accu, gradient in zip(state.accumulators, gradients, strict=True)
        ]
        parameters = [
            parameter - recipe.learning_rate * gradient / jnp.sqrt(accu + recipe.epsilon)
            for parameter, gradient, accu in zip(state.parameters, gradients, accumulators, strict=True)
        ]
        return State(parameters, accumulators, state.dropout_key, state.num_steps + 1), loss

    def train_epoch(
        self, state: State, images: jax.Array, labels: jax.Array, order: jax.Array
    ) -> tuple[State, jax.Array]:
        """Run all steps of ``order`` as one loop on the device; return the state and the losses, (steps,)."""

        def body(state: State, batch: jax.Array) -> tuple[State, jax.Array]:
            return self.train_step(state, images[batch], labels[batch])

        return jax.lax.scan(body, state, order)

    def evaluate(self, parameters: list[jax.Array], images: jax.Array, labels: jax.Array) -> jax.Array:
        """Return mean loss and accuracy without dropout, float32 (2,)."""
        log_probabilities = jax.nn.log_softmax(self._logits(parameters, images))
        hits = jnp.argmax(log_probabilities, axis=1) == labels
        return jnp.stack([_cross_entropy(log_probabilities, labels), jnp.mean(hits)])

    def probabilities(self, parameters: list[jax.Array], images: jax.Array) -> jax.Array:
        return jax.nn.softmax(self._logits(parameters, images))

    def _loss(self, parameters: list[jax.Array], images: jax.Array, labels: jax.Array, masks: Any) -> jax.Array:
        return _cross_entropy(jax.nn.log_softmax(self._logits(parameters, images, masks)), labels)

    def _logits(self, parameters: list[jax.Array], images: jax.Array, masks: Any = None) -> jax.Array:
        activation = images.reshape(len(images), -1)
        if activation.dtype == jnp.uint8:
            activation = activation.astype(jnp.float32) / PIXEL_LEVELS  # exact, as on the host
        num_layers = len(parameters) // 2
        for layer in range(num_layers):
            weights, biases = parameters[2 * layer : 2 * layer + 2]
            pre_activation = jnp.matmul(activation, weights, precision=self._precision) + biases
            if layer == num_layers - 1:
                return pre_activation
            activation = jax.nn.relu(pre_activation)
            if masks is not None:
                activation = jnp.where(masks[layer], activation / (1 - self._recipe.dropout), 0)
        raise AssertionError("a recipe has at least one layer")

    def _masks(self, key: jax.Array, num_examples: int) -> list[jax.Array] | None:
        """Return the masks of kept units for each hidden layer, bool (n, units), as columns of one draw."""
        widths = self._recipe.layer_widths[1:-1]
        if not self._recipe.dropout or not widths:
            return None
        kept = jax.random.bernoulli(key, 1 - self._recipe.dropout, (num_examples, sum(widths)))
        ends = [sum(widths[: layer + 1]) for layer in range(len(widths) - 1)]
        return jnp.split(kept, ends, axis=1)


def _cross_entropy(log_probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    picked = jnp.take_along_axis(log_probabilities, labels.astype(jnp.int32)[:, None], axis=1)
    return -jnp.mean(picked)
