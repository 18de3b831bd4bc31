"""The canonical network and its Theano functions: the tutorial as one flat file.

Source: "Lasagne Feedforward Tutorial", code walk-through, January 2016.  The network is the tutorial's, line by line;
only its numbers come from a Recipe, whose defaults are the tutorial's.

Shapes: images are float32 (n, 1, 28, 28) in [0, 1), labels are integers (n,) from 0 to 9.
"""

from __future__ import annotations

from mlp.theano_compat import install

install()  # before theano: see mlp/theano_compat

import lasagne  # noqa: E402
import theano  # noqa: E402
import theano.tensor as T  # noqa: E402
from lasagne.layers import DenseLayer, DropoutLayer, InputLayer  # noqa: E402
from lasagne.nonlinearities import rectify, softmax  # noqa: E402
from lasagne.objectives import categorical_crossentropy  # noqa: E402
from lasagne.updates import rmsprop  # noqa: E402

from mlp.recipe import CANONICAL, Recipe  # noqa: E402


def build_mlp(input_var=None, recipe: Recipe = CANONICAL) -> DenseLayer:
    """Stack the layers 784-500-300-10; return the last one, an expression of ``input_var``.

    ``input_var`` is a Theano tensor4 of images.  Weights are drawn from Lasagne's random generator; seed it with
    ``lasagne.random.set_rng`` for the same network twice.
    """
    *hidden_widths, num_classes = recipe.layer_widths[1:]
    layer = InputLayer(shape=(None, 1, 28, 28), input_var=input_var)
    for num_units in hidden_widths:
        # Glorot's uniform initialisation and zero biases are Lasagne's defaults.
        layer = DenseLayer(layer, num_units=num_units, nonlinearity=rectify, W=lasagne.init.GlorotUniform())
        # Drops 40 % of the units and scales the others by 1/0.6, so that evaluation needs no scaling.
        layer = DropoutLayer(layer, p=recipe.dropout)
    # Softmax with cross-entropy: probabilities of the ten digits.
    return DenseLayer(layer, num_units=num_classes, nonlinearity=softmax)


def training_expressions(network: DenseLayer, target_var, recipe: Recipe = CANONICAL):
    """Return the training loss (with dropout), and the RMSProp updates that minimize it."""
    prediction = lasagne.layers.get_output(network)
    loss = categorical_crossentropy(prediction, target_var).mean()
    params = lasagne.layers.get_all_params(network, trainable=True)
    updates = rmsprop(loss, params, learning_rate=recipe.learning_rate, rho=recipe.rho, epsilon=recipe.epsilon)
    return loss, updates


def evaluation_expressions(network: DenseLayer, target_var):
    """Return loss and accuracy without dropout (``deterministic=True`` in Lasagne)."""
    test_prediction = lasagne.layers.get_output(network, deterministic=True)
    test_loss = categorical_crossentropy(test_prediction, target_var).mean()
    correct = T.eq(T.argmax(test_prediction, axis=1), target_var)
    test_accuracy = T.mean(correct, dtype=theano.config.floatX)
    return test_loss, test_accuracy


def compile_train_function(network: DenseLayer, input_var, target_var, recipe: Recipe = CANONICAL):
    """Return ``train_fn(images, labels) -> mean loss``, one RMSProp update per call; and {shared variable: update} of
    the parameters and RMSProp's accumulators."""
    loss, updates = training_expressions(network, target_var, recipe)
    return theano.function([input_var, target_var], loss, updates=updates), updates


def compile_validation_function(network: DenseLayer, input_var, target_var):
    """Return ``val_fn(images, labels) -> [mean loss, accuracy]``, for validation and test data."""
    return theano.function([input_var, target_var], list(evaluation_expressions(network, target_var)))


def compile_probabilities_function(network: DenseLayer):
    """Return ``probabilities_fn(images) -> float32 (n, 10)``: softmax outputs without dropout."""
    (input_layer,) = [layer for layer in lasagne.layers.get_all_layers(network) if isinstance(layer, InputLayer)]
    return theano.function([input_layer.input_var], lasagne.layers.get_output(network, deterministic=True))
