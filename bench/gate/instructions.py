"""A second opinion: the instructions of a training step, counted by the CPU, where the kernel lets ``perf`` ask it.

Advice and no verdict.  A count does not know about memory, caches, frequency or other programs, which is why it is the
same on a busy machine and why it can be wrong; waiting threads that spin count, too.
"""

from __future__ import annotations

import shutil
import signal
import statistics
import subprocess
from collections.abc import Sequence
from typing import Any

from bench.gate.block import BASE, CANDIDATE, Block

EVENT = "instructions:u"
STEPS, BATCH_SIZE = 5, 500
ATTACH_SECONDS = 0.2  # for perf to open its counters before the steps begin
LABEL = "Second opinion, blind to memory and frequency"


def why_not(device: str) -> str | None:
    """Why instructions cannot be counted here; None if they can."""
    if device != "cpu":
        return "the work is not the CPU's"
    perf = shutil.which("perf")
    if perf is None:
        return "perf is not installed"
    try:
        done = subprocess.run([perf, "stat", "-x,", "-e", EVENT, "true"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return f"perf cannot be run ({error})"
    if done.returncode != 0:
        return f"perf failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
    if parse(done.stderr) is None:
        return "the kernel or the virtual machine does not count instructions"
    return None


def of_a_step(process: Any) -> float | None:
    """Instructions of one training step in ``process``, mean of a few; None if perf says nothing."""
    process.ask("steps", batch_size=BATCH_SIZE, num_steps=1)  # whatever happens only once is behind it
    argv = ["perf", "stat", "-x,", "-e", EVENT, "-p", str(process.pid)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as perf:
        try:
            perf.wait(ATTACH_SECONDS)
        except subprocess.TimeoutExpired:  # as it should be: it counts until it is interrupted
            process.ask("steps", batch_size=BATCH_SIZE, num_steps=STEPS)
            perf.send_signal(signal.SIGINT)
        _, text = perf.communicate()
    count = parse(text)
    return None if count is None else count / STEPS


def parse(text: str) -> float | None:
    """The count in what ``perf stat -x,`` prints (``<count>,<unit>,<event>,...``); None where it counted nothing."""
    for line in text.splitlines():
        value = line.partition(",")[0]
        if EVENT.partition(":")[0] in line and value.isdigit() and int(value) > 0:
            return float(value)
    return None


def sentence(blocks: Sequence[Block], why_none: str | None) -> str:
    """What the counts say, or why there are none."""
    if why_none is not None:
        return f"{LABEL}: none, because {why_none}."
    counts: dict[str, list[float]] = {BASE: [], CANDIDATE: []}
    for block in blocks:
        for seat, count in zip(block.seats, block.instructions, strict=False):
            if count is not None and seat.role in counts:
                counts[seat.role].append(count)
    if not all(counts.values()):
        return f"{LABEL}: none, because perf counted nothing in one of the sides."
    base, candidate = (statistics.median(counts[role]) for role in (BASE, CANDIDATE))
    return (
        f"{LABEL}: a training step of {BATCH_SIZE} examples takes {candidate / base:.3f} times the instructions of the "
        f"base ({base:,.0f}; {len(counts[BASE])} and {len(counts[CANDIDATE])} processes)."
    )
