"""Notices about other load when a run started, or while it measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.units import format_number

MOST_TAKEN = 0.1  # of the cores that a process needs; if others take more, the process counts as disturbed
MOST_DISTURBED = 0.1  # of a run's processes
MOST_UTILIZATION_PERCENT = 10  # of a GPU at the start of a run
REMEDY = "Its times are too long and too variable: measure again on an idle machine."
REMEDY_AT_START = "Its times will be too long and too variable: end the other work, or measure later."


def load_notices(header: RunHeader, frames: Frames) -> list[str]:
    """Return the notices of a run; see ``notices``."""
    processes = frames.processes.dropna(subset=["other_cpu_percent", "threads"])
    return notices(header, list(zip(processes["threads"], processes["other_cpu_percent"], strict=True)))


def notices(header: RunHeader, processes: Sequence[tuple[int, float]]) -> list[str]:
    """Return at most one notice for the start of the run and one for its processes, with the remedy.

    ``processes`` are (threads, CPU use of other processes in percent of a core).
    """
    each = (start_notice(header.machine, header.measures_gpu), _processes_notice(header.machine, processes))
    found = [text for text in each if text is not None]
    return [*found[:-1], f"{found[-1]} {REMEDY}"] if found else []


def start_notice(machine: Mapping[str, Any], on_gpu: bool = False) -> str | None:
    """Return a notice if the load average is at least the number of cores, or if a GPU to be measured is in use."""
    found = [_cpu_start_notice(machine), _gpu_start_notice(machine) if on_gpu else None]
    return " ".join(filter(None, found)) or None


def _gpu_start_notice(machine: Mapping[str, Any]) -> str | None:
    """Return a notice by the processes on each GPU, or by its utilisation where these are invisible."""
    found = []
    for number, gpu in enumerate(machine.get("gpus") or []):
        if not isinstance(gpu, dict):
            continue
        others, percent = gpu.get("other_processes_now"), gpu.get("utilization_percent_now")
        if others:
            found.append(f"GPU {number} was used by {others} other process{'es' * (others > 1)}")
        elif percent is not None and percent >= MOST_UTILIZATION_PERCENT:
            found.append(f"GPU {number} was in use for {percent} % of the time before")
    return f"Started beside other work on the GPU: {', '.join(found)}." if found else None


def _cpu_start_notice(machine: Mapping[str, Any]) -> str | None:
    load, cores = machine.get("load_average_1min"), machine.get("logical_cores") or machine.get("usable_cores")
    if load is None or cores is None or load < cores:
        return None
    return (
        f"Started under load: in the minute before, {format_number(load)} processes on average competed for the "
        f"machine's {cores} cores."
    )


def _processes_notice(machine: Mapping[str, Any], processes: Sequence[tuple[int, float]]) -> str | None:
    """Return a notice by the CPU time that others took beyond the cores a process leaves idle."""
    cores = machine.get("usable_cores")
    if not processes or not cores:
        return None
    disturbed = [
        percent / 100
        for threads, percent in processes
        if percent / 100 - max(0, cores - threads) > MOST_TAKEN * threads
    ]
    if not disturbed or len(disturbed) < MOST_DISTURBED * len(processes):
        return None
    return (
        f"Measured under load: beside {len(disturbed)} of {len(processes)} processes something else was computing, on "
        f"{format_number(median(disturbed))} of {cores} cores (median; {format_number(max(disturbed))} at most)."
    )
