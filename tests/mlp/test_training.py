"""The one loop: phases that add up on a fake clock, the tutorial's lines, callbacks, interruption, divergence."""

import math
from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeBackend, FakeClock
from small import SMALL

from mlp.errors import DivergedError, RecipeError
from mlp.training import Callback, LossHistory, initial_parameters, train

BATCHES = 10  # 200 toy examples in batches of 20


@pytest.fixture
def clock():
    return FakeClock()


def run(backend, data, recipe=SMALL, **more):
    return train(backend, recipe, data, clock=backend.clock, **more)


def test_phases_are_what_the_work_cost_and_add_up(clock, toy_data):
    def load():
        clock.advance(8)
        return toy_data

    history = run(FakeBackend(clock), load)
    assert history.phases == {"load": 8, "build": 1, "compile": 2, "train": 8, "validate": 1, "test": 0.5}
    assert history.total_seconds == 20.5
    assert history.rest_seconds == 0
    assert history.import_seconds == 16
    assert [(epoch.train_seconds, epoch.validate_seconds) for epoch in history.epochs] == [(4, 0.5), (4, 0.5)]


def test_the_framework_is_imported_for_the_runs_device(clock, toy_data):
    backend = FakeBackend(clock)
    run(backend, toy_data, device="cuda:1")
    assert backend.imported_for == "cuda:1"


def test_copying_resident_data_is_a_phase_of_its_own(clock, toy_data):
    history = run(FakeBackend(clock, variant="resident"), toy_data)
    assert history.phases["transfer"] == 0.75
    assert list(history.phases) == ["load", "build", "transfer", "compile", "train", "validate", "test"]
    assert history.rest_seconds == 0


def test_what_no_phase_explains_is_the_rest(clock, toy_data):
    class Slow(Callback):
        def on_epoch_end(self, epoch, logs):
            clock.advance(3)

    assert run(FakeBackend(clock), toy_data, callbacks=[Slow()]).rest_seconds == 6


def test_it_prints_the_tutorials_lines(clock, toy_data, capsys):
    run(FakeBackend(clock), toy_data, replace(SMALL, num_epochs=1))
    assert capsys.readouterr().out == (
        "Epoch 1 of 1 took 4.500s\n"
        "training loss:\t\t0.500000\n"
        "validation loss:\t\t0.250000\n"
        "validation accuracy:\t\t90.00 %\n"
        "Final results in 8.0 seconds:\n"
        "  test loss:\t\t\t0.250000\n"
        "  test accuracy:\t\t90.00 %\n"
    )


def test_quiet_prints_nothing(clock, toy_data, capsys):
    run(FakeBackend(clock), toy_data, verbose=False)
    assert capsys.readouterr().out == ""


def test_each_epoch_is_shuffled_anew_and_the_same_seed_shuffles_the_same(clock, toy_data):
    first, again, other = (FakeBackend(clock) for _ in range(3))
    run(first, toy_data)
    run(again, toy_data)
    run(other, toy_data, replace(SMALL, seed=2))
    assert sorted(first.orders[0]) == list(range(200))
    assert (first.orders[0] != first.orders[1]).any()
    assert all((one == two).all() for one, two in zip(first.orders, again.orders, strict=True))
    assert (first.orders[0] != other.orders[0]).any()


def test_the_training_loss_is_the_mean_over_minibatches(clock, toy_data):
    losses = [float(number) for number in range(2 * BATCHES)]
    history = run(FakeBackend(clock, losses), toy_data)
    assert [epoch.train_loss for epoch in history.epochs] == [4.5, 14.5]


def test_loss_history_collects_every_minibatch_and_starts_afresh(clock, toy_data):
    losses = [float(number) for number in range(4 * BATCHES)]
    backend, collected = FakeBackend(clock, losses), LossHistory()
    run(backend, toy_data, callbacks=[collected])
    assert collected.losses == losses[: 2 * BATCHES]
    run(backend, toy_data, callbacks=[collected])
    assert collected.losses == losses[2 * BATCHES :]


def test_callbacks_are_told_in_order(clock, toy_data):
    told = []

    class Told(Callback):
        def on_train_begin(self, logs):
            told.append("begin")

        def on_epoch_end(self, epoch, logs):
            told.append((epoch, logs["validation_accuracy"]))

        def on_train_end(self, logs):
            told.append("end")

    run(FakeBackend(clock), toy_data, callbacks=[Told()])
    assert told == ["begin", (0, 0.9), (1, 0.9), "end"]


def test_ctrl_c_keeps_the_network_and_says_so(clock, toy_data, capsys):
    backend = FakeBackend(clock, interrupt_in_epoch=2)
    history = run(backend, toy_data)
    assert history.interrupted
    assert len(history.epochs) == 1
    assert history.test_accuracy is None
    assert history.total_seconds is not None
    assert "Interrupted after 1 of 2 epochs" in capsys.readouterr().out


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(clock, toy_data, bad):
    backend = FakeBackend(clock, losses=[0.5] * BATCHES + [bad])
    with pytest.raises(DivergedError, match=r"training loss became (nan|inf) in epoch 2"):
        run(backend, toy_data)


def test_a_batch_that_does_not_fit_is_refused_before_compiling(clock, toy_data):
    for batch_size, which in ((201, "training"), (61, "validation")):
        backend = FakeBackend(clock)
        with pytest.raises(RecipeError, match=f"larger than the {which} set"):
            run(backend, toy_data, replace(SMALL, batch_size=batch_size))
        assert not backend.compiled


def test_initial_weights_are_glorots_and_the_seeds_own():
    weights = initial_parameters(replace(SMALL, layer_widths=(784, 500, 300, 10)))
    assert [array.shape for array in weights] == [(784, 500), (500,), (500, 300), (300,), (300, 10), (10,)]
    assert all(array.dtype == np.float32 for array in weights)
    assert sum(array.size for array in weights) == 545_810
    limit = math.sqrt(6 / 1284)
    assert np.abs(weights[0]).max() <= limit
    # A uniform distribution on [-a, a] has the variance a**2 / 3; 392,000 draws give it within half a per cent.
    assert np.var(weights[0], dtype=np.float64) == pytest.approx(limit**2 / 3, rel=5e-3)
    assert not weights[1].any()
    assert (weights[0] == initial_parameters(replace(SMALL, layer_widths=(784, 500, 300, 10)))[0]).all()
    assert (weights[0] != initial_parameters(replace(SMALL, layer_widths=(784, 500, 300, 10), seed=2))[0]).any()
