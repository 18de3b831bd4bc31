"""Memory and CPU use of a process over time, sampled by psutil from a thread beside the work."""

from __future__ import annotations

import threading
import time

import psutil


class ProcessSampler:
    """A context manager that samples resident memory and CPU use of ``pid`` and its children.

    ``timeline`` holds ``{"t_seconds", "rss_bytes", "cpu_percent"}``; CPU use is a percentage of one core, so
    two busy threads read 200.  A sample costs about 0.1 ms, so the default interval disturbs less than 0.1 %.
    """

    def __init__(self, pid: int, interval_seconds: float = 0.25) -> None:
        self._process = psutil.Process(pid)
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.timeline: list[dict[str, float]] = []

    @property
    def peak_rss_bytes(self) -> int | None:
        """The largest sample; None when nothing was sampled.  A peak between two samples is missed."""
        return max((int(sample["rss_bytes"]) for sample in self.timeline), default=None)

    def __enter__(self) -> ProcessSampler:
        self._start_seconds = time.perf_counter()
        self._process.cpu_percent()  # the first call only sets the mark that the next one measures from
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self._sample()

    def _sample(self) -> None:
        try:
            rss_bytes = self._process.memory_info().rss
            for child in self._process.children(recursive=True):  # the C++ compiler's runs
                try:
                    rss_bytes += child.memory_info().rss
                except psutil.Error:
                    continue
            cpu_percent = self._process.cpu_percent()
        except psutil.Error:
            return
        self.timeline.append(
            {
                "t_seconds": round(time.perf_counter() - self._start_seconds, 3),
                "rss_bytes": rss_bytes,
                "cpu_percent": cpu_percent,
            }
        )
