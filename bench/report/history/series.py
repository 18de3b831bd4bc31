"""Series of durations over time: one for each machine, stack and measurement, oldest run first."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from bench.advice import make_command
from bench.errors import BenchError, RecordError
from bench.records.comparability import FREE, contradictions, identity, machine_name
from bench.records.comparison_key import ComparisonKey
from bench.records.moments import order
from bench.records.run_folder import RunFolder
from bench.report.compare.comparable import REFERENCE_CLOCK, Comparable, StackMeasurement
from bench.report.compare.runs import timed_run
from bench.stats import estimates
from bench.stats.change_points import Trend, TrendShape, trend
from bench.units import short_commit


@dataclass(frozen=True)
class RunPoint:
    """Measurement of one run: the seconds of each of its processes."""

    run: str
    started_at: str
    processes: tuple[Sequence[float], ...]
    key: ComparisonKey | None = None

    @cached_property
    def center(self) -> float:
        """Center of ``seconds``, without the interval, which is costly for thousands of runs."""
        return float(median(median(seconds) for seconds in self.processes))

    @cached_property
    def seconds(self) -> estimates.Estimate:
        return estimates.estimate(self.processes)


@dataclass
class Conditions:
    """Common conditions of a series: machine, dataset and recipe; ``number`` counts from 1.

    ``hardware`` merges the facts of all its runs; ``differs_by`` names the differences from the previous conditions.
    """

    number: int
    hardware: dict[str, Any]
    work: str
    differs_by: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.number} ({machine_name(self.hardware)})"


@dataclass(frozen=True)
class Series:
    conditions: Conditions
    metric: StackMeasurement
    points: tuple[RunPoint, ...]

    @cached_property
    def trend(self) -> Trend:
        return trend([point.center for point in self.points])

    def changed_since(self, index: int) -> list[str]:
        """Return what changed from the run before ``index`` to that run: its code, and its versions."""
        before, after = self.points[index - 1].key, self.points[index].key
        if before is None or after is None:
            return []
        same = before.has_code_of(after)
        code = [] if same else ["the code may have changed" if same is None else "the code changed"]
        commits = "..".join(short_commit(key.commit, "no commit") for key in (before, after))
        return [*(f"{one} ({commits})" for one in code), *before.other_versions(after)]

    @property
    def changed(self) -> bool:
        return self.trend.shape in (TrendShape.STEPS, TrendShape.DRIFT)


@dataclass(frozen=True)
class History:
    """Series of many runs; ``problems`` are (run, problem) of unreadable or partial runs."""

    series: list[Series]
    conditions: list[Conditions]
    num_runs: int
    problems: list[tuple[str, str]]


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """Return every run folder below ``folders``, recursively; raise BenchError if there is none."""
    found = sorted({path.parent for folder in folders for path in folder.glob("**/run.json")})
    if not found:
        raise BenchError(
            f"there are no runs in {' or '.join(str(folder) for folder in folders)}: measure some with "
            f"{make_command('bench')}, or name a folder that holds runs."
        )
    return found


def history(paths: Iterable[Path]) -> History:
    """Return the series of the runs in ``paths``; an unreadable run is left out and named in ``problems``.

    Raises
    ------
    BenchError
        If no run can be read.
    """
    runs, problems = _read(paths)
    if not runs:
        raise BenchError(f"no run can be read: {'; '.join(problem for _, problem in problems)}.")
    runs.sort(key=lambda run: order(run.started_at))
    conditions: list[Conditions] = []
    points: dict[tuple[int, StackMeasurement], list[RunPoint]] = {}
    for run in runs:
        place = _place(run, conditions)
        for metric, processes in run.samples.items():
            named = metric._replace(measurement=_measurement(metric.measurement, run))
            key = run.keys.get(metric.stack)
            point = RunPoint(run.name, run.started_at or "", tuple(processes.values()), key)
            points.setdefault((place.number, named), []).append(point)
    stacks = list(dict.fromkeys(metric.stack for _, metric in points))
    ordered = sorted(points.items(), key=lambda entry: (entry[0][0], stacks.index(entry[0][1].stack)))
    series = [Series(conditions[number - 1], metric, tuple(found)) for (number, metric), found in ordered]
    return History(series, conditions, len(runs), problems)


def _read(paths: Iterable[Path]) -> tuple[list[Comparable], list[tuple[str, str]]]:
    """Return the readable runs with a start time, each once: a record is a copy of a run."""
    runs: dict[str, Comparable] = {}
    problems = []
    for path in paths:
        try:
            folder = RunFolder.open(path)
        except RecordError as error:
            problems.append((path.name, str(error).removesuffix(".")))
            continue
        name = folder.header.run_id
        if name in runs:
            continue
        run = _compact(timed_run(folder, name))
        if run.started_at is None:
            problems.append((name, "it has no start time and was left out"))
            continue
        problems += [(name, note) for note in run.notes]
        runs[name] = run
    return list(runs.values()), problems


def _compact(run: Comparable) -> Comparable:
    """Return the run with samples in arrays of 8 bytes each, instead of 32 for a list of floats."""
    samples = {
        metric: {number: array("d", seconds) for number, seconds in processes.items()}
        for metric, processes in run.samples.items()
    }
    return replace(run, samples=samples)


def _place(run: Comparable, conditions: list[Conditions]) -> Conditions:
    """Return the conditions under which ``run`` was measured; append new ones.

    A missing fact contradicts none: records older than a fact may belong to the same machine.
    """
    hardware, work = identity(run.facts), _work(run)
    for known in conditions:
        if known.work == work and not contradictions(known.hardware, hardware):
            known.hardware |= hardware
            return known
    differs = contradictions(conditions[-1].hardware, hardware) if conditions else []
    if conditions and conditions[-1].work != work:
        differs.append("dataset, recipe or variables of --env")
    conditions.append(Conditions(len(conditions) + 1, dict(hardware), work, differs))
    return conditions[-1]


def _work(run: Comparable) -> str:
    """Return dataset, recipe and --env variables as one text, without fields that may differ."""
    dataset, recipe = run.dataset or {}, run.recipe or {}
    kept = {name: value for name, value in recipe.items() if name not in FREE}
    return json.dumps([dataset.get("identity"), dataset.get("sha256"), kept, run.passed or {}], sort_keys=True)


def _measurement(name: str, run: Comparable) -> str:
    """Add the number of epochs to the name of the reference clock, as it depends on them."""
    epochs = (run.recipe or {}).get("num_epochs")
    return f"{name}, {epochs} epochs" if name.startswith(REFERENCE_CLOCK) and epochs is not None else name
