"""Fresh processes that start the same work at once, each on cores of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from bench.errors import BenchError
from bench.machine.topology import pinned
from bench.measure.process import describe, end_with, how_ended, why_killed

READY, DONE, FAILED = "ready", "done", "failed"
Prepare = Callable[..., Callable[[], Any]]  # prepares the work, and returns the function that does it


def run_side_by_side(
    prepare: Prepare,
    arguments: Sequence[tuple[Any, ...]],
    shares: Sequence[Sequence[int]],
    around: AbstractContextManager[Any] | None = None,
) -> list[Any]:
    """Run one process for each of ``arguments``; return what each ``prepare(*arguments)()`` returned, in their order.

    The functions start when every process is prepared, inside of ``around``.  ``shares`` are the logical cores of each
    process; empty where they are not restricted.  ``prepare``, arguments and results must be picklable.

    Raises
    ------
    BenchError
        If one fails; all others are ended.
    """
    context = multiprocessing.get_context("spawn")
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for own, share in zip(arguments, shares, strict=True):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, prepare, own, os.getpid()), daemon=True)
            with pinned(share):
                process.start()
            there.close()  # so that the end of the process ends the reading here
            started.append((process, here))
        _receive_all(started)
        with around or nullcontext():
            for _, connection in started:
                connection.send(READY)
            return _receive_all(started)
    finally:
        for process, connection in started:
            connection.close()
            process.kill()
            process.join()


def _receive_all(started: Sequence[tuple[BaseProcess, Connection]]) -> list[Any]:
    """Return one value of each process, in their order; read as they arrive, so that a failure is told at once and not
    when the processes before it, which may wait for the failed one, have ended."""
    numbers = {connection: number for number, (_, connection) in enumerate(started)}
    values: dict[int, Any] = {}
    while len(values) < len(started):
        for connection in wait([one for one, number in numbers.items() if number not in values]):
            number = numbers[connection]
            values[number] = _receive(number + 1, *started[number])
    return [values[number] for number in range(len(started))]


def _receive(number: int, process: BaseProcess, connection: Connection) -> Any:
    try:
        kind, value = connection.recv()
    except (EOFError, OSError):
        process.join()
        code = process.exitcode or 0
        raise BenchError(f"process {number} {how_ended(code)}{why_killed(code) or ''}.") from None
    if kind == FAILED:
        raise BenchError(f"process {number}: {value}")
    return value


def _serve(connection: Connection, prepare: Prepare, arguments: tuple[Any, ...], parent: int) -> None:
    end_with(parent)
    try:
        run = prepare(*arguments)
        connection.send((READY, None))
        connection.recv()
        connection.send((DONE, run()))
    except EOFError:  # the other processes failed
        return
    except Exception as error:  # told to the caller, who ends all processes
        connection.send((FAILED, describe(error)))
