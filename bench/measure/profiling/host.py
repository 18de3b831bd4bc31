"""Host side of a profile: CPU use, memory and kernel events of the driving process."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.errors import RecordError
from bench.machine.perf import HardwareCounters
from bench.machine.process_sampler import ProcessSampler
from bench.machine.sysfs import read
from bench.machine.watch import Watch
from bench.records import files

WATCHED_SECONDS = 1.0  # long enough for the kernel's clock ticks of 10 ms
SAMPLING_INTERVAL_SECONDS = 0.001

Steps = Callable[[], None]  # runs several steps synchronously


class MemoryTimeline(ProcessSampler):
    """Sampler of resident memory and CPU use of this process, with the phase of each sample.

    A sample searches all processes of the machine for children of this one while holding Python's lock, so timed calls
    run inside ``paused()`` (measured: 3 % of a step otherwise).
    """

    def __init__(self, phase: Callable[[], str], interval_seconds: float = 0.1) -> None:
        super().__init__(os.getpid(), interval_seconds)
        self._phase = phase
        self._is_paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Suspend sampling inside the block; take one sample before and one after it."""
        self.take()
        with self._taking:  # wait for a running sample before timing begins
            self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False
            self.take()

    def read(self) -> dict[str, Any] | None:
        sample = None if self._is_paused else super().read()
        return None if sample is None else {**sample, "phase": self._phase()}


def watch(steps: Steps, num_steps: int, device: str) -> dict[str, Any]:
    """Measure resource use of ``num_steps`` steps, repeated for a second or more.

    Faults, switches and hardware events are those of the whole process, per step.  ``problems`` are sentences about
    missing counters.
    """
    with Watch(device) as beside, HardwareCounters() as counters:
        threads, usage = _thread_seconds(), resource.getrusage(resource.RUSAGE_SELF)
        start, repeats = time.perf_counter(), 0
        while (seconds := time.perf_counter() - start) < WATCHED_SECONDS or not repeats:
            steps()
            repeats += 1
        used, after = resource.getrusage(resource.RUSAGE_SELF), _thread_seconds()
    done = repeats * num_steps
    events = counters.counts()
    return {
        "num_steps": done,
        "seconds": seconds,
        "threads": _cpu_use(threads, after, seconds),
        "page_faults_per_step": (used.ru_minflt - usage.ru_minflt) / done,
        "major_page_faults_per_step": (used.ru_majflt - usage.ru_majflt) / done,
        "voluntary_context_switches_per_step": (used.ru_nvcsw - usage.ru_nvcsw) / done,
        "involuntary_context_switches_per_step": (used.ru_nivcsw - usage.ru_nivcsw) / done,
        "hardware_events_per_step": {name: count / done for name, count in events.items()},
        "problems": [] if counters.problem is None else [counters.problem],
        **beside.extra_info(),
    }


def _thread_seconds() -> dict[int, float]:
    """Return the CPU seconds of each thread of this process so far."""
    return {one.id: one.user_time + one.system_time for one in psutil.Process().threads()}


def _cpu_use(before: dict[int, float], after: dict[int, float], seconds: float) -> list[dict[str, Any]]:
    """Return the CPU use of each active thread, the busiest first; 100 % is one core."""
    found = [
        {"thread": read(Path(f"/proc/self/task/{one}/comm")) or str(one), "cpu_percent": 100 * used / seconds}
        for one, total in after.items()
        if (used := total - before.get(one, 0.0)) > 0
    ]
    return sorted(found, key=lambda thread: -thread["cpu_percent"])


def memory_by_phase(timeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each phase, in order, the memory at its first and last sample, and its peak."""
    phases: dict[str, list[int]] = {}
    for sample in timeline:
        phases.setdefault(sample["phase"], []).append(sample["rss_bytes"])
    return [
        {"phase": phase, "first_rss_bytes": sizes[0], "last_rss_bytes": sizes[-1], "peak_rss_bytes": max(sizes)}
        for phase, sizes in phases.items()
    ]


def flame_graph(steps: Steps, path: Path) -> str | None:
    """Sample the driver's Python stack during ``steps`` and write an HTML page; return a sentence on failure."""
    try:
        from pyinstrument import Profiler
        from pyinstrument.renderers import HTMLRenderer
    except ImportError:
        return "There is no flame graph of the driver: the package pyinstrument is not installed."
    sampler = Profiler(interval=SAMPLING_INTERVAL_SECONDS)
    start = time.perf_counter()
    with sampler:
        while time.perf_counter() - start < WATCHED_SECONDS:
            steps()
    try:
        files.write(path, sampler.output(HTMLRenderer()), "make room")
    except RecordError as error:
        return f"The flame graph of the driver is missing: {error}"
    return None
