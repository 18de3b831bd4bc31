"""Chrome's trace event format, for Perfetto (ui.perfetto.dev) and chrome://tracing.

Each process of the run is a process of the trace: a slice as long as it lived, in a reference run a slice for each
phase and epoch inside it, and counters of memory, CPU, clock, power and temperature beside them.
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterator
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
    document = {
        "displayTimeUnit": "ms",
        "otherData": {
            "run_id": run.header.run_id,
            "started_at": run.header.started_at,
            "note": "a process starts at its recorded time, to the second, but never before the previous one ended; "
            "a reference run is aligned with the end of its process",
        },
        "traceEvents": list(_events(run.replicates)),
    }
    return json.dumps(document, allow_nan=False)


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
    yield {"ph": "M", "name": "process_name", "pid": number, "tid": 1, "args": {"name": name}}
    yield {"ph": "M", "name": "process_sort_index", "pid": number, "tid": 1, "args": {"sort_index": number}}
    about = {"status": replicate["status"], "reason": replicate.get("reason"), "case": replicate["case"]}
    yield _slice(number, name, "process", start, wall_seconds, about)
    run = reference_run(replicate)
    if run is None:
        return
    start += before_clock_seconds(replicate, run)
    for span in spans(run["extra"]):
        title = span.name if span.epoch is None else f"{span.name} {span.epoch}"
        yield _slice(number, title, span.name, start + span.start_seconds, span.seconds, {})
    for timeline in ("timeline", "gpu_timeline"):
        for moment in run["extra"].get(timeline) or []:
            yield from _counters(number, start, moment)


def _name(case: dict[str, Any]) -> str:
    """Return e.g. ``reference jax/scan on cpu, seed 3``, from the fields that every schema has."""
    stack = "/".join(case[name] for name in ("backend", "variant") if case.get(name))
    where = f" {stack} on {case['device']}" if stack else ""
    return f"{case.get('harness')}{where}, seed {case['seed']}" if case.get("seed") else f"{case.get('harness')}{where}"


def _slice(pid: int, name: str, category: str, start: float, seconds: float, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "ts": start * MICROSECONDS,
        "dur": seconds * MICROSECONDS,
        "pid": pid,
        "tid": 1,
        "args": args,
    }


def _counters(pid: int, start: float, moment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the counters sampled at ``moment``; a missing value has no event, as a counter cannot be unknown."""
    for column, name in COUNTERS.items():
        value = moment.get(column)
        if value is not None and moment.get("t_seconds") is not None:
            ts = (start + moment["t_seconds"]) * MICROSECONDS
            yield {"ph": "C", "name": name, "pid": pid, "tid": 1, "ts": ts, "args": {"value": value}}
