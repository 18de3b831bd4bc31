"""Ablation of theano/tuned: the effect of each optimization, and the distance from the eight matrix products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from bench.document.section import Section
from bench.document.table import INTEGER, NUMBER, SECONDS, Cells, Column, table
from bench.records.core_states import CoreState
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.select import estimate_of, paired_rounds
from bench.records.stack_key import groups
from bench.report.run.tables import ABLATION, interval_sentences, with_interval
from bench.stats import estimates
from bench.units import format_number, format_range

MEASUREMENTS = ("mean_train_step", "eight_products")


class RowKey(NamedTuple):
    """Columns of a case that identify a row; without a variant it is the eight products alone."""

    variant: str | None
    without: str | None

    @property
    def name(self) -> str:
        if self.variant is None:
            return "eight products"
        return self.variant if self.without is None else f"without {self.without}"


TUNED, PUBLISHED, PRODUCTS = RowKey("tuned", None), RowKey("as_published", None), RowKey(None, None)


@dataclass(frozen=True)
class AblationRow:
    """Row of the ablation; ``num_planned`` is None without a planned process, ``step`` without a measured one.

    ``time_ratio`` is the ratio of its step duration to that of ``tuned``, over interleaved pairs; None for ``tuned``
    itself, and if no round measured both.
    """

    name: str
    num_planned: int | None
    step: estimates.Estimate | None
    time_ratio: estimates.Ratio | None


@dataclass(frozen=True)
class Ablation:
    """All rows, and the ratios of the step of ``tuned`` to two of them; None if no round measured both."""

    rows: list[AblationRow]
    tuned_to_products: estimates.Ratio | None
    tuned_to_published: estimates.Ratio | None


def ablation_rows(frames: Frames) -> dict[RowKey, pd.DataFrame]:
    """Return the samples of every measured row."""
    of_steps = (frames.samples["harness"] == ABLATION) & frames.samples["measurement"].isin(MEASUREMENTS)
    return {RowKey(**keys): rows for keys, rows in groups(frames.samples[of_steps], list(RowKey._fields))}


def ablation(header: RunHeader, frames: Frames, states: Mapping[int, CoreState]) -> Ablation | None:
    """Return the ablation, or None if the run did not measure it."""
    samples = ablation_rows(frames)
    if not samples:
        return None
    planned = _planned_processes(header)
    rounds = paired_rounds(samples, states)
    tuned = rounds.get(TUNED, {})
    optimizations = dict.fromkeys(key for key in (*planned, *samples) if key.without)
    return Ablation(
        rows=[
            AblationRow(
                key.name,
                planned.get(key),
                estimate_of(samples[key]) if key in samples else None,
                None if key == TUNED else estimates.paired_ratio(rounds.get(key, {}), tuned),
            )
            for key in (TUNED, *optimizations, PUBLISHED, PRODUCTS)
        ],
        tuned_to_products=estimates.paired_ratio(tuned, rounds.get(PRODUCTS, {})),
        tuned_to_published=estimates.paired_ratio(tuned, rounds.get(PUBLISHED, {})),
    )


def _planned_processes(header: RunHeader) -> dict[RowKey, int]:
    return {
        RowKey(entry.case.get("variant"), entry.case.get("without")): entry.replicates
        for entry in header.plan
        if entry.case.get("harness") == ABLATION
    }


def ablation_sections(found: Ablation | None) -> list[Section]:
    if found is None:
        return []
    sentences = [
        _compared("its eight matrix products alone", found.tuned_to_products),
        _compared("one of theano/as_published", found.tuned_to_published),
        "Each optimization of theano/tuned is left out alone and replaced by the published way of doing its part. A "
        "step is a training epoch divided by its steps; the eight products go through the same BLAS, on its own "
        "threads, zeros included. Ratios are over processes of the same interleaved round.",
    ]
    names = {row.name for row in found.rows}
    if "without products" in names:
        sentences.append(
            "Without products the other operations have no threads either: that row includes the effect of threads."
        )
    if "without sparsity" in names:
        sentences.append(
            "The effect of sparsity depends on the data: it leaves out blank pixels, and units that ReLU or dropout "
            "stopped. It needs products, so the row without products includes its effect."
        )
    sentences += interval_sentences([row.step for row in found.rows], [row.time_ratio for row in found.rows])
    sentences += _missing_sentences(found.rows)
    return [Section("Ablation of the tuning", sentences, *table(map(_cells, found.rows)), ["ablation"])]


def _compared(other: str, ratio: estimates.Ratio | None) -> str:
    subject = "A training step of theano/tuned"
    if ratio is None:
        return f"{subject} has no ratio to {other}: no round measured both."
    rounds = "one round" if ratio.num_rounds == 1 else f"{ratio.num_rounds} rounds"
    interval = f"95 % interval {format_range(ratio.low, ratio.high)}, {rounds}"
    if ratio.low is None:
        interval = f"{rounds}, so no interval"
    return f"{subject} takes {format_number(ratio.center)} times as long as {other} ({interval})."


def _missing_sentences(rows: list[AblationRow]) -> list[str]:
    """List rows with missing processes; a row without a plan is missing only if nothing was measured."""
    missing = [
        f"{row.name} ({_num_measured(row)} of {row.num_planned} processes)" if row.num_planned else row.name
        for row in rows
        if _num_measured(row) < (row.num_planned or 1)
    ]
    return [f"Missing: {', '.join(missing)}. The rest is compared nevertheless."] if missing else []


def _num_measured(row: AblationRow) -> int:
    return 0 if row.step is None else row.step.num_processes


def _cells(row: AblationRow) -> Cells:
    return [
        ("row", row.name),
        (Column("processes", INTEGER), _num_measured(row)),
        *with_interval(Column("training step", SECONDS), row.step, "step"),
        *with_interval(Column("times as long as tuned", NUMBER), row.time_ratio, "ratio"),
    ]
