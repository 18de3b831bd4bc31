"""Sections on the host side of a profile: threads, kernel events, memory by phase."""

from __future__ import annotations

from typing import Any

from bench.document.section import Section
from bench.document.table import BYTES, NUMBER, Column, Kind
from bench.records.profile import Profile
from bench.units import format_bytes, format_percent

WHOLE_PERCENT = Kind(lambda fraction: format_percent(fraction, 0), "fraction")
PER_STEP = {
    "page_faults_per_step": "page faults without disk",
    "major_page_faults_per_step": "page faults with disk",
    "voluntary_context_switches_per_step": "context switches, waiting",
    "involuntary_context_switches_per_step": "context switches, core taken away",
}


def host_sections(profile: Profile) -> list[Section]:
    host = profile.host
    return [*_steps(host), *_threads(host), *_memory(host), *_gpu(host)]


def _steps(host: dict[str, Any]) -> list[Section]:
    rows = [[label, host[name]] for name, label in PER_STEP.items() if host.get(name) is not None]
    rows += [[name, count] for name, count in (host.get("hardware_events_per_step") or {}).items()]
    if not rows or "num_steps" not in host:
        return []
    sentence = f"Means over {host['num_steps']} training steps of the whole process."
    return [Section("The host, in each training step", [sentence], ["what", Column("each step", NUMBER)], rows)]


def _threads(host: dict[str, Any]) -> list[Section]:
    rows = [[one["thread"], one["cpu_percent"] / 100] for one in host.get("threads") or []]
    columns = ["thread", Column("CPU", WHOLE_PERCENT)]
    return [Section("CPU use by thread", ["100 % is one core."], columns, rows)] if rows else []


def _memory(host: dict[str, Any]) -> list[Section]:
    phases = host.get("memory_by_phase") or []
    if not phases:
        return []
    peak = max(phases, key=lambda one: one["peak_rss_bytes"])
    rows = [[one["phase"], *(one[f"{when}_rss_bytes"] for when in ("first", "last", "peak"))] for one in phases]
    sentence = f"The peak, {format_bytes(peak['peak_rss_bytes'])}, falls into the phase {peak['phase']}."
    columns = ["phase", *(Column(name, BYTES) for name in ("first sample", "last sample", "peak"))]
    return [Section("Memory by phase", [sentence], columns, rows)]


def _gpu(host: dict[str, Any]) -> list[Section]:
    timeline = host.get("gpu_timeline") or []
    if not timeline:
        reason = host.get("gpu_reason")
        return [Section("The GPU beside the steps", [f"It is not available: {reason}."])] if reason else []
    quantities = {"sm_clock_mhz": "clock, MHz", "power_watts": "power, W", "gpu_utilization_percent": "busy, %"}
    rows = []
    for name, label in quantities.items():
        values = [sample[name] for sample in timeline if sample.get(name) is not None]
        shown = [min(values), sum(values) / len(values), max(values)] if values else [None] * 3
        rows.append([label, *shown])
    columns = ["what", *(Column(name, NUMBER) for name in ("least", "mean", "most"))]
    return [Section("The GPU beside the steps", [], columns, rows)]
