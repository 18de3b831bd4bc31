"""Trace of a profile for Perfetto (ui.perfetto.dev) and chrome://tracing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.records.formats.chrome_trace import complete_event, counters, metadata, trace_events
from bench.records.profile import FUNCTIONS, Event, Host, Operation, Profile
from bench.records.run_folder import write_json

STEPS, HOST = 1, 2  # the processes of the trace
LAID_OUT_CALLS = 3  # of each function, if the profiler records no timestamps


def write_trace(profile: Profile, path: Path) -> None:
    """Write the trace of ``profile``; raise RecordError if that fails."""
    write_json(path, trace(profile), "free space, or name another directory with --output")


def trace(profile: Profile) -> dict[str, Any]:
    """Return the recorded events of the steps; without timestamps, average operations laid end to end.

    Samples of memory, CPU and GPU are counters of a second process with a separate clock.
    """
    events = list(profile.events) or list(_laid_out(profile))
    how = "as measured" if profile.events else "averages laid end to end: this profiler keeps no times"
    process = metadata("process_name", STEPS, name=f"{profile.label}, {how}")
    found = [process, *_operations(events), *_samples(profile.host)]
    return trace_events(found, profile=profile.profile_id, stack=profile.label, times=how)


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
        yield metadata("thread_name", STEPS, number, name=name)
    for event in events:
        place = {"pid": STEPS, "tid": threads[event.thread], "args": {"function": event.function}}
        yield complete_event(event.name, event.kind, event.start_seconds, event.seconds, **place)


def _samples(host: Host) -> Iterator[dict[str, Any]]:
    samples = [*(host.get("timeline") or []), *(host.get("gpu_timeline") or [])]
    if samples:
        yield metadata("process_name", HOST, name="beside the steps: memory, CPU, GPU (a clock of its own)")
    for sample in samples:
        yield from counters(sample, 0.0, pid=HOST)
