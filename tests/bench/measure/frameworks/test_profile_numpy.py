"""NumPy's collector on the backend itself: it needs nothing that is slow."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from small import SMALL

from bench.measure.frameworks.numpy.profiler import NumpyCollector, kind_of
from bench.measure.profiling.rounds import measure
from mlp.backends import create
from mlp.training import initial_parameters


@pytest.fixture(scope="module")
def backend():
    made = create("numpy", "float32")
    made.build(SMALL, initial_parameters(SMALL))
    return made


@pytest.fixture(scope="module")
def step(backend, toy_data):
    order = np.arange(len(toy_data[0]))
    collector = NumpyCollector(backend)
    return measure(collector, "train_step", lambda: backend.train_epoch(*toy_data[:2], order), 10, 3)


def gemms(measured):
    return [operation for operation in measured.operations if operation.kind == "gemm"]


def test_the_eight_products_of_a_step_are_found_with_their_flop(step):
    widths = SMALL.layer_widths
    forward = sum(2 * SMALL.batch_size * inputs * units for inputs, units in pairwise(widths))
    without_the_images = forward - 2 * SMALL.batch_size * widths[0] * widths[1]
    assert len(gemms(step)) == 8
    assert sum(operation.flop for operation in gemms(step)) == 2 * forward + without_the_images


def test_lines_and_rest_add_up_to_the_step_and_the_rest_is_not_negative(step):
    seconds = {operation.name: operation.seconds for operation in step.operations}
    assert sum(operation.seconds for operation in step.operations) == pytest.approx(step.timing.median_profiled_seconds)
    assert min(seconds.values()) >= 0


def test_every_line_names_its_source(step):
    lines = [operation for operation in step.operations if operation.kind in ("gemm", "rng", "update", "softmax")]
    assert lines
    assert all(operation.source.startswith("mlp/backends/numpy.py:") for operation in lines)


def test_the_update_runs_once_for_each_parameter(step):
    updates = [operation for operation in step.operations if operation.kind == "update"]
    assert {operation.calls for operation in updates} == {6}


def test_the_first_steps_are_drawn_one_line_after_another(step):
    starts = [event.start_seconds for event in step.events]
    assert starts == sorted(starts)
    assert starts[0] >= 0


def test_tracing_is_off_afterwards(step):
    assert sys.gettrace() is None


def test_an_evaluation_has_three_products_and_no_update(backend, toy_data):
    collector = NumpyCollector(backend)
    measured = measure(collector, "evaluate", lambda: backend.evaluate(*toy_data[2:4]), 3, 1)
    assert len(gemms(measured)) == 3
    assert not [operation for operation in measured.operations if operation.kind in ("update", "rng")]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("delta = delta @ self._parameters[2 * layer].T", "gemm"),
        ("accu *= recipe.rho", "update"),
        ("if layer:", "host"),
        ("accuracies.append(np.mean(probabilities.argmax(axis=1) == batch_labels))", "reduction"),
    ],
)
def test_a_line_is_of_the_kind_that_it_says(line, kind):
    assert kind_of(line) == kind
