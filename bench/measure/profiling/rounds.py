"""Plain and profiled calls of a function in turn, in one process: what a call takes, and what it is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.measure.frameworks.profiler import Collector
from bench.records.profile import Event, Operation, Timing
from bench.report.profile.breakdown import BETWEEN


@dataclass(frozen=True)
class Measured:
    """A function's timing, and the operations of its median profiled round, the host's row among them."""

    timing: Timing
    operations: list[Operation]
    events: list[Event]


def measure(
    collector: Collector,
    function: str,
    call: Callable[[], None],
    num_calls: int,
    num_rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """``call`` makes ``num_calls`` calls of ``function`` and returns when they are done.

    The operations are those of the round whose profiled time is the median (of an even number, the lower one), so that
    they add up to a time that was measured: what they leave of it is the row of the host.
    """
    collector.rehearse(function, call)
    call()
    plain: list[float] = []
    rounds: list[tuple[float, list[Operation]]] = []
    for _ in range(num_rounds):
        start = clock()
        call()
        plain.append((clock() - start) / num_calls)
        with collector.minibatches_timed():
            with collector.profiled(function):
                start = clock()
                call()
                seconds = (clock() - start) / num_calls
            operations = [
                *collector.operations(function, num_calls),
                *collector.minibatch_operation(function, num_calls),
            ]
        rounds.append((seconds, [*operations, host_row(function, seconds, operations)]))
    _, operations = sorted(rounds, key=lambda one: one[0])[(num_rounds - 1) // 2]
    timing = Timing(tuple(plain), tuple(seconds for seconds, _ in rounds), num_calls)
    return Measured(timing, operations, collector.events(function, call, num_calls))


def host_row(function: str, seconds: float, operations: list[Operation]) -> Operation:
    """What ``operations`` leave of the call: the driver's own time, negative where they add up to more."""
    rest = seconds - sum(operation.seconds for operation in operations)
    return Operation(function, BETWEEN, "host", 1, rest, details={"op": BETWEEN})
