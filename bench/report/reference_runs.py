"""The reference run of each stack: phase by phase, and seed by seed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench import stats
from bench.frames import Frames
from bench.render import Section
from bench.report.tables import select
from bench.stack_key import by_stack, or_none
from bench.units import MISSING, format_bytes, format_percent, format_seconds


def reference_sections(frames: Frames) -> list[Section]:
    found = []
    for stack, results in by_stack(frames.results):
        found.append(_phases(stack.name, select(frames.phases, stack), results))
        found.append(_seeds(stack.name, frames.epochs, results))
    return found


def _phases(name: str, phases: pd.DataFrame, results: pd.DataFrame) -> Section:
    total = results["total_seconds"].median()
    by_phase = phases.groupby("phase", observed=True, sort=False)["seconds"]
    rows = [
        [phase, format_seconds(seconds.median()), format_percent(seconds.median() / total, 1)]
        for phase, seconds in by_phase
    ]
    rest = results["rest_seconds"].median()
    rows.append(["rest, unexplained", format_seconds(rest), format_percent(rest / total, 2)])
    rows.append(["total", format_seconds(total), "100 %"])
    rows.append(["framework import, beside it", format_seconds(results["import_seconds"].median()), MISSING])
    notes = []
    if len(results) > 1:
        notes = [f"Medians over {len(results)} processes, phase by phase, so they add up approximately."]
    return Section(f"Reference run, phase by phase: {name}", notes, ["phase", "median", "share"], rows)


def _seeds(name: str, epochs: pd.DataFrame, results: pd.DataFrame) -> Section:
    headers = ["seed", "reference clock", "validation after epoch 1", "test accuracy", "binomial 95 %", "peak memory"]
    rows = [_seed_row(result, epochs[epochs["process"] == result.process]) for result in results.itertuples()]
    return Section(f"Reference run, seed by seed: {name}", [], headers, rows)


def _seed_row(result: Any, epochs: pd.DataFrame) -> list[str]:
    interval = (None, None)
    if pd.notna(result.test_accuracy) and pd.notna(result.test_examples):
        interval = stats.binomial_interval(result.test_accuracy, int(result.test_examples))
    return [
        MISSING if pd.isna(result.seed) else str(result.seed),
        format_seconds(result.total_seconds),
        format_percent(epochs["validation_accuracy"].iloc[0]) if len(epochs) else MISSING,
        format_percent(or_none(result.test_accuracy)),
        MISSING if None in interval else " to ".join(format_percent(bound) for bound in interval),
        format_bytes(or_none(result.peak_rss_bytes)),
    ]
