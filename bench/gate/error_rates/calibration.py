"""Live calibrations of the gate: measured false alarm rates and power on a machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.advice import bench_command
from bench.errors import RecordError
from bench.records import files
from bench.records.json_file import Integer, read_format
from bench.records.moments import day, moment, order
from bench.records.run_folder import write_json
from bench.stats.rate import Rate
from bench.units import format_percent, format_seconds, short_commit

CALIBRATION_FORMAT = "mlp-bench gate calibration 1"
KINDS = {"seconds": "slowdowns", "bytes": "increases of memory"}


@dataclass(frozen=True)
class CalibrationRow:
    """Counted outcomes of ``runs`` complete gate runs with one injection.

    ``kind`` is ``seconds`` or ``bytes``; ``inject`` the factor on side B, 1.0 for the base against itself.
    ``found``: a metric affected by the injection was called regressed.  ``false_alarms``: an unaffected metric was.
    ``undecided``: no metric was called regressed, and at least one was undecided.

    Raises ValueError for another kind, a factor below 1, or inconsistent counts.
    """

    kind: str
    inject: float
    runs: Integer
    found: Integer
    false_alarms: Integer
    undecided: Integer

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, not one of {', '.join(KINDS)}")
        if not self.inject >= 1:
            raise ValueError(f"inject is {self.inject!r}, not a factor of at least 1")
        red = max(self.found, self.false_alarms)
        if min(self.found, self.false_alarms, self.undecided) < 0 or not 1 <= self.runs >= red + self.undecided:
            counts = f"{self.found} found, {self.false_alarms} false alarms, {self.undecided} undecided"
            raise ValueError(f"{counts} of {self.runs} runs")
        if self.inject == 1 and self.found:
            raise ValueError(f"nothing was injected, and found in {self.found} runs")

    @property
    def power(self) -> Rate | None:
        """Rate of runs that found the injection; None without an injection."""
        return None if self.inject == 1 else Rate(self.found, self.runs)


@dataclass(frozen=True)
class Calibration:
    """Result of ``gate --calibrate``.  ``machine`` is the name of its folder, ``date`` ISO 8601 in UTC.

    ``environment`` holds other factors of the rates: fingerprint, stack, threads, metrics, versions.
    """

    machine: str
    commit: str | None
    date: str
    budget_seconds: float
    rows: tuple[CalibrationRow, ...]
    environment: dict[str, Any]

    def __post_init__(self) -> None:
        """Raise ValueError for an invalid date or budget."""
        if moment(self.date) is None:
            raise ValueError(f"date is {self.date!r}, not a time")
        if not 0 < self.budget_seconds < math.inf:
            raise ValueError(f"budget_seconds is {self.budget_seconds!r}, not a duration")


def write_calibration(folder: Path, calibration: Calibration, written: Path | None = None) -> Path:
    """Write ``<folder>/<machine>/<date>-<commit>.json``, or replace the earlier file ``written``; return its path.

    Raises RecordError if it cannot be written.
    """
    moment = calibration.date.replace(":", "").replace("+0000", "Z")
    path = Path(folder) / calibration.machine / f"{moment}-{short_commit(calibration.commit, 'nocommit')}.json"
    rows = [{**asdict(row), "power": row.power and row.power.to_json()} for row in calibration.rows]
    content = {"format": CALIBRATION_FORMAT, **asdict(calibration), "rows": rows}
    remedy = "free space, or name another --runs-dir"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"the calibration {path} cannot be written ({error.strerror}): {remedy}.") from error
    path = written or files.new_file(path, remedy)
    write_json(path, content, remedy)
    return path


def read_calibration(path: Path) -> Calibration:
    """Read the calibration at ``path``; raise RecordError if it cannot be read or is invalid."""
    try:
        return read_format(Path(path), CALIBRATION_FORMAT, Calibration)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise RecordError(f"the calibration {path} cannot be read ({why}): calibrate again, or remove it.") from error


def latest_calibration(machine: str, folders: Sequence[Path]) -> Calibration | None:
    """Return the newest readable calibration of ``machine`` in ``folders``; None if there is none.

    Damaged files are skipped: they must not stop a gate run, which only prints the rates beside its verdict.
    """
    found = []
    for path in (path for folder in folders for path in sorted(Path(folder, machine).glob("*.json"))):
        try:
            found.append(read_calibration(path))
        except RecordError:
            continue
    return max(found, key=lambda calibration: order(calibration.date), default=None)


def calibration_sentence(calibration: Calibration | None) -> str:
    """Format the sentence on error rates that is printed beside every verdict.

    All runs count for the false alarms: most of their metrics are unaffected by an injection.
    """
    if calibration is None or not calibration.rows:
        return (
            f"How often this gate is wrong on this machine has not been measured: run "
            f"{bench_command('gate --calibrate')}."
        )
    rows = calibration.rows
    alarms = Rate(sum(row.false_alarms for row in rows), sum(row.runs for row in rows))
    low, high = alarms.interval
    parts = [
        f"called something regressed that was unchanged in {alarms.count} of {alarms.trials} runs "
        f"({format_percent(low, 1)} to {format_percent(high, 1)} at 95 %)"
    ]
    parts += [f"left {row.undecided} of {row.runs} runs of A against A undecided" for row in rows if row.inject == 1]
    for kind, what in KINDS.items():
        found = [row for row in rows if row.kind == kind and row.inject != 1]
        each = ", ".join(f"{format_percent(row.inject - 1, 0)} in {row.found} of {row.runs}" for row in found)
        parts += [f"found {what} of {each}"] if found else []
    where = f"{calibration.machine}, {day(calibration.date)}, commit {short_commit(calibration.commit, 'unknown')}"
    budget = format_seconds(calibration.budget_seconds)
    return f"On this machine ({where}, budget {budget}) this gate {'; '.join(parts)}."
