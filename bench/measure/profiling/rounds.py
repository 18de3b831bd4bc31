"""Interleaved plain and profiled rounds of a function in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.measure.frameworks.profiler import Collector
from bench.records.profile import BETWEEN, Event, Operation, Timing


@dataclass(frozen=True)
class Measured:
    """Timing of a function, and the operations of its median profiled round, including the host's row."""

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
    """Measure interleaved rounds; ``call`` makes ``num_calls`` calls of ``function`` synchronously.

    The operations are those of the round with the median profiled time (of an even number, the lower one), so that with
    the host's row they add up to a measured time.
    """
    collector.warm_up(function, call)
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
    """Return the unattributed time of the call as an operation of the host; negative if ``operations`` exceed it."""
    rest = seconds - sum(operation.seconds for operation in operations)
    return Operation(function, BETWEEN, "host", 1, rest, details={"op": BETWEEN})
