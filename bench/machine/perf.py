"""Hardware events of a process by Linux's perf, where installed and permitted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence

EVENTS = ("cycles", "instructions", "cache-misses", "branch-misses")
START_SECONDS, END_SECONDS = 0.2, 10.0
PARANOID = "/proc/sys/kernel/perf_event_paranoid"


class HardwareCounters:
    """Context manager that runs ``perf stat`` attached to a process, by default this one, during the block.

    Call ``counts()`` afterwards; events that cannot be counted are missing, with the reason in ``problem``.
    """

    def __init__(self, perf: str | None = None, events: Sequence[str] = EVENTS, pid: int | None = None) -> None:
        self._perf = perf or shutil.which("perf")
        self._events, self._pid = events, os.getpid() if pid is None else pid
        self._process: subprocess.Popen[str] | None = None
        self._output = ""
        self.problem: str | None = None

    def __enter__(self) -> HardwareCounters:
        if self._perf is None:
            self.problem = "Hardware events were not counted: perf is not installed; all else was measured."
            return self
        command = [self._perf, "stat", "-x", ",", "-e", ",".join(self._events), "-p", str(self._pid)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            self.problem = f"Hardware events were not counted ({error.strerror}); all else was measured."
            return self
        time.sleep(START_SECONDS)  # perf needs this time to attach itself
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # perf prints its counts when it is interrupted
        try:
            self._output = self._process.communicate(timeout=END_SECONDS)[1]
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._output = self._process.communicate()[1]

    def counts(self) -> dict[str, float]:
        found = event_counts(self._output)
        if self.problem is None and not found:
            self.problem = f"Hardware events were not counted: {self._reason()}; all else was measured."
        return found

    def _reason(self) -> str:
        if "<not supported>" in self._output or "<not counted>" in self._output:
            return "this machine shows none (most virtual machines do not)"
        return f"perf may not look at this process (the kernel's limit is in {PARANOID})"


def event_counts(text: str) -> dict[str, float]:
    """Return {event: count} of the lines ``count,unit,event,...`` of ``perf stat -x ,`` that have a count.

    Where cores are of several kinds, an event has a line for each (``cpu_core/cycles/``): their counts are added.
    """
    counts: dict[str, float] = {}
    for fields in (line.split(",") for line in text.splitlines()):
        if len(fields) > 2 and fields[0].isdigit():
            event = fields[2].partition("/")[2] or fields[2]
            event = event.replace("/", ":").partition(":")[0]
            counts[event] = counts.get(event, 0.0) + float(fields[0])
    return counts
