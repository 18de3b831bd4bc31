"""Orderly end of a command on signals."""

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
    """Signal state: ``told`` once signalled; ``deferred`` inside a block that waits; ``waiting`` if both."""

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


def know_exit_codes() -> None:
    """Let this process learn how its children end.

    A caller may ignore SIGCHLD, as some daemons do.  Children inherit that; the kernel then forgets their exit codes,
    and Python takes each for 0.
    """
    if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@contextmanager
def deferred() -> Iterator[None]:
    """Delay signals to the end of the block, so that a process being started is known before it is ended."""
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
    """End a command on SIGTERM and SIGHUP as on Ctrl-C, with its processes and scratch folders.

    A signal that is ignored, as under nohup and in the background of a script, stays ignored.  Further signals, as when
    a terminal is closed, do not interrupt the cleanup.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach only the main thread
        return
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    _state.told = _state.told and _interrupt in before.values()  # nested in another block
    for number in handled:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
