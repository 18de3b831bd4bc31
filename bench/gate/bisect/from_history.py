"""Range of a bisection from the latest change point of ``bench history``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.measure.case import Stack
from bench.measure.process import PROJECT
from bench.report.history import find_runs, history
from bench.report.history.series import RunPoint
from bench.units import format_number

RECORDS = PROJECT / "results" / "records"


@dataclass(frozen=True)
class HistoryStep:
    """Step of a series between the runs of two commits."""

    good: str
    bad: str
    sentence: str


def latest_step(runs_dir: Path, measurement: str, stack: Stack) -> HistoryStep:
    """Return the latest step to slower of a measurement and stack, between runs of known commits.

    Raises BenchError if there is none.
    """
    folders = [folder for folder in (runs_dir, RECORDS) if folder.is_dir()]
    found = history(find_runs(folders))
    steps = [
        (before, after, step.ratio)
        for series in found.series
        if series.metric.measurement == measurement and series.metric.stack.startswith(stack.label)
        for step in series.trend.steps
        for before, after in [series.points[step.index - 1 : step.index + 1]]
        if step.ratio > 1 and _commit(before) and _commit(after)
    ]
    if not steps:
        raise BenchError(
            f"the history of {found.num_runs} runs has no step to slower of {measurement} of {stack.label}: "
            "name the good and the bad revision."
        )
    before, after, ratio = max(steps, key=lambda step: step[1].started_at)
    sentence = (
        f"{measurement} of {stack.label} is slower by a factor of {format_number(ratio)} from run {after.run} on, "
        f"after run {before.run}."
    )
    return HistoryStep(_commit(before), _commit(after), sentence)


def _commit(point: RunPoint) -> str | None:
    return None if point.key is None else point.key.commit
