"""Notices that something else was computing when a run started, or while it measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.frames import Frames
from bench.units import format_number

MOST_TAKEN = 0.1  # of the cores that a process wants: more than that taken by others, and it ran beside other work
MOST_DISTURBED = 0.1  # of a run's processes
REMEDY = "Times are too long then, and differ for reasons of their own: measure again on a quiet machine."


def load_notices(header: Mapping[str, Any], frames: Frames) -> list[str]:
    """At most one for the start of the run and one for its processes, with the remedy."""
    machine = header.get("machine") or {}
    found = [text for text in (start_notice(machine), _processes_notice(machine, frames)) if text is not None]
    return [*found[:-1], f"{found[-1]} {REMEDY}"] if found else []


def start_notice(machine: Mapping[str, Any]) -> str | None:
    """By the load average, which counts what wants to run: at least as much as there are cores."""
    load, cores = machine.get("load_average_1min"), machine.get("logical_cores") or machine.get("usable_cores")
    if load is None or cores is None or load < cores:
        return None
    return (
        f"Started under load: in the minute before, {format_number(load)} processes on average wanted the machine's "
        f"{cores} cores."
    )


def _processes_notice(machine: Mapping[str, Any], frames: Frames) -> str | None:
    """By the CPU time that others took of the usable cores, above what a process leaves to them."""
    processes = frames.processes.dropna(subset=["other_cpu_percent", "threads"])
    cores = machine.get("usable_cores")
    if processes.empty or not cores:
        return None
    wanted = processes["threads"].astype(float)
    taken = processes["other_cpu_percent"] / 100 - (cores - wanted).clip(lower=0)
    disturbed = processes[taken > MOST_TAKEN * wanted]
    if len(disturbed) < MOST_DISTURBED * len(processes):
        return None
    used = disturbed["other_cpu_percent"] / 100
    return (
        f"Measured under load: beside {len(disturbed)} of {len(processes)} processes something else was computing, on "
        f"{format_number(used.median())} of {cores} cores (median; {format_number(used.max())} at most)."
    )
