"""Every collector on the real framework, with the small network: what the table must say whatever the machine does."""

from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from optional import need
from small import SMALL

from bench.measure.frameworks.section_clock import SectionClock
from bench.measure.profiling import collector_of
from bench.measure.profiling.rounds import BETWEEN, measure
from bench.records.profile import KINDS
from mlp.backends import create
from mlp.training import initial_parameters

STACKS = ("theano/as_published", "theano/tuned", "pytensor/c", "pytensor/numba", "jax/step", "jax/scan", "torch/eager")
NUM_STEPS = 10


class Profiled:
    """Both functions of a stack, and the compilation of it."""

    def __init__(self, stack, data):
        backend_name, variant = stack.split("/")
        backend = create(backend_name, variant)
        backend.build(SMALL, initial_parameters(SMALL))
        backend.place_all(data)
        self.collector = collector_of(backend)
        self.sections = SectionClock()
        with self.collector.compiling(self.sections), self.sections.section("compile"):
            backend.compile()
        order = np.arange(len(data[0]))
        self.of = {
            "train_step": self._measure("train_step", lambda: backend.train_epoch(*data[:2], order), NUM_STEPS),
            "evaluate": self._measure("evaluate", lambda: backend.evaluate(*data[2:4]), 3),
        }

    def _measure(self, function, call, num_calls):
        return measure(self.collector, function, call, num_calls, 3)

    def kinds(self, function="train_step"):
        return Counter(operation.kind for operation in self.of[function].operations)

    def products(self, function="train_step"):
        return [operation for operation in self.of[function].operations if operation.kind == "gemm"]


@pytest.fixture(scope="module", params=STACKS)
def profiled(request, toy_data, compile_sooner):
    need(*request.param.split("/"))
    compile_sooner(*request.param.split("/"))
    return request.param, Profiled(request.param, toy_data)


pytestmark = pytest.mark.slow


def calls_for_a_new_module(collector):
    """Return the calls of each phase for an expression that no other test compiles."""
    import theano

    clock, x = SectionClock(), theano.tensor.fvector()
    with collector.compiling(clock), clock.section("compile"):
        theano.function([x], theano.tensor.tanh(theano.tensor.sin(x) - theano.tensor.cosh(x)))
    return {phase.path: phase.calls for phase in clock.phases(None)}


@pytest.mark.parametrize("function", ["train_step", "evaluate"])
def test_operations_and_rest_add_up_to_the_call(profiled, function):
    measured = profiled[1].of[function]
    assert sum(one.seconds for one in measured.operations) == pytest.approx(measured.timing.median_profiled_seconds)
    assert Counter(one.name for one in measured.operations)[BETWEEN] == 1


def test_every_operation_is_of_a_known_kind_and_takes_no_negative_time(profiled):
    for measured in profiled[1].of.values():
        for operation in measured.operations:
            assert operation.kind in KINDS
            assert operation.seconds >= 0 or operation.name == BETWEEN


def test_the_products_of_a_step_are_found_with_all_their_flop(profiled):
    stack, found = profiled
    if stack == "pytensor/numba":
        assert found.kinds()["program"] == 1
        return
    inputs, first, second, top = SMALL.layer_widths
    forward = inputs * first + first * second + second * top
    needed = 2 * SMALL.batch_size * (3 * forward - inputs * first)  # the gradient of the images is not needed
    flop = sum(operation.flop for operation in found.products())
    duplicated = {"theano/as_published", "pytensor/c"}
    expected = needed + 2 * SMALL.batch_size * forward if stack in duplicated else needed
    assert flop == pytest.approx(expected)


def test_theano_computes_each_weight_gradient_twice_and_tuned_does_not(profiled):
    """The rewriting merges learning rate and gradient into a product of their own, beside the gradient itself."""
    stack, found = profiled
    if not stack.startswith("theano"):
        pytest.skip("of Theano")
    products = Counter(operation.details["product"] for operation in found.products())
    twice = [product for product, count in products.items() if count == 2]
    assert len(twice) == (3 if stack == "theano/as_published" else 0)
    assert len(found.products()) == (11 if stack == "theano/as_published" else 8)


def test_the_generator_is_seen_where_it_is_an_operation_of_its_own(profiled):
    stack, found = profiled
    if stack in ("theano/tuned", "pytensor/numba"):  # fused with what it masks; inside the program
        assert not found.kinds()["rng"]
    else:
        assert found.kinds()["rng"] >= 1
    assert not found.kinds("evaluate")["rng"]


def test_nothing_is_unknown_to_the_collector(profiled):
    stack, found = profiled
    problems = [problem for problem in found.collector.problems if "is not known" in problem]
    assert not problems, stack


def test_the_plain_function_is_left_as_it_was(profiled):
    stack, found = profiled
    if stack.startswith("theano"):
        machine = found.collector.backend._train_fn.fn
        assert machine.time_thunks == 0
        assert not any(machine.call_times)


def test_compilation_is_divided_and_no_part_is_longer_than_what_contains_it(profiled):
    stack, found = profiled
    phases = {phase.path: phase for phase in found.sections.phases(None)}
    if not stack.startswith("torch"):
        assert {"compile", "compile/train_step", "compile/evaluate"} <= phases.keys()
    for phase in phases.values():
        if phase.parent in phases:
            assert phase.seconds <= phases[phase.parent].seconds * 1.01
    if stack == "theano/as_published":
        assert any(path.startswith("compile/train_step/optimise/canonicalize/") for path in phases)
        assert calls_for_a_new_module(found.collector)["compile/link/c_compiler"] == 1


def test_a_few_calls_can_be_drawn_in_time(profiled):
    events = profiled[1].of["train_step"].events
    if profiled[0] == "pytensor/numba":
        assert events == []
        return
    assert events
    assert all(event.seconds >= 0 and event.start_seconds >= 0 for event in events)


def test_what_was_measured_can_be_written_as_json(profiled):
    import json

    for measured in profiled[1].of.values():
        json.dumps([asdict(operation) for operation in measured.operations])
    json.dumps(profiled[1].collector.facts())
