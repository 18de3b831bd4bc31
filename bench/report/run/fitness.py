"""Fitness of the machine while a run measured: a grade, when it was disturbed, and by what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from bench.records.core_states import CoreState
from bench.records.fitness import (
    GRADES,
    Grade,
    disturbances,
    gpu_hindrances,
    grade_of,
    hindrances,
    mean_share_taken,
    share_taken,
)
from bench.records.header import RunHeader
from bench.records.moments import moment
from bench.report.load import MOST_TAKEN, REMEDY
from bench.units import format_percent


@dataclass(frozen=True)
class RunFitness:
    """Grade of a run by ``share_taken``, the share of the time of its cores that others took, the host included.

    Both are None if that is unknown, as in records before schema 6.  A run that something else disturbed, such as
    throttling or another distance between the cores, is ``fair`` at best.  ``no_cpu_energy`` is the reason why the
    energy of the CPU could not be read.
    """

    grade: Grade | None
    share_taken: float | None
    disturbances: list[str]
    hindrances: list[str]
    no_cpu_energy: str | None

    @property
    def sentence(self) -> str | None:
        """The grade and its reasons; None without a grade."""
        return None if self.grade is None else f"{self.grade}: {self.reasons}"

    @property
    def reasons(self) -> str:
        taken = f"others took {format_percent(self.share_taken, 1)} of the time of its cores"
        return "; ".join([taken, *self.disturbances])


def run_fitness(header: RunHeader, processes: pd.DataFrame, states: Collection[CoreState]) -> RunFitness:
    """Return the fitness of the machine of a run; ``states`` are those of its processes."""
    recorded = header.fitness
    start, end = recorded.get("start") or {}, recorded.get("end") or {}
    cores = header.machine.get("usable_cores") if recorded else None
    known = processes.dropna(subset=["other_cpu_percent", "threads", "wall_seconds"]) if cores else processes.iloc[:0]
    shares = [share_taken(int(one.threads), cores, one.other_cpu_percent) for one in known.itertuples()]
    mean = mean_share_taken(list(zip(known["wall_seconds"], shares, strict=True)))
    others = disturbances(start, end)
    if len({state.ns for state in states} - {None}) > 1 or any(state.changed for state in states):
        others.append("the cores were at several distances from each other")
    return RunFitness(
        grade=None if mean is None else grade_of(mean, bool(others)),
        share_taken=mean,
        disturbances=[*_when(known[[share > MOST_TAKEN for share in shares]], len(known)), *others],
        hindrances=[*(one.detail for one in hindrances(start)), *_of_gpus(header)],
        no_cpu_energy=(start.get("missing") or {}).get("cpu_energy_joules"),
    )


def _of_gpus(header: RunHeader) -> list[str]:
    """Return what hindered measuring on the GPUs of a run that used one; other processes have a notice of their own."""
    if not header.measures_gpu:
        return []
    facts = [{**gpu, "other_processes_now": None} for gpu in header.gpus]
    return [f"GPU {index}: {one.detail}" for index, gpu in enumerate(facts) for one in gpu_hindrances(gpu)]


def fitness_notices(fitness: RunFitness) -> list[str]:
    """Return notices on a run that is not at least ``good``, and on settings that hindered it."""
    notices = []
    if fitness.grade is Grade.UNFIT:
        limit = format_percent(GRADES[Grade.FAIR], 0)
        unfit = f"This machine was unfit to measure: {fitness.reasons}. From {limit} on a machine is unfit."
        notices.append(f"{unfit} {REMEDY}")
    elif fitness.grade is Grade.FAIR:
        notices.append(f"Fitness of the machine while it measured: {fitness.sentence}.")
    if fitness.hindrances:
        notices.append(f"Hindrances when it started: {'; '.join(fitness.hindrances)}.")
    return notices


def _when(disturbed: pd.DataFrame, num_processes: int) -> list[str]:
    """Return the number of disturbed processes and the time from the start of the first to the end of the last."""
    if disturbed.empty:
        return []
    spans = [span for one in disturbed.itertuples() if (span := _span(one.started_at, one.wall_seconds)) is not None]
    when = ""
    if spans:
        starts, ends = zip(*spans, strict=True)
        when = f", from {min(starts):%H:%M:%S} to {max(ends):%H:%M:%S} UTC"
    stolen = disturbed["steal_percent"].sum() > disturbed["other_cpu_percent"].sum() / 2
    by = ", most of it by the host of this virtual machine (steal)" if stolen else ""
    limit = format_percent(MOST_TAKEN, 0)
    return [f"more than {limit} in {len(disturbed)} of {num_processes} processes{when}{by}"]


def _span(started_at: Any, wall_seconds: float) -> tuple[datetime, datetime] | None:
    start = moment(started_at)
    try:
        return None if start is None else (start, start + timedelta(seconds=float(wall_seconds)))
    except (ValueError, OverflowError):
        return None
