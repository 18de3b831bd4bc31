"""Choice of the tuning parameters of theano/tuned: with stated times, under noise, and on this machine."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import SMALL

from mlp import backends
from mlp.backends.theano.tuned import tuning
from mlp.backends.theano.tuned.tuning import DENSE, TuningParameters, choose
from mlp.errors import BackendError
from mlp.recipe import CANONICAL
from mlp.training import initial_parameters

ROLES = ("forward_1", "weights_2")


class Machine:
    """Stands in for a processor: each call takes its stated time on a clock that nothing else moves."""

    def __init__(self, seconds, noise=0.0, seed=0):
        self._seconds, self._noise, self._random, self.now = seconds, noise, np.random.RandomState(seed), 0.0

    def clock(self):
        return self.now

    def time_product(self, role, columns, threads):
        seconds = self._seconds(role, columns, threads) * np.exp(self._noise * abs(self._random.randn()))
        self.now += seconds
        return seconds

    def choose(self, num_threads=2, roles=ROLES):
        return choose(roles, num_threads, self.time_product, self.clock)


def test_equal_candidates_leave_the_default():
    assert Machine(lambda role, columns, threads: 1e-3).choose() == TuningParameters(2)


def test_the_fastest_tile_of_each_product_is_taken_and_the_blas_where_it_is_faster():
    """As the first looks on a Xeon: wide tiles a little faster, one product slower than the BLAS."""
    times = {("forward_1", 128): 0.9, ("weights_2", DENSE): 0.8, ("weights_2", 128): 0.93}
    found = Machine(lambda role, columns, threads: 1e-3 * times.get((role, columns), 1)).choose()
    assert found == TuningParameters(2, {"forward_1": 128, "weights_2": DENSE})
    assert str(found) == "threads=2,forward_1=128,weights_2=dense"


def test_a_small_gain_is_not_worth_another_choice():
    machine = Machine(lambda role, columns, threads: 1e-3 * (0.97 if columns == 128 else 0.92 if not columns else 1))
    assert machine.choose() == TuningParameters(2)


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_noise_seldom_decides(noise):
    """Of 200 machines whose candidates are equal: each has eight chances to leave the default."""
    others = sum(
        Machine(lambda role, columns, threads: 1e-3, noise, seed).choose() != TuningParameters(2) for seed in range(200)
    )
    assert others <= {0.05: 0, 0.2: 2}[noise]


def test_a_slow_machine_has_no_time_to_choose_and_keeps_the_default():
    machine = Machine(lambda role, columns, threads: 0.02 if columns == 128 else 0.03)
    assert machine.choose() == TuningParameters(2)
    assert machine.now < 2.5 * tuning.BUDGET_SECONDS


@pytest.mark.parametrize(("fastest", "expected"), [(16, 16), (8, 8), (4, 4), (2, 4)])
def test_fewer_of_many_threads_are_taken_where_they_are_faster(fastest, expected):
    machine = Machine(lambda role, columns, threads: 1e-4 * (1 + abs(np.log2(threads / fastest))))
    assert machine.choose(num_threads=16).num_threads == expected


def test_of_two_threads_both_are_used_however_slow():
    assert Machine(lambda role, columns, threads: 1e-3 * threads).choose(num_threads=2).num_threads == 2


def test_without_products_nothing_is_measured():
    machine = Machine(lambda role, columns, threads: 1e-3)
    assert machine.choose(num_threads=16, roles=()) == TuningParameters(16) and machine.now == 0
    assert tuning.step_products(SMALL.layer_widths, SMALL.batch_size) == []
    assert [product.role for product in tuning.step_products(CANONICAL.layer_widths, 20_000)] == [
        *("forward_1", "weights_1", "forward_2", "weights_2", "inputs_2")
    ]


roles = st.builds("{}_{}".format, st.sampled_from(["forward", "inputs", "weights"]), st.integers(1, 9))
tiles = st.dictionaries(roles, st.sampled_from([32, 128, DENSE]))


@given(st.builds(TuningParameters, st.integers(1, 256), tiles))
def test_parameters_survive_as_text(parameters):
    assert tuning.parse(str(parameters), 1) == parameters


@pytest.mark.parametrize("text", ["threads=0", "forward_1=96", "forward=64", "fast", "threads=2,", "both_1=64"])
def test_malformed_parameters_are_refused(text):
    with pytest.raises(BackendError, match="write default, or threads=2"):
        tuning.parse(text, 2)


def test_pinned_parameters_are_those_of_the_environment(monkeypatch):
    monkeypatch.setenv(tuning.VARIABLE, "weights_2=dense")
    assert tuning.pinned(3) == TuningParameters(3, {"weights_2": DENSE})
    assert tuning.pinned(3).of_layer(2) == [64, 64, DENSE, 64]
    monkeypatch.delenv(tuning.VARIABLE)
    assert tuning.pinned(3) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"parameters": 1}', '{"parameters": "threads=many"}'])
def test_a_damaged_choice_is_measured_again(tmp_path, text):
    path = tuning.path_of(tmp_path, {"processor": "some"})
    assert tuning.read(path, 2) is None
    path.write_text(text)
    assert tuning.read(path, 2) is None


@pytest.mark.slow
def test_a_choice_is_measured_once_and_used_by_later_compilations(theano, monkeypatch):
    """The measured times are stated, so that this machine's do not matter; fewer threads are compiled for again."""
    from mlp.backends.theano.tuned import measure

    recipe = replace(SMALL, layer_widths=(784, 180, 150, 10), batch_size=83)
    machine, measured = Machine(lambda role, columns, threads: 1e-3 * (threads if columns == 128 else 9)), []

    class StatedTimes:
        def __init__(self, products):
            measured.append([product.role for product in products])

        def __call__(self, *candidate):
            return machine.time_product(*candidate)

    monkeypatch.delenv(tuning.VARIABLE)
    monkeypatch.setattr(measure, "ProductTimer", StatedTimes)
    monkeypatch.setattr("mlp.backends.theano.tuned.backend.blas_threads", lambda: 4)
    for _ in range(2):
        backend = backends.create("theano", "tuned")
        backend.build(recipe, initial_parameters(recipe))
        backend.compile()
        expected = "threads=2,forward_1=128,forward_2=128,inputs_2=128,weights_1=128,weights_2=128"
        assert tuning.facts_in_use()["parameters"] == expected
        assert tuning.facts_in_use()["instruction_set"] is not None
    assert len(measured) == 1
    path = measure.MachineTuning(recipe, 4)._path
    assert json.loads(path.read_text())["threads"] == 4


@pytest.mark.slow
def test_the_measurement_here_times_every_product_and_keeps_to_known_choices(theano):
    from mlp.backends.theano.tuned import measure

    products = tuning.step_products((784, 180, 150, 10), 80)
    time_product = measure.ProductTimer(products)
    for product in products:
        assert time_product(product.role, 32, 1) > 0
    chosen = choose([product.role for product in products], 2, time_product)
    assert chosen.num_threads == 2 and set(chosen.tiles.values()) <= {32, 128, DENSE}
