"""Live calibrations of the gate: how often it was wrong on this machine, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.verdict.rate import Rate


@dataclass(frozen=True)
class CalibrationRow:
    """``runs`` live gate runs with one injection; ``kind`` is ``seconds`` or ``bytes``, ``inject`` 1.0 for A/A."""

    kind: str
    inject: float
    runs: int
    regressed: int
    undecided: int

    @property
    def rate(self) -> Rate:
        raise NotImplementedError


@dataclass(frozen=True)
class Calibration:
    machine: str
    commit: str | None
    date: str
    budget_seconds: float
    rows: tuple[CalibrationRow, ...]
    environment: dict[str, Any]


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Write ``<folder>/<machine>/<date>-<commit>.json``; raises RecordError if it cannot be written."""
    raise NotImplementedError


def latest_calibration(machine: str, folders: Sequence[Path]) -> Calibration | None:
    """The newest readable calibration of ``machine`` in ``folders``; None if there is none."""
    raise NotImplementedError


def calibration_sentence(calibration: Calibration | None) -> str:
    """The one sentence printed beside every verdict."""
    raise NotImplementedError
