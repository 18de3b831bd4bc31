"""Trace of a profile for Perfetto (ui.perfetto.dev) and chrome://tracing.

The format is "Trace Event Format" (Google, 2016): complete events (``ph`` X) with microseconds in ``ts`` and ``dur``,
counters (C), and metadata (M) with the names of processes and threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.records.profile import FUNCTIONS, Event, Operation, Profile
from bench.records.run_folder import write_json

STEPS, HOST = 1, 2  # the processes of the trace
LAID_OUT_CALLS = 3  # of each function, if the profiler records no timestamps
COUNTERS = ("rss_bytes", "cpu_percent", "gpu_memory_bytes", "sm_clock_mhz", "power_watts", "gpu_utilization_percent")


def write_trace(profile: Profile, path: Path) -> None:
    """Write the trace of ``profile``; raise RecordError if that fails."""
    write_json(path, trace(profile), "free space, or name another directory with --output")


def trace(profile: Profile) -> dict[str, Any]:
    """Return the recorded events of the steps; without timestamps, average operations laid end to end.

    Samples of memory, CPU and GPU are counters of a second process with a separate clock.
    """
    events = list(profile.events) or list(_laid_out(profile))
    how = "as measured" if profile.events else "averages laid end to end: this profiler keeps no times"
    return {
        "displayTimeUnit": "ms",
        "otherData": {"profile": profile.profile_id, "stack": profile.label, "times": how},
        "traceEvents": [
            _metadata("process_name", STEPS, f"{profile.label}, {how}"),
            *_operations(events),
            *_counters(profile.host or {}),
        ],
    }


def _laid_out(profile: Profile) -> Iterator[Event]:
    start = 0.0
    for function in FUNCTIONS:
        operations = [one for one in profile.operations if one.function == function and one.seconds > 0]
        for _ in range(LAID_OUT_CALLS if operations else 0):
            for one in sorted(operations, key=_makes_no_minibatch):
                yield Event(function, one.name, one.kind, function, start, one.seconds)
                start += one.seconds


def _makes_no_minibatch(operation: Operation) -> bool:
    """Return the sort key that places minibatches first and keeps the order of the others."""
    return operation.details.get("op") != "minibatch"


def _operations(events: list[Event]) -> Iterator[dict[str, Any]]:
    threads = {name: number for number, name in enumerate(dict.fromkeys(event.thread for event in events), start=1)}
    for name, number in threads.items():
        yield {**_metadata("thread_name", STEPS, name), "tid": number}
    for event in events:
        yield {
            "name": event.name,
            "cat": event.kind,
            "ph": "X",
            "ts": event.start_seconds * 1e6,
            "dur": event.seconds * 1e6,
            "pid": STEPS,
            "tid": threads[event.thread],
            "args": {"function": event.function},
        }


def _counters(host: dict[str, Any]) -> Iterator[dict[str, Any]]:
    samples = [*(host.get("timeline") or []), *(host.get("gpu_timeline") or [])]
    if samples:
        yield _metadata("process_name", HOST, "beside the steps: memory, CPU, GPU (a clock of its own)")
    for sample in samples:
        for name in COUNTERS:
            if sample.get(name) is not None:
                yield {
                    "name": name,
                    "ph": "C",
                    "ts": sample["t_seconds"] * 1e6,
                    "pid": HOST,
                    "tid": 0,
                    "args": {name: sample[name]},
                }


def _metadata(kind: str, process: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": process, "tid": 0, "args": {"name": name}}
