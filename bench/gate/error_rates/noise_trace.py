"""Noise traces: repeated timings of an unchanged program over minutes.  Format: results/noise/README.md."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import RecordError
from bench.gate.block import SchedulerCounters
from bench.records import files
from bench.records.json_file import Integer, read_text

# 1 (2026-11): first version; ``core_distance_ns`` and ``scheduler`` were added to the turns.
TRACE_FORMAT = "mlp-bench noise trace 1"


@dataclass(frozen=True)
class TraceTurn:
    """Line of a trace; ``block``, ``round`` and ``process`` count from 0, the last over the whole trace.

    A block has several concurrent fresh processes; in a round each of them takes one turn.  ``side`` is the recorder's
    label: the program is the same, and a replay assigns sides randomly.  ``seconds`` is None if the process failed.
    """

    t_start_seconds: float
    side: str
    process: Integer
    block: Integer
    round: Integer
    seconds: float | None
    core_distance_ns: float | None = None
    scheduler: SchedulerCounters | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a negative count, or an invalid time or duration."""
        for name in ("process", "block", "round"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, not a count")
        if not 0 <= self.t_start_seconds < math.inf:
            raise ValueError(f"t_start_seconds is {self.t_start_seconds!r}, not a time since the start")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds is {self.seconds!r}, not a duration")


@dataclass(frozen=True)
class Trace:
    """Recorded trace; ``header`` describes program, machine and load, ``problems`` names skipped lines."""

    name: str
    header: dict[str, Any]
    turns: tuple[TraceTurn, ...]
    problems: tuple[str, ...] = ()


def check_new(path: Path) -> None:
    """Raise RecordError, before anything is measured, unless a trace can be written at ``path``."""
    if path.is_file():
        raise RecordError(f"{path} exists already: name another file, or remove it.")
    with suppress(OSError):  # the check below names the obstacle
        path.parent.mkdir(parents=True, exist_ok=True)
    files.check({"--record-noise": path})


class TraceWriter:
    """Writer of a new trace, line by line, so that a killed recording keeps its lines.

    Raises RecordError if the file exists or cannot be written: a recording takes minutes and is never overwritten.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self._path = Path(path)
        check_new(self._path)
        try:
            self._file = files.open_new(self._path)
        except OSError as error:
            raise RecordError(f"the trace {path} cannot be written ({error.strerror}): name another file.") from error
        self._write({"format": TRACE_FORMAT, **header})

    def append(self, turn: TraceTurn) -> None:
        self._write(asdict(turn))

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise RecordError(
                f"cannot write {self._path} ({error.strerror}); its lines so far are kept: free space, record again."
            ) from error


def read_trace(path: Path) -> Trace:
    """Read the trace at ``path``; an invalid line is named in ``problems`` and skipped.

    Raises RecordError if the file cannot be read, is not a trace, or has no valid turn.
    """
    path = Path(path)
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a text file"
        raise RecordError(f"the noise trace {path} cannot be read ({why}): see results/noise/README.md.") from error
    header = _header(lines[0] if lines else "", path)
    turns, problems = [], []
    for number, line in enumerate(lines[1:], start=2):
        try:
            turns.append(msgspec.json.decode(line, type=TraceTurn))
        except (ValueError, RecursionError) as error:
            problems.append(f"{path.name} line {number} is not a turn ({error}) and was left out")
    if not turns:
        raise RecordError(f"{path} has no valid turn: record one with --record-noise.")
    return Trace(path.stem, header, tuple(turns), tuple(problems))


def _header(line: str, path: Path) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or "format" not in header:
        raise RecordError(f"{path} is not a noise trace: its first line has no format; see results/noise/README.md.")
    if header["format"] != TRACE_FORMAT:
        raise RecordError(f"{path} has the format {header['format']!r}, and this version reads {TRACE_FORMAT!r}.")
    return header
