"""The kernels of torch/fused against the float64 oracle, in Triton's interpreter: run by test_fused.py in a process of
its own, because the interpreter is chosen when Triton is imported.

The interpreter takes tens of milliseconds for a step, so the networks are smaller than in test_contract.py; they still
have tiles that are not full, several tiles in each direction, and products of several tiles' depth.
"""

from dataclasses import replace

import numpy as np
import pytest
from small import SMALL

from bench.measure.conformance.stack import CheckedStack
from mlp.training import initial_parameters

FUSED, ORACLE = CheckedStack("torch", "fused", "cpu", True), CheckedStack("numpy", "float64")
TINY = replace(SMALL, layer_widths=(20, 12, 8, 10), batch_size=6, dropout=0.0)
WIDE = replace(TINY, layer_widths=(70, 40, 35, 10), batch_size=40)
DEEP = replace(TINY, layer_widths=(20, 12, 9, 8, 10))
FLAT = replace(TINY, layer_widths=(20, 10))
TOLERANCE = 10 * FUSED.relative_error


def data_of(recipe, num_examples):
    random = np.random.default_rng(4)
    images = random.integers(0, 256, (num_examples, recipe.layer_widths[0])).astype(np.float32) / 256
    return images, random.integers(0, 10, num_examples).astype(np.uint8)


@pytest.mark.parametrize("recipe", [TINY, WIDE, DEEP, FLAT], ids=lambda one: "-".join(map(str, one.layer_widths)))
def test_steps_follow_the_oracle_in_loss_and_every_parameter(recipe):
    fused, oracle = FUSED.fresh(recipe), ORACLE.fresh(recipe)
    images, labels = data_of(recipe, recipe.batch_size)
    for _ in range(5):
        expected = oracle.train_step(images, labels)
        assert fused.train_step(images, labels) == pytest.approx(expected, rel=TOLERANCE)
    for ours, theirs in zip(fused.parameters(), oracle.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.mark.parametrize("size", [1, 7])
def test_a_step_takes_any_number_of_examples(size):
    images, labels = data_of(TINY, size)
    expected = ORACLE.fresh(TINY).train_step(images, labels)
    assert FUSED.fresh(TINY).train_step(images, labels) == pytest.approx(expected, rel=TOLERANCE)


def test_an_epoch_takes_its_minibatches_in_the_given_order():
    images, labels = data_of(TINY, 20)  # three whole minibatches, and a rest that is left out
    order = np.random.RandomState(5).permutation(20)
    fused, oracle = FUSED.fresh(TINY, [(images, labels)]), ORACLE.fresh(TINY)
    told = []
    fused.train_epoch(images, labels, order, lambda step, loss: told.append(loss))
    expected = [oracle.train_step(images[order[at : at + 6]], labels[order[at : at + 6]]) for at in (0, 6, 12)]
    assert told == pytest.approx(expected, rel=TOLERANCE)
    assert fused.evaluate(images, labels)[0] == pytest.approx(oracle.evaluate(images, labels)[0], rel=TOLERANCE)


NOISY = replace(TINY, layer_widths=(20, 40, 40, 10), batch_size=64, dropout=0.4)


def masks_of(seed, num_steps=1, place=()):
    """Masks of both hidden layers in each step, bool (steps, layers, rows, units): all units are 1 before dropout."""
    from mlp.backends.torch import kernels

    fused = FUSED.fresh(replace(NOISY, seed=seed), place)
    fused.set_parameters([np.full_like(array, array.ndim == 1) for array in initial_parameters(NOISY)])
    inputs, found = fused._parameters[0].new_zeros(64, 20), []
    for _ in range(num_steps):
        outputs = [layer.detach().numpy() for layer in fused._forward(kernels, inputs, fused._layers()[:-1])]
        assert all(np.isin(layer, [0, np.float32(1 / 0.6)]).all() for layer in outputs)
        found.append([layer > 0 for layer in outputs])
        fused.train_step(*data_of(NOISY, 1))
        fused.set_parameters([np.full_like(array, array.ndim == 1) for array in initial_parameters(NOISY)])
    return np.array(found)


def test_dropout_keeps_sixty_per_cent_independently():
    """Rates and correlations within five standard errors; the seed is fixed, so that this passes always or never."""
    masks = masks_of(seed=1, num_steps=3)
    (steps, layers, rows, units), tolerance = masks.shape, 5 / np.sqrt(64 * 40)
    assert masks.mean(axis=(2, 3)) == pytest.approx(np.full((steps, layers), 0.6), abs=tolerance * np.sqrt(0.24))
    draws = masks.reshape(steps * layers, rows * units)
    correlations = np.corrcoef(draws)[np.triu_indices(steps * layers, 1)]
    assert np.abs(correlations).max() < tolerance
    for axis in (2, 3):  # from row to row, and from unit to unit
        first, second = np.delete(masks, 0, axis), np.delete(masks, -1, axis)
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < tolerance


def test_the_seed_decides_the_masks_and_compiling_does_not():
    first = masks_of(seed=1)
    np.testing.assert_array_equal(masks_of(seed=1, place=[data_of(NOISY, 128)]), first)
    assert not np.array_equal(masks_of(seed=2), first)
