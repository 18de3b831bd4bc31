"""Trace Event Format (Google, 2016), for Perfetto (ui.perfetto.dev) and chrome://tracing.

Complete events (``ph`` X) with microseconds in ``ts`` and ``dur``, counters (C), and metadata (M).  Each process of the
run is a process of the trace: a slice as long as it lived, in a reference run a slice for each phase and epoch inside
it, and counters of memory, CPU, clock, power and temperature beside them.
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from bench.errors import BenchError
from bench.records.formats.clock import before_clock_seconds, process_start_seconds, reference_run, spans
from bench.records.formats.series import Run

MICROSECONDS = 1e6  # in a second: the unit of ``ts`` and ``dur``
COUNTERS = {  # column of the timeline -> name of the counter
    "rss_bytes": "resident memory (bytes)",
    "cpu_percent": "CPU (percent, 100 is one core)",
    "gpu_memory_bytes": "GPU memory (bytes)",
    "sm_clock_mhz": "SM clock (MHz)",
    "power_watts": "power (W)",
    "temperature_celsius": "temperature (°C)",
    "gpu_utilization_percent": "GPU utilization (percent)",
}


def render(run: Run) -> str:
    if not run.replicates:
        raise BenchError(f"run {run.header.run_id} holds no processes, so there is nothing to trace.")
    about = {
        "run_id": run.header.run_id,
        "started_at": run.header.started_at,
        "note": "a process starts at its recorded time, to the second, but never before the previous one ended; "
        "a reference run is aligned with the end of its process",
    }
    return json.dumps(trace_events(_events(run.replicates), **about), allow_nan=False)


def _events(replicates: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the events of all processes; times count from the start of the first."""
    first = next((start for one in replicates if (start := process_start_seconds(one)) is not None), 0.0)
    free = 0.0  # end of the previous process: they run one after another
    for replicate in replicates:
        recorded = process_start_seconds(replicate)
        start = free if recorded is None else max(recorded - first, free)
        wall_seconds = replicate.get("wall_seconds") or 0.0
        yield from _process(replicate, start, wall_seconds)
        free = start + wall_seconds


def _process(replicate: dict[str, Any], start: float, wall_seconds: float) -> Iterator[dict[str, Any]]:
    number, name = replicate["sequence"], _name(replicate["case"])
    yield metadata("process_name", number, name=name)
    yield metadata("process_sort_index", number, sort_index=number)
    about = {"status": replicate["status"], "reason": replicate.get("reason"), "case": replicate["case"]}
    yield complete_event(name, "process", start, wall_seconds, pid=number, args=about)
    run = reference_run(replicate)
    if run is None:
        return
    start += before_clock_seconds(replicate, run)
    for span in spans(run["extra"]):
        title = span.name if span.epoch is None else f"{span.name} {span.epoch}"
        yield complete_event(title, span.name, start + span.start_seconds, span.seconds, pid=number)
    for timeline in ("timeline", "gpu_timeline"):
        for moment in run["extra"].get(timeline) or []:
            yield from counters(moment, start, pid=number)


def _name(case: dict[str, Any]) -> str:
    """Return e.g. ``reference jax/scan on cpu, seed 3``, from the fields that every schema has."""
    stack = "/".join(case[name] for name in ("backend", "variant") if case.get(name))
    where = f" {stack} on {case['device']}" if stack else ""
    return f"{case.get('harness')}{where}, seed {case['seed']}" if case.get("seed") else f"{case.get('harness')}{where}"


def trace_events(events: Iterable[dict[str, Any]], **about: Any) -> dict[str, Any]:
    """Return a trace of ``events``."""
    return {"displayTimeUnit": "ms", "otherData": about, "traceEvents": list(events)}


def metadata(kind: str, pid: int, tid: int = 1, **args: Any) -> dict[str, Any]:
    """Return the event with the name, or the order, of a process or thread of the trace."""
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": args}


def complete_event(
    name: str,
    category: str,
    start: float,
    seconds: float,
    *,
    pid: int,
    tid: int = 1,
    args: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a slice that begins ``start`` seconds after the start of the trace."""
    times = {"ts": start * MICROSECONDS, "dur": seconds * MICROSECONDS}
    return {"ph": "X", "name": name, "cat": category, **times, "pid": pid, "tid": tid, "args": args or {}}


def counters(moment: dict[str, Any], start: float, *, pid: int) -> Iterator[dict[str, Any]]:
    """Yield the counters sampled at ``moment``; a missing value has no event, as a counter cannot be unknown."""
    for column, name in COUNTERS.items():
        value = moment.get(column)
        if value is not None and moment.get("t_seconds") is not None:
            ts = (start + moment["t_seconds"]) * MICROSECONDS
            yield {"ph": "C", "name": name, "pid": pid, "tid": 1, "ts": ts, "args": {"value": value}}
