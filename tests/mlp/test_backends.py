"""Equivalence: the oracle against finite differences and Lasagne, Theano against the oracle."""

import os
from dataclasses import replace

import numpy as np
import pytest
from conftest import SMALL

from mlp import backends
from mlp.backends import Available, Unavailable
from mlp.backends.numpy import NumpyBackend
from mlp.errors import BackendError
from mlp.training import initial_parameters, train

PLAIN = replace(SMALL, dropout=0.0)


def built(name, recipe, variant=None):
    backend = backends.create(name, variant)
    backend.build(recipe, initial_parameters(recipe))
    backend.compile()
    return backend


@pytest.fixture(scope="module")
def theano_plain():
    return built("theano", PLAIN)


@pytest.fixture(scope="module")
def theano_dropout():
    return built("theano", SMALL)


# --- choosing ----------------------------------------------------------------------------------------------------


def test_unknown_names_are_sentences():
    with pytest.raises(BackendError, match="unknown backend 'caffe': choose one of theano, numpy"):
        backends.create("caffe")
    with pytest.raises(BackendError, match="no variant 'fast'"):
        backends.create("numpy", "fast")
    for device in ("gpu", "cuda:", "cuda:x", ""):
        with pytest.raises(BackendError, match="unknown device"):
            backends.create("numpy", device=device)


def test_an_unavailable_device_is_never_replaced_by_the_cpu():
    for name in backends.NAMES:
        answer = backends.load(name).availability("cuda")
        assert isinstance(answer, Unavailable)
        assert answer.reason and answer.remedy
        with pytest.raises(BackendError, match="cannot run on cuda"):
            backends.create(name, device="cuda")


def test_without_a_compiler_theano_is_unavailable(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = backends.load("theano").availability("cpu")
    assert isinstance(answer, Unavailable)
    assert "no C++ compiler" in answer.reason
    assert "apt install g++" in answer.remedy


def test_with_an_unwritable_compile_directory_theano_is_unavailable(monkeypatch, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("THEANO_FLAGS", f"base_compiledir={blocker / 'inside'}")
    answer = backends.load("theano").availability("cpu")
    assert isinstance(answer, Unavailable)
    assert "cannot be written" in answer.reason


def test_every_backend_answers_for_the_cpu():
    assert all(isinstance(answer, Available) for answer in backends.available().values())


# --- the oracle ----------------------------------------------------------------------------------------------------


def test_the_oracles_gradients_are_finite_differences(toy_data):
    recipe = replace(PLAIN, layer_widths=(784, 6, 5, 10))
    oracle = built("numpy", recipe)
    # Biases off zero: with zero ones, a unit all of whose inputs are cut off would sit exactly on ReLU's kink.
    oracle.set_parameters([array + 0.05 if array.ndim == 1 else array for array in initial_parameters(recipe)])
    images, labels = toy_data[0][:20], toy_data[1][:20]
    _, gradients = oracle.loss_and_gradients(images, labels, dropout=False)
    step = 1e-6
    random = np.random.RandomState(0)
    for parameter, gradient in zip(oracle._parameters, gradients, strict=True):
        for _ in range(12):
            where = tuple(random.randint(size) for size in parameter.shape)
            value = parameter[where]
            parameter[where] = value + step
            above = oracle.loss_and_gradients(images, labels, dropout=False)[0]
            parameter[where] = value - step
            below = oracle.loss_and_gradients(images, labels, dropout=False)[0]
            parameter[where] = value
            assert gradient[where] == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-9)


def test_one_rmsprop_update_written_out():
    """accu = (1 - rho) g**2 after the first step, so p moves by lr * g / sqrt(0.1 g**2 + 1e-6)."""
    recipe = replace(PLAIN, layer_widths=(784, 4, 10))
    oracle = built("numpy", recipe)
    images, labels = np.full((20, 784), 0.5), np.arange(20) % 10
    before = [parameter.copy() for parameter in oracle._parameters]
    _, gradients = oracle.loss_and_gradients(images, labels, dropout=False)
    oracle.train_step(images, labels)
    for old, new, gradient in zip(before, oracle._parameters, gradients, strict=True):
        expected = old - 0.001 * gradient / np.sqrt(0.1 * gradient**2 + 1e-6)
        np.testing.assert_allclose(new, expected, rtol=1e-12)


def test_the_oracles_dropout_keeps_sixty_per_cent_and_the_expectation():
    recipe = replace(SMALL, layer_widths=(784, 500, 300, 10))
    oracle = built("numpy", recipe)
    images = np.random.RandomState(0).uniform(size=(500, 784))
    _, masks, _ = oracle._forward(images, dropout=True)
    _, plain, _ = oracle._forward(images, dropout=False)
    active = plain[0] > 0
    kept = masks[0][active]
    assert set(np.unique(kept)) == {0.0, 1 / 0.6}
    # Binomial: the standard error of the rate over the active units, about 125,000.
    assert (kept > 0).mean() == pytest.approx(0.6, abs=6 * np.sqrt(0.24 / kept.size))


# --- Theano against the oracle --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_theano_follows_the_float64_oracle_for_fifty_steps(theano_plain, toy_data):
    oracle = built("numpy", PLAIN)
    theano_plain.set_parameters(initial_parameters(PLAIN))
    images, labels = toy_data[:2]
    for step in range(50):
        batch = slice(20 * (step % 10), 20 * (step % 10) + 20)
        expected = oracle.train_step(images[batch], labels[batch])
        # float32 keeps 24 bits; 50 steps of RMSProp, whose first ones divide by small numbers, lose some of them.
        assert theano_plain.train_step(images[batch], labels[batch]) == pytest.approx(expected, rel=2e-4, abs=2e-5)
    for ours, theirs in zip(theano_plain.parameters(), oracle.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)
    assert theano_plain.evaluate(*toy_data[4:]) == pytest.approx(oracle.evaluate(*toy_data[4:]), rel=1e-3)


@pytest.mark.slow
def test_setting_parameters_resets_the_optimiser(theano_plain, toy_data):
    images, labels = toy_data[0][:20], toy_data[1][:20]
    results = []
    for _ in range(2):
        theano_plain.set_parameters(initial_parameters(PLAIN))
        theano_plain.train_step(images, labels)
        results.append(theano_plain.parameters())
    assert all((one == two).all() for one, two in zip(*results, strict=True))


@pytest.mark.slow
def test_theanos_dropout_is_noise_with_the_right_mean(theano_dropout, toy_data):
    """Over many masks the training loss scatters around, and above, the deterministic one; evaluation never does."""
    images, labels = toy_data[0][:20], toy_data[1][:20]
    losses = []
    for _ in range(20):
        theano_dropout.set_parameters(initial_parameters(SMALL))
        losses.append(theano_dropout.train_step(images, labels))
    assert len(set(losses)) == 20
    theano_dropout.set_parameters(initial_parameters(SMALL))
    assert theano_dropout.evaluate(images, labels) == theano_dropout.evaluate(images, labels)


@pytest.mark.slow
def test_flat_and_square_images_are_the_same(theano_plain, toy_data):
    images, labels = toy_data[0][:20], toy_data[1][:20]
    assert theano_plain.evaluate(images, labels) == theano_plain.evaluate(images.reshape(20, 784), labels)


@pytest.mark.slow
def test_compilation_tells_its_parts(theano_plain):
    parts = theano_plain.compile_seconds
    assert set(parts) >= {"compile_train", "compile_validate", "compile_optimise", "compile_link", "compile_c_compiler"}
    whole = parts["compile_train"] + parts["compile_validate"]
    assert 0 < parts["compile_optimise"] + parts["compile_link"] <= whole


@pytest.mark.slow
def test_the_compilation_clock_leaves_theano_as_it_was(theano_plain):
    from theano.gof.cmodule import GCC_compiler
    from theano.gof.opt import Optimizer

    from mlp.backends.theano_clock import compilation_parts

    before = Optimizer.optimize, GCC_compiler.compile_str
    with pytest.raises(RuntimeError), compilation_parts():
        raise RuntimeError
    assert (Optimizer.optimize, GCC_compiler.compile_str) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", backends.NAMES)
def test_the_same_seed_gives_the_same_losses(name, toy_data):
    losses = []
    for _ in range(2):
        history = train(backends.create(name), SMALL, toy_data, verbose=False)
        losses.append([(epoch.train_loss, epoch.validation_loss) for epoch in history.epochs])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", backends.NAMES)
def test_parameters_survive_the_trip(name, request):
    backend = request.getfixturevalue("theano_plain") if name == "theano" else built(name, PLAIN)
    other = initial_parameters(replace(PLAIN, seed=9))
    backend.set_parameters(other)
    assert all((one == two).all() for one, two in zip(backend.parameters(), other, strict=True))


@pytest.mark.slow
def test_one_epoch_on_real_mnist_learns_as_the_tutorial_does(mnist_directory):
    """The tutorial's first epoch ends near 93.5 to 94 % validation accuracy; a point either way is luck."""
    from mlp.dataset import load_files
    from mlp.recipe import CANONICAL

    recipe = replace(CANONICAL, num_epochs=1)
    history = train(backends.create("theano"), recipe, lambda: load_files(mnist_directory), verbose=False)
    assert 0.925 <= history.epochs[0].validation_accuracy <= 0.95
    assert abs(history.rest_seconds) < 0.01 * history.total_seconds


def test_numpy_runs_float32_too(toy_data):
    backend = built("numpy", PLAIN, "float32")
    oracle = built("numpy", PLAIN)
    loss = backend.train_step(toy_data[0][:20], toy_data[1][:20])
    assert loss == pytest.approx(oracle.train_step(toy_data[0][:20], toy_data[1][:20]), rel=1e-5)
    assert backend._parameters[0].dtype == np.float32
    assert isinstance(backend, NumpyBackend)


def test_the_theano_of_the_tests_compiles_in_a_directory_of_its_own():
    assert "compiledir" in os.environ["THEANO_FLAGS"]
