"""Choosing a backend, the oracle against finite differences, and what is Theano's alone.

What every backend must do is in test_contract.py.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
from optional import marks
from small import SMALL

from mlp import backends, registry
from mlp.backends import Available, Unavailable, gpu
from mlp.errors import BackendError
from mlp.training import initial_parameters, train

PLAIN = replace(SMALL, dropout=0.0)


def built(name, recipe, variant=None):
    backend = backends.create(name, variant)
    backend.build(recipe, initial_parameters(recipe))
    backend.compile()
    return backend


@pytest.fixture(scope="module")
def theano_plain(precompiled_header):
    return built("theano", PLAIN)


# --- choosing ----------------------------------------------------------------------------------------------------


def test_unknown_names_are_sentences():
    with pytest.raises(BackendError, match="unknown backend 'caffe': choose one of theano, "):
        backends.create("caffe")
    with pytest.raises(BackendError, match="no variant 'fast'"):
        backends.create("numpy", "fast")
    for device in ("gpu", "cuda:", "cuda:x", ""):
        with pytest.raises(BackendError, match="unknown device"):
            backends.create("numpy", device=device)


def test_an_unavailable_device_is_never_replaced_by_the_cpu():
    if isinstance(gpu.driver(), gpu.Driver):
        pytest.skip("this machine has a GPU")
    for name in registry.BUILT_IN:
        answer = backends.probe(name, device="cuda")
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
    """A backend that is not installed gives a remedy; Theano and NumPy are always installed."""
    answers = backends.available()
    assert set(answers) >= set(registry.BUILT_IN)
    assert isinstance(answers["theano"], Available) and isinstance(answers["numpy"], Available)
    for answer in answers.values():
        assert isinstance(answer, Available) or ("not installed" in answer.reason and "make bench" in answer.remedy)


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


# --- Theano --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_compilation_tells_its_parts(theano_plain):
    parts = theano_plain.compile_seconds
    assert set(parts) >= {"compile_train", "compile_validate", "compile_optimise", "compile_link"}
    whole = parts["compile_train"] + parts["compile_validate"]
    assert 0 < parts["compile_optimise"] + parts["compile_link"] <= whole


@pytest.mark.slow
def test_the_c_compilers_time_is_a_part_where_it_ran(theano_plain, monkeypatch):
    """Not of every compilation: another process may have filled the cache."""
    from theano.gof.cmodule import GCC_compiler

    from mlp.backends.theano.clock import compilation_parts

    monkeypatch.setattr(GCC_compiler, "compile_str", staticmethod(lambda name, code: None))
    with compilation_parts() as seconds:
        GCC_compiler.compile_str("module", "code")
    assert {name for name, spent in seconds.items() if spent > 0} == {"c_compiler"}


@pytest.mark.slow
def test_the_compilation_clock_leaves_theano_as_it_was(theano_plain):
    from theano.gof.cmodule import GCC_compiler
    from theano.gof.opt import Optimizer

    from mlp.backends.theano.clock import compilation_parts

    before = Optimizer.optimize, GCC_compiler.compile_str
    with pytest.raises(RuntimeError), compilation_parts():
        raise RuntimeError
    assert (Optimizer.optimize, GCC_compiler.compile_str) == before


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in registry.BUILT_IN])
def test_the_same_seed_gives_the_same_losses(name, toy_data):
    losses = []
    for _ in range(2):
        history = train(backends.create(name), SMALL, toy_data, verbose=False)
        losses.append([(epoch.train_loss, epoch.validation_loss) for epoch in history.epochs])
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_one_epoch_on_real_mnist_learns_as_the_tutorial_does(mnist_directory):
    """The tutorial's first epoch ends near 93.5 to 94 % validation accuracy; a point either way is luck."""
    from mlp.dataset import load_files
    from mlp.recipe import CANONICAL

    recipe = replace(CANONICAL, num_epochs=1)
    history = train(backends.create("theano"), recipe, lambda: load_files(mnist_directory), verbose=False)
    assert 0.925 <= history.epochs[0].validation_accuracy <= 0.95
    assert abs(history.rest_seconds) < 0.1 * history.total_seconds


def test_the_theano_of_the_tests_compiles_in_a_directory_of_its_own():
    assert "compiledir" in os.environ["THEANO_FLAGS"]
