"""What changes beside the work, sampled from a thread: memory and CPU use of a process."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import psutil


class PeriodicSampler(ABC):
    """A context manager that takes a sample every ``interval_seconds`` from a thread, and a last one at the end.

    ``timeline`` holds one dict for each sample: ``t_seconds`` since the start, and what ``read`` returned.
    """

    def __init__(self, interval_seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._stop = threading.Event()
        self._taking = threading.Lock()  # held while a sample is taken, by whichever thread
        self._thread: threading.Thread | None = None
        self.timeline: list[dict[str, Any]] = []

    @abstractmethod
    def read(self) -> dict[str, Any] | None:
        """The quantities at this moment; None if there are none now."""

    def start(self) -> None:
        """What is to be done before the first sample, at time 0."""
        self._start_seconds = self._clock()

    def take(self) -> None:
        """One more sample."""
        with self._taking:
            t_seconds = round(self._clock() - self._start_seconds, 3)
            quantities = self.read()
            if quantities is not None:
                self.timeline.append({"t_seconds": t_seconds, **quantities})

    def finish(self) -> None:
        """The last sample, and what is to be done after it."""
        self.take()

    def __enter__(self) -> PeriodicSampler:
        self.start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()
        self.finish()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self.take()


class ProcessSampler(PeriodicSampler):
    """Samples ``rss_bytes``, resident memory, and ``cpu_percent`` of the process ``pid``, its children in the memory.

    CPU use is a percentage of one core, so two busy threads read 200.  A sample costs about 0.1 ms, so the default
    interval disturbs less than 0.1 %.
    """

    def __init__(self, pid: int, interval_seconds: float = 0.25) -> None:
        super().__init__(interval_seconds)
        self._process = psutil.Process(pid)

    @property
    def peak_rss_bytes(self) -> int | None:
        """The largest sample; None when nothing was sampled.  A peak between two samples is missed."""
        return max((sample["rss_bytes"] for sample in self.timeline), default=None)

    def start(self) -> None:
        super().start()
        self._process.cpu_percent()  # the first call only sets the mark that the next one measures from

    def read(self) -> dict[str, Any] | None:
        try:
            rss_bytes = self._process.memory_info().rss
            for child in self._process.children(recursive=True):  # the C++ compiler's runs
                try:
                    rss_bytes += child.memory_info().rss
                except psutil.Error:
                    continue
            return {"rss_bytes": rss_bytes, "cpu_percent": self._process.cpu_percent()}
        except psutil.Error:
            return None
