"""Equivalence first: every backend, variant and device against the float64 oracle, through the contract alone.

Nothing here looks inside a backend.  Gradients are read off one update, dropout masks off the losses: see the
fixtures' recipes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from contract import TestStack, compiled, driver_answers, fresh, required_backends, stacks
from small import SMALL

from mlp import backends
from mlp.backends import Available
from mlp.network import load_parameters, save_parameters
from mlp.training import initial_parameters

PLAIN = replace(SMALL, dropout=0.0)
# With rho = 0 and epsilon = 1 an update is p -= lr * g / sqrt(g**2 + 1), which can be solved for g; the large learning
# rate makes the update much larger than the parameters, so that float32 keeps all digits of it.
GRADIENTS = replace(PLAIN, layer_widths=(784, 12, 8, 10), learning_rate=1000.0, rho=0.0, epsilon=1.0)
# One example for each step and a learning rate of 0: every loss tells the masks of one step, see ``masks_of``.
MASKS = replace(SMALL, layer_widths=(784, 4, 4, 10), batch_size=1, learning_rate=0.0)
ORACLE = TestStack("numpy", "float64", "cpu")

every_stack = pytest.mark.parametrize("stack", stacks())


@pytest.fixture
def plain(stack):
    """The stack without dropout, at its initial parameters."""
    backend = compiled(stack, PLAIN)
    backend.set_parameters(initial_parameters(PLAIN))
    return backend


@pytest.fixture
def oracle():
    return fresh(ORACLE, PLAIN)


@pytest.fixture
def batch(toy_data):
    return toy_data[0][:20], toy_data[1][:20]


def test_the_required_backends_are_here():
    for name in required_backends():
        for variant in backends.load(name).variants:
            if variant.standard and "cpu" in variant.devices:
                assert isinstance(backends.probe(name, variant.name), Available), f"{name}/{variant.name}"


def test_the_gpus_stacks_are_here_too():
    if not driver_answers():
        pytest.skip("no NVIDIA GPU: what is written for one is tested by its stand-ins on the CPU only")
    assert any(parameter.values[0].device == "cuda" for parameter in stacks())


# --- forward ------------------------------------------------------------------------------------------------------


@every_stack
def test_outputs_are_the_oracles(stack, plain, oracle, batch):
    outputs = plain.probabilities(batch[0])
    assert outputs.shape == (20, 10) and outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, oracle.probabilities(batch[0]), rtol=10 * stack.relative_error)
    np.testing.assert_array_equal(plain.predict(batch[0]), outputs.argmax(axis=1))


@every_stack
def test_evaluation_is_the_oracles_and_leaves_out_the_remainder(stack, plain, oracle, toy_data):
    images, labels = toy_data[4][:50], toy_data[5][:50]  # two whole minibatches of 20
    loss, accuracy = plain.evaluate(images, labels)
    expected_loss, expected_accuracy = oracle.evaluate(images[:40], labels[:40])
    assert loss == pytest.approx(expected_loss, rel=stack.relative_error)
    slack = 0 if stack.precision in ("float32", "float64") else 0.05  # low precision may turn a close decision
    assert accuracy == pytest.approx(expected_accuracy, abs=slack + 1e-6)


@every_stack
def test_flat_and_square_images_and_both_kinds_of_labels_are_the_same(plain, batch):
    images, labels = batch
    first = plain.evaluate(images, labels)
    assert plain.evaluate(images.reshape(20, 784), labels.astype(np.int32)) == first


@every_stack
def test_evaluation_is_deterministic_and_changes_nothing(stack, batch):
    noisy = compiled(stack, MASKS)
    noisy.set_parameters(initial_parameters(MASKS))
    before = noisy.parameters()
    assert noisy.evaluate(*batch) == noisy.evaluate(*batch)
    assert all((one == two).all() for one, two in zip(before, noisy.parameters(), strict=True))


# --- backward -----------------------------------------------------------------------------------------------------


@every_stack
def test_the_loss_of_a_step_is_that_before_its_update(stack, plain, oracle, batch):
    assert plain.train_step(*batch) == pytest.approx(oracle.train_step(*batch), rel=stack.relative_error)
    assert plain.train_step(*batch) == pytest.approx(oracle.train_step(*batch), rel=10 * stack.relative_error)


@every_stack
def test_every_gradient_is_the_oracles(stack, batch):
    backend = compiled(stack, GRADIENTS)
    before = [array + 0.05 if array.ndim == 1 else array for array in initial_parameters(GRADIENTS)]
    backend.set_parameters(before)
    backend.train_step(*batch)
    oracle = fresh(ORACLE, GRADIENTS)
    oracle.set_parameters(before)
    _, expected = oracle.loss_and_gradients(*batch)
    names = ("W1", "b1", "W2", "b2", "W3", "b3")
    for name, old, new, gradient in zip(names, before, backend.parameters(), expected, strict=True):
        update = (old - new) / np.float64(GRADIENTS.learning_rate)
        ours = update / np.sqrt(1 - update**2)
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(ours, gradient, atol=10 * stack.relative_error * scale, err_msg=name)


@every_stack
def test_fifty_steps_follow_the_oracle(stack, plain, oracle, toy_data):
    images, labels = toy_data[:2]
    # RMSProp's first steps divide by small numbers, and every step builds on the last: the bound of one loss grows.
    tolerance = 10 * stack.relative_error
    for step in range(50):
        rows = slice(20 * (step % 10), 20 * (step % 10) + 20)
        expected = oracle.train_step(images[rows], labels[rows])
        assert plain.train_step(images[rows], labels[rows]) == pytest.approx(expected, rel=tolerance, abs=tolerance)
    for ours, theirs in zip(plain.parameters(), oracle.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance)


@every_stack
def test_setting_parameters_resets_the_optimiser(plain, batch):
    results = []
    for _ in range(2):
        plain.set_parameters(initial_parameters(PLAIN))
        plain.train_step(*batch)
        results.append(plain.parameters())
    assert all((one == two).all() for one, two in zip(*results, strict=True))


@every_stack
def test_parameters_come_back_as_they_were_set_and_as_copies(plain):
    expected = initial_parameters(replace(PLAIN, seed=9))
    given = [array.copy() for array in expected]
    plain.set_parameters(given)
    for array in (*given, *plain.parameters()):
        array += 1  # neither what was given nor what was returned is the backend's own
    for ours, theirs in zip(plain.parameters(), expected, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


@every_stack
@pytest.mark.parametrize("size", [1, 7])
def test_a_step_takes_any_number_of_examples(stack, plain, oracle, toy_data, size):
    images, labels = toy_data[0][:size], toy_data[1][:size]
    expected = oracle.train_step(images, labels)
    assert plain.train_step(images, labels) == pytest.approx(expected, rel=stack.relative_error)


# --- epochs -------------------------------------------------------------------------------------------------------


@every_stack
@pytest.mark.parametrize("placed", [True, False], ids=["placed", "not placed"])
def test_an_epoch_takes_its_minibatches_in_the_given_order(stack, oracle, toy_data, placed):
    images, labels = toy_data[0][:110], toy_data[1][:110]  # five whole minibatches, and a rest that is left out
    if placed and not compiled(stack, PLAIN).variant.resident:
        pytest.skip("it keeps no data on its device")
    epoch = fresh(stack, PLAIN, place=[(images, labels), (toy_data[2], toy_data[3])]) if placed else None
    epoch = epoch or compiled(stack, PLAIN)
    epoch.set_parameters(initial_parameters(PLAIN))
    order = np.random.RandomState(5).permutation(110)
    told = []
    mean = epoch.train_epoch(images, labels, order, lambda step, loss: told.append((step, loss)))
    expected = [oracle.train_step(images[order[at : at + 20]], labels[order[at : at + 20]]) for at in range(0, 100, 20)]
    assert [step for step, _ in told] == list(range(5))
    assert [loss for _, loss in told] == pytest.approx(expected, rel=10 * stack.relative_error)
    assert mean == pytest.approx(np.mean([loss for _, loss in told]), rel=1e-5)
    for ours, theirs in zip(epoch.parameters(), oracle.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=10 * stack.relative_error)
    assert epoch.evaluate(toy_data[2], toy_data[3])[0] == pytest.approx(
        oracle.evaluate(toy_data[2], toy_data[3])[0], rel=10 * stack.relative_error
    )


@every_stack
def test_compiling_changes_nothing_that_training_uses(stack, toy_data):
    """Whatever compiling has to run for it, a step or an epoch, the masks afterwards are those that the seed gives."""
    images, labels = toy_data[0][:60], toy_data[1][:60]
    losses = []
    for place in ([], [(images, labels)]):
        backend = fresh(stack, MASKS, place)
        for ours, initial in zip(backend.parameters(), initial_parameters(MASKS), strict=True):
            np.testing.assert_array_equal(ours, initial)
        backend.set_parameters(mask_telling_parameters())
        told = []
        backend.train_epoch(images, labels, np.arange(60), lambda _, loss, told=told: told.append(loss))
        losses.append(told)
    assert losses[0] == losses[1]


# --- dropout ------------------------------------------------------------------------------------------------------

UNITS = 4
LOWEST_LOGIT, LOGIT_STEP = -4.0, 0.1


def mask_telling_parameters():
    """Parameters under which a loss spells out both masks of one example, whatever its image is.

    The first hidden layer is 1 everywhere before its mask m1; the second is 1 + 0.6 * m1 / 0.6 = 1 + m1 before its
    mask m2.  So unit j of the second layer is digit_j / 0.6 with digit_j = m2 * (1 + m1), which is 0, 1 or 2; the
    logit of class 0 is LOWEST_LOGIT + LOGIT_STEP * sum(3**j * digit_j), and all other logits are 0.
    """
    parameters = [np.zeros_like(array) for array in initial_parameters(MASKS)]
    _, b1, W2, b2, W3, b3 = parameters
    b1[:] = 1
    W2[:] = 0.6 * np.eye(UNITS)
    b2[:] = 1
    W3[:, 0] = LOGIT_STEP * 0.6 * 3 ** np.arange(UNITS)
    b3[0] = LOWEST_LOGIT
    return parameters


def masks_of(losses):
    """(m1, m2), each bool (steps, UNITS), from the losses of label 0: loss = log(1 + 9 * exp(-logit)).

    m1 is known only where m2 is 1.
    """
    logits = -np.log(np.expm1(np.asarray(losses, np.float64)) / 9)
    values = (logits - LOWEST_LOGIT) / LOGIT_STEP
    whole = np.rint(values).astype(int)
    assert np.abs(values - whole).max() < 0.25, "a loss that no pair of masks with scale 1/0.6 explains"
    digits = whole[:, None] // 3 ** np.arange(UNITS) % 3
    return digits == 2, digits > 0


def losses_of_masks(backend, num_steps):
    images, labels = np.zeros((num_steps, 784), np.float32), np.zeros(num_steps, np.uint8)
    told = []
    backend.train_epoch(images, labels, np.arange(num_steps), lambda _, loss: told.append(loss))
    return told


def test_the_oracles_masks_can_be_read_off_its_losses():
    oracle = fresh(ORACLE, MASKS)
    oracle.set_parameters(mask_telling_parameters())
    seen = []
    draw = oracle._forward

    def spy(images, dropout):
        result = draw(images, dropout)
        seen.append([mask[0] > 0 for mask in result[1]])
        return result

    oracle._forward = spy
    m1, m2 = masks_of(losses_of_masks(oracle, 50))
    np.testing.assert_array_equal(m2, [second for _, second in seen])
    np.testing.assert_array_equal(m1[m2], np.array([first for first, _ in seen])[m2])


@every_stack
def test_dropout_keeps_sixty_per_cent_independently(stack):
    """Rates and correlations within five standard errors, so that a correct backend fails about once in 100,000."""
    if stack.precision == "bfloat16" and not stack.stand_in:
        pytest.skip("losses of this precision cannot spell out the masks")
    backend = compiled(stack, MASKS)
    backend.set_parameters(mask_telling_parameters())
    steps = 1500
    m1, m2 = masks_of(losses_of_masks(backend, steps))
    assert m2.mean() == pytest.approx(0.6, abs=5 * np.sqrt(0.24 / m2.size))
    given = m1[m2]  # a layer that repeated the other's mask would have 1.0 here
    assert given.mean() == pytest.approx(0.6, abs=5 * np.sqrt(0.24 / given.size))
    columns = m2.astype(float).T
    correlations = np.corrcoef(columns)[np.triu_indices(UNITS, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(steps)
    for lag in (1, 2):  # from step to step
        for column in columns:
            assert abs(np.corrcoef(column[lag:], column[:-lag])[0, 1]) < 5 / np.sqrt(steps)


@every_stack
def test_every_example_of_a_minibatch_has_masks_of_its_own(stack):
    """Were one mask shared by all 64, their mean loss would scatter as much as a single one: eight times as much."""
    backend = compiled(stack, MASKS)
    backend.set_parameters(mask_telling_parameters())
    single = np.std(losses_of_masks(backend, 300))
    images, labels = np.zeros((64, 784), np.float32), np.zeros(64, np.uint8)
    many = np.std([backend.train_step(images, labels) for _ in range(300)])
    assert many * 8 == pytest.approx(single, rel=0.35)


def losses_of_seed(stack, seed):
    """The losses of a backend of its own, which tell its masks."""
    backend = fresh(stack, replace(MASKS, seed=seed))
    backend.set_parameters(mask_telling_parameters())
    return losses_of_masks(backend, 40)


first_losses = cache(partial(losses_of_seed, seed=1))


@every_stack
def test_the_seed_decides_the_masks(stack):
    assert losses_of_seed(stack, 1) == first_losses(stack)
    assert losses_of_seed(stack, 2) != first_losses(stack)


@every_stack
def test_variants_that_declare_the_same_masks_draw_the_same(stack):
    """Between them accuracies are compared seed by seed."""

    def masks(of):
        return backends.load(of.backend).variant_named(of.variant).masks

    if masks(stack) is None:
        pytest.skip("its masks are its own")
    able = [parameter.values[0] for parameter in stacks() if not any(mark.name == "skip" for mark in parameter.marks)]
    first = next(other for other in able if masks(other) == masks(stack))
    assert np.array_equal(masks_of(first_losses(stack)), masks_of(first_losses(first)))


# --- from one backend to another ------------------------------------------------------------------------------------


@every_stack
@pytest.mark.slow
def test_a_trained_network_moves_to_every_other_backend(stack, plain, toy_data, tmp_path):
    images, labels = toy_data[:2]
    for rows in (slice(0, 20), slice(20, 40), slice(40, 60)):
        plain.train_step(images[rows], labels[rows])
    path = tmp_path / "network.npz"
    save_parameters(plain.network, path)
    kept = load_parameters(path)
    expected_loss, _ = plain.evaluate(*toy_data[4:])
    for parameter in stacks():
        (other,) = parameter.values
        if any(mark.name == "skip" for mark in parameter.marks):
            continue
        backend = compiled(other, PLAIN)
        backend.set_parameters(kept)
        tolerance = max(stack.relative_error, other.relative_error)
        assert backend.evaluate(*toy_data[4:])[0] == pytest.approx(expected_loss, rel=tolerance), str(other)
        for ours, theirs in zip(backend.parameters(), kept, strict=True):
            np.testing.assert_array_equal(ours, theirs)
