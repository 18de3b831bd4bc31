"""Notices about other load when a run started, or while it measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.records.frames import Frames
from bench.units import format_number

MOST_TAKEN = 0.1  # of the cores that a process needs; if others take more, the process counts as disturbed
MOST_DISTURBED = 0.1  # of a run's processes
REMEDY = "Its times are too long and too variable: measure again on an idle machine."


def load_notices(header: Mapping[str, Any], frames: Frames) -> list[str]:
    """Return the notices of a run; see ``notices``."""
    processes = frames.processes.dropna(subset=["other_cpu_percent", "threads"])
    return notices(header, list(zip(processes["threads"], processes["other_cpu_percent"], strict=True)))


def notices(header: Mapping[str, Any], processes: Sequence[tuple[int, float]]) -> list[str]:
    """Return at most one notice for the start of the run and one for its processes, with the remedy.

    ``processes`` are (threads, CPU use of other processes in percent of a core).
    """
    machine = header.get("machine") or {}
    found = [text for text in (start_notice(machine), _processes_notice(machine, processes)) if text is not None]
    return [*found[:-1], f"{found[-1]} {REMEDY}"] if found else []


def start_notice(machine: Mapping[str, Any]) -> str | None:
    """Return a notice if the load average is at least the number of cores."""
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
