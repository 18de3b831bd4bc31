"""Handle of one measured process of the gate: start, command, stop between commands, end with its children."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.measure.process import UMASK, end_group, explain, how_ended, why_killed
from bench.measure.signals import deferred

PROGRAM = Path(__file__).with_name("replicate.py")
GRACE_SECONDS = 10.0  # from the end of its output to the end of the process
LIMIT_SECONDS = 300.0  # of one command; the longest valid one is a cold compilation on a busy machine


class ReplicateError(BenchError):
    """Failure of a process; the message continues a sentence that begins with the name of its side."""


class Process:
    """Fresh process of a side.  It is stopped (SIGSTOP) between two commands, so that none of its threads run.

    Otherwise the threads of a BLAS, which spin for a tenth of a second after their work before they sleep, would take
    CPU time from the process whose turn is next.
    """

    def __init__(self, argv: list[str], variables: dict[str, str], directory: Path) -> None:
        self._stderr = tempfile.TemporaryFile()  # closed in end()
        self._received = b""
        self._doing = ""
        try:
            with deferred():
                self._process = subprocess.Popen(
                    argv,
                    env=variables,
                    cwd=directory,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._stderr,
                    start_new_session=True,  # Ctrl-C reaches only the gate, which ends its processes in order
                    umask=UMASK,
                )
        except OSError as error:
            self._stderr.close()
            raise ReplicateError(f"could not be started by {argv[0]} ({error.strerror})") from error
        except KeyboardInterrupt:
            self.end()
            raise

    def ask(self, do: str, limit_seconds: float = LIMIT_SECONDS, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait for its reply."""
        self.send(do, **arguments)
        return self.receive(limit_seconds)

    def send(self, do: str, **arguments: Any) -> None:
        """Continue the process with a command; ``receive`` must follow."""
        self._doing = do
        self._signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):  # it has ended; ``receive`` reports that
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self, limit_seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
        """Read the reply to the last command, and stop the process.

        Raises
        ------
        ReplicateError
            If the command failed, or the process crashed or hung.
        """
        line = self._read_line(limit_seconds)
        self._signal(signal.SIGSTOP)
        try:
            reply = json.loads(line)
            reply["ok"]
        except (ValueError, TypeError, KeyError):  # most likely not a Python interpreter
            raise ReplicateError(f"answered {line[:60]!r} when it was to {self._doing}, not a reply") from None
        if not reply.pop("ok"):
            raise ReplicateError(f"failed to {self._doing}: {reply['reason']}")
        return reply

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> None:
        """End the process and its children; idempotent."""
        end_group(self._process)
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            with contextlib.suppress(OSError):  # stdin flushes what a dead process never read
                stream.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def _read_line(self, limit_seconds: float) -> bytes:
        deadline = time.monotonic() + limit_seconds
        stdout = self._process.stdout.fileno()
        while b"\n" not in self._received:
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise ReplicateError(f"hung while it was to {self._doing}: no end within {limit_seconds:g} s")
            chunk = os.read(stdout, 65536)
            if not chunk:
                raise ReplicateError(self._why_it_ended())
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _why_it_ended(self) -> str:
        try:
            exit_code = self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its output without an answer"
        self._stderr.seek(0)
        how = f"{how_ended(exit_code)} when it was to {self._doing}"
        return how + (why_killed(exit_code) or f": {explain(self._stderr.read().decode(errors='replace'))}")

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
