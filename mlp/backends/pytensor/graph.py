"""The recipe as PyTensor expressions: one graph for every mode, so that variants differ only in the mode.

Shapes: images are float32 (batch, inputs), labels int32 (batch,).  A batch size of ``None`` leaves the first dimension
open.  All constants are float32: a Python float would promote the arithmetic to float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlp.backends.pytensor.process import prepare
from mlp.recipe import Recipe
from mlp.seeding import random_stream

prepare()  # before pytensor, which reads PYTENSOR_FLAGS when it is imported

import pytensor  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from pytensor.gradient import disconnected_grad  # noqa: E402

Updates = dict[Any, Any]  # shared variable -> the expression of its next value


class Graph:
    """Shared variables of the network, initially zero, and the expressions of them."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        shapes: list[tuple[int, ...]] = []
        for num_inputs, num_units in zip(recipe.layer_widths[:-1], recipe.layer_widths[1:], strict=True):
            shapes += [(num_inputs, num_units), (num_units,)]
        self.parameters = [_zeros(shape) for shape in shapes]
        self.accumulators = [_zeros(shape) for shape in shapes]
        self._dropout_seed = random_stream(recipe, "dropout").randint(2**31)

    def training(self, batch_size: int | None) -> tuple[list[Any], Any, Updates]:
        """Return inputs, the mean loss with dropout, and the updates of RMSProp and of the dropout streams."""
        images, labels = self._inputs(batch_size)
        logits, updates = self._logits(images, dropout=self.recipe.dropout > 0)
        loss = _cross_entropy(logits, labels)
        updates.update(self._rmsprop(loss))
        return [images, labels], loss, updates

    def evaluation(self, batch_size: int | None) -> tuple[list[Any], Any, Updates]:
        """Return inputs, and mean loss and accuracy without dropout."""
        images, labels = self._inputs(batch_size)
        logits, updates = self._logits(images, dropout=False)
        hits = pt.cast(pt.eq(pt.argmax(logits, axis=1), labels), "float32")
        return [images, labels], [_cross_entropy(logits, labels), hits.mean(dtype="float32")], updates

    def probabilities(self, batch_size: int | None) -> tuple[list[Any], Any, Updates]:
        """Return inputs (without labels), and the softmax outputs without dropout."""
        images, _ = self._inputs(batch_size)
        logits, updates = self._logits(images, dropout=False)
        return [images], pt.exp(_log_softmax(logits)), updates

    def _inputs(self, batch_size: int | None) -> tuple[Any, Any]:
        images = pt.matrix("images", dtype="float32", shape=(batch_size, self.recipe.layer_widths[0]))
        return images, pt.vector("labels", dtype="int32", shape=(batch_size,))

    def _logits(self, images: Any, dropout: bool) -> tuple[Any, Updates]:
        """Return the last layer's pre-activations, and the updates of the used dropout streams."""
        updates: Updates = {}
        activation = images
        layers = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for layer, (weights, biases) in enumerate(layers[:-1]):
            pre_activation = activation @ weights + biases
            # Not maximum(pre_activation, 0), whose gradient at 0 is 1; the oracle's is 0.
            activation = pt.switch(pre_activation > np.float32(0), pre_activation, np.float32(0))
            if dropout:
                activation, stream, next_stream = self._dropped(activation, layer)
                updates[stream] = next_stream
        weights, biases = layers[-1]
        return activation @ weights + biases, updates

    def _dropped(self, activation: Any, layer: int) -> tuple[Any, Any, Any]:
        """Return ``activation`` times a fresh mask, drawn for each example and unit; the stream, and its successor.

        A function for another fixed batch size has separate streams, seeded also by its size: JAX mode gives every
        function a private copy, and two copies of one stream would draw equal masks.
        """
        batch_size, num_units = activation.type.shape
        stream = pytensor.shared(np.random.default_rng([self._dropout_seed, layer, batch_size or 0]))
        keep = 1 - self.recipe.dropout
        # Uniform numbers instead of PyTensor's bernoulli, which the C mode draws through SciPy, more slowly.
        next_stream, uniform = stream.uniform(
            np.float32(0), np.float32(1), size=(activation.shape[0], num_units), dtype="float32"
        )
        dropped = pt.switch(uniform < np.float32(keep), activation * np.float32(1 / keep), np.float32(0))
        return dropped, stream, next_stream

    def _rmsprop(self, loss: Any) -> Updates:
        """Return accu = rho*accu + (1-rho)*g**2; p -= learning_rate * g / sqrt(accu + epsilon), as in Lasagne 0.1."""
        recipe = self.recipe
        updates: Updates = {}
        gradients = pt.grad(loss, self.parameters)
        for parameter, accumulator, gradient in zip(self.parameters, self.accumulators, gradients, strict=True):
            accu = np.float32(recipe.rho) * accumulator + np.float32(1 - recipe.rho) * gradient**2
            step = np.float32(recipe.learning_rate) * gradient / pt.sqrt(accu + np.float32(recipe.epsilon))
            updates[accumulator] = accu
            updates[parameter] = parameter - step
        return updates


def _zeros(shape: tuple[int, ...]) -> Any:
    # With a fixed shape: an open one adds shape assertions to every graph, which PYTORCH mode cannot compile.
    return pytensor.shared(np.zeros(shape, np.float32), shape=shape)


def _log_softmax(logits: Any) -> Any:
    """Return log(exp(z_i) / sum_j exp(z_j)), shifted by the largest z to avoid overflow.

    Written out, because PyTensor's own is a nested graph, which C mode compiles by numba.  The shift cancels, so no
    gradient flows through it.
    """
    shifted = logits - disconnected_grad(logits.max(axis=1, keepdims=True))
    return shifted - pt.log(pt.exp(shifted).sum(axis=1, keepdims=True))


def _cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the mean of -log p(label); the entry is selected by a product, whose gradient every mode can compile."""
    num_classes = logits.type.shape[1]
    one_hot = pt.constant(np.eye(num_classes, dtype=np.float32))[labels]
    return -(_log_softmax(logits) * one_hot).sum(axis=1).mean(dtype="float32")
