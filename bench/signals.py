"""A command that is told to end cleans up first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


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
    told = False

    def interrupt(number: int, frame: Any) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt

    for number in handled:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
