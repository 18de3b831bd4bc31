from contextlib import contextmanager

import pytest
from fakes import FakeBackend, FakeClock
from small import SMALL

from bench.measure.frameworks.profiler import Collector
from bench.measure.profiling.rounds import BETWEEN, measure
from bench.records.profile import Operation


class FakeCollector(Collector):
    """A step takes 4 s plainly; profiled, round i takes ``profiled[i]`` s, of which its products take 3 s."""

    profiler = "a fake"

    def __init__(self, clock, profiled=(6.0, 5.0, 9.0), gemm_seconds=3.0):
        super().__init__(FakeBackend(clock), clock)
        self.clock = clock
        self.profiled_seconds = iter(profiled)
        self.gemm_seconds = gemm_seconds
        self.is_profiled = False
        self.log = []

    def warm_up(self, function, call):
        self.log.append("rehearse")
        call()

    @contextmanager
    def profiled(self, function):
        self.is_profiled = True
        yield
        self.is_profiled = False

    def operations(self, function, num_calls):
        return [Operation(function, "product", "gemm", 1, self.gemm_seconds)]

    def call(self):
        """Two calls of the function, and before the second a minibatch of 0.25 s."""
        self.log.append("profiled" if self.is_profiled else "plain")
        seconds = next(self.profiled_seconds) if self.is_profiled else 4.0
        self.clock.advance(2 * seconds)


def measured(collector, num_rounds=3):
    return measure(collector, "train_step", collector.call, 2, num_rounds, collector.clock)


def test_plain_and_profiled_calls_take_turns_after_a_rehearsal():
    collector = FakeCollector(FakeClock())
    measured(collector)
    assert collector.log == ["rehearse", "plain", "plain", *["plain", "profiled"] * 3]


def test_every_round_is_kept_and_is_per_call():
    timing = measured(FakeCollector(FakeClock())).timing
    assert (timing.plain_seconds, timing.profiled_seconds) == ((4, 4, 4), (6, 5, 9))
    assert timing.calls_per_sample == 2


def test_the_operations_are_those_of_the_median_round_and_add_up_to_it():
    result = measured(FakeCollector(FakeClock()))
    assert sum(operation.seconds for operation in result.operations) == pytest.approx(6)
    assert sum(operation.seconds for operation in result.operations) == result.timing.median_profiled_seconds


def test_of_an_even_number_of_rounds_one_that_was_measured_is_taken():
    result = measured(FakeCollector(FakeClock(), profiled=(6.0, 8.0)), num_rounds=2)
    assert sum(operation.seconds for operation in result.operations) == result.timing.median_profiled_seconds == 6


def test_operations_that_add_up_to_more_than_the_call_leave_a_negative_rest():
    result = measured(FakeCollector(FakeClock(), gemm_seconds=7.5))
    rest = next(operation for operation in result.operations if operation.name == BETWEEN)
    assert (rest.kind, rest.seconds) == ("host", -1.5)


class GatheringBackend(FakeBackend):
    """Making a minibatch takes 0.25 s."""

    def _minibatches(self, images, labels, order=None):
        for batch in super()._minibatches(images, labels, order):
            self.clock.advance(0.25)
            yield batch


def gathered(toy_data, order):
    clock = FakeClock()
    collector = FakeCollector(clock)
    collector.backend = GatheringBackend(clock)
    collector.backend.build(SMALL, [])
    with collector.minibatches_timed():
        for _ in collector.backend._minibatches(*toy_data[:2], order=order):
            clock.advance(1)  # a step: not the minibatch's
    return collector.minibatch_operation("train_step", 10)


def test_minibatches_are_an_operation_of_their_own(toy_data):
    (minibatch,) = gathered(toy_data, order=range(200))
    assert (minibatch.kind, minibatch.seconds) == ("copy", 0.25)
    assert minibatch.bytes == 2 * (20 * 784 * 4 + 20)


def test_slices_are_no_copies(toy_data):
    (minibatch,) = gathered(toy_data, order=None)
    assert minibatch.bytes == 0


def test_a_backend_that_makes_no_minibatches_has_no_such_operation():
    assert FakeCollector(FakeClock()).minibatch_operation("train_step", 10) == []
