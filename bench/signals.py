"""A command that is told to end cleans up first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@dataclass
class _State:
    """``told``: the end was told; ``deferred``: it waits; ``waiting``: and it was told meanwhile."""

    told: bool = False
    deferred: bool = False
    waiting: bool = False


_state = _State()


def _interrupt(number: int, frame: Any) -> None:
    if _state.told:
        return
    _state.told, _state.waiting = True, _state.deferred
    if not _state.deferred:
        raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[None]:
    """Let a signal wait for the end of the block: a process that is just being started is known before it is ended."""
    _state.deferred = True
    try:
        yield
    finally:
        _state.deferred = False
        if _state.waiting:
            _state.waiting = False
            raise KeyboardInterrupt


@contextmanager
def ends_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does: its processes and scratch folders go with it.

    A signal that is ignored, as under nohup and in the background of a script, stays ignored.  A signal that follows
    the first, as when a terminal is closed, does not interrupt the cleaning up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can be told
        return
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    _state.told = _state.told and _interrupt in before.values()  # another one began around this one
    for number in handled:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
