"""Reference run of each stack, by phase and by seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.document.section import Section
from bench.records.frames import Frames
from bench.records.stack_key import StackKey, by_stack, or_none
from bench.report.run.tables import select
from bench.stats import estimates
from bench.units import MISSING, format_bytes, format_percent, format_seconds


@dataclass(frozen=True)
class PhaseMedians:
    """Median seconds of a stack's reference run over its processes; None where not recorded."""

    stack: StackKey
    num_processes: int
    seconds_by_phase: dict[str, float]  # in the order in which they ran
    rest_seconds: float | None  # not part of any phase
    total_seconds: float
    import_seconds: float | None  # outside the reference clock


def phase_medians(frames: Frames) -> list[PhaseMedians]:
    found = []
    for stack, results in by_stack(frames.results):
        by_phase = select(frames.phases, stack).groupby("phase", observed=True, sort=False)["seconds"]
        medians = results[["rest_seconds", "total_seconds", "import_seconds"]].median()
        found.append(
            PhaseMedians(
                stack,
                len(results),
                {str(phase): float(seconds) for phase, seconds in by_phase.median().items()},
                **{name: or_none(value) for name, value in medians.items()},
            )
        )
    return found


def reference_sections(frames: Frames) -> list[Section]:
    medians = {one.stack: one for one in phase_medians(frames)}
    found = []
    for stack, results in by_stack(frames.results):
        found.append(_phases(medians[stack]))
        found.append(_seeds(stack.name, frames.epochs, results))
    for section in found:
        section.folded = len(medians) > 1
    return found


def _phases(medians: PhaseMedians) -> Section:
    total, rest = medians.total_seconds, medians.rest_seconds
    rows = [
        [phase, format_seconds(seconds), format_percent(seconds / total, 1)]
        for phase, seconds in medians.seconds_by_phase.items()
    ]
    rows.append(["rest, unexplained", format_seconds(rest), MISSING if rest is None else format_percent(rest / total)])
    rows.append(["total", format_seconds(total), "100 %"])
    rows.append(["framework import, beside it", format_seconds(medians.import_seconds), MISSING])
    notes = []
    if medians.num_processes > 1:
        notes = [f"Medians over {medians.num_processes} processes, phase by phase, so they add up approximately."]
    return Section(
        f"Reference run, phase by phase: {medians.stack.name}", notes, ["phase", "median", "share"], rows, ["phases"]
    )


def _seeds(name: str, epochs: pd.DataFrame, results: pd.DataFrame) -> Section:
    headers = ["seed", "reference clock", "validation after epoch 1", "test accuracy", "binomial 95 %", "peak memory"]
    rows = [_seed_row(result, epochs[epochs["process"] == result.process]) for result in results.itertuples()]
    return Section(f"Reference run, seed by seed: {name}", [], headers, rows)


def _seed_row(result: Any, epochs: pd.DataFrame) -> list[str]:
    interval = (None, None)
    if pd.notna(result.test_accuracy) and pd.notna(result.test_examples):
        interval = estimates.binomial_interval(result.test_accuracy, int(result.test_examples))
    return [
        MISSING if pd.isna(result.seed) else str(result.seed),
        format_seconds(result.total_seconds),
        format_percent(epochs["validation_accuracy"].iloc[0]) if len(epochs) else MISSING,
        format_percent(or_none(result.test_accuracy)),
        MISSING if None in interval else " to ".join(format_percent(bound) for bound in interval),
        format_bytes(or_none(result.peak_rss_bytes)),
    ]
