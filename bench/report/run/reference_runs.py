"""Reference run of each stack, by phase and by seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import pandas as pd

from bench.document.section import Section
from bench.document.table import BYTES, COUNT, FRACTION, FRACTION_INTERVAL, SECONDS, SHARE, Cells, Column, table
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.reference_run import ReferenceRuns
from bench.records.stack_key import StackKey, by_stack, or_none
from bench.report.run.canonical import agreement_of, is_comparable
from bench.stats import estimates
from bench.units import format_range, number_of
from mlp.recipe import REFERENCE


@dataclass(frozen=True)
class PhaseMedians:
    """Median seconds of a stack's reference run over its processes; None where not recorded."""

    stack: StackKey
    num_processes: int
    seconds_by_phase: dict[str, float]  # in the order in which they ran
    rest_seconds: float | None  # not part of any phase
    total_seconds: float
    import_seconds: float | None  # outside the reference clock


def phase_medians(runs: ReferenceRuns) -> list[PhaseMedians]:
    found = []
    for stack, of_stack in runs.items():
        phases = dict.fromkeys(
            phase for run in of_stack for phase, seconds in run.phases.items() if seconds is not None
        )
        found.append(
            PhaseMedians(
                stack,
                len(of_stack),
                {phase: _median([run.phases.get(phase) for run in of_stack]) for phase in phases},
                _median([run.rest_seconds for run in of_stack]),
                _median([run.total_seconds for run in of_stack]),
                _median([run.import_seconds for run in of_stack]),
            )
        )
    return found


def _median(values: Iterable[float | None]) -> float | None:
    """Return the median of the known values; None without any."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


@dataclass(frozen=True)
class ReferenceAnswer:
    """Reference run of the stack that represents this machine.

    ``comparable`` says whether it may be compared with the published pair; ``agreement`` is None if accuracy may not.
    """

    stack: StackKey
    total: estimates.Estimate
    num_epochs: int
    warm_cache: bool
    comparable: bool
    agreement: estimates.Agreement | None
    mean_test_accuracy: float | None

    @property
    def compared(self) -> str:
        """Comparison with the 2016 reference, ``1.48 times as long as`` or ``2 times as fast as``."""
        ratio = REFERENCE.total_seconds / self.total.center
        return f"{max(ratio, 1 / ratio):.3g} times {self.relation} as"

    @property
    def relation(self) -> str:
        """``as fast`` or ``as long``, for a ratio to the 2016 reference that is at least 1."""
        return "as fast" if self.total.center <= REFERENCE.total_seconds else "as long"

    @property
    def ratio_range(self) -> str | None:
        """Interval of ``compared``, from that of the total; None without one."""
        if self.total.low is None or self.total.high is None:
            return None
        ratios = [REFERENCE.total_seconds / self.total.high, REFERENCE.total_seconds / self.total.low]
        if self.relation == "as long":
            ratios = [1 / ratio for ratio in ratios[::-1]]
        return format_range(*ratios)

    @property
    def ran(self) -> str:
        return number_of(self.num_epochs, "epoch")


def reference_answers(header: RunHeader, runs: ReferenceRuns) -> list[ReferenceAnswer]:
    """Return the answer of every stack with a reference run, fastest first."""
    found = [
        ReferenceAnswer(
            stack=stack,
            total=estimates.estimate([[run.total_seconds] for run in of_stack]),
            num_epochs=max(run.num_epochs for run in of_stack),
            warm_cache=all(run.cache == "warm" for run in of_stack),
            comparable=is_comparable(header, runs),
            agreement=agreement_of(header, of_stack),
            mean_test_accuracy=_mean([run.test_accuracy for run in of_stack]),
        )
        for stack, of_stack in runs.items()
    ]
    return sorted(found, key=lambda answer: answer.total.center)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def reference_sections(frames: Frames, phases: list[PhaseMedians]) -> list[Section]:
    medians = {one.stack: one for one in phases}
    found = []
    for stack, results in by_stack(frames.results):
        found.append(_phases(medians[stack]))
        found.append(_seeds(stack.name, frames.epochs, results))
    for section in found:
        section.folded = len(medians) > 1
    return found


def _phases(medians: PhaseMedians) -> Section:
    total, rest = medians.total_seconds, medians.rest_seconds
    rows = [[phase, seconds, seconds / total] for phase, seconds in medians.seconds_by_phase.items()]
    rows.append(["rest, unexplained", rest, None if rest is None else rest / total])
    rows.append(["total", total, 1.0])
    rows.append(["framework import, beside it", medians.import_seconds, None])
    notes = []
    if medians.num_processes > 1:
        notes = [f"Medians over {medians.num_processes} processes, phase by phase, so they add up approximately."]
    return Section(
        f"Reference run, phase by phase: {medians.stack.name}",
        notes,
        ["phase", Column("median", SECONDS), Column("share", SHARE)],
        rows,
        ["phases"],
    )


def _seeds(name: str, epochs: pd.DataFrame, results: pd.DataFrame) -> Section:
    rows = [_seed_row(result, epochs[epochs["process"] == result.process]) for result in results.itertuples()]
    return Section(f"Reference run, seed by seed: {name}", [], *table(rows))


def _seed_row(result: Any, epochs: pd.DataFrame) -> Cells:
    first_accuracy = or_none(epochs["validation_accuracy"].iloc[0]) if len(epochs) else None
    interval = None
    if pd.notna(result.test_accuracy) and pd.notna(result.test_examples):
        interval = estimates.binomial_interval(result.test_accuracy, int(result.test_examples))
    return [
        (Column("seed", COUNT), or_none(result.seed)),
        (Column("reference clock", SECONDS), result.total_seconds),
        (Column("validation after epoch 1", FRACTION), first_accuracy),
        (Column("test accuracy", FRACTION), or_none(result.test_accuracy)),
        (Column("binomial 95 %", FRACTION_INTERVAL), interval),
        (Column("peak memory", BYTES), or_none(result.peak_rss_bytes)),
    ]
