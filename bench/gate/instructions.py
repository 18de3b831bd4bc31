"""Instruction counts of a training step by ``perf stat``, where the kernel permits it.

Informative only: a count ignores memory, caches, frequency and other programs, so it is stable on a busy machine and
can mislead; spinning threads count, too.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
from collections.abc import Sequence
from typing import Any

from bench.gate.block import BASE, CANDIDATE, Block
from bench.machine.perf import HardwareCounters, event_counts

EVENT = "instructions"
STEPS, BATCH_SIZE = 5, 500
LABEL = "Second opinion, blind to memory and frequency"


def why_not(device: str) -> str | None:
    """Return the reason why instructions cannot be counted here; None if they can."""
    if device != "cpu":
        return "the work is not the CPU's"
    perf = shutil.which("perf")
    if perf is None:
        return "perf is not installed"
    try:
        done = subprocess.run(
            [perf, "stat", "-x,", "-e", f"{EVENT}:u", "true"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"perf cannot be run ({error})"
    if done.returncode != 0:
        return f"perf failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
    if not event_counts(done.stderr).get(EVENT):
        return "the kernel or the virtual machine does not count instructions"
    return None


def of_a_step(process: Any) -> float | None:
    """Return the mean instructions of one training step in ``process``; None if perf reports none."""
    process.ask("steps", batch_size=BATCH_SIZE, num_steps=1)  # warm-up: one-time initialization is not counted
    with HardwareCounters(events=(f"{EVENT}:u",), pid=process.pid) as counters:
        process.ask("steps", batch_size=BATCH_SIZE, num_steps=STEPS)
    count = counters.counts().get(EVENT)
    return count / STEPS if count else None


def sentence(blocks: Sequence[Block], why_none: str | None) -> str:
    """Return a sentence with the instruction ratio, or with the reason why there is none."""
    if why_none is not None:
        return f"{LABEL}: none, because {why_none}."
    counts: dict[str, list[float]] = {BASE: [], CANDIDATE: []}
    for block in blocks:
        for slot, count in zip(block.slots, block.instructions, strict=False):
            if count is not None and slot.role in counts:
                counts[slot.role].append(count)
    if not all(counts.values()):
        return f"{LABEL}: none, because perf counted nothing in one of the sides."
    base, candidate = (statistics.median(counts[role]) for role in (BASE, CANDIDATE))
    return (
        f"{LABEL}: a training step of {BATCH_SIZE} examples takes {candidate / base:.3f} times the instructions of the "
        f"base ({base:,.0f}; {len(counts[BASE])} and {len(counts[CANDIDATE])} processes)."
    )
