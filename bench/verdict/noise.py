"""Noise traces: what one machine does to one unchanged program over minutes.  See results/noise/README.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Turn:
    """One line of a trace.  ``block`` and ``round`` count from 0; ``process`` counts over the whole trace.

    In a block several fresh processes live side by side; in a round each of them takes one turn.  ``side`` is what
    the recorder called it; the program is the same, and replay draws its own sides.
    """

    t_start_seconds: float
    side: str
    process: int
    block: int
    round: int
    seconds: float


@dataclass(frozen=True)
class Trace:
    """``header``: metric, machine, commit, load, date ... as documented in results/noise/README.md."""

    header: dict[str, Any]
    turns: tuple[Turn, ...]


class TraceWriter:
    """Appends turns to a new trace file, a line at a time, so that a killed recording keeps what it has."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        raise NotImplementedError

    def append(self, turn: Turn) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def read_trace(path: Path) -> Trace:
    """Read a trace; raises RecordError naming the file and the line that cannot be used."""
    raise NotImplementedError
