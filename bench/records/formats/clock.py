"""Timeline of a reference run: its phases and epochs one after another, from the recorded durations.

A record holds durations, not times of day.  The order is that of ``mlp.training``; the unexplained rest comes last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.records.moments import moment
from bench.records.schema import is_duration

BEFORE_EPOCHS = ("load", "build", "transfer", "compile")


class ClockPhase(NamedTuple):
    """Part of the reference clock; ``start_seconds`` since its start; ``epoch`` counts from 1, None outside of one."""

    name: str
    start_seconds: float
    seconds: float
    epoch: int | None = None

    @property
    def stop_seconds(self) -> float:
        return self.start_seconds + self.seconds


def spans(extra: dict[str, Any]) -> list[ClockPhase]:
    """Return the parts of a reference run; without epochs on record, train and validate are one part each."""
    found, now = [], 0.0
    for name, seconds, epoch in _parts(extra):
        if seconds is not None:
            found.append(ClockPhase(name, now, seconds, epoch))
            now += seconds
    return found


def _parts(extra: dict[str, Any]) -> Iterator[tuple[str, float | None, int | None]]:
    phases, epochs = extra["phases"], extra.get("epochs") or []
    for name in BEFORE_EPOCHS:
        yield name, phases.get(name), None
    for epoch in epochs:
        yield "train", epoch.get("train_seconds"), epoch.get("epoch")
        yield "validate", epoch.get("validate_seconds"), epoch.get("epoch")
    if not epochs:
        yield "train", phases.get("train"), None
        yield "validate", phases.get("validate"), None
    yield "test", phases.get("test"), None
    yield "rest", extra.get("rest_seconds"), None


def reference_run(replicate: dict[str, Any]) -> dict[str, Any] | None:
    """Return the measurement of the reference run in ``replicate``, or None."""
    timed = [entry for entry in replicate["measurements"] if entry["seconds"] and is_duration(entry["seconds"][0])]
    return next((entry for entry in timed if entry["extra"].get("phases")), None)


def process_start_seconds(replicate: dict[str, Any]) -> float | None:
    """Return the start of the process in seconds since 1970, to the second; None if not recorded."""
    started = moment(replicate.get("started_at"))
    return started.timestamp() if started else None


def before_clock_seconds(replicate: dict[str, Any], run: dict[str, Any]) -> float:
    """Return the seconds from the start of the process to that of its reference clock: interpreter and imports.

    The clock is taken to end with the process: writing the result is neglected.
    """
    return max((replicate.get("wall_seconds") or run["seconds"][0]) - run["seconds"][0], 0.0)
