"""Subprocesses with a time limit, ended with their children, with the reason if they fail."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure.signals import deferred

PROJECT = Path(__file__).resolve().parent.parent.parent
UMASK = 0o022  # a stricter one may lock a process out of its own folders
PARENT = "MLP_BENCH_PARENT"  # the variable with the number of the process that starts a worker
PR_SET_PDEATHSIG = 1  # of prctl(2)
MOST_CHARACTERS = 300  # of a reason
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]")
NO_OUTPUT = "it printed nothing"
OUT_OF_MEMORY = "most likely by the kernel because memory ran out"
OUT_OF_CPU_TIME = "its limit of CPU time (ulimit -t) was used up"

# Messages of libraries that end the process, or of Python below a traceback: (pattern, meaning).  The first match of
# the table counts, at any position in the output; later messages are consequences.
KNOWN_CAUSES = (
    (r"Unknown flags? in (XLA_FLAGS): *(.+)", r"\1 holds what this XLA does not know: \2"),
    (
        r"OpenBLAS blas_thread_init: RLIMIT_NPROC (\S+) current",
        r"OpenBLAS could not start its threads: the limit on processes (RLIMIT_NPROC, ulimit -u) is \1",
    ),
    (
        r"OpenBLAS (?:blas_thread_init|warning|error)?:? ?(?:pthread_create|Memory allocation still) failed[^\n]*",
        r"OpenBLAS got no memory or no thread; ulimit -a shows the limits of this shell (\g<0>)",
    ),
    (
        r"(\S*/\S+\.so[.\d]*): version [`'](\S+)' not found \(required by (\S+?)\)",
        r"the library \1 has no \2, which \3 needs: LD_LIBRARY_PATH or the system puts another one in its place",
    ),
    (
        r"(\S+\.so[.\d]*): undefined symbol: ([^\s,]+)",
        r"the library \1 misses the symbol \2: LD_LIBRARY_PATH or LD_PRELOAD puts another library in the place of "
        "the one that it was built with",
    ),
    (
        r"(\S*/\S+\.so[.\d]*): (?:invalid ELF header|file too short|wrong ELF class: \S+)",
        r"\g<0>: this file is not a shared library for this machine, and LD_LIBRARY_PATH or the system puts it first",
    ),
    (
        r"(\S+): (?:failed to map segment from shared object[^\n]*|cannot enable executable stack[^\n]*)",
        r"the loader may not execute \1: its folder is on a file system mounted noexec, or memory is limited (ulimit "
        "-v); name another folder with TMPDIR",
    ),
    (r"(\S+\.so[.\d]*): cannot open shared object file[^\n]*", r"the shared library \1 is not on the loader's path"),
    (r"OMP: Error #\d+: *(.+)", r"OpenMP ended the process: \1"),
    (r"Original error was: *(.+)", r"\1"),
    (r"(?m)^[^:\n]+: (error: .+)", r"\1"),  # of a command line, below its usage
    (r"No space left on device[^\n]*", r"\g<0>"),
    (r"(?:std::bad_alloc|(?:numpy\S*)?MemoryError\b|Cannot allocate memory)[^\n]*", r"memory ran out (\g<0>)"),
)
MARK = r"E\s+|INTERNALERROR>\s*"  # of pytest, before the lines of a traceback
# Patterns of the last line that explains the end, from the most to the least specific.
TELLING = (
    re.compile(rf"(?:{MARK})?[\w.]*(?:Error|Exception|Interrupt|Exit)\b(?::|$)|ERROR\b|Fatal Python error"),
    re.compile(r"(?i).*\b(?:fatal|error|abort\w*|terminate\w*|failed|cannot|unable|denied)\b"),
)


@dataclass(frozen=True)
class ProcessResult:
    """Result of a process: ``exit_code`` is None, and ``cut_short`` a sentence, if it timed out or did not start.

    ``text`` is its output, including stderr.
    """

    exit_code: int | None
    cut_short: str | None
    text: str
    wall_seconds: float


def run_to_end(
    argv: list[str], variables: dict[str, str], limit_seconds: float, folder: Path = PROJECT
) -> ProcessResult:
    """Run a process in ``folder`` with a time limit; end it with its children.

    Libraries read configuration from the current folder (numba: .numba_config.yaml), so measured processes run in an
    empty one.  KeyboardInterrupt ends it, too, and propagates.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        try:
            with running(argv, env=variables, cwd=folder, umask=UMASK, **streams) as process:
                exit_code, cut_short = _wait(process, limit_seconds)
        except OSError as error:
            return ProcessResult(None, f"it could not be started by {argv[0]} ({error.strerror})", "", 0.0)
        wall_seconds = time.perf_counter() - start
        output.seek(0)
        return ProcessResult(exit_code, cut_short, output.read().decode(errors="replace"), wall_seconds)


def _wait(process: subprocess.Popen, limit_seconds: float) -> tuple[int | None, str | None]:
    try:
        return process.wait(limit_seconds), None
    except subprocess.TimeoutExpired:
        return None, f"it hung: no end within its limit of {limit_seconds:g} s, so it was stopped"


@contextmanager
def running(argv: list[str], env: Mapping[str, str] = os.environ, **options: Any) -> Iterator[subprocess.Popen]:
    """Start a process in its own session, and end it with its children at the end of the block.

    Ctrl-C then reaches only this process, which ends the other in order; if this process is killed, ``end_with_parent``
    ends the other.  Raises OSError if it cannot be started.
    """
    process = None
    told = {**env, PARENT: str(os.getpid())}
    try:
        with deferred():
            process = subprocess.Popen(argv, env=told, start_new_session=True, **options)
        yield process
    finally:
        if process is not None:
            end_group(process)


def end_with_parent() -> None:
    """Let Linux end this worker when the process that started it is killed.  A worker started by hand is left alone."""
    parent = os.environ.pop(PARENT, None)  # what this process starts has another
    if parent is not None:
        end_with(int(parent))


def end_with(parent: int) -> None:
    """Let Linux end this process when its parent, the process with this number, is killed."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before this call
        os.kill(os.getpid(), signal.SIGKILL)


def end_group(process: subprocess.Popen) -> None:
    """End the process and its children, including compilers."""
    with suppress(OSError):  # the group is empty, as after a normal end
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def why_ended(exit_code: int, text: str) -> str:
    """Return the reason, following "it", of a process that ended early with ``exit_code`` and printed ``text``."""
    return f"it {how_ended(exit_code)}{why_killed(exit_code) or f': {explain(text)}'}"


def why_killed(exit_code: int) -> str | None:
    """Return the likely reason, following ``how_ended``, of a signal that the kernel sends; None for others."""
    if exit_code == -signal.SIGKILL:
        import resource  # as the signal, of POSIX

        is_limited = resource.getrlimit(resource.RLIMIT_CPU)[0] != resource.RLIM_INFINITY
        return f", {OUT_OF_MEMORY}" + (f", or because {OUT_OF_CPU_TIME}" if is_limited else "")
    return f": {OUT_OF_CPU_TIME}" if exit_code == -signal.SIGXCPU else None


def how_ended(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed (SIGKILL)"
    return f"crashed ({_signal_name(-exit_code)})" if exit_code < 0 else f"ended with exit code {exit_code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def explain(text: str) -> str:
    """Return the line of an output that explains the end of its process, as plain text; never empty."""
    text = plain(text)
    cause = known_cause(text)
    if cause is not None:
        return cause
    lines = [line.strip() for line in text.splitlines() if line.strip(" \t-=_*")]
    for telling in TELLING:
        found = [line for line in lines if telling.match(line)]
        if found:
            return _shortened(re.sub(f"^(?:{MARK})", "", found[-1]))
    return _shortened(lines[-1]) if lines else NO_OUTPUT


def known_cause(text: str) -> str | None:
    """Return the meaning of ``text`` by the first match in KNOWN_CAUSES; None without a match."""
    for what, meaning in KNOWN_CAUSES:
        if match := re.search(what, text):
            return _shortened(match.expand(meaning))
    return None


def why_not_imported(error: ImportError) -> str:
    """Return the library or package that caused the error, from its chain of causes."""
    texts, one = [], error
    while one is not None:
        texts.append(str(one))
        one = one.__cause__ or one.__context__
    cause = known_cause("\n".join(reversed(texts)))
    path = os.environ.get("LD_LIBRARY_PATH")
    if cause is None:
        return explain(str(error))
    return f"{cause} (LD_LIBRARY_PATH is {path})" if path and "LD_LIBRARY_PATH" in cause else cause


def describe(error: BaseException) -> str:
    """Return an exception in one line of plain text, with its class; without a message, with its location."""
    text = plain(str(error)).strip()
    if not text:
        return f"{type(error).__name__} at {_place(error)}"
    return f"{type(error).__name__}: {known_cause(text) or _shortened(text.splitlines()[0])}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    frame = frames[-1]
    return f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}" + (f" ({frame.line})" if frame.line else "")


def plain(text: str) -> str:
    """Return ``text`` without escape sequences and control characters; text overwritten by a carriage return stays."""
    return ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _shortened(line: str) -> str:
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"
