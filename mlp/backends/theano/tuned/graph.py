"""The canonical network as a graph of tuned operations, or Theano's own for disabled optimizations.

``parameters`` are the shared variables ``[W1, b1, W2, b2, ...]`` of a Lasagne network, which this graph trains.
Products, their gradients by ``theano.grad`` and the order of operations are Theano's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import theano
import theano.tensor as T
from lasagne.nonlinearities import rectify, softmax
from lasagne.objectives import categorical_crossentropy
from lasagne.updates import rmsprop
from theano.sandbox.rng_mrg import MRG_RandomStreams

from mlp.backends.theano.tuned.dropout_relu import DropoutRelu
from mlp.backends.theano.tuned.minibatch import Minibatch
from mlp.backends.theano.tuned.product import Product
from mlp.backends.theano.tuned.rmsprop import Rmsprop
from mlp.backends.theano.tuned.softmax_crossentropy import SoftmaxCrossentropy
from mlp.backends.theano.tuned.tuning import TuningParameters
from mlp.recipe import Recipe
from mlp.seeding import random_stream


def mask_keys(recipe: Recipe, num_layers: int) -> list[tuple[int, int]]:
    """Return Philox's key for each hidden layer's masks, from the recipe's seed."""
    return [tuple(key) for key in random_stream(recipe, "dropout").randint(2**32, size=(num_layers, 2)).tolist()]


class Scores(NamedTuple):
    """Outputs of the top layer: mean loss, accuracy, and the gradients that start ``theano.grad``."""

    loss: Any
    accuracy: Any
    known_gradients: OrderedDict[Any, Any] | None


class TunedGraph:
    """Expressions and functions of one network for a set of optimizations."""

    def __init__(
        self, parameters: Sequence[Any], recipe: Recipe, optimizations: frozenset[str], tuning: TuningParameters
    ) -> None:
        self.parameters = list(parameters)
        self.recipe = recipe
        self.optimizations = optimizations
        self.product_threads = tuning.num_threads
        self.num_threads = tuning.num_threads if "threads" in optimizations else 1  # of every other operation
        self._tiles = [theano.shared(np.array(tuning.of_layer(layer)), "tiles") for layer in self._layers()]

    def set_tiles(self, tuning: TuningParameters) -> None:
        """Replace the tiles in the compiled functions of this graph."""
        for layer, tiles in zip(self._layers(), self._tiles, strict=True):
            tiles.set_value(np.array(tuning.of_layer(layer)))

    def _layers(self) -> range:
        return range(1, len(self.parameters) // 2 + 1)

    def training_function(self) -> tuple[Any, OrderedDict[Any, Any]]:
        """Return ``train(images, labels, rows, step) -> mean loss`` on the minibatch ``images[rows]``, one update per
        call; and {shared variable: update} of the parameters and RMSProp's accumulators.

        images: float32 (n, 784); labels: int32 (n,); rows: int64 (b,); step: int64 scalar, distinct for each call.
        Without the optimization ``gather`` there are no rows: ``train(images, labels, step)``.
        """
        images, labels, rows, step = T.fmatrix("images"), T.ivector("labels"), T.lvector("rows"), T.lscalar("step")
        inputs, batch = [images, labels, step], (images, labels)
        if "gather" in self.optimizations:
            inputs, batch = [images, labels, rows, step], Minibatch(self.num_threads)(images, labels, rows)
        scores = self._scores(*batch, step, training=True)
        updates = self.updates(self._gradients(scores))
        return self._function(inputs, scores.loss, updates), updates

    def evaluation_function(self) -> Any:
        """Return ``evaluate(images, labels) -> [mean loss, accuracy]`` without dropout."""
        images, labels = T.fmatrix("images"), T.ivector("labels")
        scores = self._scores(images, labels, np.int64(0), training=False)
        return self._function([images, labels], [scores.loss, scores.accuracy])

    def _function(self, inputs: list[Any], outputs: Any, updates: Any = None) -> Any:
        linker = "cvm_nogc" if "buffers" in self.optimizations else "cvm"
        function = theano.function(inputs, outputs, updates=updates, mode=theano.Mode(linker), on_unused_input="ignore")
        function.trust_input = True  # the caller passes arrays of exactly the declared types
        return function

    def _scores(self, images: Any, labels: Any, step: Any, training: bool) -> Scores:
        keep = 1 - self.recipe.dropout if training else 1.0
        *hidden, top = zip(self.parameters[::2], self.parameters[1::2], strict=True)
        h = images
        keys = mask_keys(self.recipe, len(hidden))
        for (weights, biases), key, tiles in zip(hidden, keys, self._tiles[:-1], strict=True):
            h = self._hidden(self._product(h, weights, tiles), biases, keep, key, T.as_tensor_variable(step))
        weights, biases = top
        return self._top(self._product(h, weights, self._tiles[-1]), biases, labels)

    def _product(self, a: Any, b: Any, tiles: Any) -> Any:
        if "products" not in self.optimizations:
            return T.dot(a, b)
        return Product(self.product_threads, skip_zeros="sparsity" in self.optimizations)(a, b, tiles)

    def _hidden(self, z: Any, biases: Any, keep: float, key: tuple[int, int], step: Any) -> Any:
        if "dropout" in self.optimizations:
            return DropoutRelu(self.num_threads, keep)(z, biases, step, theano.shared(np.array(key, np.uint32)))
        h = rectify(z + biases)
        if keep == 1:
            return h
        mask = MRG_RandomStreams(1 + key[0] % 2147462578).binomial(h.shape, p=keep, dtype=h.dtype)
        return h / np.float32(keep) * mask  # as in lasagne.layers.DropoutLayer

    def _top(self, z: Any, biases: Any, labels: Any) -> Scores:
        if "loss" in self.optimizations:
            dz, dbiases, loss, accuracy = SoftmaxCrossentropy(self.num_threads)(z, biases, labels)
            return Scores(loss, accuracy, OrderedDict([(z, dz), (biases, dbiases)]))
        probabilities = softmax(z + biases)
        correct = T.eq(T.argmax(probabilities, axis=1), labels)
        return Scores(categorical_crossentropy(probabilities, labels).mean(), T.mean(correct, dtype="float32"), None)

    def _gradients(self, scores: Scores) -> list[Any]:
        if scores.known_gradients is None:
            return theano.grad(scores.loss, self.parameters)
        return theano.grad(None, self.parameters, known_grads=scores.known_gradients)

    def updates(self, gradients: list[Any]) -> OrderedDict[Any, Any]:
        """Return {shared variable: new value} of parameters and accumulators by Lasagne's RMSProp."""
        rates = (self.recipe.learning_rate, self.recipe.rho, self.recipe.epsilon)
        if "update" not in self.optimizations:
            return rmsprop(gradients, self.parameters, *rates)
        accumulators = [
            theano.shared(np.zeros_like(parameter.get_value(borrow=True)), broadcastable=parameter.broadcastable)
            for parameter in self.parameters
        ]
        old = [*self.parameters, *accumulators]
        new = Rmsprop(self.num_threads, len(self.parameters), *rates)(*old, *gradients)
        return OrderedDict(zip(old, new, strict=True))
